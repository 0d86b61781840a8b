//! Progress of the look at scenes.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rscir_core::Progress;

/// Bytes of one unit of progress: a mebibyte.
const UNIT: u64 = 1 << 20;

/// Reports progress in mebibytes of the scenes' files, since a scene of gigabytes takes as long as many small ones.
/// Every scene has at least one.
pub(super) struct Looking<'a> {
    progress: &'a dyn Progress,
    /// Number of units of each scene.
    units: Vec<u64>,
    /// Position of the present scene.
    now: usize,
    /// Units of the present scene that were reported.
    told: AtomicU64,
}

impl<'a> Looking<'a> {
    pub(super) fn begin<'p>(progress: &'a dyn Progress, files: impl Iterator<Item = &'p Path>) -> Self {
        let bytes = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
        let units: Vec<u64> = files.map(|path| bytes(path).div_ceil(UNIT).max(1)).collect();
        progress.begin("looking at scenes (MiB)", Some(units.iter().sum()));
        Self { progress, units, now: 0, told: AtomicU64::new(0) }
    }

    /// Reports the share of the present scene that has been looked at, from 0 to 1. Threads may call it in any order.
    pub(super) fn at(&self, share: f64) {
        let units = self.units.get(self.now).copied().unwrap_or_default();
        let reached = ((units as f64 * share) as u64).min(units);
        let before = self.told.fetch_max(reached, Ordering::Relaxed);
        if reached > before {
            self.progress.advance(reached - before);
        }
    }

    /// Reports the rest of the present scene and goes on to the next.
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
