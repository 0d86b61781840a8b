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

/// Whether inference does not need the tensor of this name.
pub(super) fn is_inert(name: &str) -> bool {
    INERT.contains(&name.rsplit('.').next().unwrap_or(name))
}

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
    /// Names of the kinds, in the order in which [`TensorProblem::kind`] counts them.
    const KINDS: [&str; 4] = ["missing", "unexpected", "of another shape", "with values that are not finite"];

    fn kind(&self) -> usize {
        match self {
            Self::Missing { .. } => 0,
            Self::Unexpected { .. } => 1,
            Self::Shape { .. } => 2,
            Self::NonFinite { .. } => 3,
        }
    }

    /// Ten problems at most, one to a line, of every kind some, and how many there are of each.
    pub(crate) fn lines(problems: &[Self]) -> String {
        const MOST: usize = 10;
        let mut counts = [0; Self::KINDS.len()];
        // The first of each kind, the second of each, and so on.
        let mut ranked: Vec<(usize, usize)> = Vec::with_capacity(problems.len());
        for (at, problem) in problems.iter().enumerate() {
            ranked.push((counts[problem.kind()], at));
            counts[problem.kind()] += 1;
        }
        ranked.sort_unstable();
        let mut shown: Vec<usize> = ranked.into_iter().take(MOST).map(|(_, at)| at).collect();
        shown.sort_unstable();
        let mut lines: String = shown.iter().map(|at| format!("\n  {}", problems[*at])).collect();
        if problems.len() > shown.len() {
            let counts = counts.into_iter().zip(Self::KINDS).filter(|(count, _)| *count > 0);
            let counts: Vec<String> = counts.map(|(count, kind)| format!("{count} {kind}")).collect();
            lines += &format!("\n  in all: {}", counts.join(", "));
        }
        lines
    }
}

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
    resized: Vec<Resized>,
}

impl<'c> Loader<'c> {
    /// A loader that puts tensors on a device.
    pub fn new(checkpoint: &'c Checkpoint, device: &Device) -> Self {
        Self {
            checkpoint,
            device: device.clone(),
            taken: HashSet::new(),
            problems: Vec::new(),
            resized: Vec::new(),
        }
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

    /// As [`Loader::values`], for a tensor that may be of another size: `fit` makes the model's of the checkpoint's values
    /// and shape, or refuses. What was made is in [`Loader::resized`].
    pub(crate) fn fitted_values(
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

    /// The tensors that were made to fit so far.
    pub(crate) fn resized(&self) -> &[Resized] {
        &self.resized
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

/// What stands before names of a CLIP in at least two of the unexpected ones: the shortest such prefix.
fn foreign_prefix(problems: &[TensorProblem]) -> Option<String> {
    // Beginnings of open_clip's and Hugging Face's names.
    const BEGINNINGS: [&str; 7] = [
        "visual.",
        "transformer.resblocks.",
        "token_embedding.",
        "positional_embedding",
        "ln_final.",
        "text_model.",
        "vision_model.",
    ];
    let prefix = |name: &str| {
        let places = BEGINNINGS.iter().filter_map(|beginning| name.find(beginning));
        let place = places.min().filter(|place| *place > 0 && name[..*place].ends_with('.'))?;
        Some(name[..place].to_owned())
    };
    let mut prefixes: Vec<String> = problems
        .iter()
        .filter_map(|problem| match problem {
            TensorProblem::Unexpected { name, .. } => prefix(name),
            _ => None,
        })
        .collect();
    prefixes.sort_unstable_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    prefixes.array_windows().find(|[a, b]| a == b).map(|[prefix, _]| prefix.clone())
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
