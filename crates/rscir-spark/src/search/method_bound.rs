use rscir_core::{Method, ScoreStatistics};
use rscir_weicom::{MethodSpec, Normalization};

use super::bound::{Bound, Join, List, Steps};
use crate::{Error, Result};

/// Facts about one list of a query that its bound depends on, beside the method.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListFacts {
    /// Mean and standard deviation of the similarities to all rows of the table.
    pub(super) statistics: ScoreStatistics,
    /// Largest difference between a similarity that an engine computes and the library's.
    pub(super) error: f64,
    /// Largest magnitude that a similarity can have.
    pub(super) largest: f64,
    /// The smallest and the largest similarity; `None` until they are known, and if the method does not read them.
    pub(super) extremes: Option<[f32; 2]>,
}

/// Relative error of a score's rounding, with respect to the sum of the magnitudes in it. Normalizing, weighting
/// and adding in `f32` round by at most a part in 2^24 each; eight such parts cover these steps and an engine's in
/// `f64`.
const ROUNDING: f64 = 8.0 / (1u64 << 24) as f64;

/// Absolute error of a score's rounding where the score is below the normal numbers of `f32`, so that its error is not
/// relative.
const LEAST_SLACK: f64 = 2.0 * f32::MIN_POSITIVE as f64;

/// A method as a bound sees it: how each list is normalized, and how the two are combined.
pub(super) struct Form {
    normalization: Normalize,
    join: Join,
}

/// How a list is normalized. The variants are the cases that a bound tells apart.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Normalize {
    None,
    /// The z-score times the first number, plus the second.
    ZScore(f64, f64),
    Cdf,
    ReferenceCdf,
    MinMax,
}

impl Form {
    /// Returns the form of a method.
    ///
    /// # Errors
    /// [`Error::MethodNotOffered`] if no bound of the method's scores is known.
    pub(super) fn of(spec: &MethodSpec, method: &dyn Method) -> Result<Self> {
        let (normalization, join) = match spec {
            MethodSpec::Image => (Normalize::None, Join::Sum([1.0, 0.0])),
            MethodSpec::Text => (Normalize::None, Join::Sum([0.0, 1.0])),
            MethodSpec::Sum => (Normalize::None, Join::Sum([1.0, 1.0])),
            MethodSpec::Product(product) => (Normalize::None, Join::Product { clamped: !product.raw }),
            MethodSpec::WeiCom(weicom) => {
                let lambda = weicom.lambda();
                // A list that decides alone is not normalized, except to make the ties that the reference program
                // makes.
                let alone =
                    (lambda == 0.0 || lambda == 1.0) && weicom.normalization() != Normalization::ReferenceCdf;
                let normalization = if alone { Normalization::None } else { weicom.normalization() };
                (known(normalization, method)?, Join::Sum([1.0 - lambda, lambda]))
            }
            MethodSpec::Min(min) => (known(min.normalization, method)?, Join::Least),
            // DBSF maps three standard deviations to either side of the mean to 0..1.
            MethodSpec::Dbsf => (Normalize::ZScore(1.0 / 6.0, 0.5), Join::Sum([1.0, 1.0])),
            MethodSpec::Stouffer => {
                (Normalize::ZScore(1.0, 0.0), Join::Sum([std::f64::consts::FRAC_1_SQRT_2; 2]))
            }
            _ => return Err(Error::MethodNotOffered { label: method.label() }),
        };
        Ok(Self { normalization, join })
    }

    /// Tells whether the method reads the similarities to the image, and whether it reads those to the text.
    pub(super) fn reads(&self) -> [bool; 2] {
        match self.join {
            Join::Sum([image, text]) => [image > 0.0, text > 0.0],
            _ => [true; 2],
        }
    }

    /// Tells whether the method reads the smallest and the largest similarity of each list.
    pub(super) fn reads_extremes(&self) -> bool {
        self.normalization == Normalize::MinMax
    }

    /// Makes the bound for one query. `facts` are those of image and text, `None` for a list that is not read.
    pub(super) fn bound(&self, facts: [Option<ListFacts>; 2]) -> Bound {
        let [image, text] =
            facts.map(|facts| facts.map_or((List::Unread, Spread::default()), |f| self.list(f)));
        let weights = match self.join {
            Join::Sum(weights) => weights,
            _ => [1.0; 2],
        };
        // The error of a product is at most that of one factor times the largest magnitude of the other, for each
        // factor.
        let of = |own: Spread, other: Spread| match self.join {
            Join::Product { .. } => own.error * (other.most + other.error),
            _ => own.error,
        };
        let spreads = [weights[0] * of(image.1, text.1), weights[1] * of(text.1, image.1)];
        let spread = match self.join {
            Join::Least => spreads[0].max(spreads[1]),
            _ => spreads[0] + spreads[1],
        };
        let most = match self.join {
            Join::Product { .. } => image.1.most * text.1.most,
            _ => weights[0] * image.1.most + weights[1] * text.1.most,
        };
        let tails = [image.0, text.0].iter().any(|list| matches!(list, List::Tail { .. }));
        let deviation = match self.join {
            Join::Sum(weights) => weights[0] * image.1.deviation + weights[1] * text.1.deviation,
            Join::Product { .. } => image.1.deviation * text.1.usual + text.1.deviation * image.1.usual,
            Join::Least => image.1.deviation.max(text.1.deviation),
        };
        Bound {
            image: image.0,
            text: text.0,
            join: self.join,
            slack: spread + most * ROUNDING + LEAST_SLACK,
            steps: if tails { Steps::Ratios } else { even(deviation) },
        }
    }

