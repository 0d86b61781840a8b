use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rscir_core::{Embeddings, Method, TextEncoder};

use crate::parameters::Parameters;
use crate::{
    Basic, BasicConfig, BasicResources, Conjunction, Dbsf, Error, FreeDom, FreeDomConfig, ImageOnly, Min,
    Neighbors, Normalization, Posterior, PosteriorConfig, Product, Result, Rrf, Slerp, Sum, TextOnly,
    Vocabulary, VocabularyMean, WeiCom, WeiComByParts,
};

/// A method with its parameters, as a value: what a command line or a configuration file chooses.
///
/// Parsed from a name and, after a colon, parameters: `image`, `text`, `sum`, `product`, `product:raw`, `weicom`,
/// `weicom:0.6`, `weicom:lambda=0.6,norm=zscore`, `weicom:auto`, `weicom:0.6,parts=each`, `conjunction:lambda=0.4`,
/// `posterior:k=20,vocabulary=off,order=0.2`, `posterior:k=auto`, `min:norm=minmax`, `slerp:0.5`, `rrf:k=60,image=1,text=2`, `dbsf`,
/// `freedom:kappa=20,ni=7,mu=7`, `basic:aa=0.2,context=100,components=250,qe=25,harris=0.1` (a stage is switched off by
/// `context=off`, `centring=off`, `projection=off`, `qe=off`, `norm=off`). Parameters may stand in parentheses as well, so
/// [labels](Method::label) can be parsed: `rrf(k=60)`, `basic(context=off)`.
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
    /// [`FreeDom`]; needs a vocabulary and a text encoder.
    FreeDom(FreeDomConfig),
    /// [`Basic`]; needs subjects and styles, and a text encoder for its contexts.
    Basic(BasicConfig),
}

/// What some methods need beside the archive. The default has nothing, which is enough for all fusions and [`Slerp`].
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Resources {
    /// Encodes the prompts that a method writes.
    pub encoder: Option<Arc<dyn TextEncoder>>,
    /// What all texts have in common, for [`Posterior`], which does without where there is none.
    pub vocabulary_mean: Option<VocabularyMean>,
    /// Words that [`FreeDom`] turns images into.
    pub vocabulary: Option<Arc<Vocabulary>>,
    /// Words for what is on images, for [`Basic`].
    pub subjects: Option<Arc<Vocabulary>>,
    /// Words for how images look, for [`Basic`].
    pub styles: Option<Arc<Vocabulary>>,
    /// See [`BasicResources::image_mean`].
    pub image_mean: Option<Vec<f32>>,
    /// See [`BasicResources::reference_set`].
    pub reference_set: Option<(Embeddings, Embeddings)>,
}

impl Resources {
    /// Sets what encodes the prompts that a method writes.
    #[must_use]
    pub fn encoder(mut self, encoder: Arc<dyn TextEncoder>) -> Self {
        self.encoder = Some(encoder);
        self
    }

    /// Sets what all texts have in common, for [`Posterior`].
    #[must_use]
    pub fn vocabulary_mean(mut self, vocabulary_mean: VocabularyMean) -> Self {
        self.vocabulary_mean = Some(vocabulary_mean);
        self
    }

    /// Sets the words that [`FreeDom`] turns images into.
    #[must_use]
    pub fn vocabulary(mut self, vocabulary: Arc<Vocabulary>) -> Self {
        self.vocabulary = Some(vocabulary);
        self
    }

    /// Sets the words for what is on images, for [`Basic`].
    #[must_use]
    pub fn subjects(mut self, subjects: Arc<Vocabulary>) -> Self {
        self.subjects = Some(subjects);
        self
    }

    /// Sets the words for how images look, for [`Basic`].
    #[must_use]
    pub fn styles(mut self, styles: Arc<Vocabulary>) -> Self {
        self.styles = Some(styles);
        self
    }

