//! Reads keys and columns from Arrow's arrays.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use rscir_core::{ColumnType, Date};
use rscir_index::Column;

/// Names of the edges of a box in GeoParquet's columns `bbox`.
const EDGES: [&str; 4] = ["xmin", "ymin", "xmax", "ymax"];

/// Tells whether keys can be read from a column of a type.
pub(crate) fn is_key(data_type: &DataType) -> bool {
    matches!(column_type(data_type), Some(ColumnType::Int))
        || (column_type(data_type) == Some(ColumnType::Text) && !matches!(data_type, DataType::Timestamp(..)))
}

/// Returns the type of an archive's column for a file's column, or `None` if archives have no column for it.
pub(crate) fn column_type(data_type: &DataType) -> Option<ColumnType> {
    Some(match data_type {
        // Times become text in the form of ISO 8601, which has the same order.
        DataType::Utf8 | DataType::Timestamp(..) => ColumnType::Text,
        DataType::Boolean => ColumnType::Bool,
        DataType::Date32 => ColumnType::Date,
        data_type if data_type.is_integer() => ColumnType::Int,
        data_type if data_type.is_floating() => ColumnType::Float,
        DataType::List(field) if field.data_type().is_integer() || field.data_type().is_floating() => {
            ColumnType::Floats
        }
        DataType::Struct(fields)
            if fields.len() == EDGES.len()
                && EDGES
                    .iter()
                    .all(|edge| fields.find(edge).is_some_and(|(_, f)| f.data_type().is_floating())) =>
        {
            ColumnType::Floats
        }
        _ => return None,
    })
}

/// Reads the key of a row. Returns `None` if it is missing or empty.
pub(crate) fn key(array: &dyn Array, row: usize) -> Option<String> {
    let text = match array.data_type() {
        DataType::Utf8 => {
            array.as_string_opt::<i32>().filter(|a| a.is_valid(row)).map(|a| a.value(row).into())
        }
        DataType::UInt64 => number::<UInt64Type>(array, row).map(|v| v.to_string()),
        _ => integer(array, row).map(|v| v.to_string()),
    };
    text.filter(|text: &String| !text.is_empty())
}

/// Makes a column without rows.
pub(crate) fn empty(column_type: ColumnType) -> Column {
    match column_type {
        ColumnType::Text => Column::Text(Vec::new()),
        ColumnType::Int => Column::Int(Vec::new()),
        ColumnType::Float => Column::Float(Vec::new()),
        ColumnType::Bool => Column::Bool(Vec::new()),
        ColumnType::Date => Column::Date(Vec::new()),
        ColumnType::Floats => Column::Floats(Vec::new()),
    }
}

/// Extends a column to `rows` rows, by rows without a value.
pub(crate) fn pad(column: &mut Column, rows: usize) {
    match column {
        Column::Text(values) => values.resize(rows, None),
        Column::Int(values) => values.resize(rows, None),
        Column::Float(values) => values.resize(rows, None),
        Column::Bool(values) => values.resize(rows, None),
        Column::Date(values) => values.resize(rows, None),
        Column::Floats(values) => values.resize(rows, None),
    }
}

/// Appends the rows of another column, which has the same type.
pub(crate) fn append(column: &mut Column, other: Column) {
    match (column, other) {
        (Column::Text(values), Column::Text(other)) => values.extend(other),
        (Column::Int(values), Column::Int(other)) => values.extend(other),
        (Column::Float(values), Column::Float(other)) => values.extend(other),
        (Column::Bool(values), Column::Bool(other)) => values.extend(other),
        (Column::Date(values), Column::Date(other)) => values.extend(other),
        (Column::Floats(values), Column::Floats(other)) => values.extend(other),
        // Columns of different types were refused when the files were opened.
        _ => {}
    }
}

/// Copies some rows of a column, in the order of `rows`.
pub(crate) fn select(column: &Column, rows: &[usize]) -> Column {
    fn of<T: Clone>(values: &[Option<T>], rows: &[usize]) -> Vec<Option<T>> {
        rows.iter().map(|&row| values.get(row).cloned().flatten()).collect()
    }
    match column {
        Column::Text(values) => Column::Text(of(values, rows)),
        Column::Int(values) => Column::Int(of(values, rows)),
        Column::Float(values) => Column::Float(of(values, rows)),
        Column::Bool(values) => Column::Bool(of(values, rows)),
        Column::Date(values) => Column::Date(of(values, rows)),
        Column::Floats(values) => Column::Floats(of(values, rows)),
    }
}

