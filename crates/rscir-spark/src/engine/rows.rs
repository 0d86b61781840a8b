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
    let [questions, keys, bounds, vectors, others @ ..] = batch.columns() else {
        return Err(odd(format!("{} columns", batch.num_columns())));
    };
    if others.len() != columns.len() {
        return Err(odd(format!("{} columns", batch.num_columns())));
    }
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
        let vector: Vec<f32> = numbers::<Float32Type>(vectors, row)
            .filter(|vector| vector.len() == dim)
            .ok_or_else(|| odd(format!("no vector of {dim} numbers under the key {key:?}")))?;
        let values = others.iter().zip(columns).map(|(column, (name, of))| {
            value(column, row, *of)
                .map_err(|Mismatch| odd(format!("a value of another type in the column {name:?}")))
        });
        let candidate = Candidate { key: key.into(), bound, vector, values: values.collect::<Result<_>>()? };
        rows.push(Answered::Candidate(question, candidate));
    }
    Ok(rows)
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
    let list = match column.data_type() {
        DataType::List(_) => column.as_list_opt::<i32>().filter(|lists| lists.is_valid(row))?.value(row),
        DataType::LargeList(_) => column.as_list_opt::<i64>().filter(|lists| lists.is_valid(row))?.value(row),
        _ => return None,
    };
    let list: &PrimitiveArray<T> = list.as_primitive_opt()?;
    (list.null_count() == 0).then(|| list.values().to_vec())
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
