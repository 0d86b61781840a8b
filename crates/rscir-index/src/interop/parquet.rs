use std::io::{self, Cursor};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use polars::prelude::{
    ArrayChunked, Column as PolarsColumn, DataFrame, DataType, Float64Type, IntoColumn, IntoSeries,
    KeyValueMetadata, ListBuilderTrait, ListPrimitiveChunkedBuilder, NamedFrom, ParquetReader, ParquetWriter,
    PolarsError, PolarsResult, ReshapeDimension, SerReader, Series,
};
use rscir_core::files::{open_regular, replace};
use rscir_core::{Date, Embeddings, EncoderSpec};
use serde_json::json;

use super::claims::{ParquetLimits, check_parquet_claims};
use super::{Features, KeyKind, normalized};
use crate::error::IoAction;
use crate::storage::Bytes;
use crate::{Column, Columns, Error, KeyedColumns, Result};

/// Name of the column of embeddings.
const EMBEDDING: &str = "embedding";

/// Key of the metadata that holds the [`EncoderSpec`].
const ENCODER: &str = "rscir.encoder";

impl From<PolarsError> for Error {
    fn from(error: PolarsError) -> Self {
        Self::Parquet { source: error.into() }
    }
}

/// Returns the name of the column of keys.
fn key_column(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Keys => "key",
        KeyKind::Texts => "text",
    }
}

pub(super) fn read(path: &Path) -> Result<Features> {
    let (spec, frame) = read_frame(path)?;
    let present = || frame.get_column_names().iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    let find = |name: &str| frame.columns().iter().find(|column| column.name() == name);
    let missing = |name: &str| Error::MissingEntry { what: "column", name: name.into(), present: present() };
    let (kind, keys) = [KeyKind::Keys, KeyKind::Texts]
        .into_iter()
        .find_map(|kind| Some((kind, find(key_column(kind))?)))
        .ok_or_else(|| missing("key or text"))?;
    let keys = read_keys(keys)?;
    let embeddings = embeddings(find(EMBEDDING).ok_or_else(|| missing(EMBEDDING))?)?;
    let spec = spec.unwrap_or_else(|| EncoderSpec::unknown(embeddings.dim()));
    if spec.dim != embeddings.dim() {
        return Err(Error::Width { expected: spec.dim, got: embeddings.dim() });
    }
    let mut columns = Columns::new(keys.len());
    for other in frame.columns() {
        let name = other.name().as_str();
        if name != key_column(kind) && name != EMBEDDING {
            columns.insert(name, column(other)?)?;
        }
    }
    Ok(Features { spec, kind, keys, labels: None, columns, embeddings })
}

/// Reads the columns of a table, and the keys in its column `key_column`.
pub(super) fn read_table(path: &Path, key_column: &str) -> Result<KeyedColumns> {
    let (_, frame) = read_frame(path)?;
    let mut columns = Columns::new(frame.height());
    let mut keys = None;
    for table_column in frame.columns() {
        match table_column.name().as_str() {
            name if name == key_column => keys = Some(read_keys(table_column)?),
            EMBEDDING => {}
            name => columns.insert(name, column(table_column)?)?,
        }
    }
    let present = || frame.get_column_names().iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    let keys = keys.ok_or_else(|| Error::MissingEntry {
        what: "column",
        name: key_column.into(),
        present: present(),
    })?;
    KeyedColumns::new(keys, columns)
}

/// Returns the keys of all rows.
fn read_keys(keys: &PolarsColumn) -> Result<Vec<String>> {
    let wrong = || Error::TableColumn {
        column: keys.name().to_string(),
        expected: "text in every row",
        got: describe(keys),
    };
    match column(keys)? {
        Column::Text(texts) => texts.into_iter().collect::<Option<Vec<String>>>().ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

/// Reads the whole file.
fn read_frame(path: &Path) -> Result<(Option<EncoderSpec>, DataFrame)> {
    let (mut file, _) = open_regular(path)?;
    let bytes = Bytes::read(&mut file).map_err(Error::io(IoAction::Read, path))?;
    check_parquet_claims(&mut Cursor::new(&bytes[..]), path, ParquetLimits::whole())?;
    let mut reader = ParquetReader::new(Cursor::new(&bytes[..]));
    let read = move || {
        let metadata = reader.get_metadata()?.key_value_metadata().clone().unwrap_or_default();
        let encoder = metadata.into_iter().find(|entry| entry.key == ENCODER).and_then(|entry| entry.value);
        Ok::<_, PolarsError>((encoder, reader.finish()?))
    };
    // The decoder may panic on a damaged file. Everything that it owns is dropped then, so nothing can be seen in
    // a broken state.
    let (encoder, frame) = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(PolarsError::ComputeError("the file is damaged and cannot be decoded: write it anew".into()))
    })?;
    let parse = |text: String| {
        serde_json::from_str(&text).map_err(|source| Error::Json { what: "rscir.encoder", source })
    };
    Ok((encoder.map(parse).transpose()?, frame))
}

/// Describes the type of a column and its missing values for an error.
fn describe(column: &PolarsColumn) -> String {
    match column.null_count() {
        0 => format!("{}", column.dtype()),
        nulls => format!("{} with {nulls} rows without a value", column.dtype()),
    }
}

