use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use rscir_core::{ColumnType, Date, Value};
use safetensors::tensor::Dtype;

use super::Layers;
use crate::disk::segment::Tensors;
use crate::{Error, Result};

/// Prefix of the tensor of a column's values, before type and name of the column.
const VALUES: &str = "column/";
/// Prefix of the tensor that says where the text or the list of each row begins and ends.
const OFFSETS: &str = "column_offsets/";
/// Prefix of the tensor that has 1 for each row with a value. The tensor is absent if all rows have one.
const VALID: &str = "column_valid/";

/// Returns the name of a tensor of a column.
fn tensor_name(part: &str, column_type: ColumnType, name: &str) -> String {
    format!("{part}{column_type}/{name}")
}

/// Returns the number format of a column's values.
fn dtype_of(column_type: ColumnType) -> Dtype {
    match column_type {
        ColumnType::Text => Dtype::U8,
        ColumnType::Int | ColumnType::Date => Dtype::I64,
        ColumnType::Float | ColumnType::Floats => Dtype::F64,
        ColumnType::Bool => Dtype::BOOL,
    }
}

/// Tells whether values of this type have different lengths, so that their column has offsets.
fn has_offsets(column_type: ColumnType) -> bool {
    matches!(column_type, ColumnType::Text | ColumnType::Floats)
}

/// A tensor that is written into a segment.
pub(crate) struct ColumnTensor {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

impl ColumnTensor {
    /// Tells whether the elements have 8 bytes, so that the tensor must be aligned to 8.
    pub(crate) fn is_wide(&self) -> bool {
        self.dtype.bitsize() == 64
    }
}

/// Makes the tensors of the columns of the rows `0..n`, sorted by name of the column. Columns without a value in
/// any row are left out.
pub(crate) fn encode<'a>(n: usize, row: &impl Fn(usize) -> Layers<'a>) -> Vec<ColumnTensor> {
    let mut types = BTreeMap::new();
    for i in 0..n {
        types.extend(row(i).all().into_iter().map(|(name, value)| (name, value.column_type())));
    }
    let columns = types.into_iter();
    columns.flat_map(|(name, column_type)| encode_column(name, column_type, n, row)).collect()
}

/// Makes the tensors of a column.
fn encode_column<'a>(
    name: &str,
    column_type: ColumnType,
    n: usize,
    row: &impl Fn(usize) -> Layers<'a>,
) -> Vec<ColumnTensor> {
    let (mut values, mut offsets, mut valid) = (Vec::new(), vec![0i64], Vec::with_capacity(n));
    let mut elements = 0;
    for i in 0..n {
        let value = row(i).get(name);
        valid.push(u8::from(value.is_some()));
        match value {
            Some(Value::Text(text)) => values.extend_from_slice(text.as_bytes()),
            Some(Value::Int(v)) => values.extend_from_slice(&v.to_le_bytes()),
            Some(Value::Float(v)) => values.extend_from_slice(&v.to_le_bytes()),
            Some(Value::Bool(v)) => values.push(u8::from(v)),
            Some(Value::Date(v)) => values.extend_from_slice(&i64::from(v.days()).to_le_bytes()),
            Some(Value::Floats(v)) => values.extend_from_slice(bytemuck::cast_slice(v)),
            None if has_offsets(column_type) => {}
            None => values.resize(values.len() + dtype_of(column_type).bitsize() / 8, 0),
        }
        elements = values.len() / (dtype_of(column_type).bitsize() / 8);
        offsets.push(elements as i64);
    }
    let tensor = |part, dtype, elements, bytes| ColumnTensor {
        name: tensor_name(part, column_type, name),
        dtype,
        shape: vec![elements],
        bytes,
    };
    let mut tensors = vec![tensor(VALUES, dtype_of(column_type), elements, values)];
    if has_offsets(column_type) {
        tensors.push(tensor(OFFSETS, Dtype::I64, n + 1, bytemuck::cast_slice(&offsets).to_vec()));
    }
    if valid.contains(&0) {
        tensors.push(tensor(VALID, Dtype::BOOL, n, valid));
    }
    tensors
}

/// Where a column lies in a segment.
#[derive(Debug)]
pub(crate) struct StoredColumn {
    pub(crate) name: String,
    pub(crate) column_type: ColumnType,
    values: Range<usize>,
    offsets: Option<Range<usize>>,
    valid: Option<Range<usize>>,
}

impl StoredColumn {
    /// Finds the columns of a segment of `rows` rows, sorted by name.
    ///
    /// # Errors
    /// [`Error::SegmentTensor`] if a tensor of a column is missing or malformed.
    pub(crate) fn find_all(tensors: &Tensors<'_>, rows: usize) -> Result<Vec<Self>> {
        let mut columns = Vec::new();
        for tensor in tensors.names() {
            if let Some(typed) = tensor.strip_prefix(VALUES) {
                columns.push(Self::find(tensors, rows, &tensor, typed)?);
            }
        }
        columns.sort_by(|a: &Self, b| a.name.cmp(&b.name));
        Ok(columns)
    }

