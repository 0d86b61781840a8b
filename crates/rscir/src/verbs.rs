use std::path::{Path, PathBuf};

use rscir_core::{Archive, ComposedQuery, ImageEncoder, ImageSource, Method, Precision};
use rscir_images::{Failure, ImageList, IngestOptions, IngestReport, IngestThreads, real_folder};
use rscir_index::{ArchiveWriter, Compaction, DiskArchive, Hit, RowOrder, SearchOptions, search_fastest};

use crate::Result;
use crate::roots::{Roots, shown};

/// Rows that the compaction at the end of an ingest may rewrite for each image that was encoded. To rewrite a row
/// takes some hundredths of a millisecond, and to encode an image some milliseconds or more. With this limit the
/// compaction takes a small part of the ingest's time, and one new tile in a large archive rewrites nothing.
const REWRITTEN_PER_IMAGE: usize = 16;

/// Result of an ingest: the archive, and what was encoded.
#[derive(Debug)]
pub struct Ingested {
    /// Archive, open for searching.
    pub archive: DiskArchive,
    /// Counts of the images that were encoded, unchanged or failed, and what else there is to say about the ingest.
    pub report: IngestReport,
    /// Images that could not be read or decoded, with path and reason. Only [`ingest`] fills this list; the other
    /// functions pass each failure to `on_failure`.
    pub failures: Vec<Failure>,
    /// Result of the compaction at the end of the ingest. After it a large archive gets 8-bit copies of its rows
    /// ([`ArchiveWriter::quantize`]). The compaction is postponed if there are few new rows, and is an error if the
    /// disk refuses it; in both cases the archive is complete and its rows are in the same order.
    pub compaction: Result<Compaction>,
}

/// Encodes every image in `folder` and in the folders below it into the archive in the folder `archive`, which is
/// created if it does not exist.
///
/// The key of a row is the path of its file relative to `folder`, and rows are sorted by key. Called again, the
/// function encodes images that are new or have changed. An ingest that was cut off, even by SIGKILL, continues
/// where it was; once [compacted](ArchiveWriter::compact), the archive has the bytes of one that was not cut off.
///
/// Files are decoded as the encoder was built to
/// ([`ClipEncoderBuilder::decoding`](rscir_encoders::ClipEncoderBuilder::decoding)). Files that cannot be read or
/// decoded are listed in [`Ingested::failures`], and the others are encoded. [`ingest_with`] takes options, such as
/// limits and a receiver of progress.
///
/// # Errors
/// - [`Error::Images`](crate::Error::Images) if the folder cannot be listed, or if rows of files in another folder
///   would be replaced.
/// - [`Error::Index`](crate::Error::Index) if the archive was made by another encoder, is damaged or in use by
///   another writer, or cannot be written.
/// - [`Error::Encoders`](crate::Error::Encoders) or [`Error::Core`](crate::Error::Core) if the encoder fails.
pub fn ingest(
    folder: impl AsRef<Path>,
    encoder: &dyn ImageEncoder,
    archive: impl AsRef<Path>,
) -> Result<Ingested> {
    let images = ImageList::collect(folder.as_ref())?;
    let mut failures = Vec::new();
    let ingested = ingest_with(&images, encoder, &archive, &IngestOptions::default(), &mut |failure| {
        failures.push(failure);
    })?;
    Ok(Ingested { failures, ..ingested })
}

/// Encodes a list of images into the archive in the folder `archive`, like [`ingest`], with options. Calls
/// `on_failure` with each image that cannot be read or decoded.
///
/// The archive records the folders that its rows are from. New rows are taken from any folder, and rows of another
/// folder are replaced only if the options allow it. A folder that was moved counts as the same folder if its files
/// are unchanged. Rows whose file is in none of the recorded folders any more are listed in [`IngestReport::gone`],
/// and are deleted if the options ask for it.
///
/// If the list is sorted, the archive's rows are sorted by key from then on.
///
/// With [`IngestOptions::shard`] only the images of one shard are encoded, and the archive records which shard it
/// is. [`merge_archives`](rscir_index::merge_archives) merges the archives of all shards, and a
/// [`ShardedArchive`](rscir_index::ShardedArchive) searches them as one.
///
/// # Errors
/// The errors of [`ingest`]; [`Error::Images`](crate::Error::Images) also if more images fail than the options
/// allow; [`Error::Index`](crate::Error::Index) also if the archive is of another shard than the options name.
pub fn ingest_with(
    images: &ImageList,
    encoder: &dyn ImageEncoder,
    archive: impl AsRef<Path>,
    options: &IngestOptions<'_>,
    on_failure: &mut dyn FnMut(Failure),
) -> Result<Ingested> {
    let archive = archive.as_ref();
    let (threads, mut writer) = begin(encoder, archive, options)?;
    let roots = Roots::of(images, &writer);
    let from_roots = options.clone().roots(&roots.known);
    let mut report =
        rscir_images::ingest(images, encoder, &mut roots.sink(&mut writer), &from_roots, on_failure)?;
    threads.run(|| {
        roots.finish(images, &mut writer, &mut report, options.prune)?;
        if images.keys().is_sorted() {
            writer.set_order(RowOrder::Key)?;
        }
        leave(writer, archive, report)
    })
}

