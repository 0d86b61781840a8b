//! Tensors that checkpoints contain and no model takes.

/// Tensors that checkpoints contain and inference does not need, by the last parts of their names: masks and
/// positions that are computed, Long-CLIP's choice between its two position tables, sizes that OpenAI's
/// archives store, counters of batch normalization, the scales of SigLIP and CLIP.
const INERT: [&str; 11] = [
    "logit_scale",
    "logit_bias",
    "attn_mask",
    "mask1",
    "mask2",
    "positional_ids",
    "position_ids",
    "input_resolution",
    "context_length",
    "vocab_size",
    "num_batches_tracked",
];

/// Tells whether inference does not need the tensor with this name.
pub(crate) fn is_inert(name: &str) -> bool {
    INERT.contains(&name.rsplit('.').next().unwrap_or(name))
}
