use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use rayon::prelude::*;
use rscir_core::{
    EmbeddingSink, Fingerprint, ImageEncoder, ImageSource, Omission, RowValues, SinkRow, Stage,
};

use super::files::Files;
use super::items::{Items, Look, Prepared, Refused};
use super::joined::Joined;
use super::pixels::Pixels;
use super::source::Source;
use super::window::Window;
use super::{ImageList, IngestOptions, IngestThreads, Noticed, OddImages, outdated, roots};
use crate::decode::{self, Remedy};
use crate::{Error, Result};

/// An image that could not be encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Key of the image.
    pub key: String,
    /// Path of the image's file. For an image of a source that is no file it is the key.
    pub path: PathBuf,
    /// The step that failed.
    pub stage: Stage,
    /// The reason, and what to do if that is known.
    pub reason: String,
    /// A choice of the caller by which the image can be decoded. `None`: there is none.
    pub remedy: Option<Remedy>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.path.display(), self.stage, self.reason)
    }
}

/// Summary of an ingest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IngestReport {
    /// Number of images that were encoded and committed.
    pub encoded: usize,
    /// Number of images with a row that were not encoded again, since their file has not changed or is gone.
    pub unchanged: usize,
    /// Number of images that failed. Each was passed to `on_failure`.
    pub failed: usize,
    /// Number of unchanged images whose rows got other values in columns of the source or the table.
    pub updated: usize,
    /// What the source left out, by kind, with numbers.
    pub left_out: Vec<Omission>,
    /// Images whose key is not in the table of columns. Their rows keep the values that they have in these columns.
    pub without_values: Noticed,
    /// Keys of the table of columns that no image has.
    pub unused_values: Noticed,
    /// Encoded images that may not look as they were meant to.
    pub odd: OddImages,
    /// Number of rows that were taken out because they no longer agree with the source: tiles of a scene that has
    /// changed, if it has no such tile now or the tile cannot be read.
    pub outdated: usize,
    /// Number of rows that agree with the source but belong to none of its present items, such as tiles of another
    /// size. They are kept unless [`IngestOptions::prune`] is set.
    pub beside: usize,
    /// Keys of rows whose file is gone: of images in the list and, if the whole folder was searched, of rows that are
    /// not in the list.
    pub gone: Vec<String>,
    /// Number of rows that were taken out by [`IngestOptions::prune`], of those in [`gone`](Self::gone) or counted by
    /// [`beside`](Self::beside).
    pub pruned: usize,
    /// The reason why no rows were taken out, though [`IngestOptions::prune`] was set. `None`: it was not set, or it
    /// was done.
    pub not_pruned: Option<NotPruned>,
    /// True if the ingest was stopped before its end.
    pub stopped: bool,
}

/// The reason why rows were not taken out, though [`IngestOptions::prune`] was set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotPruned {
    /// A part of the folder could not be listed, so that it is not known which files are gone.
    Unlisted,
    /// The list is empty, or its folder does not exist: a missing disk is more likely than the loss of every file.
    NothingThere,
    /// A link on the way to a file leads nowhere: its target may be on a disk that is away.
    BrokenLink(PathBuf),
    /// Another folder that rows are from does not exist, so that it is not known which of its files are gone.
    NoRoot(PathBuf),
    /// The ingest was stopped before its end.
    Stopped,
    /// The sink cannot take out rows.
    NoOperation,
}

impl fmt::Display for NotPruned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlisted => f.write_str("a part of the folder could not be listed"),
            Self::NothingThere => f.write_str("no file of the list is there"),
            Self::BrokenLink(link) => write!(f, "{} is a link that leads nowhere", link.display()),
            Self::NoRoot(root) => {
                write!(f, "{}, which rows are from as well, is not there", root.display())
            }
            Self::Stopped => f.write_str("the ingest was stopped"),
            Self::NoOperation => f.write_str("rows cannot be taken out of what they are written to"),
        }
    }
}

impl IngestReport {
    /// Counts a failure and passes it to the caller.
    ///
    /// # Errors
    /// [`Error::TooManyFailures`] if there are more than the options allow.
    fn fail(
        &mut self,
        failure: Failure,
        options: &IngestOptions<'_>,
        on_failure: &mut dyn FnMut(Failure),
    ) -> Result<()> {
        self.failed += 1;
        on_failure(failure);
        match options.max_failures {
            Some(limit) if self.failed > limit => Err(Error::TooManyFailures { limit }),
            _ => Ok(()),
        }
    }
}

