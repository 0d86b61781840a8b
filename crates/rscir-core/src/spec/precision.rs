use std::fmt;
use std::str::FromStr;

use crate::Error;

/// Number format in which an encoder computes or an archive stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Precision {
    /// IEEE 754 binary32.
    #[default]
    F32,
    /// bfloat16: the upper half of a binary32.
    Bf16,
    /// IEEE 754 binary16.
    F16,
    /// 8-bit integers with scales.
    I8,
}

impl Precision {
    /// Returns `f32`, `bf16`, `f16` or `i8`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::I8 => "i8",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self, Error> {
        [Self::F32, Self::Bf16, Self::F16, Self::I8].into_iter().find(|p| p.as_str() == s).ok_or_else(|| {
            Error::Parameter { name: "precision", value: s.into(), expected: "one of f32, bf16, f16, i8" }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_reads_what_it_writes() {
        for p in [Precision::F32, Precision::Bf16, Precision::F16, Precision::I8] {
            assert_eq!(p.to_string().parse::<Precision>().unwrap(), p);
        }
        assert!("f64".parse::<Precision>().is_err());
    }
}
