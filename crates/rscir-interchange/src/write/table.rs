//! Rows of an archive as batches of Arrow's arrays.

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

/// Columns of every file.
const KEY: &str = "key";
pub(super) const EMBEDDING: &str = "embedding";
/// The column of boxes, and their edges, as GeoParquet 1.1 names them.
pub(super) const BOX: &str = "bbox";
pub(super) const EDGES: [&str; 4] = ["xmin", "ymin", "xmax", "ymax"];
/// The name of a list's items, as Parquet's own specification has it.
const ITEM: &str = "element";

/// The columns of a file, and how rows of an archive become batches of them.
pub(super) struct Table<'a> {
    archive: &'a dyn Archive,
    /// Columns of the archive and their types.
    columns: Vec<(&'a str, ColumnType)>,
    pub(super) schema: Arc<Schema>,
    has_places: bool,
}

impl<'a> Table<'a> {
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
        // The geometry is written as binary; its text says the same.
        let is_written = |(name, kind): &(&str, ColumnType)| {
            !(has_places && *name == GEOMETRY && *kind == ColumnType::Text)
        };
        let columns: Vec<(&str, ColumnType)> = archive.columns().into_iter().filter(is_written).collect();
        fields.extend(columns.iter().map(|(name, kind)| Field::new(own_name(name), data_type(*kind), true)));
        Ok(Self { archive, columns, schema: Arc::new(Schema::new(fields)), has_places })
    }

    /// Bytes of a row, uncompressed: those of its vector, and a guess at the others.
    pub(super) fn row_bytes(&self) -> u64 {
        /// Key, geometry and box.
        const PLACED: u64 = 200;
        /// A column's value.
        const VALUE: u64 = 16;
        4 * self.archive.dim() as u64 + PLACED + VALUE * self.columns.len() as u64
    }

    /// Makes a batch of rows; `extent` hears of their places.
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

    fn vectors(&self, rows: &[usize]) -> Result<FixedSizeListArray, ArrowError> {
        let mut numbers = Vec::with_capacity(rows.len() * self.archive.dim());
        rows.iter().for_each(|&row| numbers.extend_from_slice(&self.archive.vector(row)));
        // The schema has the width already.
        let dim = i32::try_from(self.archive.dim()).unwrap_or(i32::MAX);
        let numbers = Arc::new(Float32Array::from(numbers));
        FixedSizeListArray::try_new(item(DataType::Float32, false), dim, numbers, None)
    }

    fn column(&self, name: &str, kind: ColumnType, rows: &[usize]) -> ArrayRef {
        let values = rows.iter().map(|&row| self.archive.value(name, row));
        /// Fills a builder with what a pattern takes of values; what it does not take is none.
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

fn item(kind: DataType, nullable: bool) -> FieldRef {
    Arc::new(Field::new(ITEM, kind, nullable))
}

fn edges() -> Fields {
    EDGES.iter().map(|edge| Field::new(*edge, DataType::Float64, true)).collect()
}

/// The boxes around places.
fn boxes(places: &[Option<RowPlace>]) -> Result<StructArray, ArrowError> {
    let edge = |at: usize| -> Float64Array {
        places.iter().map(|place| place.as_ref().and_then(|place| place.edges.get(at).copied())).collect()
    };
    let all = [edge(0), edge(1), edge(2), edge(3)];
    let nulls = all.first().and_then(|edge| edge.nulls().cloned());
    let all = all.into_iter().map(|edge| Arc::new(edge) as ArrayRef).collect();
    StructArray::try_new(edges(), all, nulls)
}

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

/// The name of an archive's column in a file whose own columns have some names already.
fn own_name(name: &str) -> String {
    let is_taken = [KEY, EMBEDDING, GEOMETRY, BOX].contains(&name);
    if is_taken { format!("column:{name}") } else { name.into() }
}
