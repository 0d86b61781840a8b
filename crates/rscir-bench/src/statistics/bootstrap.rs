use rayon::prelude::*;

use super::random::Random;
use super::sample::{Sample, mean};
use crate::Result;

/// An estimate with the bounds of its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Interval {
    /// The estimate itself.
    pub estimate: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// The difference between two methods or runs on the same queries: the first less the second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The difference of the means, with its interval.
    pub interval: Interval,
    /// Two-sided p value by sign flips: how often chance alone makes a difference at least as large.
    pub p_value: f64,
}

/// Resampling of queries: confidence intervals by the percentile bootstrap (Efron 1979), p values by random sign flips
/// (Fisher 1935; for retrieval Smucker, Allan and Carterette 2007).
///
/// A resample is made in the way of the protocol's mean. From each group, as many of its queries are drawn, with
/// replacement, as it has; the average is the mean of the groups' means. So the groups are strata, and the interval is
/// that of the very figure in the table. Queries are drawn as if they were independent. Those that share an image or a
/// text are not fully independent, and the interval does not cover what other images would do;
/// [`Bootstrap::difference_by_clusters`] does.
///
/// Draws depend only on the seed, the group and the resample: the results do not depend on threads, and two methods are
/// resampled alike.
///
/// ```
/// use rscir_bench::{Bootstrap, Sample};
///
/// let sample = |values: &[f64]| Sample { groups: vec!["color".into()], values: vec![values.to_vec()] };
/// let better = sample(&[60.0, 70.0, 80.0, 90.0, 75.0, 65.0]);
/// let worse = sample(&[50.0, 64.0, 71.0, 79.0, 71.0, 52.0]);
/// let mean = Bootstrap::default().average(&better)?;
/// assert!(mean.low < mean.estimate && mean.estimate < mean.high);
/// let difference = Bootstrap::default().difference(&better, &worse)?;
/// assert!(difference.interval.low > 0.0 && difference.p_value < 0.05);
/// # Ok::<(), rscir_bench::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Bootstrap {
    /// Number of resamples, and of sign flips.
    pub resamples: usize,
    /// Coverage of the intervals, between 0 and 1.
    pub level: f64,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Bootstrap {
    /// Makes 10,000 resamples and intervals of 95 %, with seed 0.
    fn default() -> Self {
        Self { resamples: 10_000, level: 0.95, seed: 0 }
    }
}

impl Bootstrap {
    /// Sets the number of resamples, and of sign flips. Default: 10,000.
    #[must_use]
    pub fn resamples(mut self, resamples: usize) -> Self {
        self.resamples = resamples;
        self
    }

    /// Sets the coverage of the intervals, between 0 and 1. Default: 0.95.
    #[must_use]
    pub fn level(mut self, level: f64) -> Self {
        self.level = level;
        self
    }

    /// Sets the seed of the draws. Default: 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Computes the intervals of each group's mean, and of the average over groups. Groups without values
    /// have the interval 0 and do not count in the average.
    ///
    /// # Errors
    /// [`rscir_core::Error::Parameter`] if `resamples` is 0 or `level` is not between 0 and 1.
    pub fn intervals(&self, sample: &Sample) -> Result<(Vec<Interval>, Interval)> {
        self.check()?;
        let mut averages = vec![0.0; self.resamples];
        let mut means = vec![0.0; self.resamples];
        let mut groups = Vec::with_capacity(sample.values.len());
        for (g, values) in (0u64..).zip(&sample.values) {
            if values.is_empty() {
                groups.push(Interval::default());
                continue;
            }
            self.resample(g, values, &mut means);
            averages.iter_mut().zip(&means).for_each(|(average, mean)| *average += mean);
            groups.push(self.interval(mean(values), &mut means));
        }
        let asked = sample.values.iter().filter(|values| !values.is_empty()).count();
        averages.iter_mut().for_each(|average| *average /= asked.max(1) as f64);
        let average = self.interval(sample.mean(), &mut averages);
        Ok((groups, average))
    }

    /// Computes the interval of the average over groups.
    ///
    /// # Errors
    /// The errors of [`intervals`](Self::intervals).
    pub fn average(&self, sample: &Sample) -> Result<Interval> {
        Ok(self.intervals(sample)?.1)
    }

    /// Computes the difference of the averages of two samples, whose queries are the same in the same order.
    ///
    /// # Errors
    /// The errors of [`intervals`](Self::intervals); [`rscir_core::Error::Length`] if the samples differ in
    /// shape.
    pub fn difference(&self, first: &Sample, second: &Sample) -> Result<Difference> {
        Ok(self.differences(first, second)?.1)
    }

    /// Computes the [`difference`](Self::difference) in each group, and that of the averages.
    ///
    /// # Errors
    /// The errors of [`difference`](Self::difference).
    pub fn differences(&self, first: &Sample, second: &Sample) -> Result<(Vec<Difference>, Difference)> {
        let paired = first.less(second)?;
        let (groups, average) = self.intervals(&paired)?;
        let (p_values, p_average) = self.p_values(&paired);
        let groups = groups.into_iter().zip(p_values);
        let groups = groups.map(|(interval, p_value)| Difference { interval, p_value }).collect();
        Ok((groups, Difference { interval: average, p_value: p_average }))
    }

