use std::path::{Path, PathBuf};

use rscir_core::{Archive, ComposedQuery, ImageEncoder, ImageSource, Method, Precision};
use rscir_images::{Failure, ImageList, IngestOptions, IngestReport, IngestThreads, real_folder};
use rscir_index::{ArchiveWriter, Compaction, DiskArchive, Hit, RowOrder, SearchOptions, search_fastest};

use crate::Result;
use crate::roots::{Roots, shown};

/// Rows that the compaction at the end of an ingest may rewrite for each image that was encoded. Rewriting a row takes some
/// hundredths of a millisecond and encoding an image milliseconds at the least, so the compaction takes a small part of the
/// ingest's time, and one new tile in a large archive rewrites nothing.
const REWRITTEN_PER_IMAGE: usize = 16;

/// What [`ingest`] leaves: the archive, and how it went.
#[derive(Debug)]
pub struct Ingested {
    /// The archive, open for searching.
    pub archive: DiskArchive,
    /// How many images were encoded, unchanged, failed.
    pub report: IngestReport,
    /// The images that have no row, with path and reason; empty where they were handed to a function of the caller's.
    pub failures: Vec<Failure>,
    /// What became of the compaction at the end, after which a large archive gets 8-bit copies of its rows
    /// ([`ArchiveWriter::quantize`]): postponed after few new rows, or refused by the disk. Neither takes
    /// anything from the archive, which is read in the same order without it.
    pub compaction: Result<Compaction>,
}

/// Encodes every image below `folder` into the archive `archive`, which is made if it is not there.
///
/// Keys are paths relative to the folder, rows are read in their order. Called again, it encodes what is new or changed and
/// goes on where it was cut off, be it by SIGKILL; once [compacted](ArchiveWriter::compact), the archive is then the same to
/// the byte as if it had not been. Files are decoded as the encoder was told to
/// ([`ClipEncoderBuilder::decoding`](rscir_encoders::ClipEncoderBuilder::decoding)); those that cannot be read or decoded are
/// listed in the result. For progress, limits and other options see [`ingest_with`].
///
/// # Errors
/// If the folder cannot be listed, rows of files in another folder would be replaced, the archive was made by another
/// encoder, is damaged or in use by another writer, or the
/// encoder or the disk fails.
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

/// [`ingest`] of a list of images, with options; each failure is handed to `on_failure`.
///
/// The archive remembers the folders that its rows are from. Rows of another folder are replaced only if the options say so;
/// new ones are taken from anywhere. A folder that was moved, its files unchanged, is the same folder. Rows whose file is in
/// none of these folders any more are [told of](IngestReport::gone), and taken out if the options say so.
///
/// Where the list is sorted, the archive's rows are read in the order of their keys from then on.
///
/// With [`IngestOptions::shard`] the archive is that of the shard, and records so; several such archives are merged by
/// [`merge_archives`](rscir_index::merge_archives) or searched as a [`ShardedArchive`](rscir_index::ShardedArchive).
///
/// # Errors
/// As [`ingest`], and if more images fail than the options allow.
pub fn ingest_with(
    images: &ImageList,
    encoder: &dyn ImageEncoder,
    archive: impl AsRef<Path>,
    options: &IngestOptions<'_>,
    on_failure: &mut dyn FnMut(Failure),
) -> Result<Ingested> {
    let archive = archive.as_ref();
    // What comes before and after the images is work on the archive, which must not take a server's threads either.
    let threads = IngestThreads::start(options)?;
    let open = || ArchiveWriter::open_or_create(archive, encoder.spec().clone(), Precision::F32);
    let mut writer = threads.run(open)?;
    writer.claim_shard(options.shard)?;
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

/// Encodes what a source has into the archive `archive`, which is made if it is not there: the tiles of scenes, tar shards, or a source of your own.
/// Each failure is handed to `on_failure`.
///
/// Called again, it encodes what is new or changed and goes on where it was cut off; rows are read in the order of their keys. The
/// archive remembers the folders of [`IngestOptions::roots`] beside those that it knows, for who looks for the files of its rows.
///
/// # Errors
/// As [`ingest_source`](rscir_images::ingest_source) of the crate `rscir-images`, and if the archive was made by another encoder, is damaged or
/// in use by another writer, or holds another shard than [`IngestOptions::shard`].
pub fn ingest_source(
    source: &dyn ImageSource,
    encoder: &dyn ImageEncoder,
    archive: impl AsRef<Path>,
    options: &IngestOptions<'_>,
    on_failure: &mut dyn FnMut(Failure),
) -> Result<Ingested> {
    let archive = archive.as_ref();
    let threads = IngestThreads::start(options)?;
    let open = || ArchiveWriter::open_or_create(archive, encoder.spec().clone(), Precision::F32);
    let mut writer = threads.run(open)?;
    writer.claim_shard(options.shard)?;
    threads.run(|| remember(options.roots, &mut writer))?;
    let report = rscir_images::ingest_source(source, encoder, &mut writer, options, on_failure)?;
    threads.run(|| {
        writer.set_order(RowOrder::Key)?;
        leave(writer, archive, report)
    })
}

/// Adds folders to those that an archive knows.
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

/// Compacts, closes the archive and opens it for who asked for the ingest.
fn leave(mut writer: ArchiveWriter, archive: &Path, report: IngestReport) -> Result<Ingested> {
    if !report.stopped {
        writer.finish_shard()?;
    }
    let compaction = compact(&mut writer, &report)?;
    drop(writer);
    Ok(Ingested { archive: DiskArchive::open(archive)?, report, failures: Vec::new(), compaction })
}

/// Compacts if that is worth it, and keeps 8-bit rows where they pay. What the disk refuses (it may be full) leaves the archive
/// as it is and ends no job whose rows are safe; what is wrong with the archive does.
fn compact(writer: &mut ArchiveWriter, report: &IngestReport) -> Result<Result<Compaction>> {
    let most = if report.stopped { 0 } else { report.encoded.saturating_mul(REWRITTEN_PER_IMAGE) };
    let compacted = writer.compact_up_to(most);
    match compacted.and_then(|done| writer.quantize_up_to(most).map(|_| done)) {
        Err(error @ rscir_index::Error::Io { .. }) => Ok(Err(error.into())),
        other => Ok(Ok(other?)),
    }
}

/// The `k` best rows for a composed query, best first, on the fastest exact way that the archive has;
/// [`search_fastest`] takes options and says which way that is.
///
/// # Errors
/// If the query lacks a part that the method needs, or comes from another encoder than the archive.
pub fn search(
    archive: &dyn Archive,
    method: &dyn Method,
    query: &ComposedQuery,
    k: usize,
) -> Result<Vec<Hit>> {
    Ok(search_fastest(archive, method, query, &SearchOptions::top(k))?.0)
}

/// Reads the archive or feature file `path` (`.rscir`, `.safetensors`, `.npy`, `.pkl`) as an archive.
///
/// # Errors
/// If it cannot be read or is damaged; every error names the path.
pub fn open(path: impl AsRef<Path>) -> Result<Box<dyn Archive>> {
    let path: PathBuf = path.as_ref().into();
    if path.is_dir() {
        return Ok(Box::new(DiskArchive::open(path)?));
    }
    let archive = rscir_index::Features::read(&path)?.into_archive();
    Ok(Box::new(archive.map_err(|problem| rscir_index::Error::File { path, problem: Box::new(problem) })?))
}
