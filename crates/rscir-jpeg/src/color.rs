//! Conversion of rows of components to rows of pixels.

use crate::frame::ColorSpace;
use crate::library::Library;

// FIX(x) of jdcolor.c: x * 2^16, rounded, less the whole part, as jdcolext-avx2.asm splits it to fit 16 bits.
const CR_TO_R: i32 = 91_881 - 65_536; // 1.40200 = 1 + 0.40200
const CB_TO_B: i32 = 116_130 - 131_072; // 1.77200 = 2 - 0.22800
const CB_TO_G: i32 = -22_554; // -0.34414
const CB_TO_G_IJG: i32 = -22_553; // -0.344136286, since libjpeg 9
const CR_TO_G: i32 = 65_536 - 46_802; // -0.71414 = 0.28586 - 1
const HALF: i32 = 1 << 15;

/// Form of the pixels that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// Red, green and blue, converted from this color space.
    Rgb(ColorSpace),
    /// This many components without a conversion.
    Components(usize),
}

impl Target {
    /// Returns the number of bytes of a pixel.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Rgb(_) => 3,
            Self::Components(count) => count,
        }
    }
}

/// Turns rows of components into rows of pixels.
pub(crate) struct Converter {
    target: Target,
    cb_to_g: i32,
    // One row each of red, of red with green in the upper byte, of blue, and of pixels with red in the lowest byte.
    red: Vec<u8>,
    red_green: Vec<u16>,
    blue: Vec<u8>,
    pixels: Vec<u32>,
}

impl Converter {
    pub(crate) fn new(target: Target, library: Library, width: usize) -> Self {
        let width = if target == Target::Rgb(ColorSpace::YCbCr) { width } else { 0 };
        let cb_to_g = match library {
            Library::Turbo => CB_TO_G,
            Library::Ijg => CB_TO_G_IJG,
        };
        Self {
            target,
            cb_to_g,
            red: vec![0; width],
            red_green: vec![0; width],
            blue: vec![0; width],
            pixels: vec![0; width],
        }
    }

    /// Converts one row. The rows of the components hold samples less 128 and are at least as long as `out` has
    /// pixels.
    pub(crate) fn row(&mut self, rows: &[&[i8]; 4], out: &mut [u8]) {
        let [first, second, third, fourth] = *rows;
        let space = match self.target {
            Target::Rgb(space) => space,
            Target::Components(count) => {
                for (at, row) in rows.iter().take(count).enumerate() {
                    let to = out.iter_mut().skip(at).step_by(count);
                    to.zip(*row).for_each(|(to, sample)| *to = unsigned(*sample));
                }
                return;
            }
        };
        match space {
            ColorSpace::Gray => {
                for (out, &gray) in out.chunks_exact_mut(3).zip(first) {
                    out.fill(unsigned(gray));
                }
            }
            ColorSpace::Rgb => {
                for (((out, &r), &g), &b) in out.chunks_exact_mut(3).zip(first).zip(second).zip(third) {
                    out.copy_from_slice(&[r, g, b].map(unsigned));
                }
            }
            ColorSpace::YCbCr => self.ycc_row(first, second, third, out),
            ColorSpace::Cmyk | ColorSpace::Ycck => {
                let sources = first.iter().zip(second).zip(third).zip(fourth);
                for (out, (((&c, &m), &y), &k)) in out.chunks_exact_mut(3).zip(sources) {
                    let ink = match space {
                        ColorSpace::Ycck => [red(c, y), green(c, m, y, self.cb_to_g), blue(c, m)],
                        _ => [c, m, y].map(|ink| 255 - unsigned(ink)),
                    };
                    out.copy_from_slice(&ink.map(|ink| over_black(ink, unsigned(k))));
                }
            }
        }
    }

    /// Converts a row of YCbCr. Each color has a loop of its own and a last one joins them, because the compiler
    /// makes vector code of such simple loops.
    fn ycc_row(&mut self, y: &[i8], cb: &[i8], cr: &[i8], out: &mut [u8]) {
        for ((r, &y), &cr) in self.red.iter_mut().zip(y).zip(cr) {
            *r = red(y, cr);
        }
        let cb_to_g = self.cb_to_g;
        for ((((rg, &r), &y), &cb), &cr) in self.red_green.iter_mut().zip(&self.red).zip(y).zip(cb).zip(cr) {
            *rg = u16::from(r) | u16::from(green(y, cb, cr, cb_to_g)) << 8;
        }
        for ((b, &y), &cb) in self.blue.iter_mut().zip(y).zip(cb) {
            *b = blue(y, cb);
        }
        for ((pixel, &rg), &b) in self.pixels.iter_mut().zip(&self.red_green).zip(&self.blue) {
            *pixel = u32::from(rg) | u32::from(b) << 16;
        }
        pack(&self.pixels, out);
    }
}

