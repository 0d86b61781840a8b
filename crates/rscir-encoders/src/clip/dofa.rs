//! DOFA's patch embedding (Xiong et al. 2024, "Neural Plasticity-Inspired Multimodal Foundation Model for Earth
//! Observation") in the form of DOFA-CLIP (`open_clip/src/open_clip/dofa_patch_embed.py`): a small transformer makes
//! the weights of the convolution from the wavelengths of an image's channels.
//!
//! A tower is loaded for given wavelengths, so the weights are made once, in f32 on the CPU. The tower is then an
//! ordinary vision transformer.

use candle_core::{Device, Tensor};
use rscir_checkpoint::Checkpoint;
use rscir_core::{Precision, Wavelengths};

use super::compute::Compute;
use super::config::{Activation, VitConfig};
use super::load::Weights;
use super::nn::{Buffer, LayerNorm, Linear, self_attention};
use crate::Result;

/// Name of the patch embedding in a checkpoint.
const PREFIX: &str = "visual.trunk.patch_embed";

/// Prefix of layers that predict the features of other models. They are used only in training.
const TRAINING: &str = "translators.";

// Constants of dofa_patch_embed.py.
const HEADS: usize = 4;
const SCALE: f32 = 0.01;
/// Value that layer norms add to the variance: the default of `nn.TransformerEncoderLayer`.
const EPSILON: f64 = 1e-5;

/// Widths of the generator. They are constants in the authors' code and in no configuration, so they are read from the
/// checkpoint, and tensors that do not fit them are refused.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sizes {
    /// Number of values that a wavelength is encoded to.
    width: usize,
    /// Number of learned tokens beside those of the wavelengths.
    tokens: usize,
    /// Width of the perceptron's hidden layer.
    hidden: usize,
}

/// Largest ratio of a checkpoint's sizes to those of the authors. Generating weights then takes some seconds.
const MAX: usize = 16;

/// Sizes of dofa_patch_embed.py. The hidden layer has the default width of `nn.TransformerEncoderLayer`.
const UPSTREAM: Sizes = Sizes { width: 128, tokens: 128, hidden: 2048 };

impl Sizes {
    fn of(checkpoint: &Checkpoint) -> Self {
        let shape = |name: &str| checkpoint.shape(&format!("{PREFIX}.weight_generator.{name}"));
        match (shape("weight_tokens"), shape("transformer_encoder.layers.0.linear1.weight")) {
            (Some(&[tokens, width]), Some(&[hidden, _])) if (Self { width, tokens, hidden }).is_sound() => {
                Self { width, tokens, hidden }
            }
            _ => UPSTREAM,
        }
    }

    fn is_sound(self) -> bool {
        let within = |size: usize, upstream: usize| (1..=MAX * upstream).contains(&size);
        within(self.width, UPSTREAM.width)
            && within(self.tokens, UPSTREAM.tokens)
            && within(self.hidden, UPSTREAM.hidden)
            && self.width.is_multiple_of(HEADS)
    }
}

/// Makes the patch embedding of a tower for these wavelengths.
pub(super) fn patch_embedding(
    weights: &mut Weights<'_, '_>,
    config: &VitConfig,
    wavelengths: Wavelengths,
) -> Result<Linear> {
    weights.loader.skip(TRAINING);
    let sizes = Sizes::of(weights.loader.checkpoint());
    let compute = Compute { device: Device::Cpu, precision: Precision::F32, kernels: None };
    let on_cpu = &mut Weights { loader: &mut *weights.loader, compute };
    let generator = Generator::load(on_cpu, sizes, [config.stack.width, config.patch * config.patch])?;
    if weights.loader.has_problems() {
        return Linear::unusable(&weights.compute);
    }
    let (weight, bias) = generator.generate(wavelengths)?;
    let shape = [config.stack.width, weight.len() / config.stack.width];
    Linear::new(&weights.compute.exact(), &weight, Some(bias.into()), shape)
}

/// Makes the weights of a patch embedding: two linear layers with a nonlinearity, a transformer block with norms
/// after its branches, and two linear layers without a nonlinearity.
struct Generator {
    compute: Compute,
    sizes: Sizes,
    /// Width of the tower, and number of pixels in a patch.
    output: [usize; 2],
    residual: [Linear; 2],
    /// Learned tokens, `[tokens, width]`.
    tokens: Tensor,
    /// Token that becomes the bias, `[1, width]`.
    bias_token: Tensor,
    qkv: Linear,
    attended: Linear,
    norm_1: LayerNorm,
    perceptron: [Linear; 2],
    norm_2: LayerNorm,
    weight: Linear,
    bias: Linear,
}

