//! Configuration of a dual encoder: the constants of the registry, and the content of configuration files.

use std::fmt::{self, Write as _};

pub(crate) use rscir_core::Activation;
use rscir_core::{Activations, Wavelengths};

use crate::Result;
use crate::error::refuse;
use crate::tokenizer::Cleaning;

/// Shape of a dual encoder: everything that decides its tensors and the computation with them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClipConfig {
    /// Width of the vectors of both towers.
    pub(crate) dim: usize,
    pub(crate) vision: VisionConfig,
    pub(crate) text: TextConfig,
}

/// Shape of an image tower.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "constants of the registry hold no pointers, and a model has one of them"
)]
pub(crate) enum VisionConfig {
    Vit(VitConfig),
    ResNet(ResNetConfig),
}

/// A vision transformer (Dosovitskiy et al. 2021) in CLIP's or SigLIP's form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct VitConfig {
    /// Side of the image in pixels.
    pub(crate) image: usize,
    /// Side of a patch in pixels.
    pub(crate) patch: usize,
    /// Number of values of a pixel.
    pub(crate) channels: usize,
    pub(crate) stack: StackConfig,
    /// True if a layer norm precedes the first block.
    pub(crate) norm_first: bool,
    /// True if queries and keys are rotated by the places of their patches, in addition to the table of positions.
    pub(crate) rotary: bool,
    pub(crate) pool: VitPool,
    /// Names of the tensors.
    pub(crate) names: VitNames,
    /// Wavelengths of the channels, from which the patch embedding is made (DOFA). `None` if its weights are stored.
    pub(crate) wavelengths: Option<Wavelengths>,
}

/// Way in which the vectors of patches become the vector of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum VitPool {
    /// The class token, normalized and projected (CLIP).
    ClassToken,
    /// The projected mean of the patches. Each patch is normalized before or, with `norm_after`, the mean after.
    Mean { norm_after: bool },
    /// Attention of a learned query to all tokens (multihead attention pooling).
    Attention(AttentionPoolConfig),
}

/// Attention pooling in the form of SigLIP or of Perception Encoder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct AttentionPoolConfig {
    pub(crate) heads: usize,
    /// True if a class token precedes the patches and takes part.
    pub(crate) class_token: bool,
    /// True if a linear layer with bias turns the result into a vector of the model's width.
    pub(crate) projection: bool,
}

/// Library that named the tensors of an image tower.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum VitNames {
    /// The names of open_clip's own towers. Tensors of other libraries are renamed to these.
    OpenClip,
    /// The names of timm, under `visual.trunk`.
    Timm,
}

/// A residual network with CLIP's changes: three stem convolutions, blur before stride, attention pooling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ResNetConfig {
    pub(crate) image: usize,
    pub(crate) width: usize,
    /// Number of blocks in each of the four stages.
    pub(crate) layers: [usize; 4],
    /// Number of heads of the attention pooling.
    pub(crate) heads: usize,
}

/// A stack of pre-norm transformer blocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct StackConfig {
    pub(crate) width: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    /// Width of the hidden layer of a block's perceptron.
    pub(crate) hidden: usize,
    pub(crate) activation: Activation,
    /// Value that layer norms add to the variance.
    pub(crate) epsilon: f64,
    /// True if each branch is multiplied by a learned vector (LayerScale).
    pub(crate) scaled: bool,
}

/// Shape of a text tower.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TextConfig {
    /// Number of positions, including those of the start and the end of a text.
    pub(crate) context: usize,
    pub(crate) vocabulary: usize,
    pub(crate) stack: StackConfig,
    /// True if a token attends only to itself and the tokens before it.
    pub(crate) causal: bool,
    pub(crate) pool: TextPool,
    /// True if the projection is a linear layer with bias, false if it is a matrix.
    pub(crate) projection_bias: bool,
    pub(crate) tokenizer: TokenizerConfig,
}

/// Position that holds the vector of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TextPool {
    /// The first position with the highest id, which in CLIP's vocabulary is the end of the text.
    HighestId,
    /// The first position with this id.
    Token(u32),
    /// The last position of the padded context.
    Last,
}

