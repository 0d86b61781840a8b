use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use rscir_core::{ColumnTable, Progress, Shard, Silent};

use super::ChangeDetection;
use crate::DecodeLimits;

/// How images are ingested.
///
/// ```
/// # use rscir_images::IngestOptions;
/// let options = IngestOptions::default().batch(64).threads(2).prune(true);
/// assert_eq!((options.batch, options.threads), (64, Some(2)));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct IngestOptions<'a> {
    /// Images encoded and committed at once. Default: 32.
    pub batch: usize,
    /// What an image may take. What decides its pixels is in the encoder's spec. Default: [`DecodeLimits::default`].
    pub limits: DecodeLimits,
    /// How a changed file is seen.
    pub changes: ChangeDetection,
    /// Give up once more images than this have failed.
    pub max_failures: Option<usize>,
    /// Threads of the ingest's own: as many read, decode and prepare, and as many compute vectors on a CPU, compare and write,
    /// so that what runs beside it in this process keeps rayon's. `None`: as many as rayon's current pool has, and that pool.
    pub threads: Option<usize>,
    /// Stop when this becomes true, after the batch that is being encoded and the images that are being decoded: what is
    /// committed stays, the rest is left to the next ingest.
    pub stop: Option<&'a AtomicBool>,
    /// The folders that the sink's rows are from, as [`real_folder`](super::real_folder) gives them; empty if that is not
    /// known. An archive on disk remembers them, and `ingest_with` of the crate `rscir` fills them in.
    pub roots: &'a [PathBuf],
    /// Replace rows that are from other folders, too.
    pub replace: bool,
    /// Take out rows whose file is gone, and of a source those that it has no item for any more
    /// ([`IngestReport::beside`](super::IngestReport::beside)). [`ingest`](super::ingest) cannot do it, and
    /// [`IngestReport::not_pruned`](super::IngestReport::not_pruned) says so; `ingest_with` of the crate `rscir` does it once
    /// all images are done.
    pub prune: bool,
    /// Values of columns, which the rows of images with a key in this table get.
    pub columns: Option<&'a dyn ColumnTable>,
    /// The part of the images that is encoded; the others are as if they were not listed. `None`: all. An archive on disk
    /// records it, in `ingest_with` of the crate `rscir`.
    pub shard: Option<Shard>,
    /// Hears of every image done.
    pub progress: &'a dyn Progress,
}

impl Default for IngestOptions<'_> {
    fn default() -> Self {
        Self {
            batch: 32,
            limits: DecodeLimits::default(),
            changes: ChangeDetection::default(),
            max_failures: None,
            threads: None,
            stop: None,
            roots: &[],
            replace: false,
            prune: false,
            columns: None,
            shard: None,
            progress: &Silent,
        }
    }
}

impl<'a> IngestOptions<'a> {
    /// Sets how many images are encoded and committed at once. Default: 32.
    #[must_use]
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = batch;
        self
    }

    /// Sets what an image may take. Default: [`DecodeLimits::default`].
    #[must_use]
    pub fn limits(mut self, limits: DecodeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how a changed file is seen. Default: by size and time.
    #[must_use]
    pub fn changes(mut self, changes: ChangeDetection) -> Self {
        self.changes = changes;
        self
    }

    /// Sets how many images may fail before the ingest gives up. Default: all.
    #[must_use]
    pub fn max_failures(mut self, max_failures: usize) -> Self {
        self.max_failures = Some(max_failures);
        self
    }

    /// Gives the ingest so many threads of its own. Default: it shares rayon's current pool.
    ///
    /// As many read, decode and prepare, and as many compute vectors on a CPU, compare and write. Rows do not depend on it.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Sets a flag that stops the ingest. Default: none.
    #[must_use]
    pub fn stop(mut self, stop: &'a AtomicBool) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Sets the folders that the sink's rows are from. Default: they are not known.
    #[must_use]
    pub fn roots(mut self, roots: &'a [PathBuf]) -> Self {
        self.roots = roots;
        self
    }

    /// Sets whether rows from other folders are replaced, too. Default: `false`.
    #[must_use]
    pub fn replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }

    /// Sets whether rows are taken out whose file is gone, or that a source has no item for any more. Default: `false`.
    #[must_use]
    pub fn prune(mut self, prune: bool) -> Self {
        self.prune = prune;
        self
    }

    /// Sets a table of columns, whose values the rows of images with a key in it get. Default: none.
    #[must_use]
    pub fn columns(mut self, columns: &'a dyn ColumnTable) -> Self {
        self.columns = Some(columns);
        self
    }

    /// Sets the part of the images that is encoded, the others being left to other processes. Default: all of them.
    #[must_use]
    pub fn shard(mut self, shard: Shard) -> Self {
        self.shard = Some(shard);
        self
    }

    /// Sets what hears of every image done. Default: nothing does.
    #[must_use]
    pub fn progress(mut self, progress: &'a dyn Progress) -> Self {
        self.progress = progress;
        self
    }

    /// Tells whether an image is in the part that is encoded.
    pub(super) fn holds(&self, key: &str) -> bool {
        self.shard.is_none_or(|shard| shard.holds(key))
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for IngestOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            batch,
            limits,
            changes,
            max_failures,
            threads,
            stop: _,
            roots,
            replace,
            prune,
            columns,
            shard,
            progress: _,
        } = self;
        f.debug_struct("IngestOptions")
            .field("batch", batch)
            .field("limits", limits)
            .field("changes", changes)
            .field("max_failures", max_failures)
            .field("threads", threads)
            .field("roots", roots)
            .field("replace", replace)
            .field("prune", prune)
            .field("columns", &columns.map(ColumnTable::columns))
            .field("shard", shard)
            .finish_non_exhaustive()
    }
}
