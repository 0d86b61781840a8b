use rscir_core::{Method, ScoreStatistics};
use rscir_weicom::{MethodSpec, Normalization};

use super::bound::{Bound, Join, List};
use crate::{Error, Result};

/// What a bound is made of beside the method.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListFacts {
    /// Mean and deviation of the similarities.
    pub(super) statistics: ScoreStatistics,
    /// How far a similarity that an engine computes can be from the library's.
    pub(super) error: f64,
    /// The largest magnitude that a similarity can have.
    pub(super) largest: f64,
    /// The least and the greatest similarity, where the method reads them.
    pub(super) extremes: Option<[f32; 2]>,
}

/// Rounding that `f32` makes of a value on its way to a score: normalizing, weighting and adding, each a part in 2^24 of what is
/// at most as large as the sum of magnitudes, and some for an engine's sums in `f64`.
const ROUNDING: f64 = 8.0 / (1u64 << 24) as f64;

/// What keeps a bound above a score so small that `f32` rounds it in steps rather than by a part of itself.
const LEAST_SLACK: f64 = 2.0 * f32::MIN_POSITIVE as f64;

/// How a method combines two lists, each normalized in some way.
pub(super) struct Form {
    normalization: Normalize,
    join: Join,
}

/// How a list is normalized, as far as a bound is concerned.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Normalize {
    None,
    /// The z-score times this, plus that.
    ZScore(f64, f64),
    Cdf,
    ReferenceCdf,
    MinMax,
}

impl Form {
    /// The form of a method.
    ///
    /// # Errors
    /// [`Error::MethodNotOffered`].
    pub(super) fn of(spec: &MethodSpec, method: &dyn Method) -> Result<Self> {
        let (normalization, join) = match spec {
            MethodSpec::Image => (Normalize::None, Join::Sum([1.0, 0.0])),
            MethodSpec::Text => (Normalize::None, Join::Sum([0.0, 1.0])),
            MethodSpec::Sum => (Normalize::None, Join::Sum([1.0, 1.0])),
            MethodSpec::Product(product) => (Normalize::None, Join::Product { clamped: !product.raw }),
            MethodSpec::WeiCom(weicom) => {
                let lambda = weicom.lambda();
                // One list alone is not normalized, unless the reference's ties are wanted.
                let alone =
                    (lambda == 0.0 || lambda == 1.0) && weicom.normalization() != Normalization::ReferenceCdf;
                let normalization = if alone { Normalization::None } else { weicom.normalization() };
                (known(normalization, method)?, Join::Sum([1.0 - lambda, lambda]))
            }
            MethodSpec::Min(min) => (known(min.normalization, method)?, Join::Least),
            // Six deviations are mapped to 1.
            MethodSpec::Dbsf => (Normalize::ZScore(1.0 / 6.0, 0.5), Join::Sum([1.0, 1.0])),
            MethodSpec::Stouffer => {
                (Normalize::ZScore(1.0, 0.0), Join::Sum([std::f64::consts::FRAC_1_SQRT_2; 2]))
            }
            _ => return Err(Error::MethodNotOffered { label: method.label() }),
        };
        Ok(Self { normalization, join })
    }

    /// Tells which lists are read.
    pub(super) fn reads(&self) -> [bool; 2] {
        match self.join {
            Join::Sum([image, text]) => [image > 0.0, text > 0.0],
            _ => [true; 2],
        }
    }

    /// Tells whether the least and the greatest similarity of each list are read.
    pub(super) fn reads_extremes(&self) -> bool {
        self.normalization == Normalize::MinMax
    }

    /// The bound for one query. Facts are there of the lists that are read.
    pub(super) fn bound(&self, facts: [Option<ListFacts>; 2]) -> Bound {
        let [image, text] =
            facts.map(|facts| facts.map_or((List::Unread, Spread::default()), |f| self.list(f)));
        let weights = match self.join {
            Join::Sum(weights) => weights,
            _ => [1.0; 2],
        };
        // A product moves by what one factor is off times the other, and both are at most as large as they are.
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
        Bound { image: image.0, text: text.0, join: self.join, slack: spread + most * ROUNDING + LEAST_SLACK }
    }

    /// What becomes of a list.
    fn list(&self, facts: ListFacts) -> (List, Spread) {
        let ListFacts { statistics: ScoreStatistics { mean, std_dev, .. }, error, largest, extremes } = facts;
        let linear = |factor: f64, offset: f64| {
            let most = factor.abs() * largest + offset.abs();
            (List::Linear { factor, offset }, Spread { error: factor.abs() * error, most })
        };
        let constant = |value: f64| linear(0.0, value);
        match self.normalization {
            Normalize::None => linear(1.0, 0.0),
            Normalize::ZScore(times, plus) if std_dev > 0.0 => {
                linear(times / std_dev, plus - times * mean / std_dev)
            }
            Normalize::ZScore(_, plus) => constant(plus),
            // A tail is bounded where it is computed: relative to itself, and at a similarity that is larger by the error.
            Normalize::Cdf if std_dev > 0.0 => {
                (List::Tail { center: mean - error, scale: std_dev.recip() }, Spread::default())
            }
            Normalize::Cdf => constant(-0.5),
            Normalize::ReferenceCdf if std_dev > 0.0 => {
                // It is `1 - Q`: the 1 is what the tail's values are off by.
                (
                    List::Tail { center: mean - error, scale: std_dev.recip() },
                    Spread { error: 1.0, most: 1.0 },
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

/// How far a list's values can be from those that an engine computes, and how large they are at most.
#[derive(Debug, Clone, Copy, Default)]
struct Spread {
    error: f64,
    most: f64,
}

/// The form of a normalization, if its bound is known.
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

/// The bound of one list's similarities themselves, or of their negatives.
pub(crate) fn similarity_bound(of_text: bool, error: f64, falls: bool) -> Bound {
    let factor = if falls { -1.0 } else { 1.0 };
    let list = List::Linear { factor, offset: 0.0 };
    let lists = if of_text { [List::Unread, list] } else { [list, List::Unread] };
    Bound { image: lists[0], text: lists[1], join: Join::Sum([1.0; 2]), slack: error + LEAST_SLACK }
}

/// How far two inner products of `dim` numbers can be apart that are both computed in `f32` or wider, whatever the order of their
/// sums (N. Higham, *Accuracy and Stability of Numerical Algorithms*, 2002, section 3.1): each is within `gamma |x| |y|` of the
/// exact one; `largest` is at least `|x| |y|`.
pub(super) fn similarity_error(dim: usize, largest: f64) -> f64 {
    let unit = 0.5 * f64::from(f32::EPSILON);
    let gamma = dim as f64 * unit / (1.0 - dim as f64 * unit);
    // What falls below the normal numbers of f32 is off by less than this.
    2.0 * gamma * largest + dim as f64 * f64::from(f32::MIN_POSITIVE)
}

/// The largest magnitude of a similarity to rows that are `longest` at most.
pub(super) fn largest_similarity(query: &[f32], longest: f64) -> f64 {
    let squared: f64 = query.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    squared.sqrt() * longest * (1.0 + 1e-9)
}
