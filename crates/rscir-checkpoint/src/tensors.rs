//! Tensors as views of runs of bytes that they are checked to lie in, and the limits of a checkpoint.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::dtype::Dtype;
use crate::format::Format;

/// Greatest number of tensors in a checkpoint. A whole training state of the largest CLIP has under ten
/// thousand.
pub(crate) const MAX_TENSORS: usize = 1 << 16;

/// Greatest length of a tensor's name in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 512;

/// Greatest number of dimensions of a tensor, equal to that of numpy 2 (`NPY_MAXDIMS`).
pub(crate) const MAX_DIMENSIONS: usize = 64;

/// The state dicts of a file that has them under keys, and the one that was taken.
#[derive(Debug, Default)]
pub(crate) struct ChosenState {
    pub(crate) taken: Option<String>,
    pub(crate) found: Vec<String>,
    /// Tells whether it is the state dict that is taken without a request.
    pub(crate) is_default: bool,
}

/// A run of bytes in a file, of which tensors are views.
#[derive(Debug)]
pub(crate) struct Storage {
    pub(crate) file: usize,
    pub(crate) start: usize,
    pub(crate) length: usize,
    /// Name and checksum of the entry, if the format has them.
    pub(crate) checksum: Option<(String, u32)>,
    pub(crate) checked: OnceLock<()>,
}

/// A tensor: views of storages, joined along the first axis.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) parts: Vec<View>,
}

/// A strided view. Only [`View::new`] makes one, and checks that it lies in its storage.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) storage: usize,
    /// Offset in elements. The strides are in elements, too.
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<usize>,
}

impl Storage {
    /// Moves the run of bytes to another of several files.
    pub(crate) fn of_file(mut self, file: usize) -> Self {
        self.file = file;
        self
    }
}

impl Tensor {
    /// Counts the tensor's storages from `base`.
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
    /// Makes a view of a storage with room for `room` elements. Every element must lie in the storage, and
    /// the view may have at most as many elements as the storage, so that it allocates no more than its file
    /// justifies.
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
        // A tensor without elements is never read, wherever it claims to lie.
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

/// Returns the strides of a tensor in C order. Sizes whose product overflows give strides that [`View::new`]
/// refuses together with the shape.
#[expect(clippy::indexing_slicing, reason = "axes are below the number of sizes")]
pub(crate) fn c_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}

/// The result of a format's reader.
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
