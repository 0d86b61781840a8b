use std::borrow::Cow;

use crate::{Fingerprint, Result, RgbView};

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
    /// Whatever is wrong with the item; the others go on.
    fn read(&self, item: usize) -> Result<RgbImage>;

    /// Tells whether there are no items.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
