use std::fmt;

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
    #[expect(
        clippy::indexing_slicing,
        reason = "kinds are below their number, and places are those of the list itself"
    )]
    pub(crate) fn lines(problems: &[Self]) -> String {
        const MAX: usize = 10;
        let mut counts = [0; Self::KINDS.len()];
        // The first of each kind, the second of each, and so on.
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