    /// Sets the mean image feature to center by: see [`BasicResources::image_mean`].
    #[must_use]
    pub fn image_mean(mut self, image_mean: Vec<f32>) -> Self {
        self.image_mean = Some(image_mean);
        self
    }

    /// Sets image and text features that normalize: see [`BasicResources::reference_set`].
    #[must_use]
    pub fn reference_set(mut self, images: Embeddings, texts: Embeddings) -> Self {
        self.reference_set = Some((images, texts));
        self
    }
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |list: &Option<Arc<Vocabulary>>| list.as_ref().map(|list| list.len());
        f.debug_struct("Resources")
            .field("encoder", &self.encoder.as_ref().map(|encoder| encoder.spec()))
            .field("vocabulary_mean", &self.vocabulary_mean.as_ref().map(VocabularyMean::words))
            .field("vocabulary", &words(&self.vocabulary))
            .field("subjects", &words(&self.subjects))
            .field("styles", &words(&self.styles))
            .field("image_mean", &self.image_mean.is_some())
            .field("reference_set", &self.reference_set.is_some())
            .finish()
    }
}

impl MethodSpec {
    /// The names that can be parsed.
    pub const NAMES: [&'static str; 13] = [
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
        "freedom",
        "basic",
    ];

    /// Splits a list of methods at its commas, but for those between parameters: `"image,rrf:k=60,text=2"` holds `image` and
    /// `rrf:k=60,text=2`.
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
    /// [`Error::MissingResource`] if the method needs something that `resources` lacks; what the method's own
    /// constructor refuses.
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

/// True if a list goes on with a named parameter, which belongs to the method before it.
fn begins_with_parameter(rest: &str) -> bool {
    rest.find(['=', ',', ':', '(']).is_some_and(|at| rest.as_bytes()[at] == b'=')
}

/// The name and the parameters of a method, which follow a colon or stand in parentheses.
fn split(method: &str) -> (&str, Option<&str>) {
    let method = method.trim();
    match method.split_once([':', '(']) {
        Some((name, text)) if method.as_bytes()[name.len()] == b':' => (name.trim(), Some(text)),
        Some((name, text)) if text.ends_with(')') => (name.trim(), Some(&text[..text.len() - 1])),
        _ => (method, None),
    }
}

fn need<T: Clone>(method: &'static str, resource: &'static str, given: &Option<T>) -> Result<T> {
    given.clone().ok_or(Error::MissingResource { method, resource })
}

impl FromStr for MethodSpec {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        let (name, text) = split(s);
        let plain = |method, spec| Parameters::new(method, text).finish().map(|()| spec);
        match name {
            "image" => plain("image", Self::Image),
            "text" => plain("text", Self::Text),
            "sum" => plain("sum", Self::Sum),
            "product" => {
                let mut parameters = Parameters::new("product", text);
                let raw = match parameters.positional("clamp") {
                    None | Some("on" | "clamped") => false,
                    Some("off" | "raw") => true,
                    Some(value) => return Err(parameters.bad("clamp", value, "on, off or raw")),
                };
                parameters.finish()?;
                Ok(Self::Product(Product { raw }))
            }
            "min" => {
                let mut parameters = Parameters::new("min", text);
                let normalization = normalization(&mut parameters)?.unwrap_or_default();
                parameters.finish()?;
                Ok(Self::Min(Min { normalization }))
            }
            "weicom" => weicom(Parameters::new("weicom", text)),
            "conjunction" => {
                let mut parameters = Parameters::new("conjunction", text);
                let lambda = parameters.number("lambda", true)?;
                parameters.finish()?;
                lambda.map_or(Ok(Conjunction::default()), Conjunction::new).map(Self::Conjunction)
            }
            "posterior" => posterior(Parameters::new("posterior", text)).map(Self::Posterior),
            "slerp" => {
                let mut parameters = Parameters::new("slerp", text);
                let alpha = parameters.number("alpha", true)?;
                parameters.finish()?;
                alpha.map_or(Ok(Slerp::default()), Slerp::new).map(Self::Slerp)
            }
            "rrf" => {
                let mut parameters = Parameters::new("rrf", text);
                let k = parameters.number("k", true)?.unwrap_or(60.0);
                let image = parameters.number("image", false)?.unwrap_or(1.0);
                let text = parameters.number("text", false)?.unwrap_or(1.0);
                parameters.finish()?;
                Rrf::new(k as f32, image as f32, text as f32).map(Self::Rrf)
            }
            "dbsf" => plain("dbsf", Self::Dbsf),
            "freedom" => freedom(Parameters::new("freedom", text)).map(Self::FreeDom),
            "basic" => basic(Parameters::new("basic", text)).map(Self::Basic),
            _ => Err(Error::UnknownMethod { name: name.into(), known: Self::NAMES.join(", ") }),
        }
    }
}

