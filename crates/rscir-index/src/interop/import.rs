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

/// Options of an import of vectors.
#[derive(Clone)]
#[non_exhaustive]
pub struct ImportOptions<'a> {
    /// Spec of the encoder of the vectors. `None`: the spec in the file, which a `.npy` file does not have.
    pub spec: Option<EncoderSpec>,
    /// Number format of the stored rows. `None`: that of an existing archive; `f32` in a new one, or `f16` for
    /// more than a million rows.
    pub precision: Option<Precision>,
    /// Flag that stops the import after the rows that are being written; a later import continues there.
    pub stop: Option<&'a AtomicBool>,
    /// Receives the number of rows that are done.
    pub progress: &'a dyn Progress,
}

impl Default for ImportOptions<'_> {
    fn default() -> Self {
        Self { spec: None, precision: None, stop: None, progress: &Silent }
    }
}

impl<'a> ImportOptions<'a> {
    /// Sets the spec of the encoder of the vectors. Default: the spec in the file.
    #[must_use]
    pub fn spec(mut self, spec: EncoderSpec) -> Self {
        self.spec = Some(spec);
        self
    }

    /// Sets the number format of the stored rows. Default: that of an existing archive; `f32` in a new one, or
    /// `f16` for more than a million rows.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = Some(precision);
        self
    }

    /// Sets a flag that stops the import. Default: none.
    #[must_use]
    pub fn stop(mut self, stop: &'a AtomicBool) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Sets the receiver of the number of rows that are done. Default: none.
    #[must_use]
    pub fn progress(mut self, progress: &'a dyn Progress) -> Self {
        self.progress = progress;
        self
    }

    /// Tells whether the flag to stop is set.
    fn is_stopped(&self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }
}

/// Result of an import.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Imported {
    /// Number of rows that were written.
    pub written: usize,
    /// Number of rows that the archive has from an earlier import of this file.
    pub unchanged: usize,
    /// Rows that cannot be normalized, by their number in the file. They are not in the archive.
    pub left_out: Vec<LeftOut>,
    /// `true` if the import was stopped before its end.
    pub stopped: bool,
}

/// A row that cannot be normalized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut {
    /// Number of the row in the file, from 0.
    pub row: usize,
    /// Reason why the row cannot be normalized.
    pub reason: LeftOutReason,
}

/// Reason why a row cannot be normalized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeftOutReason {
    /// A value is NaN or infinite.
    NotFinite,
    /// All values are zero.
    Zero,
}

/// Rows of a file that are written into an archive together.
struct Block {
    /// Numbers of the rows in the file.
    rows: Vec<usize>,
    embeddings: Embeddings,
    left_out: Vec<LeftOut>,
}

/// Copies the vectors of the feature file `file` into the archive in the folder `archive`, which is created if it
/// does not exist.
///
/// A `.npy` file in C order is read block by block: whatever its size, memory holds its keys and two blocks of
/// 65,536 rows. If the list of keys beside it names its checksum, the file is read once before anything is
/// written. Files of other formats, and arrays in Fortran order, are read whole.
///
/// A second call continues where the first was cut off: it skips rows that came from this file, which is
/// recognized by its size and time of change. Rows of another origin under the same keys are replaced. Rows of a
/// `.npy` file in C order that are all zeros or not finite are left out and listed in the result; in other files
/// they are errors.
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
/// The errors of [`Features::read`] for the file; those of [`ArchiveWriter::open_or_create`] and
/// [`ArchiveWriter::commit`] for the archive; [`Error::DuplicateKey`], in [`Error::File`] with the path, if the
/// file has a key twice. Rows that were committed before stay.
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

/// Rows above which a new archive has 16-bit rows, and any archive 8-bit copies beside them. A million rows of
/// 1,152 numbers take 4.6 GB in single precision, and 1.2 GB in 8 bits, which fit the memory of most machines.
const LARGE: u64 = 1_000_000;

impl ArchiveWriter {
    /// Opens the archive in the folder `dir`, or creates one for an import of `rows` rows. `precision` is the
    /// number format of its rows; if it is `None`, an existing archive keeps its own, and a new one has `f32`, or
    /// `f16` for more than a million rows.
    ///
    /// # Errors
    /// The errors of [`ArchiveWriter::open_or_create`].
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

    /// Stores 8-bit copies of the rows, as [`ArchiveWriter::quantize`] does, if there are more than a million.
    /// Returns the number of rows for which copies were made.
    ///
    /// # Errors
    /// The errors of [`ArchiveWriter::quantize`].
    pub fn quantize_if_large(&mut self) -> Result<usize> {
        if self.len() as u64 > LARGE { self.quantize() } else { Ok(0) }
    }
}

/// Imports an array, reading each block while the one before it is written.
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
    // Without a buffer, a block that was read waits until it is taken, so there are two blocks at a time.
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
                // Sending fails if the import was stopped, and the error is not needed then.
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

/// Reads a block of rows from row `start` on, and leaves out rows that cannot be normalized.
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

/// Returns why a row cannot be normalized, or `None` if it can.
fn why_left_out(row: &[f32]) -> Option<LeftOutReason> {
    if row.iter().all(|&x| x == 0.0) {
        Some(LeftOutReason::Zero)
    } else if row.iter().any(|x| !x.is_finite()) {
        Some(LeftOutReason::NotFinite)
    } else {
        None
    }
}

/// Imports a file that was read whole.
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

/// Makes a fingerprint of a file's size and time of change.
fn fingerprint_of(file: &Path) -> Result<Fingerprint> {
    let metadata = std::fs::metadata(file).map_err(Error::io(crate::IoAction::Read, file))?;
    let mut hash = Sha256::new();
    hash.update(b"vectors by size and time");
    hash.update(metadata.len().to_le_bytes());
    hash.update(rscir_core::files::nanos_since_1970(metadata.modified().ok()).to_le_bytes());
    Ok(Fingerprint::of_sha256(hash.finalize().into()))
}
