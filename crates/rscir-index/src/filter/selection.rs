/// The rows of an archive of which a [`Filter`](crate::Filter) holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    rows: usize,
    /// A bit per row, the first row's lowest; none set beyond the last row.
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

    /// True if the filter holds of row `row`.
    #[must_use]
    pub fn contains(&self, row: usize) -> bool {
        self.words.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Number of rows of which it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// True if it holds of no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// The rows, in order.
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
