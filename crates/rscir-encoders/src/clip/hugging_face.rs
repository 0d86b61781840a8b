//! Hugging Face's model configurations (`config.json` of `CLIPModel` and `SiglipModel`).

use serde::Deserialize;
use serde_json::Value;

use super::config::{
    Activation, AttentionPoolConfig, COLORS, ClipConfig, StackConfig, TextConfig, TextPool, TokenizerConfig,
    VisionConfig, VitConfig, VitNames, VitPool,
};
use super::open_clip::OneOrTwo;
use super::preprocessing::PreprocessingFile;
use crate::error::refuse;
use crate::tokenizer::Cleaning;
use crate::{Interpolation, ResizeMode, Result};

#[derive(Deserialize)]
pub(super) struct Model {
    model_type: String,
    projection_dim: Option<usize>,
    #[serde(default)]
    text_config: Tower,
    #[serde(default)]
    vision_config: Tower,
    // Older files write the values that differ from the defaults a second time, and transformers prefers these.
    #[serde(default)]
    text_config_dict: Option<Tower>,
    #[serde(default)]
    vision_config_dict: Option<Tower>,
}

/// Sizes of a tower. Old files have dozens of other keys, most of which are about the generation of text.
#[derive(Deserialize, Default, Clone)]
#[serde(default)]
struct Tower {
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    hidden_act: Option<String>,
    layer_norm_eps: Option<f64>,
    image_size: Option<OneOrTwo>,
    patch_size: Option<OneOrTwo>,
    num_channels: Option<usize>,
    vocab_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    // It is a list in some files of other models.
    eos_token_id: Option<Value>,
    projection_size: Option<usize>,
    vision_use_head: Option<bool>,
}

impl Tower {
    /// Returns the values with those of `other` in place of them where `other` has one.
    fn overridden(self, other: Option<Self>) -> Self {
        let Some(other) = other else { return self };
        Self {
            hidden_size: other.hidden_size.or(self.hidden_size),
            intermediate_size: other.intermediate_size.or(self.intermediate_size),
            num_hidden_layers: other.num_hidden_layers.or(self.num_hidden_layers),
            num_attention_heads: other.num_attention_heads.or(self.num_attention_heads),
            hidden_act: other.hidden_act.or(self.hidden_act),
            layer_norm_eps: other.layer_norm_eps.or(self.layer_norm_eps),
            image_size: other.image_size.or(self.image_size),
            patch_size: other.patch_size.or(self.patch_size),
            num_channels: other.num_channels.or(self.num_channels),
            vocab_size: other.vocab_size.or(self.vocab_size),
            max_position_embeddings: other.max_position_embeddings.or(self.max_position_embeddings),
            eos_token_id: other.eos_token_id.or(self.eos_token_id),
            projection_size: other.projection_size.or(self.projection_size),
            vision_use_head: other.vision_use_head.or(self.vision_use_head),
        }
    }
}

/// Values that transformers uses for missing keys (`configuration_clip.py`, `configuration_siglip.py`).
struct Defaults {
    text_width: usize,
    text_hidden: usize,
    text_heads: usize,
    context: usize,
    vocabulary: usize,
    patch: usize,
    activation: &'static str,
    epsilon: f64,
}

const CLIP: Defaults = Defaults {
    text_width: 512,
    text_hidden: 2048,
    text_heads: 8,
    context: 77,
    vocabulary: 49_408,
    patch: 32,
    activation: "quick_gelu",
    epsilon: 1e-5,
};

const SIGLIP: Defaults = Defaults {
    text_width: 768,
    text_hidden: 3072,
    text_heads: 12,
    context: 64,
    vocabulary: 32_000,
    patch: 16,
    activation: "gelu_pytorch_tanh",
    epsilon: 1e-6,
};

