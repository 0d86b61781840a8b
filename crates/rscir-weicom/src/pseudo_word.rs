use std::fmt;
use std::sync::Arc;

use rscir_core::{
    Archive, ComposedQuery, Composition, Error as CoreError, InjectedPrompt, Kind, Method, MethodInfo,
    Result as CoreResult, TextEncoder, score_composition,
};

use crate::{Error, Result};

/// Activation after a layer of a pseudo-word map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// The exact GELU, `x Phi(x)`.
    Gelu,
    /// No activation.
    Identity,
}

/// One linear layer, `W x + b`, with its activation.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Weights `[outputs, inputs]`, row-major, as PyTorch stores them.
    pub weight: Vec<f32>,
    /// Bias `[outputs]`.
    pub bias: Vec<f32>,
    /// Activation after the layer.
    pub activation: Activation,
}

/// A small map from an image feature, which is not normalized, to one token embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct PseudoWordMap {
    inputs: usize,
    layers: Vec<Layer>,
}

impl PseudoWordMap {
    /// Makes a map of layers for image features of width `inputs`.
    ///
    /// # Errors
    /// [`Error::BadParameter`] if there is no layer, or if the shape of a layer does not fit the one before.
    pub fn new(inputs: usize, layers: Vec<Layer>) -> Result<Self> {
        let mut width = inputs;
        for layer in &layers {
            let outputs = layer.bias.len();
            if outputs == 0 || layer.weight.len() != outputs * width {
                return Err(Error::BadParameter {
                    method: "pseudo-word",
                    parameter: "layers",
                    value: format!("{} weights, {outputs} biases", layer.weight.len()),
                    expected: "weights [outputs, inputs] whose inputs are the outputs of the layer before",
                });
            }
            width = outputs;
        }
        if layers.is_empty() || inputs == 0 {
            return Err(Error::BadParameter {
                method: "pseudo-word",
                parameter: "layers",
                value: layers.len().to_string(),
                expected: "at least one layer, for features of at least one value",
            });
        }
        Ok(Self { inputs, layers })
    }

    /// Returns the width of the image features that the map takes.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Computes the token embedding for one image feature, `[inputs]`.
    ///
    /// # Errors
    /// [`CoreError::Length`] if the feature has another width.
    pub fn apply(&self, feature: &[f32]) -> CoreResult<Vec<f32>> {
        CoreError::check_length("width of the image feature", self.inputs, feature.len())?;
        let mut x = feature.to_vec();
        for layer in &self.layers {
            let rows = layer.weight.chunks_exact(x.len()).zip(&layer.bias);
            x = rows.map(|(w, b)| layer.activation.apply(rscir_kernels::dot(w, &x) + b)).collect();
        }
        Ok(x)
    }
}

impl Activation {
    fn apply(self, x: f32) -> f32 {
        match self {
            Self::Relu => x.max(0.0),
            Self::Gelu => {
                let mut upper = [0.0];
                // x Phi(x) = x Q(-x).
                rscir_kernels::survival(&[-x], &mut upper);
                x * upper[0]
            }
            Self::Identity => x,
        }
    }
}

/// Composition by a pseudo-word: the image becomes one token of a prompt that also holds the text.
///
/// Pic2Word (Saito et al., CVPR 2023), SEARLE (Baldrati et al., ICCV 2023) and LinCIR (Gu et al., CVPR 2024)
/// differ in their maps and prompts. Their published maps fit only OpenAI's CLIP ViT-L/14.
pub struct PseudoWord {
    name: &'static str,
    marker: &'static str,
    /// Prompt with the marker in place, and `{text}` in place of the text.
    template: &'static str,
    map: PseudoWordMap,
    encoder: Arc<dyn TextEncoder>,
}

impl PseudoWord {
    /// Makes the method with the marker and prompt of Pic2Word (composed_dataset.py and eval_utils.py of
    /// google-research/composed_image_retrieval).
    pub fn pic2word(map: PseudoWordMap, encoder: Arc<dyn TextEncoder>) -> Self {
        Self { name: "pic2word", marker: "*", template: "a photo of * , {text}", map, encoder }
    }

    /// Makes the method with the marker and prompt of SEARLE (miccunifi/SEARLE, validate.py).
    pub fn searle(map: PseudoWordMap, encoder: Arc<dyn TextEncoder>) -> Self {
        Self { name: "searle", marker: "$", template: "a photo of $ that {text}", map, encoder }
    }

    /// Makes the method with the marker and prompt of LinCIR (navervision/lincir, validate.py).
    pub fn lincir(map: PseudoWordMap, encoder: Arc<dyn TextEncoder>) -> Self {
        Self { name: "lincir", marker: "$", template: "a photo of $ that {text}", map, encoder }
    }
}

impl fmt::Debug for PseudoWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PseudoWord")
            .field("name", &self.name)
            .field("template", &self.template)
            .finish_non_exhaustive()
    }
}

impl Method for PseudoWord {
    fn info(&self) -> MethodInfo {
        MethodInfo::new(self.name)
    }

    fn score(&self, query: &ComposedQuery, archive: &dyn Archive, scores: &mut [f32]) -> CoreResult<()> {
        score_composition(self, query, archive, scores)
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Composition(self)
    }
}

impl Composition for PseudoWord {
    fn compose(&self, query: &ComposedQuery, archive: &dyn Archive) -> CoreResult<Vec<f32>> {
        archive.spec().check(query.spec())?;
        archive.spec().check(self.encoder.spec())?;
        let image = query.require_image(self.name)?;
        let words = query.require_words(self.name)?;
        let raw: Vec<f32> = image.iter().map(|v| v * image.norm()).collect();
        let embedding = self.map.apply(&raw)?;
        let text = self.template.replace("{text}", words);
        let prompt = InjectedPrompt { text: &text, marker: self.marker, embedding: &embedding };
        let encoded = self.encoder.encode_injected(&[prompt])?;
        Ok(encoded.as_slice().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_its_layers_in_turn() {
        let first =
            Layer { weight: vec![1.0, -1.0, 2.0, 0.0], bias: vec![0.5, -3.0], activation: Activation::Relu };
        let second = Layer { weight: vec![2.0, 5.0], bias: vec![1.0], activation: Activation::Identity };
        let map = PseudoWordMap::new(2, vec![first.clone(), second]).unwrap();
        // [1 - 0.25 + 0.5, max(2 - 3, 0)] = [1.25, 0]; 2 * 1.25 + 1.
        assert_eq!(map.apply(&[1.0, 0.25]).unwrap(), [3.5]);
        assert!(map.apply(&[1.0]).is_err());
        assert!(PseudoWordMap::new(3, vec![first]).is_err());
        assert!(PseudoWordMap::new(3, vec![]).is_err());
    }

    #[test]
    fn gelu_is_exact() {
        // x Phi(x) at 1: 0.841344746068543 (Abramowitz and Stegun, table 26.1).
        assert!((Activation::Gelu.apply(1.0) - 0.841_344_8).abs() < 1e-6);
        assert!((Activation::Gelu.apply(-1.0) + 0.158_655_25).abs() < 1e-6);
    }
}
