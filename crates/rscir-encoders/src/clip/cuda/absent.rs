use candle_core::{Device, Tensor};
use rscir_core::PixelBatch;

use crate::Result;
use crate::clip::config::Activation;
use crate::clip::pixels::{Normalization, Windows};

/// A type without values, which stands for the kernels in a build without GPU support.
#[derive(Debug, Clone)]
pub(crate) enum Kernels {}

impl Kernels {
    pub(crate) fn new(_: &Device, _: &Normalization) -> Result<Option<Self>> {
        Ok(None)
    }

    pub(crate) fn layer_norm(&self, _: &Tensor, _: &Tensor, _: &Tensor, _: f32, _: &Tensor) -> Result<bool> {
        match *self {}
    }

    pub(crate) fn bias_activate(&self, _: &Tensor, _: &Tensor, _: Option<Activation>) -> Result<bool> {
        match *self {}
    }

    pub(crate) fn add_biased(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> Result<bool> {
        match *self {}
    }

    pub(crate) fn self_attention(&self, _: &Tensor, _: usize, _: bool, _: &Tensor) -> Result<bool> {
        match *self {}
    }

    pub(crate) fn unfold(&self, _: PixelBatch<'_>, _: Windows, _: &Tensor) -> Result<()> {
        match *self {}
    }

    pub(crate) fn images(&self, _: usize) -> Result<usize> {
        match *self {}
    }
}
