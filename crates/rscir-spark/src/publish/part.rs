use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Float32Builder, Float64Builder, Int64Builder, ListBuilder, StringBuilder,
};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use rscir_core::{Archive, ColumnType, Value};
use sha2::{Digest, Sha256};

use crate::store::Sink;
use crate::table::{EMBEDDING, KEY, PART, PartEntry, hex};
use crate::{Error, Location, Result};

/// Rows that are handed to the writer at once. With vectors of width 768 they take 25 MB.
const BATCH: usize = 8192;

/// Rows of a row group, the unit in which an engine's task reads. With vectors of width 768 a group takes 50 MB.
const GROUP: usize = 16_384;

/// Writes rows of an archive, in the order of `rows`, as a Parquet file into `sink`. `name` is the name of the file
/// in `place`, `mark` is the value of the column
/// `rscir_part` in each row, and `spec` is the encoder's spec as JSON, which the file's metadata keep.
pub(super) fn write(
    archive: &dyn Archive,
    rows: &[usize],
    (sink, name): (Box<dyn Sink>, &str),
    place: &Location,
    mark: &str,
    spec: &str,
) -> Result<PartEntry> {
    let failed = |source| Error::Parquet { file: place.join(name), source };
    let columns = archive.columns();
    let schema = Arc::new(schema(&columns));
    let properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::SNAPPY)
        // Vectors neither compress nor repeat, so a compressor or a dictionary would only take time.
        .set_column_compression(vector_path(), Compression::UNCOMPRESSED)
        .set_column_dictionary_enabled(vector_path(), false)
        .set_max_row_group_row_count(Some(GROUP))
        .set_key_value_metadata(Some(vec![KeyValue::new("rscir.encoder".into(), spec.to_string())]))
        .build();
    let mut writer =
        ArrowWriter::try_new(Hashing::new(sink), Arc::clone(&schema), Some(properties)).map_err(failed)?;
    for rows in rows.chunks(BATCH) {
        let mut arrays = vec![keys(archive, rows)?, vectors(archive, rows)];
        arrays.push(Arc::new(StringArray::from(vec![mark; rows.len()])));
        arrays.extend(columns.iter().map(|&(name, column_type)| values(archive, rows, name, column_type)));
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)
            .map_err(|error| failed(parquet::errors::ParquetError::External(Box::new(error))))?;
        writer.write(&batch).map_err(failed)?;
    }
    let written = writer.into_inner().map_err(failed)?;
    written.sink.finish()?;
    Ok(PartEntry {
        name: name.into(),
        mark: mark.into(),
        rows: rows.len() as u64,
        bytes: written.bytes,
        sha256: hex(&written.hash.finalize()),
    })
}

/// Returns the path of the vectors' numbers in the schema of Parquet.
fn vector_path() -> ColumnPath {
    ColumnPath::from(vec![EMBEDDING.into(), "list".into(), "element".into()])
}

/// Returns the type of a list of numbers. If `nullable` is false, no number of a list is absent.
fn list(element: DataType, nullable: bool) -> DataType {
    DataType::List(Arc::new(Field::new("element", element, nullable)))
}

fn schema(columns: &[(&str, ColumnType)]) -> Schema {
    let mut fields = vec![
        Field::new(KEY, DataType::Utf8, false),
        // Parquet has no lists of a fixed length; engines read this one as ARRAY<FLOAT>.
        Field::new(EMBEDDING, list(DataType::Float32, false), false),
        Field::new(PART, DataType::Utf8, false),
    ];
    fields.extend(columns.iter().map(|&(name, column_type)| {
        let of = match column_type {
            ColumnType::Text => DataType::Utf8,
            ColumnType::Int => DataType::Int64,
            ColumnType::Float => DataType::Float64,
            ColumnType::Bool => DataType::Boolean,
            ColumnType::Date => DataType::Date32,
            ColumnType::Floats => list(DataType::Float64, true),
        };
        Field::new(name, of, true)
    }));
    Schema::new(fields)
}

fn keys(archive: &dyn Archive, rows: &[usize]) -> Result<ArrayRef> {
    let keys = rows.iter().map(|&row| archive.checked_key(row)).collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(StringArray::from(keys)))
}

fn vectors(archive: &dyn Archive, rows: &[usize]) -> ArrayRef {
    let field = Field::new("element", DataType::Float32, false);
    let mut lists =
        ListBuilder::new(Float32Builder::with_capacity(rows.len() * archive.dim())).with_field(field);
    for &row in rows {
        lists.values().append_slice(&archive.vector(row));
        lists.append(true);
    }
    Arc::new(lists.finish())
}

/// Collects the values of a column, with null where a row has no value.
fn values(archive: &dyn Archive, rows: &[usize], name: &str, column_type: ColumnType) -> ArrayRef {
    let values = rows.iter().map(|&row| archive.value(name, row));
    macro_rules! fill {
        ($builder:expr, $variant:ident, $own:expr) => {{
            let mut builder = $builder;
            for value in values {
                match value {
                    Some(Value::$variant(value)) => builder.append_value($own(value)),
                    _ => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }};
    }
    match column_type {
        ColumnType::Text => fill!(StringBuilder::new(), Text, std::convert::identity),
        ColumnType::Int => fill!(Int64Builder::new(), Int, std::convert::identity),
        ColumnType::Float => fill!(Float64Builder::new(), Float, std::convert::identity),
        ColumnType::Bool => fill!(BooleanBuilder::new(), Bool, std::convert::identity),
        ColumnType::Date => fill!(Date32Builder::new(), Date, |date: rscir_core::Date| date.days()),
        ColumnType::Floats => {
            let field = Field::new("element", DataType::Float64, true);
            let mut lists = ListBuilder::new(Float64Builder::new()).with_field(field);
            for value in values {
                if let Some(Value::Floats(numbers)) = value {
                    lists.values().append_slice(numbers);
                    lists.append(true);
                } else {
                    lists.append(false);
                }
            }
            Arc::new(lists.finish())
        }
    }
}

/// A file that counts and hashes the bytes that are written to it.
struct Hashing {
    sink: Box<dyn Sink>,
    hash: Sha256,
    bytes: u64,
}

impl Hashing {
    fn new(sink: Box<dyn Sink>) -> Self {
        Self { sink, hash: Sha256::new(), bytes: 0 }
    }
}

impl Write for Hashing {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(buffer)?;
        self.hash.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
