use std::borrow::Cow;
use std::fmt;

use crate::{ColumnSchema, Decoding, Fingerprint, Result, RgbView, RowValues};

/// A decoded image: 8-bit RGB, interleaved, rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbImage {
    /// Pixels in a row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// `[height, width, 3]` bytes.
    pub data: Vec<u8>,
}

impl RgbImage {
    /// Returns a view of the pixels, as encoders take them.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if there are not three bytes for each pixel.
    pub fn view(&self) -> Result<RgbView<'_>> {
        RgbView::new(self.width, self.height, &self.data)
    }
}

/// Where an image failed on its way to an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Finding it where it should be.
    List,
    /// Reading its bytes.
    Read,
    /// Decoding its content.
    Decode,
    /// Finding the values of its columns.
    Columns,
    /// Resizing and cropping.
    Prepare,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "list",
            Self::Read => "read",
            Self::Decode => "decode",
            Self::Columns => "columns",
            Self::Prepare => "prepare",
        })
    }
}

/// What a source left out on purpose, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Omission {
    /// What was left out, as a plural: `windows without data`.
    pub what: String,
    /// How many there were.
    pub count: usize,
}

/// Where images come from: memory, windows of a scene, an archive of files. An item is a position in it, from 0.
///
/// Items are read on any thread and in any order. An ingest asks for the fingerprint of each item that has a row, and reads
/// those whose fingerprint differs and those without a row.
pub trait ImageSource: Send + Sync {
    /// Returns the number of items.
    fn len(&self) -> usize;

    /// Returns the key of the row that item `item` becomes.
    fn key(&self, item: usize) -> Cow<'_, str>;

    /// Identifies the content of item `item`, more cheaply than by reading it where that is possible.
    ///
    /// # Errors
    /// Whatever keeps the item from being looked at; its row then stays as it is.
    fn fingerprint(&self, item: usize) -> Result<Fingerprint>;

    /// Reads item `item`.
    ///
    /// # Errors
    /// Whatever is wrong with the item; the others go on. [`Error::Refused`](crate::Error::Refused) tells the stage, every
    /// other error counts as [`Stage::Read`].
    fn read(&self, item: usize) -> Result<RgbImage>;

    /// Returns the columns that the source has values for, such as a label, a date or a footprint.
    fn columns(&self) -> &[ColumnSchema] {
        &[]
    }

    /// Sets the values of item `item` in `row`, which has the source's columns and no value yet. A column that is left
    /// without one has none in the item's row.
    ///
    /// An ingest asks for the values of all items, also of those whose row is there, so this should be cheap.
    ///
    /// # Errors
    /// As [`ImageSource::read`]; other errors than [`Error::Refused`](crate::Error::Refused) count as [`Stage::Columns`].
    fn values(&self, item: usize, row: &mut RowValues<'_>) -> Result<()> {
        let _ = (item, row);
        Ok(())
    }

    /// Tells what was left out when the source was made, such as windows without data: it is no item, and reports count it.
    fn left_out(&self) -> Vec<Omission> {
        Vec::new()
    }

    /// Tells how files become the source's pixels, if there are files: an ingest refuses another way than its encoder's.
    fn decoding(&self) -> Option<&Decoding> {
        None
    }

    /// Tells whether there are no items.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
