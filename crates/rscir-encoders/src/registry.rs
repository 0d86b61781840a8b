use std::fmt;

use crate::clip::config::{
    Activation, AttentionPoolConfig, COLORS, ClipConfig, EPSILON, ResNetConfig, StackConfig, TextConfig,
    TextPool, TokenizerConfig, VisionConfig, VitConfig, VitNames, VitPool,
};
use crate::clip::timm;
use crate::tokenizer::Cleaning;
use crate::{Error, Result};
use rscir_core::{Activations, EncoderSpec, Recorded, Wavelengths};
use rscir_images::{BandScale, BandValues, Channels, Preprocessing};

/// A published model: everything that decides its vectors except the weights themselves.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    /// Name of the model in the registry, such as `remoteclip-vit-l-14`.
    ///
    /// The towers of a name that ends in `-quickgelu` compute with that activation, those of other names with the
    /// GELU of their architecture, whatever the weights were trained with. Residual networks keep their rectifiers.
    pub name: &'static str,
    /// Authors of the weights, and their training.
    pub description: &'static str,
    /// File of the weights on the Hugging Face hub. `None` if they are not published there as one file.
    pub hub: Option<HubFile>,
    /// License of the weights. Empty if none is stated.
    pub license: &'static str,
    pub(crate) config: ClipConfig,
    preparation: Preparation,
}

/// Preparation of the images of a family of models.
#[derive(Debug, Clone, Copy)]
enum Preparation {
    /// The preparation of OpenAI's CLIP.
    OpenAi,
    /// The preparation of OpenAI's CLIP, but with values from -1 to 1.
    Symmetric,
    /// The preparation of SigLIP.
    Siglip,
    /// The preparation of Perception Encoder.
    Perception,
    /// The preparation of Llama3-MS-CLIP.
    MsClip,
}

/// A file on the Hugging Face hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HubFile {
    /// Owner and name of the repository: `owner/name`.
    pub repository: &'static str,
    /// Branch, tag or commit.
    pub revision: &'static str,
    /// Path in the repository.
    pub file: &'static str,
    /// SHA-256 of the content in hexadecimal. `None` if it is not known.
    pub sha256: Option<&'static str>,
}

impl Model {
    /// Returns the model of this name.
    ///
    /// # Errors
    /// [`Error::UnknownModel`] with the most similar name, if the registry has no model of this name.
    pub fn find(name: &str) -> Result<&'static Self> {
        models().iter().find(|model| model.name == name).ok_or_else(|| {
            let distance = |model: &&Self| edit_distance(name, model.name);
            let nearest = models().iter().min_by_key(distance).map_or("", |model| model.name);
            Error::UnknownModel { name: name.into(), nearest }
        })
    }

    /// Returns how a decoded image becomes the input of the image tower.
    pub fn preprocessing(&self) -> Preprocessing {
        let size = self.image_size();
        match self.preparation {
            Preparation::OpenAi => Preprocessing::openai(size),
            Preparation::Symmetric => {
                Preprocessing { mean: [0.5; 3], std: [0.5; 3], ..Preprocessing::openai(size) }
            }
            Preparation::Siglip => Preprocessing::siglip(size),
            Preparation::Perception => Preprocessing::perception(size),
            Preparation::MsClip => {
                let (mean, std) = (MS_CLIP_MEAN.to_vec(), MS_CLIP_STD.to_vec());
                let bands = Some(BandScale { values: BandValues::Measured, mean, std });
                Preprocessing { bands, ..Preprocessing::openai(size) }
            }
        }
    }

    /// Returns the channels of the images that the model takes: colors or bands.
    pub fn channels(&self) -> Channels {
        self.preprocessing().channels()
    }

    /// Returns the shapes of both towers as one line of text.
    pub fn architecture(&self) -> String {
        self.config.to_string()
    }

    /// Returns the nonlinearities of both towers.
    pub fn activation(&self) -> Activations {
        self.config.activation()
    }

    /// Returns a spec for vectors that another program made with this model. The spec does not record weights and
    /// tokenizer, because the ones that the program used are not known.
    pub fn spec(&self) -> EncoderSpec {
        EncoderSpec {
            model: Some(self.name.into()),
            architecture: Some(self.architecture()),
            activation: Some(self.activation().into()),
            wavelengths: self.config.wavelengths().map(Recorded::from),
            preprocessing: Some(self.preprocessing().to_string()),
            ..EncoderSpec::unknown(self.dim())
        }
    }

    /// Returns the width of the vectors.
    pub fn dim(&self) -> usize {
        self.config.dim
    }

    /// Returns the side in pixels of the images that the image tower takes.
    pub fn image_size(&self) -> usize {
        self.config.image_size()
    }
}

