use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use rayon::prelude::*;
use rscir_core::{EmbeddingSink, Embeddings, EncoderSpec, Fingerprint, Precision, Progress, Silent, SinkRow};
use sha2::{Digest, Sha256};

use super::npy::NpyReader;
use super::{Features, normalized};
use crate::disk::{SEGMENT_ROWS, check_distinct};
use crate::{ArchiveWriter, Columns, Error, Result};

/// How vectors are imported.
#[derive(Clone)]
#[non_exhaustive]
pub struct ImportOptions<'a> {
    /// What encoded the vectors. `None`: as the file says, which a `.npy` does not.
    pub spec: Option<EncoderSpec>,
    /// Format in which rows are stored. `None`: as the archive has it; in a new one `f32`, and `f16` above a million rows.
    pub precision: Option<Precision>,
    /// Stop when this becomes true, after the rows that are being written; a later import goes on there.
    pub stop: Option<&'a AtomicBool>,
    /// Receives the number of rows done.
    pub progress: &'a dyn Progress,
}

impl Default for ImportOptions<'_> {
    fn default() -> Self {
        Self { spec: None, precision: None, stop: None, progress: &Silent }
    }
}

impl<'a> ImportOptions<'a> {
    /// Sets what encoded the vectors.
    #[must_use]
    pub fn spec(mut self, spec: EncoderSpec) -> Self {
        self.spec = Some(spec);
        self
    }

    /// Sets the format in which rows are stored.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = Some(precision);
        self
    }

    /// Sets a flag that stops the import.
    #[must_use]
    pub fn stop(mut self, stop: &'a AtomicBool) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Sets what receives the number of rows done.
    #[must_use]
    pub fn progress(mut self, progress: &'a dyn Progress) -> Self {
        self.progress = progress;
        self
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Imported {
    /// Rows that were written.
    pub written: usize,
    /// Rows that the archive had from an earlier import of this file.
    pub unchanged: usize,
    /// Rows that cannot be normalized, by their number in the file: they have no place in the archive.
    pub left_out: Vec<LeftOut>,
    /// True if the import was stopped before the end.
    pub stopped: bool,
}

/// A row that cannot be normalized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut {
    /// Its number in the file, from 0.
    pub row: usize,
    /// Why.
    pub reason: LeftOutReason,
}

/// Why a row cannot be normalized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeftOutReason {
    /// A value is NaN or infinite.
    NotFinite,
    /// All values are zero.
    Zero,
}

/// Rows of a file on their way into an archive.
struct Block {
    /// Numbers of the rows in the file.
    rows: Vec<usize>,
    embeddings: Embeddings,
    left_out: Vec<LeftOut>,
}

/// Copies the vectors of a feature file into the archive `archive`, which is made if it is not there.
///
/// A `.npy` in C order is read block by block: besides its keys, memory holds two blocks of 65,536 rows, whatever its size.
/// If the list of keys beside it knows its checksum, the file is read once before anything is written. Other formats, and
/// an array in Fortran order, are held as a whole.
///
/// Called again, it goes on where it was cut off: a row is left alone that came from this file, told by size and time of
/// change. Rows of another origin under the same keys are replaced.
///
/// ```
/// use rscir_core::{Archive, Embeddings};
/// use rscir_index::{DiskArchive, Features, ImportOptions, import_vectors};
///
/// # let folder = tempfile::tempdir()?;
/// # let (file, archive) = (folder.path().join("tiles.npy"), folder.path().join("tiles.rscir"));
/// let rows = Embeddings::normalize(2, vec![3.0, 4.0, 1.0, 0.0])?;
/// Features::new(vec!["a.png".into(), "b.png".into()], rows)?.write(&file)?;
/// assert_eq!(import_vectors(&file, &archive, &ImportOptions::default())?.written, 2);
/// assert_eq!(DiskArchive::open(&archive)?.key(1), "b.png");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Those of [`Features::read`] about the file and those of [`ArchiveWriter::open_or_create`] and of a commit about the
/// archive; [`Error::DuplicateKey`] with the file if it has a key twice. What was committed before stays.
pub fn import_vectors(
    file: impl AsRef<Path>,
    archive: impl AsRef<Path>,
    options: &ImportOptions<'_>,
) -> Result<Imported> {
    let (file, archive) = (file.as_ref(), archive.as_ref());
    let in_file = |error: Error| error.in_file(file);
    let fingerprint = fingerprint_of(file)?;
    let npy = match NpyReader::is_npy(file) {
        true => Some(NpyReader::open(file).map_err(in_file)?).filter(|array| !array.fortran_order),
        false => None,
    };
    let Some(array) = npy else {
        return import_whole(Features::read(file)?, archive, options, fingerprint).map_err(
            |error| match error {
                Error::DuplicateKey { .. } => in_file(error),
                other => other,
            },
        );
    };
    array.check_rows().map_err(in_file)?;
    if array.list.has_digest() {
        NpyReader::open(file).and_then(NpyReader::check).map_err(in_file)?;
    }
    check_distinct(array.keys().iter().map(String::as_str)).map_err(in_file)?;
    let spec = options.spec.clone().unwrap_or_else(|| EncoderSpec::unknown(array.dim));
    if spec.dim != array.dim {
        return Err(in_file(Error::Width { expected: spec.dim, got: array.dim }));
    }
    let mut writer = ArchiveWriter::open_or_create_for(archive, spec, options.precision, array.rows as u64)?;
    options.progress.begin("importing", Some(array.rows as u64));
    let imported = import_blocks(array, file, &mut writer, options, fingerprint);
    options.progress.end();
    let imported = imported?;
    if !imported.stopped {
        writer.quantize_if_large()?;
    }
    Ok(imported)
}

