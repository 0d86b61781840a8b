//! One Parquet file. What it claims is checked against its bytes before it is decoded.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use rscir_core::files::{nanos_since_1970, open_regular};
use rscir_index::{ParquetLimits, check_parquet_claims};

use crate::{Error, Result};

/// A Parquet file whose claims were checked.
pub(crate) struct ParquetFile {
    path: PathBuf,
    file: File,
    metadata: ArrowReaderMetadata,
    /// Length in bytes, and time of the last change in nanoseconds since 1970.
    version: (u64, u128),
}

impl ParquetFile {
    /// Opens a file and checks its claims.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read, [`Error::Index`] if it claims more than its bytes can hold, and
    /// [`Error::Parquet`] if its metadata cannot be decoded.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let (mut file, len) = open_regular(path)?;
        let modified = file.metadata().ok().and_then(|metadata| metadata.modified().ok());
        check_parquet_claims(&mut file, path, ParquetLimits::by_pages()).map_err(|error| match error {
            error @ rscir_index::Error::Io { .. } => Error::from(error),
            problem => rscir_index::Error::File { path: path.into(), problem: Box::new(problem) }.into(),
        })?;
        // Types are read from Parquet's own schema. The schema that Arrow's writers add to the metadata is skipped,
        // because no check would hold it against the bytes.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = guarded(path, || ArrowReaderMetadata::load(&file, options))?;
        Ok(Self { path: path.into(), file, metadata, version: (len, nanos_since_1970(modified)) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn version(&self) -> (u64, u128) {
        self.version
    }

    pub(crate) fn fields(&self) -> &arrow_schema::Fields {
        self.metadata.schema().fields()
    }

    /// Returns the value of the file's metadata under a name, or `None` if there is none.
    pub(crate) fn note(&self, name: &str) -> Option<&str> {
        let notes = self.metadata.metadata().file_metadata().key_value_metadata()?;
        notes.iter().find(|note| note.key == name)?.value.as_deref()
    }

    /// Returns the number of rows of each row group.
    pub(crate) fn groups(&self) -> Vec<u64> {
        let groups = self.metadata.metadata().row_groups();
        groups.iter().map(|group| u64::try_from(group.num_rows()).unwrap_or_default()).collect()
    }

    /// Returns the mean number of values of a row in a column and a row group, rounded down.
    pub(crate) fn values_per_row(&self, group: usize, root: usize) -> u64 {
        let Some(group) = self.metadata.metadata().row_groups().get(group) else { return 1 };
        let schema = self.metadata.parquet_schema();
        let of_root = (0..schema.num_columns()).filter(|&leaf| schema.get_column_root_idx(leaf) == root);
        let values: i64 = of_root
            .filter_map(|leaf| group.columns().get(leaf))
            .map(|chunk| chunk.num_values())
            .max()
            .unwrap_or_default();
        let values = u64::try_from(values).unwrap_or_default();
        values / u64::try_from(group.num_rows()).unwrap_or_default().max(1)
    }

    /// Returns an iterator that decodes the columns `roots` of a row group, `rows` rows at a time.
    pub(crate) fn read(&self, group: usize, roots: &[usize], rows: usize) -> Result<Batches> {
        let file = self
            .file
            .try_clone()
            .map_err(|source| Error::Parquet { path: self.path.clone(), source: source.into() })?;
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), roots.iter().copied());
        let reader = guarded(&self.path, || {
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
                .with_projection(mask)
                .with_row_groups(vec![group])
                .with_batch_size(rows)
                .build()
        })?;
        Ok(Batches { path: self.path.clone(), reader: Some(reader) })
    }
}

/// Iterator over batches of rows of a row group, in the order of the file.
pub(crate) struct Batches {
    path: PathBuf,
    reader: Option<ParquetRecordBatchReader>,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let reader = self.reader.as_mut()?;
        let batch = guarded(&self.path, || reader.next().transpose());
        if batch.is_err() {
            // After an error or a panic the decoder's state is unknown, so it is not called again.
            self.reader = None;
        }
        batch.transpose()
    }
}

/// Runs a decoder, which may panic on a damaged file, and returns a panic as an error. The values that the decoder
/// worked on are not used after a panic, so it does not matter what state they are in.
fn guarded<T, E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    path: &Path,
    decode: impl FnOnce() -> Result<T, E>,
) -> Result<T> {
    let source = match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok(decoded)) => return Ok(decoded),
        Ok(Err(error)) => error.into(),
        Err(_) => "the decoder failed on its bytes".into(),
    };
    Err(Error::Parquet { path: path.into(), source })
}
