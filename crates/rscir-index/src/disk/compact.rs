use rayon::prelude::*;

use crate::Result;
use crate::disk::manifest::{RowOrder, SegmentEntry};
use crate::disk::segment::SEGMENT_ROWS;
use crate::disk::writer::ArchiveWriter;

/// Number of segments of similar size that are merged into one. An archive then has few segments, and each row is
/// rewritten at most `log16(65536 / batch)` times.
const FAN_OUT: usize = 16;

/// Rows that a commit of any size may rewrite, which takes about a tenth of a second at width 768. A larger
/// commit may also rewrite [`FAN_OUT`] times its own rows, so that its cost depends on what it adds rather than
/// on the size of the archive.
const FREE_ROWS: usize = 8192;

/// Rows after which a rewrite releases the memory of those it has read: 3 MB in `f32` at width 768.
const RELEASED_ROWS: usize = 1024;

impl ArchiveWriter {
    /// Rewrites the archive as few segments without deleted rows, in the order in which its rows are numbered.
    ///
    /// Equal rows in equal order give equal files to the bit, whatever batches they came in. Readers continue
    /// undisturbed. If the power fails meanwhile, the archive is either as before or compacted. Until the call
    /// returns, the disk holds the rewritten rows twice.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged) if a segment is damaged: nothing is changed then, because the
    /// copies of damaged rows would get a valid checksum; see [`repair`](crate::repair()).
    /// [`Error::Io`](crate::Error::Io) if a file cannot be written; [`Error::LockLost`](crate::Error::LockLost)
    /// if the lock is lost; [`Error::Poisoned`](crate::Error::Poisoned) after a failed sync.
    pub fn compact(&mut self) -> Result<()> {
        self.compact_up_to(usize::MAX).map(|_| ())
    }

    /// Compacts like [`ArchiveWriter::compact`] if this rewrites at most `most` rows. Otherwise it changes
    /// nothing and returns the smallest number of rows that a compaction would rewrite.
    ///
    /// Searches work without compaction. It makes an archive smaller and some percent faster after many small
    /// commits or deletions, so it is worthwhile after much work, and not after a few rows.
    ///
    /// # Errors
    /// The errors of [`ArchiveWriter::compact`].
    pub fn compact_up_to(&mut self, most: usize) -> Result<Compaction> {
        self.compact_in(self.manifest.order, most)
    }

    /// Compacts into this order if at most `most` rows are rewritten.
    fn compact_in(&mut self, order: RowOrder, most: usize) -> Result<Compaction> {
        self.check_health()?;
        let entries = &self.manifest.segments;
        let full = entries.iter().take_while(|e| e.rows == SEGMENT_ROWS && e.deleted.is_empty()).count();
        let rest = &entries[full..];
        let is_compact = match rest {
            [] => true,
            [last] => last.rows <= SEGMENT_ROWS && last.deleted.is_empty(),
            _ => false,
        };
        // Decides without reading rows, because every ingest asks, even one of a single tile.
        let least: usize = rest.iter().map(SegmentEntry::live).sum();
        if !is_compact && least > most {
            return Ok(Compaction::Postponed { rows: least });
        }
        let mut rows = self.live_rows(0);
        let key = |&(segment, row): &(usize, usize)| self.segments[segment].segment.key_bytes(row);
        let sorts = order == RowOrder::Key && !rows.is_sorted_by_key(key);
        if !sorts && is_compact {
            return Ok(Compaction::NotNeeded);
        }
        let kept = if sorts { 0 } else { full };
        let mut rewritten = rows.split_off(kept * SEGMENT_ROWS);
        if rewritten.len() > most {
            return Ok(Compaction::Postponed { rows: rewritten.len() });
        }
        if sorts {
            rewritten.par_sort_unstable_by_key(key);
        }
        self.rewrite(kept, rewritten)?;
        Ok(Compaction::Done)
    }

    /// Compacts like [`ArchiveWriter::compact`], with the rows in the order of their keys by bytes, whatever the
    /// order in which they are numbered.
    ///
    /// If the items of an ingest came in sorted order, and some were changed and encoded again later, the archive
    /// becomes the one of a single ingest.
    ///
    /// # Errors
    /// The errors of [`ArchiveWriter::compact`].
    pub fn compact_sorted(&mut self) -> Result<()> {
        self.compact_in(RowOrder::Key, usize::MAX).map(|_| ())
    }

