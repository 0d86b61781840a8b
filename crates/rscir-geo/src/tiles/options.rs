use rscir_images::ChangeDetection;

use crate::{Error, Result, SceneOptions, Tiling};

/// How scenes become tiles.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TileOptions {
    /// How a scene is cut. Default: 256 pixels, no overlap.
    pub tiling: Tiling,
    /// How a scene is read.
    pub scene: SceneOptions,
    /// The share of valid pixels that a tile has at least, from 0 to 1. Default: 0.5.
    pub min_valid: f64,
    /// How a scene is seen to have changed since its tiles were encoded. Default: by size and time.
    pub changes: ChangeDetection,
}

impl Default for TileOptions {
    fn default() -> Self {
        let (tiling, scene, changes) = Default::default();
        Self { tiling, scene, min_valid: 0.5, changes }
    }
}

impl TileOptions {
    /// Sets how a scene is cut.
    #[must_use]
    pub fn tiling(mut self, tiling: Tiling) -> Self {
        self.tiling = tiling;
        self
    }

    /// Sets how a scene is read.
    #[must_use]
    pub fn scene(mut self, scene: SceneOptions) -> Self {
        self.scene = scene;
        self
    }

    /// Sets the share of valid pixels that a tile has at least.
    #[must_use]
    pub fn min_valid(mut self, min_valid: f64) -> Self {
        self.min_valid = min_valid;
        self
    }

    /// Sets how a scene is seen to have changed.
    #[must_use]
    pub fn changes(mut self, changes: ChangeDetection) -> Self {
        self.changes = changes;
        self
    }

    /// Checks that scenes can be tiled so.
    ///
    /// # Errors
    /// Those of [`Tiling::check`] and [`SceneOptions::check`]; [`Error::Option`] for a share that is none.
    pub fn check(&self) -> Result<()> {
        self.tiling.check()?;
        self.scene.check()?;
        if (0.0..=1.0).contains(&self.min_valid) {
            return Ok(());
        }
        let value = self.min_valid.to_string();
        Err(Error::Option { name: "the least share of valid pixels", value, expected: "from 0 to 1" })
    }
}
