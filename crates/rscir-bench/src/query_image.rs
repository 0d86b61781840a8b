use rscir_core::Archive;

/// A query image: its key, and its row in the archive that the queries were made on.
///
/// ```
/// use rscir_bench::QueryImage;
///
/// let image = QueryImage::from("harbor/1.jpg");
/// assert_eq!(image.key(), "harbor/1.jpg");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryImage {
    key: String,
    row: Option<usize>,
}

impl QueryImage {
    /// Makes the query image of an archive's row.
    pub(crate) fn in_row(archive: &dyn Archive, row: usize) -> Self {
        Self { key: archive.key(row).into(), row: Some(row) }
    }

    /// Returns the key of the image.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the row of the image in `archive`, or `None` if the archive does not hold the image. The key
    /// is looked up only if `archive` is not the one that the queries were made on.
    pub fn row_in(&self, archive: &dyn Archive) -> Option<usize> {
        let known = self.row.filter(|&row| row < archive.len() && archive.key(row) == self.key);
        known.or_else(|| archive.find(&self.key))
    }
}

impl From<String> for QueryImage {
    fn from(key: String) -> Self {
        Self { key, row: None }
    }
}

impl From<&str> for QueryImage {
    fn from(key: &str) -> Self {
        Self::from(key.to_string())
    }
}

#[cfg(test)]
mod tests {
    use rscir_core::{EncoderSpec, testing};
    use rscir_index::MemoryArchive;

    use super::*;

    #[test]
    fn an_image_is_found_in_its_own_archive_and_in_others() {
        let archive = |keys: [&str; 3]| {
            let rows = testing::unit_rows(3, 4, 1);
            MemoryArchive::new(EncoderSpec::unknown(4), keys.map(String::from).into(), rows).unwrap()
        };
        let own = archive(["a", "b", "c"]);
        let image = QueryImage::in_row(&own, 1);
        assert_eq!((image.key(), image.row_in(&own)), ("b", Some(1)));
        assert_eq!(image.row_in(&archive(["b", "a", "c"])), Some(0), "another archive has it elsewhere");
        assert_eq!(image.row_in(&archive(["x", "y", "z"])), None);
        assert_eq!(QueryImage::from("c").row_in(&own), Some(2));
    }
}
