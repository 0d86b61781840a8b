//! The images of an ingest, from files or from a source.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use rscir_core::{ColumnSchema, Fingerprint, ImageEncoder, RowValues, Stage};

use super::Failure;
use super::pixels::Pixels;
use crate::Error;
use crate::decode::{Oddities, Remedy};

/// Gives an ingest images by their position in a list.
pub(super) trait Items: Sync {
    fn len(&self) -> usize;

    fn key(&self, item: usize) -> Cow<'_, str>;

    /// Returns the path that a failure names.
    fn path(&self, item: usize) -> PathBuf;

    /// Compares an item with the fingerprint of its row.
    fn look(&self, item: usize, known: Fingerprint) -> Look;

    /// Returns the columns for which items have values.
    fn columns(&self) -> &[ColumnSchema];

    /// Reads the values of an item in these columns. It is called on any thread.
    fn values(&self, item: usize) -> Result<RowValues<'_>, Refused>;

    /// Reads an item and prepares it for the encoder. It is called on any thread.
    fn prepare(&self, item: usize, encoder: &dyn ImageEncoder) -> Result<Prepared, Refused>;

    /// Adds the key and the path of an item to the reason why it was refused.
    fn failure(&self, item: usize, refused: Refused) -> Failure {
        let Refused { stage, reason, remedy } = refused;
        Failure { key: self.key(item).into_owned(), path: self.path(item), stage, reason, remedy }
    }
}

/// The state of an image, compared with its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Same,
    /// The image has changed, or has no row.
    Changed,
    Gone,
}

/// An image that is ready to be encoded.
pub(super) struct Prepared {
    pub(super) pixels: Pixels,
    pub(super) fingerprint: Fingerprint,
    pub(super) oddities: Oddities,
}

/// The reason why an image was not prepared.
pub(super) struct Refused {
    pub(super) stage: Stage,
    pub(super) reason: String,
    pub(super) remedy: Option<Remedy>,
}

/// Runs one stage for an image. If a decoder or an encoder panics, this image fails, and the ingest goes on: they may
/// be code of others.
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

/// Returns the stage that a source itself names in its error.
fn told_stage(error: &(dyn std::error::Error + 'static)) -> Option<Stage> {
    match error.downcast_ref()? {
        rscir_core::Error::Refused { stage, .. } => Some(*stage),
        _ => None,
    }
}

/// Returns the choice by which an image can be decoded, if the error has one.
fn remedy(error: &(dyn std::error::Error + 'static)) -> Option<Remedy> {
    match error.downcast_ref::<Error>()? {
        Error::Pixels(problem) => problem.remedy(),
        _ => None,
    }
}

/// Returns the message of an error with those of its causes. A message that is part of another is left out.
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