impl fmt::Display for HubFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} at {}", self.repository, self.file, self.revision)
    }
}

/// Returns all models of the registry.
pub fn models() -> &'static [Model] {
    &MODELS
}

// Sizes are those of open_clip's `model_configs/*.json`.
const VIT_B_32: ClipConfig = vit(512, [224, 32], [768, 12, 12], [512, 12, 8]);
const VIT_B_16: ClipConfig = vit(512, [224, 16], [768, 12, 12], [512, 12, 8]);
const VIT_L_14: ClipConfig = vit(768, [224, 14], [1024, 24, 16], [768, 12, 12]);
const VIT_L_14_336: ClipConfig = vit(768, [336, 14], [1024, 24, 16], [768, 12, 12]);
const VIT_H_14: ClipConfig = vit(1024, [224, 14], [1280, 32, 16], [1024, 24, 16]);
const RN50: ClipConfig = ClipConfig {
    dim: 1024,
    vision: VisionConfig::ResNet(ResNetConfig { image: 224, width: 64, layers: [3, 4, 6, 3], heads: 32 }),
    text: text([512, 12, 8]),
};

/// Makes a vision transformer and a text tower in CLIP's form. `[image, patch]` are sides in pixels; the other lists
/// are `[width, layers, heads]` of the image tower and of the text tower.
const fn vit(dim: usize, [image, patch]: [usize; 2], vision: [usize; 3], words: [usize; 3]) -> ClipConfig {
    let vit = VitConfig {
        image,
        patch,
        channels: COLORS,
        stack: stack(vision, EPSILON, Activation::Gelu),
        norm_first: true,
        rotary: false,
        pool: VitPool::ClassToken,
        names: VitNames::OpenClip,
        wavelengths: None,
    };
    ClipConfig { dim, vision: VisionConfig::Vit(vit), text: text(words) }
}

const fn text(sizes: [usize; 3]) -> TextConfig {
    TextConfig {
        context: 77,
        vocabulary: 49_408,
        stack: stack(sizes, EPSILON, Activation::Gelu),
        causal: true,
        pool: TextPool::HighestId,
        projection_bias: false,
        tokenizer: TokenizerConfig::Clip,
    }
}

const fn stack([width, layers, heads]: [usize; 3], epsilon: f64, activation: Activation) -> StackConfig {
    StackConfig { width, layers, heads, hidden: 4 * width, activation, epsilon, scaled: false }
}

/// Makes the towers of Hugging Face's `SiglipModel`, which are equally wide. `[image, patch]` are sides in pixels,
/// `sizes` are the width, layers and heads of both towers.
const fn siglip([image, patch]: [usize; 2], sizes: [usize; 3]) -> ClipConfig {
    let stack = stack(sizes, 1e-6, Activation::GeluTanh);
    let vit = VitConfig {
        image,
        patch,
        channels: COLORS,
        stack,
        norm_first: false,
        rotary: false,
        pool: VitPool::Attention(AttentionPoolConfig {
            heads: sizes[2],
            class_token: false,
            projection: false,
        }),
        names: VitNames::OpenClip,
        wavelengths: None,
    };
    let text = TextConfig {
        context: 64,
        vocabulary: 32_000,
        stack,
        causal: false,
        pool: TextPool::Last,
        projection_bias: true,
        tokenizer: TokenizerConfig::File(Cleaning::Canonicalize),
    };
    ClipConfig { dim: sizes[0], vision: VisionConfig::Vit(vit), text }
}

