use std::borrow::Cow;
use std::fmt;

use crate::{BandImage, BandValues, ColumnSchema, Decoding, Error, Fingerprint, Result, RgbView, RowValues};

/// A decoded image: 8-bit RGB, interleaved, rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbImage {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Pixels, `[height, width, 3]` bytes.
    pub data: Vec<u8>,
}

impl RgbImage {
    /// Returns a view of the pixels, as encoders take them.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if there are not exactly three bytes for each pixel.
    pub fn view(&self) -> Result<RgbView<'_>> {
        RgbView::new(self.width, self.height, &self.data)
    }
}

/// Stage at which an image failed on its way to an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Finding the image where it should be.
    List,
    /// Reading its bytes.
    Read,
    /// Decoding its content.
    Decode,
    /// Finding the values of its columns.
    Columns,
    /// Resizing and cropping it.
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
    /// Name of what was left out, as a plural: `windows without data`.
    pub what: String,
    /// Number of things left out.
    pub count: usize,
}

/// Relation of a sink's row to a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RowStanding {
    /// Row of an item in its present state, or a row that the source does not know.
    Kept,
    /// Row of unchanged content that is no longer an item of the source, such as a tile of another size of
    /// the same scene.
    Beside,
    /// Row of content that has changed since, such as a tile of a scene that was replaced.
    Outdated,
}

/// A source of images: memory, windows of a scene, an archive of files. An item is a position in the source,
/// from 0.
///
/// Items are read on any thread and in any order. An ingest asks for the fingerprint of each item that
/// already has a row, and reads the items whose fingerprint differs and those without a row.
pub trait ImageSource: Send + Sync {
    /// Returns the number of items.
    fn len(&self) -> usize;

    /// Returns the key of the row that item `item` becomes.
    fn key(&self, item: usize) -> Cow<'_, str>;

    /// Identifies the content of item `item`, where possible without reading all of it.
    ///
    /// # Errors
    /// Any error that keeps the item from being examined. The item's row then stays as it is.
    fn fingerprint(&self, item: usize) -> Result<Fingerprint>;

    /// Reads item `item`.
    ///
    /// # Errors
    /// Any error with the item; the other items are read nevertheless.
    /// [`Error::Refused`](crate::Error::Refused) tells the stage, and every other error counts as
    /// [`Stage::Read`].
    fn read(&self, item: usize) -> Result<RgbImage>;

    /// Reads item `item` as an image of bands, for an encoder that takes bands with such values
    /// ([`ImageEncoder::channels`](crate::ImageEncoder::channels)).
    ///
    /// # Errors
    /// The errors of [`ImageSource::read`]; [`Error::Unsupported`] if the source does not offer it, which is the
    /// default.
    fn read_bands(&self, item: usize, values: BandValues) -> Result<BandImage> {
        let _ = (item, values);
        Err(Error::Unsupported { what: "reading images of bands", by: "this source of images".into() })
    }

    /// Returns the columns that the source has values for, such as a label, a date or a footprint. Default:
    /// none.
    fn columns(&self) -> &[ColumnSchema] {
        &[]
    }

    /// Sets the values of item `item` in `row`, which has the source's columns and no values yet. A column
    /// that is not set has no value in the item's row.
    ///
    /// An ingest asks for the values of all items, also of items that already have a row, so this should be
    /// cheap.
    ///
    /// # Errors
    /// The errors of [`ImageSource::read`]. Errors other than [`Error::Refused`](crate::Error::Refused) count
    /// as [`Stage::Columns`].
    fn values(&self, item: usize, row: &mut RowValues<'_>) -> Result<()> {
        let _ = (item, row);
        Ok(())
    }

    /// Returns what was left out when the source was made, such as windows without data. It is not an item,
    /// and reports count it. Default: nothing.
    fn left_out(&self) -> Vec<Omission> {
        Vec::new()
    }

    /// Tells how a row is related to the source, by the key and the fingerprint of the row. After the last
    /// item, an ingest deletes the rows that are [`RowStanding::Outdated`]. The rows of items have been
    /// encoded again by then, unless the items failed. Default: [`RowStanding::Kept`] for every row.
    fn standing(&self, key: &str, fingerprint: Fingerprint) -> RowStanding {
        let _ = (key, fingerprint);
        RowStanding::Kept
    }

    /// Returns how files become the source's pixels, or `None` if there are no files. An ingest refuses a
    /// value other than its encoder's. Default: `None`.
    fn decoding(&self) -> Option<&Decoding> {
        None
    }

    /// Tells whether there are no items.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