/// Writes the lower three bytes of each pixel, two pixels at a time.
fn pack(pixels: &[u32], out: &mut [u8]) {
    let (pairs, last) = pixels.as_chunks::<2>();
    let mut at = 0;
    for &[left, right] in pairs {
        let pair = (u64::from(left) | u64::from(right) << 24).to_le_bytes();
        match out[at..].first_chunk_mut::<8>() {
            Some(out) => *out = pair,
            None => out[at..at + 6].copy_from_slice(&pair[..6]),
        }
        at += 6;
    }
    if let [last] = last {
        out[at..at + 3].copy_from_slice(&last.to_le_bytes()[..3]);
    }
}

#[inline(always)]
fn unsigned(sample: i8) -> u8 {
    sample as u8 ^ 0x80
}

// YCbCr to RGB (JFIF 1.02): the results of jdcolor.c, `ycc_rgb_convert`, by the arithmetic of jdcolext-avx2.asm.

#[inline(always)]
fn red(y: i8, cr: i8) -> u8 {
    let cr = i16::from(cr);
    lighten(y, rounded_half(high(2 * cr, CR_TO_R)) + cr)
}

#[inline(always)]
fn green(y: i8, cb: i8, cr: i8, cb_to_g: i32) -> u8 {
    let sum = i32::from(cb) * cb_to_g + i32::from(cr) * CR_TO_G;
    lighten(y, ((sum + HALF) >> 16) as i16 - i16::from(cr))
}

#[inline(always)]
fn blue(y: i8, cb: i8) -> u8 {
    let cb = i16::from(cb);
    lighten(y, rounded_half(high(2 * cb, CB_TO_B)) + 2 * cb)
}

/// Returns the upper half of a product of 32 bits.
#[inline(always)]
fn high(a: i16, b: i32) -> i16 {
    ((i32::from(a) * b) >> 16) as i16
}

#[inline(always)]
fn rounded_half(value: i16) -> i16 {
    (value + 1) >> 1
}

#[inline(always)]
fn lighten(y: i8, difference: i16) -> u8 {
    (i16::from(y) + 128 + difference).clamp(0, 255) as u8
}

/// Returns one color of a CMYK pixel: `k - ink * k / 255`, rounded as Pillow's `MULDIV255` rounds (ImagingUtils.h,
/// Convert.c `cmyk2rgb`).
///
/// `ink` is inverted, as Pillow inverts it on reading (mode `CMYK;I`), and the black `k` is not.
#[inline(always)]
fn over_black(ink: u8, k: u8) -> u8 {
    let product = u32::from(ink) * u32::from(k) + 128;
    k - (((product >> 8) + product) >> 8) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Converts samples of 0 to 255 as jdcolor.c does (`build_ycc_rgb_table` and `ycc_rgb_convert`).
    fn plain(y: i32, cb: i32, cr: i32, [cb_to_g, cr_to_g]: [f64; 2]) -> [u8; 3] {
        let fix = |x: f64| (x * 65_536.0 + 0.5) as i32;
        let (cb, cr) = (cb - 128, cr - 128);
        let r = y + ((fix(1.40200) * cr + HALF) >> 16);
        let g = y + ((-fix(cb_to_g) * cb - fix(cr_to_g) * cr + HALF) >> 16);
        let b = y + ((fix(1.77200) * cb + HALF) >> 16);
        [r, g, b].map(|value| value.clamp(0, 255) as u8)
    }

    #[test]
    fn all_colors_are_those_of_the_plain_formula() {
        for cb in 0..=255 {
            for cr in 0..=255 {
                for y in [0, 1, 77, 128, 200, 254, 255] {
                    let signed = |value: i32| (value - 128) as i8;
                    let (sy, scb, scr) = (signed(y), signed(cb), signed(cr));
                    let got = |cb_to_g| [red(sy, scr), green(sy, scb, scr, cb_to_g), blue(sy, scb)];
                    assert_eq!(got(CB_TO_G), plain(y, cb, cr, [0.34414, 0.71414]));
                    assert_eq!(got(CB_TO_G_IJG), plain(y, cb, cr, [0.344_136_286, 0.714_136_286]));
                }
            }
        }
    }

    #[test]
    fn rows_of_every_width_are_packed() {
        for width in 1..40 {
            let row = |step: usize| -> Vec<i8> { (0..width).map(|x| (x * step % 251) as u8 as i8).collect() };
            let (y, cb, cr) = (row(37), row(59), row(83));
            let mut out = vec![0; 3 * width];
            Converter::new(Target::Rgb(ColorSpace::YCbCr), Library::Turbo, width)
                .row(&[&y, &cb, &cr, &[]], &mut out);
            for (x, pixel) in out.chunks_exact(3).enumerate() {
                assert_eq!(pixel, [red(y[x], cr[x]), green(y[x], cb[x], cr[x], CB_TO_G), blue(y[x], cb[x])]);
            }
        }
    }

    #[test]
    fn ink_over_black_is_rounded_to_nearest() {
        for ink in 0..=255u8 {
            for k in 0..=255u8 {
                let exact = f64::from(k) - f64::from(ink) * f64::from(k) / 255.0;
                assert!((f64::from(over_black(ink, k)) - exact).abs() <= 0.5, "{ink} {k}");
            }
        }
    }
}
