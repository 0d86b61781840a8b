use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A set of rows of one segment, stored as ranges that are sorted, not empty, and separated by at least one row.
///
/// Rows that are replaced in the order in which they were committed make one range, however many they are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct RowSet(Vec<(usize, usize)>);

impl RowSet {
    /// Adds a row. Returns `false` if the set already holds it.
    pub(crate) fn insert(&mut self, row: usize) -> bool {
        // The first range that ends at or after the row: the one that holds the row, or to which it can be
        // appended.
        let at = self.0.partition_point(|&(_, end)| end < row);
        let touches_next =
            |ranges: &[(usize, usize)], i: usize| ranges.get(i).is_some_and(|r| r.0 == row + 1);
        match self.0.get(at).copied() {
            Some((start, end)) if (start..end).contains(&row) => return false,
            Some((_, end)) if end == row => {
                self.0[at].1 = row + 1;
                if touches_next(&self.0, at + 1) {
                    self.0[at].1 = self.0.remove(at + 1).1;
                }
            }
            _ if touches_next(&self.0, at) => self.0[at].0 = row,
            _ => self.0.insert(at, (row, row + 1)),
        }
        true
    }

    /// Adds rows, which are sorted and distinct, in one pass over the ranges. Returns the number of rows that
    /// were new.
    pub(crate) fn insert_all(&mut self, rows: &[usize]) -> usize {
        debug_assert!(rows.is_sorted_by(|a, b| a < b), "rows are sorted and distinct");
        if let [row] = rows {
            return usize::from(self.insert(*row));
        }
        let before = self.len();
        let mut merged: Vec<(usize, usize)> = Vec::with_capacity(self.0.len() + rows.len().min(1024));
        let (mut ranges, mut added) = (self.0.iter().copied().peekable(), rows.iter().copied().peekable());
        loop {
            let range_first = match (ranges.peek(), added.peek()) {
                (None, None) => break,
                (Some(range), Some(row)) => range.0 <= *row,
                (range, _) => range.is_some(),
            };
            let next = if range_first {
                ranges.next()
            } else {
                added.next().map(|row| (row, row.saturating_add(1)))
            };
            let Some((start, end)) = next else { break };
            match merged.last_mut() {
                Some(last) if last.1 >= start => last.1 = last.1.max(end),
                _ => merged.push((start, end)),
            }
        }
        self.0 = merged;
        self.len() - before
    }

    /// Returns the number of rows.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|(start, end)| end - start).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over the ranges of rows in the set.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.0.iter().map(|&(start, end)| start..end)
    }

    /// Iterates over the ranges of rows below `rows` that are not in the set. None of them is empty.
    pub(crate) fn gaps(&self, rows: usize) -> impl Iterator<Item = Range<usize>> {
        let starts = std::iter::once(0).chain(self.0.iter().map(|r| r.1));
        let ends = self.0.iter().map(|r| r.0).chain(std::iter::once(rows));
        starts.zip(ends).map(|(start, end)| start..end).filter(|gap| !gap.is_empty())
    }

    /// Tells whether the ranges have the form of a set and lie below `rows`. A set that was read must be checked
    /// before it is used.
    pub(crate) fn is_valid(&self, rows: usize) -> bool {
        self.0.iter().all(|&(start, end)| start < end && end <= rows)
            && self.0.windows(2).all(|w| w[0].1 < w[1].0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn ranges_that_are_read_are_checked() {
        let valid = |ranges: &[(usize, usize)]| RowSet(ranges.to_vec()).is_valid(10);
        assert!(valid(&[]) && valid(&[(0, 1), (3, 10)]));
        assert!(!valid(&[(0, 11)]) && !valid(&[(2, 2)]) && !valid(&[(4, 3)]));
        assert!(!valid(&[(3, 4), (0, 1)]) && !valid(&[(0, 3), (2, 4)]) && !valid(&[(0, 3), (3, 4)]));
    }

    proptest! {
        #[test]
        fn rows_added_together_are_those_added_one_by_one(
            first in prop::collection::btree_set(0usize..40, 0..30),
            then in prop::collection::btree_set(0usize..40, 0..30),
        ) {
            let mut expected = RowSet::default();
            first.iter().chain(&then).for_each(|&row| { expected.insert(row); });
            let (mut set, rows) = (RowSet::default(), Vec::from_iter(then.iter().copied()));
            prop_assert_eq!(set.insert_all(&Vec::from_iter(first.iter().copied())), first.len());
            prop_assert_eq!(set.insert_all(&rows), then.difference(&first).count());
            prop_assert!(set.is_valid(40));
            prop_assert_eq!(set, expected);
        }

        #[test]
        fn equals_a_set(rows in prop::collection::vec(0usize..40, 0..60)) {
            let (mut set, mut model) = (RowSet::default(), BTreeSet::new());
            for row in rows {
                prop_assert_eq!(set.insert(row), model.insert(row));
                prop_assert!(set.is_valid(40));
            }
            prop_assert_eq!(set.len(), model.len());
            prop_assert_eq!(set.ranges().flatten().collect::<BTreeSet<_>>(), model.clone());
            let gaps: Vec<usize> = set.gaps(40).flatten().collect();
            prop_assert_eq!(gaps, (0..40).filter(|row| !model.contains(row)).collect::<Vec<_>>());
        }
    }
}
