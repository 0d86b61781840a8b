//! Both towers of a model. They take pixels and ids in batches that fit the device.

use candle_core::{DType, Tensor};
use rscir_checkpoint::{Checkpoint, Loader, Resized};
use rscir_core::{BandBatch, PixelBatch};

use super::bands::BandNormalization;
use super::compute::Compute;
use super::config::{ClipConfig, StackConfig, VisionConfig};
use super::load::Weights;
use super::pixels::{Normalization, Windows};
use super::resnet::ModifiedResNet;
use super::text::{Injection, TextTransformer};
use super::vision::VisionTransformer;
use crate::Result;
use crate::error::refuse;

/// Number of images that a CPU encodes at a time: enough rows for its matrix products, and few enough that the values
/// between two products stay in its caches.
const CPU_IMAGES: usize = 4;

/// Number of texts that a CPU encodes at a time, chosen like that of images.
const CPU_TEXTS: usize = 16;

/// Largest number of texts that a GPU encodes at a time.
const TEXTS: usize = 64;

/// An image tower and a text tower.
pub(crate) struct Towers {
    vision: Vision,
    text: TextTransformer,
    scales: Scales,
    compute: Compute,
    config: ClipConfig,
    resized: Vec<Resized>,
}

/// Normalizations of the values of images.
pub(crate) struct Scales {
    pub(crate) colors: Normalization,
    /// Normalization of bands. `None` for a model of colors.
    pub(crate) bands: Option<BandNormalization>,
}

#[expect(clippy::large_enum_variant, reason = "a model has one of them")]
enum Vision {
    Transformer(VisionTransformer),
    ResNet(ModifiedResNet),
}

/// Ids of a text and, if one of its tokens has a given embedding, the position and embedding of that token.
pub(crate) struct Prompt<'a> {
    pub(crate) ids: Vec<u32>,
    pub(crate) injected: Option<(usize, &'a [f32])>,
}

impl Towers {
    /// Loads both towers. Every tensor of the checkpoint must have its place in them.
    ///
    /// # Errors
    /// [`Error::Checkpoint`](crate::Error::Checkpoint) with all tensors that are missing, left over or of another
    /// shape.
    pub(crate) fn load(
        checkpoint: &Checkpoint,
        config: &ClipConfig,
        scales: Scales,
        compute: Compute,
    ) -> Result<Self> {
        let mut loader = Loader::new(checkpoint);
        let mut weights = Weights { loader: &mut loader, compute: compute.clone() };
        let vision = match &config.vision {
            VisionConfig::Vit(vit) => {
                Vision::Transformer(VisionTransformer::load(&mut weights, vit, config.dim)?)
            }
            VisionConfig::ResNet(resnet) => {
                Vision::ResNet(ModifiedResNet::load(&mut weights, resnet, config.dim)?)
            }
        };
        let text = TextTransformer::load(&mut weights, &config.text, config.dim)?;
        let resized = loader.resized().to_vec();
        loader.finish()?;
        Ok(Self { vision, text, scales, compute, config: *config, resized })
    }

    /// Returns the tables that were resized to fit the configuration.
    pub(crate) fn resized(&self) -> &[Resized] {
        &self.resized
    }

    /// Encodes prepared images of the tower's size. Returns their vectors, `[images, dim]`, not normalized.
    pub(crate) fn encode_images(&self, batch: PixelBatch<'_>) -> Result<Vec<f32>> {
        self.in_pool(|| self.encode_pixels(batch))
    }

    /// Encodes prepared images of bands. Returns their vectors, `[images, dim]`, not normalized.
    ///
    /// # Errors
    /// [`Error::ConfigValue`](crate::Error::ConfigValue) if the model takes images of colors.
    pub(crate) fn encode_bands(&self, batch: BandBatch<'_>) -> Result<Vec<f32>> {
        self.in_pool(|| {
            let image = batch.size().pow(2) * batch.bands();
            self.encode_parts(batch.len(), |from, to| {
                let some =
                    BandBatch::new(batch.size(), batch.bands(), &batch.data()[from * image..to * image])?;
                match (&self.vision, &self.scales.bands) {
                    (Vision::Transformer(tower), Some(scale)) => {
                        let windows = tower.windows();
                        let along = windows.along(some.size());
                        let shape = [some.len(), along * along, windows.side.pow(2) * some.bands()];
                        let rows = scale.unfold(some, windows);
                        tower.forward(&self.compute.tensor(rows.into(), &shape)?)
                    }
                    _ => refuse("the channels of the images", some.bands(), "red, green and blue"),
                }
            })
        })
    }

