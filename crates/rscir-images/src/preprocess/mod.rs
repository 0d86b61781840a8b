//! From a decoded image to the square of bytes that a tower takes, as open_clip's evaluation transform does it with
//! Pillow 13: resize, crop, byte for byte.

mod config;
mod filter;
mod geometry;
mod resize;
mod weigh;

use std::sync::{Arc, Mutex, PoisonError};

use rscir_core::RgbView;

pub use config::{Interpolation, Preprocessing, ResizeMode};
use resize::Plan;

/// Plans kept for sizes met before. An archive of tiles has one size, a collection of photographs a dozen common ones.
const KEPT_PLANS: usize = 16;

/// Width and height of an image, and what is to be done with it.
type Known = ((usize, usize), Arc<Plan>);

/// Resizes and crops images to a tower's input.
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
    /// By width and height of the image, the latest last.
    plans: Mutex<Vec<Known>>,
}

impl Preprocessor {
    /// Prepares images as `preprocessing` says.
    ///
    /// # Errors
    /// [`Error::ConfigValue`](crate::Error::ConfigValue) for a size, mean or deviation that no model can have.
    pub fn new(preprocessing: Preprocessing) -> crate::Result<Self> {
        preprocessing.check()?;
        Ok(Self { preprocessing, plans: Mutex::default() })
    }

    /// What is done to an image.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// Resizes and crops `image` into `out`, `[size, size, 3]` bytes.
    ///
    /// Only what the crop keeps is computed: a panorama of any length costs no more than its pixels are read.
    ///
    /// # Errors
    /// [`rscir_core::Error::Length`] if `out` has another length.
    pub fn prepare(&self, image: RgbView<'_>, out: &mut [u8]) -> rscir_core::Result<()> {
        let size = self.preprocessing.size;
        rscir_core::Error::check_length(
            "prepared image (size x size x 3 bytes)",
            size * size * 3,
            out.len(),
        )?;
        self.plan(image.width(), image.height()).run(image, out);
        Ok(())
    }

    fn plan(&self, width: usize, height: usize) -> Arc<Plan> {
        let key = (width, height);
        // A plan is whole before it is pushed, so a panic elsewhere leaves nothing half done here.
        let kept = || self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, plan)) = kept().iter().rev().find(|(of, _)| *of == key) {
            return Arc::clone(plan);
        }
        let plan = Arc::new(Plan::new(width, height, &self.preprocessing));
        let mut plans = kept();
        if plans.len() == KEPT_PLANS {
            plans.remove(0);
        }
        plans.push((key, Arc::clone(&plan)));
        plan
    }
}