    pub(super) fn check(&self) -> Result<()> {
        let bad = |name, value, expected| Err(rscir_core::Error::Parameter { name, value, expected }.into());
        if self.resamples == 0 {
            return bad("resamples", self.resamples.to_string(), "at least 1");
        }
        if !(self.level > 0.0 && self.level < 1.0) {
            return bad("level", self.level.to_string(), "between 0 and 1");
        }
        Ok(())
    }

    /// Makes the random stream of a group's draws. Even streams resample, odd streams flip signs.
    pub(super) fn random(&self, group: u64, resample: usize, flips: bool) -> Random {
        let stream = (resample as u64) << 1 | u64::from(flips);
        Random::new(self.seed ^ group.wrapping_mul(0xd1b5_4a32_d192_ed03), stream)
    }

    /// Writes the means of resamples of one group.
    fn resample(&self, group: u64, values: &[f64], means: &mut [f64]) {
        means.par_iter_mut().enumerate().for_each(|(r, mean)| {
            let mut random = self.random(group, r, false);
            let sum: f64 = (0..values.len()).map(|_| values[random.below(values.len())]).sum();
            *mean = sum / values.len() as f64;
        });
    }

    /// Returns two-sided p values for the groups' means and their average being 0 if each query's sign were
    /// left to chance. The observed signs count as one of the flips, so that no p value is 0 (Phipson and
    /// Smyth 2010).
    fn p_values(&self, paired: &Sample) -> (Vec<f64>, f64) {
        let mut averages = vec![0.0; self.resamples];
        let mut flipped = vec![0.0; self.resamples];
        let mut p_values = Vec::with_capacity(paired.values.len());
        for (g, values) in (0u64..).zip(&paired.values) {
            flipped.par_iter_mut().enumerate().for_each(|(r, mean)| {
                let mut random = self.random(g, r, true);
                let sum: f64 = values.chunks(64).map(|values| flip(values, random.next())).sum();
                *mean = sum / values.len().max(1) as f64;
            });
            averages.iter_mut().zip(&flipped).for_each(|(average, mean)| *average += mean);
            p_values.push(self.p_value(mean(values), &flipped));
        }
        let asked = paired.values.iter().filter(|values| !values.is_empty()).count();
        averages.iter_mut().for_each(|average| *average /= asked.max(1) as f64);
        (p_values, self.p_value(paired.mean(), &averages))
    }

    fn p_value(&self, observed: f64, flipped: &[f64]) -> f64 {
        // Flips that give the observed value again may differ from it by the rounding of another order.
        let least = observed.abs() * (1.0 - 1e-12);
        let extreme = flipped.iter().filter(|mean| mean.abs() >= least).count();
        (extreme + 1) as f64 / (self.resamples + 1) as f64
    }

    /// Returns the percentile interval of resampled means, and sorts them.
    pub(super) fn interval(&self, estimate: f64, resampled: &mut [f64]) -> Interval {
        resampled.sort_unstable_by(f64::total_cmp);
        let tail = (1.0 - self.level) / 2.0;
        Interval { estimate, low: quantile(resampled, tail), high: quantile(resampled, 1.0 - tail) }
    }
}

/// Sums up to 64 values. The sign of a value is flipped if its bit is 1.
fn flip(values: &[f64], bits: u64) -> f64 {
    (0..).zip(values).map(|(i, value)| f64::from_bits(value.to_bits() ^ ((bits >> i & 1) << 63))).sum()
}

