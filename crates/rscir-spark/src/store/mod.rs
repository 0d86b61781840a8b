#[cfg(feature = "cloud")]
mod cloud;
mod folder;

use std::fmt;
use std::io::Write;

use crate::{Location, Result};

/// What the files of a table lie on.
pub(crate) trait Store: fmt::Debug {
    /// Reads a file of at most so many bytes by its name within the table, `None` if there is none.
    fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>>;

    /// Reads the pointer, with what tells whether it is another later.
    fn pointer(&self, most: u64) -> Result<Seen>;

    /// Makes a place for the files of a version, in which nobody looks yet, and returns its name.
    fn draft(&self, version: &str) -> Result<String>;

    /// Begins a file in a place.
    fn create(&self, place: &str, name: &str) -> Result<Box<dyn Sink>>;

    /// Gives a complete draft the name of its version.
    fn settle(&self, draft: &str, version: &str) -> Result<()>;

    /// Replaces the pointer if it is the one that was seen, and tells whether it was.
    fn point(&self, pointer: &[u8], seen: &Seen) -> Result<bool>;

    /// Removes a place that nobody has seen, as far as that can be done now.
    fn discard(&self, place: &str);
}

/// A file that is being written.
pub(crate) trait Sink: Write + Send {
    /// Makes what was written durable.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// A pointer as it was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    /// Its content, `None` if there is none.
    pub(crate) bytes: Option<Vec<u8>>,
    /// What an object store calls this content of it, and this version.
    #[cfg(feature = "cloud")]
    tag: (Option<String>, Option<String>),
}

/// Opens what a table lies on. Nothing is made.
pub(crate) fn open(table: &Location) -> Result<Box<dyn Store>> {
    match table.folder() {
        Some(path) => Ok(Box::new(folder::Folder::new(path))),
        None => open_url(table),
    }
}

#[cfg(feature = "cloud")]
fn open_url(table: &Location) -> Result<Box<dyn Store>> {
    Ok(Box::new(cloud::Cloud::open(table.url().unwrap_or_default())?))
}

#[cfg(not(feature = "cloud"))]
fn open_url(table: &Location) -> Result<Box<dyn Store>> {
    Err(crate::Error::NoCloud { url: table.to_string() })
}
