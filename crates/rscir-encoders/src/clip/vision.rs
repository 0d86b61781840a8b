//! The vision transformers of CLIP, SigLIP and Perception Encoder.

use candle_core::Tensor;

use super::block::{Attention, BlockNames, OPEN_CLIP, Stack, TIMM};
use super::config::{VitConfig, VitNames, VitPool};
use super::dofa;
use super::load::Weights;
use super::nn::{Buffer, LayerNorm, Linear};
use super::pixels::{Windows, channels_last};
use super::pool::AttentionPool;
use super::positions::resize_grid;
use super::rotary::Rotary;
use crate::Result;

/// An image tower, which turns patches into vectors.
pub(super) struct VisionTransformer {
    patches: Linear,
    /// Class token: `[width]`, or `[1, 1, width]` with timm's names.
    class: Option<Tensor>,
    /// Position embeddings: `[tokens, width]`, or `[1, tokens, width]` with timm's names.
    positions: Tensor,
    norm_first: Option<LayerNorm>,
    stack: Stack,
    norm_last: LayerNorm,
    head: Head,
    windows: Windows,
}

/// The last part of a tower, which turns tokens into one vector.
#[expect(clippy::large_enum_variant, reason = "a tower has one of them")]
enum Head {
    ClassToken(Linear),
    Mean { norm_after: bool, projection: Linear },
    Attention(AttentionPool),
}

/// Names of an image tower's tensors.
struct Names {
    /// Weight and bias of the patch embedding.
    patches: [&'static str; 2],
    class: &'static str,
    positions: &'static str,
    norm_first: &'static str,
    stack: &'static str,
    block: &'static BlockNames,
    norm_last: &'static str,
}

impl VitNames {
    fn names(self) -> Names {
        match self {
            Self::OpenClip => Names {
                patches: ["visual.conv1.weight", "visual.conv1.bias"],
                class: "visual.class_embedding",
                positions: "visual.positional_embedding",
                norm_first: "visual.ln_pre",
                stack: "visual.transformer.resblocks",
                block: &OPEN_CLIP,
                norm_last: "visual.ln_post",
            },
            Self::Timm => Names {
                patches: ["visual.trunk.patch_embed.proj.weight", "visual.trunk.patch_embed.proj.bias"],
                class: "visual.trunk.cls_token",
                positions: "visual.trunk.pos_embed",
                norm_first: "visual.trunk.norm_pre",
                stack: "visual.trunk.blocks",
                block: &TIMM,
                norm_last: "visual.trunk.norm",
            },
        }
    }
}

impl VisionTransformer {
    pub(super) fn load(weights: &mut Weights<'_, '_>, config: &VitConfig, dim: usize) -> Result<Self> {
        let names = config.names.names();
        let windows = Windows::patches(config.patch);
        let width = config.stack.width;
        let has_class = !matches!(config.pool, VitPool::Attention(pool) if !pool.class_token);
        let class = match (has_class, config.names) {
            (false, _) => None,
            (true, VitNames::OpenClip) => Some(weights.tensor(names.class, &[width])?),
            // timm stores dimensions of the batch and of the tokens.
            (true, VitNames::Timm) => Some(weights.tensor(names.class, &[1, 1, width])?),
        };
        let along = windows.along(config.image);
        let tokens = along.pow(2) + usize::from(has_class);
        // timm's patch embedding has a bias if no layer norm follows it.
        let has_bias = matches!(config.pool, VitPool::Attention(_)) && !config.norm_first;
        let attention = match config.rotary {
            true => Attention::Rotary(Rotary::new(&weights.compute, along, has_class, &config.stack)?),
            false => Attention::Full,
        };
        let project = |weights: &mut Weights<'_, '_>| weights.projection("visual.proj", [width, dim]);
        Ok(Self {
            patches: match config.wavelengths {
                Some(wavelengths) => dofa::patch_embedding(weights, config, wavelengths)?,
                None => patch_embedding(weights, &names, config, has_bias)?,
            },
            class,
            // timm stores a dimension of the batch.
            positions: match config.names {
                VitNames::OpenClip if !has_class => weights.tensor(names.positions, &[tokens, width])?,
                VitNames::OpenClip => weights.positions(names.positions, [tokens, width], resize_grid)?,
                VitNames::Timm => weights.tensor(names.positions, &[1, tokens, width])?,
            },
            norm_first: match config.norm_first {
                true => Some(weights.layer_norm(names.norm_first, width, config.stack.epsilon)?),
                false => None,
            },
            stack: Stack::load(weights, names.stack, names.block, &config.stack, attention)?,
            norm_last: weights.layer_norm(names.norm_last, width, config.stack.epsilon)?,
            head: match config.pool {
                VitPool::ClassToken => Head::ClassToken(project(weights)?),
                VitPool::Mean { norm_after } => Head::Mean { norm_after, projection: project(weights)? },
                VitPool::Attention(pool) => Head::Attention(AttentionPool::load(weights, config, pool, dim)?),
            },
            windows,
        })
    }

    /// Returns the windows whose values [`VisionTransformer::forward`] takes.
    pub(super) fn windows(&self) -> Windows {
        self.windows
    }

    /// Encodes `patches[batch, patches, values]` to `[batch, dim]`.
    pub(super) fn forward(&self, patches: &Tensor) -> Result<Tensor> {
        let mut x = self.patches.forward(patches, &mut Buffer::default())?;
        let (batch, _, width) = x.dims3()?;
        if let Some(class) = &self.class {
            x = Tensor::cat(&[&class.broadcast_as((batch, 1, width))?, &x], 1)?;
        }
        let mut x = x.broadcast_add(&self.positions)?;
        if let Some(norm) = &self.norm_first {
            x = norm.forward(&x, &mut Buffer::default())?;
        }
        let tokens = x.dim(1)?;
        let mut buffer = Buffer::default();
        match &self.head {
            Head::ClassToken(projection) => {
                let rows: Vec<u32> = (0..batch).map(|image| (image * tokens) as u32).collect();
                let rows = Tensor::new(rows, x.device())?;
                let class = self.stack.forward(x, Some(&rows))?;
                projection.forward(&self.norm_last.forward(&class, &mut buffer)?, &mut Buffer::default())
            }
            Head::Mean { norm_after, projection } => {
                let x = self.stack.forward(x, None)?;
                let mean = |x: &Tensor| x.narrow(1, 1, tokens - 1)?.mean(1);
                let pooled = match norm_after {
                    true => self.norm_last.forward(&mean(&x)?, &mut buffer)?,
                    false => mean(&self.norm_last.forward(&x, &mut buffer)?)?,
                };
                projection.forward(&pooled, &mut Buffer::default())
            }
            Head::Attention(pool) => {
                let x = self.stack.forward(x, None)?;
                pool.forward(&self.norm_last.forward(&x, &mut buffer)?)
            }
        }
    }
}

/// Loads the convolution over patches as a linear layer on their values.
fn patch_embedding(
    weights: &mut Weights<'_, '_>,
    names: &Names,
    config: &VitConfig,
    biased: bool,
) -> Result<Linear> {
    let (width, side) = (config.stack.width, config.patch);
    let [weight, bias] = names.patches;
    let channels = config.channels;
    let weight = weights.loader.values(weight, &[width, channels, side, side])?;
    let bias = match biased {
        true => weights.loader.values(bias, &[width])?,
        false => None,
    };
    match weight {
        Some(weight) => {
            let weight = channels_last(&weight, channels, side);
            Linear::new(&weights.compute.exact(), &weight, bias, [width, channels * side * side])
        }
        None => Linear::unusable(&weights.compute),
    }
}
