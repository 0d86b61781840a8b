//! How images are decoded, as a command line says it: bands are counted from 1, as GDAL and QGIS do.

use std::path::Path;

use rscir::core::{Decoding, RgbImage, Stretch};
use rscir::images::{DecodeLimits, Remedy, decode_file};

/// Parses `--decode` for clap. The library counts bands from 0, and so does an archive's spec.
pub fn options(text: &str) -> Result<Decoding, String> {
    let mut decoding: Decoding = text.parse().map_err(|error: rscir::core::Error| error.to_string())?;
    for band in decoding.bands.iter_mut().flatten() {
        *band = band.checked_sub(1).ok_or("bands are counted from 1: the first is 1, as in GDAL and QGIS")?;
    }
    Ok(decoding)
}

/// Decodes a file to be looked at. Of an image of bands, which a model takes as they are, the third, the second and the first
/// are shown, stretched: sensors list their bands by rising wavelength, blue before red.
pub fn to_look_at(path: &Path, decoding: &Decoding) -> rscir::images::Result<RgbImage> {
    let limits = DecodeLimits::default();
    let shown = |bands: Vec<usize>| Decoding::default().bands(bands).stretch(Stretch::Percentile(2.0, 98.0));
    match decoding.bands.as_deref() {
        Some([first, second, third, _, ..]) => {
            decode_file(path, &shown(vec![*third, *second, *first]), &limits)
        }
        _ => decode_file(path, decoding, &limits),
    }
}

/// Tells whether a file is of bands that no one chose.
pub fn needs_bands(error: &rscir::images::Error) -> bool {
    use rscir::images::Error as Images;
    let Images::Image { source, .. } = error else { return false };
    matches!(&**source, Images::Pixels(problem) if matches!(problem.remedy(), Some(Remedy::Bands { .. })))
}
