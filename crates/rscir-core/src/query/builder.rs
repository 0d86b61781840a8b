use super::ComposedQuery;
use crate::{Archive, Error, ImageEncoder, Result, RgbView, TextEncoder, UnitVector};

/// Makes a query with an encoder: images, texts and vectors, each with a weight.
///
/// Weights belong to the part before them: `text("harbor")?.weight(0.5)?`. [`QueryBuilder::without`] adds a text of
/// weight -1.
///
/// ```
/// use rscir_core::{ComposedQuery, RgbView};
/// # use rscir_core::{Embeddings, EncoderSpec, ImageEncoder, PixelBatch, Result, TextEncoder};
/// # struct Mean(EncoderSpec);
/// # impl ImageEncoder for Mean {
/// #     fn spec(&self) -> &EncoderSpec { &self.0 }
/// #     fn input_size(&self) -> usize { 1 }
/// #     fn prepare(&self, image: RgbView<'_>, out: &mut [u8]) -> Result<()> {
/// #         out.copy_from_slice(&image.data()[..3]);
/// #         Ok(())
/// #     }
/// #     fn encode_pixels(&self, batch: PixelBatch<'_>) -> Result<Embeddings> {
/// #         Embeddings::normalize(3, batch.data().iter().map(|&v| f32::from(v)).collect())
/// #     }
/// # }
/// # impl TextEncoder for Mean {
/// #     fn spec(&self) -> &EncoderSpec { &self.0 }
/// #     fn encode_texts(&self, texts: &[&str]) -> Result<Embeddings> {
/// #         Embeddings::normalize(3, texts.iter().flat_map(|t| [1.0, t.len() as f32, 0.5]).collect())
/// #     }
/// # }
/// # let encoder = Mean(EncoderSpec::unknown(3));
/// let tile = [200; 4 * 4 * 3];
/// let query = ComposedQuery::builder(&encoder)
///     .image(RgbView::new(4, 4, &tile)?)?
///     .text("dense")?
///     .without("cars")?
///     .build()?;
/// assert_eq!((query.images().len(), query.texts().len()), (1, 2));
/// assert_eq!(query.words(), Some("dense"));
/// # Ok::<(), rscir_core::Error>(())
/// ```
#[must_use]
pub struct QueryBuilder<'a, E: ?Sized> {
    encoder: &'a E,
    parts: Vec<Part>,
    image_key: Option<String>,
}

struct Part {
    vector: UnitVector,
    weight: f32,
    is_image: bool,
    /// Words of the texts with a positive weight.
    words: Option<String>,
}

impl<E: ?Sized> std::fmt::Debug for QueryBuilder<'_, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryBuilder").field("parts", &self.parts.len()).finish_non_exhaustive()
    }
}

impl ComposedQuery {
    /// Begins a query whose images and texts `encoder` encodes.
    pub fn builder<E: ImageEncoder + TextEncoder + ?Sized>(encoder: &E) -> QueryBuilder<'_, E> {
        QueryBuilder { encoder, parts: Vec::new(), image_key: None }
    }
}