fn weicom(mut parameters: Parameters<'_>) -> Result<MethodSpec> {
    if let Some(_auto) = parameters.word("lambda", "auto") {
        parameters.finish()?;
        return Ok(MethodSpec::WeiComByParts(WeiComByParts::auto()));
    }
    if let Some(_each) = parameters.word("parts", "each") {
        let lambda = parameters.number("lambda", true)?.unwrap_or(WeiCom::default().lambda());
        parameters.finish()?;
        return WeiComByParts::new(lambda).map(MethodSpec::WeiComByParts);
    }
    let lambda = parameters.number("lambda", true)?;
    let normalization = normalization(&mut parameters)?;
    parameters.finish()?;
    let method = lambda.map_or(Ok(WeiCom::default()), WeiCom::new)?;
    Ok(MethodSpec::WeiCom(normalization.map_or(method, |n| method.with_normalization(n))))
}

fn posterior(mut parameters: Parameters<'_>) -> Result<PosteriorConfig> {
    let default = PosteriorConfig::default();
    let neighbors = match parameters.word("k", "auto") {
        Some(_auto) => Neighbors::Auto,
        None => parameters.count("k")?.map_or(default.neighbors, Neighbors::Fixed),
    };
    let config = PosteriorConfig {
        neighbors,
        vocabulary: parameters.number_or_off("vocabulary")?.unwrap_or(default.vocabulary),
        order: parameters.number_or_off("order")?.unwrap_or(default.order),
        lambda: parameters.number("lambda", false)?.unwrap_or(default.lambda),
        ..default
    };
    parameters.finish()?;
    // What the method refuses is refused before anything is loaded.
    Posterior::new(config.clone(), None)?;
    Ok(config)
}

fn freedom(mut parameters: Parameters<'_>) -> Result<FreeDomConfig> {
    let mut config = FreeDomConfig::default();
    for (name, field) in
        [("kappa", &mut config.neighbors), ("ni", &mut config.words_per_image), ("mu", &mut config.words)]
    {
        if let Some(count) = parameters.count(name)? {
            *field = count;
        }
    }
    parameters.finish()?;
    Ok(config)
}

fn basic(mut parameters: Parameters<'_>) -> Result<BasicConfig> {
    let paper = BasicConfig::default();
    let projection = match (parameters.switch("projection")?, parameters.number("aa", false)?) {
        (Some(false), _) => None,
        (_, share) => share.or(paper.projection),
    };
    let config = BasicConfig {
        context: parameters.count_or_off("context")?.unwrap_or(paper.context),
        centering: centering(&mut parameters)?.unwrap_or(paper.centering),
        projection,
        components: parameters.count("components")?.unwrap_or(paper.components),
        expansion: parameters.count_or_off("qe")?.unwrap_or(paper.expansion),
        normalization: parameters.switch("norm")?.unwrap_or(paper.normalization),
        harris: parameters.number("harris", false)?.unwrap_or(paper.harris),
    };
    parameters.finish()?;
    Ok(config)
}

