//! How images are decoded. On the command line bands are counted from 1, as GDAL and QGIS do.

use std::path::Path;

use rscir::core::{Decoding, RgbImage, Stretch};
use rscir::images::{DecodeLimits, Remedy, decode_file};

/// Parses `--decode` for clap. The library and an archive's spec count bands from 0.
pub fn options(text: &str) -> Result<Decoding, String> {
    let mut decoding: Decoding = text.parse().map_err(|error: rscir::core::Error| error.to_string())?;
    for band in decoding.bands.iter_mut().flatten() {
        *band = band.checked_sub(1).ok_or("bands are counted from 1: the first is 1, as in GDAL and QGIS")?;
    }
    Ok(decoding)
}

/// Decodes a file for people to look at. If it is an image of bands, which a model takes as they are, the picture
/// shows the third, the second and the first band as red, green and blue, stretched: sensors list their bands by
/// rising wavelength, so that blue comes before red.
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

/// Tells whether an error is about an image of bands of which none were chosen.
pub fn needs_bands(error: &rscir::images::Error) -> bool {
    use rscir::images::Error as Images;
    let Images::Image { source, .. } = error else { return false };
    matches!(&**source, Images::Pixels(problem) if matches!(problem.remedy(), Some(Remedy::Bands { .. })))
}
