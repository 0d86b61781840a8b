//! JPEG streams (Adobe's technical note 2 for TIFF 6.0).

use rscir_jpeg::Library;

use super::Wanted;
use crate::ImageProblem;
use crate::tiff::directory::Directory;
use crate::tiff::{ReadAt, damaged, tag};

/// Value of the tag PhotometricInterpretation: luminance and two color differences (TIFF 6.0, section 21).
const YCBCR: u64 = 6;

/// The tables and options that all strips or tiles share.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shared {
    /// A JPEG stream with tables and without an image. It may be empty.
    tables: Vec<u8>,
    /// True if a stream has luminance and both color differences, which are converted to red, green and blue.
    is_ycbcr: bool,
    /// The library whose pixels the streams become.
    library: Library,
}

impl Shared {
    pub(super) fn of(
        source: &dyn ReadAt,
        directory: &Directory,
        library: Library,
    ) -> Result<Self, ImageProblem> {
        let tables = directory.values(source, tag::JPEG_TABLES)?.unwrap_or_default();
        let tables = tables.into_iter().map(|byte| byte as u8).collect();
        let together = directory.value(source, tag::PLANAR, 1)? != 2;
        let three = directory.value(source, tag::SAMPLES, 1)? == 3;
        let is_ycbcr = together && three && directory.value(source, tag::PHOTOMETRIC, 1)? == YCBCR;
        Ok(Self { tables, is_ycbcr, library })
    }

    pub(super) fn is_converted(&self) -> bool {
        self.is_ycbcr
    }

    /// Decodes a stream with the tables that it shares with others.
    ///
    /// # Errors
    /// [`ImageProblem::Jpeg`] if the stream is damaged; [`ImageProblem::Damaged`] if its size is not that of the block.
    pub(super) fn expand(&self, raw: &[u8], wanted: Wanted) -> Result<Vec<u8>, ImageProblem> {
        // Tables and stream both begin with a start-of-image marker, and the tables end with an end-of-image marker.
        // These are removed.
        let tables = self.tables.get(2..self.tables.len().saturating_sub(2)).unwrap_or_default();
        let stream = raw.get(2..).unwrap_or_default();
        // A stream may have more rows than are wanted, but not more columns.
        let limits = rscir_jpeg::Limits::default().max_pixels(wanted.length.saturating_add(1 << 16) as u64);
        let (width, count, data) = if self.is_ycbcr {
            // The directory, not the stream, says what the components are; Adobe's marker tells the decoder (its
            // technical note 5116: version 100, no flags, and the transform).
            let ycbcr = &b"\xFF\xD8\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0\x01"[..];
            let image = rscir_jpeg::decode_as(&[ycbcr, tables, stream].concat(), &limits, self.library)?;
            (image.width, 3, image.data)
        } else {
            let image = rscir_jpeg::decode_components_as(
                &[b"\xFF\xD8", tables, stream].concat(),
                &limits,
                self.library,
            )?;
            (image.width, image.count, image.data)
        };
        if width as usize != wanted.width {
            return Err(damaged(format!("it is a JPEG image {width} pixels wide")));
        }
        if count != wanted.bands {
            let bands = wanted.bands;
            return Err(damaged(format!("it is a JPEG image of {count} components, and {bands} belong")));
        }
        Ok(data)
    }
}
