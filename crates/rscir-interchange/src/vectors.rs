//! Reads vectors from lists of numbers.

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int8Type};
use arrow_array::{Array, ListArray};
use arrow_schema::DataType;

use crate::LeftOutReason;

/// Number format of vectors that can be read. Signed bytes are read as whole numbers: a scale that all numbers of a
/// row share does not change the direction of the vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    F16,
    F32,
    F64,
    I8,
}

impl Element {
    /// Returns the format of a column of lists, or `None` if no vectors can be read from it. In Parquet's own types
    /// all lists are of one kind, so large lists and lists of a fixed size need no case.
    pub(crate) fn of(list: &DataType) -> Option<Self> {
        let DataType::List(field) = list else { return None };
        match field.data_type() {
            DataType::Float16 => Some(Self::F16),
            DataType::Float32 => Some(Self::F32),
            DataType::Float64 => Some(Self::F64),
            DataType::Int8 => Some(Self::I8),
            _ => None,
        }
    }
}

/// Vectors of a batch of rows, as lists of numbers.
pub(crate) struct Lists<'a> {
    lists: &'a ListArray,
    element: Element,
}

/// Why a row has no vector of the width that is asked for.
pub(crate) enum Unfit {
    /// The row is left out.
    LeftOut(LeftOutReason),
    /// The vector has this width instead.
    Width(usize),
}

impl<'a> Lists<'a> {
    /// Takes an array of lists. Returns `None` if the array holds something else.
    pub(crate) fn new(array: &'a dyn Array, element: Element) -> Option<Self> {
        Some(Self { lists: array.as_list_opt::<i32>()?, element })
    }

    /// Returns the number of rows.
    pub(crate) fn len(&self) -> usize {
        self.lists.len()
    }

    /// Returns the width of a row's vector, or `None` if the row has no vector.
    pub(crate) fn width(&self, row: usize) -> Option<usize> {
        let width = usize::try_from(self.lists.value_length(row)).ok()?;
        (self.lists.is_valid(row) && width > 0).then_some(width)
    }

    /// Appends the vector of a row to `out`, or returns why the row has no vector of `width` numbers. `out` is then
    /// unchanged.
    pub(crate) fn append(&self, row: usize, width: usize, out: &mut Vec<f32>) -> Result<(), Unfit> {
        match self.width(row) {
            None => return Err(Unfit::LeftOut(LeftOutReason::NoVector)),
            Some(own) if own != width => return Err(Unfit::Width(own)),
            Some(_) => {}
        }
        let start = out.len();
        let written = match self.element {
            Element::F16 => {
                self.values::<Float16Type>(row, |values| out.extend(values.iter().map(|v| v.to_f32())))
            }
            Element::F32 => self.values::<Float32Type>(row, |values| out.extend_from_slice(values)),
            Element::F64 => {
                self.values::<Float64Type>(row, |values| out.extend(values.iter().map(|&v| v as f32)))
            }
            Element::I8 => {
                self.values::<Int8Type>(row, |values| out.extend(values.iter().map(|&v| f32::from(v))))
            }
        };
        let vector = out.get(start..).unwrap_or_default();
        let reason = if written.is_none() || vector.len() != width || vector.iter().any(|x| !x.is_finite()) {
            Some(LeftOutReason::NotFinite)
        } else if vector.iter().all(|&x| x == 0.0) {
            Some(LeftOutReason::Zero)
        } else {
            None
        };
        match reason {
            None => Ok(()),
            Some(reason) => {
                out.truncate(start);
                Err(Unfit::LeftOut(reason))
            }
        }
    }

    /// Calls `take` with the numbers of a row. Returns `None` if one of them is missing, or is of another type.
    fn values<T: ArrowPrimitiveType>(&self, row: usize, take: impl FnOnce(&[T::Native])) -> Option<()> {
        let numbers = self.lists.values().as_primitive_opt::<T>()?;
        let offsets = self.lists.value_offsets();
        let start = usize::try_from(*offsets.get(row)?).ok()?;
        let end = usize::try_from(*offsets.get(row + 1)?).ok()?;
        if numbers.null_count() > 0 && (start..end).any(|at| numbers.is_null(at)) {
            return None;
        }
        take(numbers.values().get(start..end)?);
        Some(())
    }
}
