//! How far the look at scenes has come.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rscir_core::Progress;

/// Bytes that the progress counts as one.
const UNIT: u64 = 1 << 20;

/// Tells the progress in mebibytes of files, of which a scene has one at least: a scene of gigabytes takes as long as many
/// small ones.
pub(super) struct Looking<'a> {
    progress: &'a dyn Progress,
    /// The units of each scene, and which scene it is now.
    units: Vec<u64>,
    now: usize,
    /// Units of this scene that were told.
    told: AtomicU64,
}

impl<'a> Looking<'a> {
    pub(super) fn begin<'p>(progress: &'a dyn Progress, files: impl Iterator<Item = &'p Path>) -> Self {
        let bytes = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
        let units: Vec<u64> = files.map(|path| bytes(path).div_ceil(UNIT).max(1)).collect();
        progress.begin("looking at scenes (MiB)", Some(units.iter().sum()));
        Self { progress, units, now: 0, told: AtomicU64::new(0) }
    }

    /// Tells that this share of the scene has been looked at, from 0 to 1. Threads may say so in any order.
    pub(super) fn at(&self, share: f64) {
        let units = self.units.get(self.now).copied().unwrap_or_default();
        let reached = ((units as f64 * share) as u64).min(units);
        let before = self.told.fetch_max(reached, Ordering::Relaxed);
        if reached > before {
            self.progress.advance(reached - before);
        }
    }

    /// Ends a scene, be it looked at or not.
    pub(super) fn next(&mut self) {
        self.at(1.0);
        self.told = AtomicU64::new(0);
        self.now += 1;
    }
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.progress.end();
    }
}
