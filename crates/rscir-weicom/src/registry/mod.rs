mod parse;
mod resources;
mod summary;
#[cfg(test)]
mod tests;

use rscir_core::Method;

use crate::{
    Basic, BasicConfig, BasicResources, Conjunction, Dbsf, EntropyWeights, Error, Fisher, FreeDom,
    FreeDomConfig, GrClip, Harris, ImageOnly, InvertedSoftmax, Min, Posterior, PosteriorConfig, Product,
    Result, Rrf, Slerp, SlerpGrid, Stouffer, Sum, TextOnly, WeiCom, WeiComByParts, ZScoreVector,
};
use parse::begins_with_parameter;
pub use resources::Resources;

/// A method with its parameters, as a value that a command line or a configuration file chooses.
///
/// The text form is a name and, after a colon, parameters: `image`, `text`, `sum`, `product`, `product:raw`,
/// `weicom`, `weicom:0.6`, `weicom:lambda=0.6,norm=zscore`, `weicom:auto`, `weicom:auto,k=20`,
/// `weicom:0.6,parts=each`, `conjunction:lambda=0.4`, `conjunction:k=20`,
/// `posterior:k=20,vocabulary=off,order=0.2`, `posterior:k=auto`, `min:norm=minmax`, `slerp:0.5`,
/// `rrf:k=60,image=1,text=2`, `dbsf`, `freedom:kappa=20,ni=7,mu=7`,
/// `basic:aa=0.2,context=100,components=250,qe=25,harris=0.1` (a stage is switched off by `context=off`,
/// `centring=off`, `projection=off`, `qe=off`, `norm=off`), `zscore`, `stouffer`, `fisher`, `harris:0.1`,
/// `entropy:k=100`, `slerp-grid:10`, `gr-clip:0.5`, `inverted-softmax:20`. Parameters may also stand in parentheses,
/// so that [labels](Method::label) can be parsed: `rrf(k=60)`, `basic(context=off)`.
///
/// ```
/// use rscir_weicom::{MethodSpec, Resources};
///
/// let method = "weicom:0.6".parse::<MethodSpec>()?.build(&Resources::default())?;
/// assert_eq!(method.label(), "weicom(lambda=0.6)");
/// assert!("weicom:1.5".parse::<MethodSpec>().is_err());
/// # Ok::<(), rscir_weicom::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MethodSpec {
    /// [`ImageOnly`].
    Image,
    /// [`TextOnly`].
    Text,
    /// [`Sum`].
    Sum,
    /// [`Product`].
    Product(Product),
    /// [`Min`].
    Min(Min),
    /// [`WeiCom`].
    WeiCom(WeiCom),
    /// [`WeiComByParts`].
    WeiComByParts(WeiComByParts),
    /// [`Conjunction`].
    Conjunction(Conjunction),
    /// [`Posterior`].
    Posterior(PosteriorConfig),
    /// [`Slerp`].
    Slerp(Slerp),
    /// [`Rrf`].
    Rrf(Rrf),
    /// [`Dbsf`].
    Dbsf,
    /// [`ZScoreVector`].
    ZScoreVector,
    /// [`Stouffer`].
    Stouffer,
    /// [`Fisher`].
    Fisher,
    /// [`Harris`].
    Harris(Harris),
    /// [`EntropyWeights`].
    EntropyWeights(EntropyWeights),
    /// [`SlerpGrid`].
    SlerpGrid(SlerpGrid),
    /// [`GrClip`], which needs the mean of a vocabulary.
    GrClip {
        /// Weight of the text.
        alpha: f64,
    },
    /// [`InvertedSoftmax`], which needs a vocabulary.
    InvertedSoftmax {
        /// Inverse temperature.
        beta: f64,
    },
    /// [`FreeDom`], which needs a vocabulary and a text encoder.
    FreeDom(FreeDomConfig),
    /// [`Basic`], which needs subjects and styles, and a text encoder for its contexts.
    Basic(BasicConfig),
}

