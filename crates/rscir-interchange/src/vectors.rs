//! Vectors out of lists of numbers.

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int8Type};
use arrow_array::{Array, ListArray};
use arrow_schema::DataType;

use crate::LeftOutReason;

/// The number formats of vectors that are read. Eight-bit numbers are taken as they are: a scale that all numbers of a row
/// share changes no direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    F16,
    F32,
    F64,
    I8,
}

impl Element {
    /// That of a column of lists. By Parquet's own types there are neither large lists nor those of a fixed size.
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

/// The lists of some rows.
pub(crate) struct Lists<'a> {
    lists: &'a ListArray,
    element: Element,
}

/// A row that has no vector of the width that is asked for.
pub(crate) enum Unfit {
    LeftOut(LeftOutReason),
    Width(usize),
}

impl<'a> Lists<'a> {
    pub(crate) fn new(array: &'a dyn Array, element: Element) -> Option<Self> {
        Some(Self { lists: array.as_list_opt::<i32>()?, element })
    }

    pub(crate) fn len(&self) -> usize {
        self.lists.len()
    }

    /// Numbers of a row; `None` for one without a vector.
    pub(crate) fn width(&self, row: usize) -> Option<usize> {
        let width = usize::try_from(self.lists.value_length(row)).ok()?;
        (self.lists.is_valid(row) && width > 0).then_some(width)
    }

    /// Appends the vector of a row, which must have `width` numbers, or says why there is none.
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

    /// Hands the numbers of a row to `take`, if none of them is missing.
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
