use rscir_core::MethodInfo;

use crate::metrics::{percent_rounded, round2};
use crate::outcome::{CUTOFFS, Evaluation, QueryOutcome};

/// Stage at which percentages are rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Rounding {
    /// Figures are not rounded.
    #[default]
    None,
    /// The figures of each query are rounded to two decimals before the mean, and the mean is rounded again,
    /// as in the reference program.
    PerQuery,
}

/// Definition of a benchmark's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Convention {
    /// Average precision is the mean of the precisions at the relevant ranks; precision at k is `hits / k`.
    #[default]
    Standard,
    /// Average precision is computed by the trapezoid rule; precision at k is `hits / min(relevant, k)`. The
    /// domain-conversion and i-CIR benchmarks use this convention.
    Trapezoid,
}

impl Convention {
    /// Returns the average precision of a query.
    pub fn average_precision(self, outcome: &QueryOutcome) -> f64 {
        match self {
            Self::Standard => outcome.average_precision,
            Self::Trapezoid => outcome.trapezoid_precision,
        }
    }

    /// Returns the precision of a query at cutoff `i` of [`CUTOFFS`].
    fn precision(self, outcome: &QueryOutcome, i: usize) -> f64 {
        let of = match self {
            Self::Standard => CUTOFFS[i],
            Self::Trapezoid => CUTOFFS[i].min(outcome.relevant).max(1),
        };
        outcome.hits[i] as f64 / of as f64
    }
}

/// Mean figures of some queries under one method, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Figures {
    /// Number of queries.
    pub queries: usize,
    /// Mean average precision.
    pub map: f64,
    /// Mean precision at each of [`CUTOFFS`].
    pub precision: [f64; CUTOFFS.len()],
    /// Mean recall at each of [`CUTOFFS`].
    pub recall: [f64; CUTOFFS.len()],
}

impl Figures {
    /// Computes means over outcomes. All figures are 0 if there are none.
    pub fn mean<'a>(
        outcomes: impl Iterator<Item = &'a QueryOutcome> + Clone,
        rounding: Rounding,
        convention: Convention,
    ) -> Self {
        let queries = outcomes.clone().count();
        let mean = |value: &dyn Fn(&QueryOutcome) -> f64| {
            let each = |outcome| match rounding {
                Rounding::None => 100.0 * value(outcome),
                Rounding::PerQuery => percent_rounded(value(outcome)),
            };
            let mean = outcomes.clone().map(each).sum::<f64>() / queries.max(1) as f64;
            if rounding == Rounding::PerQuery { round2(mean) } else { mean }
        };
        Self {
            queries,
            map: mean(&|o| convention.average_precision(o)),
            precision: std::array::from_fn(|i| mean(&|o| convention.precision(o, i))),
            recall: std::array::from_fn(|i| mean(&|o| o.hits[i] as f64 / o.relevant.max(1) as f64)),
        }
    }

    /// Returns the mean precision at `k`, or `None` if `k` is not one of [`CUTOFFS`].
    pub fn precision_at(&self, k: usize) -> Option<f64> {
        at_cutoff(&self.precision, k)
    }

    /// Returns the mean recall at `k`, or `None` if `k` is not one of [`CUTOFFS`].
    pub fn recall_at(&self, k: usize) -> Option<f64> {
        at_cutoff(&self.recall, k)
    }

    /// Computes the unweighted mean of several figures. The numbers of queries are added.
    pub fn average(figures: &[Self]) -> Self {
        let mean = |value: &dyn Fn(&Self) -> f64| {
            figures.iter().map(value).sum::<f64>() / figures.len().max(1) as f64
        };
        Self {
            queries: figures.iter().map(|f| f.queries).sum(),
            map: mean(&|f| f.map),
            precision: std::array::from_fn(|i| mean(&|f| f.precision[i])),
            recall: std::array::from_fn(|i| mean(&|f| f.recall[i])),
        }
    }
}

/// Returns the figure at `k` of figures at [`CUTOFFS`].
fn at_cutoff<T: Copy>(figures: &[T], k: usize) -> Option<T> {
    CUTOFFS.iter().position(|known| *known == k).and_then(|i| figures.get(i)).copied()
}

/// The figures of an evaluation: methods by groups, and the average over groups.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Names of the groups.
    pub groups: Vec<String>,
    /// One row for each method.
    pub rows: Vec<TableRow>,
    /// How the figures were rounded.
    pub rounding: Rounding,
    /// Cutoffs that reports show. They are among [`CUTOFFS`].
    pub cutoffs: Vec<usize>,
}

/// Cutoffs of PatternCom (evaluate.py of the reference program).
pub const PATTERNCOM_CUTOFFS: [usize; 4] = [5, 10, 15, 20];

/// The figures of one method.
#[derive(Debug, Clone, PartialEq)]
pub struct TableRow {
    /// The method.
    pub method: MethodInfo,
    /// Figures for each group.
    pub figures: Vec<Figures>,
    /// Unweighted mean over the groups that have queries.
    pub average: Figures,
}

impl Table {
    /// Makes the table of all outcomes, by the standard convention and with PatternCom's cutoffs.
    pub fn of(evaluation: &Evaluation, rounding: Rounding) -> Self {
        Self::by(evaluation, rounding, Convention::Standard)
    }

    /// Makes the table of all outcomes, by a benchmark's convention and with PatternCom's cutoffs.
    pub fn by(evaluation: &Evaluation, rounding: Rounding, convention: Convention) -> Self {
        let rows = evaluation.methods.iter().enumerate().map(|(m, method)| {
            let figures: Vec<Figures> = evaluation
                .groups
                .iter()
                .map(|group| {
                    Figures::mean(group.queries.iter().map(|outcomes| &outcomes[m]), rounding, convention)
                })
                .collect();
            let asked: Vec<Figures> = figures.iter().copied().filter(|f| f.queries > 0).collect();
            TableRow { method: method.clone(), average: Figures::average(&asked), figures }
        });
        let groups = evaluation.groups.iter().map(|group| group.name.clone()).collect();
        Self { groups, rows: rows.collect(), rounding, cutoffs: PATTERNCOM_CUTOFFS.into() }
    }

    /// Sets the cutoffs that reports show. Default: those of PatternCom. Cutoffs that are not among
    /// [`CUTOFFS`] are ignored, because nothing was counted at them.
    #[must_use]
    pub fn cutoffs(self, cutoffs: &[usize]) -> Self {
        let cutoffs = cutoffs.iter().copied().filter(|k| CUTOFFS.contains(k)).collect();
        Self { cutoffs, ..self }
    }

    /// Returns the figures that reports show, out of figures at [`CUTOFFS`], each with its cutoff.
    pub(crate) fn shown<'a, T: Copy>(&'a self, figures: &'a [T]) -> impl Iterator<Item = (usize, T)> + 'a {
        self.cutoffs.iter().filter_map(move |k| at_cutoff(figures, *k).map(|figure| (*k, figure)))
    }
}
