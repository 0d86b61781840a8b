use crate::Result;
use crate::segment::SEGMENT_ROWS;
use crate::writer::ArchiveWriter;

/// That many segments of similar size are merged into one, so that an archive has some dozens of them at most and each
/// row is rewritten `log16(65536 / batch)` times.
const FAN_OUT: usize = 16;

/// Rows after which a rewrite lets go of those it has looked at: in `f32` and at 768 wide they take 3 MB.
const RELEASED_ROWS: usize = 1024;

impl ArchiveWriter {
    /// Rewrites the archive as few segments without deleted rows; rows keep their order.
    ///
    /// The same rows in the same order give the same files, to the bit, whatever batches they came in. Readers are not
    /// disturbed. If the power goes meanwhile, the archive is as it was or compacted.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged) if a segment is not what was written: nothing is changed then, since its
    /// rows would get a checksum that calls them sound; see [`repair`](crate::repair()). [`Error::Io`](crate::Error::Io),
    /// [`Error::Poisoned`](crate::Error::Poisoned).
    pub fn compact(&mut self) -> Result<()> {
        self.check_health()?;
        let entries = &self.manifest.segments;
        let kept = entries.iter().take_while(|e| e.rows == SEGMENT_ROWS && e.deleted.is_empty()).count();
        match &entries[kept..] {
            [] => Ok(()),
            [last] if last.rows <= SEGMENT_ROWS && last.deleted.is_empty() => Ok(()),
            _ => self.rewrite(kept, self.live_rows(kept)),
        }
    }

    /// As [`ArchiveWriter::compact`], with the rows in the order of their keys (by bytes).
    ///
    /// An archive whose files were taken in sorted order, some of them changed and taken again later, is then as if all
    /// had been taken at once.
    ///
    /// # Errors
    /// As [`ArchiveWriter::compact`].
    pub fn compact_sorted(&mut self) -> Result<()> {
        self.check_health()?;
        let mut rows = self.live_rows(0);
        let key = |&(segment, row): &(usize, usize)| self.segments[segment].segment.key(row);
        if rows.is_sorted_by_key(key) {
            return self.compact();
        }
        rows.sort_unstable_by_key(key);
        self.rewrite(0, rows)
    }

    /// Merges segments if there are many of similar size.
    pub(crate) fn merge_small_segments(&mut self) -> Result<()> {
        let live: Vec<usize> = self.manifest.segments.iter().map(|entry| entry.live()).collect();
        match merge_from(&live) {
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
        self.publish(manifest, written)
    }
}

/// The segment from which on all are to be merged, given the rows of each.
///
/// A segment's tier is the power of [`FAN_OUT`] that its rows reach. The last segments of a tier, with the lower ones
/// between them, are merged once there are [`FAN_OUT`] of that tier.
fn merge_from(rows: &[usize]) -> Option<usize> {
    let tier = |rows: usize| rows.max(1).ilog(FAN_OUT);
    let full = tier(SEGMENT_ROWS);
    let highest = rows.iter().map(|&n| tier(n)).filter(|&t| t < full).max()?;
    (0..=highest).rev().find_map(|t| {
        let start = rows.iter().rposition(|&n| tier(n) > t).map_or(0, |at| at + 1);
        let of_tier = rows[start..].iter().filter(|&&n| tier(n) == t).count();
        (of_tier >= FAN_OUT).then_some(start)
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
            for _ in 0..commits {
                if let Some(start) = merge_from(&segments) {
                    let rows: usize = segments.drain(start..).sum();
                    written += rows;
                    segments.extend((0..rows).step_by(SEGMENT_ROWS).map(|s| SEGMENT_ROWS.min(rows - s)));
                }
                segments.push(batch);
                most = most.max(segments.len());
            }
            assert!(most <= 4 * FAN_OUT + 8, "{most} segments with batches of {batch}");
            assert!(written <= 5 * commits * batch, "{written} rows rewritten with batches of {batch}");
        }
    }
}
