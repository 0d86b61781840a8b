//! open_clip's model configurations (`open_clip_config.json`, `model_configs/*.json`).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::config::{
    Activation, COLORS, ClipConfig, EPSILON, ResNetConfig, StackConfig, TextConfig, TextPool,
    TokenizerConfig, VisionConfig, VitConfig, VitNames, VitPool,
};
use super::timm::{self, TimmSizes};
use crate::Result;
use crate::error::refuse;
use crate::tokenizer::Cleaning;

/// Keys of a configuration that have no field here.
type Rest = BTreeMap<String, Value>;

#[derive(Deserialize)]
pub(super) struct Model {
    embed_dim: usize,
    vision_cfg: Vision,
    text_cfg: Text,
    #[serde(default)]
    quick_gelu: bool,
    #[serde(flatten)]
    rest: Rest,
}

/// Keys of the model that do not change an embedding.
const INERT: [&str; 6] = [
    "init_logit_scale",
    "init_logit_bias",
    "nonscalar_logit_scale",
    "custom_text",
    "output_dict",
    "preprocess_cfg",
];

#[derive(Deserialize)]
struct Vision {
    image_size: OneOrTwo,
    layers: Option<Layers>,
    width: Option<usize>,
    head_width: Option<usize>,
    mlp_ratio: Option<f64>,
    patch_size: Option<OneOrTwo>,
    /// Number of channels. This is a key of timm, which is read here also for open_clip's own towers; in open_clip
    /// these have three channels.
    in_chans: Option<usize>,
    ls_init_value: Option<f64>,
    #[serde(default)]
    no_ln_pre: bool,
    #[serde(default)]
    final_ln_after_pool: bool,
    pool_type: Option<String>,
    act_kwargs: Option<Map<String, Value>>,
    norm_kwargs: Option<Map<String, Value>>,
    timm_model_name: Option<String>,
    timm_pool: Option<String>,
    timm_proj: Option<String>,
    #[serde(flatten)]
    rest: Rest,
}

/// Keys of an image tower that do not change an embedding. Dropout acts in training only, and the sizes of a pooler
/// have no effect without the pooler. The origin of positions does not matter once they are stored.
const INERT_VISION: [&str; 8] = [
    "patch_dropout",
    "attn_pooler_queries",
    "attn_pooler_heads",
    "pos_embed_type",
    "timm_model_pretrained",
    "timm_proj_bias",
    "timm_drop",
    "timm_drop_path",
];

#[derive(Deserialize)]
struct Text {
    #[serde(default = "default_context")]
    context_length: usize,
    #[serde(default = "default_vocabulary")]
    vocab_size: usize,
    width: Option<usize>,
    heads: Option<usize>,
    layers: Option<usize>,
    mlp_ratio: Option<f64>,
    ls_init_value: Option<f64>,
    #[serde(default)]
    no_causal_mask: bool,
    pool_type: Option<String>,
    eos_id: Option<u32>,
    #[serde(default)]
    proj_bias: bool,
    proj_type: Option<String>,
    act_kwargs: Option<Map<String, Value>>,
    norm_kwargs: Option<Map<String, Value>>,
    hf_tokenizer_name: Option<String>,
    tokenizer_kwargs: Option<Map<String, Value>>,
    #[serde(flatten)]
    rest: Rest,
}

/// Keys of a text tower that do not change an embedding. The padding is that of the tokenizer. The keys of Hugging
/// Face have an effect only with `hf_model_name`, which is refused.
const INERT_TEXT: [&str; 4] = ["pad_id", "hf_model_pretrained", "hf_proj_type", "hf_pooler_type"];

/// Number of blocks of an image tower whose configuration does not give it (open_clip's `CLIPVisionCfg`).
const LAYERS: usize = 12;

fn default_context() -> usize {
    77
}

fn default_vocabulary() -> usize {
    49_408
}

/// The side of a square, written once or twice.
#[derive(Deserialize, Clone, Copy)]
#[serde(untagged)]
pub(super) enum OneOrTwo {
    One(usize),
    Two([usize; 2]),
}

