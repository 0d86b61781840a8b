use super::sample::{Sample, mean};

/// The three means of i-CIR under one method, in percent. Its groups are the instances (`run_retrieval.py` of
/// github billpsomas/icir).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct InstanceFigures {
    /// mAP: the mean over all queries.
    pub map: f64,
    /// mmAP, the macro mAP: the mean over instances of the mean of their queries. It is a table's average.
    pub mmap: f64,
    /// minmAP: the mean over instances of the worst of their queries.
    pub minmap: f64,
}

impl InstanceFigures {
    /// Computes the means from the average precisions of queries by instance. Instances without queries do
    /// not count.
    pub fn of(sample: &Sample) -> Self {
        let instances = || sample.values.iter().filter(|values| !values.is_empty());
        let least = |values: &Vec<f64>| values.iter().copied().fold(f64::INFINITY, f64::min);
        Self {
            map: mean(&instances().flatten().copied().collect::<Vec<_>>()),
            mmap: sample.mean(),
            minmap: mean(&instances().map(least).collect::<Vec<_>>()),
        }
    }
}
