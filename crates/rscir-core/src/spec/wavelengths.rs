use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use super::Recorded;
use crate::{Error, Result};

/// The wavelengths of an image's channels, three or more, for a model that takes them as input.
///
/// Together with [`Decoding::bands`](crate::Decoding::bands), any bands of a file can be encoded as what they are:
///
/// ```
/// # use rscir_core::Wavelengths;
/// // Near infrared, red and green of Sentinel-2: bands 8, 4 and 3.
/// let false_color = Wavelengths::new([0.842, 0.665, 0.56])?;
/// assert_eq!(Wavelengths::RGB.to_string(), "0.665, 0.56, 0.49 um");
/// assert!(Wavelengths::new([842.0, 665.0, 560.0]).is_err());
/// // Nine bands of Sentinel-2 at once: 2, 3, 4, 5, 6, 7, 8, 11 and 12.
/// let nine = Wavelengths::new([0.49, 0.56, 0.665, 0.705, 0.74, 0.783, 0.842, 1.61, 2.19])?;
/// assert_eq!(nine.micrometers().len(), 9);
/// # Ok::<(), rscir_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wavelengths {
    count: usize,
    /// Those of the channels, then zeros.
    micrometers: [f32; MAX_CHANNELS],
}

/// The most channels that an image may have: Sentinel-2 has 13 bands, MODIS 36. The list is copied with its record.
const MAX_CHANNELS: usize = 64;

// `new` accepts positive numbers only: no value is NaN, and equal values have equal bits.
impl Eq for Wavelengths {}

impl Hash for Wavelengths {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for wavelength in self.micrometers() {
            wavelength.to_bits().hash(state);
        }
    }
}

impl Wavelengths {
    /// Red, green and blue as the authors of DOFA-CLIP give them: Sentinel-2's bands 4, 3 and 2.
    pub const RGB: Self = {
        let mut micrometers = [0.0; MAX_CHANNELS];
        (micrometers[0], micrometers[1], micrometers[2]) = (0.665, 0.56, 0.49);
        Self { count: 3, micrometers }
    };

    /// Makes wavelengths in micrometers, in the order of the channels.
    ///
    /// # Errors
    /// [`Error::Parameter`] if a wavelength is not from 0.1 to 100, most likely because it is in nanometers, or if
    /// there are fewer than 3 or more than 64. The waves of radar are longer, but models were trained with a
    /// stand-in for them, 5.405 or 3.75.
    pub fn new(micrometers: impl AsRef<[f32]>) -> Result<Self> {
        let given = micrometers.as_ref();
        if let Some(wavelength) = given.iter().find(|wavelength| !(0.1..=100.0).contains(*wavelength)) {
            return refuse(wavelength.to_string(), "micrometers, from 0.1 to 100: 0.665 is red");
        }
        let mut micrometers = [0.0; MAX_CHANNELS];
        match micrometers.get_mut(..given.len()) {
            Some(place) if given.len() >= 3 => place.copy_from_slice(given),
            _ => return refuse(format!("{given:?}"), FORM),
        }
        Ok(Self { count: given.len(), micrometers })
    }

    /// Returns the wavelengths in micrometers.
    pub fn micrometers(&self) -> &[f32] {
        &self.micrometers[..self.count]
    }
}

const FORM: &str = "at least three numbers of micrometers, and at most 64: 0.842, 0.665, 0.56";

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
        for (at, wavelength) in self.micrometers().iter().enumerate() {
            let before = if at > 0 { ", " } else { "" };
            write!(f, "{before}{wavelength}")?;
        }
        f.write_str(" um")
    }
}

impl FromStr for Wavelengths {
    type Err = Error;

    /// Reads three or more numbers of micrometers, with or without the unit.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the line has another form or a number is out of range.
    fn from_str(line: &str) -> Result<Self> {
        let numbers = line.trim().trim_end_matches("um").split(',').map(|number| number.trim().parse().ok());
        match numbers.collect::<Option<Vec<f32>>>() {
            Some(micrometers) if micrometers.len() >= 3 => Self::new(micrometers),
            _ => refuse(format!("{line:?}"), FORM),
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
        let nine = "0.49, 0.56, 0.665, 0.705, 0.74, 0.783, 0.842, 1.61, 2.19 um";
        assert_eq!(recorded(nine).known().unwrap().micrometers().len(), 9);
        assert_eq!(recorded(nine).to_string(), nine);
        for line in ["0.665,0.56,0.49", "0.6650, 0.56, 0.49 um", "665, 560, 490 nm", "0.842"] {
            assert_eq!((recorded(line).known(), recorded(line).to_string().as_str()), (None, line));
        }
    }
}
