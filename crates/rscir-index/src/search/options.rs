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
    /// Key of the row.
    pub key: String,
    /// Score of the row as [`Method::display_score`](rscir_core::Method::display_score) gives it; higher is
    /// better. Hits are ordered by the raw score, so presented scores may be equal where raw scores differ.
    pub score: f32,
    /// Contribution of the query's image; `None` if the query has none.
    pub image: Option<PartScore>,
    /// Contribution of the query's text; `None` if the query has none.
    pub text: Option<PartScore>,
}

/// The answer to a query.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Answer {
    /// The best rows, best first.
    pub hits: Vec<Hit>,
    /// For each hit, the probability that it matches each part of the query, in the order of
    /// [`Explanation::parts`]. The probabilities are estimates without calibration. Empty if the method does not
    /// use the parts one by one.
    pub probabilities: Vec<Vec<f32>>,
    /// What the method learned about the archive for this query; `None` if the method learns nothing.
    pub explanation: Option<Explanation>,
}

/// Contribution of one part of a query to a hit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PartScore {
    /// Dot product of the part's vector and the row's, which is the cosine of their angle.
    pub similarity: f32,
    /// The similarity after the method's fusion has normalized it over the archive, as
    /// [`Method::display_score`](rscir_core::Method::display_score) gives it; under WeiCom the normal CDF of its
    /// z-score. `None` if the method does not read the part, or is not a fusion of two lists.
    pub normalized: Option<f32>,
}

/// A function that tells whether a row, given by its number, may be in an answer.
pub type RowFilter<'a> = dyn Fn(usize) -> bool + Sync + 'a;

/// Source of the mean and the deviation of a query's similarities. Both sources describe the whole archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Statistics {
    /// The similarities themselves, as in [`Method::score`](rscir_core::Method::score).
    #[default]
    Scan,
    /// [`Archive::moments`], as in [`Int8Index`](crate::Int8Index). They equal those of a scan up to rounding,
    /// about one part in a million; only rows whose scores differ by no more than that may change places.
    Moments,
}

/// Options of a search: how many rows to return, and which rows may be among them.
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
    /// Largest number of rows of an answer.
    pub k: usize,
    /// Tells which rows may be in the answer, by number; `None` for all rows. Several threads may call it at
    /// once.
    pub filter: Option<&'a RowFilter<'a>>,
    /// Condition on the columns of a row; `None` for all rows. With `filter`, a row must pass both.
    pub matching: Option<&'a Filter>,
    /// Excludes the row under the query's [`image_key`](ComposedQuery::image_key).
    pub exclude_query: bool,
    /// Source of the statistics.
    pub statistics: Statistics,
}

impl<'a> SearchOptions<'a> {
    /// Makes options for the `k` best of all rows.
    pub fn top(k: usize) -> Self {
        Self { k, filter: None, matching: None, exclude_query: false, statistics: Statistics::Scan }
    }

    /// Sets a function that tells which rows may be in the answer. Scores stay the same. Default: all rows.
    #[must_use]
    pub fn filter(self, filter: &'a RowFilter<'a>) -> Self {
        Self { filter: Some(filter), ..self }
    }

    /// Sets a condition on the columns of the rows in the answer. Scores stay the same. Default: all rows.
    #[must_use]
    pub fn matching(self, filter: &'a Filter) -> Self {
        Self { matching: Some(filter), ..self }
    }

    /// Sets whether the row under the query's [`image_key`](ComposedQuery::image_key) is excluded. Default:
    /// `false`.
    #[must_use]
    pub fn exclude_query(self, exclude_query: bool) -> Self {
        Self { exclude_query, ..self }
    }

    /// Sets the source of the statistics. Default: [`Statistics::Scan`].
    #[must_use]
    pub fn statistics(self, statistics: Statistics) -> Self {
        Self { statistics, ..self }
    }

    /// Returns the rows that may be in the answer to any query.
    ///
    /// # Errors
    /// The errors of [`Filter::select`].
    pub(crate) fn allowed(&self, archive: &dyn Archive) -> Result<Allowed<'a>> {
        let selection = self.matching.map(|filter| filter.select(archive)).transpose()?;
        Ok(Allowed { filter: self.filter, selection, exclude_query: self.exclude_query })
    }
}

/// The rows that may be in an answer, except for what a query excludes itself.
pub(crate) struct Allowed<'a> {
    filter: Option<&'a RowFilter<'a>>,
    selection: Option<Selection>,
    exclude_query: bool,
}

impl Allowed<'_> {
    /// Returns the rows that may be in an answer if no query excludes its own row.
    pub(crate) fn any(&self) -> Candidates<'_> {
        Candidates { allowed: self, excluded: None }
    }

    /// Returns the rows that may be in the answer to `query`.
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
