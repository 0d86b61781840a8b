use rscir_core::{MethodInfo, Scored};

use crate::metrics;

/// The ranks at which hits are counted: those of PatternCom (`evaluate.py` of the reference) and of the other protocols.
pub const CUTOFFS: [usize; 7] = [1, 5, 10, 15, 20, 50, 100];

/// What one query came to under one method.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryOutcome {
    /// Average precision, a fraction of 1.
    pub average_precision: f64,
    /// Average precision by the trapezoid rule, a fraction of 1.
    pub trapezoid_precision: f64,
    /// Relevant images within each of [`CUTOFFS`].
    pub hits: [usize; CUTOFFS.len()],
    /// Relevant images in all.
    pub relevant: usize,
    /// The best rows, as many as [`EvaluateOptions::top`](crate::EvaluateOptions::top) says, best first.
    pub top: Vec<Scored>,
}

impl QueryOutcome {
    /// From the ranks of the relevant images, ascending.
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

/// Outcomes of all queries under all methods.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The methods, in the order they were given.
    pub methods: Vec<MethodInfo>,
    /// One per [`QuerySet::groups`](crate::QuerySet::groups).
    pub groups: Vec<GroupOutcome>,
}

/// Outcomes of one group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupOutcome {
    /// Name of the group.
    pub name: String,
    /// By query, then by method.
    pub queries: Vec<Vec<QueryOutcome>>,
}
