use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use rscir_core::{EmbeddingSink, Embeddings, EncoderSpec, Fingerprint, Precision, Progress, Silent, SinkRow};
use rscir_index::{ArchiveWriter, Columns};
use sha2::{Digest, Sha256};

use crate::{
    Block, Blocks, Error, LeftOutColumn, LeftOutReason, ReadOptions, Result, RowPlace, Tally, VectorFiles,
    values,
};

/// Options of [`import_vectors`].
#[derive(Clone)]
#[non_exhaustive]
pub struct ImportOptions<'a> {
    /// Names of the columns of keys and vectors. Default: those that [`ReadOptions`] looks for.
    pub read: ReadOptions,
    /// Spec of the encoder that made the vectors. Default: `None`, which takes the spec that the first file
    /// records, or that of an unknown encoder.
    pub spec: Option<EncoderSpec>,
    /// Number format of the archive's rows. Default: `None`, which keeps the format of an existing archive; a new
    /// one has `f32`, or `f16` if there are more than a million rows.
    pub precision: Option<Precision>,
    /// Flag that stops the import when it becomes true, once the current block is written. A later import continues
    /// after it. Default: `None`.
    pub stop: Option<&'a AtomicBool>,
    /// Receives the number of rows that are done. Default: [`Silent`].
    pub progress: &'a dyn Progress,
}

impl Default for ImportOptions<'_> {
    fn default() -> Self {
        Self { read: ReadOptions::default(), spec: None, precision: None, stop: None, progress: &Silent }
    }
}

impl<'a> ImportOptions<'a> {
    /// Sets the names of the columns of keys and vectors. Default: those that [`ReadOptions`] looks for.
    #[must_use]
    pub fn read(mut self, read: ReadOptions) -> Self {
        self.read = read;
        self
    }

    /// Sets the spec of the encoder that made the vectors. Default: as the first file records it, or unknown.
    #[must_use]
    pub fn spec(mut self, spec: EncoderSpec) -> Self {
        self.spec = Some(spec);
        self
    }

    /// Sets the number format of the archive's rows. Default: that of the archive; a new one has `f32`, or `f16` if
    /// there are more than a million rows.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = Some(precision);
        self
    }

    /// Sets a flag that stops the import when it becomes true. Default: none.
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

    /// Tells whether the import is to stop.
    fn is_stopped(&self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }
}

/// Summary of an import, returned by [`import_vectors`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Imported {
    /// Number of rows that were written.
    pub written: u64,
    /// Number of rows that the archive already had from an earlier import of these files.
    pub unchanged: u64,
    /// Number of rows of which an 8-bit copy was made.
    pub quantized: u64,
    /// Rows and values that were left out.
    pub tally: Tally,
    /// Columns that archives cannot keep.
    pub left_out_columns: Vec<LeftOutColumn>,
    /// `true` if the import was stopped before its end.
    pub stopped: bool,
}

/// Copies the vectors of a Parquet file, or of the Parquet files in a folder, into the archive in the folder
/// `archive`, which is created if it does not exist.
///
/// However large the files are, memory holds two blocks of at most 65,536 rows and 256 MiB, and the archive's table
/// of keys. If several rows have one key, the first is written, and the others are counted in [`Imported::tally`].
/// If the archive has more than a million rows, 8-bit copies are kept beside them, so that a search reads a half or
/// a quarter of the bytes.
///
/// An import that was stopped or cut off continues when it is called again, and ends with the archive of an import
/// that was not cut off. Each row of the archive records its origin: the file's name, size and time of change, and
/// the row in it. Rows of the same origin are kept, and row groups with such rows alone are not decoded. Rows that
/// have the same key and another origin are replaced.
///
/// ```no_run
/// use rscir_interchange::{ImportOptions, import_vectors};
///
/// let imported = import_vectors("major-tom", "planet.rscir", &ImportOptions::default())?;
/// println!("{} written, {} left out", imported.written, imported.tally.left_out);
/// # Ok::<(), rscir_interchange::Error>(())
/// ```
///
/// # Errors
/// After an error the archive has all rows that were committed before.
///
/// - The errors of [`VectorFiles::open`] and of [`Blocks`].
/// - [`Error::Width`] if the vectors have another width than those of the encoder.
/// - [`Error::Index`] with the errors of [`ArchiveWriter::open_or_create`] and of a commit.
pub fn import_vectors(
    vectors: impl AsRef<Path>,
    archive: impl AsRef<Path>,
    options: &ImportOptions<'_>,
) -> Result<Imported> {
    let (vectors, archive) = (vectors.as_ref(), archive.as_ref());
    let table = VectorFiles::open(vectors, &options.read)?;
    let width = table.width()?;
    let spec = match &options.spec {
        Some(spec) if spec.dim != width => {
            return Err(Error::Width { path: vectors.into(), row: 0, expected: spec.dim, got: width });
        }
        Some(spec) => spec.clone(),
        None => table.spec(width)?,
    };
    let mut writer = ArchiveWriter::open_or_create_for(archive, spec, options.precision, table.rows())?;
    let mut import =
        Import { table: &table, origins: Origins::of(&table), options, done: Imported::default() };
    options.progress.begin("importing", Some(table.rows()));
    let imported = import.run(&mut writer);
    options.progress.end();
    imported?;
    if !import.done.stopped {
        import.done.quantized = writer.quantize_if_large()? as u64;
    }
    Ok(import.done)
}

