//! What a method is: any scorer, a fusion of two similarity lists, evidence of any number of parts, or a composition of one
//! vector.

mod composition;
mod evidence;
mod fit;
mod fusion;
mod info;
mod normalization_key;

pub use composition::{Composition, score_composition};
pub use evidence::{
    AskedPart, Evidence, EvidenceSum, ListSample, Part, PartKind, fit_list, fit_list_with, fixed_rows,
    score_evidence,
};
pub use fit::{Doubt, Explanation, Fallback, Fit, PartExplanation};
pub use fusion::{Fusion, Modality, fuse_lists, score_fusion};
pub use info::{MethodInfo, ParameterValue};
pub use normalization_key::NormalizationKey;

use crate::{Archive, ComposedQuery, Result};

/// A composition method: gives every row of an archive a score for one composed query.
///
/// A method is more than a fusion of two similarity lists; it may look at neighbors, a vocabulary or another encoder.
/// [`Method::kind`] says whether it is such a fusion or adds up evidence, and engines may then share the lists between
/// queries and methods, or whether it makes one vector of the query, and engines may then score many queries in one product.
pub trait Method: Send + Sync {
    /// Returns what the method is: family, parameters and label.
    fn info(&self) -> MethodInfo;

    /// Returns the name with the parameters that matter, as tables print it: `weicom(lambda=0.5)`.
    fn label(&self) -> String {
        self.info().label
    }

    /// Writes one score per row, higher is better. Scores need only be comparable within one call.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if `scores` is not as long as the archive;
    /// [`Error::MissingPart`](crate::Error::MissingPart) if the query lacks what the method needs;
    /// [`Error::Spec`](crate::Error::Spec) if query and archive come from different encoders.
    fn score(&self, query: &ComposedQuery, archive: &dyn Archive, scores: &mut [f32]) -> Result<()>;

    /// Returns the method's own value for a score, where [`Method::score`] writes another form that keeps order better.
    fn display_score(&self, score: f32) -> f32 {
        score
    }

    /// Returns this method as its authors' program computes it, where that program rounds so that figures differ: for
    /// reproducing published figures alone. `None` if there is no such difference.
    fn reference(&self) -> Option<Box<dyn Method>> {
        None
    }

    /// Returns what kind of method this is. Default: [`Kind::Scorer`].
    fn kind(&self) -> Kind<'_> {
        Kind::Scorer
    }
}

/// What engines may make use of in a method.
#[derive(Clone, Copy)]
pub enum Kind<'a> {
    /// A function of two similarity lists.
    Fusion(&'a dyn Fusion),
    /// The sum of what each part of the query says by itself.
    Evidence(&'a dyn Evidence),
    /// The similarity to one vector that is made of the query.
    Composition(&'a dyn Composition),
    /// Any other method: [`Method::score`] says all.
    Scorer,
}

impl<'a> Kind<'a> {
    /// Returns the fusion, if the method is one.
    pub fn fusion(self) -> Option<&'a dyn Fusion> {
        match self {
            Self::Fusion(fusion) => Some(fusion),
            Self::Evidence(_) | Self::Composition(_) | Self::Scorer => None,
        }
    }

    /// Returns the method by evidence, if the method is one.
    pub fn evidence(self) -> Option<&'a dyn Evidence> {
        match self {
            Self::Evidence(evidence) => Some(evidence),
            Self::Fusion(_) | Self::Composition(_) | Self::Scorer => None,
        }
    }

    /// Returns the composition, if the method is one.
    pub fn composition(self) -> Option<&'a dyn Composition> {
        match self {
            Self::Composition(composition) => Some(composition),
            Self::Fusion(_) | Self::Evidence(_) | Self::Scorer => None,
        }
    }
}

impl std::fmt::Debug for Kind<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fusion(fusion) => f.debug_tuple("Fusion").field(&fusion.label()).finish(),
            Self::Evidence(evidence) => f.debug_tuple("Evidence").field(&evidence.label()).finish(),
            Self::Composition(composition) => {
                f.debug_tuple("Composition").field(&composition.label()).finish()
            }
            Self::Scorer => f.write_str("Scorer"),
        }
    }
}
