mod builder;

pub use builder::QueryBuilder;

use crate::{EncoderSpec, Error, Part, PartKind, Result, UnitVector};

/// What an analyst asks: an image, and a text that says how the wanted images differ from it.
///
/// A query may lack the image or the text; a method that needs it says so. It may have several of either, each with a
/// weight: their vectors are added, each times its weight, and the sum is normalized. A negative weight asks for *without*.
/// The words are kept beside the text's vector for methods that write prompts of their own. [`QueryBuilder`] makes a query
/// with the help of encoders.
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

/// One image or one text of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryPart {
    /// Its vector.
    pub vector: UnitVector,
    /// How much it counts; negative for what the wanted images should not have. Finite, not 0.
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

    /// The vector of parts together.
    fn sum(parts: &[Self]) -> Result<Option<UnitVector>> {
        match parts {
            [] => Ok(None),
            // To the bit, with the length it had.
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
    /// A query without parts, of vectors that `spec` describes.
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

    /// Makes this the query's one image.
    ///
    /// # Errors
    /// [`Error::Length`] if its width is not the spec's.
    pub fn with_image(mut self, vector: UnitVector) -> Result<Self> {
        self.images.clear();
        self.and_image(vector, 1.0)
    }

    /// Makes this the query's one text.
    ///
    /// # Errors
    /// [`Error::Length`] if its width is not the spec's.
    pub fn with_text(mut self, vector: UnitVector) -> Result<Self> {
        self.texts.clear();
        self.and_text(vector, 1.0)
    }

    /// Adds an image. With weight 0 the query is as it was.
    ///
    /// # Errors
    /// [`Error::Length`] if its width is not the spec's, [`Error::Parameter`] for a weight that is not finite,
    /// [`Error::ZeroRow`] if nothing is left of the images together.
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

    /// Adds a text. With weight 0 the query is as it was.
    ///
    /// # Errors
    /// As [`ComposedQuery::and_image`].
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

    /// The images, in the order in which they were added.
    pub fn images(&self) -> &[QueryPart] {
        &self.images
    }

    /// The texts, in the order in which they were added.
    pub fn texts(&self) -> &[QueryPart] {
        &self.texts
    }

    /// The images, then the texts, each by itself. The first image has the query's [image key](ComposedQuery::image_key).
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

    /// The vector of the image, or of all images together.
    pub fn image(&self) -> Option<&UnitVector> {
        self.image.as_ref()
    }

    /// The vector of the text, or of all texts together.
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

    /// The vector of the image, or an error that names the method that requires it.
    ///
    /// # Errors
    /// [`Error::MissingPart`].
    pub fn require_image(&self, method: &str) -> Result<&UnitVector> {
        self.image().ok_or_else(|| Error::MissingPart { method: method.into(), part: "image" })
    }

    /// The vector of the text, or an error that names the method that requires it.
    ///
    /// # Errors
    /// [`Error::MissingPart`].
    pub fn require_text(&self, method: &str) -> Result<&UnitVector> {
        self.text().ok_or_else(|| Error::MissingPart { method: method.into(), part: "text" })
    }

    /// The words of the text, or an error that names the method that requires them.
    ///
    /// # Errors
    /// [`Error::MissingPart`].
    pub fn require_words(&self, method: &str) -> Result<&str> {
        self.words().ok_or_else(|| Error::MissingPart { method: method.into(), part: "words" })
    }
}
