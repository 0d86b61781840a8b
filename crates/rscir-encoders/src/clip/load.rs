//! Loading of the layers of a tower by the names and shapes of their tensors.

use candle_core::Tensor;
use rscir_checkpoint::Loader;

use super::compute::Compute;
use super::nn::{LayerNorm, Linear};
use crate::Result;

/// Resizes a table: takes its values, their shape and the shape of the result. `None` if the table cannot be resized.
type Fit = fn(&[f32], &[usize], [usize; 2]) -> Option<Vec<f32>>;

/// Loads the layers of a tower. If a tensor does not fit, the [`Loader`] records the problem and the layer that is
/// returned must not be used. Loading goes on, so that all problems are known at the end.
pub(crate) struct Weights<'l, 'c> {
    pub(crate) loader: &'l mut Loader<'c>,
    pub(crate) compute: Compute,
}

impl Weights<'_, '_> {
    /// Loads a tensor in the number format of the towers.
    pub(crate) fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        match self.loader.values(name, shape)? {
            Some(values) => self.compute.tensor(values, shape),
            None => Ok(Tensor::zeros((), self.compute.dtype(), &self.compute.device)?),
        }
    }

    /// Loads a table of positions in the number format of the towers. `fit` resizes the table of the checkpoint if it
    /// has another shape.
    pub(crate) fn positions(&mut self, name: &str, shape: [usize; 2], fit: Fit) -> Result<Tensor> {
        match self.loader.fitted_values(name, &shape, |values, from| fit(values, from, shape))? {
            Some(values) => self.compute.tensor(values, &shape),
            None => Ok(Tensor::zeros((), self.compute.dtype(), &self.compute.device)?),
        }
    }

    /// Loads a linear layer: `weight[outputs, inputs]` and, if it is named, `bias[outputs]`.
    pub(crate) fn linear(
        &mut self,
        weight: &str,
        bias: Option<&str>,
        [outputs, inputs]: [usize; 2],
    ) -> Result<Linear> {
        self.linear_scaled(weight, bias, None, [outputs, inputs])
    }

    /// Loads a layer like [`Weights::linear`], but in the format of [`Compute::exact`].
    pub(crate) fn exact_linear(
        &mut self,
        weight: &str,
        bias: Option<&str>,
        shape: [usize; 2],
    ) -> Result<Linear> {
        let compute = self.compute.exact();
        Weights { loader: &mut *self.loader, compute }.linear(weight, bias, shape)
    }

    /// Loads a layer like [`Weights::linear`], with its outputs in another order: output `i` is that of row
    /// `order[i]`.
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

    /// Loads a layer like [`Weights::linear`] that is followed by a multiplication with the vector `scale`. The two
    /// become one layer: `s (W x + b) = (s W) x + s b`.
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

    /// Loads a matrix `[inputs, outputs]` that is multiplied from the right, as CLIP stores its projections, in the
    /// format of [`Compute::exact`].
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

    /// Loads a layer norm: `name.weight[width]` and `name.bias[width]`.
    pub(crate) fn layer_norm(&mut self, name: &str, width: usize, epsilon: f64) -> Result<LayerNorm> {
        let weight = self.loader.values(&format!("{name}.weight"), &[width])?;
        let bias = self.loader.values(&format!("{name}.bias"), &[width])?;
        LayerNorm::new(&self.compute, weight.unwrap_or_default(), bias.unwrap_or_default(), epsilon)
    }
}