    /// Runs work that calls kernels. On a CPU the work is a task of the kernels' threads, so that a kernel begins
    /// where the one before it has ended, without waking a thread.
    fn in_pool<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        if self.compute.device.is_cpu() { rayon::scope(|_| work()) } else { work() }
    }

    fn encode_pixels(&self, batch: PixelBatch<'_>) -> Result<Vec<f32>> {
        let image = batch.size().pow(2) * 3;
        self.encode_parts(batch.len(), |from, to| {
            let some = PixelBatch::new(batch.size(), &batch.data()[from * image..to * image])?;
            match &self.vision {
                Vision::Transformer(tower) => tower.forward(&self.rows(some, tower.windows(), false)?),
                Vision::ResNet(tower) => tower.forward(&self.rows(some, tower.windows(), true)?),
            }
        })
    }

    /// Encodes images in parts that fit the device. `forward` takes the number of the first image of a part, and the
    /// number after its last image.
    fn encode_parts(
        &self,
        images: usize,
        forward: impl Fn(usize, usize) -> Result<Tensor>,
    ) -> Result<Vec<f32>> {
        let part = match &self.compute.kernels {
            Some(kernels) => kernels.images(self.bytes_per_image())?,
            None if self.compute.device.is_cpu() => CPU_IMAGES,
            None => images.max(1),
        };
        let mut encoded = Vec::new();
        for from in (0..images).step_by(part.max(1)) {
            let vectors = forward(from, (from + part).min(images))?;
            encoded.push(vectors.to_dtype(DType::F32)?.flatten_all()?);
        }
        // Reading waits for the device, so it begins only when the device has all of its work.
        let mut vectors = Vec::with_capacity(images * self.config.dim);
        for some in encoded {
            vectors.extend(some.to_vec1::<f32>()?);
        }
        Ok(vectors)
    }

    /// Estimates the bytes that a GPU holds of an image while it is encoded. The estimate is rather too high than too
    /// low.
    fn bytes_per_image(&self) -> usize {
        let pixels = self.config.channels() * self.config.image_size().pow(2);
        let values = match &self.config.vision {
            VisionConfig::Vit(vit) => {
                let StackConfig { width, heads, hidden, .. } = vit.stack;
                let tokens = (vit.image / vit.patch.max(1)).pow(2) + 1;
                // Each token has its input, normed, query, key, value, attended and sum, and the hidden layer of the
                // perceptron twice. Attention may keep the scores.
                tokens * (8 * width + 2 * hidden) + 3 * heads * tokens * tokens + pixels
            }
            // The windows of the first convolutions are the largest: 3 x 3 over 64 channels of a quarter of the
            // pixels.
            VisionConfig::ResNet(_) => 64 * pixels,
        };
        pixels + values * self.compute.dtype().size_in_bytes()
    }

    /// Returns the values of all windows, `[images, windows, values]`, or `[images, along, along, values]` if
    /// `planar`.
    fn rows(&self, batch: PixelBatch<'_>, windows: Windows, planar: bool) -> Result<Tensor> {
        let along = windows.along(batch.size());
        let shape = match planar {
            true => vec![batch.len(), along, along, windows.values()],
            false => vec![batch.len(), along * along, windows.values()],
        };
        if let Some(kernels) = &self.compute.kernels {
            let rows = Tensor::zeros(shape, self.compute.dtype(), &self.compute.device)?;
            kernels.unfold(batch, windows, &rows)?;
            return Ok(rows);
        }
        self.compute.tensor(windows.unfold(batch, &self.scales.colors).into(), &shape)
    }

    /// Encodes texts. Returns their vectors, `[texts, dim]`, in the order of `prompts` and not normalized.
    ///
    /// Texts of similar length share a batch. Ids after those that decide the vector of a text are left out, and
    /// missing ids are `padding`.
    pub(crate) fn encode_texts(&self, prompts: &[Prompt<'_>], padding: u32) -> Result<Vec<f32>> {
        self.in_pool(|| self.encode_prompts(prompts, padding))
    }

    fn encode_prompts(&self, prompts: &[Prompt<'_>], padding: u32) -> Result<Vec<f32>> {
        let dim = self.config.dim;
        let mut order: Vec<(usize, usize)> =
            prompts.iter().enumerate().map(|(text, prompt)| (self.text.reach(&prompt.ids), text)).collect();
        order.sort_unstable();
        let mut vectors = vec![0.0; prompts.len() * dim];
        let texts = if self.compute.device.is_cpu() { CPU_TEXTS } else { TEXTS };
        for some in order.chunks(texts) {
            let length = some.last().map_or(0, |(reach, _)| *reach);
            let mut ids = Vec::with_capacity(some.len() * length);
            let mut injections = Vec::new();
            for (row, (_, text)) in some.iter().enumerate() {
                let prompt = &prompts[*text];
                ids.extend(prompt.ids.iter().copied().chain(std::iter::repeat(padding)).take(length));
                if let Some((position, embedding)) = prompt.injected {
                    injections.push(Injection { text: row, position, embedding });
                }
            }
            let encoded = self.text.forward(&ids, length, &injections)?.flatten_all()?.to_vec1::<f32>()?;
            for (vector, (_, text)) in encoded.chunks_exact(dim).zip(some) {
                vectors[text * dim..][..dim].copy_from_slice(vector);
            }
        }
        Ok(vectors)
    }
}
