//! From rows of components to rows of RGB.

use crate::frame::ColorSpace;

// FIX(x) of jdcolor.c: x * 2^16, rounded, less the whole part, as jdcolext-avx2.asm splits it to fit 16 bits.
const CR_TO_R: i32 = 91_881 - 65_536; // 1.40200 = 1 + 0.40200
const CB_TO_B: i32 = 116_130 - 131_072; // 1.77200 = 2 - 0.22800
const CB_TO_G: i32 = -22_554; // -0.34414
const CR_TO_G: i32 = 65_536 - 46_802; // -0.71414 = 0.28586 - 1
const HALF: i32 = 1 << 15;

/// Pixels converted at once.
const BLOCK: usize = 16;

/// Converts one row. The component rows hold samples less 128 and are at least as long as `out` has pixels.
pub(crate) fn convert(space: ColorSpace, rows: &[&[i8]], out: &mut [u8]) {
    let pixels = out.len() / 3;
    match (space, rows) {
        (ColorSpace::Gray, [gray, ..]) => {
            for (out, &gray) in out.chunks_exact_mut(3).zip(*gray) {
                out.fill(unsigned(gray));
            }
        }
        (ColorSpace::Rgb, [r, g, b, ..]) => {
            for (((out, &r), &g), &b) in out.chunks_exact_mut(3).zip(*r).zip(*g).zip(*b) {
                out.copy_from_slice(&[unsigned(r), unsigned(g), unsigned(b)]);
            }
        }
        (ColorSpace::YCbCr, [y, cb, cr, ..]) => {
            let blocks = out.as_chunks_mut::<{ 3 * BLOCK }>();
            let whole = blocks.0.len();
            let sources = y.as_chunks::<BLOCK>().0.iter().zip(cb.as_chunks().0).zip(cr.as_chunks().0);
            for (out, ((y, cb), cr)) in blocks.0.iter_mut().zip(sources) {
                ycc_block(y, cb, cr, out);
            }
            let rest = whole * BLOCK..pixels;
            let sources = y[rest.clone()].iter().zip(&cb[rest.clone()]).zip(&cr[rest]);
            for (out, ((&y, &cb), &cr)) in blocks.1.chunks_exact_mut(3).zip(sources) {
                out.copy_from_slice(&ycc(y, cb, cr));
            }
        }
        (ColorSpace::Cmyk | ColorSpace::Ycck, [c, m, y, k, ..]) => {
            for ((((out, &c), &m), &y), &k) in out.chunks_exact_mut(3).zip(*c).zip(*m).zip(*y).zip(*k) {
                let ink = match space {
                    ColorSpace::Ycck => ycc(c, m, y),
                    _ => [c, m, y].map(|ink| 255 - unsigned(ink)),
                };
                out.copy_from_slice(&ink.map(|ink| over_black(ink, unsigned(k))));
            }
        }
        _ => {}
    }
}

#[inline(always)]
fn unsigned(sample: i8) -> u8 {
    sample as u8 ^ 0x80
}

/// YCbCr to RGB (JFIF 1.02), in the fixed-point arithmetic of jdcolor.c, `ycc_rgb_convert`.
#[inline(always)]
fn ycc(y: i8, cb: i8, cr: i8) -> [u8; 3] {
    let y = i16::from(y) + 128;
    let wide = i32::from;
    let r = ((wide(cr) * CR_TO_R + HALF) >> 16) as i16 + i16::from(cr);
    let g = ((wide(cb) * CB_TO_G + wide(cr) * CR_TO_G + HALF) >> 16) as i16 - i16::from(cr);
    let b = ((wide(cb) * CB_TO_B + HALF) >> 16) as i16 + 2 * i16::from(cb);
    [y + r, y + g, y + b].map(|value| value.clamp(0, 255) as u8)
}

/// [`ycc`] of sixteen pixels, written so that the arithmetic is done on vectors and each pixel stored at once.
#[inline(always)]
fn ycc_block(y: &[i8; BLOCK], cb: &[i8; BLOCK], cr: &[i8; BLOCK], out: &mut [u8; 3 * BLOCK]) {
    let mut pixels = [0u32; BLOCK];
    for i in 0..BLOCK {
        let [r, g, b] = ycc(y[i], cb[i], cr[i]);
        pixels[i] = u32::from(r) | u32::from(g) << 8 | u32::from(b) << 16;
    }
    for i in 0..BLOCK - 1 {
        out[3 * i..3 * i + 4].copy_from_slice(&pixels[i].to_le_bytes());
    }
    out[3 * BLOCK - 3..].copy_from_slice(&pixels[BLOCK - 1].to_le_bytes()[..3]);
}

/// One colour of a CMYK pixel, given as Pillow holds it, inverted on reading (mode `CMYK;I`), with black not inverted:
/// `k - ink * k / 255`, rounded as Pillow's `MULDIV255` (ImagingUtils.h, Convert.c `cmyk2rgb`).
#[inline(always)]
fn over_black(ink: u8, k: u8) -> u8 {
    let product = u32::from(ink) * u32::from(k) + 128;
    k - (((product >> 8) + product) >> 8) as u8
}
