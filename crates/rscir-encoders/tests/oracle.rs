//! The towers give the vectors of candle-transformers, which others wrote, for the same random weights.
//!
//! candle-transformers has CLIP only with `quick_gelu`. The other two activations are compared in SigLIP's towers,
//! which consist of the same blocks in this crate.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use candle_core::{DType, Device as CandleDevice, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::clip::text_model::{Activation as ClipActivation, ClipTextConfig};
use candle_transformers::models::clip::vision_model::ClipVisionConfig;
use candle_transformers::models::{clip, siglip};
use rscir_core::testing::unit_rows;
use rscir_core::{Embeddings, ImageEncoder, PixelBatch, TextEncoder};
use rscir_encoders::{Activation, ClipEncoder, Device};
use serde_json::json;

/// Largest difference of an element of a unit vector. Both sides compute in f32, with sums of at most 192 products in
/// another order and another exponential. The largest difference seen with AVX-512 is 2.4e-7: two units in the last
/// place of an element near 1. Other instruction sets sum in other orders.
const TOLERANCE: f32 = 1e-6;

const WIDTH: usize = 32;
const HIDDEN: usize = 80;
const HEADS: usize = 4;
const LAYERS: usize = 3;
const SIZE: usize = 24;
const PATCH: usize = 8;
const CONTEXT: usize = 16;
/// Number of tokens of tests/data/encoders/hf_siglip/tokenizer.json.
const VOCABULARY: usize = 30;
const IMAGES: usize = 5;
const TEXTS: [&str; 4] = ["a pool", "dense", "", "a text that is cut off where the context ends"];

/// A checkpoint with the names of Hugging Face and values of a seeded generator.
#[derive(Default)]
struct Weights(HashMap<String, Tensor>);

impl Weights {
    /// Draws values of mean `mean` and standard deviation `std_dev`.
    fn draw(&mut self, name: &str, shape: &[usize], mean: f32, std_dev: f32) {
        let n: usize = shape.iter().product();
        // A unit row of n values has the standard deviation 1 / sqrt(n).
        let rows = unit_rows(1, n, self.0.len() as u64 + 1);
        let values: Vec<f32> =
            rows.as_slice().iter().map(|v| mean + v * (n as f32).sqrt() * std_dev).collect();
        self.0.insert(name.into(), Tensor::from_vec(values, shape, &CandleDevice::Cpu).unwrap());
    }

    /// Draws a linear layer whose outputs are about as large as its inputs.
    fn linear(&mut self, name: &str, out: usize, from: usize, bias: bool) {
        self.draw(&format!("{name}.weight"), &[out, from], 0.0, (from as f32).sqrt().recip());
        if bias {
            self.draw(&format!("{name}.bias"), &[out], 0.0, 0.1);
        }
    }

    fn norm(&mut self, name: &str) {
        self.draw(&format!("{name}.weight"), &[WIDTH], 1.0, 0.2);
        self.draw(&format!("{name}.bias"), &[WIDTH], 0.0, 0.1);
    }

    fn perceptron(&mut self, name: &str) {
        self.linear(&format!("{name}.fc1"), HIDDEN, WIDTH, true);
        self.linear(&format!("{name}.fc2"), WIDTH, HIDDEN, true);
    }

