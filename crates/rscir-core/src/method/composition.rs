use super::Method;
use crate::{Archive, ComposedQuery, Error, Result};

/// A method that makes one vector of the query. The score of a row is its similarity to that vector.
pub trait Composition: Method {
    /// Makes the vector for `query` on `archive`, as wide as the archive's rows. Its length need not be 1.
    ///
    /// # Errors
    /// The errors of [`Method::score`].
    fn compose(&self, query: &ComposedQuery, archive: &dyn Archive) -> Result<Vec<f32>>;
}

/// Computes the [`Method::score`] of any composition: the similarities of all rows to its vector.
///
/// # Errors
/// The errors of [`Method::score`].
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
