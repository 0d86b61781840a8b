mod activation;
mod precision;
mod recorded;
#[cfg(feature = "serde")]
mod text;
mod wavelengths;

pub use activation::{Activation, Activations};
pub use precision::Precision;
pub use recorded::Recorded;
pub use wavelengths::Wavelengths;

use crate::Decoding;

/// Everything that decides which vector an image or a text gets.
///
/// Every archive stores this record. Vectors of two encoders cannot be compared even if their widths agree,
/// and a wrong activation or preprocessing gives vectors that look right and rank worse.
///
/// `None` means *unknown*, as for features from a file without this record, and agrees with every value.
/// Always known is [`EncoderSpec::dim`]; decoding and precision are known in every record that is not unknown
/// as a whole.
///
/// In JSON an unknown value is an empty text, so `Some` of an empty text is read back as `None`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EncoderSpec {
    /// Name of the model for people: `clip-vit-l-14`. It is not compared.
    #[cfg_attr(feature = "serde", serde(with = "text"))]
    pub model: Option<String>,
    /// Shape of both towers, as one line: `vit(image=224,patch=14,width=1024,layers=24,heads=16)+text(...)`.
    #[cfg_attr(feature = "serde", serde(with = "text"))]
    pub architecture: Option<String>,
    /// Nonlinearities of both towers.
    #[cfg_attr(feature = "serde", serde(with = "text"))]
    pub activation: Option<Recorded<Activations>>,
    /// Wavelengths of the images' channels, for a model that takes them as input. Archives of other models
    /// have no such line.
    #[cfg_attr(feature = "serde", serde(with = "text", default, skip_serializing_if = "Option::is_none"))]
    pub wavelengths: Option<Recorded<Wavelengths>>,
    /// How a file becomes a decoded image: bands, stretch and orientation. Archives store it as one line, and
    /// store no line for Pillow's way.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Decoding::is_pillow"))]
    pub decoding: Decoding,
    /// How a decoded image becomes the tower's input, as one line.
    #[cfg_attr(feature = "serde", serde(with = "text"))]
    pub preprocessing: Option<String>,
    /// The tokenizer and a hash of its vocabulary, as one line.
    #[cfg_attr(feature = "serde", serde(with = "text"))]
    pub tokenizer: Option<String>,
    /// SHA-256 of the weights file in lowercase hexadecimal. If the vectors are of a state dict in the file
    /// other than the default one, its key follows after a colon.
    #[cfg_attr(feature = "serde", serde(with = "text"))]
    pub weights_sha256: Option<String>,
    /// Width of the vectors.
    pub dim: usize,
    /// Number format in which the encoder computes.
    pub precision: Precision,
}

impl EncoderSpec {
    /// Returns the record of vectors of an unknown encoder, of which only the width is known.
    pub fn unknown(dim: usize) -> Self {
        Self {
            model: None,
            architecture: None,
            activation: None,
            wavelengths: None,
            decoding: Decoding::default(),
            preprocessing: None,
            tokenizer: None,
            weights_sha256: None,
            dim,
            precision: Precision::F32,
        }
    }

    /// Tells whether nothing but the width of the vectors is known.
    pub fn is_unknown(&self) -> bool {
        let texts = [&self.architecture, &self.preprocessing, &self.tokenizer, &self.weights_sha256];
        texts.into_iter().all(Option::is_none)
            && self.activation.is_none()
            && self.wavelengths.is_none()
            && self.decoding.is_pillow()
    }

    /// Checks that vectors of `query` may be compared with vectors of `self` (the archive's).
    ///
    /// # Errors
    /// [`SpecMismatch`] with the first field that differs.
    pub fn check(&self, query: &Self) -> Result<(), SpecMismatch> {
        same("dim", &self.dim, &query.dim)?;
        same_if_known("weights_sha256", &self.weights_sha256, &query.weights_sha256)?;
        same_if_known("architecture", &self.architecture, &query.architecture)?;
        same_if_known("activation", &self.activation, &query.activation)?;
        same_if_known("wavelengths", &self.wavelengths, &query.wavelengths)?;
        same_if_known("preprocessing", &self.preprocessing, &query.preprocessing)?;
        same_if_known("tokenizer", &self.tokenizer, &query.tokenizer)?;
        if self.is_unknown() || query.is_unknown() {
            return Ok(());
        }
        same("decoding", &self.decoding, &query.decoding)?;
        same("precision", &self.precision, &query.precision)
    }
}

