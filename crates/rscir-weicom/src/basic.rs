use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rscir_core::{
    Archive, ComposedQuery, Embeddings, Error as CoreError, Method, MethodInfo, ParameterValue, Queries,
    Result as CoreResult, TextEncoder, top_k,
};

use crate::harris::criterion;
use crate::projection::Projection;
use crate::prompts::PromptMemory;
use crate::{Error, Result, Vocabulary};

/// The stages of BASIC and their constants. Default: those of the authors (METHOD_PRESETS and
/// calculate_rankings of billpsomas/icir). Each stage can be switched off.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct BasicConfig {
    /// Number of subjects in whose contexts the text is written, before and after the subject. `None`: the
    /// text alone.
    pub context: Option<usize>,
    /// `true`: the mean image feature is subtracted from images, and the mean subject from texts.
    pub centering: bool,
    /// Share of the styles (the authors' `aa`) in the projection of the query image on the directions in
    /// which subjects vary and styles do not. `None`: no projection.
    pub projection: Option<f64>,
    /// Greatest number of directions that the projection keeps.
    pub components: usize,
    /// Number of neighbors by which the query image is expanded. `None`: no expansion.
    pub expansion: Option<usize>,
    /// `true`: similarities are shifted and scaled by the least similarity within the reference set, if there
    /// is one.
    pub normalization: bool,
    /// Weight of the squared sum in Harris' criterion `s_i s_t - weight (s_i + s_t)^2`. 0 leaves the product.
    pub harris: f64,
}

impl Default for BasicConfig {
    fn default() -> Self {
        Self {
            context: Some(100),
            centering: true,
            projection: Some(0.2),
            components: 250,
            expansion: Some(25),
            normalization: true,
            harris: 0.1,
        }
    }
}

impl BasicConfig {
    /// Sets the number of subjects in whose contexts the text is written; `None` uses the text alone.
    /// Default: 100.
    #[must_use]
    pub fn context(mut self, context: impl Into<Option<usize>>) -> Self {
        self.context = context.into();
        self
    }

    /// Sets whether the mean image feature and the mean subject are subtracted. Default: `true`.
    #[must_use]
    pub fn centering(mut self, centering: bool) -> Self {
        self.centering = centering;
        self
    }

    /// Sets the share of the styles in the projection of the query image; `None` switches the projection off.
    /// Default: 0.2.
    #[must_use]
    pub fn projection(mut self, projection: impl Into<Option<f64>>) -> Self {
        self.projection = projection.into();
        self
    }

    /// Sets the greatest number of directions that the projection keeps. Default: 250.
    #[must_use]
    pub fn components(mut self, components: usize) -> Self {
        self.components = components;
        self
    }

    /// Sets the number of neighbors by which the query image is expanded; `None` switches the expansion off.
    /// Default: 25.
    #[must_use]
    pub fn expansion(mut self, expansion: impl Into<Option<usize>>) -> Self {
        self.expansion = expansion.into();
        self
    }

    /// Sets whether similarities are shifted and scaled by the reference set, if there is one. Default:
    /// `true`.
    #[must_use]
    pub fn normalization(mut self, normalization: bool) -> Self {
        self.normalization = normalization;
        self
    }

    /// Sets the weight of the squared sum in Harris' criterion. 0 leaves the product. Default: 0.1.
    #[must_use]
    pub fn harris(mut self, harris: f64) -> Self {
        self.harris = harris;
        self
    }
}

/// The weight of a neighbor in the expanded query is `exp(0.1 value)` (calculate_rankings of
/// billpsomas/icir).
const EXPANSION_SHARPNESS: f64 = 0.1;

/// What BASIC needs beside the archive.
#[derive(Clone)]
pub struct BasicResources {
    /// Words for the content of images (the authors' generic_subjects).
    pub subjects: Arc<Vocabulary>,
    /// Words for the style of images (the authors' generic_styles).
    pub styles: Arc<Vocabulary>,
    /// Mean image feature, `[dim]`, for the centering; in the paper that of LAION-1M for CLIP. `None`: the
    /// archive's own mean.
    pub image_mean: Option<Vec<f32>>,
    /// Image and text features whose least similarities normalize; in the paper those of generated images.
    /// `None`: similarities stay as they are.
    pub reference_set: Option<(Embeddings, Embeddings)>,
    /// Encoder of the text's contexts. Without it, `context` must be `None`.
    pub encoder: Option<Arc<dyn TextEncoder>>,
}

