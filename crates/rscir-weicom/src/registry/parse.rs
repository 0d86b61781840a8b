//! Reads the texts by which methods are chosen.

use std::str::FromStr;

use super::MethodSpec;
use crate::parameters::Parameters;
use crate::{
    BasicConfig, Conjunction, EntropyWeights, Error, FreeDomConfig, GrClip, Harris, InvertedSoftmax, Min,
    Neighbors, Normalization, Posterior, PosteriorConfig, Product, Result, Rrf, Slerp, SlerpGrid, WeiCom,
    WeiComByParts,
};

/// Tells whether the rest of a list begins with a named parameter, which belongs to the method before it.
pub(super) fn begins_with_parameter(rest: &str) -> bool {
    rest.find(['=', ',', ':', '(']).is_some_and(|at| rest.as_bytes()[at] == b'=')
}

/// Splits a method into its name and its parameters, which follow a colon or stand in parentheses.
fn split(method: &str) -> (&str, Option<&str>) {
    let method = method.trim();
    match method.split_once([':', '(']) {
        Some((name, text)) if method.as_bytes()[name.len()] == b':' => (name.trim(), Some(text)),
        Some((name, text)) if text.ends_with(')') => (name.trim(), Some(&text[..text.len() - 1])),
        _ => (method, None),
    }
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
                let neighbors = neighbors(&mut parameters)?;
                let lambda = parameters.number("lambda", true)?;
                parameters.finish()?;
                let method = lambda.map_or(Ok(Conjunction::default()), Conjunction::new)?;
                Ok(Self::Conjunction(neighbors.map_or(method, |neighbors| method.neighbors(neighbors))))
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
            "zscore" => plain("zscore", Self::ZScoreVector),
            "stouffer" => plain("stouffer", Self::Stouffer),
            "fisher" => plain("fisher", Self::Fisher),
            "harris" => {
                let weight = one_number(Parameters::new("harris", text), "weight")?;
                weight.map_or(Ok(Harris::default()), Harris::new).map(Self::Harris)
            }
            "entropy" => {
                let best = one_count(Parameters::new("entropy", text), "k")?;
                best.map_or(Ok(EntropyWeights::default()), EntropyWeights::new).map(Self::EntropyWeights)
            }
            "slerp-grid" => {
                let steps = one_count(Parameters::new("slerp-grid", text), "steps")?;
                steps.map_or(Ok(SlerpGrid::default()), SlerpGrid::new).map(Self::SlerpGrid)
            }
            "gr-clip" => {
                let alpha = one_number(Parameters::new("gr-clip", text), "alpha")?.unwrap_or(GrClip::ALPHA);
                GrClip::check(alpha).map(|()| Self::GrClip { alpha })
            }
            "inverted-softmax" => {
                let beta = one_number(Parameters::new("inverted-softmax", text), "beta")?;
                let beta = beta.unwrap_or(InvertedSoftmax::BETA);
                InvertedSoftmax::check(beta).map(|()| Self::InvertedSoftmax { beta })
            }
            "freedom" => freedom(Parameters::new("freedom", text)).map(Self::FreeDom),
            "basic" => basic(Parameters::new("basic", text)).map(Self::Basic),
            _ => Err(Error::UnknownMethod { name: name.into(), known: Self::NAMES.join(", ") }),
        }
    }
}

/// Takes the only parameter of a method, a number.
fn one_number(mut parameters: Parameters<'_>, name: &'static str) -> Result<Option<f64>> {
    let number = parameters.number(name, true)?;
    parameters.finish().map(|()| number)
}

/// Takes the only parameter of a method, a count.
fn one_count(mut parameters: Parameters<'_>, name: &'static str) -> Result<Option<usize>> {
    let Some(value) = parameters.positional(name) else { return parameters.finish().map(|()| None) };
    let count = value.parse().map_err(|_| parameters.bad(name, value, "a whole number"))?;
    parameters.finish().map(|()| Some(count))
}

/// Takes the parameter `k` of methods by evidence.
fn neighbors(parameters: &mut Parameters<'_>) -> Result<Option<Neighbors>> {
    if parameters.word("k", "auto").is_some() {
        return Ok(Some(Neighbors::Auto));
    }
    Ok(parameters.count("k")?.map(Neighbors::Fixed))
}

fn weicom(mut parameters: Parameters<'_>) -> Result<MethodSpec> {
    // `auto` is taken first, because it may stand without a name.
    let automatic = parameters.word("lambda", "auto").is_some();
    let each = automatic || parameters.word("parts", "each").is_some();
    if each {
        let neighbors = neighbors(&mut parameters)?;
        let lambda = if automatic { None } else { parameters.number("lambda", true)? };
        parameters.finish()?;
        let method = if automatic {
            WeiComByParts::auto()
        } else {
            WeiComByParts::new(lambda.unwrap_or(WeiCom::default().lambda()))?
        };
        return Ok(MethodSpec::WeiComByParts(neighbors.map_or(method, |n| method.neighbors(n))));
    }
    let lambda = parameters.number("lambda", true)?;
    let normalization = normalization(&mut parameters)?;
    parameters.finish()?;
    let method = lambda.map_or(Ok(WeiCom::default()), WeiCom::new)?;
    Ok(MethodSpec::WeiCom(normalization.map_or(method, |n| method.with_normalization(n))))
}

fn posterior(mut parameters: Parameters<'_>) -> Result<PosteriorConfig> {
    let default = PosteriorConfig::default();
    let config = PosteriorConfig {
        neighbors: neighbors(&mut parameters)?.unwrap_or(default.neighbors),
        vocabulary: parameters.number_or_off("vocabulary")?.unwrap_or(default.vocabulary),
        order: parameters.number_or_off("order")?.unwrap_or(default.order),
        lambda: parameters.number("lambda", false)?.unwrap_or(default.lambda),
        ..default
    };
    parameters.finish()?;
    // Values that the method refuses are refused before anything is loaded.
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

/// Takes the switch `centring`, the spelling that labels have had since 0.1, or `centering`.
fn centering(parameters: &mut Parameters<'_>) -> Result<Option<bool>> {
    Ok(parameters.switch("centring")?.or(parameters.switch("centering")?))
}

fn normalization(parameters: &mut Parameters<'_>) -> Result<Option<Normalization>> {
    let Some(value) = parameters.named("norm") else { return Ok(None) };
    let found = Normalization::from_name(value);
    found.map(Some).ok_or_else(|| parameters.bad("norm", value, "cdf, zscore, minmax or none"))
}
