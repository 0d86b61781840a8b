use rscir_core::{Fallback, ScoreStatistics};
use rscir_kernels::{Affine, sigmoid_moments};

/// Two groups in a list of similarities: the few tiles that match, and the rest.
///
/// Expectation maximization fits two normal distributions of one variance to the standardized values `z`. Their
/// posterior is a logistic function, `P(match | z) = sigma(slope (z - threshold))`, which rises with `z`. The model is
/// that of R. Manmatha, T. Rath and F. Feng, *Modeling score distributions for combining the outputs of search
/// engines*, SIGIR 2001, with normal distributions of one variance instead of theirs, so that the posterior never
/// falls.
///
/// ```
/// use rscir_weicom::Mixture;
///
/// // One value in ten is near 3, the others are near 0.
/// let list: Vec<f64> = (0..1000).map(|i| f64::from(i % 10 / 9 * 3) + f64::from(i % 37) / 37.0).collect();
/// let mixture = Mixture::of(&list)?;
/// assert!((mixture.share - 0.1).abs() < 1e-3 && mixture.slope > 10.0);
/// # Ok::<(), rscir_core::Fallback>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Mixture {
    /// Slope of the log odds of a match over `z`.
    pub slope: f64,
    /// The `z` at which both groups are equally likely.
    pub threshold: f64,
    /// Share of the list in the group that matches, from 0 to 1.
    pub share: f64,
}

/// Number of bins of the histogram that stands for a list. With 64 bins, figures on the demo change by 0.01
/// points of mAP.
const BINS: usize = 256;

/// Greatest number of steps of a fit. Most lists settle within thirty.
const STEPS: usize = 60;

/// Starting points of the fits, as the share and the mean of the group: a small group far away, and a large
/// one nearby. The likelier result is taken.
const STARTS: [(f64, f64); 2] = [(0.05, 2.5), (0.4, 1.2)];

/// Least gain in log-likelihood for each value by which the second result is preferred. Results with a
/// smaller difference are the same maximum, which one of them has not quite reached; rounding must not choose
/// between them.
const LIKELIER: f64 = 1e-5;

/// Least variance at the start. A second start whose means alone explained the whole variance would not move.
const MIN_START_VARIANCE: f64 = 0.3;

/// Bounds of the share. A group of fewer than three in a thousand may be chance, and the group that matches
/// is the smaller one.
const SHARE: (f64, f64) = (0.003, 0.5);

/// Least distance of the means. Two groups that are closer are one.
const MIN_DISTANCE: f64 = 0.5;

/// Least variance of a group, so that no group collapses to equal values. The whole list has variance 1.
const MIN_VARIANCE: f64 = 0.05;

/// Least number of values for a fit. Fewer than ten values do not determine four numbers.
const MIN_VALUES: usize = 10;

impl Mixture {
    /// Fits the two groups to a list.
    ///
    /// # Errors
    /// The [`Fallback`] that says why there is nothing to fit: fewer than ten values, all values equal, or
    /// NaN or an infinity among them.
    pub fn of<T: Copy + Into<f64>>(list: &[T]) -> Result<Self, Fallback> {
        let n = list.len() as f64;
        let values = || list.iter().map(|&value| value.into());
        let mean = values().sum::<f64>() / n;
        let squares: f64 = values().map(|value| (value - mean) * (value - mean)).sum();
        let std_dev = (squares / (n - 1.0)).sqrt();
        Self::standardized(list, &ScoreStatistics { count: list.len(), mean, std_dev })
    }

    /// Fits the two groups to a list with known statistics.
    ///
    /// # Errors
    /// The errors of [`Mixture::of`].
    pub(crate) fn standardized<T: Copy + Into<f64>>(
        list: &[T],
        statistics: &ScoreStatistics,
    ) -> Result<Self, Fallback> {
        if list.len() < MIN_VALUES {
            return Err(Fallback::FewRows);
        }
        let histogram = Histogram::of(list, statistics)?;
        let [first, second] = STARTS.map(|(share, mean)| histogram.fit(share, mean));
        let best = if second.0 > first.0 + LIKELIER * histogram.count { second.1 } else { first.1 };
        Ok(best)
    }

    /// Returns the log odds of a match at `z`.
    pub fn log_odds(&self, z: f64) -> f64 {
        self.slope * (z - self.threshold)
    }
}

/// Numbers of standardized values in bins of equal width, from the least to the greatest value.
struct Histogram {
    /// Middle of the first bin.
    first: f64,
    step: f64,
    counts: Box<[f64; BINS]>,
    count: f64,
    /// Sum of the values, and sum of their squares.
    sums: [f64; 2],
}

impl Histogram {
    fn of<T: Copy + Into<f64>>(list: &[T], statistics: &ScoreStatistics) -> Result<Self, Fallback> {
        let (low, high) = range(list);
        let spread = high - low;
        // A value that is not finite makes the mean not finite.
        if !(spread.is_finite() && statistics.mean.is_finite() && statistics.std_dev.is_finite()) {
            return Err(Fallback::NotFinite);
        }
        if !(spread > 0.0 && statistics.std_dev > 0.0) {
            return Err(Fallback::Constant);
        }
        let mut whole = [0u32; BINS];
        let scale = BINS as f64 / spread;
        for &value in list {
            let bin = ((value.into() - low) * scale) as usize;
            whole[bin.min(BINS - 1)] += 1;
        }
        let z = |value: f64| (value - statistics.mean) / statistics.std_dev;
        let step = spread / statistics.std_dev / BINS as f64;
        let first = z(low) + 0.5 * step;
        let counts = Box::new(whole.map(f64::from));
        let mut sums = [0.0; 2];
        for (bin, count) in counts.iter().enumerate() {
            let x = first + bin as f64 * step;
            sums[0] += count * x;
            sums[1] += count * x * x;
        }
        Ok(Self { first, step, counts, count: list.len() as f64, sums })
    }

