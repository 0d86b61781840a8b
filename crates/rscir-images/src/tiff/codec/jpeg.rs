//! JPEG streams (Adobe's technical note 2 for TIFF 6.0).

use crate::ImageProblem;
use crate::tiff::directory::Directory;
use crate::tiff::{ReadAt, damaged, photometric, tag, unsupported};

/// What all strips or tiles share.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shared {
    /// A JPEG stream without image, or nothing.
    tables: Vec<u8>,
    /// Whether colors are stored as they are and not as YCbCr.
    rgb: bool,
}

impl Shared {
    pub(super) fn of(source: &dyn ReadAt, directory: &Directory) -> Result<Self, ImageProblem> {
        let photometric = directory.value(source, tag::PHOTOMETRIC, photometric::BLACK_IS_ZERO)?;
        if !matches!(photometric, photometric::BLACK_IS_ZERO | photometric::RGB | photometric::YCBCR) {
            return Err(unsupported(format!("JPEG of photometric interpretation {photometric}")));
        }
        if directory.value(source, tag::SAMPLES, 1)? > 1 && directory.value(source, tag::PLANAR, 1)? == 2 {
            return Err(unsupported("planar JPEG"));
        }
        let tables = directory.values(source, tag::JPEG_TABLES)?.unwrap_or_default();
        let tables = tables.into_iter().map(|byte| byte as u8).collect();
        Ok(Self { tables, rgb: photometric == photometric::RGB })
    }

    /// The image of a stream, after the tables that it shares with others. `stride` tells whether three samples a pixel
    /// are wanted.
    pub(super) fn expand(&self, raw: &[u8], length: usize, stride: usize) -> Result<Vec<u8>, ImageProblem> {
        // The directory, not the stream, says what the components are; Adobe's marker tells the decoder (its technical note
        // 5116: version 100, no flags, and the transform).
        let colors = [&b"\xFF\xD8\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0"[..], &[u8::from(!self.rgb)]].concat();
        // Both begin with a start-of-image marker, and the tables end with an end-of-image marker.
        let tables = self.tables.get(2..self.tables.len().saturating_sub(2)).unwrap_or_default();
        let stream = [&colors, tables, raw.get(2..).unwrap_or_default()].concat();
        let limits = rscir_jpeg::Limits::default().max_pixels(length as u64);
        let image = rscir_jpeg::decode(&stream, &limits)?;
        match stride.checked_div(image.width as usize) {
            Some(3) => Ok(image.data),
            Some(1) => Ok(image.data.into_iter().step_by(3).collect()),
            _ => Err(damaged("a strip or tile is a JPEG image of another width")),
        }
    }
}