impl<E: ImageEncoder + TextEncoder + ?Sized> QueryBuilder<'_, E> {
    /// Encodes an image and adds it.
    ///
    /// # Errors
    /// The errors of [`ImageEncoder::encode_image`].
    pub fn image(self, image: RgbView<'_>) -> Result<Self> {
        let vector = self.encoder.encode_image(image)?.vector(0);
        Ok(self.image_vector(vector))
    }

    /// Adds an image by its vector.
    pub fn image_vector(mut self, vector: UnitVector) -> Self {
        self.parts.push(Part { vector, weight: 1.0, is_image: true, words: None });
        self
    }

    /// Adds a tile of an archive as an image. The first tile can be left out of the answer.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the archive has no such key.
    pub fn tile(mut self, archive: &dyn Archive, key: &str) -> Result<Self> {
        let vector = archive.unit_vector(key).ok_or_else(|| Error::Parameter {
            name: "key of a tile",
            value: format!("{key:?}"),
            expected: "in the archive",
        })?;
        self.image_key.get_or_insert_with(|| key.into());
        Ok(self.image_vector(vector))
    }

    /// Encodes a text and adds it.
    ///
    /// # Errors
    /// The errors of [`TextEncoder::encode_texts`].
    pub fn text(self, text: &str) -> Result<Self> {
        let vector = self.encoder.encode_texts(&[text])?.vector(0);
        let mut builder = self.text_vector(vector);
        if let Some(part) = builder.parts.last_mut() {
            part.words = Some(text.into());
        }
        Ok(builder)
    }

    /// Adds a text by its vector.
    pub fn text_vector(mut self, vector: UnitVector) -> Self {
        self.parts.push(Part { vector, weight: 1.0, is_image: false, words: None });
        self
    }

    /// Encodes a text that the wanted images should not match, and adds it with weight -1.
    ///
    /// # Errors
    /// The errors of [`TextEncoder::encode_texts`].
    pub fn without(self, text: &str) -> Result<Self> {
        let vector = self.encoder.encode_texts(&[text])?.vector(0);
        self.text_vector(vector).weight(-1.0)
    }

    /// Sets the weight of the part that was added last. Default: 1.
    ///
    /// # Errors
    /// [`Error::Parameter`] if no part was added yet.
    pub fn weight(mut self, weight: f32) -> Result<Self> {
        let Some(part) = self.parts.last_mut() else {
            let (name, value) = ("weight before the first part of a query", weight.to_string());
            return Err(Error::Parameter { name, value, expected: "after the part that it belongs to" });
        };
        part.weight = weight;
        Ok(self)
    }

    /// Makes the query. Its words are those of the wanted texts, joined by commas.
    ///
    /// # Errors
    /// The errors of [`ComposedQuery::and_image`].
    pub fn build(self) -> Result<ComposedQuery> {
        let mut query = ComposedQuery::new(ImageEncoder::spec(self.encoder).clone());
        let mut words = Vec::new();
        for part in self.parts {
            words.extend(part.words.filter(|_| part.weight != 0.0));
            query = if part.is_image {
                query.and_image(part.vector, part.weight)?
            } else {
                query.and_text(part.vector, part.weight)?
            };
        }
        if !words.is_empty() {
            query = query.with_words(words.join(", "));
        }
        if let Some(key) = self.image_key {
            query = query.with_image_key(key);
        }
        Ok(query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Embeddings, EncoderSpec, PixelBatch};

    /// Images and texts by their first values.
    struct Plain(EncoderSpec);

    impl ImageEncoder for Plain {
        fn spec(&self) -> &EncoderSpec {
            &self.0
        }

        fn input_size(&self) -> usize {
            1
        }

        fn prepare(&self, image: RgbView<'_>, out: &mut [u8]) -> Result<()> {
            out.copy_from_slice(&image.data()[..3]);
            Ok(())
        }

        fn encode_pixels(&self, batch: PixelBatch<'_>) -> Result<Embeddings> {
            Embeddings::normalize(3, batch.data().iter().map(|&v| f32::from(v)).collect())
        }
    }

    impl TextEncoder for Plain {
        fn spec(&self) -> &EncoderSpec {
            &self.0
        }

        fn encode_texts(&self, texts: &[&str]) -> Result<Embeddings> {
            let row = |text: &&str| match *text {
                "x" => [1.0, 0.0, 0.0],
                "y" => [0.0, 1.0, 0.0],
                _ => [0.0, 0.0, 1.0],
            };
            Embeddings::normalize(3, texts.iter().flat_map(row).collect())
        }
    }

    fn encoder() -> Plain {
        Plain(EncoderSpec::unknown(3))
    }

    fn close(a: &[f32], b: [f64; 3]) -> bool {
        a.iter().zip(b).all(|(&a, b)| (f64::from(a) - b).abs() < 1e-6)
    }

    #[test]
    fn parts_are_added_by_weight_and_what_is_not_wanted_is_taken_off() {
        let query = ComposedQuery::builder(&encoder())
            .text("x")
            .and_then(|q| q.text("y")?.weight(0.5)?.without("z")?.build())
            .unwrap();
        // (1, 0.5, -1) has the length 1.5.
        assert!(close(query.text().unwrap(), [1.0 / 1.5, 0.5 / 1.5, -1.0 / 1.5]));
        let weights: Vec<f32> = query.texts().iter().map(|part| part.weight).collect();
        assert_eq!((weights, query.words(), query.image()), (vec![1.0, 0.5, -1.0], Some("x, y"), None));
    }

    #[test]
    fn one_part_is_its_vector_to_the_bit_with_the_length_it_had() {
        let tile = [3, 4, 0];
        let encoder = encoder();
        let query = ComposedQuery::builder(&encoder).image(RgbView::new(1, 1, &tile).unwrap()).unwrap();
        let query = query.build().unwrap();
        assert_eq!((query.image().unwrap().norm(), query.text()), (5.0, None));
        assert_eq!(&**query.image().unwrap(), [0.6, 0.8, 0.0]);
    }

    #[test]
    fn a_part_of_weight_zero_is_as_if_absent() {
        let encoder = encoder();
        let with = ComposedQuery::builder(&encoder).text("x").and_then(|q| q.text("y")?.weight(0.0)?.build());
        let without = ComposedQuery::builder(&encoder).text("x").and_then(|q| q.build());
        let (with, without) = (with.unwrap(), without.unwrap());
        assert_eq!((with.texts(), with.text(), with.words()), (without.texts(), without.text(), Some("x")));
        let alone = ComposedQuery::builder(&encoder).text("x").and_then(|q| q.weight(0.0)?.build()).unwrap();
        assert_eq!((alone.text(), alone.parts().count()), (None, 0));
    }

    #[test]
    fn parts_that_make_no_query_are_named() {
        let nothing_left = ComposedQuery::builder(&encoder()).text("x").and_then(|q| q.without("x")?.build());
        assert!(matches!(nothing_left, Err(Error::ZeroRow { .. })));
        for weight in [f32::NAN, f32::INFINITY] {
            let odd = ComposedQuery::builder(&encoder()).text("x").and_then(|q| q.weight(weight)?.build());
            assert!(odd.unwrap_err().to_string().contains("weight of a query's part"));
        }
        assert!(ComposedQuery::builder(&encoder()).weight(1.0).is_err());
    }
}
