//! Windows of a scene as bands, for encoders of bands.

use rscir_core::{BandImage, BandValues};
use rscir_images::tiff::Window;

use super::bands::Colors;
use super::lines::Lines;
use super::number::{Number, each_type};
use super::pixels::WindowSamples;
use super::validity::{Rule, Validity};

/// Converts the samples of a window to values of the bands in use, and counts the valid pixels. Values of other pixels
/// are 0.
pub(super) fn values(
    read: &WindowSamples,
    window: Window,
    colors: &Colors,
    validity: &Validity,
    lines: Option<&Lines>,
    kind: BandValues,
) -> (BandImage, usize) {
    each_type!(&read.samples, samples => valued(samples, &read.mask, window, colors, validity, lines, kind))
}

fn valued<T: Number>(
    samples: &[T],
    mask: &[u8],
    window: Window,
    colors: &Colors,
    validity: &Validity,
    lines: Option<&Lines>,
    kind: BandValues,
) -> (BandImage, usize) {
    let rule = validity.rule::<T>();
    let bands = colors.count();
    let step = bands + usize::from(matches!(rule, Rule::Alpha));
    let mut data = vec![0.0; window.width * window.height * bands];
    let mut valid = 0;
    for (at, (pixel, out)) in samples.chunks_exact(step).zip(data.chunks_exact_mut(bands)).enumerate() {
        if !rule.is_valid(pixel, bands, mask.get(at).is_none_or(|mask| *mask != 0)) {
            continue;
        }
        valid += 1;
        for (band, (out, sample)) in out.iter_mut().zip(pixel).enumerate() {
            let value = match (kind, lines) {
                (BandValues::Levels, Some(lines)) => lines.byte(*sample, band).into(),
                _ => sample.value() as f32,
            };
            // In a valid pixel, some bands may have no measurement.
            *out = if value.is_finite() && rule.is_measured(*sample) { value } else { 0.0 };
        }
    }
    (BandImage { width: window.width, height: window.height, bands, data }, valid)
}
