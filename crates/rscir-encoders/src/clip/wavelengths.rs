use std::fmt;
use std::str::FromStr;

use crate::error::refuse;
use crate::{Error, Result};

/// The wavelengths that an image's three channels stand for, for a model that asks for them.
///
/// With [`Decoding::bands`](rscir_core::Decoding::bands), any three bands of a file are encoded as what they are:
///
/// ```
/// # use rscir_encoders::Wavelengths;
/// // Near infrared, red and green of Sentinel-2: bands 8, 4 and 3.
/// let false_color = Wavelengths::new([0.842, 0.665, 0.56])?;
/// assert_eq!(Wavelengths::RGB.to_string(), "0.665, 0.56, 0.49 um");
/// assert!(Wavelengths::new([842.0, 665.0, 560.0]).is_err());
/// # Ok::<(), rscir_encoders::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wavelengths([f32; 3]);

impl Wavelengths {
    /// Red, green and blue, as DOFA-CLIP's authors give them: Sentinel-2's bands 4, 3 and 2.
    pub const RGB: Self = Self([0.665, 0.56, 0.49]);

    /// Wavelengths in micrometres, of the channels in their order.
    ///
    /// # Errors
    /// [`Error::ConfigValue`] if one is not from 0.1 to 100: nanometres, most likely. Radar,
    /// whose waves are longer, was trained under a stand-in, 5.405 or 3.75.
    pub fn new(micrometres: [f32; 3]) -> Result<Self> {
        match micrometres.iter().find(|wavelength| !(0.1..=100.0).contains(*wavelength)) {
            Some(wavelength) => {
                refuse("wavelengths", wavelength, "micrometres, from 0.1 to 100: 0.665 is red")
            }
            None => Ok(Self(micrometres)),
        }
    }

    /// In micrometres.
    pub fn micrometres(self) -> [f32; 3] {
        self.0
    }
}

/// `0.665, 0.56, 0.49 um`
impl fmt::Display for Wavelengths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([first, second, third]) = self;
        write!(f, "{first}, {second}, {third} um")
    }
}

impl FromStr for Wavelengths {
    type Err = Error;

    /// Reads three numbers of micrometres, with or without the unit.
    fn from_str(line: &str) -> Result<Self> {
        let numbers = line.trim().trim_end_matches("um").split(',').map(|number| number.trim().parse().ok());
        match numbers.collect::<Option<Vec<f32>>>().map(<[f32; 3]>::try_from) {
            Some(Ok(micrometres)) => Self::new(micrometres),
            _ => {
                refuse("wavelengths", format!("{line:?}"), "three numbers of micrometres: 0.842, 0.665, 0.56")
            }
        }
    }
}
