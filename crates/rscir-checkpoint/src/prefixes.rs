//! Prefixes of tensor names that are not the model's: those of wrappers, and others that precede the names of
//! a CLIP.

use std::collections::BTreeMap;

use crate::inert::is_inert;
use crate::problem::TensorProblem;
use crate::tensors::Tensor;

/// Prefixes that training wrappers put before every name: `DataParallel`, Lightning's modules,
/// `torch.compile`, FairScale, modules that hold a CLIP, PEFT.
const WRAPPERS: [&str; 8] = [
    "module.",
    "model.",
    "_orig_mod.",
    "_forward_module.",
    "clip.",
    "clip_model.",
    "network.",
    "base_model.model.",
];

/// Removes the prefixes of training wrappers that all tensors share.
pub(crate) fn unwrapped(mut tensors: BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    while let Some(unwrapped) = WRAPPERS.iter().find_map(|prefix| without_prefix(&tensors, prefix)) {
        tensors = unwrapped;
    }
    tensors
}

/// Removes a prefix from all names. Returns `None` if a name that matters does not have it, or if two names
/// would become equal.
fn without_prefix(tensors: &BTreeMap<String, Tensor>, prefix: &str) -> Option<BTreeMap<String, Tensor>> {
    let unwrapped = |name: &str| name.strip_prefix(prefix).filter(|rest| !rest.is_empty()).map(str::to_owned);
    let mut renamed = BTreeMap::new();
    let mut wrapped = false;
    for (name, tensor) in tensors {
        let new = unwrapped(name);
        wrapped |= new.is_some();
        let new = new.or_else(|| is_inert(name).then(|| name.clone()))?;
        if renamed.insert(new, tensor.clone()).is_some() {
            return None;
        }
    }
    wrapped.then_some(renamed)
}

/// Returns the shortest prefix before names of a CLIP in at least two of the unexpected names.
pub(crate) fn foreign_prefix(problems: &[TensorProblem]) -> Option<String> {
    // Beginnings of the names of open_clip and Hugging Face.
    const BEGINNINGS: [&str; 7] = [
        "visual.",
        "transformer.resblocks.",
        "token_embedding.",
        "positional_embedding",
        "ln_final.",
        "text_model.",
        "vision_model.",
    ];
    let prefix = |name: &str| {
        let places = BEGINNINGS.iter().filter_map(|beginning| name.find(beginning));
        let place = places.min().filter(|place| *place > 0 && name[..*place].ends_with('.'))?;
        Some(name[..place].to_owned())
    };
    let mut prefixes: Vec<String> = problems
        .iter()
        .filter_map(|problem| match problem {
            TensorProblem::Unexpected { name, .. } => prefix(name),
            _ => None,
        })
        .collect();
    prefixes.sort_unstable_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    prefixes.array_windows().find(|[a, b]| a == b).map(|[prefix, _]| prefix.clone())
}