/// Rows above which a new archive has 16-bit rows, and any archive 8-bit copies beside them: a million rows of 1,152 numbers take
/// 4.6 GB in single precision, and 1.2 GB in 8 bits, which stay in the memory of most machines.
const LARGE: u64 = 1_000_000;

impl ArchiveWriter {
    /// Opens the archive in `dir`, or creates one for an import of `rows` rows: in `precision`, or without one as the archive has
    /// it, and in a new one in `f32`, or in `f16` above a million rows.
    ///
    /// # Errors
    /// As [`ArchiveWriter::open_or_create`].
    pub fn open_or_create_for(
        dir: impl AsRef<Path>,
        spec: EncoderSpec,
        precision: Option<Precision>,
        rows: u64,
    ) -> Result<Self> {
        match Self::open(&dir) {
            Err(Error::NotFound { .. }) => {
                let usual = if rows > LARGE { Precision::F16 } else { Precision::F32 };
                Self::create(dir, spec, precision.unwrap_or(usual))
            }
            writer => writer?.agreeing(&spec, precision),
        }
    }

    /// Keeps 8-bit copies of the rows, as [`ArchiveWriter::quantize`] does, if there are more than a million; returns for how many
    /// rows copies were made now.
    ///
    /// # Errors
    /// As [`ArchiveWriter::quantize`].
    pub fn quantize_if_large(&mut self) -> Result<usize> {
        if self.len() as u64 > LARGE { self.quantize() } else { Ok(0) }
    }
}

/// Reads a block while the one before it is written.
#[expect(clippy::indexing_slicing, reason = "there is a key for each row of the array")]
fn import_blocks(
    mut array: NpyReader<'_>,
    file: &Path,
    writer: &mut ArchiveWriter,
    options: &ImportOptions<'_>,
    fingerprint: Fingerprint,
) -> Result<Imported> {
    let keys = array.take_keys();
    let mut imported = Imported::default();
    // A block that is read waits until it is taken: there are two at a time.
    let (sender, receiver) = mpsc::sync_channel::<Result<Block>>(0);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for start in (0..array.rows).step_by(SEGMENT_ROWS) {
                let block = read_block(&mut array, start).map_err(|error| error.in_file(file));
                let failed = block.is_err();
                if sender.send(block).is_err() || failed {
                    return;
                }
            }
            if let Err(error) = array.finish() {
                // Nobody waits any more if the import was stopped.
                let _ = sender.send(Err(error.in_file(file)));
            }
        });
        for block in receiver {
            if options.is_stopped() {
                imported.stopped = true;
                break;
            }
            let Block { rows, embeddings, left_out } = block?;
            let done = rows.len() + left_out.len();
            imported.left_out.extend(left_out);
            let rows: Vec<SinkRow<'_>> =
                rows.into_iter().map(|row| SinkRow::new(&keys[row], fingerprint)).collect();
            let written = commit_new(writer, &rows, embeddings)?;
            imported.written += written;
            imported.unchanged += rows.len() - written;
            options.progress.advance(done as u64);
        }
        Ok(imported)
    })
}

