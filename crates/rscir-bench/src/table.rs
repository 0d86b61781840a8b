use rscir_core::MethodInfo;

use crate::metrics::{percent_rounded, round2};
use crate::outcome::{CUTOFFS, Evaluation, QueryOutcome};

/// Where percentages are rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Rounding {
    /// Nowhere.
    #[default]
    None,
    /// Each query's figures to two decimals before the mean, and the mean again, as the reference does.
    PerQuery,
}

/// What a benchmark means by its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Convention {
    /// Average precision as the mean of precisions at the relevant ranks; precision at k is `hits / k`.
    #[default]
    Standard,
    /// Average precision by the trapezoid rule; precision at k is `hits / min(relevant, k)`. The
    /// domain-conversion and i-CIR benchmarks have it.
    Trapezoid,
}

impl Convention {
    /// Returns a query's average precision.
    pub fn average_precision(self, outcome: &QueryOutcome) -> f64 {
        match self {
            Self::Standard => outcome.average_precision,
            Self::Trapezoid => outcome.trapezoid_precision,
        }
    }

    /// A query's precision at cutoff `i` of [`CUTOFFS`].
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
    /// How many queries.
    pub queries: usize,
    /// Mean average precision.
    pub map: f64,
    /// Mean precision at each of [`CUTOFFS`].
    pub precision: [f64; CUTOFFS.len()],
    /// Mean recall at each of [`CUTOFFS`].
    pub recall: [f64; CUTOFFS.len()],
}

impl Figures {
    /// Computes means over outcomes; all 0 without any.
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

    /// Returns the mean precision at `k`, if `k` is one of [`CUTOFFS`].
    pub fn precision_at(&self, k: usize) -> Option<f64> {
        at_cutoff(&self.precision, k)
    }

    /// Returns the mean recall at `k`, if `k` is one of [`CUTOFFS`].
    pub fn recall_at(&self, k: usize) -> Option<f64> {
        at_cutoff(&self.recall, k)
    }

    /// Computes the unweighted mean of several figures; queries are added.
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

/// The figure at `k` of figures at [`CUTOFFS`].
fn at_cutoff<T: Copy>(figures: &[T], k: usize) -> Option<T> {
    CUTOFFS.iter().position(|known| *known == k).and_then(|i| figures.get(i)).copied()
}

/// The figures of an evaluation: methods by groups, and the average over groups.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Names of the groups.
    pub groups: Vec<String>,
    /// One per method.
    pub rows: Vec<TableRow>,
    /// How it was rounded.
    pub rounding: Rounding,
    /// The cutoffs that reports show, of [`CUTOFFS`].
    pub cutoffs: Vec<usize>,
}

/// The cutoffs of PatternCom (evaluate.py of the reference).
pub const PATTERNCOM_CUTOFFS: [usize; 4] = [5, 10, 15, 20];

/// The figures of one method.
#[derive(Debug, Clone, PartialEq)]
pub struct TableRow {
    /// The method.
    pub method: MethodInfo,
    /// One per group.
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

    /// Sets the cutoffs that reports show. Default: PatternCom's. Those that are not of [`CUTOFFS`] are left out, since
    /// nothing was counted there.
    #[must_use]
    pub fn cutoffs(self, cutoffs: &[usize]) -> Self {
        let cutoffs = cutoffs.iter().copied().filter(|k| CUTOFFS.contains(k)).collect();
        Self { cutoffs, ..self }
    }

    /// Picks, of figures at [`CUTOFFS`], those that reports show, each with its cutoff.
    pub(crate) fn shown<'a, T: Copy>(&'a self, figures: &'a [T]) -> impl Iterator<Item = (usize, T)> + 'a {
        self.cutoffs.iter().filter_map(move |k| at_cutoff(figures, *k).map(|figure| (*k, figure)))
    }
}
