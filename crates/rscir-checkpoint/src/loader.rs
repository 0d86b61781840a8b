use std::borrow::Cow;
use std::collections::HashSet;

use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::inert::is_inert;
use crate::prefixes::foreign_prefix;
use crate::problem::TensorProblem;

/// A tensor that was made to fit another size of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resized {
    /// Its name.
    pub name: String,
    /// The shape in the checkpoint.
    pub from: Vec<usize>,
    /// The shape that the model needs.
    pub to: Vec<usize>,
}

/// Elements of a tensor that is worth a call to the system.
const LARGE: usize = 1 << 18;

/// Gives a model its weights, all of them or none.
///
/// The model asks for every tensor by name and shape. What is wrong is noted and `None` returned, so that building goes on
/// with a placeholder; [`finish`](Self::finish) then refuses the checkpoint and names everything that was wrong.
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

    /// Returns a tensor's values in C order, or `None` if it does not fit, which is noted.
    ///
    /// # Errors
    /// Damaged data.
    pub fn values(&mut self, name: &str, shape: &[usize]) -> Result<Option<Cow<'c, [f32]>>> {
        self.taken.insert(name.to_owned());
        let (name, expected) = (name.to_owned(), shape.to_vec());
        match self.checkpoint.shape(&name) {
            None => self.problems.push(TensorProblem::Missing { name, expected }),
            Some(got) if got != shape => {
                self.problems.push(TensorProblem::Shape { name, expected, got: got.to_vec() });
            }
            Some(_) => {
                // Whoever takes a large tensor has copied the one before.
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

    /// Returns a tensor's values as [`Loader::values`] does, and those of a tensor of another shape after `fit` made them the
    /// model's, from the checkpoint's values and shape; `fit` may refuse. [`Loader::resized`] lists what was made.
    ///
    /// # Errors
    /// Damaged data.
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

    /// Returns the tensors that were made to fit so far.
    pub fn resized(&self) -> &[Resized] {
        &self.resized
    }

    /// Marks all tensors whose names begin with a prefix as known and not needed, for a model that is loaded in part.
    pub fn skip(&mut self, prefix: &str) {
        let names = self.checkpoint.names().filter(|name| name.starts_with(prefix));
        self.taken.extend(names.map(str::to_owned));
    }

    /// Tells whether something was noted already: [`Loader::finish`] will refuse what is loaded.
    pub fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Ends loading.
    ///
    /// # Errors
    /// [`Error::Weights`] with every problem that was noted, and every tensor that nobody asked for.
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

/// The first value that is infinite or not a number. Blocks are tested without branches, at the speed of memory.
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
