mod answer;
mod bound;
mod found;
mod method_bound;
mod raw;

pub use answer::{RowTest, TableFacts, TableSearch, answer};
pub use bound::Bound;
pub use found::{Found, FoundRows};
#[cfg(test)]
pub(crate) use method_bound::similarity_bound;

use rscir_core::Value;
use rscir_index::Filter;

use crate::Result;

/// A question to an engine: which rows of a table have the highest bounds?
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Ask<'a> {
    /// Bound that orders the rows.
    pub bound: &'a Bound,
    /// Vector of the query's image; `None` if the bound does not read it.
    pub image: Option<&'a [f32]>,
    /// Vector of the query's text; `None` if the bound does not read it.
    pub text: Option<&'a [f32]>,
    /// Filter that every row of the answer matches; `None` admits all rows.
    pub filter: Option<&'a Filter>,
    /// Largest number of rows in the answer.
    pub limit: usize,
}

impl<'a> Ask<'a> {
    /// Asks for the `limit` rows with the highest bounds, without vectors and without a filter; set these
    /// afterwards.
    pub fn new(bound: &'a Bound, limit: usize) -> Self {
        Self { bound, image: None, text: None, filter: None, limit }
    }
}

/// A row in the answer of an engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Key of the row.
    pub key: String,
    /// Bound of the row, as the engine computed it.
    pub bound: f64,
    /// Vector of the row, as the table stores it.
    pub vector: Vec<f32>,
    /// Values of the row in the table's columns, in the order of the columns; `None` where the row has no value.
    pub values: Vec<Option<OwnedValue>>,
}

/// A value of a row in a column, independent of the archive or table that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub enum OwnedValue {
    /// A value of a column of text.
    Text(String),
    /// A value of a column of whole numbers.
    Int(i64),
    /// A value of a column of numbers.
    Float(f64),
    /// A value of a column of true and false.
    Bool(bool),
    /// A value of a column of days.
    Date(rscir_core::Date),
    /// A value of a column of lists of numbers.
    Floats(Vec<f64>),
}

impl OwnedValue {
    /// Returns the value in the form that archives give.
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

/// Orders the rows of a table by a bound and returns the first. Implemented for an engine that speaks SQL, or by a
/// test.
pub trait Engine {
    /// Answers all questions together. Returns a list for each of `asks`, in their order: at most [`Ask::limit`]
    /// rows that match the filter, from the highest bound down.
    ///
    /// No row that matches the filter and is left out has a higher bound than the last row of the list. An answer
    /// with fewer rows than the limit has all rows that match. Similarities are inner products in `f32` or wider,
    /// summed in any order.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) if the engine fails, and an error of the implementor's choice if the
    /// table's parts are not those that were published.
    fn best(&self, asks: &[Ask<'_>]) -> Result<Vec<Vec<Candidate>>>;
}