/// Makes SigLIP's so400m towers as timm and open_clip have them
/// (`open_clip/model_configs/ViT-SO400M-14-SigLIP-384.json`).
const fn so400m() -> ClipConfig {
    let mut config = siglip([384, 14], [1152, 27, 16]);
    // The configuration gives it as 3.7362 times the width.
    config.text.stack.hidden = 4304;
    config.text.stack.activation = Activation::Gelu;
    if let VisionConfig::Vit(vit) = &mut config.vision {
        vit.stack = config.text.stack;
        vit.names = VitNames::Timm;
    }
    config
}

/// Makes DOFA-CLIP's towers (`open_clip/src/open_clip/model_configs/GeoLB-ViT-14-so400m-SigLIP-384.json`): open_clip's
/// SigLIP of this size, with a patch embedding that depends on wavelengths.
const fn dofa_so400m() -> ClipConfig {
    let mut config = so400m();
    if let VisionConfig::Vit(vit) = &mut config.vision {
        vit.wavelengths = Some(Wavelengths::RGB);
    }
    config
}

/// Makes Perception Encoder's towers (open_clip's `PE-Core-*.json`). `sides` are `[image, patch]` in pixels; the
/// other lists are `[width, layers, heads]` of the image tower and of the text tower.
const fn perception(
    dim: usize,
    sides: [usize; 2],
    [width, layers, heads]: [usize; 3],
    words: [usize; 3],
) -> ClipConfig {
    let vit = timm::perception(sides, (width, layers, heads, 4 * width));
    long(ClipConfig { dim, vision: VisionConfig::Vit(vit), text: text(words) }, 32)
}

/// Gives towers OpenAI's activation. A residual network keeps its own.
const fn quick(mut config: ClipConfig) -> ClipConfig {
    if let VisionConfig::Vit(vit) = &mut config.vision {
        vit.stack.activation = Activation::QuickGelu;
    }
    config.text.stack.activation = Activation::QuickGelu;
    config
}

/// Gives towers images of `channels` channels.
const fn of_bands(mut config: ClipConfig, channels: usize) -> ClipConfig {
    if let VisionConfig::Vit(vit) = &mut config.vision {
        vit.channels = channels;
    }
    config
}

/// Gives towers texts of up to `context` ids.
const fn long(mut config: ClipConfig, context: usize) -> ClipConfig {
    config.text.context = context;
    config
}

const fn hub(repository: &'static str, file: &'static str) -> Option<HubFile> {
    Some(HubFile { repository, revision: "main", file, sha256: None })
}

/// Models of the same authors, license and preparation.
#[derive(Clone, Copy)]
struct Family {
    description: &'static str,
    license: &'static str,
    preparation: Preparation,
}

const fn family(description: &'static str, license: &'static str) -> Family {
    Family { description, license, preparation: Preparation::OpenAi }
}

const fn model(name: &'static str, family: Family, config: ClipConfig, hub: Option<HubFile>) -> Model {
    let Family { description, license, preparation } = family;
    Model { name, description, hub, license, config, preparation }
}

const CLIP: Family = family("OpenAI's CLIP (Radford et al. 2021), trained with QuickGELU", "MIT");
const OPENCLIP: Family = family("OpenCLIP, trained on LAION-2B with exact GELU", "MIT");
/// The family of OpenCLIP's ViT-L/14, which was trained with other constants of normalization.
const OPENCLIP_L: Family = Family { preparation: Preparation::Symmetric, ..OPENCLIP };
const REMOTECLIP: Family = family(
    "RemoteCLIP (Liu et al. 2024), trained with QuickGELU, its published results with exact GELU",
    "Apache-2.0",
);
const GEORSCLIP: Family = family("GeoRSCLIP (Zhang et al. 2024), trained on RS5M", "cc-by-4.0");
const SKYCLIP: Family = family("SkyCLIP (Wang et al. 2024), trained on SkyScript", "");
const RSICD: Family = family("CLIP-RSICD v2, OpenAI's ViT-B/32 trained further on RSICD", "");
const LRSCLIP: Family = family("LRSCLIP (Chen et al. 2025), for texts of up to 248 tokens", "Apache-2.0");
const DGTRS_CLIP: Family =
    family("DGTRS-CLIP (Chen et al. 2025), which is LRSCLIP under its later name", "Apache-2.0");