/// Marks by which an archive knows the rows of a table.
struct Origins {
    /// The mark of each file.
    files: Vec<[u8; 8]>,
    /// The same marks, to look up.
    known: HashSet<[u8; 8]>,
}

impl Origins {
    /// Makes the marks of a table's files.
    fn of(table: &VectorFiles) -> Self {
        let files: Vec<[u8; 8]> = table
            .files
            .iter()
            .map(|file| {
                let mut hash = Sha256::new();
                hash.update(b"row of a table by name, size and time");
                // If other columns are read from a file, its rows are other rows.
                for name in [&table.options.key_column, &table.options.embedding_column] {
                    let name = name.as_deref().unwrap_or_default();
                    hash.update((name.len() as u64).to_le_bytes());
                    hash.update(name);
                }
                hash.update(file.version.0.to_le_bytes());
                hash.update(file.version.1.to_le_bytes());
                hash.update(&file.name);
                let mut own = [0; 8];
                own.iter_mut().zip(hash.finalize()).for_each(|(own, byte)| *own = byte);
                own
            })
            .collect();
        Self { known: files.iter().copied().collect(), files }
    }

    /// Returns the mark of a row, made of its file's mark and of its number in the file.
    fn fingerprint(&self, (file, row): (usize, u64)) -> Fingerprint {
        let mut bytes = [0; 16];
        let (origin, place) = bytes.split_at_mut(8);
        origin.copy_from_slice(self.files.get(file).unwrap_or(&[0; 8]));
        place.copy_from_slice(&row.to_le_bytes());
        Fingerprint(bytes)
    }

    /// Tells what an archive has of a row with the mark `own`, if the archive's row with the same key has the mark
    /// `held`.
    fn state(&self, held: Option<Fingerprint>, own: Fingerprint) -> State {
        match held {
            Some(held) if held == own => State::Unchanged,
            Some(Fingerprint(bytes))
                if bytes.first_chunk().is_some_and(|origin| self.known.contains(origin)) =>
            {
                State::Duplicate
            }
            _ => State::New,
        }
    }
}

/// What an archive has of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No row with its key, or one of another table.
    New,
    /// The row itself.
    Unchanged,
    /// An earlier row of the table with the same key.
    Duplicate,
}

/// An import that is under way.
struct Import<'a> {
    table: &'a VectorFiles,
    origins: Origins,
    options: &'a ImportOptions<'a>,
    done: Imported,
}

