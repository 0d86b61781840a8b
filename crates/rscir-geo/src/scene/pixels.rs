//! Windows of a scene as RGB images, and the number of their valid pixels.

use std::sync::OnceLock;

use rscir_core::RgbImage;
use rscir_images::tiff::{Samples, Tiff, TiffImage, Window};

use super::bands::Colors;
use super::lines::{Lines, looked_up};
use super::number::{Number, each_type};
use super::validity::{Rule, Validity};
use crate::Result;

/// The samples of a window that its colors and valid pixels depend on.
pub(super) struct WindowSamples {
    /// Samples of the bands in use, then of the alpha if there is one, pixel by pixel.
    pub(super) samples: Samples,
    /// Values of the scene's mask. It is empty if the scene has none.
    pub(super) mask: Vec<u8>,
}

/// Reads the samples of a scene's window.
pub(super) fn read(
    tiff: &Tiff,
    window: Window,
    colors: &Colors,
    validity: &Validity,
) -> Result<WindowSamples> {
    read_image(tiff.image(), tiff.mask(), window, colors, validity)
}

/// Reads the samples of a window of an image and of its mask.
pub(super) fn read_image(
    image: &TiffImage,
    mask: Option<&TiffImage>,
    window: Window,
    colors: &Colors,
    validity: &Validity,
) -> Result<WindowSamples> {
    let mut bands = colors.bands();
    if let Validity::Alpha(band) = validity {
        bands.push(*band);
    }
    let samples = image.read_window(window, &bands)?;
    let mask = match (validity, mask) {
        (Validity::Mask, Some(mask)) => {
            let mask = mask.read_window(window, &[0])?;
            each_type!(&mask, values => values.iter().map(|value| u8::from(value.value() != 0.0)).collect())
        }
        _ => Vec::new(),
    };
    Ok(WindowSamples { samples, mask })
}

/// A [`Lines::table`], made when it is first needed.
pub(super) type Table = OnceLock<Vec<u8>>;

/// Converts the samples of a window to colors, and counts the valid pixels. Other pixels are 0.
pub(super) fn paint(
    read: &WindowSamples,
    window: Window,
    colors: &Colors,
    validity: &Validity,
    lines: Option<&Lines>,
    table: &Table,
) -> (RgbImage, usize) {
    each_type!(&read.samples, values => {
        painted(values, &read.mask, window, colors, validity, Bytes::of(values, lines, table))
    })
}

/// The way in which samples become bytes.
#[derive(Clone, Copy)]
enum Bytes<'a> {
    /// Bytes stay as they are.
    Same,
    /// Samples of a short type are looked up.
    Table(&'a [u8]),
    /// Other samples are computed one by one.
    Lines(&'a Lines),
}

impl<'a> Bytes<'a> {
    fn of<T: Number>(_: &[T], lines: Option<&'a Lines>, table: &'a Table) -> Self {
        match lines {
            None => Self::Same,
            Some(lines) if T::IS_SHORT => Self::Table(table.get_or_init(|| lines.table::<T>())),
            Some(lines) => Self::Lines(lines),
        }
    }

    fn byte<T: Number>(self, sample: T, color: usize) -> u8 {
        match self {
            Self::Same => sample.value() as u8,
            Self::Table(table) => looked_up(table, sample, color),
            Self::Lines(lines) => lines.byte(sample, color),
        }
    }
}

fn painted<T: Number>(
    values: &[T],
    mask: &[u8],
    window: Window,
    colors: &Colors,
    validity: &Validity,
    bytes: Bytes<'_>,
) -> (RgbImage, usize) {
    let rule = validity.rule::<T>();
    let count = colors.count();
    let step = count + usize::from(matches!(rule, Rule::Alpha));
    let mut data = Vec::with_capacity(window.width * window.height * 3);
    let mut valid = 0;
    for (at, pixel) in values.chunks_exact(step).enumerate() {
        if !rule.is_valid(pixel, count, mask.get(at).is_none_or(|mask| *mask != 0)) {
            data.extend([0; 3]);
            continue;
        }
        valid += 1;
        let byte = |sample: T, color| bytes.byte(sample, color);
        data.extend(match (colors, pixel) {
            (Colors::Palette(palette), [index, ..]) => {
                palette.get(index.value() as usize).copied().unwrap_or_default()
            }
            (Colors::Gray(_), [gray, ..]) => [byte(*gray, 0); 3],
            (Colors::Rgb(_), [red, green, blue, ..]) => [byte(*red, 0), byte(*green, 1), byte(*blue, 2)],
            (Colors::Bands { shown, .. }, pixel) => {
                shown.map(|at| pixel.get(at).map_or(0, |sample| byte(*sample, at)))
            }
            _ => [0; 3],
        });
    }
    (RgbImage { width: window.width, height: window.height, data }, valid)
}
