use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use rayon::prelude::*;

use crate::disk::key_file::KeyFile;
use crate::disk::manifest::{Manifest, RowOrder};
use crate::disk::segment::Segment;

/// Consecutive rows of a segment, none of them deleted, that are consecutive rows of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    /// First row of the run in the archive.
    pub(crate) first_row: usize,
    pub(crate) segment: usize,
    /// Rows of the run in the segment.
    pub(crate) rows: Range<usize>,
}

/// Puts the rows of an archive in the order that the manifest names, in as few runs as possible. Every row that
/// is not deleted is in one run, whatever order the keys are in.
///
/// If `files` tell in which rows keys ascend, only the keys at the ends of stretches and around the places where
/// stretches meet are read.
pub(crate) fn runs(manifest: &Manifest, segments: &[Segment], files: &[Option<KeyFile>]) -> Vec<Run> {
    let mut list = RunList::default();
    match manifest.order {
        RowOrder::Commit => {
            for (segment, entry) in manifest.segments.iter().enumerate() {
                entry.deleted.gaps(entry.rows).for_each(|rows| list.push(segment, rows));
            }
        }
        RowOrder::Key => {
            let stretches: Vec<Vec<Stretch>> = segments
                .par_iter()
                .zip(&manifest.segments)
                .enumerate()
                .map(|(at, (segment, entry))| {
                    let live = entry.deleted.gaps(entry.rows);
                    match files.get(at).and_then(|file| file.as_ref()?.stretches(entry.rows)) {
                        Some(starts) => known_stretches(at, starts, live),
                        None => stretches(at, segment, live),
                    }
                })
                .collect();
            merge(segments, stretches.into_iter().flatten().collect(), &mut list);
        }
    }
    list.0
}

#[derive(Default)]
struct RunList(Vec<Run>);

impl RunList {
    /// Appends rows, and joins them with the last run if they follow it.
    fn push(&mut self, segment: usize, rows: Range<usize>) {
        let first_row = match self.0.last_mut() {
            Some(last) if last.segment == segment && last.rows.end == rows.start => {
                last.rows.end = rows.end;
                return;
            }
            Some(last) => last.first_row + last.rows.len(),
            None => 0,
        };
        self.0.push(Run { first_row, segment, rows });
    }
}

/// Rows of one segment whose keys ascend.
struct Stretch {
    segment: usize,
    /// Ranges of rows in ascending order, none of them empty.
    ranges: Vec<Range<usize>>,
}

/// Cuts the rows of a segment wherever a key does not ascend. The rows of an ingest in sorted order are one
/// stretch.
fn stretches(at: usize, segment: &Segment, live: impl Iterator<Item = Range<usize>>) -> Vec<Stretch> {
    segment.fetch_keys();
    let mut list: Vec<Stretch> = Vec::new();
    let mut last: Option<&[u8]> = None;
    for rows in live {
        let mut start = rows.start;
        for row in rows.clone() {
            let key = segment.key_bytes(row);
            if last.is_none_or(|last| last >= key) {
                if let Some(stretch) = list.last_mut().filter(|_| start < row) {
                    stretch.ranges.push(start..row);
                }
                list.push(Stretch { segment: at, ranges: Vec::new() });
                start = row;
            }
            last = Some(key);
        }
        if let Some(stretch) = list.last_mut() {
            stretch.ranges.push(start..rows.end);
        }
    }
    list
}

/// Cuts the rows of a segment at the `starts` of stretches, which are known.
fn known_stretches(at: usize, starts: &[u32], live: impl Iterator<Item = Range<usize>>) -> Vec<Stretch> {
    let mut list: Vec<Stretch> = Vec::new();
    let mut starts = starts.iter().map(|&start| start as usize).peekable();
    for rows in live {
        let mut start = rows.start;
        while start < rows.end {
            // Enters the last stretch that begins at or before this row. Earlier ones have only deleted rows.
            while starts.next_if(|&next| next <= start).is_some() {
                list.push(Stretch { segment: at, ranges: Vec::new() });
            }
            let end = starts.peek().map_or(rows.end, |&next| next.min(rows.end));
            if let Some(stretch) = list.last_mut() {
                stretch.ranges.push(start..end);
            }
            start = end;
        }
    }
    list.retain(|stretch| !stretch.ranges.is_empty());
    list
}

/// Merges stretches by key. Each step takes, from the stretch with the lowest next key, all rows that precede the
/// rows of the other stretches.
fn merge(segments: &[Segment], stretches: Vec<Stretch>, list: &mut RunList) {
    let key = |stretch: &Stretch, row: usize| segments[stretch.segment].key_bytes(row);
    let first = |stretch: &Stretch| stretch.ranges.first().map(|rows| key(stretch, rows.start));
    let last = |stretch: &Stretch| stretch.ranges.last().map(|rows| key(stretch, rows.end - 1));
    if stretches.windows(2).all(|pair| last(&pair[0]) < first(&pair[1])) {
        for stretch in stretches {
            stretch.ranges.into_iter().for_each(|rows| list.push(stretch.segment, rows));
        }
        return;
    }
    // The position in each stretch: the range, and the row in it.
    let mut at: Vec<(usize, usize)> =
        stretches.iter().map(|s| (0, s.ranges.first().map_or(0, |rows| rows.start))).collect();
    // If keys are equal, which never happens in a sound archive, the earlier stretch comes first.
    let mut heads: BinaryHeap<Reverse<(&[u8], usize)>> =
        stretches.iter().enumerate().filter_map(|(i, s)| Some(Reverse((first(s)?, i)))).collect();
    while let Some(Reverse((_, i))) = heads.pop() {
        let stretch = &stretches[i];
        let bound = heads.peek().map(|Reverse((key, _))| *key);
        let (mut range, mut row) = at[i];
        let mut taken = false;
        while let Some(rows) = stretch.ranges.get(range) {
            let end = match bound {
                // Takes at least one row, because its key is the lowest of all.
                Some(bound) => {
                    (row + usize::from(!taken)).max(before(row..rows.end, |row| key(stretch, row) < bound))
                }
                None => rows.end,
            };
            if end > row {
                list.push(stretch.segment, row..end);
                taken = true;
            }
            if end < rows.end {
                row = end;
                heads.push(Reverse((key(stretch, row), i)));
                break;
            }
            range += 1;
            row = stretch.ranges.get(range).map_or(0, |rows| rows.start);
        }
        at[i] = (range, row);
    }
}

/// Returns the end of the first rows for which `holds` is true. Steps that double keep the number of calls at the
/// logarithm of the number of rows.
fn before(rows: Range<usize>, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut step) = (rows.start, 1);
    while low < rows.end && holds((low + step - 1).min(rows.end - 1)) {
        low = (low + step).min(rows.end);
        step *= 2;
    }
    let (mut low, mut high) = (low, (low + step - 1).min(rows.end));
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::before;

    #[test]
    fn the_end_of_the_first_rows_is_that_of_a_search_one_by_one() {
        for start in [0usize, 3] {
            for end in start..40 {
                for bound in 0..45 {
                    let expected = (start..end).find(|&row| row >= bound).unwrap_or(end);
                    assert_eq!(
                        before(start..end, |row| row < bound),
                        expected,
                        "{start}..{end} below {bound}"
                    );
                }
            }
        }
    }
}
