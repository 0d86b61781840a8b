/// The rows of an archive that pass a [`Filter`](crate::Filter).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    rows: usize,
    /// One bit per row, from the lowest bit of the first word on. Bits beyond the last row are 0.
    words: Vec<u64>,
}

impl Selection {
    pub(super) fn none(rows: usize) -> Self {
        Self { rows, words: vec![0; rows.div_ceil(64)] }
    }

    pub(super) fn all(rows: usize) -> Self {
        Self::none(rows).not()
    }

    pub(super) fn insert(&mut self, row: usize) {
        self.words[row / 64] |= 1 << (row % 64);
    }

    /// Tells whether row `row` passes the filter. `false` for a row beyond the end of the archive.
    #[must_use]
    pub fn contains(&self, row: usize) -> bool {
        self.words.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Returns the number of rows that pass the filter.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Tells whether no row passes the filter.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// Iterates over the rows that pass the filter, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        (0..self.rows).filter(|&row| self.contains(row))
    }

    pub(super) fn and(mut self, other: &Self) -> Self {
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a &= b);
        self
    }

    pub(super) fn or(mut self, other: &Self) -> Self {
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a |= b);
        self
    }

    pub(super) fn not(mut self) -> Self {
        self.words.iter_mut().for_each(|word| *word = !*word);
        if let (Some(last), used @ 1..) = (self.words.last_mut(), self.rows % 64) {
            *last &= (1 << used) - 1;
        }
        self
    }
}
