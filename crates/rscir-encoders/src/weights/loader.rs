use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use candle_core::{DType, Device, Shape, Tensor};

use super::checkpoint::Checkpoint;
use crate::error::{Error, Result};

/// Tensors that checkpoints carry and inference does not need, by the last parts of their names: masks and positions
/// that are computed, sizes that OpenAI's archives store, counters of batch normalisation, SigLIP's and CLIP's scales.
const INERT: [&str; 9] = [
    "logit_scale",
    "logit_bias",
    "attn_mask",
    "positional_ids",
    "position_ids",
    "input_resolution",
    "context_length",
    "vocab_size",
    "num_batches_tracked",
];

/// A tensor that does not fit.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TensorProblem {
    /// The model needs a tensor that the checkpoint does not have.
    Missing {
        /// Its name.
        name: String,
        /// The shape that the model needs.
        expected: Vec<usize>,
    },
    /// The checkpoint has a tensor that the model did not take.
    Unexpected {
        /// Its name.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A tensor has another shape than the model needs.
    Shape {
        /// Its name.
        name: String,
        /// The shape that the model needs.
        expected: Vec<usize>,
        /// The shape in the checkpoint.
        got: Vec<usize>,
    },
    /// A tensor has a value that is infinite or not a number.
    NonFinite {
        /// Its name.
        name: String,
        /// The first such element, counted in C order.
        index: usize,
        /// Its value.
        value: f32,
    },
}

impl fmt::Display for TensorProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { name, expected } => write!(f, "missing `{name}`, expected shape {expected:?}"),
            Self::Unexpected { name, shape } => write!(f, "unexpected `{name}`, shape {shape:?}"),
            Self::Shape { name, expected, got } => {
                write!(f, "`{name}` has shape {got:?}, expected {expected:?}")
            }
            Self::NonFinite { name, index, value } => write!(f, "`{name}` has {value} at element {index}"),
        }
    }
}

impl TensorProblem {
    /// Problems one to a line, not more than fit a screen.
    pub(crate) fn lines(problems: &[Self]) -> String {
        const MOST: usize = 40;
        let mut lines: String = problems.iter().take(MOST).map(|problem| format!("\n  {problem}")).collect();
        if let Some(more) = problems.len().checked_sub(MOST + 1) {
            lines += &format!("\n  and {} more", more + 1);
        }
        lines
    }
}

/// Elements of a tensor that is worth a call to the system.
const LARGE: usize = 1 << 18;

/// Gives a model its weights, all of them or none.
///
/// The model asks for every tensor by name and shape. What is wrong is noted and a placeholder handed out, so that
/// building goes on; [`finish`](Self::finish) then refuses the checkpoint and names everything that was wrong.
///
/// ```no_run
/// use candle_core::Device;
/// use rscir_encoders::{Checkpoint, Loader};
///
/// let checkpoint = Checkpoint::open("model.safetensors")?.open_clip_names();
/// let mut loader = Loader::new(&checkpoint, &Device::Cpu);
/// let patches = loader.tensor("visual.conv1.weight", (768, 3, 32, 32))?;
/// loader.finish()?;
/// # Ok::<(), rscir_encoders::Error>(())
/// ```
#[derive(Debug)]
pub struct Loader<'c> {
    checkpoint: &'c Checkpoint,
    device: Device,
    taken: HashSet<String>,
    problems: Vec<TensorProblem>,
}

impl<'c> Loader<'c> {
    /// A loader that puts tensors on a device.
    pub fn new(checkpoint: &'c Checkpoint, device: &Device) -> Self {
        Self { checkpoint, device: device.clone(), taken: HashSet::new(), problems: Vec::new() }
    }

    /// The checkpoint it reads.
    pub fn checkpoint(&self) -> &'c Checkpoint {
        self.checkpoint
    }

    /// A tensor as f32 on the loader's device. A tensor that does not fit is noted, and one of zeros that takes no
    /// memory is returned.
    ///
    /// # Errors
    /// Damaged data and failures of the device, which cannot be noted and gone past.
    pub fn tensor(&mut self, name: &str, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        let tensor = match self.values(name, shape.dims())? {
            Some(Cow::Owned(values)) => Tensor::from_vec(values, shape, &self.device)?,
            Some(Cow::Borrowed(values)) => Tensor::from_slice(values, shape, &self.device)?,
            None => Tensor::zeros((), DType::F32, &self.device)?.broadcast_as(shape)?,
        };
        Ok(tensor)
    }

    /// A tensor's values in C order; nothing if it does not fit, which is noted.
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

    /// Marks all tensors whose names begin with a prefix as known and not needed, for a model that is loaded in part.
    pub fn skip(&mut self, prefix: &str) {
        let names = self.checkpoint.names().filter(|name| name.starts_with(prefix));
        self.taken.extend(names.map(str::to_owned));
    }

    /// True if something was noted already: what is loaded will be refused.
    pub(crate) fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Ends loading.
    ///
    /// # Errors
    /// [`Error::Weights`] with every problem that was noted, and every tensor that nobody asked for.
    pub fn finish(mut self) -> Result<()> {
        for name in self.checkpoint.names() {
            let inert = INERT.contains(&name.rsplit('.').next().unwrap_or(name));
            if !inert && !self.taken.contains(name) {
                let shape = self.checkpoint.shape(name).unwrap_or_default().to_vec();
                self.problems.push(TensorProblem::Unexpected { name: name.into(), shape });
            }
        }
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(Error::Weights { path: self.checkpoint.path().to_owned(), problems: self.problems })
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
