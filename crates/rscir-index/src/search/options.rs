use std::fmt;

use rscir_core::{Archive, ComposedQuery, Explanation};
use serde::Serialize;

use crate::Result;
use crate::filter::{Filter, Selection};

/// One row of an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hit {
    /// Row of the archive.
    pub row: usize,
    /// Its key.
    pub key: String,
    /// Its score as [`Method::display_score`](rscir_core::Method::display_score) gives it, higher is better. Hits are ordered by
    /// the score before that, so presented scores may tie where the rows do not.
    pub score: f32,
    /// What the query's image contributes; `None` if the query has none.
    pub image: Option<PartScore>,
    /// What the query's text contributes; `None` if the query has none.
    pub text: Option<PartScore>,
}

/// What a query found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Answer {
    /// The best rows, best first.
    pub hits: Vec<Hit>,
    /// For each hit, how likely it is as each part of the query asks, in the order of [`Explanation::parts`]: estimates that
    /// nothing calibrates. Empty under a method that does not take parts by themselves.
    pub probabilities: Vec<Vec<f32>>,
    /// What the method learned of the archive for this query; `None` if it is one that learns nothing.
    pub explanation: Option<Explanation>,
}

/// What one part of a query contributes to a hit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PartScore {
    /// Dot product of the part's vector with the row's: the cosine of their angle.
    pub similarity: f32,
    /// The similarity as the method's fusion normalizes it over the archive, as
    /// [`Method::display_score`](rscir_core::Method::display_score) gives it: under WeiCom the normal CDF of its z-score. `None` if the
    /// method does not read the part, or is no fusion of two lists.
    pub normalized: Option<f32>,
}

/// Says of a row, by its number, whether it may be in an answer.
pub type RowFilter<'a> = dyn Fn(usize) -> bool + Sync + 'a;

/// Where the mean and the deviation of a query's similarities come from. Both are those of the whole archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Statistics {
    /// From the similarities themselves, as [`Method::score`](rscir_core::Method::score) has them.
    #[default]
    Scan,
    /// From [`Archive::moments`], as [`Int8Index`](crate::Int8Index) has them. Equal to the scan's up to rounding,
    /// about one part in a million; only rows whose scores differ as little may change places.
    Moments,
}

/// What is asked for beside the query: how many rows, and which may be among them.
///
/// ```
/// use rscir_index::SearchOptions;
///
/// use rscir_index::Filter;
///
/// let clear = Filter::lt("cloud", 0.2);
/// let even_rows = |row| row % 2 == 0;
/// let options = SearchOptions::top(10).matching(&clear).filter(&even_rows).exclude_query(true);
/// assert_eq!(options.k, 10);
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct SearchOptions<'a> {
    /// How many rows at most.
    pub k: usize,
    /// Rows that may be in the answer; all without it. May be called from any thread.
    pub filter: Option<&'a RowFilter<'a>>,
    /// What the columns of a row must hold for it to be in the answer; anything without it. Beside `filter`, both must hold.
    pub matching: Option<&'a Filter>,
    /// Leave out the row under the query's [`image_key`](ComposedQuery::image_key).
    pub exclude_query: bool,
    /// Where statistics come from.
    pub statistics: Statistics,
}

impl<'a> SearchOptions<'a> {
    /// The `k` best of all rows.
    pub fn top(k: usize) -> Self {
        Self { k, filter: None, matching: None, exclude_query: false, statistics: Statistics::Scan }
    }

    /// Sets the rows that may be in the answer. Scores stay what they are.
    #[must_use]
    pub fn filter(self, filter: &'a RowFilter<'a>) -> Self {
        Self { filter: Some(filter), ..self }
    }

    /// Sets what the columns of a row must hold for it to be in the answer. Scores stay what they are.
    #[must_use]
    pub fn matching(self, filter: &'a Filter) -> Self {
        Self { matching: Some(filter), ..self }
    }

    /// Sets whether the row under the query's [`image_key`](ComposedQuery::image_key) is left out. Default: `false`.
    #[must_use]
    pub fn exclude_query(self, exclude_query: bool) -> Self {
        Self { exclude_query, ..self }
    }

    /// Sets where statistics come from. Default: [`Statistics::Scan`].
    #[must_use]
    pub fn statistics(self, statistics: Statistics) -> Self {
        Self { statistics, ..self }
    }

    /// The rows that may answer any query.
    ///
    /// # Errors
    /// As [`Filter::select`].
    pub(crate) fn allowed(&self, archive: &dyn Archive) -> Result<Allowed<'a>> {
        let selection = self.matching.map(|filter| filter.select(archive)).transpose()?;
        Ok(Allowed { filter: self.filter, selection, exclude_query: self.exclude_query })
    }
}

/// The rows that may be in an answer.
pub(crate) struct Allowed<'a> {
    filter: Option<&'a RowFilter<'a>>,
    selection: Option<Selection>,
    exclude_query: bool,
}

impl Allowed<'_> {
    /// The rows that may be in an answer, whatever the query.
    pub(crate) fn any(&self) -> Candidates<'_> {
        Candidates { allowed: self, excluded: None }
    }

    /// The rows that may answer `query`.
    pub(crate) fn candidates(&self, archive: &dyn Archive, query: &ComposedQuery) -> Candidates<'_> {
        let own_row = || query.image_key().and_then(|key| archive.find(key));
        Candidates { allowed: self, excluded: if self.exclude_query { own_row() } else { None } }
    }
}

impl fmt::Debug for SearchOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SearchOptions")
            .field("k", &self.k)
            .field("filtered", &self.filter.is_some())
            .field("matching", &self.matching)
            .field("exclude_query", &self.exclude_query)
            .field("statistics", &self.statistics)
            .finish()
    }
}

/// The rows that may be in the answer to one query.
pub(crate) struct Candidates<'a> {
    allowed: &'a Allowed<'a>,
    excluded: Option<usize>,
}

impl Candidates<'_> {
    pub(crate) fn contain(&self, row: usize) -> bool {
        self.excluded != Some(row)
            && self.allowed.filter.is_none_or(|filter| filter(row))
            && self.allowed.selection.as_ref().is_none_or(|rows| rows.contains(row))
    }
}