/// Tokenizer of a text tower.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TokenizerConfig {
    /// A `tokenizer.json` if there is one, or else CLIP's own tokenizer.
    Clip,
    /// A `tokenizer.json`, for texts that open_clip cleans.
    File(Cleaning),
}

/// Number of channels of images with colors: red, green and blue.
pub(crate) const COLORS: usize = 3;

/// Value that layer norms add to the variance by default in PyTorch and open_clip.
pub(crate) const EPSILON: f64 = 1e-5;

impl ClipConfig {
    /// Returns the side in pixels of the images that the image tower takes.
    pub fn image_size(&self) -> usize {
        match self.vision {
            VisionConfig::Vit(vit) => vit.image,
            VisionConfig::ResNet(resnet) => resnet.image,
        }
    }

    /// Returns the width of the vectors of both towers.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Returns the width of the text tower's token embeddings.
    pub fn text_width(&self) -> usize {
        self.text.stack.width
    }

    /// Returns the number of values of a pixel.
    pub fn channels(&self) -> usize {
        match self.vision {
            VisionConfig::Vit(vit) => vit.channels,
            VisionConfig::ResNet(_) => COLORS,
        }
    }

    /// Returns the wavelengths of the channels. `None` if the model does not ask for them.
    pub fn wavelengths(&self) -> Option<Wavelengths> {
        match self.vision {
            VisionConfig::Vit(vit) => vit.wavelengths,
            VisionConfig::ResNet(_) => None,
        }
    }

    /// Returns the nonlinearities of both towers.
    pub fn activation(&self) -> Activations {
        let text = self.text.stack.activation;
        let image = match self.vision {
            VisionConfig::Vit(vit) => vit.stack.activation,
            // A residual network has rectifiers, whatever the configuration says.
            VisionConfig::ResNet(_) => text,
        };
        Activations { image, text }
    }

    /// Checks the sizes, so that no computation with them can overflow, divide by zero or ask for absurd memory
    /// before a checkpoint has shown that it is that large. Returns the configuration.
    ///
    /// # Errors
    /// [`Error::ConfigValue`](crate::Error::ConfigValue) with the key of a wrong size.
    pub(crate) fn check(self) -> Result<Self> {
        within("embed_dim", self.dim, MAX_WIDTH)?;
        match self.vision {
            VisionConfig::Vit(vit) => {
                within("vision_cfg.image_size", vit.image, MAX_PIXELS)?;
                within("vision_cfg.patch_size", vit.patch, vit.image)?;
                within("vision_cfg.in_chans", vit.channels, MAX_CHANNELS)?;
                vit.stack.check("vision_cfg")?;
                if let VitPool::Attention(pool) = vit.pool {
                    divides("vision_cfg: the number of pooling heads", pool.heads, vit.stack.width)?;
                    if !pool.projection && self.dim != vit.stack.width {
                        return refuse(
                            "embed_dim",
                            self.dim,
                            "the width of an image tower without projection",
                        );
                    }
                }
                if vit.rotary && !(vit.stack.width / vit.stack.heads).is_multiple_of(4) {
                    let width = vit.stack.width / vit.stack.heads;
                    return refuse(
                        "vision_cfg.head_width",
                        width,
                        "a multiple of 4 where positions are rotary",
                    );
                }
            }
            VisionConfig::ResNet(resnet) => {
                within("vision_cfg.image_size", resnet.image, MAX_PIXELS)?;
                if !resnet.image.is_multiple_of(32) {
                    return refuse("vision_cfg.image_size", resnet.image, "a multiple of 32 for a ResNet");
                }
                within("vision_cfg.width", resnet.width, MAX_WIDTH / 32)?;
                if !resnet.width.is_multiple_of(2) {
                    return refuse("vision_cfg.width", resnet.width, "even for a ResNet");
                }
                for blocks in resnet.layers {
                    within("vision_cfg.layers", blocks, MAX_LAYERS)?;
                }
                divides("vision_cfg.head_width", resnet.heads, resnet.width * 32)?;
            }
        }
        within("text_cfg.vocab_size", self.text.vocabulary, MAX_TOKENS)?;
        within("text_cfg.context_length", self.text.context, MAX_POSITIONS)?;
        self.text.stack.check("text_cfg")?;
        Ok(self)
    }
}

