use super::PartKind;
use crate::ScoreStatistics;

/// What a method learned of one list of similarities.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Fit {
    /// The statistics that similarities are standardized by: `z = (s - mean) / std_dev`.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub statistics: ScoreStatistics,
    /// How steeply the logarithm of the odds rises with `z`.
    pub slope: Option<f64>,
    /// The `z` at which a row is as likely to match as not.
    pub threshold: Option<f64>,
    /// The share of the archive that matches the part.
    pub share: Option<f64>,
    /// The nats by which a list differs from a uniform one.
    pub nats: Option<f64>,
    /// Why nothing was learned, and something fixed took its place.
    pub fallback: Option<Fallback>,
}

impl Fit {
    /// Makes a fit that has learned nothing but statistics.
    pub fn new(statistics: ScoreStatistics) -> Self {
        Self { statistics, ..Self::default() }
    }

    /// Returns what is doubtful about the fit.
    pub fn doubts(&self) -> impl Iterator<Item = Doubt> {
        /// Below this slope the two groups of a fit overlap so much that there may be but one: a rule of thumb.
        const MIN_SLOPE: f64 = 1.0;
        /// What fits more of an archive than this decides little: a rule of thumb.
        const LARGEST_SHARE: f64 = 0.4;
        let flat = self.slope.filter(|&slope| slope < MIN_SLOPE);
        let wide = self.share.filter(|&share| share > LARGEST_SHARE);
        let fallback = self.fallback.map(Doubt::Fallback);
        let no_group = flat.map(|slope| Doubt::NoSeparateGroup { slope });
        fallback.into_iter().chain(no_group).chain(wide.map(|share| Doubt::DecidesLittle { share }))
    }
}

/// Why a list taught nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Fallback {
    /// All similarities are equal: the part says the same of every row.
    Constant,
    /// There are too few rows to tell a group from the rest.
    FewRows,
    /// The list holds something that is no finite number.
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

/// What is doubtful about a fit.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Doubt {
    /// No group of rows stands apart from the others.
    NoSeparateGroup {
        /// The slope that was found.
        slope: f64,
    },
    /// Much of the archive matches.
    DecidesLittle {
        /// The share that matches.
        share: f64,
    },
    /// Nothing was learned.
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

/// How a method came to its answer: one entry for each part of the query that it reads.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Explanation {
    /// The parts: images, then texts, in the order of the query.
    pub parts: Vec<PartExplanation>,
}

/// How a part of a query was taken.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PartExplanation {
    /// Image or text.
    pub kind: PartKind,
    /// What its evidence was multiplied with.
    pub weight: f32,
    /// True for what the wanted images should not have.
    pub against: bool,
    /// The rows that define the part, nearest first; none if it asks as it is.
    pub neighbors: Vec<usize>,
    /// What was learned of its list.
    pub fit: Fit,
}

impl Explanation {
    /// Makes the explanation of parts with their weights and fits.
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

    /// Returns the share of the weights that texts have: WeiCom's lambda. `None` if nothing has weight.
    pub fn lambda(&self) -> Option<f64> {
        let weight = |kind: Option<PartKind>| -> f64 {
            let parts = self.parts.iter().filter(|part| kind.is_none_or(|kind| part.kind == kind));
            parts.map(|part| f64::from(part.weight)).sum()
        };
        let all = weight(None);
        (all > 0.0).then(|| weight(Some(PartKind::Text)) / all)
    }
}
