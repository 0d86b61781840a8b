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

/// An image that got no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its key.
    pub key: String,
    /// Its path.
    pub path: PathBuf,
    /// Where it failed.
    pub stage: Stage,
    /// Why.
    pub reason: String,
    /// What can be chosen so that the image is decoded, if there is something.
    pub remedy: Option<Remedy>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.path.display(), self.stage, self.reason)
    }
}

/// What an ingest came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IngestReport {
    /// Images that were encoded and committed.
    pub encoded: usize,
    /// Images whose row was there and whose file has not changed, or is gone.
    pub unchanged: usize,
    /// Images that failed; each was handed to `on_failure`.
    pub failed: usize,
    /// How many of the unchanged images got other values in columns that the source knows.
    pub updated: usize,
    /// What the source left out.
    pub left_out: Vec<Omission>,
    /// Images whose key is not in the table of columns; they keep what their rows have in these columns.
    pub without_values: Noticed,
    /// Keys of the table of columns that no image has.
    pub unused_values: Noticed,
    /// Encoded images whose values may have needed another stretch.
    pub odd: OddImages,
    /// Rows that were taken out, since the source has what they are of in another form now: tiles of a scene that changed,
    /// which is smaller now or of which the tile cannot be read.
    pub outdated: usize,
    /// Rows that are true still, and of no item that the source has now: tiles of another size. They are kept unless
    /// [`IngestOptions::prune`] says otherwise.
    pub beside: usize,
    /// Keys of rows whose file is gone: images of the list and, where the whole folder was looked at, rows beside it.
    pub gone: Vec<String>,
    /// How many of those rows, or of those that are beside a source, were taken out.
    pub pruned: usize,
    /// Why none was, though it was asked for.
    pub not_pruned: Option<NotPruned>,
    /// True if the ingest was stopped before the end.
    pub stopped: bool,
}

/// Why rows whose file is gone were not taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotPruned {
    /// Something in the folder could not be listed, so it is not known what it holds.
    Unlisted,
    /// The list is empty, or its folder is not there: more likely a disk is missing than every file.
    NothingThere,
    /// A link in the way to a file leads nowhere: what it led to may only be away.
    BrokenLink(PathBuf),
    /// Another folder that rows are from is not there, so it is not known what it holds.
    NoRoot(PathBuf),
    /// The ingest was stopped before the end.
    Stopped,
    /// The sink has no operation for it.
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
    /// Counts and hands out a failure, and gives up once there are too many.
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

/// How soon a stop is seen while no image is ready.
const STOP_LATENCY: Duration = Duration::from_millis(50);

/// Encodes the images of a list into a sink, in the order of the list.
///
/// An image whose row is there and whose file has not changed is left alone, so an ingest that was cut off, be it by
/// SIGKILL or a power failure, goes on where it was: at most the batch that was in work is encoded twice. The batches are
/// then those of an ingest that was not cut off, and so are the rows, to the bit. A file that is gone keeps its row; a key
/// listed twice is encoded once.
///
/// An image that cannot be read or decoded, or on which the decoder panics, is handed to `on_failure`, and the others go
/// on. Memory does not grow with the list, but for its keys: three batches are under way at a time. Rows do not depend on
/// the number of threads, and on the batch size within the encoder's tolerance. With [`IngestOptions::shard`] all this is said
/// of the images of that part, and of the rest nothing is seen.
///
/// # Errors
/// [`Error::ConfigValue`] if the encoder's spec records a decoding in another program's words or a stretch without extent,
/// [`Error::OtherRoot`], the sink's refusal of [`IngestOptions::columns`], all before anything is done; errors of the encoder's
/// device and of the sink;
/// [`Error::TooManyFailures`]. What was committed before stays.
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

/// Encodes what a source has into a sink, in its order: decoded images in memory
/// ([`MemoryImages`](crate::MemoryImages)), or a source of your own.
///
/// All that is said of [`ingest`] holds, but for what is about files: limits, the rule for changes, folders and what is odd
/// are the source's affair.
///
/// Rows get the values of the source's columns, those of unchanged items too where they have others
/// ([`IngestReport::updated`]); other columns stay. An item whose values cannot be told fails. Rows that the source calls
/// [outdated](rscir_core::RowStanding::Outdated) are taken out at the end ([`IngestReport::outdated`]).
///
/// # Errors
/// Before anything is done, the sink's refusal of the source's columns, as where it has one of another type, and
/// [`Error::ConfigValue`] if [`IngestOptions::columns`] has a column of the source's, or if the source decodes files in another
/// way than the encoder's spec records. Errors of the encoder's device and of
/// the sink; [`Error::TooManyFailures`]. What was committed before stays.
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

/// Refuses an ingest before anything is encoded, by the items that are left to do.
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
    // Two batches wait while a third is encoded; with small ones, each thread has work all the same.
    let window = Window::new(2 * batch + workers);
    // The window bounds what is in the channel, too.
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

/// Indices of images by what became of them, as far as it came before a stop.
struct Looked {
    /// Those that have no row, or an outdated one.
    todo: Vec<usize>,
    /// Those whose row is as it should be.
    same: Vec<usize>,
    /// Those with a row whose file is gone.
    gone: Vec<usize>,
    /// How many images there are in the part that is encoded, those listed twice counted twice.
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

/// Rows whose values are compared at once: their values take some megabytes at most.
const COMPARED_AT_ONCE: usize = 4096;

/// Brings the columns of rows that are not encoded again to what the source knows.
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
                // Nothing is known of it.
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
    /// Index, fingerprint and values of the images in `pixels`.
    rows: Vec<(usize, Fingerprint, RowValues<'a>)>,
    pixels: Pixels,
}

/// A position of the list, and what became of the image there.
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
                // No worker ends before its last message, unless it panics: the scope passes that on.
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
