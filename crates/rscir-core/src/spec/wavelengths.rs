use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use super::Recorded;
use crate::{Error, Result};

/// The wavelengths of an image's three channels, for a model that takes them as input.
///
/// Together with [`Decoding::bands`](crate::Decoding::bands), any three bands of a file can be encoded as what they
/// are:
///
/// ```
/// # use rscir_core::Wavelengths;
/// // Near infrared, red and green of Sentinel-2: bands 8, 4 and 3.
/// let false_color = Wavelengths::new([0.842, 0.665, 0.56])?;
/// assert_eq!(Wavelengths::RGB.to_string(), "0.665, 0.56, 0.49 um");
/// assert!(Wavelengths::new([842.0, 665.0, 560.0]).is_err());
/// # Ok::<(), rscir_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wavelengths([f32; 3]);

// `new` accepts positive numbers only: no value is NaN, and equal values have equal bits.
impl Eq for Wavelengths {}

impl Hash for Wavelengths {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.map(f32::to_bits).hash(state);
    }
}

impl Wavelengths {
    /// Red, green and blue as the authors of DOFA-CLIP give them: Sentinel-2's bands 4, 3 and 2.
    pub const RGB: Self = Self([0.665, 0.56, 0.49]);

    /// Makes wavelengths in micrometers, in the order of the channels.
    ///
    /// # Errors
    /// [`Error::Parameter`] if a wavelength is not from 0.1 to 100, most likely because it is in nanometers.
    /// The waves of radar are longer, but models were trained with a stand-in for them, 5.405 or 3.75.
    pub fn new(micrometers: [f32; 3]) -> Result<Self> {
        match micrometers.iter().find(|wavelength| !(0.1..=100.0).contains(*wavelength)) {
            Some(wavelength) => refuse(wavelength.to_string(), "micrometers, from 0.1 to 100: 0.665 is red"),
            None => Ok(Self(micrometers)),
        }
    }

    /// Returns the wavelengths in micrometers.
    pub fn micrometers(self) -> [f32; 3] {
        self.0
    }
}

fn refuse<T>(value: String, expected: &'static str) -> Result<T> {
    Err(Error::Parameter { name: "wavelengths", value, expected })
}

impl From<Wavelengths> for Recorded<Wavelengths> {
    fn from(wavelengths: Wavelengths) -> Self {
        Self::Known(wavelengths)
    }
}

/// Writes `0.665, 0.56, 0.49 um`.
impl fmt::Display for Wavelengths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([first, second, third]) = self;
        write!(f, "{first}, {second}, {third} um")
    }
}

impl FromStr for Wavelengths {
    type Err = Error;

    /// Reads three numbers of micrometers, with or without the unit.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the line has another form or a number is out of range.
    fn from_str(line: &str) -> Result<Self> {
        let numbers = line.trim().trim_end_matches("um").split(',').map(|number| number.trim().parse().ok());
        match numbers.collect::<Option<Vec<f32>>>().map(<[f32; 3]>::try_from) {
            Some(Ok(micrometers)) => Self::new(micrometers),
            _ => refuse(format!("{line:?}"), "three numbers of micrometers: 0.842, 0.665, 0.56"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_written_as_it_was_read() {
        let recorded = |line: &str| Recorded::<Wavelengths>::from(line.to_owned());
        assert_eq!(recorded("0.665, 0.56, 0.49 um"), Wavelengths::RGB.into());
        for line in ["0.665,0.56,0.49", "0.6650, 0.56, 0.49 um", "665, 560, 490 nm", "0.842"] {
            assert_eq!((recorded(line).known(), recorded(line).to_string().as_str()), (None, line));
        }
    }
}
