use super::PartKind;
use crate::ScoreStatistics;

/// What a method learned from one list of similarities.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Fit {
    /// Statistics by which similarities are standardized: `z = (s - mean) / std_dev`.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub statistics: ScoreStatistics,
    /// Slope of the log odds of a match over `z`.
    pub slope: Option<f64>,
    /// The `z` at which a row matches with probability 1/2.
    pub threshold: Option<f64>,
    /// Share of the archive that matches the part, from 0 to 1.
    pub share: Option<f64>,
    /// Information in nats by which the list differs from a uniform one.
    pub nats: Option<f64>,
    /// Why nothing could be learned, and fixed values were used instead.
    pub fallback: Option<Fallback>,
}

impl Fit {
    /// Makes a fit that holds nothing but statistics.
    pub fn new(statistics: ScoreStatistics) -> Self {
        Self { statistics, ..Self::default() }
    }

    /// Returns the doubts about the fit.
    pub fn doubts(&self) -> impl Iterator<Item = Doubt> {
        /// Least slope without a doubt. Below it the two groups of a fit overlap so much that there may be
        /// only one. A rule of thumb.
        const MIN_SLOPE: f64 = 1.0;
        /// Greatest share without a doubt. A part that more of the archive matches decides little. A rule of
        /// thumb.
        const LARGEST_SHARE: f64 = 0.4;
        let flat = self.slope.filter(|&slope| slope < MIN_SLOPE);
        let wide = self.share.filter(|&share| share > LARGEST_SHARE);
        let fallback = self.fallback.map(Doubt::Fallback);
        let no_group = flat.map(|slope| Doubt::NoSeparateGroup { slope });
        fallback.into_iter().chain(no_group).chain(wide.map(|share| Doubt::DecidesLittle { share }))
    }
}

/// Why nothing could be learned from a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Fallback {
    /// All similarities are equal: the part says the same about every row.
    Constant,
    /// There are too few rows to tell a group from the rest.
    FewRows,
    /// The list holds NaN or an infinity.
    NotFinite,
}

impl std::fmt::Display for Fallback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Constant => "all tiles are equally similar",
            Self::FewRows => "there are too few tiles to tell a group from the rest",
            Self::NotFinite => "a similarity is no finite number",
        })
    }
}

/// A doubt about a fit.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Doubt {
    /// No group of rows stands apart from the others.
    NoSeparateGroup {
        /// The slope of the fit.
        slope: f64,
    },
    /// Much of the archive matches.
    DecidesLittle {
        /// The share of the archive that matches.
        share: f64,
    },
    /// Nothing was learned, for this reason.
    Fallback(Fallback),
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSeparateGroup { slope } => {
                write!(f, "no group of tiles stands apart (slope {slope:.2}): its probabilities say little")
            }
            Self::DecidesLittle { share } => {
                write!(f, "fits {:.0} % of the archive: it decides little", 100.0 * share)
            }
            Self::Fallback(reason) => write!(f, "nothing was learned: {reason}"),
        }
    }
}

/// How a method came to its answer, with one entry for each part of the query that it reads.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Explanation {
    /// The parts: images, then texts, in the order of the query.
    pub parts: Vec<PartExplanation>,
}

/// How a method took a part of a query.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PartExplanation {
    /// Kind of the part.
    pub kind: PartKind,
    /// Factor of the part's evidence.
    pub weight: f32,
    /// `true` for what the wanted images should not have.
    pub against: bool,
    /// The rows that the part's vector was made of, nearest first. Empty if the vector is the part's own.
    pub neighbors: Vec<usize>,
    /// What was learned from the part's list.
    pub fit: Fit,
}

impl Explanation {
    /// Makes the explanation of parts with their weights and fits, which are in the same order.
    pub fn of(parts: &[super::AskedPart], weights: &[f32], fits: &[Fit]) -> Self {
        let parts = parts.iter().zip(weights).zip(fits).map(|((part, &weight), &fit)| PartExplanation {
            kind: part.kind,
            weight,
            against: part.against,
            neighbors: part.neighbors.clone(),
            fit,
        });
        Self { parts: parts.collect() }
    }

    /// Returns the texts' share of the weights, which is WeiCom's lambda. `None` if all weights are 0.
    pub fn lambda(&self) -> Option<f64> {
        let weight = |kind: Option<PartKind>| -> f64 {
            let parts = self.parts.iter().filter(|part| kind.is_none_or(|kind| part.kind == kind));
            parts.map(|part| f64::from(part.weight)).sum()
        };
        let all = weight(None);
        (all > 0.0).then(|| weight(Some(PartKind::Text)) / all)
    }
}
