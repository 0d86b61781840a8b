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

/// Prefixes under which the training module of Llama3-MS-CLIP has one and the same CLIP, in the order in which PyTorch
/// loads them. Where the copies in a file differ, PyTorch keeps the last one.
const COPIES: [&str; 3] = ["clip_base_model.model.", "text_encoder.model.", "image_encoder.model."];

/// Scale of the similarities in such a module, which inference does not need.
const TEMPERATURE: &str = "temperature";

/// Returns the last of several copies of a model; `None` if there is something else or a copy lacks a tensor.
fn last_copy(tensors: &BTreeMap<String, Tensor>) -> Option<BTreeMap<String, Tensor>> {
    let copy = |prefix: &str| -> BTreeMap<String, Tensor> {
        let own = tensors.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?, tensor)));
        own.map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect()
    };
    let [first, second, last] = COPIES.map(copy);
    let others = tensors.keys().filter(|name| !COPIES.iter().any(|prefix| name.starts_with(prefix)));
    let is_alike = |other: &BTreeMap<String, Tensor>| other.keys().eq(last.keys());
    let is_whole =
        others.into_iter().all(|name| name == TEMPERATURE) && is_alike(&first) && is_alike(&second);
    (is_whole && !last.is_empty()).then_some(last)
}

/// Removes the prefixes of training wrappers that all tensors share.
pub(crate) fn unwrapped(mut tensors: BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    if let Some(last) = last_copy(&tensors) {
        return last;
    }
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