fn same<T: PartialEq + ToString>(field: &'static str, archive: &T, query: &T) -> Result<(), SpecMismatch> {
    if archive == query {
        return Ok(());
    }
    Err(SpecMismatch { field, archive: archive.to_string(), query: query.to_string() })
}

/// Checks a field. An unknown value agrees with every other.
fn same_if_known<T: PartialEq + ToString>(
    field: &'static str,
    archive: &Option<T>,
    query: &Option<T>,
) -> Result<(), SpecMismatch> {
    match (archive, query) {
        (Some(archive), Some(query)) => same(field, archive, query),
        _ => Ok(()),
    }
}

/// The two encoders differ in a field that decides the vectors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the archive and the query come from different encoders: {field} is {archive:?} in the archive and {query:?} in \
     the query; encode both with one model and one way of decoding"
)]
pub struct SpecMismatch {
    /// Name of the field of [`EncoderSpec`].
    pub field: &'static str,
    /// Value of the field in the archive.
    pub archive: String,
    /// Value of the field in the query.
    pub query: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip() -> EncoderSpec {
        EncoderSpec {
            model: Some("clip".into()),
            activation: Some(Activation::Gelu.into()),
            weights_sha256: Some("00".into()),
            ..EncoderSpec::unknown(4)
        }
    }

    #[test]
    fn the_field_that_differs_is_named() {
        let quick = EncoderSpec { activation: Some(Activation::QuickGelu.into()), ..clip() };
        assert_eq!(clip().check(&quick).unwrap_err().field, "activation");
        let [red, infrared] = ["0.665", "0.842"]
            .map(|first| EncoderSpec { wavelengths: Some(first.to_owned().into()), ..clip() });
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
        let renamed = EncoderSpec { model: Some("mine".into()), ..clip() };
        assert!(clip().check(&renamed).is_ok());
    }

    /// Checks that a record has the form that archives of format 1 have.
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

    /// Checks that a record of another program has the form that archives of format 1 have.
    #[cfg(feature = "serde")]
    #[test]
    fn json_has_an_empty_text_for_the_unknown_and_another_programs_words_to_the_letter() {
        let unknown = serde_json::to_string(&EncoderSpec::unknown(4)).unwrap();
        assert_eq!(
            unknown,
            r#"{"model":"","architecture":"","activation":"","preprocessing":"","tokenizer":"","weights_sha256":"","dim":4,"precision":"f32"}"#
        );
        assert_eq!(serde_json::from_str::<EncoderSpec>(&unknown).unwrap(), EncoderSpec::unknown(4));
        for (activation, wavelengths, known) in [
            ("quick_gelu+gelu", "0.665, 0.56, 0.49 um", true),
            ("gelu+gelu", "0.665,0.56,0.49", false),
            ("swiglu", "red, green, blue", false),
        ] {
            let json = unknown.replace(
                r#""activation":"""#,
                &format!(r#""activation":"{activation}","wavelengths":"{wavelengths}""#),
            );
            let spec: EncoderSpec = serde_json::from_str(&json).unwrap();
            assert_eq!(spec.activation.as_ref().unwrap().known().is_some(), known, "{activation}");
            assert_eq!(spec.wavelengths.as_ref().unwrap().known().is_some(), known, "{wavelengths}");
            assert_eq!(serde_json::to_string(&spec).unwrap(), json);
            assert!(!spec.is_unknown() && spec.check(&spec).is_ok());
        }
        // A record that lacks a field is no record.
        assert!(serde_json::from_str::<EncoderSpec>(&unknown.replace(r#""tokenizer":"","#, "")).is_err());
    }
}