    /// Returns the function of a list that the bound computes, and how exact it is.
    fn list(&self, facts: ListFacts) -> (List, Spread) {
        let ListFacts { statistics: ScoreStatistics { mean, std_dev, .. }, error, largest, extremes } = facts;
        let linear = |factor: f64, offset: f64| {
            let most = factor.abs() * largest + offset.abs();
            let deviation = factor.abs() * std_dev;
            let usual = (factor * mean + offset).abs() + deviation;
            (List::Linear { factor, offset }, Spread { error: factor.abs() * error, most, deviation, usual })
        };
        let constant = |value: f64| linear(0.0, value);
        match self.normalization {
            Normalize::None => linear(1.0, 0.0),
            Normalize::ZScore(times, plus) if std_dev > 0.0 => {
                linear(times / std_dev, plus - times * mean / std_dev)
            }
            Normalize::ZScore(_, plus) => constant(plus),
            // A tail needs no slack at the end: it is computed for a similarity that is larger by the error, and is
            // made smaller by TAIL_SLACK.
            Normalize::Cdf if std_dev > 0.0 => {
                (List::Tail { center: mean - error, scale: std_dev.recip() }, Spread::default())
            }
            Normalize::Cdf => constant(-0.5),
            Normalize::ReferenceCdf if std_dev > 0.0 => {
                // The reference computes `1 - Q`. The tail is `-Q`, so the difference between the two is 1.
                (
                    List::Tail { center: mean - error, scale: std_dev.recip() },
                    Spread { error: 1.0, most: 1.0, ..Spread::default() },
                )
            }
            Normalize::ReferenceCdf => constant(0.5),
            Normalize::MinMax => match extremes {
                Some([min, max]) if max > min => {
                    let factor = 1.0 / (f64::from(max) - f64::from(min));
                    linear(factor, -f64::from(min) * factor)
                }
                _ => constant(0.0),
            },
        }
    }
}

/// How exact a list's values are, and how they are spread.
#[derive(Debug, Clone, Copy, Default)]
struct Spread {
    /// Largest difference between a value of the engine and the library's.
    error: f64,
    /// Largest magnitude.
    most: f64,
    /// Standard deviation; 0 of a tail.
    deviation: f64,
    /// Magnitude that most values have; 0 of a tail.
    usual: f64,
}

/// Returns steps for linear bounds with a standard deviation, about.
fn even(deviation: f64) -> Steps {
    Steps::Even { width: if deviation.is_normal() { deviation } else { 1.0 } }
}

/// Returns how a bound treats a normalization.
///
/// # Errors
/// [`Error::MethodNotOffered`] if no bound is known for it.
fn known(normalization: Normalization, method: &dyn Method) -> Result<Normalize> {
    Ok(match normalization {
        Normalization::None => Normalize::None,
        Normalization::ZScore => Normalize::ZScore(1.0, 0.0),
        Normalization::Cdf => Normalize::Cdf,
        Normalization::ReferenceCdf => Normalize::ReferenceCdf,
        Normalization::MinMax => Normalize::MinMax,
        _ => return Err(Error::MethodNotOffered { label: method.label() }),
    })
}

/// Makes the bound that orders rows by the similarities of one list, or by their negatives if `falls`. `error` is the largest
/// error of a similarity, `deviation` their standard deviation.
pub(crate) fn similarity_bound(of_text: bool, error: f64, deviation: f64, falls: bool) -> Bound {
    let factor = if falls { -1.0 } else { 1.0 };
    let list = List::Linear { factor, offset: 0.0 };
    let lists = if of_text { [List::Unread, list] } else { [list, List::Unread] };
    Bound {
        image: lists[0],
        text: lists[1],
        join: Join::Sum([1.0; 2]),
        slack: error + LEAST_SLACK,
        steps: even(deviation),
    }
}

/// Returns the largest difference between two inner products of the same `dim` numbers that are both computed in
/// `f32` or wider, in any order. Each is within `gamma |x| |y|` of the exact one (N. Higham, *Accuracy and
/// Stability of Numerical Algorithms*, 2002, section 3.1); `largest` is at least `|x| |y|`.
pub(super) fn similarity_error(dim: usize, largest: f64) -> f64 {
    let unit = 0.5 * f64::from(f32::EPSILON);
    let gamma = dim as f64 * unit / (1.0 - dim as f64 * unit);
    // The second term covers products below the normal numbers of f32, whose error is not relative.
    2.0 * gamma * largest + dim as f64 * f64::from(f32::MIN_POSITIVE)
}

/// Returns an upper bound of the magnitude of a similarity between a query's vector and vectors of at most the
/// length `longest`.
pub(super) fn largest_similarity(query: &[f32], longest: f64) -> f64 {
    let squared: f64 = query.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    squared.sqrt() * longest * (1.0 + 1e-9)
}
