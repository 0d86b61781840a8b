//! The text towers of CLIP and SigLIP.

use candle_core::{DType, Tensor};
use rscir_checkpoint::Checkpoint;

use super::block::{Attention, OPEN_CLIP, Stack};
use super::config::{MAX_POSITIONS, TextConfig, TextPool};
use super::load::Weights;
use super::nn::{Buffer, LayerNorm, Linear};
use super::positions::resize_line;
use crate::Result;

/// A text tower, which turns token ids into vectors.
pub(super) struct TextTransformer {
    /// Token embeddings, `[vocabulary, width]`.
    tokens: Tensor,
    /// Position embeddings, `[context, width]`.
    positions: Tensor,
    stack: Stack,
    norm_last: LayerNorm,
    projection: Linear,
    config: TextConfig,
}

/// Number of positions of the original model that Long-CLIP (Zhang et al. 2024) and its descendants LRSCLIP and
/// FarSLIP keep.
const KEPT_POSITIONS: usize = 20;

/// Name of the second position table of a checkpoint in Long-CLIP's form.
const LATER: &str = "positional_embedding_res";

/// Returns the context length of a checkpoint's text tower, where `configured` is the length in its configuration.
///
/// A longer second table means that the tower was lengthened after the configuration was written. FarSLIP's training
/// does so with some models and records it only in the weights.
pub(crate) fn context_by_keys(checkpoint: &Checkpoint, configured: usize) -> usize {
    match checkpoint.shape(LATER) {
        Some(&[positions, _]) if positions > configured && positions <= MAX_POSITIONS => positions,
        _ => configured,
    }
}

/// Loads the position table. A checkpoint in Long-CLIP's form has two tables: one holds the first positions, the
/// other those that were trained anew for longer texts.
fn positions(weights: &mut Weights<'_, '_>, context: usize, width: usize) -> Result<Tensor> {
    if !weights.loader.checkpoint().contains(LATER) {
        return weights.positions("positional_embedding", [context, width], resize_line);
    }
    let first = weights.tensor("positional_embedding", &[context, width])?;
    let later = weights.tensor(LATER, &[context, width])?;
    let fit = [&first, &later].iter().all(|table| table.dims() == [context, width]);
    match context.checked_sub(KEPT_POSITIONS).filter(|_| fit) {
        Some(rest) => {
            let [kept, later] = [first.narrow(0, 0, KEPT_POSITIONS)?, later.narrow(0, KEPT_POSITIONS, rest)?];
            Ok(Tensor::cat(&[kept, later], 0)?)
        }
        None => Ok(first),
    }
}

/// An embedding that replaces the one of a token's id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Injection<'a> {
    /// Row of the batch.
    pub(crate) text: usize,
    /// Position in the text.
    pub(crate) position: usize,
    /// The embedding, as wide as the tower.
    pub(crate) embedding: &'a [f32],
}

impl TextTransformer {
    pub(super) fn load(weights: &mut Weights<'_, '_>, config: &TextConfig, dim: usize) -> Result<Self> {
        let width = config.stack.width;
        let attention = if config.causal { Attention::Causal } else { Attention::Full };
        let projection = if config.projection_bias {
            let [weight, bias] = match weights.loader.checkpoint().contains("text_model.head.weight") {
                true => ["text_model.head.weight", "text_model.head.bias"],
                false => ["text_projection.weight", "text_projection.bias"],
            };
            weights.linear(weight, Some(bias), [dim, width])?
        } else {
            weights.projection("text_projection", [width, dim])?
        };
        Ok(Self {
            tokens: weights.tensor("token_embedding.weight", &[config.vocabulary, width])?,
            positions: positions(weights, config.context, width)?,
            stack: Stack::load(weights, "transformer.resblocks", &OPEN_CLIP, &config.stack, attention)?,
            norm_last: weights.layer_norm("ln_final", width, config.stack.epsilon)?,
            projection,
            config: *config,
        })
    }

    /// Returns the number of ids of a text that decide its vector. With causal attention, these are the ids up to its
    /// end; otherwise they are the whole context.
    pub(super) fn reach(&self, ids: &[u32]) -> usize {
        match self.config.causal {
            true => self.pooled_position(ids) + 1,
            false => self.config.context,
        }
    }

    fn pooled_position(&self, ids: &[u32]) -> usize {
        let first = |wanted: u32| ids.iter().position(|id| *id == wanted);
        match self.config.pool {
            TextPool::HighestId => ids.iter().max().and_then(|highest| first(*highest)),
            TextPool::Token(end) => first(end),
            TextPool::Last => Some(self.config.context - 1),
        }
        // If no position is found, open_clip and transformers take the first one.
        .unwrap_or(0)
    }

    /// Encodes texts of `length` ids each, `ids[texts, length]`, to `[texts, dim]`.
    pub(super) fn forward(&self, ids: &[u32], length: usize, injections: &[Injection<'_>]) -> Result<Tensor> {
        let width = self.config.stack.width;
        let texts = ids.len() / length.max(1);
        let pooled: Vec<u32> = ids
            .chunks_exact(length.max(1))
            .enumerate()
            .map(|(text, ids)| (text * length + self.pooled_position(ids)) as u32)
            .collect();
        let device = self.tokens.device();
        let ids = Tensor::from_slice(ids, ids.len(), device)?;
        let mut x = self.tokens.index_select(&ids, 0)?.reshape((texts, length, width))?;
        for injection in injections {
            let embedding = Tensor::from_slice(injection.embedding, (1, 1, width), device)?;
            let embedding = embedding.to_dtype(x.dtype())?;
            let (text, position) = (injection.text, injection.position);
            x = x.slice_assign(&[text..text + 1, position..position + 1, 0..width], &embedding)?;
        }
        let x = x.broadcast_add(&self.positions.narrow(0, 0, length)?)?;
        let pooled = Tensor::new(pooled, device)?;
        let x = self.stack.forward(x, Some(&pooled))?;
        let normed = self.norm_last.forward(&x, &mut Buffer::default())?;
        Ok(self.projection.forward(&normed, &mut Buffer::default())?.to_dtype(DType::F32)?)
    }
}
