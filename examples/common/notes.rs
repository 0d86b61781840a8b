//! Notes on what an ingest and other work found and did not refuse, with what to type if it was not meant.

use std::path::Path;

use rscir::bench::DatasetReport;
use rscir::bench::report::findings_text;
use rscir::checkpoint;
use rscir::core::files::read_bounded;
use rscir::core::{Omission, printable};
use rscir::encoders::{Error, Failure, ImageList, IngestReport, Noticed, decode_with_oddities};
use rscir::prelude::*;

use super::advice;
use super::bars::Bars;
use super::out::note;
use super::text::shown;

/// Says which images of a folder are in formats that are not read, and how many were left out.
pub fn say_left_out(images: &ImageList) {
    if let Some(kinds) = unread(images) {
        note!("{kinds}");
    }
    let left_out = images.left_out();
    if left_out.files + left_out.folders > 0 {
        note!(
            "left out: {} hidden image files, {} folders that are hidden or hold other programs' thumbnails",
            left_out.files,
            left_out.folders
        );
    }
}

/// Names the images of a folder that are of kinds that are not read; `None` if there are none.
pub fn unread(images: &ImageList) -> Option<String> {
    let kinds = images.unread_kinds();
    let kind = |(kind, count): (&String, &usize)| format!("{count} .{kind}");
    let list: Vec<String> = kinds.iter().map(kind).collect();
    (!list.is_empty()).then(|| {
        let what = match kinds.values().sum::<usize>() {
            1 => "1 file is an image of a kind that is not read".to_owned(),
            count => format!("{count} files are images of kinds that are not read"),
        };
        format!("{what}: {}; convert to TIFF or PNG", list.join(", "))
    })
}

/// Says that an image failed, and what to type so that it is decoded.
pub fn say_failed(bars: &Bars, failure: &Failure) {
    let remedy =
        failure.remedy.and_then(advice::of_remedy).map_or(String::new(), |remedy| format!("; {remedy}"));
    bars.suspend(|| note!("failed: {}{remedy}", shown(failure)));
}

/// Says which images may have needed a stretch.
pub fn say_odd(report: &IngestReport) {
    let odd = &report.odd;
    say_noticed(&odd.one_color, "are all one color after decoding");
    say_noticed(&odd.narrow_range, "use less than a sixteenth of their values' range");
}

/// Says that the image of a query may have needed a stretch. The image was encoded before, so errors are ignored.
pub fn say_odd_query(path: &Path, encoder: &ClipEncoder) {
    let (decoding, limits) = (encoder.decoding(), encoder.limits());
    let Ok(bytes) = read_bounded(path, limits.max_bytes) else { return };
    let Ok((_, odd)) = decode_with_oddities(&bytes, decoding, limits) else { return };
    let what = match (odd.one_color, odd.narrow_range) {
        (true, _) => "is all one color after decoding",
        (_, true) => "uses less than a sixteenth of its values' range",
        _ => return,
    };
    note!("the query image {what}: {STRETCH}");
}

/// What to type if values were lost in decoding.
const STRETCH: &str = "for values beyond a byte, type --decode \"stretch=percentile(2, 98)\"";

/// Says how many images were noticed, and names the first ones.
fn say_noticed(noticed: &Noticed, what: &str) {
    if noticed.count > 0 {
        let first: Vec<_> = noticed.first.iter().map(|key| printable(key)).collect();
        note!(
            "{} images {what} ({}{}): {STRETCH}",
            noticed.count,
            first.join(", "),
            if noticed.count > first.len() { ", ..." } else { "" }
        );
    }
}

/// Says which entries of a benchmark's files are not evaluated as they are.
pub fn say_findings(findings: &DatasetReport) {
    let found = findings_text(findings);
    if !found.is_empty() {
        note!("{}", found.trim_end());
    }
}

/// Says which of several state dicts was taken, and which tables of positions were resized.
pub fn say_weights(encoder: &ClipEncoder) {
    let checkpoint = encoder.checkpoint();
    if let (Some(taken), [_, _, ..]) = (checkpoint.state_dict(), checkpoint.state_dicts()) {
        let others = checkpoint.state_dicts().iter().filter(|key| *key != taken);
        let others: Vec<&str> = others.map(String::as_str).collect();
        note!("weights: the state dict `{taken}`; --state-dict takes another: {}", others.join(", "));
    }
    for table in encoder.resized() {
        note!(
            "weights: `{}` is resized from {} to {} positions, as the configuration asks",
            table.name,
            table.from[0],
            table.to[0]
        );
    }
}

/// Adds to an error about several state dicts what to type to choose one.
pub fn with_state_dict_option(error: Error) -> anyhow::Error {
    let is_choice = matches!(error, Error::Checkpoint(checkpoint::Error::StateDict { .. }));
    let error = anyhow::Error::from(error);
    if is_choice { error.context("choose with --state-dict KEY") } else { error }
}

/// Says what a source left out.
pub fn say_omissions(omissions: &[Omission]) {
    omissions.iter().for_each(|omission| note!("left out: {} {}", omission.count, omission.what));
}

/// Says how many images are not in a table of columns, how many of its keys are of no image, and how many rows got
/// other values.
pub fn say_columns(report: &IngestReport) {
    let first =
        |noticed: &Noticed| noticed.first.first().map(|key| printable(key).to_string()).unwrap_or_default();
    let (without, unused) = (&report.without_values, &report.unused_values);
    if without.count > 0 {
        note!("columns: {} images are not in the table, such as {}", without.count, first(without));
    }
    if unused.count > 0 {
        note!("columns: {} keys of the table are those of no image, such as {}", unused.count, first(unused));
    }
    if report.updated > 0 {
        note!("columns: {} rows that were not encoded again got other values", report.updated);
    }
}

/// Says how many rows are of files that are gone, and what became of them.
pub fn say_gone(report: &IngestReport) {
    if let Some(reason) = &report.not_pruned {
        note!("no row was taken out: {}", shown(reason));
    }
    if report.outdated > 0 {
        note!(
            "taken out: {} rows that are no longer tiles of their scenes, which have changed",
            report.outdated
        );
    }
    if report.beside > 0 {
        let what = if report.pruned > 0 { "were taken out" } else { "are kept; --prune takes them out" };
        note!(
            "{} rows are other tiles of these scenes, of another size or overlap, and {what}",
            report.beside
        );
    }
    if let Some(first) = report.gone.first() {
        let what = if report.pruned > 0 { "were taken out" } else { "are kept; --prune takes them out" };
        note!("{} rows of files that are gone, such as {}, {what}", report.gone.len(), printable(first));
    }
}

/// Says which folders the rows are from, if there are several.
pub fn say_roots(archive: &DiskArchive) {
    let roots = archive.roots();
    if roots.len() > 1 {
        let roots: Vec<_> = roots.iter().map(|root| printable(root)).collect();
        note!("the archive has rows from {} folders: {}", roots.len(), roots.join(", "));
    }
}