/// BASIC (Psomas et al., *Instance-Level Composed Image Retrieval*, arXiv 2510.25387): it centers, projects,
/// expands and normalizes, and multiplies the similarities with a penalty for one-sided matches.
pub struct Basic {
    config: BasicConfig,
    resources: BasicResources,
    prompts: Option<PromptMemory>,
    subject_mean: Vec<f64>,
    projection: OnceLock<Projection>,
    least: Mutex<Option<(Vec<f64>, Least)>>,
}

/// The least similarities within the reference set: image to image, and text to image.
#[derive(Debug, Clone, Copy)]
struct Least {
    image: f64,
    text: f64,
}

impl Basic {
    /// Makes the method with the stages of `config`.
    ///
    /// # Errors
    /// [`Error::BadParameter`] if the resources differ in width, if a count is 0, or if `context` is set
    /// without an encoder.
    pub fn new(config: BasicConfig, resources: BasicResources) -> Result<Self> {
        let dim = resources.subjects.features().dim();
        let bad = |parameter, value: String, expected| {
            Err(Error::BadParameter { method: "basic", parameter, value, expected })
        };
        let mut widths = vec![resources.styles.features().dim()];
        widths.extend(resources.image_mean.as_ref().map(Vec::len));
        widths.extend(resources.reference_set.iter().flat_map(|(i, t)| [i.dim(), t.dim()]));
        widths.extend(resources.encoder.as_ref().map(|e| e.spec().dim));
        if let Some(width) = widths.into_iter().find(|&w| w != dim) {
            return bad("width of a resource", width.to_string(), "as wide as the subjects' features");
        }
        if resources.reference_set.as_ref().is_some_and(|(i, t)| i.is_empty() || t.is_empty()) {
            return bad("reference set", "empty".into(), "at least one image and one text");
        }
        if config.context == Some(0) || config.expansion == Some(0) || config.components == 0 {
            return bad("count", "0".into(), "at least 1, or the stage switched off");
        }
        if config.context.is_some() && resources.encoder.is_none() {
            return bad("context", "without an encoder".into(), "off, or an encoder given");
        }
        let share = config.projection.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&share) {
            return bad("projection", share.to_string(), "between 0 and 1");
        }
        if !(config.harris.is_finite() && config.harris >= 0.0) {
            return bad("harris", config.harris.to_string(), "a number from 0");
        }
        let subject_mean =
            if config.centering { mean(resources.subjects.features()) } else { vec![0.0; dim] };
        let prompts = resources.encoder.clone().map(PromptMemory::new);
        Ok(Self {
            config,
            resources,
            prompts,
            subject_mean,
            projection: OnceLock::new(),
            least: Mutex::default(),
        })
    }

    /// Returns the stages of the method.
    pub fn config(&self) -> &BasicConfig {
        &self.config
    }

    /// Returns the mean by which images are centered.
    fn image_mean(&self, archive: &dyn Archive) -> Vec<f64> {
        match (&self.resources.image_mean, self.config.centering) {
            (_, false) => vec![0.0; archive.dim()],
            (Some(mean), true) => mean.iter().map(|&v| f64::from(v)).collect(),
            (None, true) => archive.moments().mean().to_vec(),
        }
    }

    /// Returns the centered text feature, in the contexts of the subjects if that stage is on.
    fn text_feature(&self, query: &ComposedQuery, label: &str) -> CoreResult<Vec<f64>> {
        let mut feature: Vec<f64> = match (self.config.context, &self.prompts) {
            (Some(subjects), Some(prompts)) => {
                let words = query.require_words(label)?;
                let contexts = self.resources.subjects.words().iter().take(subjects);
                let texts: Vec<String> =
                    contexts.flat_map(|c| [format!("{c} {words}"), format!("{words} {c}")]).collect();
                let mut sum = vec![0.0; self.subject_mean.len()];
                for feature in prompts.encode(&texts)? {
                    sum.iter_mut().zip(feature.iter()).for_each(|(s, &f)| *s += f64::from(f));
                }
                let length = sum.iter().map(|v| v * v).sum::<f64>().sqrt();
                if length == 0.0 {
                    return Err(CoreError::ZeroRow { row: 0 });
                }
                sum.iter().map(|v| v / length).collect()
            }
            _ => query.require_text(label)?.iter().map(|&v| f64::from(v)).collect(),
        };
        feature.iter_mut().zip(&self.subject_mean).for_each(|(f, m)| *f -= m);
        Ok(feature)
    }

    fn project(&self, vector: &[f64]) -> Vec<f64> {
        let Some(styles_share) = self.config.projection else { return vector.to_vec() };
        let projection = self.projection.get_or_init(|| {
            Projection::contrastive(
                self.resources.subjects.features(),
                self.resources.styles.features(),
                &self.subject_mean,
                styles_share,
                self.config.components,
            )
        });
        projection.apply(vector)
    }

    /// Computes the dot products of the centered archive with `vector`: `(X - mean) v = X v - mean . v`.
    fn centered_similarities(
        archive: &dyn Archive,
        mean: &[f64],
        vector: &[f64],
        scores: &mut [f32],
    ) -> CoreResult<()> {
        let query: Vec<f32> = vector.iter().map(|&v| v as f32).collect();
        archive.similarities(Queries::new(archive.dim(), &query)?, scores)?;
        let offset: f64 = mean.iter().zip(vector).map(|(m, v)| m * v).sum();
        scores.iter_mut().for_each(|s| *s = (f64::from(*s) - offset) as f32);
        Ok(())
    }

    /// Returns the projected query image, moved towards its neighbors if that stage is on. `scratch` is as
    /// long as the archive.
    fn image_feature(
        &self,
        image: &[f32],
        archive: &dyn Archive,
        mean: &[f64],
        scratch: &mut [f32],
    ) -> CoreResult<Vec<f64>> {
        let centered: Vec<f64> = image.iter().zip(mean).map(|(&i, m)| f64::from(i) - m).collect();
        let projected = self.project(&centered);
        let Some(neighbors) = self.config.expansion else { return Ok(projected) };
        Self::centered_similarities(archive, mean, &projected, scratch)?;
        // The query itself counts with value 1.
        let own = EXPANSION_SHARPNESS.exp();
        let mut total = own;
        let mut expanded: Vec<f64> = centered.iter().map(|c| c * own).collect();
        for neighbor in top_k(scratch, neighbors) {
            let weight = (EXPANSION_SHARPNESS * f64::from(neighbor.score)).exp();
            total += weight;
            for ((e, &x), m) in expanded.iter_mut().zip(archive.vector(neighbor.row).iter()).zip(mean) {
                *e += weight * (f64::from(x) - m);
            }
        }
        expanded.iter_mut().for_each(|e| *e /= total);
        Ok(self.project(&expanded))
    }

    /// Computes the least similarities of the reference set, centered by `mean`. The result for the last mean
    /// is remembered.
    fn least(&self, mean: &[f64]) -> Option<Least> {
        let (images, texts) = self.resources.reference_set.as_ref().filter(|_| self.config.normalization)?;
        let mut known = self.least.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, least)) = known.as_ref()
            && of == mean
        {
            return Some(*least);
        }
        let images = centered_rows(images, mean);
        let texts = centered_rows(texts, &self.subject_mean);
        let least = Least {
            image: least_product(&images, &images, mean.len()),
            text: least_product(&texts, &images, mean.len()),
        };
        *known = Some((mean.to_vec(), least));
        Some(least)
    }
}