/// The longest time until a stop is noticed while no image is ready.
const STOP_LATENCY: Duration = Duration::from_millis(50);

/// Encodes the images of a list into a sink, in the order of the list.
///
/// An image is skipped if it has a row and its file has not changed. An ingest that was cut off, even by SIGKILL or a
/// power failure, therefore goes on where it was: at most one batch is encoded twice, and the batches and rows are
/// those of an ingest without interruption, to the bit. A file that is gone keeps its row. A key that is listed twice
/// is encoded once.
///
/// An image that cannot be read or decoded, or on which the decoder panics, is passed to `on_failure`, and the ingest
/// goes on. Memory grows with the keys of the list alone: about three batches of images are in memory at a time. Rows
/// do not depend on the number of threads, and on the batch size only within the encoder's tolerance. With
/// [`IngestOptions::shard`] only the images of that part are looked at, encoded and counted.
///
/// # Errors
/// Before any image is encoded: [`Error::ConfigValue`] if the decoding in the encoder's spec is in the words of another
/// program, has a stretch without extent, or does not suit the encoder's channels; [`Error::ConfigValue`] or the sink's
/// error if [`IngestOptions::columns`] do not suit the images or the sink; [`Error::Threads`]; [`Error::OtherRoot`].
///
/// Later: errors of the encoder's device and of the sink, and [`Error::TooManyFailures`]. Committed batches stay.
pub fn ingest(
    images: &ImageList,
    encoder: &dyn ImageEncoder,
    sink: &mut dyn EmbeddingSink,
    options: &IngestOptions<'_>,
    on_failure: &mut dyn FnMut(Failure),
) -> Result<IngestReport> {
    let decoding = &encoder.spec().decoding;
    decode::check(decoding)?;
    decode::check_bands(decoding, encoder.channels())?;
    let not_pruned = options.prune.then_some(NotPruned::NoOperation);
    let mut report = IngestReport { not_pruned, ..IngestReport::default() };
    for failure in images.unlisted().iter().filter(|failure| options.holds(&failure.key)) {
        report.fail(failure.clone(), options, on_failure)?;
    }
    let files = Files { images, decoding, limits: options.limits, changes: options.changes };
    let check = |todo: &[usize], sink: &dyn EmbeddingSink| roots::check(images, todo, sink, options);
    run(&files, encoder, sink, options, on_failure, &check, report)
}

/// Encodes the images of a source into a sink, in the order of the source. A source is for example
/// [`MemoryImages`](crate::MemoryImages), [`TarShards`](crate::TarShards), or an implementation of your own.
///
/// The source is encoded as [`ingest`] encodes a list, except that the source itself decides about limits, changes and
/// folders: [`IngestOptions::limits`], [`IngestOptions::changes`] and [`IngestOptions::roots`] are not used, and
/// [`IngestReport::odd`] stays empty.
///
/// Rows get the values of the source's columns. If an unchanged item has other values than its row, the row is updated
/// and counted ([`IngestReport::updated`]). Values of other columns stay. An item whose values cannot be read fails. Rows
/// that the source calls [outdated](rscir_core::RowStanding::Outdated) are taken out at the end and counted
/// ([`IngestReport::outdated`]).
///
/// # Errors
/// Before any image is encoded: [`Error::ConfigValue`] if the source decodes files in another way than the encoder's
/// spec records, or if [`IngestOptions::columns`] has a column that the source has, too; the sink's error if it refuses
/// the columns; [`Error::Threads`].
///
/// Later: errors of the encoder's device and of the sink, and [`Error::TooManyFailures`]. Committed batches stay.
pub fn ingest_source(
    images: &dyn ImageSource,
    encoder: &dyn ImageEncoder,
    sink: &mut dyn EmbeddingSink,
    options: &IngestOptions<'_>,
    on_failure: &mut dyn FnMut(Failure),
) -> Result<IngestReport> {
    if let Some(decoding) = images.decoding().filter(|decoding| **decoding != encoder.spec().decoding) {
        return Err(Error::ConfigValue {
            key: "decoding of the source".into(),
            got: format!("{:?}", decoding.to_string()),
            expected: "the one that the encoder's spec records",
        });
    }
    let not_pruned = options.prune.then_some(NotPruned::NoOperation);
    let report = IngestReport { not_pruned, left_out: images.left_out(), ..IngestReport::default() };
    let mut report = run(&Source(images), encoder, sink, options, on_failure, &|_, _| Ok(()), report)?;
    outdated::take_out(images, sink, options.prune, &mut report)?;
    Ok(report)
}

