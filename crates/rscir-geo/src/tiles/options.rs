use rscir_images::ChangeDetection;

use crate::{Error, Result, SceneOptions, Tiling};

/// Options of how scenes become tiles.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TileOptions {
    /// Sides and overlap of the tiles. Default: 256 pixels, no overlap.
    pub tiling: Tiling,
    /// Options by which a scene is read. Default: [`SceneOptions::default`].
    pub scene: SceneOptions,
    /// The least share of valid pixels that a tile has, from 0 to 1. Default: 0.5.
    pub min_valid: f64,
    /// How a scene is compared with the one whose tiles were encoded. Default: by size and time of change.
    pub changes: ChangeDetection,
}

impl Default for TileOptions {
    fn default() -> Self {
        let (tiling, scene, changes) = Default::default();
        Self { tiling, scene, min_valid: 0.5, changes }
    }
}

impl TileOptions {
    /// Sets sides and overlap of the tiles. Default: 256 pixels, no overlap.
    #[must_use]
    pub fn tiling(mut self, tiling: Tiling) -> Self {
        self.tiling = tiling;
        self
    }

    /// Sets the options by which a scene is read. Default: [`SceneOptions::default`].
    #[must_use]
    pub fn scene(mut self, scene: SceneOptions) -> Self {
        self.scene = scene;
        self
    }

    /// Sets the least share of valid pixels that a tile has, from 0 to 1. Default: 0.5.
    #[must_use]
    pub fn min_valid(mut self, min_valid: f64) -> Self {
        self.min_valid = min_valid;
        self
    }

    /// Sets how a scene is compared with the one whose tiles were encoded. Default: by size and time of change.
    #[must_use]
    pub fn changes(mut self, changes: ChangeDetection) -> Self {
        self.changes = changes;
        self
    }

    /// Checks the options that can be checked without a scene.
    ///
    /// # Errors
    /// The errors of [`Tiling::check`] and of [`SceneOptions::check`]. [`Error::Option`] if the share of valid pixels
    /// is not in 0..=1.
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
