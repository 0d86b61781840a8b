use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float32Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, RecordBatch};
use arrow_schema::DataType;
use rscir_core::{ColumnType, Date};

use crate::search::{Candidate, OwnedValue};
use crate::sql::CENSUS;
use crate::{Error, Result};

/// A row of the engine's answer to a statement for several questions.
pub(super) enum Answered {
    /// A row for a question.
    Candidate(usize, Candidate),
    /// How many rows the engine sees of the part with this mark.
    Count(String, u64),
}

/// Reads the rows of a batch: the question, the key, the bound, the vector, the columns.
pub(super) fn answered(
    table: &str,
    batch: &RecordBatch,
    dim: usize,
    columns: &BTreeMap<String, ColumnType>,
) -> Result<Vec<Answered>> {
    let odd = |what: String| Error::Answer { table: table.into(), what };
    let ([questions, keys, bounds], own) = divided(table, batch, dim, columns)?;
    let mut rows = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let question: i64 =
            number::<Int64Type>(questions, row).ok_or_else(|| odd("a question without a number".into()))?;
        let key = text(keys, row).ok_or_else(|| odd("a row without a key".into()))?;
        let bound: f64 = number::<Float64Type>(bounds, row)
            .filter(|bound| !bound.is_nan())
            .ok_or_else(|| odd(format!("a bound that is no number under the key {key:?}")))?;
        if question == CENSUS {
            // Counts are far below 2^53.
            rows.push(Answered::Count(key.into(), bound as u64));
            continue;
        }
        let question = usize::try_from(question)
            .map_err(|_| odd("an answer to a question that was not asked".into()))?;
        rows.push(Answered::Candidate(question, own.candidate(row, key, bound)?));
    }
    Ok(rows)
}

/// A row of the engine's answer to a statement that reads for several questions at once.
pub(super) enum Reached {
    /// A row: for each question its bound, or `None` if the row is not among those that the question is after.
    Row(Vec<Option<f64>>, Candidate),
    /// How many rows the engine sees of the part with this mark.
    Count(String, u64),
}

/// Reads the rows of a batch: the key, the bounds for `questions`, which of them count, the vector, the columns. The bound of a
/// candidate is not set.
pub(super) fn reached(
    table: &str,
    batch: &RecordBatch,
    questions: usize,
    dim: usize,
    columns: &BTreeMap<String, ColumnType>,
) -> Result<Vec<Reached>> {
    let odd = |what: String| Error::Answer { table: table.into(), what };
    let ([keys, bounds, within], own) = divided(table, batch, dim, columns)?;
    let mut rows = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let key = text(keys, row).ok_or_else(|| odd("a row without a key".into()))?;
        let bounds = numbers::<Float64Type>(bounds, row)
            .filter(|bounds| bounds.iter().all(|bound| !bound.is_nan()))
            .ok_or_else(|| odd(format!("a bound that is no number under the key {key:?}")))?;
        if within.is_null(row) {
            let count = bounds.first().copied().ok_or_else(|| odd("a part without a count".into()))?;
            // Counts are far below 2^53.
            rows.push(Reached::Count(key.into(), count as u64));
            continue;
        }
        let within =
            truths(within, row).filter(|within| (within.len(), bounds.len()) == (questions, questions));
        let within =
            within.ok_or_else(|| odd(format!("bounds for other questions under the key {key:?}")))?;
        let bounds = bounds.into_iter().zip(within).map(|(bound, counts)| counts.then_some(bound)).collect();
        rows.push(Reached::Row(bounds, own.candidate(row, key, f64::NAN)?));
    }
    Ok(rows)
}

/// Reads the rows of a batch that counts: the part, the step, the number of rows.
pub(super) fn counted(table: &str, batch: &RecordBatch) -> Result<Vec<(Option<String>, i64, u64)>> {
    let odd = |what: &str| Error::Answer { table: table.into(), what: what.into() };
    let [parts, steps, counts] = batch.columns() else { return Err(odd("no counts")) };
    let row = |row| {
        let numbers = (number::<Int64Type>(steps, row), number::<Int64Type>(counts, row));
        let (Some(step), Some(count)) = numbers else { return Err(odd("counts that are no numbers")) };
        let count = u64::try_from(count).map_err(|_| odd("counts below zero"))?;
        Ok((text(parts, row).map(String::from), step, count))
    };
    (0..batch.num_rows()).map(row).collect()
}

/// The columns of a batch that are of the rows themselves.
struct OwnColumns<'a> {
    table: &'a str,
    dim: usize,
    vectors: &'a ArrayRef,
    others: &'a [ArrayRef],
    columns: &'a BTreeMap<String, ColumnType>,
}