/// The switch `centring`, which labels have written so since 0.1, or `centering`.
fn centering(parameters: &mut Parameters<'_>) -> Result<Option<bool>> {
    Ok(parameters.switch("centring")?.or(parameters.switch("centering")?))
}

fn normalization(parameters: &mut Parameters<'_>) -> Result<Option<Normalization>> {
    let Some(value) = parameters.named("norm") else { return Ok(None) };
    let found = Normalization::from_name(value);
    found.map(Some).ok_or_else(|| parameters.bad("norm", value, "cdf, zscore, minmax or none"))
}

#[cfg(test)]
mod tests {
    use rscir_core::EncoderSpec;

    use super::*;

    fn label(s: &str) -> String {
        s.parse::<MethodSpec>().unwrap().build(&Resources::default()).unwrap().label()
    }

    #[test]
    fn strings_choose_methods() {
        for (text, expected) in [
            ("image", "image"),
            ("text", "text"),
            ("sum", "sum"),
            ("product", "product"),
            ("product:raw", "product(raw)"),
            ("weicom", "weicom(lambda=0.5)"),
            ("weicom:0", "weicom(lambda=0.0)"),
            ("weicom: lambda = 0.3", "weicom(lambda=0.3)"),
            ("weicom:0.6,norm=zscore", "weicom(lambda=0.6,norm=zscore)"),
            ("weicom:auto", "weicom(auto)"),
            ("weicom:0.4,parts=each", "weicom(lambda=0.4,parts=each)"),
            ("conjunction", "conjunction"),
            ("conjunction:0.25", "conjunction(lambda=0.25)"),
            // Without a vocabulary at hand the stage is off, and the label says so.
            ("posterior", "posterior(vocabulary=off)"),
            ("posterior:k=auto,order=0", "posterior(k=auto,vocabulary=off,order=0.0)"),
            ("min", "min"),
            ("min:norm=minmax", "min(norm=minmax)"),
            ("slerp:0.8", "slerp(alpha=0.8)"),
            ("rrf", "rrf(k=60)"),
            ("rrf:20,text=2", "rrf(k=20,image=1,text=2)"),
            ("dbsf", "dbsf"),
        ] {
            assert_eq!(label(text), expected);
        }
    }

    /// Encodes every text alike: enough to build a method.
    struct Same(EncoderSpec);

    impl TextEncoder for Same {
        fn spec(&self) -> &EncoderSpec {
            &self.0
        }

        fn encode_texts(&self, texts: &[&str]) -> rscir_core::Result<Embeddings> {
            Embeddings::normalize(2, [1.0, 0.0].repeat(texts.len()))
        }
    }

