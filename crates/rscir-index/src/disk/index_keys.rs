use crate::Result;
use crate::digest::Digest;
use crate::disk::directory::{Access, Directory};
use crate::disk::key_file::KeyOrder;
use crate::disk::quantize::MIN_SEGMENT_ROWS;
use crate::disk::writer::ArchiveWriter;

impl ArchiveWriter {
    /// Writes the files by which readers find rows by key, for segments that have none. Returns the number of
    /// rows of these segments.
    ///
    /// A segment of at least 1,024 rows gets its file when it is written, so only archives of earlier versions
    /// need this call. Without the files, the first [`Archive::find`](rscir_core::Archive::find) of a reader
    /// reads all keys and keeps 18 bytes a row, and a reader of an archive in the order of keys reads all keys
    /// when it opens the archive.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged) if a segment is damaged; [`Error::Io`](crate::Error::Io) if a
    /// file cannot be written; [`Error::Poisoned`](crate::Error::Poisoned) or
    /// [`Error::LockLost`](crate::Error::LockLost) if an earlier call has failed with such an error. The rows are
    /// unchanged then, and files that were written stay.
    pub fn index_keys(&mut self) -> Result<usize> {
        self.check_health()?;
        let mut indexed = 0;
        for position in 0..self.segments.len() {
            let entry = &self.manifest.segments[position];
            let (digest, rows) = (entry.sha256, entry.rows);
            let is_there = || matches!(self.directory.open_keys(&digest, rows, Access::Map), Ok(Some(_)));
            if rows < MIN_SEGMENT_ROWS || is_there() {
                continue;
            }
            // A file made from damaged keys would hide rows for good.
            self.check_copied([position].into_iter())?;
            let segment = &self.segments[position].segment;
            let order = KeyOrder::of(rows, |row| segment.key_bytes(row));
            segment.release();
            let written = write_keys(&self.directory, &digest, &order);
            self.note_doubt(written)?;
            indexed += rows;
        }
        if indexed > 0 {
            let synced = self.directory.sync_segments();
            self.note_doubt(synced)?;
        }
        Ok(indexed)
    }
}

/// Writes the file that finds rows of a segment by key.
pub(crate) fn write_keys(directory: &Directory, segment: &Digest, order: &KeyOrder) -> Result<()> {
    directory.write_derived(&directory.keys_path(segment), |out| order.write(out, segment))
}
