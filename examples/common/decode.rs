//! How images are decoded, as a command line says it: bands are counted from 1, as GDAL and QGIS do.

use rscir::core::Decoding;

/// Parses `--decode` for clap. The library counts bands from 0, and so does an archive's spec.
pub fn options(text: &str) -> Result<Decoding, String> {
    let mut decoding: Decoding = text.parse().map_err(|error: rscir::core::Error| error.to_string())?;
    for band in decoding.bands.iter_mut().flatten() {
        *band = band.checked_sub(1).ok_or("bands are counted from 1: the first is 1, as in GDAL and QGIS")?;
    }
    Ok(decoding)
}