impl Import<'_> {
    /// Copies all rows that the archive does not have yet, until the import is stopped.
    fn run(&mut self, writer: &mut ArchiveWriter) -> Result<()> {
        let skipped = if writer.is_empty() { Vec::new() } else { self.known_groups(writer)? };
        let blocks = Blocks::new(self.table, skipped);
        // A block is handed over only when it is taken, so that memory holds two: one is read while one is written.
        let (sender, receiver) = mpsc::sync_channel::<Result<Block>>(0);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for block in blocks {
                    // The receiver is gone if the import was stopped or has failed.
                    if sender.send(block).is_err() {
                        return;
                    }
                }
            });
            for block in receiver {
                if self.options.is_stopped() {
                    self.done.stopped = true;
                    break;
                }
                let block = block?;
                let read = block.read;
                self.take(block, writer)?;
                self.options.progress.advance(read);
            }
            Ok(())
        })
    }

    /// Commits the rows of a block that the archive does not have.
    fn take(&mut self, block: Block, writer: &mut ArchiveWriter) -> Result<()> {
        self.done.tally.append(block.tally);
        let rows: Vec<SinkRow<'_>> = block
            .keys
            .iter()
            .zip(&block.rows)
            .map(|(key, &place)| SinkRow::new(key, self.origins.fingerprint(place)))
            .collect();
        let mut seen = HashSet::with_capacity(rows.len());
        let mut new = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            let held = writer.fingerprint(row.key);
            match self.origins.state(held, row.fingerprint) {
                State::New if seen.insert(row.key) => new.push(at),
                State::Unchanged => self.done.unchanged += 1,
                State::New | State::Duplicate => {
                    let place = self.place(block.rows.get(at).copied());
                    self.done.tally.leave_out(place, LeftOutReason::DuplicateKey);
                }
            }
        }
        if new.len() == rows.len() {
            writer.commit_with_columns(&rows, &block.embeddings, &block.columns)?;
        } else if !new.is_empty() {
            let rows: Vec<SinkRow<'_>> = new.iter().filter_map(|&at| rows.get(at).copied()).collect();
            let numbers = new.iter().flat_map(|&at| block.embeddings.row(at)).copied().collect();
            let embeddings = Embeddings::normalize(block.embeddings.dim(), numbers)?;
            let mut columns = Columns::new(rows.len());
            for (name, column) in block.columns.iter() {
                columns.insert(name, values::select(column, &new))?;
            }
            writer.commit_with_columns(&rows, &embeddings, &columns)?;
        }
        self.done.written += new.len() as u64;
        Ok(())
    }

    /// Returns the path and the row for the origin of a row.
    fn place(&self, row: Option<(usize, u64)>) -> RowPlace {
        let (file, row) = row.unwrap_or_default();
        let path = self.table.files.get(file).map(|file| file.path.clone()).unwrap_or_default();
        RowPlace { file: path, row }
    }

    /// Tells for each row group of each file whether the archive has all of its rows. Only the keys are read for
    /// this, and nothing else of such a group is read later.
    fn known_groups(&mut self, writer: &ArchiveWriter) -> Result<Vec<Vec<bool>>> {
        let mut skipped = Vec::new();
        for at in 0..self.table.files.len() {
            let mut of_file = Vec::new();
            if let Some((file, layout)) = self.table.open_again(at)? {
                let mut first = 0;
                for (group, rows) in file.groups().into_iter().enumerate() {
                    let keys = layout.group_keys(&file, &self.table.files[at].name, group, first)?;
                    of_file.push(self.is_known(at, first, keys, writer)?);
                    first += rows;
                }
            }
            skipped.push(of_file);
        }
        Ok(skipped)
    }

    /// Tells whether the archive has all rows of a row group, and counts them if it does. `first` is the number of
    /// the group's first row in the file, and `keys` are the keys of its rows.
    fn is_known(
        &mut self,
        file: usize,
        first: u64,
        keys: impl Iterator<Item = Result<Option<String>>>,
        writer: &ArchiveWriter,
    ) -> Result<bool> {
        let (mut unchanged, mut tally) = (0, Tally::default());
        for (row, key) in (first..).zip(keys) {
            let Some(key) = key? else { return Ok(false) };
            let own = self.origins.fingerprint((file, row));
            match self.origins.state(writer.fingerprint(&key), own) {
                State::New => return Ok(false),
                State::Unchanged => unchanged += 1,
                State::Duplicate => {
                    tally.leave_out(self.place(Some((file, row))), LeftOutReason::DuplicateKey)
                }
            }
        }
        self.options.progress.advance(unchanged + tally.left_out);
        self.done.unchanged += unchanged;
        self.done.tally.append(tally);
        Ok(true)
    }
}
