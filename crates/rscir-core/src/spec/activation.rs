use std::fmt;
use std::str::FromStr;

use super::Recorded;
use crate::{Error, Result};

/// The nonlinearity in the perceptrons of a tower. An encoder computes all variants, so a new variant is a
/// breaking change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activation {
    /// The exact Gaussian error linear unit, by the error function.
    Gelu,
    /// OpenAI's approximation, `x * sigmoid(1.702 x)`.
    QuickGelu,
    /// The approximation by the hyperbolic tangent.
    GeluTanh,
}

impl Activation {
    const ALL: [Self; 3] = [Self::Gelu, Self::QuickGelu, Self::GeluTanh];

    /// Returns `gelu`, `quick_gelu` or `gelu_tanh`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gelu => "gelu",
            Self::QuickGelu => "quick_gelu",
            Self::GeluTanh => "gelu_tanh",
        }
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Activation {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|activation| activation.as_str() == name).ok_or_else(|| Error::Parameter {
            name: "activation",
            value: format!("{name:?}"),
            expected: "one of gelu, quick_gelu, gelu_tanh",
        })
    }
}

/// The activations of both towers. A state dict records neither, and a wrong one gives vectors that look
/// right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Activations {
    /// Activation of the image tower. A residual network has none of these; the value is then that of the
    /// text tower.
    pub image: Activation,
    /// Activation of the text tower.
    pub text: Activation,
}

impl From<Activation> for Activations {
    /// Uses one activation for both towers.
    fn from(both: Activation) -> Self {
        Self { image: both, text: both }
    }
}

impl From<Activations> for Recorded<Activations> {
    fn from(activations: Activations) -> Self {
        Self::Known(activations)
    }
}

impl From<Activation> for Recorded<Activations> {
    /// Uses one record for both towers.
    fn from(both: Activation) -> Self {
        Self::Known(both.into())
    }
}

/// Writes one name, or `image+text` where the two differ.
impl fmt::Display for Activations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { image, text } = self;
        if image != text {
            write!(f, "{image}+")?;
        }
        write!(f, "{text}")
    }
}

impl FromStr for Activations {
    type Err = Error;

    /// Reads what [`Display`](fmt::Display) writes.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the line names another activation.
    fn from_str(line: &str) -> Result<Self> {
        let (image, text) = line.split_once('+').unwrap_or((line, line));
        Ok(Self { image: image.parse()?, text: text.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_written_as_it_was_read() {
        for line in ["gelu", "quick_gelu", "gelu_tanh", "gelu_tanh+gelu", "quick_gelu+gelu_tanh"] {
            let recorded = Recorded::<Activations>::from(line.to_owned());
            assert!(recorded.known().is_some(), "{line}");
            assert_eq!(recorded.to_string(), line);
        }
        // The second names nothing else than `gelu`, in letters that would be lost.
        for line in ["relu", "gelu+gelu", "GELU", "gelu+", " gelu"] {
            let recorded = Recorded::<Activations>::from(line.to_owned());
            assert_eq!(recorded.known(), None, "{line}");
            assert_eq!(recorded.to_string(), line);
        }
        assert_eq!(Recorded::from("gelu".to_owned()), Recorded::from(Activation::Gelu));
    }
}
