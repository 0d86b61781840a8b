//! Code that the tests share: the small files of each schema, and files that tests make.

#![allow(dead_code, unreachable_pub, reason = "shared by tests, each of which uses its part")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// Names of the small files, one of each schema.
pub const FILES: [&str; 4] =
    ["major_tom.parquet", "earth_index.parquet", "clay.parquet", "planet/part-0.parquet"];

/// Returns the path of a small file in a product's schema; tests/data/README.md describes them.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Writes a file of these columns, in row groups of `group` rows.
pub fn write(path: &Path, columns: Vec<(&str, ArrayRef)>, group: usize) {
    write_with(path, columns, group, &[]);
}

/// Writes a file of these columns with metadata.
pub fn write_with(path: &Path, columns: Vec<(&str, ArrayRef)>, group: usize, notes: &[(&str, &str)]) {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    )
    .unwrap();
    let notes = notes
        .iter()
        .map(|(key, value)| parquet::file::metadata::KeyValue::new((*key).to_owned(), (*value).to_owned()));
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap()))
        .set_key_value_metadata(Some(notes.collect()))
        .build();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// Makes an array of lists of `f32`, with null for `None`.
pub fn lists(rows: &[Option<Vec<f32>>]) -> ArrayRef {
    use arrow_array::types::Float32Type;
    let rows = rows.iter().map(|row| row.as_ref().map(|row| row.iter().map(|&x| Some(x))));
    Arc::new(arrow_array::ListArray::from_iter_primitive::<Float32Type, _, _>(rows))
}

/// Writes `rows` vectors of `width` zeros.
pub fn write_zeros(path: &Path, rows: usize, width: usize) {
    write(path, vec![("embedding", lists(&vec![Some(vec![0.0; width]); rows]))], rows);
}
