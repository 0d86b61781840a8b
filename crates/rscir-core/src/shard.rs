use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// One of the parts into which the items of an ingest are split, so that each part is encoded by its own process.
///
/// The part of an item follows from its key and the number of parts alone. It does not depend on the item's place in
/// a list, so a new file moves no other, nor on the machine. A part is written as `2/4`, the second of four parts;
/// the first is `1/4`.
///
/// ```
/// use rscir_core::Shard;
///
/// let parts: Vec<Shard> = Shard::all(3)?;
/// let holders = parts.iter().filter(|shard| shard.holds("harbor/harbor04.jpg"));
/// assert_eq!(holders.count(), 1);
/// assert_eq!("2/3".parse::<Shard>()?, parts[1]);
/// # Ok::<(), rscir_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shard {
    /// The field comes first, so that the parts of one split are sorted by their number.
    count: usize,
    number: usize,
}

/// Greatest number of parts in a split. More parts would be of no use: even a billion tiles in 100,000 parts
/// are ten thousand tiles a part.
const MOST: usize = 100_000;

impl Shard {
    /// Makes part `number` of `count`, from 1.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `number` is from 1 to `count`, and `count` at most 100,000.
    pub fn new(number: usize, count: usize) -> Result<Self> {
        if (1..=count).contains(&number) && count <= MOST {
            return Ok(Self { count, number });
        }
        Err(refused(format!("{number}/{count}")))
    }

    /// Lists all parts of a split into `count`.
    ///
    /// # Errors
    /// The errors of [`Shard::new`].
    pub fn all(count: usize) -> Result<Vec<Self>> {
        Self::new(count, count)?;
        Ok((1..=count).map(|number| Self { count, number }).collect())
    }

    /// Returns the number of the part, from 1.
    pub fn number(self) -> usize {
        self.number
    }

    /// Returns the number of parts.
    pub fn count(self) -> usize {
        self.count
    }

    /// Tells whether the part holds the item with this key. Each key is in exactly one part of a split.
    pub fn holds(self, key: &str) -> bool {
        // The upper half of a product spreads a hash over the parts without the bias of a remainder.
        let place = (u128::from(spread(key.as_bytes())) * self.count as u128) >> 64;
        place == self.number as u128 - 1
    }
}

/// Hashes a key by FNV-1a of 64 bits (Fowler, Noll, Vo), followed by the finalizer of SplitMix64 (Steele,
/// Lea, Flood 2014), because the upper bits of FNV alone hardly differ between keys that differ at their end.
/// Archives record parts, so this hash never changes.
fn spread(key: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut z = key.iter().fold(0xcbf2_9ce4_8422_2325, step);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn refused(value: String) -> Error {
    Error::Parameter {
        name: "shard",
        value,
        expected: "a number and the number of all, such as 1/4 to 4/4, of at most 100000",
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split_once('/').and_then(|(number, count)| {
            Some((number.trim().parse::<usize>().ok()?, count.trim().parse::<usize>().ok()?))
        });
        let (number, count) = numbers.ok_or_else(|| refused(format!("{text:?}")))?;
        Self::new(number, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_one_part_and_parts_are_of_similar_size() {
        for count in [1, 2, 4, 7, 64] {
            let parts = Shard::all(count).unwrap();
            let mut sizes = vec![0usize; count];
            // Keys of even numbers alone, as of every other tile of a grid: they must not all be in every other part.
            let n = 1000 * count;
            for i in 0..n {
                let key = format!("tiles/{:06}.tif", 2 * i);
                let holders: Vec<usize> = (0..count).filter(|&part| parts[part].holds(&key)).collect();
                assert_eq!(holders.len(), 1, "{key} of {count}");
                sizes[holders[0]] += 1;
            }
            // Five standard deviations of 1,000 keys.
            assert!(sizes.iter().all(|size| size.abs_diff(1000) < 160), "{count} parts of {sizes:?}");
        }
    }

    #[test]
    fn the_part_of_a_key_never_changes() {
        // Recorded when the first archive with a part was written.
        let parts = Shard::all(4).unwrap();
        let part = |key: &str| parts.iter().find(|shard| shard.holds(key)).unwrap().number();
        assert_eq!(["", "a.png", "b.png", "harbor/harbor04.jpg", "\u{e9}"].map(part), [4, 4, 1, 1, 1]);
    }

    #[test]
    fn parts_are_read_as_they_are_written_and_none_is_number_0() {
        let part: Shard = "2/4".parse().unwrap();
        assert_eq!((part.number(), part.count(), part.to_string().as_str()), (2, 4, "2/4"));
        for wrong in ["0/4", "5/4", "0/0", "1", "1/", "/4", "-1/4", "1/4/4", "a/b", "1/100001"] {
            let error = wrong.parse::<Shard>().unwrap_err();
            assert!(error.to_string().contains("such as 1/4 to 4/4"), "{wrong}: {error}");
        }
        assert!(Shard::all(0).is_err());
    }
}
