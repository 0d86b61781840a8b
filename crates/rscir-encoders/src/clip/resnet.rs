//! CLIP's residual networks. Images keep their channels innermost (`[batch, height, width, channels]`). Every
//! convolution is thus a matrix product of the same kind as in a transformer, with the batch normalization folded
//! into it.

use candle_core::{D, Tensor};

use super::config::ResNetConfig;
use super::load::Weights;
use super::nn::{Buffer, Linear, attention};
use super::pixels::{Windows, channels_last};
use crate::Result;

/// Value that PyTorch's batch normalization adds to the variance.
const EPSILON: f64 = 1e-5;

/// Ratio of a bottleneck's output channels to those that it computes with (OpenAI CLIP's model.py, `Bottleneck`).
const EXPANSION: usize = 4;

/// A `ModifiedResNet` with attention pooling.
pub(super) struct ModifiedResNet {
    stem: [Convolution; 3],
    blocks: Vec<Bottleneck>,
    pool: AttentionPool2d,
}

impl ModifiedResNet {
    pub(super) fn load(weights: &mut Weights<'_, '_>, config: &ResNetConfig, dim: usize) -> Result<Self> {
        let width = config.width;
        let mut stem = |number: usize, inputs, outputs| {
            let [conv, norm] = ["conv", "bn"].map(|part| format!("visual.{part}{number}"));
            Convolution::load(weights, &conv, &norm, [outputs, inputs, 3])
        };
        let stem = [stem(1, 3, width / 2)?, stem(2, width / 2, width / 2)?, stem(3, width / 2, width)?];
        let mut blocks = Vec::new();
        let mut inputs = width;
        for (stage, &layers) in config.layers.iter().enumerate() {
            let planes = width << stage;
            for layer in 0..layers {
                let stride = if stage > 0 && layer == 0 { 2 } else { 1 };
                let prefix = format!("visual.layer{}.{layer}", stage + 1);
                blocks.push(Bottleneck::load(weights, &prefix, inputs, planes, stride)?);
                inputs = planes * EXPANSION;
            }
        }
        // The stem divides the side by 4, the stages by 8.
        let pool = AttentionPool2d::load(weights, config.image / 32, inputs, config.heads, dim)?;
        Ok(Self { stem, blocks, pool })
    }

    /// Returns the windows whose values [`ModifiedResNet::forward`] takes: those of the first convolution.
    pub(super) fn windows(&self) -> Windows {
        Windows { side: 3, stride: 2, padding: 1 }
    }

    /// Encodes `windows[batch, side, side, values]` to `[batch, dim]`.
    pub(super) fn forward(&self, windows: &Tensor) -> Result<Tensor> {
        let [first, second, third] = &self.stem;
        let x = first.on_windows(windows)?.relu()?;
        let x = second.forward(&x)?.relu()?;
        let x = third.forward(&x)?.relu()?;
        let x = self.blocks.iter().try_fold(halve(&x)?, |x, block| block.forward(&x))?;
        self.pool.forward(&x)
    }
}

/// A convolution of stride 1, and the batch normalization after it.
struct Convolution {
    product: Linear,
    side: usize,
}

impl Convolution {
    /// Loads `conv.weight[outputs, inputs, side, side]` and the statistics of the normalization.
    fn load(
        weights: &mut Weights<'_, '_>,
        conv: &str,
        norm: &str,
        [outputs, inputs, side]: [usize; 3],
    ) -> Result<Self> {
        let weight = weights.loader.values(&format!("{conv}.weight"), &[outputs, inputs, side, side])?;
        let mut vector = |part: &str| weights.loader.values(&format!("{norm}.{part}"), &[outputs]);
        let [gain, shift] = [vector("weight")?, vector("bias")?];
        let [mean, variance] = [vector("running_mean")?, vector("running_var")?];
        let shape = [outputs, inputs * side * side];
        let product = match (weight, gain, shift, mean, variance) {
            (Some(weight), Some(gain), Some(shift), Some(mean), Some(variance)) => {
                let mut weight = channels_last(&weight, inputs, side);
                let rows = weight.chunks_exact_mut(shape[1].max(1));
                let mut bias = Vec::with_capacity(outputs);
                for (row, (((gain, shift), mean), variance)) in
                    rows.zip(gain.iter().zip(&*shift).zip(&*mean).zip(&*variance))
                {
                    let scale = f64::from(*gain) / (f64::from(*variance) + EPSILON).sqrt();
                    row.iter_mut().for_each(|w| *w = (f64::from(*w) * scale) as f32);
                    bias.push((f64::from(*shift) - f64::from(*mean) * scale) as f32);
                }
                Linear::new(&weights.compute, &weight, Some(bias.into()), shape)?
            }
            _ => Linear::unusable(&weights.compute)?,
        };
        Ok(Self { product, side })
    }

    /// Convolves `x[batch, height, width, channels]`. The result has the same height and width.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self.side {
            1 => self.on_windows(x),
            side => self.on_windows(&unfold(x, side)?),
        }
    }

    /// Applies the kernel to windows that are already rows.
    fn on_windows(&self, windows: &Tensor) -> Result<Tensor> {
        self.product.forward(windows, &mut Buffer::default())
    }

    /// Convolves with a kernel of side 1 and adds to `residual`.
    fn add_to(&self, x: &Tensor, residual: Tensor) -> Result<Tensor> {
        self.product.add_to(x, residual)
    }
}

