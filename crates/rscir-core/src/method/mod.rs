//! Defines what a method is: any scorer, a fusion of two similarity lists, evidence of any number of parts,
//! or a composition into one vector.

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

/// A composition method: it gives every row of an archive a score for one composed query.
///
/// A method may be more than a fusion of two similarity lists: it may look at neighbors, a vocabulary or
/// another encoder. Where [`Method::kind`] says that it is a fusion or adds up evidence, engines can share
/// lists between queries and methods. Where it makes one vector of the query, engines can score many queries
/// in one product.
pub trait Method: Send + Sync {
    /// Returns what the method is: family, parameters and label.
    fn info(&self) -> MethodInfo;

    /// Returns the name with the parameters that matter, as tables print it: `weicom(lambda=0.5)`.
    fn label(&self) -> String {
        self.info().label
    }

    /// Writes one score for each row; higher is better. Only scores of one call can be compared.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if `scores` is not as long as the archive;
    /// [`Error::MissingPart`](crate::Error::MissingPart) if the query lacks a part that the method needs;
    /// [`Error::Spec`](crate::Error::Spec) if query and archive come from different encoders.
    fn score(&self, query: &ComposedQuery, archive: &dyn Archive, scores: &mut [f32]) -> Result<()>;

    /// Returns the value of the method's formula for a score, where [`Method::score`] writes a transformed
    /// value that keeps the order better. Default: the score.
    fn display_score(&self, score: f32) -> f32 {
        score
    }

    /// Returns this method as its authors' program computes it, if that program rounds so that figures
    /// differ. Use it only to reproduce published figures. Default: `None`, no difference.
    fn reference(&self) -> Option<Box<dyn Method>> {
        None
    }

    /// Returns what kind of method this is. Default: [`Kind::Scorer`].
    fn kind(&self) -> Kind<'_> {
        Kind::Scorer
    }
}

/// Kind of a method, with the methods of that kind for engines to call.
#[derive(Clone, Copy)]
pub enum Kind<'a> {
    /// A function of two similarity lists.
    Fusion(&'a dyn Fusion),
    /// The sum of the evidence of each part of the query.
    Evidence(&'a dyn Evidence),
    /// The similarity to one vector made of the query.
    Composition(&'a dyn Composition),
    /// Any other method. Only [`Method::score`] can compute it.
    Scorer,
}

impl<'a> Kind<'a> {
    /// Returns the fusion, or `None` if the method is of another kind.
    pub fn fusion(self) -> Option<&'a dyn Fusion> {
        match self {
            Self::Fusion(fusion) => Some(fusion),
            Self::Evidence(_) | Self::Composition(_) | Self::Scorer => None,
        }
    }

    /// Returns the method by evidence, or `None` if the method is of another kind.
    pub fn evidence(self) -> Option<&'a dyn Evidence> {
        match self {
            Self::Evidence(evidence) => Some(evidence),
            Self::Fusion(_) | Self::Composition(_) | Self::Scorer => None,
        }
    }

    /// Returns the composition, or `None` if the method is of another kind.
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
