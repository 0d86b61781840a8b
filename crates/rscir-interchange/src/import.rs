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

/// How vectors are imported.
#[derive(Clone)]
#[non_exhaustive]
pub struct ImportOptions<'a> {
    /// Which columns are keys and vectors.
    pub read: ReadOptions,
    /// What encoded the vectors. `None`: as the first file records it, unknown if it does not.
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
        Self { read: ReadOptions::default(), spec: None, precision: None, stop: None, progress: &Silent }
    }
}

impl<'a> ImportOptions<'a> {
    /// Sets which columns are keys and vectors.
    #[must_use]
    pub fn read(mut self, read: ReadOptions) -> Self {
        self.read = read;
        self
    }

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
    pub written: u64,
    /// Rows that the archive had from an earlier import of these files.
    pub unchanged: u64,
    /// Rows of which an 8-bit copy was made.
    pub quantized: u64,
    /// What was not taken as it stands.
    pub tally: Tally,
    /// Columns that no archive can keep.
    pub left_out_columns: Vec<LeftOutColumn>,
    /// True if the import was stopped before the end.
    pub stopped: bool,
}

/// Copies the vectors of a Parquet file, or of the files of a folder, into the archive `archive`, which is made if it is not
/// there.
///
/// Memory holds two blocks of 65,536 rows or 256 MiB and the archive's table of keys, whatever the files' size. Of rows with
/// one key the first stays, and the others are counted. Above a million rows 8-bit copies are kept beside the rows, so that a
/// search reads a half or a quarter of the bytes.
///
/// Called again, it goes on where it was cut off: a row is left alone that came from this place of this file, told by the
/// file's name, size and time of change, and row groups all of which are there are not decoded. Rows of another origin under
/// the same keys are replaced. An import that was cut off and gone on with gives the archive of one that was not.
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
/// Those of [`VectorFiles::open`] and [`Blocks`] about the files; [`Error::Width`] if the encoder's vectors have another width;
/// [`Error::Index`] with those of [`ArchiveWriter::open_or_create`] and of a commit. What was committed before stays.
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

/// By what rows of a table are known in an archive.
struct Origins {
    /// Of each file.
    files: Vec<[u8; 8]>,
    known: HashSet<[u8; 8]>,
}

impl Origins {
    fn of(table: &VectorFiles) -> Self {
        let files: Vec<[u8; 8]> = table
            .files
            .iter()
            .map(|file| {
                let mut hash = Sha256::new();
                hash.update(b"row of a table by name, size and time");
                // Other columns are other rows.
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

    /// Tells a row by its file, and by its place in it.
    fn fingerprint(&self, (file, row): (usize, u64)) -> Fingerprint {
        let mut bytes = [0; 16];
        let (origin, place) = bytes.split_at_mut(8);
        origin.copy_from_slice(self.files.get(file).unwrap_or(&[0; 8]));
        place.copy_from_slice(&row.to_le_bytes());
        Fingerprint(bytes)
    }

    /// What an archive that has `held` under a row's key knows of the row.
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

/// What an archive knows of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing, or of another origin.
    New,
    /// It has it.
    Unchanged,
    /// It has an earlier one under its key.
    Duplicate,
}

struct Import<'a> {
    table: &'a VectorFiles,
    origins: Origins,
    options: &'a ImportOptions<'a>,
    done: Imported,
}

impl Import<'_> {
    fn run(&mut self, writer: &mut ArchiveWriter) -> Result<()> {
        let skipped = if writer.is_empty() { Vec::new() } else { self.known_groups(writer)? };
        let blocks = Blocks::new(self.table, skipped);
        // A block that is read waits until it is taken: there are two at a time.
        let (sender, receiver) = mpsc::sync_channel::<Result<Block>>(0);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for block in blocks {
                    // Nobody waits any more if the import was stopped.
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

    fn place(&self, row: Option<(usize, u64)>) -> RowPlace {
        let (file, row) = row.unwrap_or_default();
        let path = self.table.files.get(file).map(|file| file.path.clone()).unwrap_or_default();
        RowPlace { file: path, row }
    }

    /// The row groups of each file all of whose rows the archive has: of these, no more than the keys is read.
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

    /// Counts the rows of a group if the archive has all of them.
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
