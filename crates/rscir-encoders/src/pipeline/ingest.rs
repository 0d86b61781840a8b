use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use rscir_core::{EmbeddingSink, Fingerprint, ImageEncoder, PixelBatch, Progress, RgbView, Silent, SinkRow};

use super::window::Window;
use super::{ChangeDetection, ImageList};
use crate::images::{DecodeOptions, decode};
use crate::{Error, Result};

/// Where an image failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Finding it in its folder.
    List,
    /// Reading the file.
    Read,
    /// Decoding its content.
    Decode,
    /// Resizing and cropping.
    Prepare,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "list",
            Self::Read => "read",
            Self::Decode => "decode",
            Self::Prepare => "prepare",
        })
    }
}

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
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.path.display(), self.stage, self.reason)
    }
}

/// How images are ingested.
#[derive(Clone)]
#[non_exhaustive]
pub struct IngestOptions<'a> {
    /// Images encoded and committed at once; 32 unless said.
    pub batch: usize,
    /// How files are decoded.
    pub decode: DecodeOptions,
    /// How a changed file is seen.
    pub changes: ChangeDetection,
    /// Give up once more images than this have failed.
    pub max_failures: Option<usize>,
    /// Threads that read, decode and prepare; those of rayon's current pool unless said.
    pub threads: Option<usize>,
    /// Stop when this becomes true: what is committed stays, the batch in work is left out.
    pub stop: Option<&'a AtomicBool>,
    /// Hears of every image done.
    pub progress: &'a dyn Progress,
}

impl Default for IngestOptions<'_> {
    fn default() -> Self {
        Self {
            batch: 32,
            decode: DecodeOptions::default(),
            changes: ChangeDetection::default(),
            max_failures: None,
            threads: None,
            stop: None,
            progress: &Silent,
        }
    }
}

/// What an ingest came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IngestReport {
    /// Images that were encoded and committed.
    pub encoded: usize,
    /// Images whose row was there and whose file has not changed.
    pub unchanged: usize,
    /// Images that failed; each was handed to `on_failure`.
    pub failed: usize,
    /// True if the ingest was stopped before the end.
    pub stopped: bool,
}

/// Encodes the images of a list into a sink, in the order of the list.
///
/// An image whose row is there and whose file has not changed is left alone, so an ingest that was cut off goes on where
/// it was. An image that cannot be read or decoded is handed to `on_failure`, and the others go on. Memory does not
/// grow with the list: a few batches are under way at a time. Rows do not depend on the number of threads, and on the batch
/// size within the encoder's tolerance.
///
/// # Errors
/// Errors of the encoder's device and of the sink; [`Error::TooManyFailures`]. What was committed before stays.
pub fn ingest(
    images: &ImageList,
    encoder: &dyn ImageEncoder,
    sink: &mut dyn EmbeddingSink,
    options: &IngestOptions<'_>,
    on_failure: &mut dyn FnMut(Failure),
) -> Result<IngestReport> {
    let todo = changed(images, sink, options.changes);
    let mut report = IngestReport { unchanged: images.len() - todo.len(), ..IngestReport::default() };
    options.progress.begin("encoding", Some(todo.len() as u64));
    let batch = options.batch.max(1);
    let window = Window::new(4 * batch);
    let threads = options.threads.unwrap_or_else(rayon::current_num_threads).clamp(1, todo.len().max(1));
    let (sender, receiver) = mpsc::sync_channel(2 * batch);
    let outcome = std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, window, todo) = (sender.clone(), &window, &todo);
            scope.spawn(move || {
                while let Some(position) = window.next(todo.len()) {
                    let prepared = prepare(images, todo[position], encoder, options);
                    if sender.send((position, prepared)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut device =
            Device { images, todo: &todo, encoder, sink, batch, rows: Vec::new(), pixels: Vec::new() };
        let outcome = device.run(&receiver, &window, options, on_failure, &mut report);
        // Workers that wait for room or for a place end now.
        window.close();
        drop(receiver);
        outcome
    });
    options.progress.end();
    outcome.map(|()| report)
}

/// Indices of the images that have no row, or an outdated one.
fn changed(images: &ImageList, sink: &dyn EmbeddingSink, changes: ChangeDetection) -> Vec<usize> {
    let is_changed = |index: &usize| {
        let Some(known) = sink.fingerprint(&images.keys()[*index]) else { return true };
        let path = images.path(*index);
        let current = path.metadata().and_then(|metadata| {
            let content =
                if changes == ChangeDetection::Content { std::fs::read(&path)? } else { Vec::new() };
            Ok(changes.fingerprint(&metadata, &content))
        });
        // A file that is gone keeps its row.
        current.is_ok_and(|current| current != known)
    };
    (0..images.len()).filter(is_changed).collect()
}

/// An image ready for the device.
struct Prepared {
    pixels: Vec<u8>,
    fingerprint: Fingerprint,
}

fn prepare(
    images: &ImageList,
    index: usize,
    encoder: &dyn ImageEncoder,
    options: &IngestOptions<'_>,
) -> Result<Prepared, (Stage, String)> {
    let path = images.path(index);
    let at = |stage| move |error: &dyn fmt::Display| (stage, error.to_string());
    let (bytes, fingerprint) = read(&path, options).map_err(|e| at(Stage::Read)(&e))?;
    // Decoders of other people's making: a panic in one costs its image, not the job.
    let decoded = catch_unwind(AssertUnwindSafe(|| decode(&bytes, &options.decode)))
        .map_err(|_| (Stage::Decode, "the decoder panicked".to_string()))?
        .map_err(|e| at(Stage::Decode)(&e))?;
    let size = encoder.input_size();
    let mut pixels = vec![0; size * size * 3];
    RgbView::new(decoded.width, decoded.height, &decoded.data)
        .and_then(|view| encoder.prepare(view, &mut pixels))
        .map_err(|e| at(Stage::Prepare)(&e))?;
    Ok(Prepared { pixels, fingerprint })
}

/// The file's content, with the fingerprint it had before it was read.
fn read(path: &Path, options: &IngestOptions<'_>) -> std::io::Result<(Vec<u8>, Fingerprint)> {
    let metadata = path.metadata()?;
    let limit = options.decode.max_bytes;
    if metadata.len() > limit {
        return Err(std::io::Error::other(format!(
            "{} bytes, more than the limit of {limit}",
            metadata.len()
        )));
    }
    let bytes = std::fs::read(path)?;
    let fingerprint = options.changes.fingerprint(&metadata, &bytes);
    Ok((bytes, fingerprint))
}

/// The end of the pipeline that encodes and commits.
struct Device<'a> {
    images: &'a ImageList,
    todo: &'a [usize],
    encoder: &'a dyn ImageEncoder,
    sink: &'a mut dyn EmbeddingSink,
    batch: usize,
    /// Index and fingerprint of the images in `pixels`.
    rows: Vec<(usize, Fingerprint)>,
    pixels: Vec<u8>,
}

