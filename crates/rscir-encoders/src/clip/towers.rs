//! Both towers of a model, fed from bytes and ids in batches that fit the device.

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

/// Images that a CPU encodes at a time: enough rows for its matrix products, few enough that the values between two of
/// them stay in its caches.
const CPU_IMAGES: usize = 4;

/// Texts that a CPU encodes at a time, by the same measure.
const CPU_TEXTS: usize = 16;

/// Texts that a GPU encodes at a time.
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

/// How the values of images are normalized.
pub(crate) struct Scales {
    pub(crate) colors: Normalization,
    /// Of a model of bands.
    pub(crate) bands: Option<BandNormalization>,
}

#[expect(clippy::large_enum_variant, reason = "there is one to a model")]
enum Vision {
    Transformer(VisionTransformer),
    ResNet(ModifiedResNet),
}

/// The ids of a text, and one of its tokens whose embedding is given.
pub(crate) struct Prompt<'a> {
    pub(crate) ids: Vec<u32>,
    pub(crate) injected: Option<(usize, &'a [f32])>,
}

impl Towers {
    /// Takes every tensor of the checkpoint, or none.
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

    /// The tables that were made to fit.
    pub(crate) fn resized(&self) -> &[Resized] {
        &self.resized
    }

    /// The vectors of prepared images of the tower's size, `[images, dim]`, not normalized.
    pub(crate) fn encode_images(&self, batch: PixelBatch<'_>) -> Result<Vec<f32>> {
        self.in_pool(|| self.encode_pixels(batch))
    }

    /// The vectors of prepared images of bands, `[images, dim]`, not normalized.
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

    /// Runs work that calls kernels, on a CPU as a task of their threads: each kernel then begins where the one before
    /// it has ended, without waking a thread for it.
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

    /// Encodes images by parts that fit the device: `forward` is given the numbers of a part's first image and of the one
    /// behind its last.
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
        // Reading waits for the device: not before it has all of its work.
        let mut vectors = Vec::with_capacity(images * self.config.dim);
        for some in encoded {
            vectors.extend(some.to_vec1::<f32>()?);
        }
        Ok(vectors)
    }

    /// What a GPU holds of an image while it is encoded, more rather than less.
    fn bytes_per_image(&self) -> usize {
        let pixels = self.config.channels() * self.config.image_size().pow(2);
        let values = match &self.config.vision {
            VisionConfig::Vit(vit) => {
                let StackConfig { width, heads, hidden, .. } = vit.stack;
                let tokens = (vit.image / vit.patch.max(1)).pow(2) + 1;
                // Input, normed, queries, keys, values, attended and sums, and the perceptron's hidden layer twice; the
                // scores where attention keeps them.
                tokens * (8 * width + 2 * hidden) + 3 * heads * tokens * tokens + pixels
            }
            // The first convolutions' windows are the most: 3 x 3 over 64 channels of a quarter of the pixels.
            VisionConfig::ResNet(_) => 64 * pixels,
        };
        pixels + values * self.compute.dtype().size_in_bytes()
    }

    /// The values of all windows, `[images, windows, values]`, or with the windows in two dimensions.
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

    /// The vectors of texts, `[texts, dim]`, not normalized. Texts are batched by length; ids beyond what decides a
    /// text's vector are left out, missing ones are `padding`.
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