impl Model {
    pub(super) fn config(self) -> Result<ClipConfig> {
        let text = self.text_config.overridden(self.text_config_dict);
        let vision = self.vision_config.overridden(self.vision_config_dict);
        if let Some(channels) = vision.num_channels.filter(|channels| *channels != 3) {
            return refuse("vision_config.num_channels", channels, "3");
        }
        let siglip = match self.model_type.as_str() {
            "clip" => false,
            "siglip" => true,
            other => return refuse("model_type", other, "\"clip\" or \"siglip\""),
        };
        if siglip && vision.vision_use_head == Some(false) {
            return refuse("vision_config.vision_use_head", "false", "true");
        }
        let defaults = if siglip { SIGLIP } else { CLIP };
        let vision_stack = stack("vision_config", &vision, &defaults, [768, 3072, 12])?;
        let text_sizes = [defaults.text_width, defaults.text_hidden, defaults.text_heads];
        let text_stack = stack("text_config", &text, &defaults, text_sizes)?;
        let side = |side: Option<OneOrTwo>, key, default| side.map_or(Ok(default), |side| side.square(key));
        let vit = VitConfig {
            image: side(vision.image_size, "vision_config.image_size", 224)?,
            patch: side(vision.patch_size, "vision_config.patch_size", defaults.patch)?,
            channels: COLORS,
            stack: vision_stack,
            norm_first: !siglip,
            rotary: false,
            pool: if siglip { siglip_pool(&vision_stack) } else { VitPool::ClassToken },
            names: VitNames::OpenClip,
            wavelengths: None,
        };
        let pool = match text.eos_token_id.and_then(|id| u32::try_from(id.as_u64()?).ok()) {
            _ if siglip => TextPool::Last,
            // transformers wrote 2 before it used the value, and still takes the highest id for it.
            Some(2) => TextPool::HighestId,
            Some(end) => TextPool::Token(end),
            None => TextPool::Token(49_407),
        };
        let dim = if siglip { text.projection_size.or(Some(text_stack.width)) } else { self.projection_dim };
        let text = TextConfig {
            context: text.max_position_embeddings.unwrap_or(defaults.context),
            vocabulary: text.vocab_size.unwrap_or(defaults.vocabulary),
            stack: text_stack,
            causal: !siglip,
            pool,
            projection_bias: siglip,
            tokenizer: match siglip {
                // The SiglipTokenizer of transformers cleans texts like open_clip's function of this name.
                true => TokenizerConfig::File(Cleaning::Canonicalize),
                false => TokenizerConfig::Clip,
            },
        };
        ClipConfig { dim: dim.unwrap_or(512), vision: VisionConfig::Vit(vit), text }.check()
    }
}

/// Returns SigLIP's attention pooling, which has as many heads as the blocks.
fn siglip_pool(stack: &StackConfig) -> VitPool {
    VitPool::Attention(AttentionPoolConfig { heads: stack.heads, class_token: false, projection: false })
}

/// Reads the blocks of a tower. `sizes` are the default width, hidden width and number of heads.
fn stack(name: &str, tower: &Tower, defaults: &Defaults, sizes: [usize; 3]) -> Result<StackConfig> {
    let activation = match tower.hidden_act.as_deref().unwrap_or(defaults.activation) {
        "quick_gelu" => Activation::QuickGelu,
        "gelu" => Activation::Gelu,
        "gelu_pytorch_tanh" => Activation::GeluTanh,
        other => {
            let key = format!("{name}.hidden_act");
            return refuse(&key, other, "\"quick_gelu\", \"gelu\" or \"gelu_pytorch_tanh\"");
        }
    };
    Ok(StackConfig {
        width: tower.hidden_size.unwrap_or(sizes[0]),
        hidden: tower.intermediate_size.unwrap_or(sizes[1]),
        heads: tower.num_attention_heads.unwrap_or(sizes[2]),
        layers: tower.num_hidden_layers.unwrap_or(12),
        activation,
        epsilon: tower.layer_norm_eps.unwrap_or(defaults.epsilon),
        scaled: false,
    })
}

/// Content of a `preprocessor_config.json`.
#[derive(Deserialize)]
pub(super) struct Preprocessor {
    image_mean: Option<Vec<f32>>,
    image_std: Option<Vec<f32>>,
    /// Number of the filter in Pillow.
    resample: Option<u32>,
    size: Option<Value>,
}

impl Preprocessor {
    pub(super) fn preprocessing(self) -> Result<PreprocessingFile> {
        let interpolation = match self.resample {
            None => None,
            // `Image.Resampling.BILINEAR` and `BICUBIC`
            Some(2) => Some(Interpolation::Bilinear),
            Some(3) => Some(Interpolation::Bicubic),
            Some(other) => return refuse("resample", other, "2 (bilinear) or 3 (bicubic)"),
        };
        // The size is a number, or an object: {"shortest_edge"} or {"height", "width"}.
        let resize_mode = self.size.map(|size| match size.get("height") {
            Some(_) => ResizeMode::Squash,
            None => ResizeMode::Shortest,
        });
        let (mean, std) = (self.image_mean, self.image_std);
        Ok(PreprocessingFile { mean, std, interpolation, resize_mode, ..PreprocessingFile::default() })
    }
}
