use std::fmt;

/// A tensor that does not fit the model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TensorProblem {
    /// The checkpoint does not have a tensor that the model needs.
    Missing {
        /// Name of the tensor.
        name: String,
        /// Shape that the model needs.
        expected: Vec<usize>,
    },
    /// The model did not take a tensor of the checkpoint.
    Unexpected {
        /// Name of the tensor.
        name: String,
        /// Shape of the tensor.
        shape: Vec<usize>,
    },
    /// A tensor has another shape than the model needs.
    Shape {
        /// Name of the tensor.
        name: String,
        /// Shape that the model needs.
        expected: Vec<usize>,
        /// Shape in the checkpoint.
        got: Vec<usize>,
    },
    /// A tensor holds an infinity or NaN.
    NonFinite {
        /// Name of the tensor.
        name: String,
        /// Index of the first such element, in C order.
        index: usize,
        /// Value of the element.
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
    /// Names of the kinds. [`TensorProblem::kind`] is the index.
    const KINDS: [&str; 4] = ["missing", "unexpected", "of another shape", "with values that are not finite"];

    fn kind(&self) -> usize {
        match self {
            Self::Missing { .. } => 0,
            Self::Unexpected { .. } => 1,
            Self::Shape { .. } => 2,
            Self::NonFinite { .. } => 3,
        }
    }

    /// Writes at most ten problems, one to a line, with some of every kind, and the number of each kind.
    #[expect(
        clippy::indexing_slicing,
        reason = "kinds are below their number, and places are those of the list itself"
    )]
    pub(crate) fn lines(problems: &[Self]) -> String {
        const MAX: usize = 10;
        let mut counts = [0; Self::KINDS.len()];
        // The first problem of each kind comes first, then the second of each, and so on.
        let mut ranked: Vec<(usize, usize)> = Vec::with_capacity(problems.len());
        for (at, problem) in problems.iter().enumerate() {
            ranked.push((counts[problem.kind()], at));
            counts[problem.kind()] += 1;
        }
        ranked.sort_unstable();
        let mut shown: Vec<usize> = ranked.into_iter().take(MAX).map(|(_, at)| at).collect();
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