/// Encodes the images of a source into the archive in the folder `archive`, which is created if it does not exist.
/// A source is the tiles of scenes, tar shards, images in memory, or one of your own. Calls `on_failure` with each
/// image that cannot be read or decoded.
///
/// Called again, the function encodes images that are new or have changed, and continues an ingest that was cut
/// off. Rows are sorted by key. The archive records the folders of [`IngestOptions::roots`] beside those that it
/// has recorded, so that programs can find the files of its rows.
///
/// # Errors
/// - The errors of [`ingest_source`](rscir_images::ingest_source) of the crate `rscir-images`.
/// - [`Error::Index`](crate::Error::Index) if the archive was made by another encoder, is damaged or in use by
///   another writer, is of another shard than [`IngestOptions::shard`], or cannot be written.
pub fn ingest_source(
    source: &dyn ImageSource,
    encoder: &dyn ImageEncoder,
    archive: impl AsRef<Path>,
    options: &IngestOptions<'_>,
    on_failure: &mut dyn FnMut(Failure),
) -> Result<Ingested> {
    let archive = archive.as_ref();
    let (threads, mut writer) = begin(encoder, archive, options)?;
    threads.run(|| remember(options.roots, &mut writer))?;
    let report = rscir_images::ingest_source(source, encoder, &mut writer, options, on_failure)?;
    threads.run(|| {
        writer.set_order(RowOrder::Key)?;
        leave(writer, archive, report)
    })
}

/// Starts the threads of an ingest and opens the archive that it writes, in which it claims its shard.
///
/// The archive is opened and closed by these threads too, so that a server's own threads stay free.
fn begin(
    encoder: &dyn ImageEncoder,
    archive: &Path,
    options: &IngestOptions<'_>,
) -> Result<(IngestThreads, ArchiveWriter)> {
    let threads = IngestThreads::start(options)?;
    let writer = threads.run(|| -> Result<_> {
        let mut writer = ArchiveWriter::open_or_create(archive, encoder.spec().clone(), Precision::F32)?;
        writer.claim_shard(options.shard)?;
        Ok(writer)
    })?;
    Ok((threads, writer))
}

/// Adds folders to those that an archive records.
fn remember(folders: &[PathBuf], writer: &mut ArchiveWriter) -> Result<()> {
    let mut roots = writer.roots().to_vec();
    for folder in folders {
        let name = shown(&real_folder(folder));
        if !roots.contains(&name) {
            roots.push(name);
        }
    }
    Ok(writer.set_roots(roots)?)
}

/// Compacts and closes an archive, and opens it for searching.
fn leave(mut writer: ArchiveWriter, archive: &Path, report: IngestReport) -> Result<Ingested> {
    if !report.stopped {
        writer.finish_shard()?;
    }
    let compaction = compact(&mut writer, &report)?;
    drop(writer);
    Ok(Ingested { archive: DiskArchive::open(archive)?, report, failures: Vec::new(), compaction })
}

/// Compacts an archive if it is worth the time, and makes 8-bit copies of the rows of a large one.
///
/// The inner result is an error if the disk refuses the compaction, for instance because it is full: the archive is
/// then as it was and all rows are safe, so the ingest still succeeds.
///
/// # Errors
/// [`Error::Index`](crate::Error::Index) if the archive is damaged.
fn compact(writer: &mut ArchiveWriter, report: &IngestReport) -> Result<Result<Compaction>> {
    let most = if report.stopped { 0 } else { report.encoded.saturating_mul(REWRITTEN_PER_IMAGE) };
    let compacted = writer.compact_up_to(most);
    match compacted.and_then(|done| writer.quantize_up_to(most).map(|_| done)) {
        Err(error @ rscir_index::Error::Io { .. }) => Ok(Err(error.into())),
        other => Ok(Ok(other?)),
    }
}

/// Returns the `k` best rows of an archive for a composed query, best first. The archive is searched in the fastest
/// exact way that it has; [`search_fastest`] takes options and says which way that was.
///
/// # Errors
/// [`Error::Index`](crate::Error::Index) if the query lacks a part that the method needs, or comes from another
/// encoder than the archive.
pub fn search(
    archive: &dyn Archive,
    method: &dyn Method,
    query: &ComposedQuery,
    k: usize,
) -> Result<Vec<Hit>> {
    Ok(search_fastest(archive, method, query, &SearchOptions::top(k))?.0)
}

/// Opens an archive on disk (a folder, `.rscir`), or reads a feature file into memory: `.safetensors`, `.npy`, `.pkl`,
/// or with the feature `tables` `.parquet`.
///
/// # Errors
/// [`Error::Index`](crate::Error::Index) if the path cannot be read or is damaged; every error names the path.
pub fn open(path: impl AsRef<Path>) -> Result<Box<dyn Archive>> {
    let path: PathBuf = path.as_ref().into();
    if path.is_dir() {
        return Ok(Box::new(DiskArchive::open(path)?));
    }
    let archive = rscir_index::Features::read(&path)?.into_archive();
    Ok(Box::new(archive.map_err(|problem| rscir_index::Error::File { path, problem: Box::new(problem) })?))
}
