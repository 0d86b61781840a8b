use arrow_array::RecordBatch;
use rscir_core::Embeddings;
use rscir_index::Columns;

use crate::group::{Decoded, Gathered};
use crate::layout::Layout;
use crate::parquet_file::{Batches, ParquetFile};
use crate::tally::Tally;
use crate::{Error, LeftOutReason, Result, VectorFiles};

/// Most rows of a block, which are as many as a segment of an archive has.
const BLOCK_ROWS: usize = 65_536;

/// Most numbers in the vectors of a block: 256 MiB, the vectors of 65,536 rows of width 1,024.
const BLOCK_NUMBERS: usize = 64 << 20;

/// Most numbers of vectors that are decoded at once: 16 MiB.
const BATCH_NUMBERS: u64 = 4 << 20;

/// Most rows that are decoded at once.
const BATCH_ROWS: u64 = 8192;

/// Rows of a table that follow each other, decoded.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Block {
    /// Key of each row. Several rows of a table may have one key.
    pub keys: Vec<String>,
    /// Origin of each row: its file, as a position among [`VectorFiles::paths`], and its number in the file, from
    /// 0.
    pub rows: Vec<(usize, u64)>,
    /// Vectors of the rows, normalized.
    pub embeddings: Embeddings,
    /// Values of the rows in the columns of [`VectorFiles::columns`].
    pub columns: Columns,
    /// Rows and values that were left out.
    pub tally: Tally,
    /// Number of rows that were read, including the rows that were left out.
    pub read: u64,
}

/// Iterator over the rows of a table, block by block, in the order of its files. [`VectorFiles::blocks`] makes it.
///
/// A block has at most 65,536 rows and 256 MiB of vectors. After an error the iterator ends.
///
/// # Errors
/// - [`Error::Width`] if a vector has another width than the first one.
/// - [`Error::NoRows`] if no row has a vector.
/// - [`Error::Parquet`] if a file is damaged.
/// - [`Error::Changed`] if a file has changed since the table was opened.
/// - [`Error::File`] and [`Error::Index`] if a file cannot be read, or claims more than its bytes can hold.
pub struct Blocks<'a> {
    table: &'a VectorFiles,
    /// For each file, whether each of its row groups is skipped.
    skipped: Vec<Vec<bool>>,
    /// Number of the file that is read now, or next.
    file: usize,
    open: Option<(ParquetFile, Layout)>,
    /// Number of the row group that is read next.
    group: usize,
    batches: Option<Batches>,
    /// The batch whose rows are being put into blocks, and how many of its rows already are in one.
    batch: Option<(RecordBatch, usize)>,
    /// Number of the batch's first row in the file.
    first: u64,
    width: Option<usize>,
    /// The rows that were left out before the first row with a vector, and how many rows were read before it.
    before: (Tally, u64),
    ended: bool,
}

impl<'a> Blocks<'a> {
    /// Makes the iterator over the rows of a table, without those of the row groups that are `skipped`.
    pub(crate) fn new(table: &'a VectorFiles, skipped: Vec<Vec<bool>>) -> Self {
        Self {
            table,
            skipped,
            file: 0,
            open: None,
            group: 0,
            batches: None,
            batch: None,
            first: 0,
            width: None,
            before: (Tally::default(), 0),
            ended: false,
        }
    }

    /// Tells whether the next row group is skipped.
    fn is_skipped(&self) -> bool {
        self.skipped.get(self.file).and_then(|groups| groups.get(self.group)).is_some_and(|&skipped| skipped)
    }

    /// Decodes the next batch, unless the current one has rows that are in no block yet. Returns `false` at the end
    /// of the last file.
    fn advance(&mut self) -> Result<bool> {
        loop {
            if let Some((batch, taken)) = &self.batch {
                if *taken < batch.num_rows() {
                    return Ok(true);
                }
                self.first += batch.num_rows() as u64;
                self.batch = None;
            }
            if let Some(batches) = &mut self.batches {
                match batches.next().transpose()? {
                    Some(batch) => self.batch = Some((batch, 0)),
                    None => self.batches = None,
                }
                continue;
            }
            let Some((file, layout)) = &self.open else {
                self.open = self.table.open_again(self.file)?;
                (self.group, self.first) = (0, 0);
                if self.open.is_none() {
                    return Ok(false);
                }
                continue;
            };
            let Some(rows) = file.groups().get(self.group).copied() else {
                self.open = None;
                self.file += 1;
                continue;
            };
            if self.is_skipped() || rows == 0 {
                self.first += rows;
            } else {
                let numbers = file.values_per_row(self.group, layout.vectors).max(1);
                let at_once = (BATCH_NUMBERS / numbers).clamp(1, BATCH_ROWS) as usize;
                self.batches = Some(file.read(self.group, &layout.roots(), at_once)?);
            }
            self.group += 1;
        }
    }

    /// Returns the width of the vectors, which is that of the first row with a vector.
    pub(crate) fn width(&mut self) -> Result<usize> {
        while self.width.is_none() {
            if !self.advance()? {
                return Err(Error::NoRows { path: self.table.path().into() });
            }
            self.look_for_width()?;
        }
        self.width.ok_or_else(|| Error::NoRows { path: self.table.path().into() })
    }

    /// Sets the width to that of the batch's first vector. A batch without any vector is left out.
    fn look_for_width(&mut self) -> Result<()> {
        let Some(decoded) = self.decoded() else { return Ok(()) };
        let lists = decoded.lists()?;
        let width = (0..lists.len()).find_map(|row| lists.width(row));
        let mut tally = Tally::default();
        if width.is_none() {
            (0..lists.len()).for_each(|row| tally.leave_out(decoded.place(row), LeftOutReason::NoVector));
        }
        self.width = width;
        self.before.0.append(tally);
        if let (None, Some((batch, taken))) = (width, &mut self.batch) {
            self.before.1 += batch.num_rows() as u64;
            *taken = batch.num_rows();
        }
        Ok(())
    }

    /// Returns the current batch with its origin, or `None` if there is no batch.
    fn decoded(&self) -> Option<Decoded<'_>> {
        let (batch, _) = self.batch.as_ref()?;
        let (_, layout) = self.open.as_ref()?;
        let listed = self.table.files.get(self.file)?;
        let (path, name) = (&listed.path, &listed.name);
        Some(Decoded { batch, layout, path, name, file: self.file, first: self.first })
    }

    /// Reads the next block, or `None` at the end.
    fn read(&mut self) -> Result<Option<Block>> {
        if !self.advance()? {
            return Ok(None);
        }
        let width = self.width()?;
        let most = (BLOCK_NUMBERS / width).clamp(1, BLOCK_ROWS);
        let room = most.min(usize::try_from(self.table.rows()).unwrap_or(most));
        let mut gathered = Gathered::new(self.table.columns(), width, room, std::mem::take(&mut self.before));
        while gathered.len() < most && self.advance()? {
            let taken = self.batch.as_ref().map_or(0, |(_, taken)| *taken);
            let Some(decoded) = self.decoded() else { break };
            let to = decoded.batch.num_rows().min(taken + most - gathered.len());
            gathered.take(&decoded, taken, to)?;
            if let Some((_, taken)) = &mut self.batch {
                *taken = to;
            }
        }
        gathered.finish().map(Some)
    }
}

impl Iterator for Blocks<'_> {
    type Item = Result<Block>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let block = self.read().transpose();
        self.ended = !matches!(block, Some(Ok(_)));
        block
    }
}