    fn blocks(&mut self, tower: &str) {
        for layer in 0..LAYERS {
            let block = format!("{tower}.encoder.layers.{layer}");
            for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                self.linear(&format!("{block}.self_attn.{part}"), WIDTH, WIDTH, true);
            }
            self.norm(&format!("{block}.layer_norm1"));
            self.norm(&format!("{block}.layer_norm2"));
            self.perceptron(&format!("{block}.mlp"));
        }
    }

    fn text(&mut self) {
        let embeddings = "text_model.embeddings";
        self.draw(&format!("{embeddings}.token_embedding.weight"), &[VOCABULARY, WIDTH], 0.0, 1.0);
        self.draw(&format!("{embeddings}.position_embedding.weight"), &[CONTEXT, WIDTH], 0.0, 0.5);
        self.blocks("text_model");
        self.norm("text_model.final_layer_norm");
    }

    fn patches(&mut self, positions: usize) {
        let embeddings = "vision_model.embeddings";
        let values = 3 * PATCH * PATCH;
        let shape = [WIDTH, 3, PATCH, PATCH];
        self.draw(
            &format!("{embeddings}.patch_embedding.weight"),
            &shape,
            0.0,
            (values as f32).sqrt().recip(),
        );
        self.draw(&format!("{embeddings}.position_embedding.weight"), &[positions, WIDTH], 0.0, 0.5);
        self.blocks("vision_model");
        self.norm("vision_model.post_layernorm");
    }

    fn clip() -> Self {
        let mut weights = Self::default();
        weights.text();
        weights.patches((SIZE / PATCH).pow(2) + 1);
        weights.draw("vision_model.embeddings.class_embedding", &[WIDTH], 0.0, 1.0);
        weights.norm("vision_model.pre_layrnorm");
        weights.linear("visual_projection", WIDTH / 2, WIDTH, false);
        weights.linear("text_projection", WIDTH / 2, WIDTH, false);
        weights.draw("logit_scale", &[], 2.6, 0.1);
        weights
    }

    fn siglip() -> Self {
        let mut weights = Self::default();
        weights.text();
        weights.linear("text_model.head", WIDTH, WIDTH, true);
        weights.patches((SIZE / PATCH).pow(2));
        weights.draw("vision_model.embeddings.patch_embedding.bias", &[WIDTH], 0.0, 0.1);
        let head = "vision_model.head";
        weights.draw(&format!("{head}.probe"), &[1, 1, WIDTH], 0.0, 1.0);
        let inputs = (WIDTH as f32).sqrt().recip();
        weights.draw(&format!("{head}.attention.in_proj_weight"), &[3 * WIDTH, WIDTH], 0.0, inputs);
        weights.draw(&format!("{head}.attention.in_proj_bias"), &[3 * WIDTH], 0.0, 0.1);
        weights.linear(&format!("{head}.attention.out_proj"), WIDTH, WIDTH, true);
        weights.norm(&format!("{head}.layernorm"));
        weights.perceptron(&format!("{head}.mlp"));
        weights.draw("logit_scale", &[1], 2.6, 0.1);
        weights.draw("logit_bias", &[1], -10.0, 0.1);
        weights
    }

    /// Writes a folder as Hugging Face publishes models, and loads it.
    fn load(&self, model_type: &str, activation: &str) -> ClipEncoder {
        let folder = tempfile::tempdir().unwrap();
        candle_core::safetensors::save(&self.0, folder.path().join("model.safetensors")).unwrap();
        let tower = json!({
            "hidden_size": WIDTH, "intermediate_size": HIDDEN, "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS, "hidden_act": activation,
            "image_size": SIZE, "patch_size": PATCH,
            "max_position_embeddings": CONTEXT, "vocab_size": VOCABULARY,
            // For 2, transformers takes the highest id, as candle-transformers always does.
            "eos_token_id": 2,
        });
        let config = json!({
            "model_type": model_type, "projection_dim": WIDTH / 2, "text_config": tower, "vision_config": tower,
        });
        fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let tokenizer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/encoders/hf_siglip");
        for name in ["tokenizer.json", "tokenizer_config.json"] {
            fs::copy(tokenizer.join(name), folder.path().join(name)).unwrap();
        }
        ClipEncoder::from_folder(folder.path()).device(Device::Cpu).build().unwrap()
    }

    fn variables(&self) -> VarBuilder<'static> {
        VarBuilder::from_tensors(self.0.clone(), DType::F32, &CandleDevice::Cpu)
    }
}

fn pixels() -> Vec<u8> {
    let n = IMAGES * SIZE * SIZE * 3;
    unit_rows(1, n, 99).as_slice().iter().map(|v| (v.to_bits() >> 7) as u8).collect()
}

/// Returns the prepared images as candle-transformers takes them: normalized, `[images, 3, size, size]`.
fn image_tensor(encoder: &ClipEncoder, pixels: &[u8]) -> Tensor {
    let (mean, std) = (encoder.preprocessing().mean, encoder.preprocessing().std);
    let area = SIZE * SIZE;
    let mut values = Vec::with_capacity(pixels.len());
    for image in pixels.chunks_exact(3 * area) {
        for channel in 0..3 {
            let plane = image.iter().skip(channel).step_by(3);
            values.extend(plane.map(|&byte| (f32::from(byte) / 255.0 - mean[channel]) / std[channel]));
        }
    }
    Tensor::from_vec(values, (IMAGES, 3, SIZE, SIZE), &CandleDevice::Cpu).unwrap()
}

/// Returns the ids of the texts, padded to the context.
fn text_tensor(encoder: &ClipEncoder) -> Tensor {
    let tokenizer = encoder.tokenizer();
    let mut ids = Vec::new();
    for text in TEXTS {
        let mut row = tokenizer.encode(text).unwrap();
        row.resize(CONTEXT, tokenizer.padding());
        ids.extend(row);
    }
    Tensor::from_vec(ids, (TEXTS.len(), CONTEXT), &CandleDevice::Cpu).unwrap()
}

fn normalized(features: Tensor) -> Embeddings {
    let (_, dim) = features.dims2().unwrap();
    Embeddings::normalize(dim, features.flatten_all().unwrap().to_vec1().unwrap()).unwrap()
}

