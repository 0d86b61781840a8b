use super::{Filter, Literal, Node};

/// What a filter asks for, for code that translates filters, for instance into SQL. The constructors of
/// [`Filter`] say what each kind means. The type is exhaustive, so that a new kind breaks the build of a
/// translation rather than its answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FilterView<'a> {
    /// The value of a column compares like this with the literal.
    Compare(&'a str, Comparison, &'a Literal),
    /// The value of a column is one of the literals.
    IsIn(&'a str, &'a [Literal]),
    /// The bounding box in a column has a point in common with the bounds.
    Intersects(&'a str, [f64; 4]),
    /// A column has a value.
    HasValue(&'a str),
    /// All of the filters are true.
    All(&'a [Filter]),
    /// At least one of the filters is true.
    Any(&'a [Filter]),
    /// The filter is false.
    Not(&'a Filter),
}

/// How a value compares with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// The value is equal.
    Eq,
    /// The value is less.
    Lt,
    /// The value is less or equal.
    Le,
    /// The value is greater.
    Gt,
    /// The value is greater or equal.
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