impl StackConfig {
    fn check(&self, tower: &str) -> Result<()> {
        within(&format!("{tower}.width"), self.width, MAX_WIDTH)?;
        within(&format!("{tower}.layers"), self.layers, MAX_LAYERS)?;
        within(&format!("{tower}.mlp_ratio times width"), self.hidden, 4 * MAX_WIDTH)?;
        divides(&format!("{tower}: the number of heads"), self.heads, self.width)?;
        if !(self.epsilon > 0.0 && self.epsilon < 1.0) {
            return refuse(&format!("{tower}.norm_kwargs.eps"), self.epsilon, "above 0 and below 1");
        }
        Ok(())
    }
}

// The limits are ten or more times the sizes of published models. Four widths are not more than an 8-bit kernel sums
// up exactly.
const MAX_WIDTH: usize = 1 << 14;
const MAX_LAYERS: usize = 1 << 9;
const MAX_PIXELS: usize = 1 << 13;
const MAX_CHANNELS: usize = 1 << 11;
const MAX_TOKENS: usize = 1 << 23;
pub(crate) const MAX_POSITIONS: usize = 1 << 15;

fn within(key: &str, value: usize, most: usize) -> Result<()> {
    if (1..=most).contains(&value) {
        return Ok(());
    }
    refuse(key, value, "at least 1 and not larger than any real model's")
}

fn divides(key: &str, divisor: usize, value: usize) -> Result<()> {
    if divisor > 0 && value.is_multiple_of(divisor) {
        return Ok(());
    }
    refuse(key, divisor, "a divisor of the width")
}

/// Writes one line that names every size: the `architecture` of an `EncoderSpec`.
impl fmt::Display for ClipConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.vision {
            VisionConfig::Vit(vit) => {
                write!(f, "vit(image={},patch={},{}", vit.image, vit.patch, vit.stack)?;
                if vit.channels != COLORS {
                    write!(f, ",channels={}", vit.channels)?;
                }
                if vit.wavelengths.is_some() {
                    f.write_str(",patches=dofa")?;
                }
                if !vit.norm_first {
                    f.write_str(",no_ln_pre")?;
                }
                if vit.rotary {
                    f.write_str(",rope")?;
                }
                match vit.pool {
                    VitPool::ClassToken => {}
                    VitPool::Mean { norm_after: false } => f.write_str(",pool=mean")?,
                    VitPool::Mean { norm_after: true } => f.write_str(",pool=mean,ln_after_pool")?,
                    VitPool::Attention(pool) => {
                        f.write_str(",pool=map")?;
                        if pool.heads != vit.stack.heads {
                            write!(f, ":{}", pool.heads)?;
                        }
                        if pool.class_token {
                            f.write_str(",class_token")?;
                        }
                        if pool.projection {
                            f.write_str(",projection")?;
                        }
                    }
                }
            }
            VisionConfig::ResNet(ResNetConfig { image, width, layers: [a, b, c, d], heads }) => {
                write!(f, "resnet(image={image},width={width},layers={a}/{b}/{c}/{d},heads={heads}")?;
            }
        }
        let text = &self.text;
        write!(f, ")+text(context={},vocabulary={},{}", text.context, text.vocabulary, text.stack)?;
        if !text.causal {
            f.write_str(",bidirectional")?;
        }
        match text.pool {
            TextPool::HighestId => {}
            TextPool::Token(id) => write!(f, ",pool=token:{id}")?,
            TextPool::Last => f.write_str(",pool=last")?,
        }
        f.write_char(')')
    }
}

impl fmt::Display for StackConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "width={},layers={},heads={}", self.width, self.layers, self.heads)?;
        if self.hidden != 4 * self.width {
            write!(f, ",hidden={}", self.hidden)?;
        }
        if self.epsilon != EPSILON {
            write!(f, ",epsilon={:e}", self.epsilon)?;
        }
        Ok(())
    }
}