#[track_caller]
fn difference(ours: &Embeddings, theirs: &Embeddings) -> f32 {
    assert_eq!((ours.len(), ours.dim()), (theirs.len(), theirs.dim()));
    ours.as_slice().iter().zip(theirs.as_slice()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Returns our vectors of images and texts.
fn ours(encoder: &ClipEncoder) -> [Embeddings; 2] {
    let pixels = pixels();
    let images = encoder.encode_pixels(PixelBatch::new(SIZE, &pixels).unwrap()).unwrap();
    [images, encoder.encode_texts(&TEXTS).unwrap()]
}

fn check(name: &str, ours: &[Embeddings; 2], theirs: &[Embeddings; 2]) {
    for (part, (ours, theirs)) in ["images", "texts"].into_iter().zip(ours.iter().zip(theirs)) {
        let far = difference(ours, theirs);
        assert!(far <= TOLERANCE, "{name}: {part} differ by {far}");
    }
}

#[test]
fn clip_encodes_as_another_implementation_does() {
    let weights = Weights::clip();
    let encoder = weights.load("clip", "quick_gelu");
    assert_eq!(encoder.config().activation(), Activation::QuickGelu.into());
    let config = clip::ClipConfig {
        text_config: ClipTextConfig {
            vocab_size: VOCABULARY,
            embed_dim: WIDTH,
            activation: ClipActivation::QuickGelu,
            intermediate_size: HIDDEN,
            max_position_embeddings: CONTEXT,
            pad_with: None,
            num_hidden_layers: LAYERS,
            num_attention_heads: HEADS,
            projection_dim: WIDTH / 2,
        },
        vision_config: ClipVisionConfig {
            embed_dim: WIDTH,
            activation: ClipActivation::QuickGelu,
            intermediate_size: HIDDEN,
            num_hidden_layers: LAYERS,
            num_attention_heads: HEADS,
            projection_dim: WIDTH / 2,
            num_channels: 3,
            image_size: SIZE,
            patch_size: PATCH,
        },
        logit_scale_init_value: 2.6,
        image_size: SIZE,
    };
    let oracle = clip::ClipModel::new(weights.variables(), &config).unwrap();
    let theirs = [
        normalized(oracle.get_image_features(&image_tensor(&encoder, &pixels())).unwrap()),
        normalized(oracle.get_text_features(&text_tensor(&encoder)).unwrap()),
    ];
    check("quick_gelu", &ours(&encoder), &theirs);

    // The comparison tells activations apart.
    let exact = ours(&weights.load("clip", "gelu"));
    for (exact, theirs) in exact.iter().zip(&theirs) {
        assert!(difference(exact, theirs) > 1000.0 * TOLERANCE);
    }
}

#[test]
fn siglip_encodes_as_another_implementation_does() {
    let weights = Weights::siglip();
    let activations = [
        ("gelu", Activation::Gelu, candle_nn::Activation::Gelu),
        ("gelu_pytorch_tanh", Activation::GeluTanh, candle_nn::Activation::GeluPytorchTanh),
    ];
    let both = activations.map(|(name, activation, hidden_act)| {
        let encoder = weights.load("siglip", name);
        assert_eq!(encoder.config().activation(), activation.into());
        let config = siglip::Config {
            text_config: siglip::TextConfig {
                vocab_size: VOCABULARY,
                hidden_size: WIDTH,
                intermediate_size: HIDDEN,
                num_hidden_layers: LAYERS,
                num_attention_heads: HEADS,
                max_position_embeddings: CONTEXT,
                hidden_act,
                layer_norm_eps: 1e-6,
                pad_token_id: 1,
                bos_token_id: 0,
                eos_token_id: 2,
            },
            vision_config: siglip::VisionConfig {
                hidden_size: WIDTH,
                intermediate_size: HIDDEN,
                num_hidden_layers: LAYERS,
                num_attention_heads: HEADS,
                num_channels: 3,
                image_size: SIZE,
                patch_size: PATCH,
                hidden_act,
                layer_norm_eps: 1e-6,
            },
        };
        let oracle = siglip::Model::new(&config, weights.variables()).unwrap();
        let theirs = [
            normalized(oracle.get_image_features(&image_tensor(&encoder, &pixels())).unwrap()),
            normalized(oracle.get_text_features(&text_tensor(&encoder)).unwrap()),
        ];
        check(name, &ours(&encoder), &theirs);
        theirs
    });
    // The comparison tells the two activations apart.
    for (exact, tanh) in both[0].iter().zip(&both[1]) {
        assert!(difference(exact, tanh) > 10.0 * TOLERANCE);
    }
}
