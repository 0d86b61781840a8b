use std::path::Path;

use rscir_core::Embeddings;
use rscir_index::{Column, Columns, Features, KeyKind};

use crate::{LeftOutColumn, ReadOptions, Result, Tally, VectorFiles, values};

/// The rows of a table, and what was left out of it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ReadFeatures {
    /// Rows of the table, with keys, vectors and columns.
    pub features: Features,
    /// Rows and values that were left out.
    pub tally: Tally,
    /// Columns that archives cannot keep.
    pub left_out: Vec<LeftOutColumn>,
}

/// Reads a Parquet file, or the files of a folder, into memory as a whole. For larger files use
/// [`import_vectors`](crate::import_vectors).
///
/// ```no_run
/// use rscir_interchange::{ReadOptions, read_features};
///
/// let read = read_features("earth_index.parquet", &ReadOptions::default())?;
/// println!("{} rows, {} left out", read.features.keys.len(), read.tally.left_out);
/// # Ok::<(), rscir_interchange::Error>(())
/// ```
///
/// # Errors
/// The errors of [`VectorFiles::open`], of [`VectorFiles::spec`] and of [`Blocks`](crate::Blocks), such as
/// [`Error::NoRows`](crate::Error::NoRows) if no row has a vector.
pub fn read_features(path: impl AsRef<Path>, options: &ReadOptions) -> Result<ReadFeatures> {
    let table = VectorFiles::open(path, options)?;
    let spec = table.spec(table.width()?)?;
    let mut keys = Vec::new();
    let mut embeddings = Embeddings::empty(spec.dim);
    let mut tally = Tally::default();
    let mut columns: Vec<Column> =
        table.columns().iter().map(|column| values::empty(column.column_type)).collect();
    for block in table.blocks() {
        let block = block?;
        keys.extend(block.keys);
        embeddings.append(&block.embeddings)?;
        for (schema, column) in table.columns().iter().zip(&mut columns) {
            if let Some(read) = block.columns.get(&schema.name) {
                values::append(column, read.clone());
            }
        }
        tally.append(block.tally);
    }
    let mut named = Columns::new(keys.len());
    for (schema, column) in table.columns().iter().zip(columns) {
        named.insert(&schema.name, column)?;
    }
    let features = Features { spec, kind: KeyKind::Keys, keys, labels: None, columns: named, embeddings };
    Ok(ReadFeatures { features, tally, left_out: table.left_out().to_vec() })
}
