//! The CPU's kernels as operations on tensors. Each writes its result into a tensor that already exists.

use candle_core::{CpuStorage, D, InplaceOp2, Layout, Tensor};
use rscir_core::Precision;
use rscir_kernels::{AttentionShape, Epilogue, PackedBf16, PackedI8, PackedMatrix, Rotation};

use super::config::Activation;
use crate::Result;

/// Weights of a linear layer in the layout of the CPU's kernels.
pub(super) enum Packed {
    F32(PackedMatrix),
    Bf16(PackedBf16),
    I8(PackedI8),
}

impl Packed {
    /// Packs row-major `weights[outputs, inputs]`. A precision without a CPU kernel becomes f32.
    pub(super) fn new(precision: Precision, weights: &[f32], outputs: usize, inputs: usize) -> Self {
        match precision {
            Precision::Bf16 => Self::Bf16(PackedBf16::pack(weights, outputs, inputs)),
            Precision::I8 => Self::I8(PackedI8::pack(weights, outputs, inputs)),
            _ => Self::F32(PackedMatrix::pack(weights, outputs, inputs)),
        }
    }

    fn inputs(&self) -> usize {
        match self {
            Self::F32(weights) => weights.k(),
            Self::Bf16(weights) => weights.k(),
            Self::I8(weights) => weights.k(),
        }
    }

    fn apply(&self, x: &[f32], epilogue: Epilogue<'_>, out: &mut [f32]) {
        let rows = x.len() / self.inputs().max(1);
        match self {
            Self::F32(weights) => weights.apply(x, rows, epilogue, out),
            Self::Bf16(weights) => weights.apply(x, rows, epilogue, out),
            Self::I8(weights) => weights.apply(x, rows, epilogue, out),
        }
    }
}

/// Computes `out = f(x W^T + bias)`. Without `activation`, `f` is the identity.
pub(super) fn product(
    weights: &Packed,
    bias: Option<&[f32]>,
    activation: Option<Activation>,
    x: &Tensor,
    out: &Tensor,
) -> Result<()> {
    let epilogue = Epilogue { bias, ..Epilogue::none() };
    let epilogue = match activation {
        None => epilogue,
        Some(Activation::Gelu) => epilogue.gelu(),
        Some(Activation::QuickGelu) => epilogue.quick_gelu(),
        Some(Activation::GeluTanh) => epilogue.gelu_tanh(),
    };
    run("product", x, out, |x, out| weights.apply(x, epilogue, out))
}

/// Computes `residual += x W^T + bias`.
pub(super) fn product_added(
    weights: &Packed,
    bias: Option<&[f32]>,
    x: &Tensor,
    residual: &Tensor,
) -> Result<()> {
    let epilogue = Epilogue { bias, ..Epilogue::none() }.add();
    run("product-added", x, residual, |x, out| weights.apply(x, epilogue, out))
}

/// Normalizes the rows of `x`, which are as long as `weight` and `bias`.
pub(super) fn layer_norm(weight: &[f32], bias: &[f32], epsilon: f32, x: &Tensor, out: &Tensor) -> Result<()> {
    run("layer-norm", x, out, |x, out| rscir_kernels::layer_norm(x, weight, bias, epsilon, out))
}

/// Computes the self-attention of `qkv[batch, tokens, 3 width]` into `out[batch, tokens, width]`.
///
/// The operands are f32 for weights of f32, and bf16 for weights of less. They are never int8, whose steps are too
/// coarse for the exponentials of the scores.
pub(super) fn self_attention(
    precision: Precision,
    heads: usize,
    causal: bool,
    qkv: &Tensor,
    out: &Tensor,
) -> Result<()> {
    let (batch, tokens, width) = out.dims3()?;
    let attention = match precision {
        Precision::Bf16 | Precision::I8 => rscir_kernels::attention_bf16,
        _ => rscir_kernels::attention,
    };
    let shape = AttentionShape { batch, tokens, heads, head_dim: width / heads, causal };
    run("self-attention", qkv, out, |qkv, out| attention(qkv, shape, out))
}

/// Rotates the queries and keys of `qkv[batch, tokens, 3 width]` by `table[2, tokens, half a head]`, which holds
/// cosines, then sines.
pub(super) fn rotate(heads: usize, table: &Tensor, qkv: &Tensor) -> Result<()> {
    let half = table.dim(D::Minus1)?;
    run("rotate", table, qkv, |table, qkv| {
        let (cos, sin) = table.split_at(table.len() / 2);
        rscir_kernels::rotate(Rotation { cos, sin, half, heads }, qkv);
    })
}

/// Runs a kernel that reads one contiguous f32 tensor and writes another.
fn run(name: &'static str, x: &Tensor, out: &Tensor, kernel: impl Fn(&[f32], &mut [f32])) -> Result<()> {
    Ok(out.inplace_op2(x, &Kernel { name, kernel })?)
}

struct Kernel<K> {
    name: &'static str,
    kernel: K,
}

impl<K: Fn(&[f32], &mut [f32])> InplaceOp2 for Kernel<K> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(
        &self,
        out: &mut CpuStorage,
        out_layout: &Layout,
        x: &CpuStorage,
        x_layout: &Layout,
    ) -> candle_core::Result<()> {
        let (CpuStorage::F32(out), CpuStorage::F32(x)) = (out, x) else {
            candle_core::bail!("{}: operands must be f32", self.name);
        };
        let (Some((out_start, out_end)), Some((start, end))) =
            (out_layout.contiguous_offsets(), x_layout.contiguous_offsets())
        else {
            candle_core::bail!("{}: operands must be contiguous", self.name);
        };
        (self.kernel)(&x[start..end], &mut out[out_start..out_end]);
        Ok(())
    }
}
