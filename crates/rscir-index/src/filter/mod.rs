mod parse;
mod selection;
mod time;
mod view;

pub use selection::Selection;
pub use view::{Comparison, FilterView};

use std::cell::Cell;
use std::cmp::Ordering;

use rscir_core::{Archive, ColumnType, Date, Value};

use crate::{Error, Result};
use time::Time;

/// A condition on the columns of a row, by which rows are chosen for an answer.
///
/// A comparison is false for a row without a value in its column, and for a value or a literal that is not a
/// number (NaN); its negation is true for these rows. Texts are ordered by their bytes, and `false` comes before
/// `true`. A whole number can be compared with a column of numbers, a year of four digits with days, and a year
/// or a day with times that are written as text (`timestamp >= 2021`). A year or a day stands for all of its
/// times; it is an error if no text of the column is a time. Any other difference of types is an error.
///
/// ```
/// use rscir_core::{ComposedQuery, Embeddings, EncoderSpec, UnitVector};
/// use rscir_index::{Columns, Filter, MemoryArchive, SearchOptions, search_with};
/// use rscir_weicom::WeiCom;
///
/// let spec = EncoderSpec::unknown(2);
/// let rows = Embeddings::normalize(2, vec![1.0, 0.0, 0.6, 0.8, 0.0, 1.0])?;
/// let columns = Columns::new(3).with("label", vec!["sea", "harbor", "sea"])?.with("cloud", vec![0.1, 0.0, 0.7])?;
/// let keys = vec!["a".into(), "b".into(), "c".into()];
/// let archive = MemoryArchive::new(spec.clone(), keys, rows)?.with_columns(columns)?;
///
/// let clear_sea = Filter::eq("label", "sea").and(Filter::lt("cloud", 0.5));
/// let query = ComposedQuery::new(spec)
///     .with_image(UnitVector::normalize(vec![1.0, 0.1])?)?
///     .with_text(UnitVector::normalize(vec![0.1, 1.0])?)?;
/// let options = SearchOptions::top(3).matching(&clear_sea);
/// let hits = search_with(&archive, &WeiCom::default(), &query, &options)?;
/// assert_eq!((hits.len(), hits[0].key.as_str()), (1, "a"));
///
/// assert_eq!(Filter::parse("label = sea and cloud < 0.5")?, clear_sea);
/// # Ok::<(), rscir_index::Error>(())
/// ```
///
/// A filter changes only the ranking: means and deviations remain those of the whole archive, and the rows that
/// pass keep their scores and their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter(Node);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Compare(String, Comparison, Literal),
    IsIn(String, Vec<Literal>),
    Intersects(String, [f64; 4]),
    HasValue(String),
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
}

impl Comparison {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Eq => ordering.is_eq(),
            Self::Lt => ordering.is_lt(),
            Self::Le => ordering.is_le(),
            Self::Gt => ordering.is_gt(),
            Self::Ge => ordering.is_ge(),
        }
    }
}

/// A value that a column is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// A text, for a column of text.
    Text(String),
    /// A whole number, for a column of whole numbers or of numbers; a year from 1000 to 9999 also for a column of
    /// days, or of text that holds times.
    Int(i64),
    /// A number, for a column of numbers.
    Float(f64),
    /// A truth value, for a column of truth values.
    Bool(bool),
    /// A day, for a column of days, or of text that holds times.
    Date(Date),
}

