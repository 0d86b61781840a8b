use std::borrow::Cow;

use candle_core::{DType, Device, Tensor};
use rscir_core::Precision;

use super::cuda::Kernels;
use crate::Result;

/// Where and in which number format towers compute.
#[derive(Debug, Clone)]
pub(crate) struct Compute {
    pub(crate) device: Device,
    pub(crate) precision: Precision,
    /// Kernels that are used where they fit, on a GPU.
    pub(crate) kernels: Option<Kernels>,
}

impl Compute {
    /// The format of the values between two layers. A CPU's kernels take and give f32 whatever their weights are.
    pub(crate) fn dtype(&self) -> DType {
        match self.precision {
            Precision::Bf16 if !self.device.is_cpu() => DType::BF16,
            Precision::F16 if !self.device.is_cpu() => DType::F16,
            _ => DType::F32,
        }
    }

    /// The same device in f32 where the layers' weights alone are of less precision: for the first and the last layer,
    /// which cost little and which everything passes through.
    pub(crate) fn exact(&self) -> Self {
        let precision = if self.device.is_cpu() { Precision::F32 } else { self.precision };
        Self { precision, ..self.clone() }
    }

    pub(crate) fn tensor(&self, values: Cow<'_, [f32]>, shape: &[usize]) -> Result<Tensor> {
        let tensor = match values {
            Cow::Owned(values) => Tensor::from_vec(values, shape, &self.device)?,
            Cow::Borrowed(values) => Tensor::from_slice(values, shape, &self.device)?,
        };
        Ok(tensor.to_dtype(self.dtype())?)
    }
}
