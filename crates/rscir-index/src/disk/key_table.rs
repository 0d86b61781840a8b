use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Place of a row: the number of its segment, which stays the same while other segments come and go, and the
/// row's number in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    pub(crate) row: u32,
}

/// Place of a row that was found, with the hash of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FoundPlace {
    pub(crate) place: Place,
    hash: u64,
}

/// Finds rows by key without a copy of the keys, which stay in the segments. Takes about 18 bytes a row.
///
/// Its methods take a function `key_at`, which returns the key at a place. It must return the same bytes for a
/// place as long as the table holds it.
pub(crate) struct KeyTable {
    /// Hashes with random keys, so that nobody can choose names of files whose hashes collide.
    hasher: RandomState,
    places: HashTable<Place>,
}

impl Default for KeyTable {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl KeyTable {
    /// Makes a table with room for `rows` rows.
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self { hasher: RandomState::new(), places: HashTable::with_capacity(rows) }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Computes the hash of a key, which the other methods take. A caller with many keys computes their hashes
    /// first, so that the processor does not wait for memory at each key.
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    /// Returns the place of a key, or `None` if the table does not hold it.
    pub(crate) fn find<'a>(
        &self,
        hash: u64,
        key: &[u8],
        key_at: impl Fn(Place) -> &'a [u8],
    ) -> Option<FoundPlace> {
        let place = *self.places.find(hash, |&place| key_at(place) == key)?;
        Some(FoundPlace { place, hash })
    }

    /// Sets the place of a key, and returns its earlier place.
    pub(crate) fn insert<'a>(
        &mut self,
        hash: u64,
        key: &[u8],
        place: Place,
        key_at: impl Fn(Place) -> &'a [u8],
    ) -> Option<Place> {
        let hasher = &self.hasher;
        let entry =
            self.places.entry(hash, |&place| key_at(place) == key, |&place| hasher.hash_one(key_at(place)));
        match entry {
            Entry::Occupied(mut entry) => Some(std::mem::replace(entry.get_mut(), place)),
            Entry::Vacant(entry) => {
                entry.insert(place);
                None
            }
        }
    }

    /// Removes a row, without reading its key.
    pub(crate) fn remove(&mut self, found: FoundPlace) {
        if let Ok(entry) = self.places.find_entry(found.hash, |&place| place == found.place) {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn equals_a_map(steps in prop::collection::vec((0u8..3, 0u32..30, 0u32..4), 0..200)) {
            let keys: Vec<String> = (0..30).map(|i| format!("key {i}")).collect();
            // The row's number determines the key.
            let key_at = |place: Place| keys[place.row as usize].as_bytes();
            let (mut table, mut map) = (KeyTable::with_capacity(0), BTreeMap::new());
            for (action, row, segment) in steps {
                let (key, place) = (keys[row as usize].as_bytes(), Place { segment, row });
                let hash = table.hash(key);
                match action {
                    0 => prop_assert_eq!(table.insert(hash, key, place, key_at), map.insert(key, place)),
                    1 => prop_assert_eq!(table.find(hash, key, key_at).map(|f| f.place), map.get(key).copied()),
                    _ => {
                        map.remove(key);
                        if let Some(found) = table.find(hash, key, key_at) {
                            table.remove(found);
                        }
                    }
                }
                prop_assert_eq!((table.len(), table.is_empty()), (map.len(), map.is_empty()));
            }
        }
    }
}
