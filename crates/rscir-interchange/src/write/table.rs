//! Makes batches of Arrow's arrays of an archive's rows.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, ListBuilder, StringBuilder,
};
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, Float32Array, Float64Array, RecordBatch, StringArray, StructArray,
};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, Schema};
use rscir_core::{Archive, ColumnType, Value};

use super::places::{Extent, RowPlace};
use crate::layout::GEOMETRY;

/// Column of keys, which every file has.
const KEY: &str = "key";
/// Column of vectors, which every file has.
pub(super) const EMBEDDING: &str = "embedding";
/// Column of boxes, by GeoParquet 1.1.
pub(super) const BOX: &str = "bbox";
/// Edges of a box, by GeoParquet 1.1.
pub(super) const EDGES: [&str; 4] = ["xmin", "ymin", "xmax", "ymax"];
/// Name of a list's items, by Parquet's specification.
const ITEM: &str = "element";

/// The columns of a file, filled with rows of an archive batch by batch.
pub(super) struct Table<'a> {
    archive: &'a dyn Archive,
    /// Columns of the archive that are written, and their types.
    columns: Vec<(&'a str, ColumnType)>,
    pub(super) schema: Arc<Schema>,
    has_places: bool,
}

impl<'a> Table<'a> {
    /// Makes the columns of a file for an archive. `has_places` tells whether a row of it has a place.
    ///
    /// # Errors
    /// [`rscir_core::Error::Length`] if the vectors are too wide for Parquet.
    pub(super) fn new(archive: &'a dyn Archive, has_places: bool) -> crate::Result<Self> {
        let dim = i32::try_from(archive.dim()).map_err(|_| rscir_core::Error::Length {
            what: "width of the vectors",
            expected: i32::MAX as usize,
            got: archive.dim(),
        })?;
        let mut fields = vec![
            Field::new(KEY, DataType::Utf8, false),
            Field::new(EMBEDDING, DataType::FixedSizeList(item(DataType::Float32, false), dim), false),
        ];
        if has_places {
            fields.push(Field::new(GEOMETRY, DataType::Binary, true));
            fields.push(Field::new(BOX, DataType::Struct(edges()), true));
        }
        // The geometry is written in binary, so its text would only repeat it.
        let is_written = |(name, kind): &(&str, ColumnType)| {
            !(has_places && *name == GEOMETRY && *kind == ColumnType::Text)
        };
        let columns: Vec<(&str, ColumnType)> = archive.columns().into_iter().filter(is_written).collect();
        fields.extend(columns.iter().map(|(name, kind)| Field::new(own_name(name), data_type(*kind), true)));
        Ok(Self { archive, columns, schema: Arc::new(Schema::new(fields)), has_places })
    }

    /// Estimates the uncompressed bytes of a row: the bytes of its vector, and a guess at the others.
    pub(super) fn row_bytes(&self) -> u64 {
        /// Bytes of key, geometry and box, as a guess: a box takes 32, a geometry of four corners 93.
        const PLACED: u64 = 200;
        /// Bytes of a column's value, as a guess: a number takes 8, a short text some more.
        const VALUE: u64 = 16;
        4 * self.archive.dim() as u64 + PLACED + VALUE * self.columns.len() as u64
    }

