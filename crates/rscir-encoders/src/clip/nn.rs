//! The operations that towers are made of. Nothing else in the towers touches numbers, so that what computes them can
//! be exchanged here: packed kernels on a CPU in f32, the tensor library's operations elsewhere.

use std::borrow::Cow;

use candle_core::{CpuStorage, D, DType, Device, InplaceOp2, Layout, Tensor};
use rscir_kernels::{Epilogue, PackedMatrix};

use super::config::Activation;
use crate::Result;
use crate::weights::Loader;

/// Where and in which number format towers compute.
#[derive(Debug, Clone)]
pub(crate) struct Compute {
    pub(crate) device: Device,
    pub(crate) dtype: DType,
}

impl Compute {
    fn packs(&self) -> bool {
        self.device.is_cpu() && self.dtype == DType::F32
    }

    pub(crate) fn tensor(&self, values: Cow<'_, [f32]>, shape: &[usize]) -> Result<Tensor> {
        let tensor = match values {
            Cow::Owned(values) => Tensor::from_vec(values, shape, &self.device)?,
            Cow::Borrowed(values) => Tensor::from_slice(values, shape, &self.device)?,
        };
        Ok(tensor.to_dtype(self.dtype)?)
    }
}

/// Hands a tower its layers. A tensor that does not fit is noted by the [`Loader`], and a layer that must not be used
/// is returned, so that building goes on until all problems are known.
pub(crate) struct Weights<'l, 'c> {
    pub(crate) loader: &'l mut Loader<'c>,
    pub(crate) compute: Compute,
}

impl Weights<'_, '_> {
    /// A tensor in the towers' number format.
    pub(crate) fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        match self.loader.values(name, shape)? {
            Some(values) => self.compute.tensor(values, shape),
            None => Ok(Tensor::zeros((), self.compute.dtype, &self.compute.device)?),
        }
    }

    /// `weight[outputs, inputs]` and, where there is one, `bias[outputs]`.
    pub(crate) fn linear(
        &mut self,
        weight: &str,
        bias: Option<&str>,
        [outputs, inputs]: [usize; 2],
    ) -> Result<Linear> {
        self.linear_scaled(weight, bias, None, [outputs, inputs])
    }

    /// [`Weights::linear`] followed by a multiplication with the vector `scale`, made one: `s (W x + b) = (s W) x + s b`.
    pub(crate) fn linear_scaled(
        &mut self,
        weight: &str,
        bias: Option<&str>,
        scale: Option<&str>,
        [outputs, inputs]: [usize; 2],
    ) -> Result<Linear> {
        let weight = self.loader.values(weight, &[outputs, inputs])?;
        let bias = bias.map(|name| self.loader.values(name, &[outputs])).transpose()?;
        let scale = scale.map(|name| self.loader.values(name, &[outputs])).transpose()?;
        let (Some(mut weight), Some(mut bias)) = (weight, bias.map_or(Some(None), |b| b.map(Some))) else {
            return Linear::unusable(&self.compute);
        };
        if let Some(Some(scale)) = scale {
            for (row, scale) in weight.to_mut().chunks_exact_mut(inputs.max(1)).zip(&*scale) {
                row.iter_mut().for_each(|w| *w *= scale);
            }
            if let Some(bias) = &mut bias {
                bias.to_mut().iter_mut().zip(&*scale).for_each(|(b, s)| *b *= s);
            }
        }
        Linear::new(&self.compute, &weight, bias, [outputs, inputs])
    }

    /// A matrix `[inputs, outputs]` that is multiplied from the right, as CLIP stores its projections.
    pub(crate) fn projection(&mut self, name: &str, [inputs, outputs]: [usize; 2]) -> Result<Linear> {
        match self.loader.values(name, &[inputs, outputs])? {
            Some(matrix) => {
                let columns = (0..outputs).flat_map(|column| matrix.iter().skip(column).step_by(outputs));
                let weight: Vec<f32> = columns.copied().collect();
                Linear::new(&self.compute, &weight, None, [outputs, inputs])
            }
            None => Linear::unusable(&self.compute),
        }
    }

    /// `name.weight[width]` and `name.bias[width]`.
    pub(crate) fn layer_norm(&mut self, name: &str, width: usize, epsilon: f64) -> Result<LayerNorm> {
        Ok(LayerNorm {
            weight: self.tensor(&format!("{name}.weight"), &[width])?,
            bias: self.tensor(&format!("{name}.bias"), &[width])?,
            epsilon,
        })
    }
}

/// A matrix product with constant weights: `y = x W^T + b`.
pub(crate) struct Linear {
    weights: Matrix,
    outputs: usize,
}

enum Matrix {
    /// Laid out for the CPU's kernels.
    Packed { weights: PackedMatrix, bias: Option<Vec<f32>> },
    /// `[outputs, inputs]`, and the bias.
    Plain { weights: Tensor, bias: Option<Tensor> },
}

impl Linear {
    /// Takes `weight[outputs, inputs]`, row-major.
    pub(crate) fn new(
        compute: &Compute,
        weight: &[f32],
        bias: Option<Cow<'_, [f32]>>,
        [outputs, inputs]: [usize; 2],
    ) -> Result<Self> {
        let weights = if compute.packs() {
            let weights = PackedMatrix::pack(weight, outputs, inputs);
            Matrix::Packed { weights, bias: bias.map(Cow::into_owned) }
        } else {
            let weights = compute.tensor(Cow::Borrowed(weight), &[outputs, inputs])?;
            let bias = bias.map(|bias| compute.tensor(bias, &[outputs])).transpose()?;
            Matrix::Plain { weights, bias }
        };
        Ok(Self { weights, outputs })
    }

