use super::{Filter, Literal, Node};

/// What a filter asks for, for those who translate it, such as into SQL. [`Filter`] says what each means. A kind that is added
/// breaks a translation that does not know it, rather than its answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FilterView<'a> {
    /// The value of a column compares so with another.
    Compare(&'a str, Comparison, &'a Literal),
    /// The value of a column is one of these.
    IsIn(&'a str, &'a [Literal]),
    /// The bounding box in a column has a point in common with these bounds.
    Intersects(&'a str, [f64; 4]),
    /// A column has a value.
    HasValue(&'a str),
    /// All of these hold.
    All(&'a [Filter]),
    /// One of these holds.
    Any(&'a [Filter]),
    /// This does not hold.
    Not(&'a Filter),
}

/// How a value compares with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// It is equal.
    Eq,
    /// It is less.
    Lt,
    /// It is less or equal.
    Le,
    /// It is greater.
    Gt,
    /// It is greater or equal.
    Ge,
}

impl Filter {
    /// Returns what the filter asks for.
    #[must_use]
    pub fn view(&self) -> FilterView<'_> {
        match &self.0 {
            Node::Compare(column, comparison, literal) => FilterView::Compare(column, *comparison, literal),
            Node::IsIn(column, literals) => FilterView::IsIn(column, literals),
            Node::Intersects(column, bounds) => FilterView::Intersects(column, *bounds),
            Node::HasValue(column) => FilterView::HasValue(column),
            Node::All(filters) => FilterView::All(filters),
            Node::Any(filters) => FilterView::Any(filters),
            Node::Not(filter) => FilterView::Not(filter),
        }
    }
}
