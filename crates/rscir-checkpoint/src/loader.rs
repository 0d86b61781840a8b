use std::borrow::Cow;
use std::collections::HashSet;

use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::inert::is_inert;
use crate::prefixes::foreign_prefix;
use crate::problem::TensorProblem;

/// A tensor that was converted to another size for the model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resized {
    /// Name of the tensor.
    pub name: String,
    /// Shape in the checkpoint.
    pub from: Vec<usize>,
    /// Shape that the model needs.
    pub to: Vec<usize>,
}

/// Number of elements from which releasing the memory of a tensor is worth a call to the system.
const LARGE: usize = 1 << 18;

/// Gives a model all of its weights or none.
///
/// The model asks for every tensor by name and shape. If a tensor does not fit, the loader notes the problem and
/// returns `None`, so that the model can continue with a placeholder. In the end [`finish`](Self::finish) refuses the
/// checkpoint and names all problems.
///
/// ```no_run
/// use rscir_checkpoint::{Checkpoint, Loader};
///
/// let checkpoint = Checkpoint::open("model.safetensors")?.open_clip_names();
/// let mut loader = Loader::new(&checkpoint);
/// let patches = loader.values("visual.conv1.weight", &[768, 3, 32, 32])?;
/// loader.finish()?;
/// # Ok::<(), rscir_checkpoint::Error>(())
/// ```
#[derive(Debug)]
pub struct Loader<'c> {
    checkpoint: &'c Checkpoint,
    taken: HashSet<String>,
    problems: Vec<TensorProblem>,
    resized: Vec<Resized>,
}

impl<'c> Loader<'c> {
    /// Makes a loader that reads a checkpoint.
    pub fn new(checkpoint: &'c Checkpoint) -> Self {
        Self { checkpoint, taken: HashSet::new(), problems: Vec::new(), resized: Vec::new() }
    }

    /// Returns the checkpoint that the loader reads.
    pub fn checkpoint(&self) -> &'c Checkpoint {
        self.checkpoint
    }

    /// Returns the values of a tensor in C order, or `None` if the tensor does not fit. The loader notes the
    /// problem.
    ///
    /// # Errors
    /// [`Error::Checksum`] and the other errors of [`Checkpoint::tensor_f32`] if the data is damaged.
    pub fn values(&mut self, name: &str, shape: &[usize]) -> Result<Option<Cow<'c, [f32]>>> {
        self.taken.insert(name.to_owned());
        let (name, expected) = (name.to_owned(), shape.to_vec());
        match self.checkpoint.shape(&name) {
            None => self.problems.push(TensorProblem::Missing { name, expected }),
            Some(got) if got != shape => {
                self.problems.push(TensorProblem::Shape { name, expected, got: got.to_vec() });
            }
            Some(_) => {
                // The caller of a large tensor has already copied the one before.
                if shape.iter().product::<usize>() >= LARGE {
                    self.checkpoint.release();
                }
                let values = self.checkpoint.tensor_f32(&name, shape)?;
                match first_non_finite(&values) {
                    None => return Ok(Some(values)),
                    Some((index, value)) => {
                        self.problems.push(TensorProblem::NonFinite { name, index, value });
                    }
                }
            }
        }
        Ok(None)
    }

    /// Returns the values of a tensor like [`Loader::values`]. If the tensor has another shape, `fit`
    /// converts the checkpoint's values and shape to those of the model, or refuses. [`Loader::resized`]
    /// lists the converted tensors.
    ///
    /// # Errors
    /// [`Error::Checksum`] and the other errors of [`Checkpoint::tensor_f32`] if the data is damaged.
    pub fn fitted_values(
        &mut self,
        name: &str,
        shape: &[usize],
        fit: impl FnOnce(&[f32], &[usize]) -> Option<Vec<f32>>,
    ) -> Result<Option<Cow<'c, [f32]>>> {
        let Some(from) = self.checkpoint.shape(name).filter(|from| *from != shape) else {
            return self.values(name, shape);
        };
        let values = self.checkpoint.tensor_f32(name, from)?;
        if first_non_finite(&values).is_none()
            && let Some(values) = fit(&values, from)
        {
            self.taken.insert(name.to_owned());
            self.resized.push(Resized { name: name.into(), from: from.to_vec(), to: shape.to_vec() });
            return Ok(Some(values.into()));
        }
        self.values(name, shape)
    }

    /// Returns the tensors that were converted to another size so far.
    pub fn resized(&self) -> &[Resized] {
        &self.resized
    }

    /// Skips all tensors whose names begin with a prefix, for a model that is loaded in part.
    pub fn skip(&mut self, prefix: &str) {
        let names = self.checkpoint.names().filter(|name| name.starts_with(prefix));
        self.taken.extend(names.map(str::to_owned));
    }

    /// Tells whether a problem was noted, in which case [`Loader::finish`] will refuse the checkpoint.
    pub fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Finishes loading. The weights are complete only if this returns `Ok`.
    ///
    /// # Errors
    /// [`Error::Weights`] with every problem that was noted and every tensor that was neither asked for nor
    /// skipped.
    pub fn finish(mut self) -> Result<()> {
        for name in self.checkpoint.names() {
            if !is_inert(name) && !self.taken.contains(name) {
                let shape = self.checkpoint.shape(name).unwrap_or_default().to_vec();
                self.problems.push(TensorProblem::Unexpected { name: name.into(), shape });
            }
        }
        if self.problems.is_empty() {
            return Ok(());
        }
        let prefix = foreign_prefix(&self.problems);
        Err(Error::Weights { path: self.checkpoint.path().to_owned(), problems: self.problems, prefix })
    }
}

/// Returns the index and the value of the first element that is infinite or NaN. Blocks are tested without
/// branches, at the speed of memory.
fn first_non_finite(values: &[f32]) -> Option<(usize, f32)> {
    const BLOCK: usize = 1024;
    let block = values
        .chunks(BLOCK)
        .position(|block| block.iter().fold(false, |any, value| any | !value.is_finite()))?;
    let rest = values.iter().copied().enumerate().skip(block * BLOCK);
    rest.into_iter().find(|(_, value)| !value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_non_finite_value_is_found_wherever_it_is() {
        let mut values = vec![1.0; 3000];
        assert_eq!(first_non_finite(&values), None);
        assert_eq!(first_non_finite(&[]), None);
        values[2999] = f32::NEG_INFINITY;
        assert_eq!(first_non_finite(&values), Some((2999, f32::NEG_INFINITY)));
        for index in [2047, 1024, 1023, 0] {
            values[index] = f32::NAN;
            assert_eq!(first_non_finite(&values).unwrap().0, index);
        }
    }
}