/// FarSLIP's models after their first stage. The weights tell how long their texts may be.
const FARSLIP1: Family = family(
    "FarSLIP (Li et al. 2025) after its first stage, on RS5M, for texts of up to 77 or 248 tokens",
    "MIT",
);
const FARSLIP2: Family = family(
    "FarSLIP (Li et al. 2025) after its second stage, on MGRS-200k, for texts of up to 77 or 248 tokens",
    "MIT",
);
const SIGLIP: Family = Family {
    description: "SigLIP (Zhai et al. 2023), by which Major TOM made its vectors of Sentinel-2",
    license: "Apache-2.0",
    preparation: Preparation::Siglip,
};
const GIT_RSCLIP: Family = Family {
    description: "Git-RSCLIP (Liu et al. 2025), SigLIP trained further on Git-10M",
    license: "Apache-2.0",
    preparation: Preparation::Siglip,
};
const DOFA_CLIP: Family = Family {
    description: "DOFA-CLIP (Xiong et al. 2025), SigLIP with images of any three wavelengths, trained on GeoLangBind-2M",
    // This is the license of the weights, as others quote their card. The code beside them is under MIT.
    license: "cc-by-nc-4.0",
    preparation: Preparation::Siglip,
};
const PE_CORE: Family = Family {
    description: "Perception Encoder (Bolya et al. 2025), Meta's PE-Core, for texts of up to 32 tokens",
    license: "Apache-2.0",
    preparation: Preparation::Perception,
};
const MS_CLIP: Family = Family {
    description: "Llama3-MS-CLIP (Marimo et al. 2025), for Sentinel-2's values as measured (level 2A) in the bands B02, B03, B04, \
                  B05, B06, B07, B08, B8A, B11 and B12",
    license: "Apache-2.0",
    preparation: Preparation::MsClip,
};
// Means and deviations of the ten bands: `pretrained_data_stats` of IBM/MS-CLIP's msclip/inference/utils.py.
const MS_CLIP_MEAN: [f32; 10] =
    [925.161, 1183.128, 1338.041, 1667.254, 2233.633, 2460.96, 2555.569, 2619.542, 2406.497, 1841.645];
const MS_CLIP_STD: [f32; 10] =
    [1205.586, 1223.713, 1399.638, 1403.298, 1378.513, 1434.924, 1491.141, 1454.089, 1473.248, 1365.08];

const SIGLIP_B: ClipConfig = siglip([224, 16], [768, 12, 12]);
const SIGLIP_L: ClipConfig = siglip([256, 16], [1024, 24, 16]);

const PE_CORE_T: ClipConfig = perception(512, [384, 16], [192, 12, 3], [512, 12, 8]);
const PE_CORE_S: ClipConfig = perception(512, [384, 16], [384, 12, 6], [512, 12, 8]);
const PE_CORE_B: ClipConfig = perception(1024, [224, 16], [768, 12, 12], [1024, 24, 16]);
const PE_CORE_L: ClipConfig = perception(1024, [336, 14], [1024, 24, 16], [1024, 24, 16]);

const OPENAI_B_32: Option<HubFile> = hub("openai/clip-vit-base-patch32", "model.safetensors");
const OPENAI_B_16: Option<HubFile> = hub("openai/clip-vit-base-patch16", "model.safetensors");
const OPENAI_L_14: Option<HubFile> = hub("openai/clip-vit-large-patch14", "model.safetensors");
const OPENAI_L_14_336: Option<HubFile> = hub("openai/clip-vit-large-patch14-336", "model.safetensors");
const REMOTE_RN50: Option<HubFile> = hub("chendelong/RemoteCLIP", "RemoteCLIP-RN50.pt");
const REMOTE_B_32: Option<HubFile> = hub("chendelong/RemoteCLIP", "RemoteCLIP-ViT-B-32.pt");
const REMOTE_L_14: Option<HubFile> = hub("chendelong/RemoteCLIP", "RemoteCLIP-ViT-L-14.pt");
// These weights were first published as `cwz14/LRSCLIP_ViT-*`.
const LRS_B_16: Option<HubFile> = hub("MitsuiChen14/DGTRS-CLIP-ViT-B-16", "LRSCLIP_ViT-B-16.pt");
const LRS_L_14: Option<HubFile> = hub("MitsuiChen14/DGTRS-CLIP-ViT-L-14", "LRSCLIP_ViT-L-14.pt");

