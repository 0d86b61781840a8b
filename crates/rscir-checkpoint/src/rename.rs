//! The names that other implementations give to the tensors of open_clip's `CLIP`, as one table.

use std::collections::BTreeMap;

use crate::tensors::Tensor;

/// Prefixes of the two towers in Hugging Face's `CLIPModel`, and in open_clip.
const TOWERS: [(&str, &str); 2] = [("text_model.", ""), ("vision_model.", "visual.")];

/// Prefixes of the layers in Hugging Face's `CLIPEncoder`, and in open_clip's `Transformer`.
const LAYERS: (&str, &str) = ("encoder.layers.", "transformer.resblocks.");

/// Names in a tower, without `weight` and `bias`.
const IN_TOWER: [(&str, &str); 4] = [
    ("final_layer_norm", "ln_final"),
    // The misspelling is transformers' own.
    ("pre_layrnorm", "ln_pre"),
    ("post_layernorm", "ln_post"),
    ("embeddings.patch_embedding", "conv1"),
];

/// Names in a layer, without `weight` and `bias`.
const IN_LAYER: [(&str, &str); 5] = [
    ("self_attn.out_proj", "attn.out_proj"),
    ("layer_norm1", "ln_1"),
    ("layer_norm2", "ln_2"),
    ("mlp.fc1", "mlp.c_fc"),
    ("mlp.fc2", "mlp.c_proj"),
];

/// Whole names.
const WHOLE: [(&str, &str); 4] = [
    ("text_model.embeddings.token_embedding.weight", "token_embedding.weight"),
    ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
    ("vision_model.embeddings.class_embedding", "visual.class_embedding"),
    ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
];

/// Linear layers of Hugging Face, whose weight is [out, in], and open_clip's matrices for them, [in, out],
/// which are multiplied from the right.
const TRANSPOSED: [(&str, &str); 2] =
    [("text_projection.weight", "text_projection"), ("visual_projection.weight", "visual.proj")];

/// The three projections of Hugging Face that are one in open_clip, in the order of torch's
/// `MultiheadAttention`.
const SPLIT: [&str; 3] = ["self_attn.q_proj.", "self_attn.k_proj.", "self_attn.v_proj."];
const FUSED: &str = "attn.in_proj_";

/// Prefix of the text tower in open_clip's `CustomTextCLIP`. Its `CLIP` has none.
const CUSTOM_TEXT: &str = "text.";

/// Renames tensors that have the names of another implementation. If two tensors would get the same name, as
/// in a file with names of both kinds, all names stay and the loader reports them.
pub(crate) fn to_open_clip(tensors: BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    let hugging_face = TOWERS.iter().any(|(prefix, _)| tensors.keys().any(|name| name.starts_with(prefix)));
    let custom_text = tensors.contains_key("text.positional_embedding");
    let renamed = if hugging_face {
        from_hugging_face(tensors.clone())
    } else if custom_text {
        from_custom_text(tensors.clone())
    } else {
        None
    };
    renamed.unwrap_or(tensors)
}

fn from_custom_text(tensors: BTreeMap<String, Tensor>) -> Option<BTreeMap<String, Tensor>> {
    let mut renamed = BTreeMap::new();
    for (name, tensor) in tensors {
        let name = name.strip_prefix(CUSTOM_TEXT).map(str::to_owned).unwrap_or(name);
        if renamed.insert(name, tensor).is_some() {
            return None;
        }
    }
    Some(renamed)
}

fn from_hugging_face(mut tensors: BTreeMap<String, Tensor>) -> Option<BTreeMap<String, Tensor>> {
    let mut renamed = BTreeMap::new();
    let queries: Vec<String> = tensors.keys().filter(|name| name.contains(SPLIT[0])).cloned().collect();
    for query in queries {
        let names = SPLIT.map(|split| query.replace(SPLIT[0], split));
        let fused = fuse(names.each_ref().map(|name| tensors.get(name)));
        let name = in_tower(&query.replace(SPLIT[0], FUSED));
        // If a part is missing or has another shape, the parts keep their names and the loader reports them.
        if let (Some(fused), Some(name)) = (fused, name) {
            renamed.insert(name, fused);
            for name in &names {
                tensors.remove(name);
            }
        }
    }
    for (name, mut tensor) in tensors {
        let whole = WHOLE.iter().find(|(from, _)| *from == name);
        let transposed =
            TRANSPOSED.iter().find(|(from, _)| *from == name).filter(|_| tensor.shape.len() == 2);
        let new = match (whole, transposed) {
            (Some((_, to)), _) => (*to).to_owned(),
            (_, Some((_, to))) => {
                tensor.transpose();
                (*to).to_owned()
            }
            _ => in_tower(&name).unwrap_or(name),
        };
        if renamed.insert(new, tensor).is_some() {
            return None;
        }
    }
    Some(renamed)
}

/// Returns the new name of a tensor in a tower, or `None` if its name is not in the tables.
fn in_tower(name: &str) -> Option<String> {
    let (rest, tower) = TOWERS.iter().find_map(|(from, to)| Some((name.strip_prefix(from)?, to)))?;
    if let Some(rest) = rest.strip_prefix(LAYERS.0) {
        let (layer, rest) = rest.split_once('.')?;
        let rest = if rest.starts_with(FUSED) { rest.to_owned() } else { replaced(rest, &IN_LAYER)? };
        return Some(format!("{tower}{}{layer}.{rest}", LAYERS.1));
    }
    Some(format!("{tower}{}", replaced(rest, &IN_TOWER)?))
}

fn replaced(name: &str, table: &[(&str, &str)]) -> Option<String> {
    let (module, parameter) = name.rsplit_once('.')?;
    let (_, to) = table.iter().find(|(from, _)| *from == module)?;
    Some(format!("{to}.{parameter}"))
}

/// Joins three tensors along the first axis. Returns `None` if they do not fit.
fn fuse(parts: [Option<&Tensor>; 3]) -> Option<Tensor> {
    let [Some(query), Some(key), Some(value)] = parts else { return None };
    let mut fused = query.clone();
    let rows = fused.shape.first_mut()?;
    *rows = rows.checked_mul(SPLIT.len())?;
    for part in [key, value] {
        if (part.dtype, &part.shape) != (query.dtype, &query.shape) {
            return None;
        }
        fused.parts.extend(part.parts.iter().cloned());
    }
    Some(fused)
}
