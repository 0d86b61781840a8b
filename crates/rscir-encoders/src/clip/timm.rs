//! Image towers that configurations name by timm's names: those of SigLIP, DOFA-CLIP and Perception Encoder.

use rscir_core::Wavelengths;

use super::config::{
    Activation, AttentionPoolConfig, COLORS, EPSILON, StackConfig, VitConfig, VitNames, VitPool,
};
use crate::Result;
use crate::error::refuse;

/// Sizes that a configuration gives beside the name, for names without a size.
pub(super) struct TimmSizes {
    pub(super) width: usize,
    pub(super) layers: Option<usize>,
    pub(super) heads: usize,
    pub(super) hidden: usize,
}

/// Width, layers, heads and the width of a block's hidden layer.
type Sizes = (usize, usize, usize, usize);

/// Number of heads of Perception Encoder's pooling, whatever the width of the tower (`attn_pool_num_heads` of
/// `timm/models/eva.py`).
pub(crate) const PERCEPTION_POOL_HEADS: usize = 8;

/// Returns the tower of a name.
///
/// The names are those of timm, such as `vit_base_patch16_siglip_224` (`timm/models/vision_transformer.py`) or
/// `vit_pe_core_base_patch16_224` (`timm/models/eva.py`), and those of DOFA-CLIP, such as
/// `dofa_vit_base_patch16_siglip_224` (`open_clip/src/open_clip/timm_model.py`). Neither library has names without a
/// size, such as `vit_patch16_siglip_224`. Such a name is read too and takes its sizes from `own`, the keys of
/// open_clip's own towers. `head` is the pooling and the projection after it.
///
/// # Errors
/// [`Error::ConfigValue`](crate::Error::ConfigValue) if the name, the pooling or the projection is not known, or if
/// the name contradicts the size of the image.
pub(super) fn tower(name: &str, image: usize, head: [Option<&str>; 2], own: TimmSizes) -> Result<VitConfig> {
    let [pool, projection] = head;
    let unknown = || {
        let known = "like vit_base_patch16_siglip_224 or vit_pe_core_base_patch16_224";
        refuse("vision_cfg.timm_model_name", name, known)
    };
    if pool != Some("map") {
        return refuse("vision_cfg.timm_pool", format!("{pool:?}"), "\"map\"");
    }
    let parts: Vec<&str> = name.split('_').collect();
    let (family, size, patch, pixels) = match parts[..] {
        ["vit", patch, "siglip", pixels] => (Family::Siglip, None, patch, pixels),
        ["vit", size, patch, "siglip", pixels] => (Family::Siglip, Some(size), patch, pixels),
        ["dofa", "vit", patch, "siglip", pixels] => (Family::Dofa, None, patch, pixels),
        ["dofa", "vit", size, patch, "siglip", pixels] => (Family::Dofa, Some(size), patch, pixels),
        ["vit", "pe", "core", patch, pixels] => (Family::Perception, None, patch, pixels),
        ["vit", "pe", "core", size, patch, pixels] => (Family::Perception, Some(size), patch, pixels),
        _ => return unknown(),
    };
    let Some(Ok(patch)) = patch.strip_prefix("patch").map(str::parse) else { return unknown() };
    if pixels.parse() != Ok(image) {
        return refuse("vision_cfg.image_size", image, "the size in vision_cfg.timm_model_name");
    }
    let sizes = match size {
        Some(size) => family.sizes(size),
        None => own.layers.map(|layers| (own.width, layers, own.heads, own.hidden)),
    };
    let Some(sizes) = sizes else { return unknown() };
    // If a model does not name a projection, timm's classifier is the projection.
    let projects = match projection {
        None => true,
        Some("none" | "") => false,
        Some(other) => return refuse("vision_cfg.timm_proj", other, "null or \"none\""),
    };
    if projects != (family == Family::Perception) {
        let expected = "\"none\" for SigLIP's towers, null for Perception Encoder's";
        return refuse("vision_cfg.timm_proj", format!("{projection:?}"), expected);
    }
    Ok(match family {
        Family::Perception => perception([image, patch], sizes),
        Family::Siglip => {
            // Only the towers that came with SigLIP 2 use the approximation of GELU.
            let approximate = size == Some("giantopt") || (size == Some("so400m") && patch == 16);
            siglip([image, patch], sizes, if approximate { Activation::GeluTanh } else { Activation::Gelu })
        }
        Family::Dofa => VitConfig {
            wavelengths: Some(Wavelengths::RGB),
            ..siglip([image, patch], sizes, Activation::Gelu)
        },
    })
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Family {
    Siglip,
    Dofa,
    Perception,
}

impl Family {
    fn sizes(self, name: &str) -> Option<Sizes> {
        Some(match (self, name) {
            (Self::Perception, "tiny") => (192, 12, 3, 768),
            (Self::Perception, "small") => (384, 12, 6, 1536),
            (_, "base") => (768, 12, 12, 3072),
            (_, "large") => (1024, 24, 16, 4096),
            (Self::Siglip | Self::Dofa, "so400m") => (1152, 27, 16, 4304),
            (Self::Siglip | Self::Dofa, "giantopt") => (1536, 40, 16, 6144),
            _ => return None,
        })
    }
}

fn siglip(
    [image, patch]: [usize; 2],
    (width, layers, heads, hidden): Sizes,
    activation: Activation,
) -> VitConfig {
    VitConfig {
        image,
        patch,
        channels: COLORS,
        stack: StackConfig { width, layers, heads, hidden, activation, epsilon: 1e-6, scaled: false },
        norm_first: false,
        rotary: false,
        pool: VitPool::Attention(AttentionPoolConfig { heads, class_token: false, projection: false }),
        names: VitNames::Timm,
        wavelengths: None,
    }
}

/// Returns the image tower of Perception Encoder's core (Bolya et al. 2025): a class token, learned and rotary
/// positions, and no scales of layers.
pub(crate) const fn perception(
    [image, patch]: [usize; 2],
    (width, layers, heads, hidden): Sizes,
) -> VitConfig {
    let activation = Activation::Gelu;
    let pool = AttentionPoolConfig { heads: PERCEPTION_POOL_HEADS, class_token: true, projection: true };
    VitConfig {
        image,
        patch,
        channels: COLORS,
        stack: StackConfig { width, layers, heads, hidden, activation, epsilon: EPSILON, scaled: false },
        norm_first: true,
        rotary: true,
        pool: VitPool::Attention(pool),
        names: VitNames::Timm,
        wavelengths: None,
    }
}
