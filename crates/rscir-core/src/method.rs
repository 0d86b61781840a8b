use std::borrow::Cow;

use crate::{Archive, ComposedQuery, Error, Result, ScoreStatistics};

/// A composition method: gives every row of an archive a score for one composed query.
///
/// A method is more than a fusion of two similarity lists; it may look at neighbours, a vocabulary or another encoder.
/// One that *is* such a fusion says so with [`Method::as_fusion`], and engines may then share the lists between
/// queries and methods; one that makes a vector of the query says so with [`Method::as_composition`], and engines may
/// then score many queries in one product.
pub trait Method: Send + Sync {
    /// Name with the parameters that matter, as tables print it: `weicom(lambda=0.5)`.
    fn label(&self) -> String;

    /// Writes one score per row, higher is better. Scores need only be comparable within one call.
    ///
    /// # Errors
    /// [`Error::Length`] if `scores` is not as long as the archive; [`Error::MissingPart`] if the query lacks what the
    /// method needs; [`Error::Spec`] if query and archive come from different encoders.
    fn score(&self, query: &ComposedQuery, archive: &dyn Archive, scores: &mut [f32]) -> Result<()>;

    /// The method's own value for a score, where [`Method::score`] writes another form that keeps order better.
    fn present(&self, score: f32) -> f32 {
        score
    }

    /// Returns this method as its authors' program computes it, where that program rounds so that figures differ: for
    /// reproducing published figures alone. `None` if there is no such difference.
    fn reference(&self) -> Option<Box<dyn Method>> {
        None
    }

    /// This method as a fusion of similarity lists, if it is one.
    fn as_fusion(&self) -> Option<&dyn Fusion> {
        None
    }

    /// This method as a composition of one vector, if it is one.
    fn as_composition(&self) -> Option<&dyn Composition> {
        None
    }
}

/// A method that makes one vector of the query; the score of a row is its similarity to that vector.
pub trait Composition: Method {
    /// The vector for `query` on `archive`, as wide as its rows; its length need not be 1.
    ///
    /// # Errors
    /// As [`Method::score`].
    fn compose(&self, query: &ComposedQuery, archive: &dyn Archive) -> Result<Vec<f32>>;
}

/// The [`Method::score`] of any composition: the similarities of its vector.
///
/// # Errors
/// As [`Method::score`].
pub fn score_composition(
    composition: &dyn Composition,
    query: &ComposedQuery,
    archive: &dyn Archive,
    scores: &mut [f32],
) -> Result<()> {
    Error::check_length("scores (one per archive row)", archive.len(), scores.len())?;
    let vector = composition.compose(query, archive)?;
    archive.similarities(crate::Queries::new(archive.dim(), &vector)?, scores)
}

/// Which similarity lists a fusion reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Modality {
    /// The query image's alone.
    Image,
    /// The query text's alone.
    Text,
    /// Both.
    Both,
}

impl Modality {
    /// True if the image's list is read.
    pub fn reads_image(self) -> bool {
        self != Self::Text
    }

    /// True if the text's list is read.
    pub fn reads_text(self) -> bool {
        self != Self::Image
    }
}

/// A method whose score is a function of two similarity lists: each is normalised, then they are combined row by row.
///
/// An engine that evaluates many queries normalises each image's and each text's list once, and shares it between all
/// fusions with the same [`Fusion::normalization`].
pub trait Fusion: Method {
    /// The lists it reads; [`Fusion::combine`] may get an empty slice for the other.
    fn modality(&self) -> Modality;

    /// Identifies the normalisation: equal names promise equal lists from equal similarities.
    fn normalization(&self) -> Cow<'static, str>;

    /// True if [`Fusion::normalize`] gives row `j` a value that depends on `similarities[j]` and the statistics alone
    /// and never falls as the similarity rises, and [`Fusion::combine`] never falls as either input rises.
    ///
    /// Then both may be called on parts of a list, and bounds on similarities are bounds on scores.
    fn is_pointwise(&self) -> bool;

    /// Normalises a similarity list. `statistics` are those of the whole list, over the whole archive.
    ///
    /// Both slices have equal length; if not [pointwise](Fusion::is_pointwise), they are the whole list.
    fn normalize(&self, similarities: &[f32], statistics: &ScoreStatistics, normalized: &mut [f32]);

    /// Combines two normalised lists, row by row, into scores.
    fn combine(&self, image: &[f32], text: &[f32], scores: &mut [f32]);
}

/// The [`Method::score`] of any fusion: similarities of both parts in one product, statistics by a scan, normalise,
/// combine.
///
/// # Errors
/// As [`Method::score`].
pub fn score_fusion(
    fusion: &dyn Fusion,
    query: &ComposedQuery,
    archive: &dyn Archive,
    scores: &mut [f32],
) -> Result<()> {
    let rows = archive.len();
    Error::check_length("scores (one per archive row)", rows, scores.len())?;
    archive.spec().check(query.spec())?;
    let label = fusion.label();
    let modality = fusion.modality();
    let mut vectors = Vec::with_capacity(2 * archive.dim());
    if modality.reads_image() {
        vectors.extend_from_slice(query.require_image(&label)?);
    }
    if modality.reads_text() {
        vectors.extend_from_slice(query.require_text(&label)?);
    }
    let queries = crate::Queries::new(archive.dim(), &vectors)?;
    let mut similarities = vec![0.0; queries.len() * rows];
    archive.similarities(queries, &mut similarities)?;
    let mut normalized = vec![0.0; similarities.len()];
    for (list, out) in similarities.chunks_exact(rows.max(1)).zip(normalized.chunks_exact_mut(rows.max(1))) {
        fusion.normalize(list, &ScoreStatistics::of(list), out);
    }
    let (image, text): (&[f32], &[f32]) = match modality {
        Modality::Image => (&normalized, &[]),
        Modality::Text => (&[], &normalized),
        Modality::Both => normalized.split_at(rows),
    };
    fusion.combine(image, text, scores);
    Ok(())
}
