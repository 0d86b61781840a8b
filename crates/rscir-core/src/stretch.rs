use std::fmt;
use std::hash::{Hash, Hasher};

use crate::{Error, Result};

/// How the values of a band become bytes: a line from two values to 0 and 255, clipped beyond and rounded between.
///
/// Values that are no measurement (NaN, and those that a TIFF file declares as such in GDAL_NODATA) take no part in finding
/// the two and become 0. The lower one must be below the higher: see [`Stretch::check`]. Two stretches are equal if their
/// numbers are, bit by bit. A decoder matches all of them, so that another one is a breaking change.
#[derive(Debug, Clone, Copy, Default)]
pub enum Stretch {
    /// As Pillow does it: 8 bits stay, 16-bit color keeps its high byte, gray of more bits is cut off and clipped at 255.
    #[default]
    None,
    /// From the least to the greatest value of each band.
    MinMax,
    /// From one percentile of each band to a higher one, 0 to 100.
    Percentile(f32, f32),
    /// From given values, the least of red, green and blue and the greatest.
    Range([f32; 3], [f32; 3]),
}

impl Stretch {
    /// Checks that the stretch has an extent.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the rule.
    pub fn check(self) -> Result<()> {
        let expected = match self {
            Self::None | Self::MinMax => return Ok(()),
            Self::Percentile(low, high) if 0.0 <= low && low < high && high <= 100.0 => return Ok(()),
            Self::Percentile(..) => "percentile(low, high) with 0 <= low < high <= 100",
            Self::Range(low, high) if (0..3).all(|i| is_range(low[i], high[i])) => return Ok(()),
            Self::Range(..) => "range(low, high) with low < high in each of the three bands, all finite",
        };
        Err(Error::Parameter { name: "stretch", value: self.to_string(), expected })
    }

    /// Returns the kind of the stretch and the bits of its numbers, which decide whether two are equal.
    fn bits(self) -> (u8, [u32; 6]) {
        let (kind, [a, b, c], [d, e, f]) = match self {
            Self::None => (0, [0.0; 3], [0.0; 3]),
            Self::MinMax => (1, [0.0; 3], [0.0; 3]),
            Self::Percentile(low, high) => (2, [low, high, 0.0], [0.0; 3]),
            Self::Range(low, high) => (3, low, high),
        };
        (kind, [a, b, c, d, e, f].map(f32::to_bits))
    }
}

/// True if both are finite and something lies between them.
fn is_range(low: f32, high: f32) -> bool {
    low.is_finite() && high.is_finite() && low < high
}

impl PartialEq for Stretch {
    fn eq(&self, other: &Self) -> bool {
        self.bits() == other.bits()
    }
}

impl Eq for Stretch {}

impl Hash for Stretch {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bits().hash(state);
    }
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::MinMax => f.write_str("minmax"),
            Self::Percentile(low, high) => write!(f, "percentile({low}, {high})"),
            Self::Range(low, high) => write!(f, "range({low:?}, {high:?})"),
        }
    }
}