/// Commits the rows that the archive does not have, and returns their number.
fn commit_new(writer: &mut ArchiveWriter, rows: &[SinkRow<'_>], embeddings: Embeddings) -> Result<usize> {
    let is_new: Vec<bool> =
        rows.par_iter().map(|row| writer.fingerprint(row.key) != Some(row.fingerprint)).collect();
    let new = is_new.iter().filter(|&&is_new| is_new).count();
    if new == rows.len() && new > 0 {
        writer.commit(rows, &embeddings)?;
    } else if new > 0 {
        let rows: Vec<_> = rows.iter().zip(&is_new).filter_map(|(&row, &new)| new.then_some(row)).collect();
        let values =
            embeddings.rows().zip(&is_new).filter(|(_, new)| **new).flat_map(|(row, _)| row).copied();
        let embeddings = Embeddings::normalize(embeddings.dim(), values.collect())?;
        writer.commit(&rows, &embeddings)?;
    }
    Ok(new)
}

/// Reads the rows from `start` on, up to a segment of them, and leaves out what cannot be normalized.
fn read_block(array: &mut NpyReader<'_>, start: usize) -> Result<Block> {
    let dim = array.dim;
    let count = SEGMENT_ROWS.min(array.rows - start);
    let mut values = array.values(count as u64 * dim as u64)?;
    let reasons: Vec<Option<LeftOutReason>> = values.par_chunks_exact(dim).map(why_left_out).collect();
    let left_out: Vec<LeftOut> = reasons
        .iter()
        .enumerate()
        .filter_map(|(i, reason)| Some(LeftOut { row: start + i, reason: (*reason)? }))
        .collect();
    if !left_out.is_empty() {
        let mut kept = 0;
        for (i, _) in reasons.iter().enumerate().filter(|(_, reason)| reason.is_none()) {
            values.copy_within(i * dim..(i + 1) * dim, kept * dim);
            kept += 1;
        }
        values.truncate(kept * dim);
    }
    let rows = (start..).zip(&reasons).filter(|(_, reason)| reason.is_none()).map(|(row, _)| row).collect();
    Ok(Block { rows, embeddings: normalized(dim, values)?, left_out })
}

fn why_left_out(row: &[f32]) -> Option<LeftOutReason> {
    if row.iter().all(|&x| x == 0.0) {
        Some(LeftOutReason::Zero)
    } else if row.iter().any(|x| !x.is_finite()) {
        Some(LeftOutReason::NotFinite)
    } else {
        None
    }
}

fn import_whole(
    features: Features,
    archive: &Path,
    options: &ImportOptions<'_>,
    fingerprint: Fingerprint,
) -> Result<Imported> {
    check_distinct(features.keys.iter().map(String::as_str))?;
    let columns = features.labeled_columns()?;
    let Features { spec, keys, embeddings, .. } = features;
    let spec = options.spec.clone().unwrap_or(spec);
    let mut writer = ArchiveWriter::open_or_create_for(archive, spec, options.precision, keys.len() as u64)?;
    options.progress.begin("importing", Some(keys.len() as u64));
    let rows: Vec<SinkRow<'_>> = keys.iter().map(|key| SinkRow::new(key, fingerprint)).collect();
    let is_there = rows.iter().all(|row| writer.fingerprint(row.key) == Some(fingerprint));
    let mut imported = Imported::default();
    if is_there {
        imported.unchanged = rows.len();
    } else {
        let columns = if columns.is_empty() { Columns::new(rows.len()) } else { columns };
        writer.commit_with_columns(&rows, &embeddings, &columns)?;
        imported.written = rows.len();
        writer.quantize_if_large()?;
    }
    options.progress.advance(rows.len() as u64);
    options.progress.end();
    Ok(imported)
}

/// Tells a file by its size and time of change.
fn fingerprint_of(file: &Path) -> Result<Fingerprint> {
    let metadata = std::fs::metadata(file).map_err(Error::io(crate::IoAction::Read, file))?;
    let mut hash = Sha256::new();
    hash.update(b"vectors by size and time");
    hash.update(metadata.len().to_le_bytes());
    hash.update(rscir_core::files::nanos_since_1970(metadata.modified().ok()).to_le_bytes());
    Ok(Fingerprint::of_sha256(hash.finalize().into()))
}
