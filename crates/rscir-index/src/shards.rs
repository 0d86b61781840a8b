use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use rscir_core::{
    Archive, ColumnType, ColumnValues, EncoderSpec, Moments, QuantizedPart, Queries, Scored, Value,
};

use crate::columns::Schema;
use crate::disk::ShardSet;
use crate::key_index::KeyIndex;
use crate::memory::index_of_unique;
use crate::moments::add;
use crate::search::nearest;
use crate::{Error, Result};

/// Several archives of one encoder that are searched as one: their rows follow each other, and their moments are
/// merged.
///
/// Every answer is that of a single archive with the same rows.
///
/// ```
/// use rscir_core::{Archive, Embeddings, EncoderSpec};
/// use rscir_index::{MemoryArchive, ShardedArchive};
///
/// let shard = |key: &str, x, y| {
///     let row = Embeddings::normalize(2, vec![x, y])?;
///     MemoryArchive::new(EncoderSpec::unknown(2), vec![key.into()], row).map(|a| Box::new(a) as Box<dyn Archive>)
/// };
/// let both = ShardedArchive::new(vec![shard("2023/a.tif", 1.0, 0.0)?, shard("2024/a.tif", 0.6, 0.8)?])?;
/// assert_eq!(both.find("2024/a.tif"), Some(1));
/// # Ok::<(), rscir_index::Error>(())
/// ```
pub struct ShardedArchive {
    shards: Vec<Box<dyn Archive>>,
    /// The first row of each shard, then the number of all rows.
    starts: Vec<usize>,
    spec: EncoderSpec,
    index: KeyIndex,
    schema: Schema,
    moments: OnceLock<Moments>,
}

impl fmt::Debug for ShardedArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardedArchive")
            .field("shards", &self.shards.len())
            .field("rows", &self.starts[self.shards.len()])
            .field("dim", &self.spec.dim)
            .finish_non_exhaustive()
    }
}

impl ShardedArchive {
    /// Puts the rows of all shards after each other. Reads all keys, and no vector.
    ///
    /// # Errors
    /// [`Error::NoShards`] if there are none; [`Error::ShardSpec`] if two come from different encoders;
    /// [`Error::DuplicateKey`] if two rows have the same key, with the rows counted over all shards;
    /// [`Error::ColumnType`] if a column has different types in two shards; [`Error::TooManyColumns`] if the
    /// shards have more than 64 columns together.
    pub fn new(shards: Vec<Box<dyn Archive>>) -> Result<Self> {
        // An unknown encoder agrees with every other, so the spec of the first shard with a known one is that of
        // all.
        let known = shards.iter().position(|shard| !shard.spec().is_unknown()).unwrap_or(0);
        let spec = shards.get(known).ok_or(Error::NoShards)?.spec().clone();
        let mut starts = vec![0];
        let mut rows = 0;
        for (i, shard) in shards.iter().enumerate() {
            spec.check(shard.spec()).map_err(|mismatch| Error::ShardSpec {
                shard: i,
                other: known,
                mismatch,
            })?;
            rows += shard.len();
            starts.push(rows);
        }
        let index = index_of_unique(rows, |row| key_in(&shards, &starts, row))?;
        let schema = Schema::of(shards.iter().flat_map(|shard| shard.columns()))?;
        Ok(Self { shards, starts, spec, index, schema, moments: OnceLock::new() })
    }

    /// Opens archives on disk as one. If they are shards of a split ingest, they must be all of its shards, and
    /// each must be finished. Rows come in the order of the shards; archives without a shard keep the order of
    /// `paths`.
    ///
    /// # Errors
    /// [`Error::Shards`] if shards are missing or unfinished, or the archives do not belong together;
    /// [`Error::NoShards`] if there are no paths; [`Error::ColumnType`] if a column has different types in two
    /// archives; the errors of [`DiskArchive::open`](crate::DiskArchive::open).
    pub fn open<P: AsRef<Path>>(paths: &[P]) -> Result<Self> {
        let archives = ShardSet::open(paths)?.into_archives().into_iter();
        Self::new(archives.map(|archive| Box::new(archive) as Box<dyn Archive>).collect())
    }