    /// Stands for a layer whose tensors did not fit.
    pub(crate) fn unusable(compute: &Compute) -> Result<Self> {
        let weights = Tensor::zeros((0, 0), compute.dtype, &compute.device)?;
        Ok(Self { weights: Matrix::Plain { weights, bias: None }, outputs: 0 })
    }

    /// `out = x W^T + b`; the last dimension of `x` is the layer's inputs.
    pub(crate) fn forward(&self, x: &Tensor, out: &mut Buffer) -> Result<Tensor> {
        self.run(x, None, out)
    }

    /// [`Linear::forward`] and then the nonlinearity.
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
                let mut epilogue = Epilogue { bias: bias.as_deref(), ..Epilogue::none() };
                epilogue = match activation {
                    Some(Activation::Gelu) => epilogue.gelu(),
                    Some(Activation::QuickGelu) => epilogue.quick_gelu(),
                    Some(Activation::GeluTanh) | None => epilogue,
                };
                let out = out.take(&shape, x)?;
                out.inplace_op2(x, &Product { weights, epilogue })?;
                match activation {
                    Some(Activation::GeluTanh) => Ok(out.gelu()?),
                    _ => Ok(out),
                }
            }
            Matrix::Plain { weights, bias } => {
                let y = plain_product(x, weights, bias.as_ref())?.reshape(shape)?;
                Ok(match activation {
                    None => y,
                    Some(Activation::Gelu) => y.gelu_erf()?,
                    Some(Activation::QuickGelu) => (&y * candle_nn::ops::sigmoid(&(&y * 1.702)?)?)?,
                    Some(Activation::GeluTanh) => y.gelu()?,
                })
            }
        }
    }

    /// `residual + x W^T + b`, in the residual's memory where that is possible.
    pub(crate) fn add_to(&self, x: &Tensor, residual: Tensor) -> Result<Tensor> {
        let x = &x.contiguous()?;
        match &self.weights {
            Matrix::Packed { weights, bias } => {
                let epilogue = Epilogue { bias: bias.as_deref(), ..Epilogue::none() }.add();
                residual.inplace_op2(x, &Product { weights, epilogue })?;
                Ok(residual)
            }
            Matrix::Plain { weights, bias } => {
                let y = plain_product(x, weights, bias.as_ref())?;
                Ok((&residual + y.reshape(residual.shape())?)?)
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

/// Over all leading dimensions at once, which the tensor library does not do by itself.
fn plain_product(x: &Tensor, weights: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let rows = x.flatten_to(D::Minus2)?;
    let y = rows.matmul(&weights.t()?)?;
    Ok(match bias {
        Some(bias) => y.broadcast_add(bias)?,
        None => y,
    })
}

/// [`PackedMatrix::apply`] as an operation on tensors.
struct Product<'a> {
    weights: &'a PackedMatrix,
    epilogue: Epilogue<'a>,
}

impl InplaceOp2 for Product<'_> {
    fn name(&self) -> &'static str {
        "packed-product"
    }

    fn cpu_fwd(
        &self,
        out: &mut CpuStorage,
        out_layout: &Layout,
        x: &CpuStorage,
        x_layout: &Layout,
    ) -> candle_core::Result<()> {
        let x = slice(x, x_layout)?;
        let rows = x.len() / self.weights.k().max(1);
        self.weights.apply(x, rows, self.epilogue, slice_mut(out, out_layout)?);
        Ok(())
    }
}

/// The elements of a contiguous tensor.
fn slice<'s>(storage: &'s CpuStorage, layout: &Layout) -> candle_core::Result<&'s [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice()?[start..end]),
        None => candle_core::bail!("a kernel's operand must be contiguous"),
    }
}

fn slice_mut<'s>(storage: &'s mut CpuStorage, layout: &Layout) -> candle_core::Result<&'s mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((start, end))) => Ok(&mut values[start..end]),
        _ => candle_core::bail!("a kernel's result must be contiguous and f32"),
    }
}

/// Memory that an operation's results are written into again and again, so that a tower's blocks do not each ask the
/// system for pages.
#[derive(Default)]
pub(crate) struct Buffer(Option<Tensor>);

impl Buffer {
    /// A tensor of `shape`, of the device and type of `like`. What it holds is not specified; what was taken from
    /// this buffer before must not be used any more.
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

/// Layer normalisation over the last dimension (Ba, Kiros, Hinton 2016).
pub(crate) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f64,
}

impl LayerNorm {
    pub(crate) fn forward(&self, x: &Tensor, out: &mut Buffer) -> Result<Tensor> {
        let _ = out;
        Ok(candle_nn::ops::layer_norm(x, &self.weight, &self.bias, self.epsilon as f32)?)
    }
}

/// Multi-head self-attention of `qkv[batch, tokens, 3 width]`, queries, keys and values side by side; heads divide
/// the width. With `causal`, a token attends to itself and those before it. Gives `[batch, tokens, width]`.
pub(crate) fn self_attention(qkv: &Tensor, heads: usize, causal: bool, out: &mut Buffer) -> Result<Tensor> {
    let _ = out;
    let width = qkv.dim(D::Minus1)? / 3;
    let [q, k, v] = [0, 1, 2].map(|part| qkv.narrow(D::Minus1, part * width, width));
    attention(&q?, &k?, &v?, heads, causal)
}

/// Multi-head attention of `q[batch, queries, width]` over `k` and `v[batch, tokens, width]`:
/// `softmax(q k^T / sqrt(width / heads)) v` in each head.
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
