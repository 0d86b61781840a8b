//! Whose pixels are given, where libraries differ.

use crate::frame::{Component, Frame};

/// The library whose pixels are given. They differ where chroma has fewer samples than luminance, and elsewhere in some greens
/// by a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Library {
    /// libjpeg-turbo, which Pillow, browsers and most systems have: twice the samples of chroma are made by a triangle filter,
    /// across the borders of blocks.
    #[default]
    Turbo,
    /// The Independent JPEG Group's libjpeg 9, which the wheels of rasterio have: twice the samples of chroma are made by an
    /// inverse transform of twice the size, each block by itself.
    Ijg,
}

/// How many columns and rows each sample becomes in the inverse transform: 1 or 2 of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scale {
    pub(crate) cols: usize,
    pub(crate) rows: usize,
}

impl Scale {
    /// The scale of a component (libjpeg 9, jdmaster.c, `jpeg_calc_output_dimensions`).
    pub(crate) fn of(library: Library, frame: &Frame, component: &Component) -> Self {
        let scale = |most: usize, factor: usize| match library {
            Library::Ijg if most.is_multiple_of(2 * factor) => 2,
            Library::Ijg | Library::Turbo => 1,
        };
        Self { cols: scale(frame.h_max, component.h), rows: scale(frame.v_max, component.v) }
    }
}
