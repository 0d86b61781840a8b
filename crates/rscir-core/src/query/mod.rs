mod builder;

pub use builder::QueryBuilder;

use crate::{EncoderSpec, Error, Part, PartKind, Result, UnitVector};

/// A query of an image and a text that says how the wanted images differ from it.
///
/// A query may lack the image or the text; a method that needs the missing part returns an error. It may have
/// several images and texts, each with a weight: the vectors of a kind are added, each times its weight, and the sum
/// is normalized. A negative weight asks for images *without* the part. The words of the text are kept beside its
/// vector for methods that write prompts of their own. [`QueryBuilder`] makes a query by means of an encoder.
///
/// ```
/// use rscir_core::{ComposedQuery, EncoderSpec, UnitVector};
///
/// let vector = |x, y| UnitVector::normalize(vec![x, y]);
/// let query = ComposedQuery::new(EncoderSpec::unknown(2))
///     .and_text(vector(1.0, 0.0)?, 1.0)?
///     .and_text(vector(0.0, 1.0)?, -1.0)?;
/// assert!(query.image().is_none());
/// assert_eq!(query.text().unwrap()[1], -query.text().unwrap()[0]);
/// # Ok::<(), rscir_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ComposedQuery {
    spec: EncoderSpec,
    images: Vec<QueryPart>,
    texts: Vec<QueryPart>,
    image: Option<UnitVector>,
    text: Option<UnitVector>,
    words: Option<String>,
    image_key: Option<String>,
}

/// An image or a text of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryPart {
    /// Vector of the part.
    pub vector: UnitVector,
    /// Weight of the part, finite and not 0. A negative weight is for what the wanted images should not have.
    pub weight: f32,
}

impl QueryPart {
    fn new(vector: UnitVector, weight: f32) -> Result<Self> {
        if weight.is_finite() {
            return Ok(Self { vector, weight });
        }
        let (name, value) = ("weight of a query's part", weight.to_string());
        Err(Error::Parameter { name, value, expected: "finite" })
    }

    /// Returns the normalized weighted sum of parts, or `None` if there are none.
    fn sum(parts: &[Self]) -> Result<Option<UnitVector>> {
        match parts {
            [] => Ok(None),
            // A single part keeps its vector to the bit, and the length it had before it was normalized.
            [part] if part.weight == 1.0 => Ok(Some(part.vector.clone())),
            [first, ..] => {
                let mut sum = vec![0.0f32; first.vector.len()];
                for part in parts {
                    for (sum, &x) in sum.iter_mut().zip(&*part.vector) {
                        *sum += part.weight * x;
                    }
                }
                UnitVector::normalize(sum).map(Some)
            }
        }
    }
}

impl ComposedQuery {
    /// Makes a query without parts. `spec` describes its vectors.
    pub fn new(spec: EncoderSpec) -> Self {
        Self {
            spec,
            images: Vec::new(),
            texts: Vec::new(),
            image: None,
            text: None,
            words: None,
            image_key: None,
        }
    }

    /// Makes `vector` the only image of the query.
    ///
    /// # Errors
    /// [`Error::Length`] if its width is not the spec's.
    pub fn with_image(mut self, vector: UnitVector) -> Result<Self> {
        self.images.clear();
        self.and_image(vector, 1.0)
    }

    /// Makes `vector` the only text of the query.
    ///
    /// # Errors
    /// [`Error::Length`] if its width is not the spec's.
    pub fn with_text(mut self, vector: UnitVector) -> Result<Self> {
        self.texts.clear();
        self.and_text(vector, 1.0)
    }

