use std::borrow::Cow;

use candle_core::{DType, Device, Tensor};
use rscir_core::Precision;

use super::cuda::Kernels;
use crate::Result;

/// Device and number format in which towers compute.
#[derive(Debug, Clone)]
pub(crate) struct Compute {
    pub(crate) device: Device,
    pub(crate) precision: Precision,
    /// CUDA kernels, which are used where they fit. `None` on a CPU, or if the tensor library's operations were
    /// chosen.
    pub(crate) kernels: Option<Kernels>,
}

impl Compute {
    /// Returns the number format of the values between two layers. On a CPU it is f32, whatever the format of the
    /// weights.
    pub(crate) fn dtype(&self) -> DType {
        match self.precision {
            Precision::Bf16 if !self.device.is_cpu() => DType::BF16,
            Precision::F16 if !self.device.is_cpu() => DType::F16,
            _ => DType::F32,
        }
    }

    /// Returns the device and format for the first and the last layer, which cost little and which every value passes
    /// through. On a CPU the format is f32; on a GPU it is that of the other layers.
    pub(crate) fn exact(&self) -> Self {
        let precision = if self.device.is_cpu() { Precision::F32 } else { self.precision };
        Self { precision, ..self.clone() }
    }

    /// Makes a tensor on the device, in the format of the values between two layers.
    pub(crate) fn tensor(&self, values: Cow<'_, [f32]>, shape: &[usize]) -> Result<Tensor> {
        let tensor = match values {
            Cow::Owned(values) => Tensor::from_vec(values, shape, &self.device)?,
            Cow::Borrowed(values) => Tensor::from_slice(values, shape, &self.device)?,
        };
        Ok(tensor.to_dtype(self.dtype())?)
    }
}
