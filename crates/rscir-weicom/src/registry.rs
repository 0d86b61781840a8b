use std::str::FromStr;

use rscir_core::Method;

use crate::parameters::Parameters;
use crate::{Dbsf, Error, ImageOnly, Min, Normalization, Product, Result, Rrf, Slerp, Sum, TextOnly, WeiCom};

/// A method with its parameters, as a value: what a command line or a configuration file chooses.
///
/// Parsed from a name and, after a colon, parameters: `image`, `text`, `sum`, `product`, `product:raw`, `weicom`,
/// `weicom:0.6`, `weicom:lambda=0.6,norm=zscore`.
///
/// ```
/// use rscir_weicom::MethodSpec;
///
/// let method = "weicom:0.6".parse::<MethodSpec>()?.build();
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
    /// [`Slerp`].
    Slerp(Slerp),
    /// [`Rrf`].
    Rrf(Rrf),
    /// [`Dbsf`].
    Dbsf,
}

impl MethodSpec {
    /// The names that can be parsed.
    pub const NAMES: [&'static str; 9] =
        ["image", "text", "sum", "product", "min", "weicom", "slerp", "rrf", "dbsf"];

    /// The method itself.
    pub fn build(&self) -> Box<dyn Method> {
        match self {
            Self::Image => Box::new(ImageOnly),
            Self::Text => Box::new(TextOnly),
            Self::Sum => Box::new(Sum),
            Self::Product(product) => Box::new(*product),
            Self::Min(min) => Box::new(*min),
            Self::WeiCom(weicom) => Box::new(*weicom),
            Self::Slerp(slerp) => Box::new(*slerp),
            Self::Rrf(rrf) => Box::new(*rrf),
            Self::Dbsf => Box::new(Dbsf),
        }
    }
}

impl FromStr for MethodSpec {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        let (name, text) = match s.split_once(':') {
            Some((name, text)) => (name.trim(), Some(text)),
            None => (s.trim(), None),
        };
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
            "weicom" => weicom(Parameters::new("weicom", text)).map(Self::WeiCom),
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
            _ => Err(Error::UnknownMethod { name: name.into(), known: Self::NAMES.join(", ") }),
        }
    }
}

fn weicom(mut parameters: Parameters<'_>) -> Result<WeiCom> {
    let lambda = parameters.number("lambda", true)?;
    let normalization = normalization(&mut parameters)?;
    parameters.finish()?;
    let method = lambda.map_or(Ok(WeiCom::default()), WeiCom::new)?;
    Ok(normalization.map_or(method, |n| method.with_normalization(n)))
}

fn normalization(parameters: &mut Parameters<'_>) -> Result<Option<Normalization>> {
    let Some(value) = parameters.named("norm") else { return Ok(None) };
    let found = Normalization::from_name(value);
    found.map(Some).ok_or_else(|| parameters.bad("norm", value, "cdf, zscore, minmax or none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(s: &str) -> String {
        s.parse::<MethodSpec>().unwrap().build().label()
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

    #[test]
    fn mistakes_say_what_is_allowed() {
        for (text, expected) in [
            (
                "weight",
                "there is no method \"weight\"; known methods: image, text, sum, product, min, weicom, slerp, rrf, dbsf",
            ),
            ("image:0.5", "method image has no parameter \"0.5\"; it has: none"),
            ("weicom:0.5,mu=1", "method weicom has no parameter \"mu\"; it has: lambda, norm"),
            (
                "weicom:1.5",
                "method weicom: lambda is \"1.5\", but must be between 0 (image alone) and 1 (text alone)",
            ),
            ("weicom:half", "method weicom: lambda is \"half\", but must be a number"),
            ("weicom:norm=soft", "method weicom: norm is \"soft\", but must be cdf, zscore, minmax or none"),
        ] {
            assert_eq!(text.parse::<MethodSpec>().unwrap_err().to_string(), expected);
        }
        assert!("weicom:NaN".parse::<MethodSpec>().is_err());
        assert!("weicom:-0.1".parse::<MethodSpec>().is_err());
    }
}
