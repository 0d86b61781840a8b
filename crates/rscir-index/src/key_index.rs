use std::hash::{BuildHasher, RandomState};

/// Finds rows by key without a copy of the keys: a hash table of row numbers with linear probing.
pub(crate) struct KeyIndex {
    hasher: RandomState,
    /// Row + 1, or 0 for a free slot. At most half of the slots are taken, and their number is a power of two.
    slots: Vec<usize>,
}

impl KeyIndex {
    /// Makes an index of the rows `0..rows`. `key` returns the key of a row.
    pub(crate) fn new<'a>(rows: usize, key: impl Fn(usize) -> &'a str) -> Self {
        let slots = vec![0; (rows * 2).next_power_of_two()];
        let mut index = Self { hasher: RandomState::new(), slots };
        for row in 0..rows {
            let free = index.probe(key(row)).find(|&slot| index.slots[slot] == 0);
            if let Some(slot) = free {
                index.slots[slot] = row + 1;
            }
        }
        index
    }

    /// Returns the first row whose key is `wanted`, or `None` if there is none.
    pub(crate) fn find<'a>(&self, wanted: &str, key: impl Fn(usize) -> &'a str) -> Option<usize> {
        self.probe(wanted)
            .map(|slot| self.slots[slot])
            .take_while(|&row| row != 0)
            .map(|row| row - 1)
            .find(|&row| key(row) == wanted)
    }

    /// Iterates over the slots in which a key may be, in the order in which they are tried.
    fn probe(&self, key: &str) -> impl Iterator<Item = usize> + use<> {
        let mask = self.slots.len() - 1;
        let start = self.hasher.hash_one(key) as usize;
        (0..=mask).map(move |step| start.wrapping_add(step) & mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_key_and_no_other() {
        for rows in [0usize, 1, 2, 3, 1000] {
            let keys: Vec<String> = (0..rows).map(|i| format!("key {i}")).collect();
            let key = |row: usize| keys[row].as_str();
            let index = KeyIndex::new(rows, key);
            for (row, wanted) in keys.iter().enumerate() {
                assert_eq!(index.find(wanted, key), Some(row));
            }
            assert_eq!(index.find("another", key), None);
        }
    }
}