    /// Returns the middles of the bins with their numbers of values, without empty bins.
    fn values(&self) -> impl Iterator<Item = (f64, f64)> {
        let counts = self.counts.iter().enumerate().filter(|(_, count)| **count > 0.0);
        counts.map(|(bin, &count)| (self.first + bin as f64 * self.step, count))
    }

    /// Returns a fit and its log-likelihood, starting from a share and a mean of the group. The rest and the
    /// variance start so that all values together have mean 0 and variance 1.
    fn fit(&self, share: f64, mean: f64) -> (f64, Mixture) {
        let mut groups = Groups { share, rest: -share * mean / (1.0 - share), group: mean, variance: 1.0 };
        let distance = groups.group - groups.rest;
        groups.variance = (1.0 - share * (1.0 - share) * distance * distance).max(MIN_START_VARIANCE);
        for _ in 0..STEPS {
            let Mixture { slope, threshold, .. } = groups.mixture();
            let odds = Affine { at_zero: -slope * threshold, slope };
            let group = sigmoid_moments(self.first, self.step, &self.counts[..], odds);
            let [sum, squares] = self.sums;
            let rest = [self.count - group[0], sum - group[1], squares - group[2]];
            // A group that has lost all values keeps its mean.
            if group[0] > 0.0 {
                groups.group = group[1] / group[0];
            }
            if rest[0] > 0.0 {
                groups.rest = rest[1] / rest[0];
            }
            groups.share = (group[0] / self.count).clamp(SHARE.0, SHARE.1);
            groups.group = groups.group.max(groups.rest + MIN_DISTANCE);
            let around = |[n, sum, squares]: [f64; 3], m: f64| squares - 2.0 * m * sum + m * m * n;
            let scatter = around(group, groups.group) + around(rest, groups.rest);
            groups.variance = (scatter / self.count).max(MIN_VARIANCE);
        }
        (groups.log_likelihood(self), groups.mixture())
    }
}

/// Returns the least and the greatest value, computed in lanes that compilers turn into vector instructions.
fn range<T: Copy + Into<f64>>(list: &[T]) -> (f64, f64) {
    const LANES: usize = 16;
    let (mut low, mut high) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
    let mut take = |lane: usize, value: f64| {
        low[lane] = if value < low[lane] { value } else { low[lane] };
        high[lane] = if value > high[lane] { value } else { high[lane] };
    };
    let (chunks, rest) = list.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &value) in chunk.iter().enumerate() {
            take(lane, value.into());
        }
    }
    rest.iter().for_each(|&value| take(0, value.into()));
    (low.into_iter().fold(f64::INFINITY, f64::min), high.into_iter().fold(f64::NEG_INFINITY, f64::max))
}

/// Two normal distributions of one variance.
struct Groups {
    share: f64,
    rest: f64,
    group: f64,
    variance: f64,
}

impl Groups {
    fn mixture(&self) -> Mixture {
        let slope = (self.group - self.rest) / self.variance;
        let prior = (self.share / (1.0 - self.share)).ln();
        let threshold = 0.5 * (self.rest + self.group) - prior / slope;
        Mixture { slope, threshold, share: self.share }
    }

    fn log_likelihood(&self, histogram: &Histogram) -> f64 {
        let density =
            |share: f64, mean: f64, x: f64| share.ln() - (x - mean) * (x - mean) / (2.0 * self.variance);
        let of_value = |(x, count): (f64, f64)| {
            let (a, b) = (density(self.share, self.group, x), density(1.0 - self.share, self.rest, x));
            count * (a.max(b) + (-(a - b).abs()).exp().ln_1p())
        };
        let scale = 0.5 * (2.0 * std::f64::consts::PI * self.variance).ln();
        histogram.values().map(of_value).sum::<f64>() - histogram.count * scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_teach_nothing_say_why() {
        assert_eq!(Mixture::of(&[0.1f32; 3]), Err(Fallback::FewRows));
        assert_eq!(Mixture::of(&[0.1f32; 30]), Err(Fallback::Constant));
        let mut odd = [0.1f32; 30];
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            odd[7] = bad;
            assert_eq!(Mixture::of(&odd), Err(Fallback::NotFinite), "{bad}");
        }
    }

    #[test]
    fn a_fit_is_the_same_for_a_list_shifted_and_scaled() {
        let list: Vec<f64> = (0..500).map(|i| f64::from(i * i % 97) / 97.0).collect();
        let moved: Vec<f64> = list.iter().map(|x| 8.0 * x - 3.0).collect();
        let (a, b) = (Mixture::of(&list).unwrap(), Mixture::of(&moved).unwrap());
        for (a, b) in [(a.slope, b.slope), (a.threshold, b.threshold), (a.share, b.share)] {
            assert!((a - b).abs() < 1e-9, "{a} and {b}");
        }
    }

    #[test]
    fn one_value_far_from_all_others_gives_finite_numbers() {
        let mut list = vec![0.0f64; 1000];
        list[3] = 1.0;
        let mixture = Mixture::of(&list).unwrap();
        assert!(mixture.slope > 0.0 && mixture.slope.is_finite() && mixture.threshold.is_finite());
        assert_eq!(mixture.share, SHARE.0);
    }
}
