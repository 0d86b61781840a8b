use rscir_core::{MethodInfo, Scored};

use crate::metrics;

/// Ranks at which hits are counted: those of PatternCom (`evaluate.py` of the reference program) and of the
/// other protocols.
pub const CUTOFFS: [usize; 7] = [1, 5, 10, 15, 20, 50, 100];

/// The result of one query under one method.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryOutcome {
    /// Average precision, a fraction of 1.
    pub average_precision: f64,
    /// Average precision by the trapezoid rule, a fraction of 1.
    pub trapezoid_precision: f64,
    /// Number of relevant images up to each of [`CUTOFFS`].
    pub hits: [usize; CUTOFFS.len()],
    /// Number of relevant images in all.
    pub relevant: usize,
    /// The best rows, best first, as many as [`EvaluateOptions::top`](crate::EvaluateOptions::top) sets.
    pub top: Vec<Scored>,
}

impl QueryOutcome {
    /// Computes the outcome from the ranks of the relevant images, in ascending order.
    pub(crate) fn of(ranks: &[usize], top: Vec<Scored>) -> Self {
        Self {
            average_precision: metrics::average_precision(ranks),
            trapezoid_precision: metrics::trapezoid_precision(ranks),
            hits: CUTOFFS.map(|k| metrics::hits(ranks, k)),
            relevant: ranks.len(),
            top,
        }
    }
}

/// The outcomes of all queries under all methods.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The methods, in the order in which they were given.
    pub methods: Vec<MethodInfo>,
    /// One outcome for each of [`QuerySet::groups`](crate::QuerySet::groups).
    pub groups: Vec<GroupOutcome>,
}

/// The outcomes of one group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupOutcome {
    /// Name of the group.
    pub name: String,
    /// The outcomes by query, then by method.
    pub queries: Vec<Vec<QueryOutcome>>,
}