impl MethodSpec {
    /// Names that can be parsed.
    pub const NAMES: [&'static str; 21] = [
        "image",
        "text",
        "sum",
        "product",
        "min",
        "weicom",
        "conjunction",
        "posterior",
        "slerp",
        "rrf",
        "dbsf",
        "zscore",
        "stouffer",
        "fisher",
        "harris",
        "entropy",
        "slerp-grid",
        "gr-clip",
        "inverted-softmax",
        "freedom",
        "basic",
    ];

    /// Splits a list of methods at its commas, except those between parameters: `"image,rrf:k=60,text=2"` holds `image`
    /// and `rrf:k=60,text=2`.
    ///
    /// ```
    /// # use rscir_weicom::MethodSpec;
    /// assert_eq!(MethodSpec::split_list("rrf(k=20,text=2), sum"), ["rrf(k=20,text=2)", "sum"]);
    /// ```
    pub fn split_list(list: &str) -> Vec<&str> {
        let mut methods = Vec::new();
        let (mut start, mut depth) = (0, 0_usize);
        for (at, c) in list.char_indices() {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                ',' if depth == 0 && !begins_with_parameter(&list[at + 1..]) => {
                    methods.push(list[start..at].trim());
                    start = at + 1;
                }
                _ => {}
            }
        }
        methods.push(list[start..].trim());
        methods
    }

    /// Makes the method.
    ///
    /// # Errors
    /// [`Error::MissingResource`] if the method needs something that `resources` lacks; the errors of the
    /// method's own constructor.
    pub fn build(&self, resources: &Resources) -> Result<Box<dyn Method>> {
        Ok(match self {
            Self::Image => Box::new(ImageOnly),
            Self::Text => Box::new(TextOnly),
            Self::Sum => Box::new(Sum),
            Self::Product(product) => Box::new(*product),
            Self::Min(min) => Box::new(*min),
            Self::WeiCom(weicom) => Box::new(*weicom),
            Self::WeiComByParts(weicom) => Box::new(*weicom),
            Self::Conjunction(conjunction) => Box::new(*conjunction),
            Self::Posterior(config) => {
                Box::new(Posterior::new(config.clone(), resources.vocabulary_mean.clone())?)
            }
            Self::Slerp(slerp) => Box::new(*slerp),
            Self::Rrf(rrf) => Box::new(*rrf),
            Self::Dbsf => Box::new(Dbsf),
            Self::ZScoreVector => Box::new(ZScoreVector),
            Self::Stouffer => Box::new(Stouffer),
            Self::Fisher => Box::new(Fisher),
            Self::Harris(harris) => Box::new(*harris),
            Self::EntropyWeights(entropy) => Box::new(*entropy),
            Self::SlerpGrid(grid) => Box::new(*grid),
            Self::GrClip { alpha } => {
                let mean = need("gr-clip", "the mean of a vocabulary", &resources.vocabulary_mean)?;
                Box::new(GrClip::new(*alpha, mean)?)
            }
            Self::InvertedSoftmax { beta } => {
                let vocabulary = need("inverted-softmax", "a vocabulary", &resources.vocabulary)?;
                Box::new(InvertedSoftmax::new(*beta, vocabulary)?)
            }
            Self::FreeDom(config) => {
                let vocabulary = need("freedom", "a vocabulary", &resources.vocabulary)?;
                let encoder = need("freedom", "a text encoder", &resources.encoder)?;
                Box::new(FreeDom::with_config(*config, vocabulary, encoder)?)
            }
            Self::Basic(config) => {
                let resources = BasicResources {
                    subjects: need("basic", "subjects", &resources.subjects)?,
                    styles: need("basic", "styles", &resources.styles)?,
                    image_mean: resources.image_mean.clone(),
                    reference_set: resources.reference_set.clone(),
                    encoder: resources.encoder.clone(),
                };
                Box::new(Basic::new(*config, resources)?)
            }
        })
    }
}

fn need<T: Clone>(method: &'static str, resource: &'static str, given: &Option<T>) -> Result<T> {
    given.clone().ok_or(Error::MissingResource { method, resource })
}