    /// Returns the archives in row order.
    pub fn shards(&self) -> &[Box<dyn Archive>] {
        &self.shards
    }
}

/// Returns the shard that holds a row, and the row's number in it.
fn locate(starts: &[usize], row: usize) -> (usize, usize) {
    let shard = starts.partition_point(|&start| start <= row) - 1;
    (shard, row - starts[shard])
}

/// Returns the key of a row.
fn key_in<'a>(shards: &'a [Box<dyn Archive>], starts: &[usize], row: usize) -> &'a str {
    let (shard, row) = locate(starts, row);
    shards[shard].key(row)
}

impl Archive for ShardedArchive {
    fn spec(&self) -> &EncoderSpec {
        &self.spec
    }

    fn len(&self) -> usize {
        self.starts[self.shards.len()]
    }

    fn key(&self, row: usize) -> &str {
        key_in(&self.shards, &self.starts, row)
    }

    fn checked_key(&self, row: usize) -> rscir_core::Result<&str> {
        let (shard, row) = locate(&self.starts, row);
        self.shards[shard].checked_key(row)
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.index.find(key, |row| self.key(row))
    }

    fn vector(&self, row: usize) -> Cow<'_, [f32]> {
        let (shard, row) = locate(&self.starts, row);
        self.shards[shard].vector(row)
    }

    fn fetch(&self, rows: Range<usize>) {
        for (shard, &start) in self.shards.iter().zip(&self.starts) {
            let rows = rows.start.max(start)..rows.end.min(start + shard.len());
            if !rows.is_empty() {
                shard.fetch(rows.start - start..rows.end - start);
            }
        }
    }

    fn similarities(&self, queries: Queries<'_>, scores: &mut [f32]) -> rscir_core::Result<()> {
        queries.check(self.dim(), self.len(), scores)?;
        let mut part = Vec::new();
        for (shard, &start) in self.shards.iter().zip(&self.starts) {
            let rows = start..start + shard.len();
            if queries.len() == 1 {
                shard.similarities(queries, &mut scores[rows])?;
            } else if !rows.is_empty() {
                part.resize(queries.len() * rows.len(), 0.0);
                shard.similarities(queries, &mut part)?;
                for (all, part) in scores.chunks_exact_mut(self.len()).zip(part.chunks_exact(rows.len())) {
                    all[rows.clone()].copy_from_slice(part);
                }
            }
        }
        Ok(())
    }

    fn moments(&self) -> &Moments {
        self.moments.get_or_init(|| {
            let mut whole = Moments::empty(self.dim());
            self.shards.iter().for_each(|shard| add(&mut whole, shard.moments()));
            whole
        })
    }

    fn nearest(&self, queries: Queries<'_>, k: usize) -> rscir_core::Result<Vec<Vec<Scored>>> {
        nearest(self, queries, k)
    }

    fn quantized(&self) -> Vec<QuantizedPart<'_>> {
        let mut parts = Vec::new();
        for (shard, &start) in self.shards.iter().zip(&self.starts) {
            let of_shard = shard.quantized().into_iter();
            parts.extend(of_shard.map(|part| QuantizedPart { first_row: part.first_row + start, ..part }));
        }
        parts
    }

    fn columns(&self) -> Vec<(&str, ColumnType)> {
        self.schema.types()
    }

    /// Returns the values of a column. Rows of shards without the column have no value.
    fn column(&self, name: &str) -> Option<ColumnValues<'_>> {
        let name = self.schema.name(name)?;
        Some(Box::new(self.shards.iter().flat_map(move |shard| {
            let none = || Box::new(std::iter::repeat_n(None, shard.len())) as ColumnValues<'_>;
            shard.column(name).unwrap_or_else(none)
        })))
    }

    fn check_column(&self, name: &str) -> rscir_core::Result<()> {
        self.shards.iter().try_for_each(|shard| shard.check_column(name))
    }

    fn value(&self, name: &str, row: usize) -> Option<Value<'_>> {
        let (shard, row) = locate(&self.starts, row);
        self.shards[shard].value(name, row)
    }
}
