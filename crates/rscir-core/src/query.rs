use crate::{EncoderSpec, Error, Result, UnitVector};

/// What an analyst asks: an image, and a text that says how the wanted images differ from it.
///
/// A query may lack a part; a method that needs it says so. The words are kept beside the text's vector for methods
/// that write prompts of their own.
#[derive(Debug, Clone)]
pub struct ComposedQuery {
    spec: EncoderSpec,
    image: Option<UnitVector>,
    text: Option<UnitVector>,
    words: Option<String>,
    image_key: Option<String>,
}

impl ComposedQuery {
    /// A query without parts, of vectors that `spec` describes.
    pub fn new(spec: EncoderSpec) -> Self {
        Self { spec, image: None, text: None, words: None, image_key: None }
    }

    /// With an image's vector.
    ///
    /// # Errors
    /// [`Error::Length`] if its width is not the spec's.
    pub fn with_image(mut self, vector: UnitVector) -> Result<Self> {
        Error::check_length("width of the query image's vector", self.spec.dim, vector.len())?;
        self.image = Some(vector);
        Ok(self)
    }

    /// With a text's vector.
    ///
    /// # Errors
    /// [`Error::Length`] if its width is not the spec's.
    pub fn with_text(mut self, vector: UnitVector) -> Result<Self> {
        Error::check_length("width of the query text's vector", self.spec.dim, vector.len())?;
        self.text = Some(vector);
        Ok(self)
    }

    /// With the words of the text.
    #[must_use]
    pub fn with_words(mut self, words: impl Into<String>) -> Self {
        self.words = Some(words.into());
        self
    }

    /// With the key under which the query image lies in the archive, if it does.
    #[must_use]
    pub fn with_image_key(mut self, key: impl Into<String>) -> Self {
        self.image_key = Some(key.into());
        self
    }

    /// The encoder of the vectors.
    pub fn spec(&self) -> &EncoderSpec {
        &self.spec
    }

    /// The image's vector.
    pub fn image(&self) -> Option<&UnitVector> {
        self.image.as_ref()
    }

    /// The text's vector.
    pub fn text(&self) -> Option<&UnitVector> {
        self.text.as_ref()
    }

    /// The words of the text.
    pub fn words(&self) -> Option<&str> {
        self.words.as_deref()
    }

    /// The key of the query image in the archive.
    pub fn image_key(&self) -> Option<&str> {
        self.image_key.as_deref()
    }

    /// The image's vector, or an error that names the method in want of it.
    ///
    /// # Errors
    /// [`Error::MissingPart`].
    pub fn require_image(&self, method: &str) -> Result<&UnitVector> {
        self.image().ok_or_else(|| Error::MissingPart { method: method.into(), part: "image" })
    }

    /// The text's vector, or an error that names the method in want of it.
    ///
    /// # Errors
    /// [`Error::MissingPart`].
    pub fn require_text(&self, method: &str) -> Result<&UnitVector> {
        self.text().ok_or_else(|| Error::MissingPart { method: method.into(), part: "text" })
    }

    /// The words of the text, or an error that names the method in want of them.
    ///
    /// # Errors
    /// [`Error::MissingPart`].
    pub fn require_words(&self, method: &str) -> Result<&str> {
        self.words().ok_or_else(|| Error::MissingPart { method: method.into(), part: "words" })
    }
}
