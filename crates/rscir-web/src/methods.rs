//! The methods that a server can be asked for.

use rscir_weicom::{MethodSpec, Resources};
use serde::Serialize;
use utoipa::ToSchema;

/// The method that finds its weight by itself, which is another than the one of its name.
const AUTOMATIC: (&str, &str) = ("weicom", "weicom:auto");

/// A method to choose.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct MethodNote {
    /// What a query's `method` is.
    method: &'static str,
    /// What it does, as a sentence.
    does: &'static str,
    /// True if it has a weight of the text, which `METHOD:lambda=0.3` sets.
    lambda: bool,
}

/// Returns the names of the methods for which there is all that they need.
pub(crate) fn names(resources: &Resources) -> Vec<&'static str> {
    MethodSpec::NAMES.into_iter().filter(|name| spec(name, resources).is_some()).collect()
}

/// Describes methods of some names, and the one that has a name with a parameter.
pub(crate) fn notes(names: &[&'static str], resources: &Resources) -> Vec<MethodNote> {
    let with_automatic = |&name: &&'static str| {
        let automatic = (name == AUTOMATIC.0).then_some(AUTOMATIC.1);
        [Some(name), automatic].into_iter().flatten()
    };
    let note = |method: &'static str| {
        let lambda = spec(&format!("{method}:lambda=0.5"), resources).is_some();
        Some(MethodNote { method, does: spec(method, resources)?.summary(), lambda })
    };
    names.iter().flat_map(with_automatic).filter_map(note).collect()
}

/// Returns the method of a text, if it can be made.
fn spec(text: &str, resources: &Resources) -> Option<MethodSpec> {
    let spec: MethodSpec = text.parse().ok()?;
    spec.build(resources).is_ok().then_some(spec)
}