/// Divides the columns of a batch: three that lead it, and those of the rows.
fn divided<'a>(
    table: &'a str,
    batch: &'a RecordBatch,
    dim: usize,
    columns: &'a BTreeMap<String, ColumnType>,
) -> Result<([&'a ArrayRef; 3], OwnColumns<'a>)> {
    match batch.columns() {
        [first, second, third, vectors, others @ ..] if others.len() == columns.len() => {
            Ok(([first, second, third], OwnColumns { table, dim, vectors, others, columns }))
        }
        all => Err(Error::Answer { table: table.into(), what: format!("{} columns", all.len()) }),
    }
}

impl OwnColumns<'_> {
    /// Reads a row.
    fn candidate(&self, row: usize, key: &str, bound: f64) -> Result<Candidate> {
        let odd = |what: String| Error::Answer { table: self.table.into(), what };
        let vector: Vec<f32> = numbers::<Float32Type>(self.vectors, row)
            .filter(|vector| vector.len() == self.dim)
            .ok_or_else(|| odd(format!("no vector of {} numbers under the key {key:?}", self.dim)))?;
        let values = self.others.iter().zip(self.columns).map(|(column, (name, of))| {
            value(column, row, *of)
                .map_err(|Mismatch| odd(format!("a value of another type in the column {name:?}")))
        });
        Ok(Candidate { key: key.into(), bound, vector, values: values.collect::<Result<_>>()? })
    }
}

/// An array that is not of the type that was asked for.
struct Mismatch;

/// Reads a number; `None` if it is absent or the array is of another type.
pub(super) fn number<T: ArrowPrimitiveType>(column: &ArrayRef, row: usize) -> Option<T::Native> {
    let numbers: &PrimitiveArray<T> = column.as_primitive_opt()?;
    numbers.is_valid(row).then(|| numbers.value(row))
}

/// Reads a list of numbers; `None` if the list or one of its numbers is absent, or the array is of another type.
pub(super) fn numbers<T: ArrowPrimitiveType>(column: &ArrayRef, row: usize) -> Option<Vec<T::Native>> {
    let list = list(column, row)?;
    let list: &PrimitiveArray<T> = list.as_primitive_opt()?;
    (list.null_count() == 0).then(|| list.values().to_vec())
}

/// Reads a list of truth values; `None` if the list or one of its values is absent, or the array is of another type.
fn truths(column: &ArrayRef, row: usize) -> Option<Vec<bool>> {
    let list = list(column, row)?;
    list.as_boolean_opt()?.iter().collect()
}

/// Reads a list; `None` if it is absent or the array is of another type.
fn list(column: &ArrayRef, row: usize) -> Option<ArrayRef> {
    match column.data_type() {
        DataType::List(_) => {
            Some(column.as_list_opt::<i32>().filter(|lists| lists.is_valid(row))?.value(row))
        }
        DataType::LargeList(_) => {
            Some(column.as_list_opt::<i64>().filter(|lists| lists.is_valid(row))?.value(row))
        }
        _ => None,
    }
}

/// Reads a text, whichever way the array is laid out.
fn text(column: &ArrayRef, row: usize) -> Option<&str> {
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Utf8 => Some(column.as_string_opt::<i32>()?.value(row)),
        DataType::LargeUtf8 => Some(column.as_string_opt::<i64>()?.value(row)),
        DataType::Utf8View => Some(column.as_string_view_opt()?.value(row)),
        _ => None,
    }
}

/// Reads a value of a column; `Ok(None)` if it is absent.
fn value(column: &ArrayRef, row: usize, of: ColumnType) -> Result<Option<OwnedValue>, Mismatch> {
    if column.is_null(row) {
        return Ok(None);
    }
    let value = match of {
        ColumnType::Text => text(column, row).map(|text| OwnedValue::Text(text.into())),
        ColumnType::Int => number::<Int64Type>(column, row).map(OwnedValue::Int),
        ColumnType::Float => number::<Float64Type>(column, row).map(OwnedValue::Float),
        ColumnType::Bool => column.as_boolean_opt().map(|values| OwnedValue::Bool(values.value(row))),
        ColumnType::Date => {
            number::<Date32Type>(column, row).map(|days| OwnedValue::Date(Date::from_days(days)))
        }
        ColumnType::Floats => numbers::<Float64Type>(column, row).map(OwnedValue::Floats),
    };
    value.map(Some).ok_or(Mismatch)
}
