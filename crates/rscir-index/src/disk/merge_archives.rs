use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;

use rscir_core::Archive;

use crate::columns::Schema;
use crate::disk::archive::DiskArchive;
use crate::disk::manifest::RowOrder;
use crate::disk::segment::SEGMENT_ROWS;
use crate::disk::shard_set::ShardSet;
use crate::disk::writer::ArchiveWriter;
use crate::{Error, Result};

/// Result of a merge of archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Merged {
    /// Number of archives that were read.
    pub archives: usize,
    /// Number of rows that were written.
    pub rows: usize,
}

/// Writes the rows of several archives as one archive into the folder `into`, which must not exist, be empty, or
/// hold an archive without rows. Vectors are the same to the bit, as are fingerprints and columns.
///
/// If the archives are shards of a split ingest, they must be all of its shards, and each must be finished. If
/// the ingest's list was sorted, the merged archive is that of an ingest without a split, equal to the byte after
/// the latter is [compacted](ArchiveWriter::compact); otherwise the rows come shard by shard. Archives that are
/// not shards can be merged as well. Their rows come in the order of keys if all archives have that order, and
/// archive by archive otherwise.
///
/// Rows are read from the mapped files and written segment by segment. Memory holds the keys and some thousand
/// rows. The archive gets its rows after all of them are written, so a merge that was cut off starts again.
///
/// ```
/// use rscir_core::{Archive, Embeddings, EncoderSpec, Fingerprint, Precision, SinkRow};
/// use rscir_index::{ArchiveWriter, DiskArchive, merge_archives};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = |name: &str| folder.path().join(name);
/// for (name, key, y) in [("2023.rscir", "2023/a.tif", 0.0), ("2024.rscir", "2024/a.tif", 1.0)] {
///     let mut writer = ArchiveWriter::create(path(name), EncoderSpec::unknown(2), Precision::F32)?;
///     let row = Embeddings::normalize(2, vec![1.0, y])?;
///     writer.commit(&[SinkRow::new(key, Fingerprint([7; 16]))], &row)?;
/// }
/// merge_archives(&[path("2023.rscir"), path("2024.rscir")], path("both.rscir"))?;
/// assert_eq!(DiskArchive::open(path("both.rscir"))?.find("2024/a.tif"), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Shards`] if shards are missing or unfinished, or the archives do not belong together;
/// [`Error::NoShards`] if there are no archives; [`Error::Precision`] if the archives have different precisions;
/// [`Error::ColumnType`] if a column has different types; [`Error::Exists`] if `into` holds rows;
/// [`Error::Damaged`] if a segment is damaged; [`Error::Io`] if a file cannot be written; the errors of
/// [`DiskArchive::open`]. After an error, `into` holds at most an archive without rows.
pub fn merge_archives<P: AsRef<Path>>(archives: &[P], into: impl AsRef<Path>) -> Result<Merged> {
    let set = ShardSet::open(archives)?;
    let parts = set.archives();
    let precision = parts.first().ok_or(Error::NoShards)?.precision();
    if let Some(other) = parts.iter().find(|part| part.precision() != precision) {
        return Err(Error::Precision {
            path: other.path().into(),
            holds: other.precision(),
            asked: precision,
        });
    }
    for (i, part) in parts.iter().enumerate() {
        Schema::of(parts[..=i].iter().flat_map(|part| part.columns()))
            .map_err(|error| error.in_file(part.path()))?;
    }
    let mut writer = ArchiveWriter::open_or_create(&into, set.spec().clone(), precision)?;
    if !writer.is_empty() || writer.shard().is_some() {
        return Err(Error::Exists { path: into.as_ref().into(), found: "an archive".into() });
    }
    // Checks all segments first, because the copy of a damaged row would get a valid checksum.
    parts.iter().try_for_each(DiskArchive::check_segments)?;

    let by_key = parts.iter().all(|part| part.manifest.order == RowOrder::Key);
    let mut rows: Box<dyn Iterator<Item = Place>> =
        if by_key { Box::new(ByKey::new(parts)) } else { Box::new(one_by_one(parts)) };
    let mut written = Vec::new();
    loop {
        let places: Vec<Place> = rows.by_ref().take(SEGMENT_ROWS).collect();
        if places.is_empty() {
            break;
        }
        written.extend(writer.write_segments(places.len(), &|i| {
            let (part, row) = places[i];
            parts[part].stored_row(row)
        })?);
        parts.iter().for_each(DiskArchive::release);
    }
    let mut manifest = writer.manifest.clone();
    manifest.order = if by_key { RowOrder::Key } else { RowOrder::Commit };
    for root in parts.iter().flat_map(|part| part.roots()) {
        if !manifest.roots.contains(root) {
            manifest.roots.push(root.clone());
        }
    }
    writer.publish(manifest, written, &[])?;
    Ok(Merged { archives: parts.len(), rows: writer.len() })
}

/// Number of an archive, and a row of it.
type Place = (usize, usize);

/// Iterates over the rows archive by archive.
fn one_by_one(parts: &[DiskArchive]) -> impl Iterator<Item = Place> {
    parts.iter().enumerate().flat_map(|(part, archive)| (0..archive.len()).map(move |row| (part, row)))
}

/// Iterates over the rows of all archives in the order of their keys. Each archive is in that order itself.
struct ByKey<'a> {
    parts: &'a [DiskArchive],
    /// The next row of each archive that has rows left.
    heads: BinaryHeap<Reverse<(&'a [u8], Place)>>,
}

impl<'a> ByKey<'a> {
    fn new(parts: &'a [DiskArchive]) -> Self {
        let mut rows = Self { parts, heads: BinaryHeap::new() };
        (0..parts.len()).for_each(|part| rows.push((part, 0)));
        rows
    }

    /// Adds a row to the heads, if the archive has it.
    fn push(&mut self, place: Place) {
        let (part, row) = place;
        if row < self.parts[part].len() {
            self.heads.push(Reverse((self.parts[part].key(row).as_bytes(), place)));
        }
    }
}

impl Iterator for ByKey<'_> {
    type Item = Place;

    fn next(&mut self) -> Option<Place> {
        let Reverse((_, (part, row))) = self.heads.pop()?;
        self.push((part, row + 1));
        Some((part, row))
    }
}
