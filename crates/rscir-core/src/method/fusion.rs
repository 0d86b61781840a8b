use super::{Method, NormalizationKey};
use crate::{Archive, ComposedQuery, Error, Result, ScoreStatistics};

/// The similarity lists that a fusion reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Modality {
    /// The list of the query image.
    Image,
    /// The list of the query text.
    Text,
    /// Both lists.
    Both,
}

impl Modality {
    /// Tells whether the image's list is read.
    pub fn reads_image(self) -> bool {
        self != Self::Text
    }

    /// Tells whether the text's list is read.
    pub fn reads_text(self) -> bool {
        self != Self::Image
    }
}

/// A method whose score is a function of two similarity lists. Each list is normalized, then the two are
/// combined row by row.
///
/// An engine that evaluates many queries normalizes the list of each image and each text once, and shares it
/// between all fusions with the same [`Fusion::normalization`].
pub trait Fusion: Method {
    /// Returns the lists that the fusion reads. [`Fusion::combine`] may get an empty slice for the other.
    fn modality(&self) -> Modality;

    /// Returns the identity of the normalization: equal keys promise equal lists from equal similarities.
    fn normalization(&self) -> NormalizationKey;

    /// Tells whether the score of a row never falls as its similarities rise: [`Fusion::normalize`] gives row
    /// `j` a value that depends on `similarities[j]` and the statistics alone and never falls as the
    /// similarity rises, and [`Fusion::combine`] never falls as either input rises.
    ///
    /// If so, both may be called on parts of a list, and bounds on similarities are bounds on scores.
    fn is_monotone(&self) -> bool;

    /// Normalizes a similarity list. `statistics` are those of the list over the whole archive.
    ///
    /// Both slices have equal length. If the fusion is not [monotone](Fusion::is_monotone), they are the
    /// whole list.
    fn normalize(&self, similarities: &[f32], statistics: &ScoreStatistics, normalized: &mut [f32]);

    /// Combines two normalized lists into scores, row by row.
    fn combine(&self, image: &[f32], text: &[f32], scores: &mut [f32]);
}

/// Scores rows by two similarity lists: computes the statistics of each by a scan, normalizes them and
/// combines them.
///
/// The lists need not come from one encoder or one archive, as long as element `j` of both is about the same
/// image: a fusion normalizes each list by itself. A list that the fusion does not read may be empty.
///
/// # Errors
/// [`Error::Length`] if a list that is read is not as long as `scores`.
pub fn fuse_lists(fusion: &dyn Fusion, image: &[f32], text: &[f32], scores: &mut [f32]) -> Result<()> {
    let modality = fusion.modality();
    let mut normalized = [Vec::new(), Vec::new()];
    let lists = [
        ("similarities to the query image", modality.reads_image(), image),
        ("similarities to the query text", modality.reads_text(), text),
    ];
    for ((what, _, list), out) in lists.into_iter().zip(&mut normalized).filter(|((_, read, _), _)| *read) {
        Error::check_length(what, scores.len(), list.len())?;
        out.resize(list.len(), 0.0);
        fusion.normalize(list, &ScoreStatistics::of(list), out);
    }
    fusion.combine(&normalized[0], &normalized[1], scores);
    Ok(())
}

/// Computes the [`Method::score`] of any fusion: the similarities of both parts in one product, then
/// [`fuse_lists`].
///
/// # Errors
/// The errors of [`Method::score`].
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
    let (image, text): (&[f32], &[f32]) = match modality {
        Modality::Image => (&similarities, &[]),
        Modality::Text => (&[], &similarities),
        Modality::Both => similarities.split_at(rows),
    };
    fuse_lists(fusion, image, text, scores)
}
