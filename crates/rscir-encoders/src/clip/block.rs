//! Stacks of pre-norm transformer blocks: the body of every tower except the residual networks.

use std::sync::{Mutex, PoisonError};

use candle_core::Tensor;

use super::compute::Compute;
use super::config::{Activation, StackConfig};
use super::load::Weights;
use super::nn::{Buffer, LayerNorm, Linear, self_attention};
use super::rotary::{self, Rotary};
use crate::Result;

/// Names of the tensors of a block, after the prefix of the block.
pub(super) struct BlockNames {
    norm_1: &'static str,
    qkv: [&'static str; 2],
    attended: &'static str,
    norm_2: &'static str,
    hidden: &'static str,
    output: &'static str,
    scales: [&'static str; 2],
}

/// Names in open_clip's `ResidualAttentionBlock`.
pub(super) const OPEN_CLIP: BlockNames = BlockNames {
    norm_1: "ln_1",
    qkv: ["attn.in_proj_weight", "attn.in_proj_bias"],
    attended: "attn.out_proj",
    norm_2: "ln_2",
    hidden: "mlp.c_fc",
    output: "mlp.c_proj",
    scales: ["ls_1.gamma", "ls_2.gamma"],
};

/// Names in timm's `Block`.
pub(super) const TIMM: BlockNames = BlockNames {
    norm_1: "norm1",
    qkv: ["attn.qkv.weight", "attn.qkv.bias"],
    attended: "attn.proj",
    norm_2: "norm2",
    hidden: "mlp.fc1",
    output: "mlp.fc2",
    scales: ["ls1.gamma", "ls2.gamma"],
};

/// A stack of transformer blocks.
pub(super) struct Stack {
    blocks: Vec<Block>,
    heads: usize,
    causal: bool,
    rotary: Option<Rotary>,
    compute: Compute,
    /// Memory of calls that have ended, for later calls.
    scratch: Mutex<Vec<Scratch>>,
}

/// Tokens that each token of a stack attends to.
pub(super) enum Attention {
    /// All tokens.
    Full,
    /// The tokens before it, and itself.
    Causal,
    /// All tokens, with rotary positions.
    Rotary(Rotary),
}

struct Block {
    norm_1: LayerNorm,
    qkv: Linear,
    attended: Linear,
    norm_2: LayerNorm,
    perceptron: Perceptron,
}

/// Two linear layers with a nonlinearity between them.
pub(super) struct Perceptron {
    hidden: Linear,
    output: Linear,
    activation: Activation,
}

/// Memory that is used by one block after the other, and by one call after the other.
#[derive(Debug, Default)]
struct Scratch {
    normed: Buffer,
    qkv: Buffer,
    attended: Buffer,
    hidden: Buffer,
}

impl Stack {
    /// Loads the blocks `prefix.0`, `prefix.1`, ...
    pub(super) fn load(
        weights: &mut Weights<'_, '_>,
        prefix: &str,
        names: &BlockNames,
        config: &StackConfig,
        attention: Attention,
    ) -> Result<Self> {
        let (causal, rotary) = match attention {
            Attention::Full => (false, None),
            Attention::Causal => (true, None),
            Attention::Rotary(rotary) => (false, Some(rotary)),
        };
        let blocks = (0..config.layers)
            .map(|layer| Block::load(weights, &format!("{prefix}.{layer}"), names, config, rotary.is_some()))
            .collect::<Result<_>>()?;
        let compute = weights.compute.clone();
        Ok(Self { blocks, heads: config.heads, causal, rotary, compute, scratch: Mutex::default() })
    }

    /// Runs `x[batch, tokens, width]` through all blocks, and may overwrite it.
    ///
    /// With `rows`, the result is `[rows, width]`: those of the `batch * tokens` rows. Tokens that pooling does not
    /// look at thus skip the last perceptron.
    pub(super) fn forward(&self, mut x: Tensor, rows: Option<&Tensor>) -> Result<Tensor> {
        // A poisoned lock is no fault: it guards only memory that is overwritten.
        let held = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = held().pop().unwrap_or_default();
        for (layer, block) in self.blocks.iter().enumerate() {
            let is_last = layer + 1 == self.blocks.len();
            let rows = rows.filter(|_| is_last);
            x = block.forward(x, self, rows, &mut scratch)?;
        }
        // On a GPU the memory is freed, because the size of batches follows from the memory that is free between
        // calls.
        if self.compute.device.is_cpu() {
            held().push(scratch);
        }
        Ok(x)
    }
}

impl Block {
    fn load(
        weights: &mut Weights<'_, '_>,
        prefix: &str,
        names: &BlockNames,
        config: &StackConfig,
        rotary: bool,
    ) -> Result<Self> {
        let width = config.width;
        let name = |part: &str| format!("{prefix}.{part}");
        let [scale_1, scale_2] = names.scales.map(|scale| config.scaled.then(|| name(scale)));
        let [qkv, qkv_bias] = names.qkv.map(name);
        let attended = name(names.attended);
        Ok(Self {
            norm_1: weights.layer_norm(&name(names.norm_1), width, config.epsilon)?,
            qkv: match rotary {
                true => {
                    let order = rotary::order(width, config.heads);
                    weights.linear_in_order(&qkv, &qkv_bias, [3 * width, width], &order)?
                }
                false => weights.linear(&qkv, Some(&qkv_bias), [3 * width, width])?,
            },
            attended: weights.linear_scaled(
                &format!("{attended}.weight"),
                Some(&format!("{attended}.bias")),
                scale_1.as_deref(),
                [width, width],
            )?,
            norm_2: weights.layer_norm(&name(names.norm_2), width, config.epsilon)?,
            perceptron: Perceptron::load(
                weights,
                [&name(names.hidden), &name(names.output)],
                scale_2.as_deref(),
                config,
            )?,
        })
    }

    fn forward(
        &self,
        x: Tensor,
        stack: &Stack,
        rows: Option<&Tensor>,
        scratch: &mut Scratch,
    ) -> Result<Tensor> {
        let normed = self.norm_1.forward(&x, &mut scratch.normed)?;
        let mut qkv = self.qkv.forward(&normed, &mut scratch.qkv)?;
        if let Some(rotary) = &stack.rotary {
            qkv = rotary.turn(qkv, stack.heads)?;
        }
        let mut attended =
            self_attention(&stack.compute, &qkv, stack.heads, stack.causal, &mut scratch.attended)?;
        let mut x = x;
        if let Some(rows) = rows {
            attended = attended.flatten_to(1)?.index_select(rows, 0)?;
            x = x.flatten_to(1)?.index_select(rows, 0)?;
        }
        let x = self.attended.add_to(&attended, x)?;
        let normed = self.norm_2.forward(&x, &mut scratch.normed)?;
        self.perceptron.add_to(&normed, x, &mut scratch.hidden)
    }
}

impl Perceptron {
    /// Loads two layers by the names of their modules. A scale, if there is one, follows the second layer.
    pub(super) fn load(
        weights: &mut Weights<'_, '_>,
        [hidden, output]: [&str; 2],
        scale: Option<&str>,
        config: &StackConfig,
    ) -> Result<Self> {
        let bias = format!("{hidden}.bias");
        let shape = [config.hidden, config.width];
        let output_bias = format!("{output}.bias");
        let output_shape = [config.width, config.hidden];
        Ok(Self {
            hidden: weights.linear(&format!("{hidden}.weight"), Some(&bias), shape)?,
            output: weights.linear_scaled(
                &format!("{output}.weight"),
                Some(&output_bias),
                scale,
                output_shape,
            )?,
            activation: config.activation,
        })
    }

    /// Returns `residual + W_2 f(W_1 x + b_1) + b_2`.
    pub(super) fn add_to(&self, x: &Tensor, residual: Tensor, hidden: &mut Buffer) -> Result<Tensor> {
        let hidden = self.hidden.forward_activated(x, self.activation, hidden)?;
        self.output.add_to(&hidden, residual)
    }
}
