//! What an ingest asks of a list of images, be they files or a source's.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use rscir_core::{ColumnSchema, Fingerprint, ImageEncoder, RowValues, Stage};

use super::Failure;
use super::pixels::Pixels;
use crate::Error;
use crate::decode::{Oddities, Remedy};

/// Images by their position in a list.
pub(super) trait Items: Sync {
    fn len(&self) -> usize;

    fn key(&self, item: usize) -> Cow<'_, str>;

    /// The place that a failure names.
    fn path(&self, item: usize) -> PathBuf;

    /// Compares an item with the fingerprint of its row.
    fn look(&self, item: usize, known: Fingerprint) -> Look;

    /// The columns that there are values for.
    fn columns(&self) -> &[ColumnSchema];

    /// The values of an item in these columns, on any thread.
    fn values(&self, item: usize) -> Result<RowValues<'_>, Refused>;

    /// Brings an item to the encoder's input, on any thread.
    fn prepare(&self, item: usize, encoder: &dyn ImageEncoder) -> Result<Prepared, Refused>;

    /// Names the item that was refused.
    fn failure(&self, item: usize, refused: Refused) -> Failure {
        let Refused { stage, reason, remedy } = refused;
        Failure { key: self.key(item).into_owned(), path: self.path(item), stage, reason, remedy }
    }
}

/// What became of an image since its row was encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Same,
    /// It changed, or has no row.
    Changed,
    Gone,
}

/// An image ready for the device.
pub(super) struct Prepared {
    pub(super) pixels: Pixels,
    pub(super) fingerprint: Fingerprint,
    pub(super) oddities: Oddities,
}

/// Why an image was not prepared.
pub(super) struct Refused {
    pub(super) stage: Stage,
    pub(super) reason: String,
    pub(super) remedy: Option<Remedy>,
}

/// Does one stage of an image. Decoders and encoders may be of other people's making: a panic in one costs its image, not
/// the job.
pub(super) fn attempt<T, E: std::error::Error + 'static>(
    stage: Stage,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, Refused> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| Refused {
            stage: told_stage(&error).unwrap_or(stage),
            reason: reason(&error),
            remedy: remedy(&error),
        }),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
            let reason = format!("panicked, which is a defect worth reporting: {text}");
            Err(Refused { stage, reason, remedy: None })
        }
    }
}

/// The stage that a source itself tells.
fn told_stage(error: &(dyn std::error::Error + 'static)) -> Option<Stage> {
    match error.downcast_ref()? {
        rscir_core::Error::Refused { stage, .. } => Some(*stage),
        _ => None,
    }
}

/// What can be chosen to mend an error, if it is about an image.
fn remedy(error: &(dyn std::error::Error + 'static)) -> Option<Remedy> {
    match error.downcast_ref::<Error>()? {
        Error::Pixels(problem) => problem.remedy(),
        _ => None,
    }
}

/// An error with its causes, each said once.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |cause| cause.source()) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
