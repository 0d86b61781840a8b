use std::sync::atomic::{AtomicUsize, Ordering};

use rscir_core::QuantizedRun;

use crate::disk::key_file::{self, KeyFile};
use crate::disk::key_table::{KeyTable, Place};
use crate::disk::segment::Segment;
use crate::rows::archive_row;

/// Finds the rows of an archive by key: by the files of its segments, which take no memory, and by a table of those rows whose
/// segments have none.
pub(crate) struct KeyLookup {
    table: KeyTable,
    /// Keys that were looked for so far.
    asked: AtomicUsize,
}

/// Keys after which the system is not told any more what is looked at next: the hashes of a full segment fill 64 pages, most of
/// which were fetched by then, and telling takes longer than looking.
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
                // A manifest has no more segments, and a segment no more rows.
                let place = Place { segment: segment as u32, row: row as u32 };
                table.insert(table.hash(key_at(place)), key_at(place), place, key_at);
            }
        }
        Self { table, asked: AtomicUsize::new(0) }
    }

    /// Finds the archive's row under `key`: whatever files say, it is one with this key.
    pub(crate) fn find(
        &self,
        key: &str,
        segments: &[Segment],
        files: &[Option<KeyFile>],
        runs: &[Vec<QuantizedRun>],
    ) -> Option<usize> {
        let hash = key_file::hash(key.as_bytes());
        if self.asked.fetch_add(1, Ordering::Relaxed) < KEYS_FETCHED {
            // At once, so that the medium need not be waited for segment after segment.
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