impl fmt::Debug for BasicResources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicResources")
            .field("subjects", &self.subjects.len())
            .field("styles", &self.styles.len())
            .field("image_mean", &self.image_mean.is_some())
            .field("reference_set", &self.reference_set.is_some())
            .field("encoder", &self.encoder.as_ref().map(|encoder| encoder.spec()))
            .finish()
    }
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Basic")
            .field("config", &self.config)
            .field("resources", &self.resources)
            .finish_non_exhaustive()
    }
}

/// Subtracts a vector from all rows.
fn centered_rows(rows: &Embeddings, mean: &[f64]) -> Vec<f32> {
    rows.rows().flat_map(|row| row.iter().zip(mean).map(|(&x, m)| (f64::from(x) - m) as f32)).collect()
}

/// Computes the least dot product of a row of `a` and a row of `b`, block by block.
fn least_product(a: &[f32], b: &[f32], dim: usize) -> f64 {
    const BLOCK: usize = 64;
    let columns = b.len() / dim;
    let mut products = vec![0.0f32; BLOCK * columns];
    let mut least = f32::INFINITY;
    for block in a.chunks(BLOCK * dim) {
        let rows = block.len() / dim;
        let products = &mut products[..rows * columns];
        rscir_kernels::matmul_nt(block, b, rows, columns, dim, products);
        least = products.iter().copied().fold(least, f32::min);
    }
    f64::from(least)
}

