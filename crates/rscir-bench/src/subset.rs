use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use rscir_core::{Archive, Embeddings, EncoderSpec, Moments, Queries};

use crate::Result;

/// Some rows of an archive as an archive in memory: the gallery of a group of queries.
///
/// Methods see nothing else, so the statistics of WeiCom's normalization are those of the gallery.
pub(crate) struct Subset<'a> {
    archive: &'a dyn Archive,
    rows: &'a [usize],
    places: HashMap<usize, usize>,
    vectors: Embeddings,
    moments: OnceLock<Moments>,
}

impl<'a> Subset<'a> {
    /// Copies the vectors of `rows`, which must be in the archive.
    pub(crate) fn new(archive: &'a dyn Archive, rows: &'a [usize]) -> Result<Self> {
        let mut values = Vec::with_capacity(rows.len() * archive.dim());
        for &row in rows {
            values.extend_from_slice(&archive.vector(row));
        }
        let vectors = Embeddings::normalize(archive.dim(), values)?;
        let places = rows.iter().copied().zip(0..).collect();
        Ok(Self { archive, rows, places, vectors, moments: OnceLock::new() })
    }

    /// Returns the place of the archive's `row` in the subset.
    pub(crate) fn place(&self, row: usize) -> Option<usize> {
        self.places.get(&row).copied()
    }
}

impl Archive for Subset<'_> {
    fn spec(&self) -> &EncoderSpec {
        self.archive.spec()
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn key(&self, row: usize) -> &str {
        self.archive.key(self.rows[row])
    }

    fn checked_key(&self, row: usize) -> rscir_core::Result<&str> {
        self.archive.checked_key(self.rows[row])
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.place(self.archive.find(key)?)
    }

    fn vector(&self, row: usize) -> Cow<'_, [f32]> {
        self.vectors.row(row).into()
    }

    fn similarities(&self, queries: Queries<'_>, scores: &mut [f32]) -> rscir_core::Result<()> {
        queries.check(self.dim(), self.len(), scores)?;
        let rows = self.vectors.as_slice();
        rscir_kernels::matmul_nt(queries.as_slice(), rows, queries.len(), self.len(), self.dim(), scores);
        Ok(())
    }

    fn moments(&self) -> &Moments {
        self.moments.get_or_init(|| {
            // The matrix is always a whole number of rows.
            Moments::of(self.dim(), self.vectors.as_slice()).unwrap_or_else(|_| Moments::empty(self.dim()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rscir_core::testing;
    use rscir_index::MemoryArchive;

    #[test]
    fn is_an_archive() {
        let all = testing::unit_rows(12, 8, 3);
        let keys: Vec<String> = (0..12).map(|row| format!("{row}.jpg")).collect();
        let archive = MemoryArchive::new(EncoderSpec::unknown(8), keys.clone(), all.clone()).unwrap();
        let rows = [7, 2, 11];
        let subset = Subset::new(&archive, &rows).unwrap();
        let mut expected = Embeddings::empty(8);
        for row in rows {
            expected.append(&Embeddings::normalize(8, all.row(row).to_vec()).unwrap()).unwrap();
        }
        testing::archive(&subset, &rows.map(|row| keys[row].as_str()), &expected, 2e-6);
        assert_eq!(subset.find("3.jpg"), None, "a row outside is not found");
    }
}