    /// Makes a batch of rows, and adds their places to `extent`.
    pub(super) fn batch(&self, rows: &[usize], extent: &mut Extent) -> Result<RecordBatch, ArrowError> {
        let keys: StringArray = rows.iter().map(|&row| Some(self.archive.key(row))).collect();
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(keys), Arc::new(self.vectors(rows)?)];
        if self.has_places {
            let places: Vec<Option<RowPlace>> =
                rows.iter().map(|&row| RowPlace::of_row(self.archive, row)).collect();
            places.iter().flatten().for_each(|place| extent.add(place));
            let mut geometries = BinaryBuilder::new();
            for place in &places {
                geometries.append_option(place.as_ref().map(|place| place.geometry.to_bytes()));
            }
            arrays.push(Arc::new(geometries.finish()));
            arrays.push(Arc::new(boxes(&places)?));
        }
        for &(name, kind) in &self.columns {
            arrays.push(self.column(name, kind, rows));
        }
        RecordBatch::try_new(self.schema.clone(), arrays)
    }

    /// Collects the vectors of rows.
    fn vectors(&self, rows: &[usize]) -> Result<FixedSizeListArray, ArrowError> {
        let mut numbers = Vec::with_capacity(rows.len() * self.archive.dim());
        rows.iter().for_each(|&row| numbers.extend_from_slice(&self.archive.vector(row)));
        // Table::new has checked that the width fits.
        let dim = i32::try_from(self.archive.dim()).unwrap_or(i32::MAX);
        let numbers = Arc::new(Float32Array::from(numbers));
        FixedSizeListArray::try_new(item(DataType::Float32, false), dim, numbers, None)
    }

    /// Collects the values of rows in a column of the archive.
    fn column(&self, name: &str, kind: ColumnType, rows: &[usize]) -> ArrayRef {
        let values = rows.iter().map(|&row| self.archive.value(name, row));
        /// Fills a builder with the values that match a pattern. Other values, and missing ones, become null.
        macro_rules! built {
            ($builder:expr, $pattern:pat => $value:expr) => {{
                let mut builder = $builder;
                values.for_each(|value| {
                    builder.append_option(match value {
                        Some($pattern) => Some($value),
                        _ => None,
                    });
                });
                Arc::new(builder.finish())
            }};
        }
        match kind {
            ColumnType::Text => built!(StringBuilder::new(), Value::Text(text) => text),
            ColumnType::Int => built!(Int64Builder::new(), Value::Int(number) => number),
            ColumnType::Float => built!(Float64Builder::new(), Value::Float(number) => number),
            ColumnType::Bool => built!(BooleanBuilder::new(), Value::Bool(flag) => flag),
            ColumnType::Date => built!(Date32Builder::new(), Value::Date(date) => date.days()),
            ColumnType::Floats => {
                let builder =
                    ListBuilder::new(Float64Builder::new()).with_field(item(DataType::Float64, false));
                built!(builder, Value::Floats(numbers) => numbers.iter().map(|number| Some(*number)))
            }
        }
    }
}

/// Returns the field of a list's items.
fn item(kind: DataType, nullable: bool) -> FieldRef {
    Arc::new(Field::new(ITEM, kind, nullable))
}

/// Returns the fields of a box.
fn edges() -> Fields {
    EDGES.iter().map(|edge| Field::new(*edge, DataType::Float64, true)).collect()
}

/// Makes the array of boxes around places, with null for a row without a place.
fn boxes(places: &[Option<RowPlace>]) -> Result<StructArray, ArrowError> {
    let edge = |at: usize| -> Float64Array {
        places.iter().map(|place| place.as_ref().and_then(|place| place.edges.get(at).copied())).collect()
    };
    let all = [edge(0), edge(1), edge(2), edge(3)];
    let nulls = all.first().and_then(|edge| edge.nulls().cloned());
    let all = all.into_iter().map(|edge| Arc::new(edge) as ArrayRef).collect();
    StructArray::try_new(edges(), all, nulls)
}

/// Returns Arrow's type for a column of an archive.
fn data_type(kind: ColumnType) -> DataType {
    match kind {
        ColumnType::Text => DataType::Utf8,
        ColumnType::Int => DataType::Int64,
        ColumnType::Float => DataType::Float64,
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Date => DataType::Date32,
        ColumnType::Floats => DataType::List(item(DataType::Float64, false)),
    }
}

/// Returns the name that an archive's column has in a file. A name of the file's own columns gets the prefix
/// `column:`.
fn own_name(name: &str) -> String {
    let is_taken = [KEY, EMBEDDING, GEOMETRY, BOX].contains(&name);
    if is_taken { format!("column:{name}") } else { name.into() }
}