/// Checks the items that are to be encoded, and refuses the ingest before any is.
type Check<'a> = &'a dyn Fn(&[usize], &dyn EmbeddingSink) -> Result<()>;

fn run(
    images: &dyn Items,
    encoder: &dyn ImageEncoder,
    sink: &mut dyn EmbeddingSink,
    options: &IngestOptions<'_>,
    on_failure: &mut dyn FnMut(Failure),
    check: Check<'_>,
    mut report: IngestReport,
) -> Result<IngestReport> {
    let joined = options.columns.map(|table| Joined::new(images, table, options, &mut report)).transpose()?;
    let images = joined.as_ref().map_or(images, |joined| joined as &dyn Items);
    sink.check_columns(images.columns())?;
    let threads = IngestThreads::start(options)?;
    let Looked { todo, same, gone, listed } = look(images, sink, options, &threads);
    if options.is_stopped() {
        report.stopped = true;
        return Ok(report);
    }
    check(&todo, sink)?;
    report.gone = gone.into_iter().map(|index| images.key(index).into_owned()).collect();
    report.unchanged = listed - todo.len();
    if !images.columns().is_empty() {
        update(images, &same, sink, (options, &threads), on_failure, &mut report)?;
        if options.is_stopped() {
            report.stopped = true;
            return Ok(report);
        }
    }
    options.progress.begin("encoding", Some(todo.len() as u64));
    let batch = options.batch.clamp(1, todo.len().max(1));
    let workers = threads.count().clamp(1, todo.len().max(1));
    // Two batches are prepared while a third is encoded. If batches are small, each thread still has an image to work on.
    let window = Window::new(2 * batch + workers);
    // The channel needs no bound, since the window limits how many results wait in it.
    let (sender, receiver) = mpsc::channel();
    let outcome = std::thread::scope(|scope| {
        let _closing = window.close_at_end();
        for _ in 0..workers {
            let (sender, window, todo) = (sender.clone(), &window, &todo);
            scope.spawn(move || {
                while let Some(position) = window.next(todo.len()) {
                    let prepared = prepare(images, todo[position], encoder);
                    if sender.send((position, prepared)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut device = Device {
            images,
            todo: &todo,
            encoder,
            sink,
            threads: &threads,
            batch,
            rows: Vec::new(),
            pixels: Pixels::none(encoder),
        };
        device.run(&receiver, &window, options, on_failure, &mut report)
    });
    options.progress.end();
    outcome.map(|()| report)
}

/// Positions of images, by what is to be done with them. The lists are incomplete if the ingest was stopped meanwhile.
struct Looked {
    /// Images that have no row or have changed.
    todo: Vec<usize>,
    /// Images whose row is up to date.
    same: Vec<usize>,
    /// Images with a row, whose file is gone.
    gone: Vec<usize>,
    /// Number of images in the part that is encoded. An image that is listed twice counts twice.
    listed: usize,
}

fn look(
    images: &dyn Items,
    sink: &dyn EmbeddingSink,
    options: &IngestOptions<'_>,
    threads: &IngestThreads,
) -> Looked {
    let mut seen = HashSet::new();
    let mut listed = 0;
    let known: Vec<(usize, Option<Fingerprint>)> = (0..images.len())
        .map(|index| (index, images.key(index)))
        .filter(|(_, key)| options.holds(key))
        .inspect(|_| listed += 1)
        .filter(|(_, key)| seen.insert(key.clone()))
        .map(|(index, key)| (index, sink.fingerprint(&key)))
        .collect();
    let with_rows = known.iter().filter(|(_, fingerprint)| fingerprint.is_some()).count();
    options.progress.begin("looking for changes", Some(with_rows as u64));
    let look = |&(index, known): &(usize, Option<Fingerprint>)| {
        let Some(known) = known else { return (index, Look::Changed) };
        if options.is_stopped() {
            return (index, Look::Same);
        }
        let look = images.look(index, known);
        options.progress.advance(1);
        (index, look)
    };
    let looks: Vec<(usize, Look)> = threads.run(|| known.par_iter().map(look).collect());
    options.progress.end();
    let of = |wanted| looks.iter().filter(|(_, look)| *look == wanted).map(|&(index, _)| index).collect();
    Looked { todo: of(Look::Changed), same: of(Look::Same), gone: of(Look::Gone), listed }
}

/// Number of rows whose values are compared at once. Their values take some megabytes at most.
const COMPARED_AT_ONCE: usize = 4096;

/// Updates the columns of rows that are not encoded again to the values that the source has now.
fn update(
    images: &dyn Items,
    same: &[usize],
    sink: &mut dyn EmbeddingSink,
    (options, threads): (&IngestOptions<'_>, &IngestThreads),
    on_failure: &mut dyn FnMut(Failure),
    report: &mut IngestReport,
) -> Result<()> {
    for part in same.chunks(COMPARED_AT_ONCE) {
        if options.is_stopped() {
            return Ok(());
        }
        let told: Vec<Result<RowValues<'_>, Refused>> =
            threads.run(|| part.par_iter().map(|&index| images.values(index)).collect());
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for (&index, told) in part.iter().zip(told) {
            match told {
                // Without a value there is nothing to compare.
                Ok(row) if row.columns().is_empty() => {}
                Ok(row) => {
                    keys.push(images.key(index));
                    values.push(row);
                }
                Err(refused) => {
                    report.unchanged -= 1;
                    report.fail(images.failure(index, refused), options, on_failure)?;
                }
            }
        }
        let keys: Vec<&str> = keys.iter().map(|key| &**key).collect();
        report.updated += threads.run(|| sink.update_values(&keys, &values))?;
    }
    Ok(())
}

/// The end of the pipeline that encodes and commits.
struct Device<'a> {
    images: &'a dyn Items,
    todo: &'a [usize],
    encoder: &'a dyn ImageEncoder,
    sink: &'a mut dyn EmbeddingSink,
    threads: &'a IngestThreads,
    batch: usize,
    /// Position, fingerprint and values of the images in `pixels`.
    rows: Vec<(usize, Fingerprint, RowValues<'a>)>,
    pixels: Pixels,
}

/// The position of an image among those to encode, and the prepared image or the reason why there is none.
type Message<'a> = (usize, Result<(Prepared, RowValues<'a>), Refused>);

fn prepare<'a>(
    images: &'a dyn Items,
    index: usize,
    encoder: &dyn ImageEncoder,
) -> Result<(Prepared, RowValues<'a>), Refused> {
    Ok((images.prepare(index, encoder)?, images.values(index)?))
}

impl<'a> Device<'a> {
    fn run(
        &mut self,
        receiver: &mpsc::Receiver<Message<'a>>,
        window: &Window,
        options: &IngestOptions<'_>,
        on_failure: &mut dyn FnMut(Failure),
        report: &mut IngestReport,
    ) -> Result<()> {
        let mut waiting = BTreeMap::new();
        let mut next = 0;
        while next < self.todo.len() {
            if options.is_stopped() {
                report.stopped = true;
                return Ok(());
            }
            match receiver.recv_timeout(STOP_LATENCY) {
                Ok((position, prepared)) => waiting.insert(position, prepared),
                Err(RecvTimeoutError::Timeout) => continue,
                // Workers end after their last message, or by a panic, which the scope passes on.
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            while let Some(prepared) = waiting.remove(&next) {
                if options.is_stopped() {
                    break;
                }
                let index = self.todo[next];
                next += 1;
                window.advance();
                match prepared {
                    Ok((prepared, values)) => {
                        report.odd.add(&self.images.key(index), prepared.oddities);
                        self.rows.push((index, prepared.fingerprint, values));
                        self.pixels.extend(&prepared.pixels);
                        if self.rows.len() == self.batch {
                            self.commit(options, report)?;
                        }
                    }
                    Err(refused) => {
                        options.progress.advance(1);
                        report.fail(self.images.failure(index, refused), options, on_failure)?;
                    }
                }
            }
        }
        if options.is_stopped() {
            report.stopped = true;
            return Ok(());
        }
        self.commit(options, report)
    }

    fn commit(&mut self, options: &IngestOptions<'_>, report: &mut IngestReport) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let embeddings = self.threads.run(|| self.pixels.encode(self.encoder))?;
        let keys: Vec<_> = self.rows.iter().map(|&(index, ..)| self.images.key(index)).collect();
        let rows: Vec<SinkRow<'_>> = keys
            .iter()
            .zip(&self.rows)
            .map(|(key, (_, fingerprint, values))| SinkRow::new(key, *fingerprint).values(values))
            .collect();
        let sink = &mut *self.sink;
        self.threads.run(|| sink.commit(&rows, &embeddings))?;
        report.encoded += rows.len();
        options.progress.advance(rows.len() as u64);
        self.rows.clear();
        self.pixels.clear();
        Ok(())
    }
}
