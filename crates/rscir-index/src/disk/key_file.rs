//! The keys of a segment in the order of their hashes, in a file beside the segment: finds a row by key without
//! reading other keys.

use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

use safetensors::tensor::Dtype;

use crate::digest::Digest;
use crate::disk::derived::{self, CHECKSUMS};
use crate::disk::segment::{MAX_HEADER, Segment};
use crate::storage::{Bytes, Reading};
use crate::{Error, Result};

/// Hashes on either side of the guessed place that are read first: half a page. Hashes are spread evenly, so that
/// among 65,536 of them one lies a hundred or two hundred places away from its guess.
const NEAR: usize = 512;

/// Computes the hash of a key: the first four bytes of its SHA-256, little-endian. Few keys of a segment have
/// equal hashes, and making a key with a given hash takes four billion hashes.
pub(crate) fn hash(key: &[u8]) -> u32 {
    let &[a, b, c, d, ..] = Digest::of(key).bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The content of a segment's key file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeyOrder {
    /// Hashes of the keys, ascending.
    hashes: Vec<u32>,
    /// The row of each hash; rows of equal hashes ascend.
    rows: Vec<u32>,
    /// The first row, and each row whose key is not greater, by bytes, than that of the row before.
    stretches: Vec<u32>,
}

impl KeyOrder {
    /// Sorts the keys of the rows `0..n` by their hashes.
    pub(crate) fn of<'a>(n: usize, key: impl Fn(usize) -> &'a [u8]) -> Self {
        // The row numbers of a segment fit 32 bits.
        let mut pairs: Vec<(u32, u32)> = (0..n).map(|row| (hash(key(row)), row as u32)).collect();
        pairs.sort_unstable();
        let (hashes, rows) = pairs.into_iter().unzip();
        let begins = |&row: &usize| row == 0 || key(row - 1) >= key(row);
        let stretches = (0..n).filter(begins).map(|row| row as u32).collect();
        Self { hashes, rows, stretches }
    }

    /// Writes the file. Equal segments give equal bytes.
    pub(crate) fn write(&self, out: &mut dyn Write, segment: &Digest) -> io::Result<()> {
        let tensor = |values| bytemuck::cast_slice::<u32, u8>(values);
        let tensors = [
            ("hashes", Dtype::U32, tensor(&self.hashes)),
            ("rows", Dtype::U32, tensor(&self.rows)),
            ("stretches", Dtype::U32, tensor(&self.stretches)),
        ];
        derived::write(out, segment, &tensors, "hashes")
    }
}

/// The key file of a segment. Its content is not trusted: it names rows whose key may be the wanted one, and the
/// caller compares the keys.
#[derive(Debug)]
pub(crate) struct KeyFile {
    bytes: Bytes,
    hashes: Range<usize>,
    rows: Range<usize>,
    stretches: Range<usize>,
}

impl KeyFile {
    /// Returns the largest number of bytes that the file of a segment of `rows` rows can have.
    pub(crate) fn longest(rows: usize) -> u64 {
        MAX_HEADER + (3 * 4 * rows + CHECKSUMS) as u64
    }

    /// Opens the file of a segment of `rows` rows. Reads only its header.
    pub(crate) fn view(bytes: Bytes, path: &Path, segment: &Digest, rows: usize) -> Result<Self> {
        let tensors = derived::view(&bytes, path, segment)?;
        let find = |name: &str, length: Option<usize>| tensors.find(name, Dtype::U32, &[length]);
        Ok(Self {
            hashes: find("hashes", Some(rows))?,
            rows: find("rows", Some(rows))?,
            stretches: find("stretches", None)?,
            bytes,
        })
    }

    /// Reads the whole file and compares it with its checksum and with its segment.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it differs.
    pub(crate) fn check(&self, path: &Path, segment: &Segment) -> Result<()> {
        derived::check(&self.bytes, path)?;
        let KeyOrder { hashes, rows, stretches } = KeyOrder::of(segment.rows(), |row| segment.key_bytes(row));
        let said = [&self.hashes, &self.rows, &self.stretches].map(|range| self.values(range));
        if said == [&hashes[..], &rows, &stretches] {
            Ok(())
        } else {
            Err(Error::Damaged { path: path.into() })
        }
    }

    /// Tells the system to fetch the pages that [`KeyFile::rows_of`] reads first.
    pub(crate) fn fetch(&self, hash: u32) {
        let near = self.near(hash);
        for range in [&self.hashes, &self.rows] {
            self.bytes.expect(Reading::Soon, range.start + 4 * near.start..range.start + 4 * near.end);
        }
    }