/// Returns a quantile of sorted values, interpolated linearly between the two nearest, like numpy's
/// `percentile`.
fn quantile(sorted: &[f64], fraction: f64) -> f64 {
    let place = fraction * sorted.len().saturating_sub(1) as f64;
    let below = place.floor() as usize;
    let at = |i: usize| sorted.get(i).or(sorted.last()).copied().unwrap_or_default();
    at(below) + (place - place.floor()) * (at(below + 1) - at(below))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(values: &[&[f64]]) -> Sample {
        Sample {
            groups: (0..values.len()).map(|g| format!("group {g}")).collect(),
            values: values.iter().map(|v| v.to_vec()).collect(),
        }
    }

    /// Makes n percentages, skewed as average precisions are.
    fn skewed(n: usize, seed: u64) -> Vec<f64> {
        let mut random = Random::new(seed, 0);
        (0..n).map(|_| 100.0 * (random.next() as f64 / 2f64.powi(64)).powi(3)).collect()
    }

    #[test]
    fn the_interval_of_a_mean_nears_its_closed_form() {
        // For many queries the bootstrap's distribution is normal: the sum of strata's variances, each with its own n.
        let (a, b) = (skewed(4000, 1), skewed(1000, 2));
        let sample = sample(&[&a, &b]);
        let variance =
            |v: &[f64]| v.iter().map(|x| (x - mean(v)).powi(2)).sum::<f64>() / (v.len() as f64).powi(2);
        let deviation = (variance(&a) + variance(&b)).sqrt() / 2.0;
        let interval = Bootstrap::default().average(&sample).unwrap();
        let expected = (sample.mean() - 1.959_964 * deviation, sample.mean() + 1.959_964 * deviation);
        // A quantile of B draws at 2.5 % has the standard error sqrt(0.025 * 0.975 / B) / density, 0.027 deviations for
        // 10,000; four of them, and a tenth for the skewness that is left.
        let tolerance = 0.12 * deviation;
        assert!((interval.low - expected.0).abs() < tolerance, "{interval:?} {expected:?} {deviation}");
        assert!((interval.high - expected.1).abs() < tolerance, "{interval:?} {expected:?} {deviation}");
    }

    #[test]
    fn two_values_have_the_binomials_quantiles() {
        // Means of 4 draws of 0 or 1 are 0, 1/4 ... 1 with the weights 1, 4, 6, 4, 1 of 16.
        let bootstrap = Bootstrap::default().level(0.75);
        let interval = bootstrap.average(&sample(&[&[0.0, 1.0, 0.0, 1.0]])).unwrap();
        // Below the 12.5th percent: 0 (6.25 %), then 1/4 (to 31.25 %).
        assert_eq!(interval, Interval { estimate: 0.5, low: 0.25, high: 0.75 });
    }

    #[test]
    fn the_p_value_nears_the_exact_one() {
        // Ten equal differences: only all signs alike are as extreme, 2 of 1,024.
        let (first, second) = (sample(&[&[3.0; 10]]), sample(&[&[1.0; 10]]));
        let bootstrap = Bootstrap::default().resamples(100_000);
        let difference = bootstrap.difference(&first, &second).unwrap();
        assert_eq!(difference.interval, Interval { estimate: 2.0, low: 2.0, high: 2.0 });
        // Five standard errors of a binomial share.
        let exact = 2.0 / 1024.0;
        let error = (exact * (1.0 - exact) / 1e5f64).sqrt();
        assert!((difference.p_value - exact).abs() < 5.0 * error + 1e-5, "{}", difference.p_value);
        let none = bootstrap.difference(&first, &first).unwrap();
        assert_eq!((none.interval, none.p_value), (Interval::default(), 1.0));
    }

    #[test]
    fn nothing_depends_on_threads() {
        let sample = sample(&[&skewed(300, 3), &[], &skewed(17, 4)]);
        let zeros = sample.values.iter().map(|v| vec![30.0; v.len()]).collect();
        let zeros = Sample { values: zeros, ..sample.clone() };
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Bootstrap::default().differences(&sample, &zeros).unwrap())
        };
        assert_eq!(run(1), run(5));
        let (groups, average) = run(2);
        assert_eq!(groups[1].interval, Interval::default());
        assert_eq!(
            average.interval.estimate,
            (groups[0].interval.estimate + groups[2].interval.estimate) / 2.0
        );
    }

    #[test]
    fn parameters_and_shapes_are_checked() {
        let one = sample(&[&[1.0]]);
        for bootstrap in [
            Bootstrap::default().resamples(0),
            Bootstrap::default().level(1.0),
            Bootstrap::default().level(f64::NAN),
        ] {
            assert!(bootstrap.average(&one).is_err());
        }
        assert!(Bootstrap::default().difference(&one, &sample(&[&[1.0, 2.0]])).is_err());
        assert!(Bootstrap::default().difference(&one, &sample(&[])).is_err());
        assert_eq!(Bootstrap::default().average(&sample(&[])).unwrap(), Interval::default());
    }

    proptest! {
        /// Computes the same by the definition: draw, average, sort, look up.
        #[test]
        fn equals_its_naive_twin(
            values in prop::collection::vec(prop::collection::vec(0.0f64..100.0, 0..9), 1..4),
            resamples in 1usize..40,
            seed: u64,
        ) {
            let bootstrap = Bootstrap::default().resamples(resamples).level(0.8).seed(seed);
            let sample = sample(&values.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let mut averages: Vec<f64> = (0..resamples).map(|r| {
                let drawn = values.iter().enumerate().map(|(g, values)| {
                    let mut random = bootstrap.random(g as u64, r, false);
                    values.iter().map(|_| values[random.below(values.len())]).collect()
                });
                Sample { groups: sample.groups.clone(), values: drawn.collect() }.mean()
            }).collect();
            averages.sort_by(f64::total_cmp);
            let interval = bootstrap.average(&sample).unwrap();
            let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
            prop_assert!(near(interval.low, quantile(&averages, 0.1)), "{interval:?}");
            prop_assert!(near(interval.high, quantile(&averages, 0.9)), "{interval:?}");
            prop_assert!(interval.low <= interval.high);
        }
    }
}
