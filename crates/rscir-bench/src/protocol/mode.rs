use std::fmt;
use std::str::FromStr;

use crate::Error;

/// How PatternCom treats the flaws of its files and of the authors' program.
///
/// A mode decides queries, relevance, rounding and the computation of WeiCom together: see [`PatternCom::mode`].
///
/// [`PatternCom::mode`]: crate::PatternCom::mode
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// The protocol as it is meant. Rows that do not fit are reported.
    #[default]
    Corrected,
    /// The figures of the authors' program, including its flaws.
    Reference,
}

impl Mode {
    /// Returns the short name that programs and reports print: `clean` for [`Mode::Corrected`], `strict` for
    /// [`Mode::Reference`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Corrected => "clean",
            Self::Reference => "strict",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = Error;

    /// Reads `corrected` or `clean`, and `reference` or `strict`.
    ///
    /// # Errors
    /// [`Error::Core`] with the accepted names for any other text.
    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "corrected" | "clean" => Ok(Self::Corrected),
            "reference" | "strict" => Ok(Self::Reference),
            _ => Err(rscir_core::Error::Parameter {
                name: "the mode",
                value: name.into(),
                expected: "corrected (or clean) or reference (or strict)",
            }
            .into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_has_two_names_and_reads_its_own_back() {
        for (name, mode) in [
            ("corrected", Mode::Corrected),
            ("clean", Mode::Corrected),
            ("reference", Mode::Reference),
            ("strict", Mode::Reference),
        ] {
            assert_eq!(name.parse::<Mode>().unwrap(), mode);
            assert_eq!(mode.to_string().parse::<Mode>().unwrap(), mode);
        }
        let error = "Strict".parse::<Mode>().unwrap_err().to_string();
        assert!(error.contains("Strict") && error.contains("reference (or strict)"), "{error}");
    }
}