    /// Finds a column by the tensor of its values.
    fn find(tensors: &Tensors<'_>, rows: usize, tensor: &str, typed: &str) -> Result<Self> {
        let (column_type, name) = typed
            .split_once('/')
            .and_then(|(name, rest)| Some((ColumnType::ALL.into_iter().find(|t| t.name() == name)?, rest)))
            .ok_or_else(|| tensors.error(tensor, "a column of a known type", "its name"))?;
        let offsets = if has_offsets(column_type) {
            let offsets = tensor_name(OFFSETS, column_type, name);
            Some(tensors.find(&offsets, Dtype::I64, &[Some(rows.saturating_add(1))])?)
        } else {
            None
        };
        let length = if offsets.is_some() { None } else { Some(rows) };
        let valid = tensor_name(VALID, column_type, name);
        Ok(Self {
            name: name.into(),
            column_type,
            values: tensors.find(tensor, dtype_of(column_type), &[length])?,
            offsets,
            valid: if tensors.has(&valid) {
                Some(tensors.find(&valid, Dtype::BOOL, &[Some(rows)])?)
            } else {
                None
            },
        })
    }

    /// Checks all values of the column. `bytes` are those of the segment, and `path` is for the error.
    ///
    /// # Errors
    /// [`Error::SegmentColumn`] with the first row whose value is not of the column's type or lies outside the
    /// tensor.
    pub(crate) fn check(&self, bytes: &[u8], path: &Path) -> Result<()> {
        let Some(row) = self.first_unsound(bytes) else { return Ok(()) };
        let (path, column, column_type) = (path.into(), self.name.clone(), self.column_type);
        Err(Error::SegmentColumn { path, column, column_type, row })
    }

    /// Iterates over the byte ranges of the column's tensors.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        let beside = [&self.offsets, &self.valid].into_iter().flatten();
        std::iter::once(&self.values).chain(beside).cloned()
    }

    /// Returns the first row whose value is not of the column's type or lies outside the tensor; the number of
    /// rows if there are values after the last one.
    fn first_unsound(&self, bytes: &[u8]) -> Option<usize> {
        if self.column_type == ColumnType::Date {
            let days: &[i64] = bytemuck::cast_slice(&bytes[self.values.clone()]);
            return days.iter().position(|&days| i32::try_from(days).is_err());
        }
        let offsets: &[i64] = bytemuck::cast_slice(&bytes[self.offsets.clone()?]);
        let values = &bytes[self.values.clone()];
        let size = dtype_of(self.column_type).bitsize() / 8;
        let element = |offset: i64| usize::try_from(offset).ok()?.checked_mul(size);
        let mut last = 0;
        for (row, ends) in offsets.windows(2).enumerate() {
            let value =
                element(ends[0]).zip(element(ends[1])).and_then(|(start, end)| values.get(start..end));
            let sound = value.is_some_and(|value| size > 1 || str::from_utf8(value).is_ok());
            if ends[0] != last || !sound {
                return Some(row);
            }
            last = ends[1];
        }
        (element(last) != Some(values.len())).then_some(offsets.len() - 1)
    }

    /// Returns the value of a row of the segment, whose bytes are `bytes`. `None` if the row has none, or the
    /// value is one that [`StoredColumn::check`] refuses.
    pub(crate) fn value<'a>(&self, bytes: &'a [u8], row: usize) -> Option<Value<'a>> {
        if self.valid.as_ref().is_some_and(|valid| bytes[valid.clone()][row] == 0) {
            return None;
        }
        let values = &bytes[self.values.clone()];
        let range = || {
            let offsets: &[i64] = bytemuck::cast_slice(&bytes[self.offsets.clone()?]);
            Some(usize::try_from(offsets[row]).ok()?..usize::try_from(offsets[row + 1]).ok()?)
        };
        let integer = || bytemuck::cast_slice::<_, i64>(values)[row];
        Some(match self.column_type {
            ColumnType::Text => Value::Text(str::from_utf8(values.get(range()?)?).ok()?),
            ColumnType::Int => Value::Int(integer()),
            ColumnType::Float => Value::Float(bytemuck::cast_slice(values)[row]),
            ColumnType::Bool => Value::Bool(values[row] != 0),
            ColumnType::Date => Value::Date(Date::from_days(i32::try_from(integer()).ok()?)),
            ColumnType::Floats => Value::Floats(bytemuck::cast_slice(values).get(range()?)?),
        })
    }
}
