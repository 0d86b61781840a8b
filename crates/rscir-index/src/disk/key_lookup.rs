use std::sync::atomic::{AtomicUsize, Ordering};

use rscir_core::QuantizedRun;

use crate::disk::key_file::{self, KeyFile};
use crate::disk::key_table::{KeyTable, Place};
use crate::disk::segment::Segment;
use crate::rows::archive_row;

/// Finds the rows of an archive by key: by the files beside its segments, which take no memory, and by a table
/// for segments without a file.
pub(crate) struct KeyLookup {
    table: KeyTable,
    /// Number of keys that were looked up so far.
    asked: AtomicUsize,
}

/// Number of lookups for which pages are fetched ahead. The hashes of a full segment fill 64 pages, most of which
/// are in memory after that many lookups; then fetching ahead takes longer than the lookup itself.
const KEYS_FETCHED: usize = 256;

impl KeyLookup {
    /// Reads the keys of all segments that have no file.
    pub(crate) fn new(segments: &[Segment], files: &[Option<KeyFile>], runs: &[Vec<QuantizedRun>]) -> Self {
        let without = || (0..segments.len()).filter(|&segment| files[segment].is_none());
        let rows = without().flat_map(|segment| &runs[segment]).map(|run| run.rows.len()).sum();
        let mut table = KeyTable::with_capacity(rows);
        let key_at = |place: Place| segments[place.segment as usize].key_bytes(place.row as usize);
        for segment in without() {
            segments[segment].fetch_keys();
            for row in runs[segment].iter().flat_map(|run| run.rows.clone()) {
                // Both numbers fit 32 bits: a manifest is too short for more segments, and its check limits their
                // rows.
                let place = Place { segment: segment as u32, row: row as u32 };
                table.insert(table.hash(key_at(place)), key_at(place), place, key_at);
            }
        }
        Self { table, asked: AtomicUsize::new(0) }
    }

    /// Returns the archive's row under `key`, or `None` if there is none. The key is compared with that of the
    /// row, so a wrong file leads to no wrong row.
    pub(crate) fn find(
        &self,
        key: &str,
        segments: &[Segment],
        files: &[Option<KeyFile>],
        runs: &[Vec<QuantizedRun>],
    ) -> Option<usize> {
        let hash = key_file::hash(key.as_bytes());
        if self.asked.fetch_add(1, Ordering::Relaxed) < KEYS_FETCHED {
            // Fetches the pages of all files together, so that the lookup waits for the disk only once.
            files.iter().flatten().for_each(|file| file.fetch(hash));
        }
        let in_file = files.iter().zip(segments).zip(runs).find_map(|((file, segment), runs)| {
            let rows = file.as_ref()?.rows_of(hash).filter(|&row| row < segment.rows());
            rows.filter(|&row| segment.sound_key(row) == Some(key)).find_map(|row| archive_row(runs, row))
        });
        in_file.or_else(|| {
            let key_at = |place: Place| segments[place.segment as usize].key_bytes(place.row as usize);
            let place = self.table.find(self.table.hash(key.as_bytes()), key.as_bytes(), key_at)?.place;
            segments[place.segment as usize].sound_key(place.row as usize)?;
            archive_row(&runs[place.segment as usize], place.row as usize)
        })
    }
}
