use std::fmt;
use std::str::FromStr;

use crate::{Decoding, Error};

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
    /// `f32`, `bf16`, `f16` or `i8`.
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

/// Everything that decides which vector an image or a text gets.
///
/// It is stored with every archive: vectors of two encoders cannot be compared, even if their widths
/// agree, and a wrong activation or preprocessing gives vectors that look right and rank worse.
/// An empty text field means *unknown* (features that came from a file without this record) and agrees
/// with everything, but for [`EncoderSpec::decoding`]; [`EncoderSpec::dim`] is always known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EncoderSpec {
    /// Name of the model, for people: `clip-vit-l-14`. Not compared.
    pub model: String,
    /// Shape of both towers: `vit(image=224,patch=14,width=1024,layers=24,heads=16)+text(...)`.
    pub architecture: String,
    /// `gelu` (exact) or `quick_gelu`; a state dict does not record it.
    pub activation: String,
    /// Wavelengths of the images' channels, as one line, for a model that asks for them; empty in archives of others.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "String::is_empty"))]
    pub wavelengths: String,
    /// How a file becomes a decoded image: the bands, the stretch, the orientation. Archives have it as one line, and none
    /// where it is Pillow's way.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Decoding::is_pillow"))]
    pub decoding: Decoding,
    /// How a decoded image becomes the tower's input, as one line.
    pub preprocessing: String,
    /// Which tokenizer, and a hash of its vocabulary.
    pub tokenizer: String,
    /// SHA-256 of the weights file, lowercase hexadecimal; where another of several state dicts in it was taken than by
    /// default, its key follows after a colon.
    pub weights_sha256: String,
    /// Width of the vectors.
    pub dim: usize,
    /// Number format in which the encoder computes.
    pub precision: Precision,
}

impl EncoderSpec {
    /// The record of vectors whose encoder is not known: only their width is.
    pub fn unknown(dim: usize) -> Self {
        Self {
            model: String::new(),
            architecture: String::new(),
            activation: String::new(),
            wavelengths: String::new(),
            decoding: Decoding::default(),
            preprocessing: String::new(),
            tokenizer: String::new(),
            weights_sha256: String::new(),
            dim,
            precision: Precision::F32,
        }
    }

    /// True if nothing but the width of the vectors is known.
    pub fn is_unknown(&self) -> bool {
        self.decoding.is_pillow() && self.fields().iter().all(|(_, value)| value.is_empty())
    }

    /// `Ok` if vectors of `query` may be compared with vectors of `self` (the archive's).
    ///
    /// # Errors
    /// [`SpecMismatch`] names the first field that differs.
    pub fn check(&self, query: &Self) -> Result<(), SpecMismatch> {
        let differs = |field, archive: &str, query: &str| {
            Err(SpecMismatch { field, archive: archive.into(), query: query.into() })
        };
        if self.dim != query.dim {
            return differs("dim", &self.dim.to_string(), &query.dim.to_string());
        }
        for ((field, a), (_, q)) in self.fields().into_iter().zip(query.fields()) {
            if a != q && !a.is_empty() && !q.is_empty() {
                return differs(field, a, q);
            }
        }
        if self.is_unknown() || query.is_unknown() {
            return Ok(());
        }
        if self.decoding != query.decoding {
            return differs("decoding", &self.decoding.to_string(), &query.decoding.to_string());
        }
        if self.precision != query.precision {
            return differs("precision", self.precision.as_str(), query.precision.as_str());
        }
        Ok(())
    }

    /// The compared text fields, in the order in which a difference is reported.
    fn fields(&self) -> [(&'static str, &str); 6] {
        [
            ("weights_sha256", &self.weights_sha256),
            ("architecture", &self.architecture),
            ("activation", &self.activation),
            ("wavelengths", &self.wavelengths),
            ("preprocessing", &self.preprocessing),
            ("tokenizer", &self.tokenizer),
        ]
    }
}

/// Two encoders differ in a field that decides the vectors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the archive and the query come from different encoders: {field} is {archive:?} in the archive and {query:?} in \
     the query; encode both with one model and one way of decoding"
)]
pub struct SpecMismatch {
    /// Name of the field of [`EncoderSpec`].
    pub field: &'static str,
    /// Its value in the archive.
    pub archive: String,
    /// Its value in the query.
    pub query: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip() -> EncoderSpec {
        EncoderSpec {
            model: "clip".into(),
            activation: "gelu".into(),
            weights_sha256: "00".into(),
            ..EncoderSpec::unknown(4)
        }
    }

    #[test]
    fn the_field_that_differs_is_named() {
        let quick = EncoderSpec { activation: "quick_gelu".into(), ..clip() };
        assert_eq!(clip().check(&quick).unwrap_err().field, "activation");
        let [red, infrared] =
            ["0.665", "0.842"].map(|first| EncoderSpec { wavelengths: first.into(), ..clip() });
        assert_eq!(red.check(&infrared).unwrap_err().field, "wavelengths");
        let half = EncoderSpec { precision: Precision::Bf16, ..clip() };
        assert_eq!(clip().check(&half).unwrap_err().field, "precision");
        // Empty is Pillow's way here, and not unknown.
        let infrared = EncoderSpec { decoding: Decoding::default().bands([3, 2, 1]), ..clip() };
        assert_eq!(clip().check(&infrared).unwrap_err().field, "decoding");
        assert_eq!(infrared.check(&clip()).unwrap_err().field, "decoding");
        assert!(infrared.check(&infrared).is_ok() && infrared.check(&EncoderSpec::unknown(4)).is_ok());
        assert_eq!(clip().check(&EncoderSpec::unknown(5)).unwrap_err().field, "dim");
    }

    #[test]
    fn unknown_fields_and_the_model_name_agree_with_everything() {
        assert!(clip().check(&EncoderSpec::unknown(4)).is_ok());
        let renamed = EncoderSpec { model: "mine".into(), ..clip() };
        assert!(clip().check(&renamed).is_ok());
    }

    #[test]
    fn precision_reads_what_it_writes() {
        for p in [Precision::F32, Precision::Bf16, Precision::F16, Precision::I8] {
            assert_eq!(p.to_string().parse::<Precision>().unwrap(), p);
        }
        assert!("f64".parse::<Precision>().is_err());
    }

    /// Archives of format 1 have this form.
    #[cfg(feature = "serde")]
    #[test]
    fn json_has_the_decoding_as_one_line_and_none_where_it_is_pillows() {
        let plain = serde_json::to_value(clip()).unwrap();
        assert!(plain.get("decoding").is_none());
        assert_eq!(serde_json::from_value::<EncoderSpec>(plain.clone()).unwrap(), clip());
        for (line, read) in [
            ("bands=[3, 2, 1] stretch=percentile(2, 98.5)", true),
            ("stretch=range([0.0, 0.0, 0.0], [3000.0, 3000.0, 3000.0]) orientation=exif", true),
            ("in another program's words", false),
        ] {
            let mut json = plain.clone();
            json["decoding"] = line.into();
            let spec: EncoderSpec = serde_json::from_value(json.clone()).unwrap();
            assert_eq!(spec.decoding.check().is_ok(), read, "{line}");
            assert_eq!(serde_json::to_value(spec).unwrap(), json, "{line}");
        }
    }
}