/// All models. The reference implementation of the PatternCom evaluation builds "ViT-L-14" with exact GELU for both
/// CLIP and RemoteCLIP, so its published figures belong to the names without a suffix.
#[rustfmt::skip]
static MODELS: [Model; 40] = [
    model("clip-vit-b-32", CLIP, VIT_B_32, OPENAI_B_32),
    model("clip-vit-b-32-quickgelu", CLIP, quick(VIT_B_32), OPENAI_B_32),
    model("clip-vit-b-16", CLIP, VIT_B_16, OPENAI_B_16),
    model("clip-vit-b-16-quickgelu", CLIP, quick(VIT_B_16), OPENAI_B_16),
    model("clip-vit-l-14", CLIP, VIT_L_14, OPENAI_L_14),
    model("clip-vit-l-14-quickgelu", CLIP, quick(VIT_L_14), OPENAI_L_14),
    model("clip-vit-l-14-336", CLIP, VIT_L_14_336, OPENAI_L_14_336),
    model("clip-vit-l-14-336-quickgelu", CLIP, quick(VIT_L_14_336), OPENAI_L_14_336),
    model("openclip-vit-b-32-laion2b", OPENCLIP, VIT_B_32, hub("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "open_clip_model.safetensors")),
    model("openclip-vit-l-14-laion2b", OPENCLIP_L, VIT_L_14, hub("laion/CLIP-ViT-L-14-laion2B-s32B-b82K", "open_clip_model.safetensors")),
    model("openclip-vit-h-14-laion2b", OPENCLIP, VIT_H_14, hub("laion/CLIP-ViT-H-14-laion2B-s32B-b79K", "open_clip_model.safetensors")),
    model("remoteclip-rn50", REMOTECLIP, RN50, REMOTE_RN50),
    model("remoteclip-rn50-quickgelu", REMOTECLIP, quick(RN50), REMOTE_RN50),
    model("remoteclip-vit-b-32", REMOTECLIP, VIT_B_32, REMOTE_B_32),
    model("remoteclip-vit-b-32-quickgelu", REMOTECLIP, quick(VIT_B_32), REMOTE_B_32),
    model("remoteclip-vit-l-14", REMOTECLIP, VIT_L_14, REMOTE_L_14),
    model("remoteclip-vit-l-14-quickgelu", REMOTECLIP, quick(VIT_L_14), REMOTE_L_14),
    model("georsclip-vit-b-32-quickgelu", GEORSCLIP, quick(VIT_B_32), hub("Zilun/GeoRSCLIP", "ckpt/RS5M_ViT-B-32.pt")),
    model("georsclip-vit-l-14-quickgelu", GEORSCLIP, quick(VIT_L_14), hub("Zilun/GeoRSCLIP", "ckpt/RS5M_ViT-L-14.pt")),
    model("georsclip-vit-l-14-336-quickgelu", GEORSCLIP, quick(VIT_L_14_336), hub("Zilun/GeoRSCLIP", "ckpt/RS5M_ViT-L-14-336.pt")),
    model("georsclip-vit-h-14", GEORSCLIP, VIT_H_14, hub("Zilun/GeoRSCLIP", "ckpt/RS5M_ViT-H-14.pt")),
    model("skyclip-vit-l-14-quickgelu", SKYCLIP, quick(VIT_L_14), None),
    model("clip-rsicd-v2-quickgelu", RSICD, quick(VIT_B_32), hub("flax-community/clip-rsicd-v2", "pytorch_model.bin")),
    model("lrsclip-vit-b-16-quickgelu", LRSCLIP, long(quick(VIT_B_16), 248), LRS_B_16),
    model("lrsclip-vit-l-14-quickgelu", LRSCLIP, long(quick(VIT_L_14), 248), LRS_L_14),
    model("dgtrs-clip-vit-b-16-quickgelu", DGTRS_CLIP, long(quick(VIT_B_16), 248), LRS_B_16),
    model("dgtrs-clip-vit-l-14-quickgelu", DGTRS_CLIP, long(quick(VIT_L_14), 248), LRS_L_14),
    model("farslip1-vit-b-32-quickgelu", FARSLIP1, quick(VIT_B_32), hub("ZhenShiL/FarSLIP", "FarSLIP1_ViT-B-32.pt")),
    model("farslip1-vit-b-16-quickgelu", FARSLIP1, quick(VIT_B_16), hub("ZhenShiL/FarSLIP", "FarSLIP1_ViT-B-16.pt")),
    model("farslip2-vit-b-32-quickgelu", FARSLIP2, quick(VIT_B_32), hub("ZhenShiL/FarSLIP", "FarSLIP2_ViT-B-32.pt")),
    model("farslip2-vit-b-16-quickgelu", FARSLIP2, quick(VIT_B_16), hub("ZhenShiL/FarSLIP", "FarSLIP2_ViT-B-16.pt")),
    model("git-rsclip-base", Family { license: "MIT", ..GIT_RSCLIP }, SIGLIP_B, hub("lcybuaa/Git-RSCLIP-base", "model.safetensors")),
    model("git-rsclip", GIT_RSCLIP, SIGLIP_L, hub("lcybuaa/Git-RSCLIP", "model.safetensors")),
    model("siglip-so400m-14-384", SIGLIP, so400m(), hub("timm/ViT-SO400M-14-SigLIP-384", "open_clip_model.safetensors")),
    model("pe-core-t-16-384", PE_CORE, PE_CORE_T, hub("timm/PE-Core-T-16-384", "open_clip_model.safetensors")),
    model("pe-core-s-16-384", PE_CORE, PE_CORE_S, hub("timm/PE-Core-S-16-384", "open_clip_model.safetensors")),
    model("pe-core-b-16", PE_CORE, PE_CORE_B, hub("timm/PE-Core-B-16", "open_clip_model.safetensors")),
    model("pe-core-l-14-336", PE_CORE, PE_CORE_L, hub("timm/PE-Core-L-14-336", "open_clip_model.safetensors")),
    model("llama3-ms-clip-base", MS_CLIP, of_bands(VIT_B_16, 10), hub("ibm-esa-geospatial/Llama3-MS-CLIP-base", "Llama3_MS_CLIP_weights.pt")),
    model("dofa-clip-so400m-14-384", DOFA_CLIP, dofa_so400m(), hub("earthflow/GeoLB-ViT-14-SigLIP-so400m-384-EO", "open_clip_model.safetensors")),
];

/// Counts the insertions, deletions and replacements of bytes that lead from one name to the other (Levenshtein 1965).
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_tell_the_activation() {
        for (index, model) in models().iter().enumerate() {
            assert!(models()[..index].iter().all(|other| other.name != model.name), "{}", model.name);
            let quick = model.name.ends_with("-quickgelu");
            assert_eq!(model.activation() == Activation::QuickGelu.into(), quick, "{}", model.name);
            model.config.check().unwrap();
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let error = Model::find("remote-clip-vit-l14").unwrap_err().to_string();
        assert!(error.contains("remoteclip-vit-l-14"), "{error}");
    }

    #[test]
    fn architectures_are_described_whole() {
        assert_eq!(
            Model::find("clip-vit-l-14").unwrap().architecture(),
            "vit(image=224,patch=14,width=1024,layers=24,heads=16)+text(context=77,vocabulary=49408,width=768,layers=12,heads=12)"
        );
        assert_eq!(
            Model::find("remoteclip-rn50").unwrap().architecture(),
            "resnet(image=224,width=64,layers=3/4/6/3,heads=32)+text(context=77,vocabulary=49408,width=512,layers=12,heads=8)"
        );
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
    }
}