    /// Adds an image with a weight. A weight of 0 leaves the query as it was.
    ///
    /// # Errors
    /// [`Error::Length`] if the width is not the spec's; [`Error::Parameter`] if the weight is not finite;
    /// [`Error::ZeroRow`] if the weighted images add up to zero.
    pub fn and_image(mut self, vector: UnitVector, weight: f32) -> Result<Self> {
        Error::check_length("width of the query image's vector", self.spec.dim, vector.len())?;
        let part = QueryPart::new(vector, weight)?;
        if weight == 0.0 {
            return Ok(self);
        }
        self.images.push(part);
        self.image = QueryPart::sum(&self.images)?;
        Ok(self)
    }

    /// Adds a text with a weight. A weight of 0 leaves the query as it was.
    ///
    /// # Errors
    /// The errors of [`ComposedQuery::and_image`].
    pub fn and_text(mut self, vector: UnitVector, weight: f32) -> Result<Self> {
        Error::check_length("width of the query text's vector", self.spec.dim, vector.len())?;
        let part = QueryPart::new(vector, weight)?;
        if weight == 0.0 {
            return Ok(self);
        }
        self.texts.push(part);
        self.text = QueryPart::sum(&self.texts)?;
        Ok(self)
    }

    /// Returns the images, in the order in which they were added.
    pub fn images(&self) -> &[QueryPart] {
        &self.images
    }

    /// Returns the texts, in the order in which they were added.
    pub fn texts(&self) -> &[QueryPart] {
        &self.texts
    }

    /// Returns the images, then the texts, each by itself. The first image has the query's [image
    /// key](ComposedQuery::image_key).
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let images = self.images.iter().enumerate().map(|(i, image)| Part {
            kind: PartKind::Image,
            vector: &image.vector,
            weight: image.weight,
            key: self.image_key().filter(|_| i == 0),
        });
        let texts = self.texts.iter().map(|text| Part {
            kind: PartKind::Text,
            vector: &text.vector,
            weight: text.weight,
            key: None,
        });
        images.chain(texts)
    }

    /// Sets the words of the text.
    #[must_use]
    pub fn with_words(mut self, words: impl Into<String>) -> Self {
        self.words = Some(words.into());
        self
    }

    /// Sets the key under which the query image lies in the archive.
    #[must_use]
    pub fn with_image_key(mut self, key: impl Into<String>) -> Self {
        self.image_key = Some(key.into());
        self
    }

    /// Returns the record of the encoder that made the vectors.
    pub fn spec(&self) -> &EncoderSpec {
        &self.spec
    }

    /// Returns the vector of the image, or the normalized weighted sum of several. `None` without an image.
    pub fn image(&self) -> Option<&UnitVector> {
        self.image.as_ref()
    }

    /// Returns the vector of the text, or the normalized weighted sum of several. `None` without a text.
    pub fn text(&self) -> Option<&UnitVector> {
        self.text.as_ref()
    }

    /// Returns the words of the text, if they are known.
    pub fn words(&self) -> Option<&str> {
        self.words.as_deref()
    }

    /// Returns the key of the query image in the archive, if it is known.
    pub fn image_key(&self) -> Option<&str> {
        self.image_key.as_deref()
    }

    /// Returns the vector of the image for the method with the label `method`, which requires it.
    ///
    /// # Errors
    /// [`Error::MissingPart`] with the method's label if there is no image.
    pub fn require_image(&self, method: &str) -> Result<&UnitVector> {
        self.image().ok_or_else(|| Error::MissingPart { method: method.into(), part: "image" })
    }

    /// Returns the vector of the text for the method with the label `method`, which requires it.
    ///
    /// # Errors
    /// [`Error::MissingPart`] with the method's label if there is no text.
    pub fn require_text(&self, method: &str) -> Result<&UnitVector> {
        self.text().ok_or_else(|| Error::MissingPart { method: method.into(), part: "text" })
    }

    /// Returns the words of the text for the method with the label `method`, which requires them.
    ///
    /// # Errors
    /// [`Error::MissingPart`] with the method's label if the words are not known.
    pub fn require_words(&self, method: &str) -> Result<&str> {
        self.words().ok_or_else(|| Error::MissingPart { method: method.into(), part: "words" })
    }
}