    /// Iterates over the rows whose key has this hash, according to the file.
    pub(crate) fn rows_of(&self, hash: u32) -> impl Iterator<Item = usize> {
        let (hashes, rows) = (self.values(&self.hashes), self.values(&self.rows));
        let Range { mut start, mut end } = self.near(hash);
        // Searches further away in steps that double. The loops end even if the file is wrong.
        let mut step = NEAR;
        while start > 0 && hashes[start] >= hash {
            start = start.saturating_sub(step);
            step = step.saturating_mul(2);
        }
        step = NEAR;
        while end < hashes.len() && hashes[end - 1] < hash {
            end = hashes.len().min(end.saturating_add(step));
            step = step.saturating_mul(2);
        }
        let first = start + hashes[start..end].partition_point(|&other| other < hash);
        let equal = hashes[first..].iter().zip(&rows[first..]).take_while(move |&(&other, _)| other == hash);
        equal.map(|(_, &row)| row as usize)
    }

    /// Returns the first rows of stretches whose keys ascend, beginning with row 0; `None` if the file holds
    /// other numbers.
    pub(crate) fn stretches(&self, rows: usize) -> Option<&[u32]> {
        let stretches = self.values(&self.stretches);
        let begins = stretches.first().is_none_or(|&first| first == 0) && stretches.is_empty() == (rows == 0);
        let rises = stretches.is_sorted_by(|a, b| a < b);
        let ends = stretches.last().is_none_or(|&last| (last as usize) < rows);
        (begins && rises && ends).then_some(stretches)
    }

    /// Guesses the place of the first hash that is at least `hash`.
    fn near(&self, hash: u32) -> Range<usize> {
        let count = self.hashes.len() / 4;
        let middle = ((u64::from(hash) * count as u64) >> 32) as usize;
        middle.saturating_sub(NEAR)..count.min(middle + NEAR)
    }

    fn values(&self, range: &Range<usize>) -> &[u32] {
        bytemuck::cast_slice(&self.bytes[range.clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file_of(order: &KeyOrder) -> KeyFile {
        let (mut bytes, segment) = (Vec::new(), Digest::of(b"the segment"));
        order.write(&mut bytes, &segment).unwrap();
        KeyFile::view(Bytes::from(&bytes[..]), Path::new("a.keys"), &segment, order.rows.len()).unwrap()
    }

    #[test]
    fn each_key_leads_to_its_row_and_no_other_to_a_wrong_one() {
        for rows in [0usize, 1, 2, 1000, 20_000] {
            let keys: Vec<String> = (0..rows).map(|row| format!("key {row}")).collect();
            let order = KeyOrder::of(rows, |row| keys[row].as_bytes());
            let file = file_of(&order);
            for (row, key) in keys.iter().enumerate() {
                assert!(file.rows_of(hash(key.as_bytes())).any(|found| found == row));
            }
            for hash in (0..1000).map(|i| i * 4_294_967).chain([u32::MAX]) {
                let all = order.hashes.iter().zip(&order.rows).filter(|pair| *pair.0 == hash);
                assert!(file.rows_of(hash).eq(all.map(|pair| *pair.1 as usize)));
            }
        }
    }

    #[test]
    fn stretches_end_where_a_key_does_not_rise() {
        let keys = [b"b", b"c", b"a", b"d", b"d"];
        let file = file_of(&KeyOrder::of(5, |row| &keys[row][..]));
        assert_eq!(file.stretches(5), Some(&[0, 2, 4][..]));
        assert_eq!(file_of(&KeyOrder::of(0, |_| &[])).stretches(0), Some(&[][..]));
    }

    proptest! {
        // With hashes in any order and rows that do not exist, rows are found or not, and nothing panics.
        #[test]
        fn a_file_that_lies_does_no_harm(
            hashes in prop::collection::vec(any::<u32>(), 0..3000),
            stretches in prop::collection::vec(0u32..20, 0..6),
            hash in any::<u32>(),
        ) {
            let rows = hashes.iter().map(|hash| hash.rotate_left(7)).collect();
            let count = hashes.len();
            let file = file_of(&KeyOrder { hashes, rows, stretches: stretches.clone() });
            file.fetch(hash);
            prop_assert!(file.rows_of(hash).count() <= count);
            if let Some(said) = file.stretches(10) {
                prop_assert!(said.first() == Some(&0) && said.is_sorted_by(|a, b| a < b) && said.iter().all(|&row| row < 10));
                prop_assert_eq!(said, &stretches);
            }
        }
    }
}