/// Computes the mean of the rows.
fn mean(rows: &Embeddings) -> Vec<f64> {
    let mut mean = vec![0.0; rows.dim()];
    for row in rows.rows() {
        mean.iter_mut().zip(row).for_each(|(m, &x)| *m += f64::from(x));
    }
    mean.iter_mut().for_each(|m| *m /= rows.len() as f64);
    mean
}

impl Method for Basic {
    fn info(&self) -> MethodInfo {
        let (c, paper) = (&self.config, BasicConfig::default());
        let mut changed = Vec::new();
        let switch = |name: &str, on: bool| format!("{name}={}", if on { "on" } else { "off" });
        if c.context != paper.context {
            changed.push(c.context.map_or("context=off".into(), |n| format!("context={n}")));
        }
        if c.centering != paper.centering {
            changed.push(switch("centring", c.centering));
        }
        if c.projection != paper.projection {
            changed.push(c.projection.map_or("projection=off".into(), |aa| format!("aa={aa}")));
        }
        if c.components != paper.components {
            changed.push(format!("components={}", c.components));
        }
        if c.expansion != paper.expansion {
            changed.push(c.expansion.map_or("qe=off".into(), |n| format!("qe={n}")));
        }
        if c.normalization != paper.normalization {
            changed.push(switch("norm", c.normalization));
        }
        if c.harris != paper.harris {
            changed.push(format!("harris={}", c.harris));
        }
        let off = |stage: Option<usize>| stage.map_or(ParameterValue::Switch(false), ParameterValue::Count);
        let info = MethodInfo::new("basic")
            .parameter("context", off(c.context))
            .parameter("centering", c.centering)
            .parameter("aa", c.projection.map_or(ParameterValue::Switch(false), ParameterValue::Number))
            .parameter("components", c.components)
            .parameter("qe", off(c.expansion))
            .parameter("norm", c.normalization)
            .parameter("harris", c.harris);
        if changed.is_empty() { info } else { info.labeled(format!("basic({})", changed.join(","))) }
    }

    fn score(&self, query: &ComposedQuery, archive: &dyn Archive, scores: &mut [f32]) -> CoreResult<()> {
        CoreError::check_length("scores (one per archive row)", archive.len(), scores.len())?;
        CoreError::check_length("width of BASIC's resources", archive.dim(), self.subject_mean.len())?;
        archive.spec().check(query.spec())?;
        let label = self.label();
        let mean = self.image_mean(archive);
        let image = query.require_image(&label)?;
        let text = self.text_feature(query, &label)?;
        let image = self.image_feature(image, archive, &mean, scores)?;
        let mut text_scores = vec![0.0; scores.len()];
        Self::centered_similarities(archive, &mean, &text, &mut text_scores)?;
        Self::centered_similarities(archive, &mean, &image, scores)?;
        let least = self.least(&mean);
        for (score, &text) in scores.iter_mut().zip(&text_scores) {
            let (mut i, mut t) = (f64::from(*score), f64::from(text));
            if let Some(least) = least {
                // Both are scaled by the least similarity of images, as in the authors' program.
                i = (i - least.image) / least.image.abs();
                t = (t - least.text) / least.image.abs();
            }
            *score = criterion(i, t, self.config.harris);
        }
        Ok(())
    }
}
