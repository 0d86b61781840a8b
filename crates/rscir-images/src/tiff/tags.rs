use std::fmt;

use super::directory::{Directory, LONG_TEXT};
use super::{ReadAt, tag};
use crate::ImageProblem;

/// The meaning of the first bands of an image (PhotometricInterpretation; TIFF 6.0, section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Photometric {
    /// Gray, with white at 0.
    WhiteIsZero,
    /// Gray, with black at 0. Images of bands that are no colors have it, too.
    BlackIsZero,
    /// Red, green and blue.
    Rgb,
    /// An index into a palette.
    Palette,
    /// A mask of another image.
    Mask,
    /// Inks, such as cyan, magenta, yellow and black.
    Separated,
    /// Luminance and two color differences.
    YCbCr,
    /// Another meaning. Holds its number in the file.
    Other(u64),
}

impl fmt::Display for Photometric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = match self {
            Self::WhiteIsZero => 0,
            Self::BlackIsZero => 1,
            Self::Rgb => 2,
            Self::Palette => 3,
            Self::Mask => 4,
            Self::Separated => 5,
            Self::YCbCr => 6,
            Self::Other(number) => *number,
        };
        number.fmt(f)
    }
}

impl Photometric {
    pub(super) fn of(number: u64) -> Self {
        match number {
            0 => Self::WhiteIsZero,
            1 => Self::BlackIsZero,
            2 => Self::Rgb,
            3 => Self::Palette,
            4 => Self::Mask,
            5 => Self::Separated,
            6 => Self::YCbCr,
            other => Self::Other(other),
        }
    }
}

/// The meaning of a band beyond those of the color (ExtraSamples; TIFF 6.0, section 18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExtraSample {
    /// A further band, which is no alpha.
    Unspecified,
    /// An alpha with which the colors were multiplied.
    AssociatedAlpha,
    /// An alpha with which the colors were not multiplied.
    UnassociatedAlpha,
}

impl ExtraSample {
    pub(super) fn of(number: u64) -> Self {
        match number {
            1 => Self::AssociatedAlpha,
            2 => Self::UnassociatedAlpha,
            _ => Self::Unspecified,
        }
    }
}

/// The tags that tell where an image lies on the Earth, as the file has them (GeoTIFF 1.1). A missing tag is an empty
/// list or text.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct GeoTags {
    /// ModelPixelScale: width, height and depth of a pixel in coordinates.
    pub pixel_scale: Vec<f64>,
    /// ModelTiepoint: six numbers for each point, which are column, row, level, x, y and z.
    pub tie_points: Vec<f64>,
    /// ModelTransformation: a matrix of four rows of four numbers, row by row.
    pub transformation: Vec<f64>,
    /// GeoKeyDirectory: a header of four numbers, then four numbers for each key.
    pub key_directory: Vec<u16>,
    /// GeoDoubleParams: the numbers that keys refer to.
    pub double_params: Vec<f64>,
    /// GeoAsciiParams: the texts that keys refer to.
    pub ascii_params: String,
    /// True if the file has coefficients of rational polynomials (RPCCoefficient, tag 50844).
    pub has_rpc: bool,
}

impl GeoTags {
    pub(super) fn read(source: &dyn ReadAt, directory: &Directory) -> Result<Self, ImageProblem> {
        let keys = directory.values(source, tag::GEO_KEYS)?.unwrap_or_default();
        Ok(Self {
            pixel_scale: directory.floats(source, tag::PIXEL_SCALE)?,
            tie_points: directory.floats(source, tag::TIE_POINTS)?,
            transformation: directory.floats(source, tag::TRANSFORMATION)?,
            key_directory: keys.into_iter().map(|key| key as u16).collect(),
            double_params: directory.floats(source, tag::GEO_DOUBLES)?,
            ascii_params: directory.text(source, tag::GEO_TEXT, LONG_TEXT)?.unwrap_or_default(),
            has_rpc: directory.has(tag::RPC),
        })
    }
}