/// Reads the rows from a column of lists, of fixed length or not.
fn embeddings(column: &PolarsColumn) -> Result<Embeddings> {
    let wrong = || Error::TableColumn {
        column: EMBEDDING.into(),
        expected: "lists of f32 or f64 of one length, without gaps",
        got: describe(column),
    };
    let series = column.as_materialized_series();
    let is_number = |inner: &DataType| matches!(inner, DataType::Float32 | DataType::Float64);
    let dim = match series.dtype() {
        DataType::Array(inner, dim) if is_number(inner) => *dim,
        DataType::List(inner) if is_number(inner) => {
            series.list()?.series_iter().next().flatten().ok_or_else(wrong)?.len()
        }
        _ => return Err(wrong()),
    };
    if series.null_count() > 0 {
        return Err(wrong());
    }
    let rows = series.cast(&DataType::Array(Box::new(DataType::Float32), dim)).map_err(|_| wrong())?;
    let rows: &ArrayChunked = rows.array()?;
    let values = rows.get_inner().rechunk();
    if values.null_count() > 0 || rows.null_count() > 0 {
        return Err(wrong());
    }
    normalized(dim, values.f32()?.cont_slice()?.to_vec())
}

/// Converts a column to that of an archive.
fn column(column: &PolarsColumn) -> Result<Column> {
    let series = column.as_materialized_series();
    let read = || {
        Ok(Some(match series.dtype() {
            DataType::String => Column::Text(series.str()?.iter().map(|v| v.map(String::from)).collect()),
            DataType::Boolean => Column::Bool(series.bool()?.iter().collect()),
            DataType::Date => {
                let days = series.cast(&DataType::Int32)?;
                Column::Date(days.i32()?.iter().map(|v| v.map(Date::from_days)).collect())
            }
            dtype if dtype.is_integer() => {
                Column::Int(series.strict_cast(&DataType::Int64)?.i64()?.iter().collect())
            }
            dtype if dtype.is_float() => {
                Column::Float(series.cast(&DataType::Float64)?.f64()?.iter().collect())
            }
            DataType::List(inner) | DataType::Array(inner, _) if inner.is_primitive_numeric() => {
                let lists = series.cast(&DataType::List(Box::new(DataType::Float64)))?;
                let mut values = Vec::with_capacity(lists.len());
                for list in lists.list()?.series_iter() {
                    let Some(list) = list else {
                        values.push(None);
                        continue;
                    };
                    let Some(numbers) = list.f64()?.iter().collect::<Option<Vec<f64>>>() else {
                        return Ok(None);
                    };
                    values.push(Some(numbers));
                }
                Column::Floats(values)
            }
            _ => return Ok(None),
        }))
    };
    read().map_err(|error: PolarsError| Error::from(error))?.ok_or_else(|| Error::TableColumn {
        column: column.name().to_string(),
        expected: "text, integers, floats, bool, dates or lists of numbers without gaps",
        got: describe(column),
    })
}

pub(super) fn write(features: &Features, path: &Path) -> Result<()> {
    let embeddings = &features.embeddings;
    let keys = Series::new(key_column(features.kind).into(), &features.keys);
    let shape = [ReshapeDimension::Infer, ReshapeDimension::new_dimension(embeddings.dim() as u64)];
    let values = Series::new(EMBEDDING.into(), embeddings.as_slice());
    let mut columns = vec![keys.into_column(), values.reshape_array(&shape)?.into_column()];
    for (name, column) in features.labeled_columns()?.iter() {
        columns.push(series(name, column)?.into_column());
    }
    let mut frame = DataFrame::new(embeddings.len(), columns)?;
    let known = (!features.spec.is_unknown())
        .then(|| KeyValueMetadata::from_static(vec![(ENCODER.into(), json!(features.spec).to_string())]));
    replace(path, |out| {
        let writer = ParquetWriter::new(out).with_key_value_metadata(known);
        writer.finish(&mut frame).map(|_| ()).map_err(io::Error::other)
    })?;
    Ok(())
}

/// Converts a column of an archive to one of polars.
fn series(name: &str, column: &Column) -> PolarsResult<Series> {
    Ok(match column {
        Column::Text(values) => Series::new(name.into(), values),
        Column::Int(values) => Series::new(name.into(), values),
        Column::Float(values) => Series::new(name.into(), values),
        Column::Bool(values) => Series::new(name.into(), values),
        Column::Date(values) => {
            let days: Vec<Option<i32>> = values.iter().map(|date| date.map(Date::days)).collect();
            Series::new(name.into(), days).cast(&DataType::Date)?
        }
        Column::Floats(values) => {
            let numbers = values.iter().flatten().map(Vec::len).sum();
            let mut lists = ListPrimitiveChunkedBuilder::<Float64Type>::new(
                name.into(),
                values.len(),
                numbers,
                DataType::Float64,
            );
            for list in values {
                match list {
                    Some(list) => lists.append_slice(list),
                    None => lists.append_null(),
                }
            }
            lists.finish().into_series()
        }
    })
}
