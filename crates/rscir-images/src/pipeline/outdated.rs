//! Removal of rows that do not agree with a source any more.

use rscir_core::{EmbeddingSink, ImageSource, RowStanding};

use super::{IngestReport, NotPruned};
use crate::Result;

/// Takes out the rows that the source calls outdated and, with `prune`, those that are beside its items. Both are
/// counted in the report.
pub(super) fn take_out(
    source: &dyn ImageSource,
    sink: &mut dyn EmbeddingSink,
    prune: bool,
    report: &mut IngestReport,
) -> Result<()> {
    if report.stopped {
        report.not_pruned = prune.then_some(NotPruned::Stopped);
        return Ok(());
    }
    let (mut outdated, mut beside) = (0, 0);
    let taken = sink.retain(&mut |key, fingerprint| match source.standing(key, fingerprint) {
        RowStanding::Outdated => {
            outdated += 1;
            false
        }
        RowStanding::Beside => {
            beside += 1;
            !prune
        }
        _ => true,
    })?;
    if taken.is_some() {
        report.outdated = outdated;
        report.beside = beside;
        report.pruned = if prune { beside } else { 0 };
        report.not_pruned = None;
    }
    Ok(())
}