    /// Merges segments if there are many of similar size and a commit of `incoming` rows may rewrite them.
    pub(crate) fn merge_small_segments(&mut self, incoming: usize) -> Result<()> {
        let live: Vec<usize> = self.manifest.segments.iter().map(|entry| entry.live()).collect();
        let most = incoming.saturating_mul(FAN_OUT).saturating_add(FREE_ROWS);
        match merge_from(&live, most) {
            Some(kept) => self.rewrite(kept, self.live_rows(kept)),
            None => Ok(()),
        }
    }

    /// Returns the rows that are not deleted, as segment and row, from segment `first` on.
    fn live_rows(&self, first: usize) -> Vec<(usize, usize)> {
        let entries = self.manifest.segments.iter().enumerate().skip(first);
        entries
            .flat_map(|(segment, entry)| {
                entry.deleted.gaps(entry.rows).flatten().map(move |row| (segment, row))
            })
            .collect()
    }

    /// Replaces all segments after the first `kept` by new ones of the given rows.
    fn rewrite(&mut self, kept: usize, rows: Vec<(usize, usize)>) -> Result<()> {
        self.check_copied(rows.iter().map(|&(segment, _)| segment))?;
        let written = self.write_segments(rows.len(), &|i| {
            // Writing asks for all rows in order, several times.
            if i.is_multiple_of(RELEASED_ROWS) {
                self.release();
            }
            let (segment, row) = rows[i];
            self.segments[segment].segment.row(row)
        });
        let written = self.note_doubt(written)?;
        let mut manifest = self.manifest.clone();
        manifest.segments.truncate(kept);
        self.publish(manifest, written, &[])
    }
}

/// The result of a compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compaction {
    /// The archive was rewritten.
    Done,
    /// The archive was compact already.
    NotNeeded,
    /// The compaction would rewrite more rows than allowed, so nothing was changed.
    Postponed {
        /// Smallest number of rows that it would rewrite.
        rows: usize,
    },
}

/// Returns the segment from which on all segments are merged, or `None` if there is nothing to merge. `rows` are
/// the row counts of the segments, of which at most `most` may be rewritten.
///
/// The tier of a segment is the power of [`FAN_OUT`] that its rows reach. The last segments of a tier, and those
/// of lower tiers between them, are merged when there are [`FAN_OUT`] of the tier, or when with one more they
/// would be too many rows to merge.
fn merge_from(rows: &[usize], most: usize) -> Option<usize> {
    let tier = |rows: usize| rows.max(1).ilog(FAN_OUT);
    let full = tier(SEGMENT_ROWS);
    let highest = rows.iter().map(|&n| tier(n)).filter(|&t| t < full).max()?;
    (0..=highest).rev().find_map(|t| {
        let start = rows.iter().rposition(|&n| tier(n) > t).map_or(0, |at| at + 1);
        let of_tier = rows[start..].iter().filter(|&&n| tier(n) == t).count();
        let sum: usize = rows[start..].iter().sum();
        // With one more segment, the rows would be too many to merge.
        let last_chance = of_tier >= 2 && sum >= most / 2 && sum + sum / of_tier > most;
        (sum <= most && (of_tier >= FAN_OUT || last_chance)).then_some(start)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_stay_few_and_rows_are_rewritten_seldom() {
        for batch in [1, 7, 32, 100, 256] {
            let (mut segments, mut written, mut most) = (Vec::new(), 0, 0);
            let commits = 300_000 / batch;
            let budget = FAN_OUT * batch + FREE_ROWS;
            for _ in 0..commits {
                if let Some(start) = merge_from(&segments, budget) {
                    let rows: usize = segments.drain(start..).sum();
                    assert!(rows <= budget, "{rows} rows rewritten by a commit of {batch}");
                    written += rows;
                    segments.extend((0..rows).step_by(SEGMENT_ROWS).map(|s| SEGMENT_ROWS.min(rows - s)));
                }
                segments.push(batch);
                most = most.max(segments.len());
            }
            // There are some dozens of segments, and those that such commits may not merge any more.
            let unmerged = 2 * commits * batch / FREE_ROWS;
            assert!(most <= 4 * FAN_OUT + 8 + unmerged, "{most} segments with batches of {batch}");
            assert!(written <= 5 * commits * batch, "{written} rows rewritten with batches of {batch}");
        }
    }
}
