use std::fmt;
use std::hash::{Hash, Hasher};

use crate::{Error, Result};

/// How the values of a band become bytes: by a line from a lower and a higher value to 0 and 255. The result
/// is clipped and rounded.
///
/// Values that are not measurements (NaN, and values that GDAL_NODATA of a TIFF file names) do not count when
/// the two are computed, and become 0. The lower value must be below the higher: see [`Stretch::check`]. Two
/// stretches are equal if their numbers are equal bit by bit. A decoder matches all variants, so a new
/// variant is a breaking change.
#[derive(Debug, Clone, Copy, Default)]
pub enum Stretch {
    /// Values are converted as by Pillow: 8 bits stay, 16-bit color keeps its high byte, gray of more bits is
    /// truncated and clipped at 255.
    #[default]
    None,
    /// The line goes from the least to the greatest value of each band.
    MinMax,
    /// The line goes from one percentile of each band to a higher one. Percentiles are from 0 to 100.
    Percentile(f32, f32),
    /// The line goes from the first to the second value of each band: the lower values of red, green and
    /// blue, then the higher ones.
    Range([f32; 3], [f32; 3]),
}

impl Stretch {
    /// Checks that the lower value is below the higher.
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

    /// Returns the kind of the stretch and the bits of its numbers, by which two stretches are compared.
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

/// Tells whether both are finite and `low < high`.
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
