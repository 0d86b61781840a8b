//! Decoded rows on their way into a block.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use rscir_core::{ColumnSchema, Embeddings};
use rscir_index::{Column, Columns};

use crate::geometry::{PlaceColumns, Placing};
use crate::layout::{Layout, row_key};
use crate::tally::Tally;
use crate::vectors::{Lists, Unfit};
use crate::{Block, Error, LeftOutReason, Result, RowPlace, values};

/// Rows that are gathered for a block.
pub(crate) struct Gathered<'a> {
    schema: &'a [ColumnSchema],
    width: usize,
    values: Vec<f32>,
    keys: Vec<String>,
    rows: Vec<(usize, u64)>,
    columns: Vec<Column>,
    tally: Tally,
    read: u64,
}

/// A decoded batch of a file, and the origin of its rows.
pub(crate) struct Decoded<'a> {
    pub(crate) batch: &'a RecordBatch,
    pub(crate) layout: &'a Layout,
    pub(crate) path: &'a Path,
    /// Name of the file in keys.
    pub(crate) name: &'a str,
    /// Number of the file.
    pub(crate) file: usize,
    /// Number of the batch's first row in the file.
    pub(crate) first: u64,
}

impl Decoded<'_> {
    /// Returns the values of the file's column number `at`, or `None` if this column was not decoded.
    fn array(&self, at: usize) -> Option<&arrow_array::ArrayRef> {
        let position = self.layout.roots().iter().position(|&root| root == at)?;
        self.batch.columns().get(position)
    }

    /// Returns the vectors of the batch.
    pub(crate) fn lists(&self) -> Result<Lists<'_>> {
        let lists = self.array(self.layout.vectors).and_then(|array| Lists::new(array, self.layout.element));
        lists.ok_or_else(|| self.other_type())
    }

    /// Makes the error about a decoder that returns another type than the file's schema says.
    fn other_type(&self) -> Error {
        Error::Parquet { path: self.path.into(), source: "a column is not of the type of the schema".into() }
    }

    /// Returns the file and the row of a row of the batch.
    pub(crate) fn place(&self, row: usize) -> RowPlace {
        RowPlace { file: self.path.into(), row: self.first + row as u64 }
    }
}

impl<'a> Gathered<'a> {
    /// Starts a block of vectors of `width` numbers, with room for `rows` rows. The last argument is what was left
    /// out before the first row, and the number of rows that were read before it.
    pub(crate) fn new(
        schema: &'a [ColumnSchema],
        width: usize,
        rows: usize,
        (tally, read): (Tally, u64),
    ) -> Self {
        Self {
            schema,
            width,
            values: Vec::with_capacity(width * rows),
            keys: Vec::with_capacity(rows),
            rows: Vec::with_capacity(rows),
            columns: schema.iter().map(|column| values::empty(column.column_type)).collect(),
            tally,
            read,
        }
    }

    /// Returns the number of rows that are gathered.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Adds the rows `from..to` of a batch, and counts the rows among them that are left out.
    ///
    /// # Errors
    /// [`Error::Width`] if a vector has another width, and [`Error::Parquet`] if a column has another type than the
    /// file's schema says.
    pub(crate) fn take(&mut self, decoded: &Decoded<'_>, from: usize, to: usize) -> Result<()> {
        let lists = decoded.lists()?;
        let keys = decoded.layout.key.and_then(|at| decoded.array(at));
        let mut kept = Vec::with_capacity(to - from);
        for row in from..to {
            let key = match keys {
                Some(keys) => values::key(keys, row),
                None => Some(row_key(decoded.name, decoded.first + row as u64)),
            };
            let taken = match (lists.append(row, self.width, &mut self.values), key) {
                (Ok(()), Some(key)) => Ok(key),
                (Ok(()), None) => {
                    self.values.truncate(self.keys.len() * self.width);
                    Err(LeftOutReason::NoKey)
                }
                (Err(Unfit::LeftOut(reason)), _) => Err(reason),
                (Err(Unfit::Width(got)), _) => {
                    let place = decoded.place(row);
                    return Err(Error::Width { path: place.file, row: place.row, expected: self.width, got });
                }
            };
            match taken {
                Ok(key) => {
                    self.keys.push(key);
                    self.rows.push((decoded.file, decoded.first + row as u64));
                    kept.push(row);
                }
                Err(reason) => self.tally.leave_out(decoded.place(row), reason),
            }
        }
        self.read += (to - from) as u64;
        self.take_columns(decoded, &kept)?;
        self.take_places(decoded, &kept)?;
        let rows = self.keys.len();
        self.columns.iter_mut().for_each(|column| values::pad(column, rows));
        Ok(())
    }

    /// Adds the values of the `kept` rows of a batch in the file's columns.
    fn take_columns(&mut self, decoded: &Decoded<'_>, kept: &[usize]) -> Result<()> {
        for column in &decoded.layout.columns {
            let name = &column.schema.name;
            let tally = &mut self.tally;
            let mut unfit = |row: usize| tally.without_value(|| decoded.place(row), name);
            let array = decoded.array(column.at).ok_or_else(|| decoded.other_type())?;
            let read = values::column(array, kept, &mut unfit).ok_or_else(|| decoded.other_type())?;
            self.append(name, read);
        }
        Ok(())
    }

    /// Adds the places of the `kept` rows of a batch.
    fn take_places(&mut self, decoded: &Decoded<'_>, kept: &[usize]) -> Result<()> {
        let Some((at, placing)) = &decoded.layout.geometry else { return Ok(()) };
        let geometries = decoded
            .array(*at)
            .and_then(|array| array.as_binary_opt::<i32>())
            .ok_or_else(|| decoded.other_type())?;
        let mut places = PlaceColumns::default();
        for &row in kept {
            if geometries.is_null(row) {
                self.tally.unplaced(|| decoded.place(row), &"there is no geometry");
                places.push(None, None);
                continue;
            }
            let (place, text) = placing.place(geometries.value(row));
            if let Err(problem) = &place {
                self.tally.unplaced(|| decoded.place(row), problem);
            }
            places.push(place.ok(), text);
        }
        for ((name, _), column) in Placing::COLUMNS.iter().zip(places.into_columns()) {
            if !decoded.layout.has_own(name) {
                self.append(name, column);
            }
        }
        Ok(())
    }

    /// Appends values to the column `name` of the block.
    fn append(&mut self, name: &str, read: Column) {
        let own = self.schema.iter().zip(&mut self.columns).find(|(schema, _)| schema.name == name);
        if let Some((_, column)) = own {
            values::append(column, read);
        }
    }

    /// Makes the block of the rows that are gathered.
    pub(crate) fn finish(self) -> Result<Block> {
        let mut columns = Columns::new(self.keys.len());
        for (schema, column) in self.schema.iter().zip(self.columns) {
            columns.insert(&schema.name, column)?;
        }
        let embeddings = Embeddings::normalize(self.width, self.values)?;
        let Self { keys, rows, tally, read, .. } = self;
        Ok(Block { keys, rows, embeddings, columns, tally, read })
    }
}