/// Returns the windows of odd `side` around each pixel of `x[batch, height, width, channels]`:
/// `[batch, height, width, side * side * channels]`. Values beyond the edge are zero.
fn unfold(x: &Tensor, side: usize) -> Result<Tensor> {
    let (_, height, width, _) = x.dims4()?;
    let padding = side / 2;
    let padded = x.pad_with_zeros(1, padding, padding)?.pad_with_zeros(2, padding, padding)?;
    let shifted = (0..side * side)
        .map(|at| padded.narrow(1, at / side, height)?.narrow(2, at % side, width))
        .collect::<candle_core::Result<Vec<_>>>()?;
    Ok(Tensor::cat(&shifted, D::Minus1)?)
}

/// Returns the mean of each 2 x 2 pixels. Height and width must be even.
fn halve(x: &Tensor) -> Result<Tensor> {
    let (batch, height, width, channels) = x.dims4()?;
    let rows = x.reshape((batch, height / 2, 2, width * channels))?;
    let rows = (rows.narrow(2, 0, 1)? + rows.narrow(2, 1, 1)?)?;
    let pairs = rows.reshape((batch, height / 2, width / 2, 2, channels))?;
    let sums = (pairs.narrow(3, 0, 1)? + pairs.narrow(3, 1, 1)?)?;
    Ok((sums * 0.25)?.squeeze(3)?)
}

/// Three convolutions and a shortcut. In place of a stride, 2 x 2 pixels are averaged after the second convolution
/// and before that of the shortcut.
struct Bottleneck {
    convolutions: [Convolution; 3],
    shortcut: Option<Convolution>,
    halves: bool,
}

impl Bottleneck {
    fn load(
        weights: &mut Weights<'_, '_>,
        prefix: &str,
        inputs: usize,
        planes: usize,
        stride: usize,
    ) -> Result<Self> {
        let outputs = planes * EXPANSION;
        let mut convolution = |number: usize, shape| {
            let [conv, norm] = ["conv", "bn"].map(|part| format!("{prefix}.{part}{number}"));
            Convolution::load(weights, &conv, &norm, shape)
        };
        let convolutions = [
            convolution(1, [planes, inputs, 1])?,
            convolution(2, [planes, planes, 3])?,
            convolution(3, [outputs, planes, 1])?,
        ];
        let [conv, norm] = ["0", "1"].map(|part| format!("{prefix}.downsample.{part}"));
        let shortcut = match stride > 1 || inputs != outputs {
            true => Some(Convolution::load(weights, &conv, &norm, [outputs, inputs, 1])?),
            false => None,
        };
        Ok(Self { convolutions, shortcut, halves: stride > 1 })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [first, second, third] = &self.convolutions;
        let blur = |x: Tensor| if self.halves { halve(&x) } else { Ok(x) };
        let inner = first.forward(x)?.relu()?;
        let inner = blur(second.forward(&inner)?.relu()?)?;
        let residual = match &self.shortcut {
            Some(shortcut) => shortcut.forward(&blur(x.clone())?)?,
            None => x.copy()?,
        };
        Ok(third.add_to(&inner, residual)?.relu()?)
    }
}

/// Attention of the mean pixel to all pixels.
struct AttentionPool2d {
    /// Position embeddings, `[1 + pixels, width]`.
    positions: Tensor,
    query: Linear,
    key: Linear,
    value: Linear,
    attended: Linear,
    heads: usize,
}

impl AttentionPool2d {
    fn load(
        weights: &mut Weights<'_, '_>,
        side: usize,
        width: usize,
        heads: usize,
        dim: usize,
    ) -> Result<Self> {
        let mut linear = |name: &str, outputs| {
            let name = format!("visual.attnpool.{name}");
            weights.linear(&format!("{name}.weight"), Some(&format!("{name}.bias")), [outputs, width])
        };
        let (query, key, value) =
            (linear("q_proj", width)?, linear("k_proj", width)?, linear("v_proj", width)?);
        let attended = linear("c_proj", dim)?;
        let positions = weights.tensor("visual.attnpool.positional_embedding", &[side * side + 1, width])?;
        Ok(Self { positions, query, key, value, attended, heads })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, height, width, channels) = x.dims4()?;
        let pixels = x.reshape((batch, height * width, channels))?;
        let tokens = Tensor::cat(&[&pixels.mean_keepdim(1)?, &pixels], 1)?.broadcast_add(&self.positions)?;
        let mean = tokens.narrow(1, 0, 1)?.contiguous()?;
        let query = self.query.forward(&mean, &mut Buffer::default())?;
        let key = self.key.forward(&tokens, &mut Buffer::default())?;
        let value = self.value.forward(&tokens, &mut Buffer::default())?;
        let attended = attention(&query, &key, &value, self.heads, false)?;
        Ok(self.attended.forward(&attended, &mut Buffer::default())?.squeeze(1)?)
    }
}