/// Reads some rows of an array. Calls `unfit` with each row whose value the column cannot hold; such a row has no
/// value. Returns `None` if archives have no column for the array's type.
pub(crate) fn column(array: &ArrayRef, rows: &[usize], unfit: &mut dyn FnMut(usize)) -> Option<Column> {
    let array = &**array;
    let fit = |row: usize, value: Option<_>, unfit: &mut dyn FnMut(usize)| {
        if value.is_none() && array.is_valid(row) {
            unfit(row);
        }
    };
    let data_type = array.data_type();
    Some(match column_type(data_type)? {
        ColumnType::Text => match data_type {
            DataType::Timestamp(unit, zone) => {
                let mut read = |row: usize| {
                    let text = timestamp(array, row, *unit).and_then(|t| iso(t, zone.is_some()));
                    fit(row, text.as_ref().map(|_| ()), unfit);
                    text
                };
                Column::Text(rows.iter().map(|&row| read(row)).collect())
            }
            _ => {
                let texts = array.as_string_opt::<i32>()?;
                let read = |&row: &usize| texts.is_valid(row).then(|| texts.value(row).to_owned());
                Column::Text(rows.iter().map(read).collect())
            }
        },
        ColumnType::Int => {
            let mut read = |row: usize| {
                let value = integer(array, row);
                fit(row, value.map(|_| ()), unfit);
                value
            };
            Column::Int(rows.iter().map(|&row| read(row)).collect())
        }
        ColumnType::Float => Column::Float(rows.iter().map(|&row| real(array, row)).collect()),
        ColumnType::Bool => {
            let values = array.as_boolean_opt()?;
            Column::Bool(rows.iter().map(|&row| values.is_valid(row).then(|| values.value(row))).collect())
        }
        ColumnType::Date => {
            let day = |&row: &usize| number::<Date32Type>(array, row).map(Date::from_days);
            Column::Date(rows.iter().map(day).collect())
        }
        ColumnType::Floats => {
            let mut read = |row: usize| {
                let list = if array.is_valid(row) { numbers(array, row) } else { None };
                fit(row, list.as_ref().map(|_| ()), unfit);
                list
            };
            Column::Floats(rows.iter().map(|&row| read(row)).collect())
        }
    })
}

/// Reads a number, or `None` if it is missing or of another type.
fn number<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> Option<T::Native> {
    let array = array.as_primitive_opt::<T>()?;
    array.is_valid(row).then(|| array.value(row))
}

/// Reads a whole number, or `None` if it is missing or does not fit in an `i64`.
fn integer(array: &dyn Array, row: usize) -> Option<i64> {
    match array.data_type() {
        DataType::Int8 => number::<Int8Type>(array, row).map(i64::from),
        DataType::Int16 => number::<Int16Type>(array, row).map(i64::from),
        DataType::Int32 => number::<Int32Type>(array, row).map(i64::from),
        DataType::Int64 => number::<Int64Type>(array, row),
        DataType::UInt8 => number::<UInt8Type>(array, row).map(i64::from),
        DataType::UInt16 => number::<UInt16Type>(array, row).map(i64::from),
        DataType::UInt32 => number::<UInt32Type>(array, row).map(i64::from),
        DataType::UInt64 => number::<UInt64Type>(array, row).and_then(|v| v.try_into().ok()),
        _ => None,
    }
}

/// Reads a floating-point number, or `None` if it is missing.
fn real(array: &dyn Array, row: usize) -> Option<f64> {
    match array.data_type() {
        DataType::Float16 => number::<Float16Type>(array, row).map(f64::from),
        DataType::Float32 => number::<Float32Type>(array, row).map(f64::from),
        DataType::Float64 => number::<Float64Type>(array, row),
        _ => None,
    }
}

/// Reads the numbers of a list, or the edges of a box. Returns `None` if one of them is missing.
fn numbers(array: &dyn Array, row: usize) -> Option<Vec<f64>> {
    if let Some(edges) = array.as_struct_opt() {
        return EDGES.iter().map(|edge| real(edges.column_by_name(edge)?, row)).collect();
    }
    let lists = array.as_list_opt::<i32>()?;
    let list = lists.value(row);
    let number = |at: usize| real(&list, at).or_else(|| integer(&list, at).map(|v| v as f64));
    (0..list.len()).map(number).collect()
}

/// Reads a time, in nanoseconds since 1970.
fn timestamp(array: &dyn Array, row: usize, unit: TimeUnit) -> Option<i128> {
    let (count, nanos) = match unit {
        TimeUnit::Second => (number::<TimestampSecondType>(array, row), 1_000_000_000),
        TimeUnit::Millisecond => (number::<TimestampMillisecondType>(array, row), 1_000_000),
        TimeUnit::Microsecond => (number::<TimestampMicrosecondType>(array, row), 1000),
        TimeUnit::Nanosecond => (number::<TimestampNanosecondType>(array, row), 1),
    };
    count.map(|count| i128::from(count) * nanos)
}

/// Writes a time in the form of ISO 8601, with as many digits of a second as it needs, and with `Z` if it is in
/// UTC. Returns `None` if the day is out of range.
fn iso(nanos: i128, is_utc: bool) -> Option<String> {
    const DAY: i128 = 86_400_000_000_000;
    const SECOND: i128 = 1_000_000_000;
    let day = Date::from_days(i32::try_from(nanos.div_euclid(DAY)).ok()?);
    let of_day = nanos.rem_euclid(DAY);
    let (seconds, fraction) = (of_day / SECOND, of_day % SECOND);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = format!("{day}T{hour:02}:{minute:02}:{second:02}");
    if fraction > 0 {
        text += format!(".{fraction:09}").trim_end_matches('0');
    }
    text += if is_utc { "Z" } else { "" };
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_iso_8601_does_and_no_finer_than_they_are() {
        for (nanos, is_utc, text) in [
            (0, true, "1970-01-01T00:00:00Z"),
            (1_714_557_600_000_000_000, false, "2024-05-01T10:00:00"),
            (1_714_557_600_120_000_000, false, "2024-05-01T10:00:00.12"),
            (-1, true, "1969-12-31T23:59:59.999999999Z"),
        ] {
            assert_eq!(iso(nanos, is_utc).as_deref(), Some(text));
        }
        assert_eq!(iso(i128::MAX, true), None);
    }
}