impl OneOrTwo {
    pub(super) fn square(self, key: &str) -> Result<usize> {
        match self {
            Self::One(side) => Ok(side),
            Self::Two([height, width]) if height == width => Ok(width),
            Self::Two([height, width]) => refuse(key, format!("{height} x {width}"), "a square"),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Layers {
    Blocks(usize),
    Stages([usize; 4]),
}

impl Model {
    pub(super) fn config(self) -> Result<ClipConfig> {
        refuse_unknown("", &self.rest, &INERT)?;
        let vision = self.vision_cfg.config(self.quick_gelu)?;
        let text = self.text_cfg.config(self.quick_gelu)?;
        ClipConfig { dim: self.embed_dim, vision, text }.check()
    }
}

impl Vision {
    // The defaults are those of open_clip's `CLIPVisionCfg`.
    fn config(self, quick_gelu: bool) -> Result<VisionConfig> {
        refuse_unknown("vision_cfg.", &self.rest, &INERT_VISION)?;
        let image = self.image_size.square("vision_cfg.image_size")?;
        if let Some(name) = &self.timm_model_name {
            if let Some(channels) = self.in_chans.filter(|channels| *channels != COLORS) {
                return refuse("vision_cfg.in_chans", channels, "3 for timm's towers");
            }
            let own = TimmSizes {
                width: self.width(),
                layers: match self.layers {
                    Some(Layers::Blocks(layers)) => Some(layers),
                    _ => None,
                },
                heads: self.heads(self.width()),
                hidden: hidden(self.width(), self.mlp_ratio),
            };
            let head = [self.timm_pool.as_deref(), self.timm_proj.as_deref()];
            return Ok(VisionConfig::Vit(timm::tower(name, image, head, own)?));
        }
        let width = self.width();
        let layers = match self.layers {
            Some(Layers::Stages(layers)) => {
                let heads = self.heads(width.saturating_mul(32));
                return Ok(VisionConfig::ResNet(ResNetConfig { image, width, layers, heads }));
            }
            Some(Layers::Blocks(layers)) => layers,
            None => LAYERS,
        };
        let stack = StackConfig {
            width,
            layers,
            heads: self.heads(width),
            hidden: hidden(width, self.mlp_ratio),
            activation: activation("vision_cfg", quick_gelu, self.act_kwargs.as_ref())?,
            epsilon: epsilon("vision_cfg", self.norm_kwargs.as_ref())?,
            scaled: self.ls_init_value.is_some(),
        };
        let pool = match self.pool_type.as_deref() {
            // The norm is of each token, so it does not matter whether the token is taken before or after it.
            None | Some("tok") => VitPool::ClassToken,
            Some("avg") => VitPool::Mean { norm_after: self.final_ln_after_pool },
            Some(other) => return refuse("vision_cfg.pool_type", other, "\"tok\" or \"avg\""),
        };
        let patch = match self.patch_size {
            Some(patch) => patch.square("vision_cfg.patch_size")?,
            None => 16,
        };
        let norm_first = !self.no_ln_pre;
        let names = VitNames::OpenClip;
        let (rotary, wavelengths) = (false, None);
        let channels = self.in_chans.unwrap_or(COLORS);
        Ok(VisionConfig::Vit(VitConfig {
            image,
            patch,
            channels,
            stack,
            norm_first,
            rotary,
            pool,
            names,
            wavelengths,
        }))
    }

    fn width(&self) -> usize {
        self.width.unwrap_or(768)
    }

    fn heads(&self, width: usize) -> usize {
        width.checked_div(self.head_width.unwrap_or(64)).unwrap_or(0)
    }
}

impl Text {
    // The defaults are those of open_clip's `CLIPTextCfg`.
    fn config(self, quick_gelu: bool) -> Result<TextConfig> {
        refuse_unknown("text_cfg.", &self.rest, &INERT_TEXT)?;
        if let Some(other) = self.proj_type.as_deref().filter(|kind| *kind != "linear") {
            return refuse("text_cfg.proj_type", other, "\"linear\"");
        }
        let width = self.width.unwrap_or(512);
        let stack = StackConfig {
            width,
            layers: self.layers.unwrap_or(12),
            heads: self.heads.unwrap_or(8),
            hidden: hidden(width, self.mlp_ratio),
            activation: activation("text_cfg", quick_gelu, self.act_kwargs.as_ref())?,
            epsilon: epsilon("text_cfg", self.norm_kwargs.as_ref())?,
            scaled: self.ls_init_value.is_some(),
        };
        let pool = match self.pool_type.as_deref() {
            None | Some("argmax") => TextPool::HighestId,
            Some("eos") => TextPool::Token(self.eos_id.unwrap_or(2)),
            Some("last") => TextPool::Last,
            Some(other) => return refuse("text_cfg.pool_type", other, "\"argmax\", \"eos\" or \"last\""),
        };
        let mut cleaning = self.hf_tokenizer_name.map(|_| Cleaning::Whitespace);
        for (key, value) in self.tokenizer_kwargs.into_iter().flatten() {
            match (key.as_str(), value.as_str().and_then(Cleaning::by_name)) {
                ("clean", Some(named)) => cleaning = Some(named),
                _ => return refuse(&format!("text_cfg.tokenizer_kwargs.{key}"), value, "absent"),
            }
        }
        Ok(TextConfig {
            context: self.context_length,
            vocabulary: self.vocab_size,
            stack,
            causal: !self.no_causal_mask,
            pool,
            projection_bias: self.proj_bias,
            tokenizer: cleaning.map_or(TokenizerConfig::Clip, TokenizerConfig::File),
        })
    }
}

/// Refuses an unknown key, because it may change the architecture. A key that switches something off is allowed.
fn refuse_unknown(prefix: &str, rest: &Rest, inert: &[&str]) -> Result<()> {
    let off = |value: &Value| matches!(value, Value::Null | Value::Bool(false));
    match rest.iter().find(|(key, value)| !inert.contains(&key.as_str()) && !off(value)) {
        Some((key, value)) => refuse(&format!("{prefix}{key}"), value, "absent: it is not supported"),
        None => Ok(()),
    }
}

/// Computes the hidden width as Python's `int(width * mlp_ratio)`. The result of an absurd ratio saturates, and the
/// size check refuses it.
fn hidden(width: usize, ratio: Option<f64>) -> usize {
    (width as f64 * ratio.unwrap_or(4.0)) as usize
}

fn activation(tower: &str, quick_gelu: bool, options: Option<&Map<String, Value>>) -> Result<Activation> {
    let plain = if quick_gelu { Activation::QuickGelu } else { Activation::Gelu };
    match options.and_then(|options| options.iter().next()) {
        None => Ok(plain),
        Some((key, value)) if key == "approximate" && !quick_gelu => match value.as_str() {
            Some("tanh") => Ok(Activation::GeluTanh),
            Some("none") => Ok(Activation::Gelu),
            _ => refuse(&format!("{tower}.act_kwargs.approximate"), value, "\"tanh\" or \"none\""),
        },
        Some((key, value)) => refuse(&format!("{tower}.act_kwargs.{key}"), value, "absent"),
    }
}

fn epsilon(tower: &str, options: Option<&Map<String, Value>>) -> Result<f64> {
    match options.and_then(|options| options.iter().next()) {
        None => Ok(EPSILON),
        Some((key, value)) if key == "eps" => match value.as_f64() {
            Some(epsilon) => Ok(epsilon),
            None => refuse(&format!("{tower}.norm_kwargs.eps"), value, "a number"),
        },
        Some((key, value)) => refuse(&format!("{tower}.norm_kwargs.{key}"), value, "absent"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes and switches of DOFA-CLIP's `open_clip/src/open_clip/model_configs/GeoLB-ViT-14-so400m-SigLIP-384.json`.
    const DOFA_CLIP: &str = r#"{
        "embed_dim": 1152, "init_logit_bias": -10, "custom_text": true,
        "vision_cfg": {
            "image_size": 384, "timm_model_name": "dofa_vit_so400m_patch14_siglip_384",
            "timm_model_pretrained": false, "timm_pool": "map", "timm_proj": "none"
        },
        "text_cfg": {
            "context_length": 64, "vocab_size": 32000, "hf_tokenizer_name": "timm/ViT-B-16-SigLIP",
            "tokenizer_kwargs": {"clean": "canonicalize"}, "width": 1152, "heads": 16, "layers": 27,
            "mlp_ratio": 3.7362, "no_causal_mask": true, "proj_bias": true, "pool_type": "last",
            "norm_kwargs": {"eps": 1e-6}
        }
    }"#;

    #[test]
    fn the_registrys_dofa_clip_is_its_configurations() {
        let config = serde_json::from_str::<Model>(DOFA_CLIP).unwrap().config().unwrap();
        let model = crate::registry::Model::find("dofa-clip-so400m-14-384").unwrap();
        assert_eq!(config, model.config);
        assert_eq!(
            (model.image_size(), model.dim(), model.activation()),
            (384, 1152, Activation::Gelu.into())
        );
    }
}
