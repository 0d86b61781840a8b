mod answer;
mod bound;
mod found;
mod method_bound;
mod raw;

pub use answer::{RowTest, TableFacts, TableSearch, answer};
pub use bound::Bound;
pub(crate) use bound::TAIL_RATIO;
pub use found::{Found, FoundRows};
#[cfg(test)]
pub(crate) use method_bound::similarity_bound;

use rscir_core::Value;
use rscir_index::Filter;

use crate::Result;

/// What an engine is asked: the rows of a table with the highest bounds.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Ask<'a> {
    /// What rows are ordered by.
    pub bound: &'a Bound,
    /// The vector of the query's image, if the bound reads it.
    pub image: Option<&'a [f32]>,
    /// The vector of the query's text, if the bound reads it.
    pub text: Option<&'a [f32]>,
    /// Which rows may be among them.
    pub filter: Option<&'a Filter>,
    /// How many at most.
    pub limit: usize,
}

impl<'a> Ask<'a> {
    /// Asks for `limit` rows.
    pub fn new(bound: &'a Bound, limit: usize) -> Self {
        Self { bound, image: None, text: None, filter: None, limit }
    }
}

/// A row that an engine gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its key.
    pub key: String,
    /// Its bound, as the engine computed it.
    pub bound: f64,
    /// Its vector.
    pub vector: Vec<f32>,
    /// What it holds in the table's columns, in their order.
    pub values: Vec<Option<OwnedValue>>,
}

/// A value of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum OwnedValue {
    /// Of a column of text.
    Text(String),
    /// Of a column of whole numbers.
    Int(i64),
    /// Of a column of numbers.
    Float(f64),
    /// Of a column of yes and no.
    Bool(bool),
    /// Of a column of days.
    Date(rscir_core::Date),
    /// Of a column of lists of numbers.
    Floats(Vec<f64>),
}

impl OwnedValue {
    /// Returns the value as archives have it.
    pub fn as_value(&self) -> Value<'_> {
        match self {
            Self::Text(v) => Value::Text(v),
            Self::Int(v) => Value::Int(*v),
            Self::Float(v) => Value::Float(*v),
            Self::Bool(v) => Value::Bool(*v),
            Self::Date(v) => Value::Date(*v),
            Self::Floats(v) => Value::Floats(v),
        }
    }
}

/// What orders the rows of a table by a bound and gives the first: an engine that speaks SQL, or a test's.
pub trait Engine {
    /// Answers all questions in one job: for each, the rows with the highest bounds, up to the limit, in falling order.
    ///
    /// A row that is not among them, of those of which the filter holds, has no higher bound than the last that is. Similarities
    /// are inner products in `f32` or wider, in whatever order.
    ///
    /// # Errors
    /// The engine's own, and what is not as it was published.
    fn best(&self, asks: &[Ask<'_>]) -> Result<Vec<Vec<Candidate>>>;
}
