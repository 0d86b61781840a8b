//! The operations that towers are made of: packed kernels on a CPU, CUDA kernels or the tensor library's operations
//! on a GPU. Towers leave all arithmetic to these operations, so that the choice is made here alone.

use std::borrow::Cow;

use candle_core::{D, Tensor};

use super::compute::Compute;
use super::config::Activation;
use super::cuda::Kernels;
use super::kernels::{self, Packed};
use crate::Result;

/// A matrix product with constant weights: `y = x W^T + b`.
pub(crate) struct Linear {
    weights: Matrix,
    outputs: usize,
}

enum Matrix {
    /// Weights in the layout of the CPU's kernels.
    Packed { weights: Packed, bias: Option<Vec<f32>> },
    /// Weights `[outputs, inputs]`, the bias, and the kernels of their device.
    Plain { weights: Tensor, bias: Option<Tensor>, kernels: Option<Kernels> },
}

impl Linear {
    /// Makes a layer of row-major `weight[outputs, inputs]` and `bias[outputs]`.
    pub(crate) fn new(
        compute: &Compute,
        weight: &[f32],
        bias: Option<Cow<'_, [f32]>>,
        [outputs, inputs]: [usize; 2],
    ) -> Result<Self> {
        let weights = if compute.device.is_cpu() {
            let weights = Packed::new(compute.precision, weight, outputs, inputs);
            Matrix::Packed { weights, bias: bias.map(Cow::into_owned) }
        } else {
            let weights = compute.tensor(Cow::Borrowed(weight), &[outputs, inputs])?;
            let bias = bias.map(|bias| compute.tensor(bias, &[outputs])).transpose()?;
            Matrix::Plain { weights, bias, kernels: compute.kernels.clone() }
        };
        Ok(Self { weights, outputs })
    }

    /// Makes a placeholder for a layer whose tensors do not fit. It must not be used.
    pub(crate) fn unusable(compute: &Compute) -> Result<Self> {
        let weights = Tensor::zeros((0, 0), compute.dtype(), &compute.device)?;
        Ok(Self { weights: Matrix::Plain { weights, bias: None, kernels: None }, outputs: 0 })
    }

    /// Returns `x W^T + b`, on a CPU in the memory of `out`. The last dimension of `x` is the layer's inputs.
    pub(crate) fn forward(&self, x: &Tensor, out: &mut Buffer) -> Result<Tensor> {
        self.run(x, None, out)
    }

    /// Returns `f(x W^T + b)`, on a CPU in the memory of `out`, where `f` is the activation.
    pub(crate) fn forward_activated(
        &self,
        x: &Tensor,
        activation: Activation,
        out: &mut Buffer,
    ) -> Result<Tensor> {
        self.run(x, Some(activation), out)
    }

    fn run(&self, x: &Tensor, activation: Option<Activation>, out: &mut Buffer) -> Result<Tensor> {
        let shape = self.output_shape(x);
        let x = &x.contiguous()?;
        match &self.weights {
            Matrix::Packed { weights, bias } => {
                let out = out.take(&shape, x)?;
                kernels::product(weights, bias.as_deref(), activation, x, &out)?;
                Ok(out)
            }
            Matrix::Plain { weights, bias, kernels } => {
                let y = plain_product(x, weights)?.reshape(shape)?;
                if let (Some(kernels), Some(bias)) = (kernels, bias)
                    && kernels.bias_activate(&y, bias, activation)?
                {
                    return Ok(y);
                }
                let y = plain_sum(y, bias.as_ref())?;
                Ok(match activation {
                    None => y,
                    Some(Activation::Gelu) => y.gelu_erf()?,
                    Some(Activation::QuickGelu) => (&y * candle_nn::ops::sigmoid(&(&y * 1.702)?)?)?,
                    Some(Activation::GeluTanh) => y.gelu()?,
                })
            }
        }
    }

    /// Returns `residual + x W^T + b`, in the memory of `residual` if that is possible.
    pub(crate) fn add_to(&self, x: &Tensor, residual: Tensor) -> Result<Tensor> {
        let x = &x.contiguous()?;
        match &self.weights {
            Matrix::Packed { weights, bias } => {
                kernels::product_added(weights, bias.as_deref(), x, &residual)?;
                Ok(residual)
            }
            Matrix::Plain { weights, bias, kernels } => {
                let y = plain_product(x, weights)?.reshape(residual.shape())?;
                if let (Some(kernels), Some(bias)) = (kernels, bias)
                    && kernels.add_biased(&residual, &y, bias)?
                {
                    return Ok(residual);
                }
                Ok((&residual + plain_sum(y, bias.as_ref())?)?)
            }
        }
    }

    fn output_shape(&self, x: &Tensor) -> Vec<usize> {
        let mut shape = x.dims().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = self.outputs;
        }
        shape
    }
}

/// Multiplies all leading dimensions at once, which the tensor library does not do by itself.
fn plain_product(x: &Tensor, weights: &Tensor) -> Result<Tensor> {
    Ok(x.flatten_to(D::Minus2)?.matmul(&weights.t()?)?)
}

fn plain_sum(y: Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    Ok(match bias {
        Some(bias) => y.broadcast_add(bias)?,
        None => y,
    })
}