    #[test]
    fn what_a_table_prints_of_a_method_chooses_it_again() {
        let words = vec!["sea".to_string(), "town".to_string(), "wood".to_string()];
        let features = Embeddings::normalize(2, vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0]).unwrap();
        let vocabulary = Arc::new(Vocabulary::new(words, features).unwrap());
        let resources = Resources::default()
            .encoder(Arc::new(Same(EncoderSpec::unknown(2))))
            .vocabulary(Arc::clone(&vocabulary))
            .subjects(Arc::clone(&vocabulary))
            .vocabulary_mean(VocabularyMean::of(&vocabulary, EncoderSpec::unknown(2)).unwrap())
            .styles(vocabulary);
        let with_parameters = [
            "product:raw",
            "min:norm=none",
            "weicom:0.6",
            "weicom:lambda=0.3,norm=minmax",
            "weicom:auto",
            "weicom:0.25,parts=each",
            "conjunction:0.25",
            "posterior:k=5,vocabulary=off,order=off,lambda=0.75",
            "posterior:k=auto,vocabulary=1,order=0.5",
            "slerp:0.25",
            "rrf:20",
            "rrf:k=20,image=1,text=0.5",
            "freedom:kappa=2,ni=1,mu=2",
            "basic:context=off",
            "basic:context=3,centring=off,aa=0.4,components=2,qe=off,norm=off,harris=0",
            "basic:projection=off",
        ];
        for text in MethodSpec::NAMES.into_iter().chain(with_parameters) {
            let spec: MethodSpec = text.parse().unwrap();
            let label = spec.build(&resources).unwrap().label();
            assert_eq!(label.parse::<MethodSpec>().unwrap(), spec, "{text}: {label}");
            assert_eq!(MethodSpec::split_list(&format!("{label},{label}")), [&label, &label]);
            assert_eq!(MethodSpec::split_list(&format!("sum, {text},image")), ["sum", text, "image"]);
        }
        for wrong in ["rrf(k=60", "rrf k=60", "(k=60)"] {
            let error = wrong.parse::<MethodSpec>().unwrap_err().to_string();
            assert!(error.contains("there is no method") && error.contains("rrf(k=60)"), "{error}");
        }
    }

    #[test]
    fn mistakes_say_what_is_allowed() {
        for (text, expected) in [
            (
                "weight",
                "there is no method \"weight\"; known methods: image, text, sum, product, min, weicom, conjunction, posterior, \
                 slerp, rrf, dbsf, freedom, basic; parameters follow a colon or stand in parentheses: rrf:k=60 or rrf(k=60)",
            ),
            ("image:0.5", "method image has no parameter \"0.5\"; it has: none"),
            ("weicom(lambda=0.5,lambda=0.6)", "method weicom: lambda is \"0.6\", but must be given once"),
            ("weicom:0.5,mu=1", "method weicom has no parameter \"mu\"; it has: lambda, norm"),
            (
                "weicom:1.5",
                "method weicom: lambda is \"1.5\", but must be between 0 (image alone) and 1 (text alone)",
            ),
            ("weicom:half", "method weicom: lambda is \"half\", but must be a number"),
            ("posterior:k=some", "method posterior: k is \"some\", but must be a whole number"),
            ("posterior:order=2", "method posterior: order is \"2\", but must be between 0 and 1"),
            (
                "posterior:kappa=2",
                "method posterior has no parameter \"kappa\"; it has: k, vocabulary, order, lambda",
            ),
            ("weicom:norm=soft", "method weicom: norm is \"soft\", but must be cdf, zscore, minmax or none"),
        ] {
            assert_eq!(text.parse::<MethodSpec>().unwrap_err().to_string(), expected);
        }
        let freedom = "freedom".parse::<MethodSpec>().unwrap();
        let error = freedom.build(&Resources::default()).err().map(|e| e.to_string());
        assert_eq!(error.as_deref(), Some("method freedom needs a vocabulary, which was not given"));
        assert!("weicom:NaN".parse::<MethodSpec>().is_err());
        assert!("weicom:-0.1".parse::<MethodSpec>().is_err());
    }

    #[test]
    fn the_stages_of_basic_are_switched_by_name() {
        let paper = BasicConfig::default();
        for (text, expected) in [
            ("basic", paper),
            ("basic:aa=0.4,qe=off,harris=0", paper.projection(0.4).expansion(None).harris(0.0)),
            (
                "basic:context=off,projection=off,norm=off,centring=off",
                paper.context(None).projection(None).normalization(false).centering(false),
            ),
            ("basic:qe=5,components=9", paper.expansion(5).components(9)),
        ] {
            assert_eq!(text.parse::<MethodSpec>().unwrap(), MethodSpec::Basic(expected));
        }
        assert!("basic:qe=some".parse::<MethodSpec>().is_err());
        assert_eq!(
            "freedom:kappa=5,mu=4".parse::<MethodSpec>().unwrap(),
            MethodSpec::FreeDom(FreeDomConfig::default().neighbors(5).words(4))
        );
    }
}
