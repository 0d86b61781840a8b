//! Handing a tower its layers, from the names and shapes of their tensors.

use candle_core::Tensor;
use rscir_checkpoint::Loader;

use super::compute::Compute;
use super::nn::{LayerNorm, Linear};
use crate::Result;

/// Makes a table of another size of values and their shape.
type Fit = fn(&[f32], &[usize], [usize; 2]) -> Option<Vec<f32>>;

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
            None => Ok(Tensor::zeros((), self.compute.dtype(), &self.compute.device)?),
        }
    }

    /// A table of positions in the towers' number format: `fit` makes one where the
    /// checkpoint's is for another size.
    pub(crate) fn positions(&mut self, name: &str, shape: [usize; 2], fit: Fit) -> Result<Tensor> {
        match self.loader.fitted_values(name, &shape, |values, from| fit(values, from, shape))? {
            Some(values) => self.compute.tensor(values, &shape),
            None => Ok(Tensor::zeros((), self.compute.dtype(), &self.compute.device)?),
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

    /// [`Weights::linear`] in f32 where the layers' weights are of less precision.
    pub(crate) fn exact_linear(
        &mut self,
        weight: &str,
        bias: Option<&str>,
        shape: [usize; 2],
    ) -> Result<Linear> {
        let compute = self.compute.exact();
        Weights { loader: &mut *self.loader, compute }.linear(weight, bias, shape)
    }

    /// [`Weights::linear`] with its outputs in another order: output `i` is that of row `order[i]`.
    pub(crate) fn linear_in_order(
        &mut self,
        weight: &str,
        bias: &str,
        [outputs, inputs]: [usize; 2],
        order: &[usize],
    ) -> Result<Linear> {
        let weight = self.loader.values(weight, &[outputs, inputs])?;
        let bias = self.loader.values(bias, &[outputs])?;
        let (Some(weight), Some(bias)) = (weight, bias) else { return Linear::unusable(&self.compute) };
        let rows: Vec<f32> =
            order.iter().flat_map(|row| &weight[row * inputs..][..inputs]).copied().collect();
        let bias: Vec<f32> = order.iter().map(|row| bias[*row]).collect();
        Linear::new(&self.compute, &rows, Some(bias.into()), [outputs, inputs])
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
                Linear::new(&self.compute.exact(), &weight, None, [outputs, inputs])
            }
            None => Linear::unusable(&self.compute),
        }
    }

    /// `name.weight[width]` and `name.bias[width]`.
    pub(crate) fn layer_norm(&mut self, name: &str, width: usize, epsilon: f64) -> Result<LayerNorm> {
        let weight = self.loader.values(&format!("{name}.weight"), &[width])?;
        let bias = self.loader.values(&format!("{name}.bias"), &[width])?;
        LayerNorm::new(&self.compute, weight.unwrap_or_default(), bias.unwrap_or_default(), epsilon)
    }
}
