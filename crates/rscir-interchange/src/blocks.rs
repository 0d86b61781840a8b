use arrow_array::RecordBatch;
use rscir_core::Embeddings;
use rscir_index::Columns;

use crate::group::{Decoded, Gathered};
use crate::layout::Layout;
use crate::parquet_file::{Batches, ParquetFile};
use crate::tally::Tally;
use crate::{Error, LeftOutReason, Result, VectorFiles};

/// Most rows of a block: as many as a file of an archive has.
const BLOCK_ROWS: usize = 65_536;

/// Numbers of a block's vectors, at most: 256 MiB. Those of 65,536 rows of 1,024.
const BLOCK_NUMBERS: usize = 64 << 20;

/// Numbers of the vectors that are decoded at once: 16 MiB.
const BATCH_NUMBERS: u64 = 4 << 20;

/// Rows that are decoded at once, at most.
const BATCH_ROWS: u64 = 8192;

/// Rows of a table that follow each other.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Block {
    /// The key of each row. A table may have a key twice.
    pub keys: Vec<String>,
    /// Where each row stands: its file, as a position among [`VectorFiles::paths`], and its number in it, from 0.
    pub rows: Vec<(usize, u64)>,
    /// The vectors, normalized.
    pub embeddings: Embeddings,
    /// What else is known of the rows.
    pub columns: Columns,
    /// What was not taken as it stands.
    pub tally: Tally,
    /// How many rows were read, those included that were left out.
    pub read: u64,
}

/// The rows of a table, block by block, in the order of its files.
///
/// A block has up to 65,536 rows and 256 MiB of vectors. After an error there is nothing more.
pub struct Blocks<'a> {
    table: &'a VectorFiles,
    /// Row groups that are passed over, for each file.
    skipped: Vec<Vec<bool>>,
    /// The file that is read, or comes next.
    file: usize,
    open: Option<(ParquetFile, Layout)>,
    /// The row group that comes next.
    group: usize,
    batches: Option<Batches>,
    /// The batch that is taken, and how many of its rows are.
    batch: Option<(RecordBatch, usize)>,
    /// The number of the batch's first row in the file.
    first: u64,
    width: Option<usize>,
    /// What was left out before the first vector was met, and of how many rows.
    before: (Tally, u64),
    ended: bool,
}

impl<'a> Blocks<'a> {
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

    fn is_skipped(&self) -> bool {
        self.skipped.get(self.file).and_then(|groups| groups.get(self.group)).is_some_and(|&skipped| skipped)
    }

    /// Decodes what comes next, until there is a batch with rows that are not taken; false at the end.
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

    /// The width of the vectors, which that of the first row that has one decides.
    pub(crate) fn width(&mut self) -> Result<usize> {
        while self.width.is_none() {
            if !self.advance()? {
                return Err(Error::NoRows { path: self.table.path().into() });
            }
            self.look_for_width()?;
        }
        self.width.ok_or_else(|| Error::NoRows { path: self.table.path().into() })
    }

    /// Takes the width of the batch's first vector, or leaves the batch out, since it has none.
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

    /// The batch, and where it stands.
    fn decoded(&self) -> Option<Decoded<'_>> {
        let (batch, _) = self.batch.as_ref()?;
        let (_, layout) = self.open.as_ref()?;
        let listed = self.table.files.get(self.file)?;
        let (path, name) = (&listed.path, &listed.name);
        Some(Decoded { batch, layout, path, name, file: self.file, first: self.first })
    }

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