impl Generator {
    fn load(weights: &mut Weights<'_, '_>, sizes: Sizes, output: [usize; 2]) -> Result<Self> {
        let Sizes { width, tokens, hidden } = sizes;
        let generator = format!("{PREFIX}.weight_generator");
        let block = format!("{generator}.transformer_encoder.layers.0");
        let compute = weights.compute.clone();
        let mut linear = |name: String, shape| {
            weights.linear(&format!("{name}.weight"), Some(&format!("{name}.bias")), shape)
        };
        Ok(Self {
            compute,
            sizes,
            output,
            residual: [
                linear(format!("{PREFIX}.fclayer.w1"), [width, width])?,
                linear(format!("{PREFIX}.fclayer.w2"), [width, width])?,
            ],
            attended: linear(format!("{block}.self_attn.out_proj"), [width, width])?,
            perceptron: [
                linear(format!("{block}.linear1"), [hidden, width])?,
                linear(format!("{block}.linear2"), [width, hidden])?,
            ],
            weight: linear(format!("{generator}.fc_weight"), [output[0] * output[1], width])?,
            bias: linear(format!("{generator}.fc_bias"), [output[0], width])?,
            qkv: weights.linear(
                &format!("{block}.self_attn.in_proj_weight"),
                Some(&format!("{block}.self_attn.in_proj_bias")),
                [3 * width, width],
            )?,
            norm_1: weights.layer_norm(&format!("{block}.norm1"), width, EPSILON)?,
            norm_2: weights.layer_norm(&format!("{block}.norm2"), width, EPSILON)?,
            tokens: weights.tensor(&format!("{generator}.weight_tokens"), &[tokens, width])?,
            bias_token: weights.tensor(&format!("{generator}.bias_token"), &[1, width])?,
        })
    }

    /// Returns the weights `[outputs, pixels, channels]` and the biases `[outputs]` of a linear layer on patches.
    fn generate(&self, wavelengths: Wavelengths) -> Result<(Vec<f32>, Vec<f32>)> {
        let wavelengths = wavelengths.micrometers();
        let Sizes { width, tokens, .. } = self.sizes;
        let [outputs, pixels] = self.output;
        let channels = wavelengths.len();
        let forward = |layer: &Linear, x: &Tensor| layer.forward(x, &mut Buffer::default());

        let waves = wavelengths.iter().flat_map(|wavelength| encoded(*wavelength, width)).collect();
        let waves = Tensor::from_vec(waves, (1, channels, width), &Device::Cpu)?;
        let branch = forward(&self.residual[0], &waves)?.relu()?;
        let waves = (&waves + forward(&self.residual[1], &branch)?.relu()?)?;

        let x = Tensor::cat(&[&self.tokens.unsqueeze(0)?, &waves, &self.bias_token.unsqueeze(0)?], 1)?;
        let qkv = forward(&self.qkv, &x)?;
        let attended = self_attention(&self.compute, &qkv, HEADS, false, &mut Buffer::default())?;
        let x = self.norm_1.forward(&self.attended.add_to(&attended, x)?, &mut Buffer::default())?;
        let [hidden, output] = &self.perceptron;
        let hidden = hidden.forward_activated(&x, Activation::Gelu, &mut Buffer::default())?;
        let x = self.norm_2.forward(&output.add_to(&hidden, x)?, &mut Buffer::default())?;

        let weight = forward(&self.weight, &(x.narrow(1, tokens, channels)? + waves)?)?;
        let weight = weight.flatten_all()?.to_vec1::<f32>()?;
        let bias = forward(&self.bias, &x.narrow(1, tokens + channels, 1)?)?;
        let bias: Vec<f32> = bias.flatten_all()?.to_vec1()?;
        // The generator makes the order [channels, pixels, outputs].
        let index = |output, pixel, channel| (channel * pixels + pixel) * outputs + output;
        let weight = (0..outputs)
            .flat_map(|output| (0..pixels).map(move |pixel| (output, pixel)))
            .flat_map(|(output, pixel)| (0..channels).map(move |channel| index(output, pixel, channel)))
            .map(|index| weight[index] * SCALE)
            .collect();
        Ok((weight, bias.into_iter().map(|bias| bias * SCALE).collect()))
    }
}

/// Encodes a wavelength: the sines, then the cosines of the wavelength in nanometers at `width / 2` frequencies
/// (Vaswani et al. 2017). Each step is rounded to f32 where PyTorch rounds it, because a rounding changes the sine of
/// 665 radians.
fn encoded(micrometers: f32, width: usize) -> Vec<f32> {
    let half = width / 2;
    let angle = |i: usize| {
        let exponent = i as f32 / (width as f32 / 2.0);
        let frequency = 1.0 / (10_000f64.powf(exponent.into()) as f32);
        f64::from(micrometers * 1000.0 * frequency)
    };
    let sines = (0..half).map(|i| angle(i).sin() as f32);
    sines.chain((0..half).map(|i| angle(i).cos() as f32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares with torch 2.15 on a CPU: `angles` of tests/python/dofa.py, for 0.665 at a width of 128.
    #[test]
    fn wavelengths_are_encoded_as_by_pytorch() {
        let values = encoded(0.665, 128);
        assert_eq!(values.len(), 128);
        for (index, value) in [
            (0, -0.850_871_86),
            (1, -0.816_207_65),
            (5, -0.246_784_98),
            (63, 0.076_717_55),
            (64, 0.525_373_28),
            (127, 0.997_052_85),
        ] {
            assert!((values[index] - value).abs() <= f32::EPSILON / 2.0, "{index}: {}", values[index]);
        }
    }
}
