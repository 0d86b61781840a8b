//! Multihead attention pooling (MAP), the last part of the image towers of SigLIP and Perception Encoder.

use std::borrow::Cow;

use candle_core::{D, Tensor};

use super::block::Perceptron;
use super::config::{AttentionPoolConfig, VitConfig, VitNames};
use super::load::Weights;
use super::nn::{Buffer, LayerNorm, Linear, attention};
use crate::Result;

/// Attention of one learned query to all tokens, followed by a perceptron (Zhai et al. 2022; timm's
/// `AttentionPoolLatent`).
pub(super) struct AttentionPool {
    /// The learned query, `[1, 1, width]`.
    latent: Tensor,
    query: Linear,
    keys_values: Linear,
    attended: Linear,
    norm: LayerNorm,
    perceptron: Perceptron,
    projection: Option<Linear>,
    heads: usize,
    width: usize,
}

impl AttentionPool {
    /// Loads the pooling of a tower, and the projection to `dim` values after it if the tower has one.
    pub(super) fn load(
        weights: &mut Weights<'_, '_>,
        config: &VitConfig,
        pool: AttentionPoolConfig,
        dim: usize,
    ) -> Result<Self> {
        let mut loaded = match config.names {
            VitNames::Timm => Self::from_timm(weights, config, pool.heads)?,
            VitNames::OpenClip => Self::from_hugging_face(weights, config, pool.heads)?,
        };
        if pool.projection {
            // Every value passes through this last layer, so its weights keep f32 on a CPU.
            let [weight, bias] = ["visual.trunk.head.weight", "visual.trunk.head.bias"];
            loaded.projection = Some(weights.exact_linear(weight, Some(bias), [dim, config.stack.width])?);
        }
        Ok(loaded)
    }

    fn from_timm(weights: &mut Weights<'_, '_>, config: &VitConfig, heads: usize) -> Result<Self> {
        const PREFIX: &str = "visual.trunk.attn_pool";
        let width = config.stack.width;
        let mut linear = |name: &str, outputs| {
            let name = format!("{PREFIX}.{name}");
            weights.linear(&format!("{name}.weight"), Some(&format!("{name}.bias")), [outputs, width])
        };
        let (query, keys_values) = (linear("q", width)?, linear("kv", 2 * width)?);
        let attended = linear("proj", width)?;
        let mlp = [format!("{PREFIX}.mlp.fc1"), format!("{PREFIX}.mlp.fc2")];
        Ok(Self {
            latent: weights.tensor(&format!("{PREFIX}.latent"), &[1, 1, width])?,
            query,
            keys_values,
            attended,
            norm: weights.layer_norm(&format!("{PREFIX}.norm"), width, config.stack.epsilon)?,
            perceptron: Perceptron::load(weights, mlp.each_ref().map(String::as_str), None, &config.stack)?,
            projection: None,
            heads,
            width,
        })
    }

    fn from_hugging_face(weights: &mut Weights<'_, '_>, config: &VitConfig, heads: usize) -> Result<Self> {
        const PREFIX: &str = "vision_model.head";
        let width = config.stack.width;
        let name = |part: &str| format!("{PREFIX}.{part}");
        // Query, key and value are one matrix in these checkpoints. It is split, because the query has another input.
        let weight = weights.loader.values(&name("attention.in_proj_weight"), &[3 * width, width])?;
        let bias = weights.loader.values(&name("attention.in_proj_bias"), &[3 * width])?;
        let [query, keys_values] = match (weight, bias) {
            (Some(weight), Some(bias)) => {
                let (query, rest) = weight.split_at(width * width);
                let (query_bias, rest_bias) = bias.split_at(width);
                let linear = |weight: &[f32], bias, outputs| {
                    Linear::new(&weights.compute, weight, Some(Cow::Borrowed(bias)), [outputs, width])
                };
                [linear(query, query_bias, width)?, linear(rest, rest_bias, 2 * width)?]
            }
            _ => [Linear::unusable(&weights.compute)?, Linear::unusable(&weights.compute)?],
        };
        let mlp = [name("mlp.fc1"), name("mlp.fc2")];
        Ok(Self {
            latent: weights.tensor(&name("probe"), &[1, 1, width])?,
            query,
            keys_values,
            attended: weights.linear(
                &name("attention.out_proj.weight"),
                Some(&name("attention.out_proj.bias")),
                [width, width],
            )?,
            norm: weights.layer_norm(&name("layernorm"), width, config.stack.epsilon)?,
            perceptron: Perceptron::load(weights, mlp.each_ref().map(String::as_str), None, &config.stack)?,
            projection: None,
            heads,
            width,
        })
    }

    /// Pools `x[batch, tokens, width]` to `[batch, width]`, or to the projection's width.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let batch = x.dim(0)?;
        let query = self.query.forward(&self.latent, &mut Buffer::default())?;
        let query = query.broadcast_as((batch, 1, self.width))?;
        let keys_values = self.keys_values.forward(x, &mut Buffer::default())?;
        let keys = keys_values.narrow(D::Minus1, 0, self.width)?;
        let values = keys_values.narrow(D::Minus1, self.width, self.width)?;
        let attended = attention(&query, &keys, &values, self.heads, false)?;
        let x = self.attended.forward(&attended, &mut Buffer::default())?;
        let normed = self.norm.forward(&x, &mut Buffer::default())?;
        let pooled = self.perceptron.add_to(&normed, x, &mut Buffer::default())?.squeeze(1)?;
        match &self.projection {
            Some(projection) => projection.forward(&pooled, &mut Buffer::default()),
            None => Ok(pooled),
        }
    }
}
