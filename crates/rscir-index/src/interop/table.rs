//! Tables of columns that are joined to rows by key.

use std::path::Path;

use rscir_core::Date;
use rscir_core::files::{CsvLimits, FileError, read_csv};

use crate::columns::MAX_COLUMNS;
use crate::{Column, Columns, Error, KeyedColumns, Result};

/// Largest size in bytes of a CSV file: ten million rows of a hundred bytes.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Largest size in bytes of a row: room for 65 columns, some of them long texts.
const MAX_ROW_BYTES: u64 = 4 << 20;

/// Largest number of rows. A row of few letters takes a hundred times the memory that its line takes on the disk.
const MAX_ROWS: u64 = 1 << 24;

/// Reads a table in the format that its extension names.
pub(crate) fn read_table(path: &Path, key_column: &str) -> Result<KeyedColumns> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let read = || match extension.as_str() {
        "csv" => read_csv_table(path, key_column),
        #[cfg(feature = "tables")]
        "parquet" => super::parquet::read_table(path, key_column),
        _ => Err(Error::UnknownExtension {
            extension: extension.clone(),
            known: match cfg!(feature = "tables") {
                true => "csv, parquet".into(),
                false => "csv, parquet if built with the feature `tables`".into(),
            },
        }),
    };
    read().map_err(|error| error.in_file(path))
}

/// Reads a table from a CSV file.
fn read_csv_table(path: &Path, key_column: &str) -> Result<KeyedColumns> {
    let limits = CsvLimits {
        file_bytes: MAX_FILE_BYTES,
        record_bytes: MAX_ROW_BYTES,
        records: MAX_ROWS,
        fields: MAX_COLUMNS + 1,
    };
    let bad = |line, problem| Error::Input(FileError::Line { path: path.into(), line, problem });
    let mut records = read_csv(path, limits)?;
    let header = records.next().transpose()?.ok_or(Error::NoRows)?;
    if header.count > MAX_COLUMNS + 1 {
        return Err(Error::TooManyColumns { limit: MAX_COLUMNS });
    }
    let names: Vec<&str> = header.fields.iter().map(|name| name.trim()).collect();
    if let Some((_, name)) =
        names.iter().enumerate().find(|(at, name)| names.iter().take(*at).any(|n| n == *name))
    {
        return Err(bad(
            header.line,
            format!("two columns have the name {name:?}: rename one, or leave it out"),
        ));
    }
    let key_at = names.iter().position(|name| *name == key_column).ok_or_else(|| Error::MissingEntry {
        what: "column",
        name: key_column.into(),
        present: names.join(", "),
    })?;
    let (mut lines, mut keys) = (Vec::new(), Vec::new());
    let mut fields = vec![Vec::new(); names.len()];
    for record in records {
        let record = record?;
        if record.count != header.count {
            let (count, got) = (header.count, record.count);
            return Err(bad(
                record.line,
                format!(
                    "there are {got} fields, but the first line names {count} columns: each column needs one field"
                ),
            ));
        }
        for (at, field) in record.fields.into_iter().enumerate() {
            if at == key_at && field.is_empty() {
                return Err(bad(
                    record.line,
                    format!("the field {key_column:?} is empty: it must hold a key"),
                ));
            } else if at == key_at {
                keys.push(field);
            } else if let Some(column) = fields.get_mut(at) {
                column.push((!field.is_empty()).then_some(field));
            }
        }
        lines.push(record.line);
    }
    let mut columns = Columns::new(keys.len());
    for (at, (name, fields)) in names.iter().zip(fields).enumerate() {
        if at != key_at {
            columns.insert(name, infer(fields))?;
        }
    }
    KeyedColumns::new(keys, columns).map_err(|error| match error {
        Error::DuplicateKey { key, first, second } => {
            let line = |row: usize| lines.get(row).copied().unwrap_or_default();
            bad(line(second), format!("line {} already has the key {key:?}: leave one out", line(first)))
        }
        other => other,
    })
}

/// Makes a column of the first type that all values have, in the order bool, int, float, date, floats, text.
fn infer(fields: Vec<Option<String>>) -> Column {
    fn all<T>(fields: &[Option<String>], parse: impl Fn(&str) -> Option<T>) -> Option<Vec<Option<T>>> {
        let parse = |field: &Option<String>| match field {
            Some(text) => parse(text.trim()).map(Some),
            None => Some(None),
        };
        fields.iter().map(parse).collect()
    }
    if fields.iter().all(Option::is_none) {
        return Column::Text(fields);
    }
    let column = all(&fields, |text| text.parse().ok()).map(Column::Bool);
    let column = column.or_else(|| all(&fields, whole).map(Column::Int));
    let column = column.or_else(|| all(&fields, number).map(Column::Float));
    let column = column.or_else(|| all(&fields, |text| text.parse::<Date>().ok()).map(Column::Date));
    let column = column.or_else(|| all(&fields, numbers).map(Column::Floats));
    column.unwrap_or(Column::Text(fields))
}

/// Parses a whole number that would be written the same way, so that identifiers with leading zeros stay text.
fn whole(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}

/// Parses a number without losing a digit.
fn number(text: &str) -> Option<f64> {
    /// Largest power of two up to which double precision represents every whole number.
    const EXACT: u64 = 1 << 53;
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return whole(text).filter(|number| number.unsigned_abs() <= EXACT).map(|number| number as f64);
    }
    let has_leading_zero =
        digits.strip_prefix('0').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let begins_as_one = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    text.parse().ok().filter(|number: &f64| begins_as_one && !has_leading_zero && number.is_finite())
}

/// Parses a list like `[4.1, 51.9]`.
fn numbers(text: &str) -> Option<Vec<f64>> {
    let list = text.strip_prefix('[')?.strip_suffix(']')?;
    if list.trim().is_empty() {
        return Some(Vec::new());
    }
    list.split(',').map(|part| number(part.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inferred(fields: &[&str]) -> Column {
        infer(fields.iter().map(|field| (!field.is_empty()).then(|| (*field).to_owned())).collect())
    }

    #[test]
    fn a_column_has_the_type_of_all_its_values() {
        assert_eq!(inferred(&["1", "", "-7"]), Column::Int(vec![Some(1), None, Some(-7)]));
        assert_eq!(inferred(&["1", "0.5", "-2e3"]), Column::Float(vec![Some(1.0), Some(0.5), Some(-2000.0)]));
        assert_eq!(inferred(&["true", "false"]), Column::Bool(vec![Some(true), Some(false)]));
        let day = Date::from_ymd(2024, 2, 29);
        assert_eq!(inferred(&["2024-02-29", ""]), Column::Date(vec![day, None]));
        assert_eq!(
            inferred(&["[4.1, -51.9]", "[]"]),
            Column::Floats(vec![Some(vec![4.1, -51.9]), Some(vec![])])
        );
        assert_eq!(inferred(&["1", "sea"]), Column::from(vec!["1", "sea"]));
        assert_eq!(inferred(&["", ""]), Column::Text(vec![None, None]));
    }

    #[test]
    fn what_would_not_be_the_same_again_stays_text() {
        for fields in [
            ["007", "8"],
            ["00.5", "8"],
            ["99999999999999999999", "1"],
            ["9007199254740993", "0.5"],
            ["nan", "1"],
            ["inf", "1"],
            ["+1", "2"],
            ["[1, x]", "[]"],
            ["2023-02-29", "2024-02-29"],
        ] {
            assert_eq!(inferred(&fields), Column::from(fields.to_vec()), "{fields:?}");
        }
    }
}
