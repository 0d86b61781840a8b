//! Preparation of decoded images for a tower: resize and crop to a square, byte for byte as open_clip's evaluation
//! transform does it with Pillow 13.

mod bands;
mod config;
mod filter;
mod geometry;
mod resize;
mod weigh;

use std::sync::{Arc, Mutex, PoisonError};

use rscir_core::{BandValues, BandsView, Channels, RgbView};

use bands::BandPlan;
pub use config::{BandScale, Interpolation, Preprocessing, ResizeMode};
use resize::Plan;

/// Number of plans that are kept, one for each size of images. An archive of tiles has one size, a collection of
/// photographs a dozen common ones.
const KEPT_PLANS: usize = 16;

/// Plans by width and height of an image, the newest last.
type Plans<P> = Mutex<Vec<((usize, usize), Arc<P>)>>;

/// Resizes and crops images to the input of an image tower.
///
/// ```
/// use rscir_core::RgbView;
/// use rscir_images::{Preprocessing, Preprocessor};
///
/// let preprocessor = Preprocessor::new(Preprocessing::openai(224))?;
/// let tile = vec![90; 256 * 256 * 3];
/// let mut bytes = vec![0; 224 * 224 * 3];
/// preprocessor.prepare(RgbView::new(256, 256, &tile)?, &mut bytes)?;
/// assert!(bytes.iter().all(|byte| *byte == 90));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Preprocessor {
    preprocessing: Preprocessing,
    plans: Plans<Plan>,
    /// Plans for images of bands.
    band_plans: Plans<BandPlan>,
}

impl Preprocessor {
    /// Makes a preprocessor from a description of its work.
    ///
    /// # Errors
    /// [`Error::ConfigValue`](crate::Error::ConfigValue) if the size is not in 1..=8192, a mean is not finite, a
    /// deviation is not a positive number, or means and deviations of bands differ in number.
    pub fn new(preprocessing: Preprocessing) -> crate::Result<Self> {
        preprocessing.check()?;
        Ok(Self { preprocessing, plans: Mutex::default(), band_plans: Mutex::default() })
    }

    /// Returns the description of what is done to an image.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// Returns the channels of images that are prepared: red, green and blue, or bands.
    pub fn channels(&self) -> Channels {
        self.preprocessing.channels()
    }

    /// Resizes and crops `image` into `out`, which is `[size, size, 3]` bytes: rows from the top, then pixels, then
    /// red, green and blue.
    ///
    /// Only the pixels that the crop keeps are computed, so that a long panorama takes no longer than the square that
    /// is cut from it.
    ///
    /// # Errors
    /// [`rscir_core::Error::Length`] if `out` has another length; [`rscir_core::Error::Channels`] if the preprocessor
    /// is for images of bands.
    pub fn prepare(&self, image: RgbView<'_>, out: &mut [u8]) -> rscir_core::Result<()> {
        self.channels().check(Channels::Rgb)?;
        let size = self.preprocessing.size;
        rscir_core::Error::check_length(
            "prepared image (size x size x 3 bytes)",
            size * size * 3,
            out.len(),
        )?;
        let (width, height) = (image.width(), image.height());
        plan(&self.plans, (width, height), || Plan::new(width, height, &self.preprocessing)).run(image, out);
        Ok(())
    }

    /// Resizes and crops `image` into `out`, which is `[size, size, bands]` values. They are neither rounded nor clipped.
    ///
    /// # Errors
    /// [`rscir_core::Error::Channels`] if the preprocessor is for colors or for another number of bands;
    /// [`rscir_core::Error::Length`] if `out` has another length.
    pub fn prepare_bands(&self, image: BandsView<'_>, out: &mut [f32]) -> rscir_core::Result<()> {
        let channels = self.channels();
        let values = match channels {
            Channels::Bands { values, .. } => values,
            _ => BandValues::Measured,
        };
        channels.check(Channels::Bands { count: image.bands(), values })?;
        let size = self.preprocessing.size;
        let length = size * size * image.bands();
        rscir_core::Error::check_length("prepared image (size x size x bands values)", length, out.len())?;
        let (width, height) = (image.width(), image.height());
        plan(&self.band_plans, (width, height), || BandPlan::new(width, height, &self.preprocessing))
            .run(image, out);
        Ok(())
    }
}

/// Returns the plan for images of a size, which is made if none is kept.
fn plan<P>(plans: &Plans<P>, size: (usize, usize), new: impl FnOnce() -> P) -> Arc<P> {
    // A plan is complete before it is pushed, so that a panic elsewhere leaves no plan half done.
    let kept = || plans.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, plan)) = kept().iter().rev().find(|(of, _)| *of == size) {
        return Arc::clone(plan);
    }
    let plan = Arc::new(new());
    let mut plans = kept();
    if plans.len() == KEPT_PLANS {
        plans.remove(0);
    }
    plans.push((size, Arc::clone(&plan)));
    plan
}
