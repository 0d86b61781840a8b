//! Choice of the library whose pixels the decoder gives.

use crate::frame::{Component, Frame};

/// Library whose pixels the decoder gives.
///
/// The pixels of the two differ where chroma has fewer samples than luminance. Elsewhere some greens differ by one
/// level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Library {
    /// libjpeg-turbo, which Pillow, browsers and most systems have. A triangle filter doubles the samples of chroma,
    /// across the borders of blocks.
    #[default]
    Turbo,
    /// The Independent JPEG Group's libjpeg 9, which the wheels of rasterio have. An inverse transform of twice the
    /// size doubles the samples of chroma, in each block by itself.
    Ijg,
}

/// Number of columns and of rows that the inverse transform makes of each sample: 1 or 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scale {
    pub(crate) cols: usize,
    pub(crate) rows: usize,
}

impl Scale {
    /// Returns the scale of a component (libjpeg 9, jdmaster.c, `jpeg_calc_output_dimensions`).
    pub(crate) fn of(library: Library, frame: &Frame, component: &Component) -> Self {
        let scale = |most: usize, factor: usize| match library {
            Library::Ijg if most.is_multiple_of(2 * factor) => 2,
            Library::Ijg | Library::Turbo => 1,
        };
        Self { cols: scale(frame.h_max, component.h), rows: scale(frame.v_max, component.v) }
    }
}