type Message = (usize, Result<Prepared, (Stage, String)>);

impl Device<'_> {
    fn run(
        &mut self,
        receiver: &mpsc::Receiver<Message>,
        window: &Window,
        options: &IngestOptions<'_>,
        on_failure: &mut dyn FnMut(Failure),
        report: &mut IngestReport,
    ) -> Result<()> {
        let stopped = || options.stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
        let mut waiting = BTreeMap::new();
        let mut next = 0;
        while next < self.todo.len() {
            let Ok((position, prepared)) = receiver.recv() else { break };
            waiting.insert(position, prepared);
            while let Some(prepared) = waiting.remove(&next) {
                if stopped() {
                    report.stopped = true;
                    return Ok(());
                }
                let index = self.todo[next];
                next += 1;
                window.advance();
                match prepared {
                    Ok(prepared) => {
                        self.rows.push((index, prepared.fingerprint));
                        self.pixels.extend_from_slice(&prepared.pixels);
                        if self.rows.len() == self.batch {
                            self.commit(options, report)?;
                        }
                    }
                    Err((stage, reason)) => {
                        report.failed += 1;
                        options.progress.advance(1);
                        let (key, path) = (self.images.keys()[index].clone(), self.images.path(index));
                        on_failure(Failure { key, path, stage, reason });
                        if let Some(limit) = options.max_failures
                            && report.failed > limit
                        {
                            return Err(Error::TooManyFailures { limit });
                        }
                    }
                }
            }
        }
        if stopped() {
            report.stopped = true;
            return Ok(());
        }
        self.commit(options, report)
    }

    fn commit(&mut self, options: &IngestOptions<'_>, report: &mut IngestReport) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let pixels = PixelBatch::new(self.encoder.input_size(), &self.pixels)?;
        let embeddings = self.encoder.encode_pixels(pixels)?;
        let rows: Vec<SinkRow<'_>> = self
            .rows
            .iter()
            .map(|&(index, fingerprint)| SinkRow { key: &self.images.keys()[index], fingerprint })
            .collect();
        self.sink.commit(&rows, &embeddings)?;
        report.encoded += rows.len();
        options.progress.advance(rows.len() as u64);
        self.rows.clear();
        self.pixels.clear();
        Ok(())
    }
}
