use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use rscir_core::{ColumnTable, Progress, Shard, Silent};

use super::ChangeDetection;
use crate::DecodeLimits;

/// Options of an ingest.
///
/// ```
/// # use rscir_images::IngestOptions;
/// let options = IngestOptions::default().batch(64).threads(2).prune(true);
/// assert_eq!((options.batch, options.threads), (64, Some(2)));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct IngestOptions<'a> {
    /// Number of images that are encoded and committed at once. Default: 32.
    pub batch: usize,
    /// Limits for decoding an image. They do not decide its pixels: the decoding in the encoder's spec does. Default:
    /// [`DecodeLimits::default`].
    pub limits: DecodeLimits,
    /// How changed files are found. Default: by size and time of change.
    pub changes: ChangeDetection,
    /// The ingest gives up once more images than this have failed. Default: `None`, for any number.
    pub max_failures: Option<usize>,
    /// Number of threads that belong to the ingest alone: so many read, decode and prepare images, and so many compute
    /// vectors on a CPU, compare and write. Other work in the process keeps rayon's threads. Default: `None`, for
    /// rayon's current pool and its number of threads.
    pub threads: Option<usize>,
    /// The ingest stops once this flag is true, after the batch that is being encoded and the images that are being
    /// decoded. Committed batches stay, and the next ingest goes on. Default: none.
    pub stop: Option<&'a AtomicBool>,
    /// Folders that the sink's rows are from, as [`real_folder`](super::real_folder) returns them. An archive on disk
    /// remembers them, and `ingest_with` of the crate `rscir` fills them in. Default: empty, which means that they are
    /// not known.
    pub roots: &'a [PathBuf],
    /// True if rows of files in other folders may be replaced. Default: false.
    pub replace: bool,
    /// True if rows are to be taken out whose file is gone, or that belong to no present item of a source
    /// ([`IngestReport::beside`](super::IngestReport::beside)). [`ingest`](super::ingest) cannot do this for files, and
    /// [`IngestReport::not_pruned`](super::IngestReport::not_pruned) says so; `ingest_with` of the crate `rscir` does
    /// it once all images are encoded. Default: false.
    pub prune: bool,
    /// A table with columns. The row of an image gets the values that the table has for its key. Default: none.
    pub columns: Option<&'a dyn ColumnTable>,
    /// The part of the images that is encoded. The others are treated as if they were not listed. `ingest_with` of the
    /// crate `rscir` records the part in an archive on disk. Default: `None`, for all images.
    pub shard: Option<Shard>,
    /// Receives the progress: every image that is compared or encoded. Default: nothing receives it.
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
    /// Sets the number of images that are encoded and committed at once. Default: 32.
    #[must_use]
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = batch;
        self
    }

    /// Sets the limits for decoding an image. Default: [`DecodeLimits::default`].
    #[must_use]
    pub fn limits(mut self, limits: DecodeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how changed files are found. Default: by size and time of change.
    #[must_use]
    pub fn changes(mut self, changes: ChangeDetection) -> Self {
        self.changes = changes;
        self
    }

    /// Sets how many images may fail. With one more the ingest gives up. Default: any number may.
    #[must_use]
    pub fn max_failures(mut self, max_failures: usize) -> Self {
        self.max_failures = Some(max_failures);
        self
    }

    /// Sets the number of threads that belong to the ingest alone. Default: it shares rayon's current pool.
    ///
    /// So many threads read, decode and prepare images, and so many compute vectors on a CPU, compare and write. Rows
    /// do not depend on the number.
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

    /// Sets the folders that the sink's rows are from, as [`real_folder`](super::real_folder) returns them. Default:
    /// they are not known.
    #[must_use]
    pub fn roots(mut self, roots: &'a [PathBuf]) -> Self {
        self.roots = roots;
        self
    }

    /// Sets whether rows of files in other folders may be replaced. Default: `false`.
    #[must_use]
    pub fn replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }

    /// Sets whether rows are taken out whose file is gone, or that belong to no present item of a source. Default:
    /// `false`.
    #[must_use]
    pub fn prune(mut self, prune: bool) -> Self {
        self.prune = prune;
        self
    }

    /// Sets a table with columns. The row of an image gets the values that the table has for its key. Default: none.
    #[must_use]
    pub fn columns(mut self, columns: &'a dyn ColumnTable) -> Self {
        self.columns = Some(columns);
        self
    }

    /// Sets the part of the images that is encoded. The others are left to other processes. Default: all images are
    /// encoded.
    #[must_use]
    pub fn shard(mut self, shard: Shard) -> Self {
        self.shard = Some(shard);
        self
    }

    /// Sets what receives the progress. Default: nothing does.
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