impl Literal {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Text(v) => Value::Text(v),
            Self::Int(v) => Value::Int(*v),
            Self::Float(v) => Value::Float(*v),
            Self::Bool(v) => Value::Bool(*v),
            Self::Date(v) => Value::Date(*v),
        }
    }

    /// Converts the literal to the type of a column.
    ///
    /// # Errors
    /// [`Error::ColumnType`] if a value of that type cannot be compared with the literal.
    fn fit(&self, column: &str, expected: ColumnType) -> Result<Self> {
        let got = self.value().column_type();
        match self {
            Self::Int(value) if expected == ColumnType::Float => Ok(Self::Float(*value as f64)),
            _ if got == expected => Ok(self.clone()),
            _ => Err(Error::ColumnType { column: column.into(), expected, got }),
        }
    }

    /// Compares a value with the literal. `None` if the types differ or one of the two is not a number (NaN).
    fn order(&self, value: Value<'_>) -> Option<Ordering> {
        match (value, self) {
            (Value::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Value::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Value::Float(a), Self::Float(b)) => a.partial_cmp(b),
            (Value::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Value::Date(a), Self::Date(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

macro_rules! literal_from {
    ($($variant:ident of $value:ty),*) => {$(
        impl From<$value> for Literal {
            fn from(value: $value) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

literal_from!(Text of &str, Text of String, Int of i32, Int of i64, Float of f64, Bool of bool, Date of Date);

impl Filter {
    /// Makes a filter for rows whose value equals `value`.
    #[must_use]
    pub fn eq(column: &str, value: impl Into<Literal>) -> Self {
        Self::compare(column, Comparison::Eq, value.into())
    }

    /// Makes a filter for rows whose value is less than `value`.
    #[must_use]
    pub fn lt(column: &str, value: impl Into<Literal>) -> Self {
        Self::compare(column, Comparison::Lt, value.into())
    }

    /// Makes a filter for rows whose value is less than or equal to `value`.
    #[must_use]
    pub fn le(column: &str, value: impl Into<Literal>) -> Self {
        Self::compare(column, Comparison::Le, value.into())
    }

    /// Makes a filter for rows whose value is greater than `value`.
    #[must_use]
    pub fn gt(column: &str, value: impl Into<Literal>) -> Self {
        Self::compare(column, Comparison::Gt, value.into())
    }

    /// Makes a filter for rows whose value is greater than or equal to `value`.
    #[must_use]
    pub fn ge(column: &str, value: impl Into<Literal>) -> Self {
        Self::compare(column, Comparison::Ge, value.into())
    }

    /// Makes a filter for rows whose value is from `least` to `most`, both included.
    #[must_use]
    pub fn between(column: &str, least: impl Into<Literal>, most: impl Into<Literal>) -> Self {
        Self::ge(column, least).and(Self::le(column, most))
    }

    /// Makes a filter for rows whose value is one of `values`.
    #[must_use]
    pub fn is_in<L: Into<Literal>>(column: &str, values: impl IntoIterator<Item = L>) -> Self {
        Self(Node::IsIn(column.into(), values.into_iter().map(Into::into).collect()))
    }

    /// Makes a filter for rows whose bounding box has a point in common with `bounds`, edges included. Both are
    /// smallest x, smallest y, largest x, largest y in one plane, so a box across the 180th meridian needs two
    /// filters.
    #[must_use]
    pub fn intersects(column: &str, bounds: [f64; 4]) -> Self {
        Self(Node::Intersects(column.into(), bounds))
    }

    /// Makes a filter for rows that have a value.
    #[must_use]
    pub fn has_value(column: &str) -> Self {
        Self(Node::HasValue(column.into()))
    }

    /// Makes a filter for rows that pass both filters.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match self.0 {
            Node::All(mut filters) => {
                filters.push(other);
                Self(Node::All(filters))
            }
            first => Self(Node::All(vec![Self(first), other])),
        }
    }

    /// Makes a filter for rows that pass at least one of the two filters.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match self.0 {
            Node::Any(mut filters) => {
                filters.push(other);
                Self(Node::Any(filters))
            }
            first => Self(Node::Any(vec![Self(first), other])),
        }
    }

    fn compare(column: &str, comparison: Comparison, value: Literal) -> Self {
        Self(Node::Compare(column.into(), comparison, value))
    }

    /// Returns the rows of an archive that pass the filter.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`] if the archive lacks a column that the filter names; [`Error::ColumnType`] if a
    /// column has a type that its literal cannot be compared with; [`Error::BoundingBox`] if boxes are compared
    /// and a list has other than four numbers; [`Error::SegmentColumn`] if a column is damaged. Every column that
    /// the filter names is checked, even if no row can pass.
    pub fn select(&self, archive: &dyn Archive) -> Result<Selection> {
        let rows = archive.len();
        match &self.0 {
            Node::Compare(name, comparison, literal) => {
                let column_type = column_type(archive, name)?;
                if let Some(time) = Time::of(literal, column_type) {
                    return select_times(archive, name, literal, column_type, |value| {
                        time.order(value).map(|ordering| comparison.holds(ordering))
                    });
                }
                let literal = literal.fit(name, column_type)?;
                Ok(select_values(archive, name, |value| {
                    literal.order(value).is_some_and(|ordering| comparison.holds(ordering))
                }))
            }
            Node::IsIn(name, literals) => {
                let expected = column_type(archive, name)?;
                let times: Option<Vec<Time>> =
                    literals.iter().map(|literal| Time::of(literal, expected)).collect();
                if let (Some(times), Some(first)) = (times, literals.first()) {
                    return select_times(archive, name, first, expected, |value| {
                        let mut orders = times.iter().filter_map(|time| time.order(value)).peekable();
                        orders.peek().is_some().then(|| orders.any(Ordering::is_eq))
                    });
                }
                let mut literals =
                    literals.iter().map(|literal| literal.fit(name, expected)).collect::<Result<Vec<_>>>()?;
                // NaN equals nothing and has no place in the order.
                literals.retain(|literal| literal.order(literal.value()).is_some());
                let position = |literal: &Literal, value: Value<'_>| {
                    literal.order(value).map_or(Ordering::Less, Ordering::reverse)
                };
                literals.sort_by(|a, b| position(a, b.value()));
                Ok(select_values(archive, name, |value| {
                    literals.binary_search_by(|literal| position(literal, value)).is_ok()
                }))
            }
            Node::Intersects(name, bounds) => {
                let expected = column_type(archive, name)?;
                if expected != ColumnType::Floats {
                    return Err(Error::ColumnType {
                        column: name.clone(),
                        expected,
                        got: ColumnType::Floats,
                    });
                }
                select_boxes(archive, name, bounds)
            }
            Node::HasValue(name) => {
                column_type(archive, name)?;
                Ok(select_values(archive, name, |_| true))
            }
            Node::All(filters) => {
                let all = Selection::all(rows);
                filters.iter().try_fold(all, |all, filter| Ok(all.and(&filter.select(archive)?)))
            }
            Node::Any(filters) => {
                let none = Selection::none(rows);
                filters.iter().try_fold(none, |any, filter| Ok(any.or(&filter.select(archive)?)))
            }
            Node::Not(filter) => Ok(filter.select(archive)?.not()),
        }
    }
}

impl std::ops::Not for Filter {
    type Output = Self;

    /// Makes a filter for rows that do not pass this one, including rows without a value.
    fn not(self) -> Self {
        Self(Node::Not(Box::new(self)))
    }
}

/// Returns the type of a column.
///
/// # Errors
/// [`Error::UnknownColumn`] if there is no such column; the errors of [`Archive::check_column`] if it is damaged.
fn column_type(archive: &dyn Archive, name: &str) -> Result<ColumnType> {
    let columns = archive.columns();
    match columns.iter().find(|column| column.0 == name) {
        Some(&(_, column_type)) => {
            archive.check_column(name)?;
            Ok(column_type)
        }
        None => {
            let present: Vec<String> =
                columns.iter().map(|(name, column_type)| format!("{name} ({column_type})")).collect();
            let present = if present.is_empty() { "none".into() } else { present.join(", ") };
            Err(Error::UnknownColumn { column: name.into(), present })
        }
    }
}

/// Returns the rows that have a value for which `holds` is true.
fn select_values(archive: &dyn Archive, name: &str, holds: impl Fn(Value<'_>) -> bool) -> Selection {
    let mut selection = Selection::none(archive.len());
    for (row, value) in archive.column(name).into_iter().flatten().enumerate() {
        if value.is_some_and(&holds) {
            selection.insert(row);
        }
    }
    selection
}

/// Returns the rows for whose time `holds` is true; it returns `None` for a value that is not a time.
///
/// # Errors
/// [`Error::ColumnType`] if the column has values and none of them is a time.
fn select_times(
    archive: &dyn Archive,
    name: &str,
    literal: &Literal,
    expected: ColumnType,
    holds: impl Fn(Value<'_>) -> Option<bool>,
) -> Result<Selection> {
    let (values, times) = (Cell::new(false), Cell::new(false));
    let selection = select_values(archive, name, |value| {
        let held = holds(value);
        values.set(true);
        times.set(times.get() || held.is_some());
        held.unwrap_or(false)
    });
    if values.get() && !times.get() {
        return Err(Error::ColumnType { column: name.into(), expected, got: literal.value().column_type() });
    }
    Ok(selection)
}

/// Returns the rows whose bounding box has a point in common with `bounds`.
fn select_boxes(archive: &dyn Archive, name: &str, bounds: &[f64; 4]) -> Result<Selection> {
    let mut selection = Selection::none(archive.len());
    for (row, value) in archive.column(name).into_iter().flatten().enumerate() {
        let Some(Value::Floats(numbers)) = value else { continue };
        let &[left, bottom, right, top] = numbers else {
            return Err(Error::BoundingBox { column: name.into(), row, got: numbers.len() });
        };
        if left <= bounds[2] && bounds[0] <= right && bottom <= bounds[3] && bounds[1] <= top {
            selection.insert(row);
        }
    }
    Ok(selection)
}