/// Memory for the results of an operation that is used again, so that the blocks of a tower do not each ask the
/// system for pages.
#[derive(Debug, Default)]
pub(crate) struct Buffer(Option<Tensor>);

impl Buffer {
    /// Takes a tensor of `shape`, with the device and type of `like`. Its values are not specified. A tensor that was
    /// taken from this buffer before must not be used any more.
    fn take(&mut self, shape: &[usize], like: &Tensor) -> Result<Tensor> {
        let elements = shape.iter().product();
        let held = match self.0.take().filter(|held| held.elem_count() >= elements) {
            Some(held) => held,
            None => Tensor::zeros(elements, like.dtype(), like.device())?,
        };
        let taken = held.narrow(0, 0, elements)?.reshape(shape)?;
        self.0 = Some(held);
        Ok(taken)
    }
}

/// Layer normalization over the last dimension (Ba, Kiros, Hinton 2016).
pub(crate) struct LayerNorm {
    parameters: NormParameters,
    epsilon: f64,
}

enum NormParameters {
    Kernel { weight: Vec<f32>, bias: Vec<f32> },
    Plain { weight: Tensor, bias: Tensor, kernels: Option<Kernels> },
}

impl LayerNorm {
    /// Makes a layer norm of a weight and a bias of the same width.
    pub(crate) fn new(
        compute: &Compute,
        weight: Cow<'_, [f32]>,
        bias: Cow<'_, [f32]>,
        epsilon: f64,
    ) -> Result<Self> {
        let parameters = if compute.device.is_cpu() {
            NormParameters::Kernel { weight: weight.into_owned(), bias: bias.into_owned() }
        } else {
            let vector = |values: Cow<'_, [f32]>| {
                let shape = [values.len()];
                compute.tensor(values, &shape)
            };
            let kernels = compute.kernels.clone();
            NormParameters::Plain { weight: vector(weight)?, bias: vector(bias)?, kernels }
        };
        Ok(Self { parameters, epsilon })
    }

    pub(crate) fn forward(&self, x: &Tensor, out: &mut Buffer) -> Result<Tensor> {
        let x = &x.contiguous()?;
        let epsilon = self.epsilon as f32;
        match &self.parameters {
            NormParameters::Kernel { weight, bias } => {
                let out = out.take(x.dims(), x)?;
                kernels::layer_norm(weight, bias, epsilon, x, &out)?;
                Ok(out)
            }
            NormParameters::Plain { weight, bias, kernels } => {
                if let Some(kernels) = kernels {
                    let out = out.take(x.dims(), x)?;
                    if kernels.layer_norm(x, weight, bias, epsilon, &out)? {
                        return Ok(out);
                    }
                }
                Ok(candle_nn::ops::layer_norm(x, weight, bias, epsilon)?)
            }
        }
    }
}

/// Computes the multi-head self-attention of `qkv[batch, tokens, 3 width]`: queries, keys and values side by side.
/// Returns `[batch, tokens, width]`.
///
/// `heads` must divide the width. With `causal`, a token attends only to itself and the tokens before it.
pub(crate) fn self_attention(
    compute: &Compute,
    qkv: &Tensor,
    heads: usize,
    causal: bool,
    out: &mut Buffer,
) -> Result<Tensor> {
    let (batch, tokens, width) = qkv.dims3()?;
    let width = width / 3;
    if qkv.device().is_cpu() {
        let out = out.take(&[batch, tokens, width], qkv)?;
        kernels::self_attention(compute.precision, heads, causal, qkv, &out)?;
        return Ok(out);
    }
    if let Some(kernels) = &compute.kernels {
        let out = out.take(&[batch, tokens, width], qkv)?;
        if kernels.self_attention(qkv, heads, causal, &out)? {
            return Ok(out);
        }
    }
    let [q, k, v] = [0, 1, 2].map(|part| qkv.narrow(D::Minus1, part * width, width));
    attention(&q?, &k?, &v?, heads, causal)
}

/// Computes the multi-head attention of `q[batch, queries, width]` to `k` and `v[batch, tokens, width]`:
/// `softmax(q k^T / sqrt(width / heads)) v` in each head. Returns `[batch, queries, width]`.
pub(crate) fn attention(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, causal: bool) -> Result<Tensor> {
    let (batch, queries, width) = q.dims3()?;
    let split = |x: &Tensor| -> Result<Tensor> {
        let (batch, tokens, _) = x.dims3()?;
        Ok(x.reshape((batch, tokens, heads, width / heads))?.transpose(1, 2)?.contiguous()?)
    };
    let scale = ((width / heads) as f64).powf(-0.5);
    let mut scores = (split(q)? * scale)?.matmul(&split(k)?.t()?)?;
    if causal {
        let tokens = scores.dim(D::Minus1)?;
        let allowed = |row: usize, column: usize| if column <= row { 0f32 } else { f32::NEG_INFINITY };
        let mask: Vec<f32> = (0..queries * tokens).map(|i| allowed(i / tokens, i % tokens)).collect();
        let mask = Tensor::from_vec(mask, (queries, tokens), q.device())?.to_dtype(q.dtype())?;
        scores = scores.broadcast_add(&mask)?;
    }
    let attended = candle_nn::ops::softmax_last_dim(&scores)?.matmul(&split(v)?)?;
    Ok(attended.transpose(1, 2)?.reshape((batch, queries, width))?)
}
