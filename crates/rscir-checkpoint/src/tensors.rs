//! Tensors as views of runs of bytes, checked to lie in them, and what a checkpoint may have of each.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::dtype::Dtype;
use crate::format::Format;

/// Tensors that a checkpoint may have; a whole training state of the largest CLIP has under ten thousand.
pub(crate) const MAX_TENSORS: usize = 1 << 16;

/// Bytes that a tensor's name may have.
pub(crate) const MAX_NAME_BYTES: usize = 512;

/// Dimensions that a tensor may have: numpy 2 has the same limit (`NPY_MAXDIMS`).
pub(crate) const MAX_DIMENSIONS: usize = 64;

/// The state dicts of a file that has them under keys, and the one that was taken.
#[derive(Debug, Default)]
pub(crate) struct ChosenState {
    pub(crate) taken: Option<String>,
    pub(crate) found: Vec<String>,
    /// It is the one that is taken unless another is asked for.
    pub(crate) is_default: bool,
}

/// A run of bytes in a file that tensors are views of.
#[derive(Debug)]
pub(crate) struct Storage {
    pub(crate) file: usize,
    pub(crate) start: usize,
    pub(crate) length: usize,
    /// The entry's name and checksum, where the format has one.
    pub(crate) checksum: Option<(String, u32)>,
    pub(crate) checked: OnceLock<()>,
}

/// A tensor: views of storages, one after the other along the first axis.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) parts: Vec<View>,
}

/// A strided view. Built by [`View::new`] alone, which makes sure that it lies in its storage.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) storage: usize,
    /// In elements, as the strides are.
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<usize>,
}

impl Storage {
    /// The same run of bytes, in another of several files.
    pub(crate) fn of_file(mut self, file: usize) -> Self {
        self.file = file;
        self
    }
}

impl Tensor {
    /// The same tensor, its storages counted from `base` on.
    pub(crate) fn of_storages_from(mut self, base: usize) -> Self {
        for part in &mut self.parts {
            part.storage += base;
        }
        self
    }

    /// Swaps the axes of a matrix that is one view.
    pub(crate) fn transpose(&mut self) {
        self.shape.reverse();
        for part in &mut self.parts {
            part.shape.reverse();
            part.strides.reverse();
        }
    }
}

impl View {
    /// A view of a storage with room for `room` elements. Every element must lie in it, and there may be no more elements
    /// than the storage has, so that a view allocates no more than its file justifies.
    pub(crate) fn new(
        storage: usize,
        room: usize,
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
    ) -> std::result::Result<Self, &'static str> {
        if shape.len() != strides.len() || shape.len() > MAX_DIMENSIONS {
            return Err("has a malformed shape");
        }
        let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
        let count = count.filter(|&count| count <= room).ok_or("has more elements than its storage")?;
        let last = shape.iter().zip(&strides).try_fold(offset, |last, (&size, &stride)| {
            last.checked_add(size.saturating_sub(1).checked_mul(stride)?)
        });
        if count > 0 && last.is_none_or(|last| last >= room) {
            return Err("reaches beyond its storage");
        }
        // Nothing is read of a tensor without elements, wherever it claims to lie.
        Ok(Self { storage, offset: if count > 0 { offset } else { 0 }, shape, strides })
    }

    pub(crate) fn count(&self) -> usize {
        self.shape.iter().product()
    }

    pub(crate) fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.count() == 0
            || self.shape.iter().zip(&self.strides).rev().all(|(&size, &stride)| {
                let fits = size == 1 || stride == expected;
                expected *= size;
                fits
            })
    }
}

/// Strides of a tensor in C order. Sizes whose product overflows give strides that [`View::new`] refuses with the shape.
#[expect(clippy::indexing_slicing, reason = "axes are below the number of sizes")]
pub(crate) fn c_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}

/// What a format's reader finds.
pub(crate) struct Contents {
    pub(crate) format: Format,
    pub(crate) storages: Vec<Storage>,
    pub(crate) tensors: BTreeMap<String, Tensor>,
    pub(crate) state: ChosenState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_lie_in_their_storage() {
        let view = |offset, shape: &[usize], strides: &[usize]| {
            View::new(0, 6, offset, shape.to_vec(), strides.to_vec())
        };
        assert!(view(0, &[2, 3], &[3, 1]).unwrap().is_contiguous());
        assert!(view(2, &[1, 4], &[99, 1]).unwrap().is_contiguous());
        assert!(view(2, &[4], &[1]).unwrap().is_contiguous());
        assert!(!view(0, &[3, 2], &[1, 3]).unwrap().is_contiguous());
        assert!(view(5, &[], &[]).unwrap().is_contiguous());
        for (offset, shape, strides) in [
            (1, &[2, 3][..], &[3, 1][..]),
            (6, &[], &[]),
            (0, &[7], &[0]),
            (0, &[2], &[usize::MAX]),
            (usize::MAX, &[2], &[1]),
            (0, &[usize::MAX, 2], &[1, 1]),
            (0, &[2], &[1, 1]),
        ] {
            assert!(view(offset, shape, strides).is_err(), "{offset} {shape:?} {strides:?}");
        }
        // Without elements nothing is read, whatever the numbers.
        let empty = view(usize::MAX, &[0, usize::MAX, usize::MAX], &[1, 1, 1]).unwrap();
        assert!(empty.is_contiguous() && empty.count() == 0 && empty.offset == 0);
    }
}
