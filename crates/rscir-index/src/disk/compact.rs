use rayon::prelude::*;

use crate::Result;
use crate::disk::manifest::{RowOrder, SegmentEntry};
use crate::disk::segment::SEGMENT_ROWS;
use crate::disk::writer::ArchiveWriter;

/// That many segments of similar size are merged into one, so that an archive has few of them and each row is rewritten
/// `log16(65536 / batch)` times at most.
const FAN_OUT: usize = 16;

/// Rows that a commit of any size may rewrite on the way, which takes about a tenth of a second at 768 wide. A larger one
/// may rewrite [`FAN_OUT`] times its own rows more: a commit costs what it brings, not what is there.
const FREE_ROWS: usize = 8192;

/// Rows after which a rewrite lets go of those it has looked at: in `f32` and at 768 wide they take 3 MB.
const RELEASED_ROWS: usize = 1024;

impl ArchiveWriter {
    /// Rewrites the archive as few segments without deleted rows, in the order in which its rows are read.
    ///
    /// The same rows in the same order give the same files, to the bit, whatever batches they came in. Readers are not
    /// disturbed. If the power goes meanwhile, the archive is as it was or compacted. While it runs, the disk holds the rows
    /// that are rewritten twice.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged) if a segment is not what was written: nothing is changed then, since its
    /// rows would get a checksum that calls them sound; see [`repair`](crate::repair()). [`Error::Io`](crate::Error::Io),
    /// [`Error::Poisoned`](crate::Error::Poisoned).
    pub fn compact(&mut self) -> Result<()> {
        self.compact_up_to(usize::MAX).map(|_| ())
    }

    /// [`ArchiveWriter::compact`] if it rewrites `most` rows at the most; otherwise it says how many it would rewrite at the least.
    ///
    /// Searching needs no compaction: it makes an archive that was written in many small commits, or of which many rows were
    /// deleted, smaller and some percent faster. So it pays after much work, and not after a few rows.
    ///
    /// # Errors
    /// As [`ArchiveWriter::compact`].
    pub fn compact_up_to(&mut self, most: usize) -> Result<Compaction> {
        self.compact_in(self.manifest.order, most)
    }

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
        // Told without a look at the rows: this is asked after every ingest, be it of one tile.
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

    /// As [`ArchiveWriter::compact`], with the rows in the order of their keys (by bytes), whatever the order in which they
    /// are read.
    ///
    /// An archive whose files were taken in sorted order, some of them changed and taken again later, is then as if all
    /// had been taken at once.
    ///
    /// # Errors
    /// As [`ArchiveWriter::compact`].
    pub fn compact_sorted(&mut self) -> Result<()> {
        self.compact_in(RowOrder::Key, usize::MAX).map(|_| ())
    }

    /// Merges segments if there are many of similar size, as far as a commit of `incoming` rows may.
    pub(crate) fn merge_small_segments(&mut self, incoming: usize) -> Result<()> {
        let live: Vec<usize> = self.manifest.segments.iter().map(|entry| entry.live()).collect();
        let most = incoming.saturating_mul(FAN_OUT).saturating_add(FREE_ROWS);
        match merge_from(&live, most) {
            Some(kept) => self.rewrite(kept, self.live_rows(kept)),
            None => Ok(()),
        }
    }

    /// The rows that are not deleted, as segment and row, from segment `first` on.
    fn live_rows(&self, first: usize) -> Vec<(usize, usize)> {
        let entries = self.manifest.segments.iter().enumerate().skip(first);
        entries
            .flat_map(|(segment, entry)| {
                entry.deleted.gaps(entry.rows).flatten().map(move |row| (segment, row))
            })
            .collect()
    }

    /// Replaces all segments but the first `kept` by new ones of the given rows.
    fn rewrite(&mut self, kept: usize, rows: Vec<(usize, usize)>) -> Result<()> {
        self.check_copied(rows.iter().map(|&(segment, _)| segment))?;
        let written = self.write_segments(rows.len(), &|i| {
            // Rows are asked for in order, some times over.
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

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compaction {
    /// The archive was rewritten.
    Done,
    /// There was nothing to gain.
    NotNeeded,
    /// It would rewrite so many rows, more than were allowed: nothing was done.
    Postponed {
        /// Rows that it would rewrite, at the least.
        rows: usize,
    },
}

/// The segment from which on all are to be merged, given the rows of each, if those are `most` rows at the most.
///
/// A segment's tier is the power of [`FAN_OUT`] that its rows reach. The last segments of a tier, with the lower ones
/// between them, are merged once there are [`FAN_OUT`] of that tier, or as many as may be merged.
fn merge_from(rows: &[usize], most: usize) -> Option<usize> {
    let tier = |rows: usize| rows.max(1).ilog(FAN_OUT);
    let full = tier(SEGMENT_ROWS);
    let highest = rows.iter().map(|&n| tier(n)).filter(|&t| t < full).max()?;
    (0..=highest).rev().find_map(|t| {
        let start = rows.iter().rposition(|&n| tier(n) > t).map_or(0, |at| at + 1);
        let of_tier = rows[start..].iter().filter(|&&n| tier(n) == t).count();
        let sum: usize = rows[start..].iter().sum();
        // One segment more, and they could not be merged any longer.
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
            // Some dozens, and what such commits may not merge any more.
            let unmerged = 2 * commits * batch / FREE_ROWS;
            assert!(most <= 4 * FAN_OUT + 8 + unmerged, "{most} segments with batches of {batch}");
            assert!(written <= 5 * commits * batch, "{written} rows rewritten with batches of {batch}");
        }
    }
}
