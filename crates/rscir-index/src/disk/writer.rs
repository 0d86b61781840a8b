use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use rscir_core::{EncoderSpec, Error as CoreError, Precision};

use crate::columns::Schema;
use crate::disk::directory::{Access, Directory};
use crate::disk::index_keys::write_keys;
use crate::disk::key_file::KeyOrder;
use crate::disk::key_table::{FoundPlace, KeyTable, Place};
use crate::disk::manifest::{Manifest, RowOrder, SegmentEntry};
use crate::disk::names::{MANIFEST, SEGMENTS};
use crate::disk::quantize::MIN_SEGMENT_ROWS;
use crate::disk::row_set::RowSet;
use crate::disk::segment::{self, Row, SEGMENT_ROWS, Segment};
use crate::storage::{FileStorage, LockGuard, Storage};
use crate::{Error, Result};

/// Bytes of segments without a row left that are compared with their checksums before they are dropped: hashing them takes
/// some hundredths of a second, so that deleting half of a large archive stays quick.
const CHECKED_WHEN_DROPPED: u64 = 64 << 20;

/// Writes an archive: the one writer that it has at a time.
///
/// What [`ArchiveWriter::commit`], [`ArchiveWriter::delete`] and the compactions have returned `Ok` for is
/// durable. What they were doing when the power went is there whole or not at all. If they return an error, nothing was
/// taken; if the error came from a sync or a rename, it is unknown what the medium has, and every further call gives
/// [`Error::Poisoned`]: drop the writer and open the archive again. If a foreign hand has removed or replaced the file that
/// the writer has locked, nothing is published, and that call and every further one give [`Error::LockLost`].
///
/// ```
/// use rscir_core::{Archive, EmbeddingSink, Embeddings, EncoderSpec, Fingerprint, Precision, SinkRow};
/// use rscir_index::{ArchiveWriter, DiskArchive};
///
/// # let folder = tempfile::tempdir()?;
/// # let dir = folder.path().join("tiles.rscir");
/// let mut writer = ArchiveWriter::create(&dir, EncoderSpec::unknown(2), Precision::F32)?;
/// let rows = Embeddings::normalize(2, vec![3.0, 4.0])?;
/// writer.commit(&[SinkRow::new("a.png", Fingerprint([7; 16]))], &rows)?;
///
/// let archive = DiskArchive::open(&dir)?;
/// assert_eq!(archive.vector(archive.find("a.png").unwrap()), [0.6, 0.8].as_slice());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ArchiveWriter {
    pub(crate) directory: Directory,
    pub(crate) manifest: Manifest,
    /// The segments of the manifest, in its order.
    pub(crate) segments: Vec<NumberedSegment>,
    next_number: u32,
    /// Where each key's row is.
    index: KeyTable,
    /// A sync or a rename failed.
    poisoned: bool,
    /// The lock was found gone.
    lock_lost: bool,
    lock: LockGuard,
}

/// A segment with a number that it keeps while others come and go. Numbers rise along the list.
pub(crate) struct NumberedSegment {
    number: u32,
    pub(crate) segment: Segment,
}

/// Keys that one task hashes before it looks them up: their hashes fill a quarter of a first-level cache.
const KEYS_AT_ONCE: usize = 1024;

/// The key at a place; places are of segments that are still held.
fn key_at(segments: &[NumberedSegment], place: Place) -> &[u8] {
    segments[segment_at(segments, place)].segment.key_bytes(place.row as usize)
}

/// The position of a place's segment.
pub(crate) fn segment_at(segments: &[NumberedSegment], place: Place) -> usize {
    segments.partition_point(|s| s.number < place.segment)
}

impl fmt::Debug for ArchiveWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchiveWriter")
            .field("path", &self.directory.root())
            .field("rows", &self.len())
            .field("segments", &self.segments.len())
            .finish_non_exhaustive()
    }
}

impl ArchiveWriter {
    /// Creates an archive in `dir`, which must not exist or be empty, for vectors that `spec` describes; its rows are
    /// stored in `precision`.
    ///
    /// # Errors
    /// [`Error::Exists`] if there is something in `dir`, [`Error::Locked`], [`Error::Io`];
    /// [`rscir_core::Error::Parameter`] if the spec's width is 0 or above 16,384.
    pub fn create(dir: impl AsRef<Path>, spec: EncoderSpec, precision: Precision) -> Result<Self> {
        Self::create_with(Arc::new(FileStorage), dir, spec, precision)
    }

    /// As [`ArchiveWriter::create`], on a storage of your own.
    ///
    /// # Errors
    /// As [`ArchiveWriter::create`].
    pub fn create_with(
        storage: Arc<dyn Storage>,
        dir: impl AsRef<Path>,
        spec: EncoderSpec,
        precision: Precision,
    ) -> Result<Self> {
        let directory = Directory::new(storage, dir.as_ref());
        let manifest = Manifest::new(spec, precision);
        manifest.check(&directory.manifest_path())?;
        let exists = |file: PathBuf| {
            let is_archive = file == Path::new(MANIFEST);
            let found = if is_archive { "an archive".into() } else { file.display().to_string() };
            Error::Exists { path: dir.as_ref().into(), found }
        };
        // Before anything is made: a folder of somebody else's stays as it is. What an archive has may be another writer's
        // work of this moment, of which the lock tells.
        if let Ok(Some(file)) = directory.foreign_file()
            && file != Path::new(MANIFEST)
            && !file.starts_with(SEGMENTS)
        {
            return Err(exists(file));
        }
        directory.create_dirs()?;
        let lock = directory.lock()?;
        if let Some(file) = directory.foreign_file()? {
            return Err(exists(file));
        }
        directory.write_manifest(&manifest, &lock)?;
        Self::new(directory, manifest, lock)
    }

    /// Opens the archive in `dir` for writing.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Locked`] at once if another writer has it, and those of
    /// [`DiskArchive::open`](crate::DiskArchive::open).
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(Arc::new(FileStorage), dir)
    }

    /// As [`ArchiveWriter::open`], on a storage of your own.
    ///
    /// # Errors
    /// As [`ArchiveWriter::open`].
    pub fn open_with(storage: Arc<dyn Storage>, dir: impl AsRef<Path>) -> Result<Self> {
        let directory = Directory::new(storage, dir.as_ref());
        // Before the lock, which would leave a file in a folder that is no archive.
        directory.manifest_bytes()?;
        let lock = directory.lock()?;
        let manifest = directory.read_manifest()?;
        // Whoever wrote this manifest may have been killed before its name was durable, and what comes next builds on
        // it.
        directory.sync_root()?;
        Self::new(directory, manifest, lock)
    }

    /// Opens the archive in `dir` if there is one that agrees, and creates it if there is none.
    ///
    /// # Errors
    /// [`rscir_core::Error::Spec`] names the field in which the archive's encoder differs, [`Error::Precision`]; and
    /// those of [`ArchiveWriter::open`] and [`ArchiveWriter::create`].
    pub fn open_or_create(dir: impl AsRef<Path>, spec: EncoderSpec, precision: Precision) -> Result<Self> {
        Self::open_or_create_with(Arc::new(FileStorage), dir, spec, precision)
    }

    /// As [`ArchiveWriter::open_or_create`], on a storage of your own.
    ///
    /// # Errors
    /// As [`ArchiveWriter::open_or_create`].
    pub fn open_or_create_with(
        storage: Arc<dyn Storage>,
        dir: impl AsRef<Path>,
        spec: EncoderSpec,
        precision: Precision,
    ) -> Result<Self> {
        match Self::open_with(Arc::clone(&storage), &dir) {
            Err(Error::NotFound { .. }) => Self::create_with(storage, dir, spec, precision),
            writer => writer?.agreeing(&spec, Some(precision)),
        }
    }

    /// Itself, if its encoder and its precision, where one is asked for, are these.
    pub(crate) fn agreeing(self, spec: &EncoderSpec, precision: Option<Precision>) -> Result<Self> {
        self.spec().check(spec).map_err(CoreError::from)?;
        match precision {
            Some(asked) if asked != self.precision() => {
                Err(Error::Precision { path: self.path().into(), holds: self.precision(), asked })
            }
            _ => Ok(self),
        }
    }

    fn new(directory: Directory, manifest: Manifest, lock: LockGuard) -> Result<Self> {
        let open = |entry| directory.open_segment(entry, manifest.precision, manifest.spec.dim, Access::Map);
        let segments: Vec<Segment> = manifest.segments.iter().map(open).collect::<Result<_>>()?;
        let mut writer = Self {
            directory,
            index: KeyTable::with_capacity(manifest.live()),
            manifest,
            segments: Vec::new(),
            next_number: 0,
            poisoned: false,
            lock_lost: false,
            lock,
        };
        for (position, segment) in segments.into_iter().enumerate() {
            writer.add_segment(segment, position);
        }
        if writer.index.len() < writer.manifest.live() {
            return Err(writer.duplicate_key());
        }
        writer.schema().map_err(|error| error.in_file(&writer.directory.manifest_path()))?;
        // Only now: with the manifest of another archive in the place of its own, its segments are named by none.
        writer.directory.remove_unnamed(&writer.manifest, &writer.lock)?;
        Ok(writer)
    }

    /// The folder it lies in.
    pub fn path(&self) -> &Path {
        self.directory.root()
    }

    /// The encoder of the vectors.
    pub fn spec(&self) -> &EncoderSpec {
        &self.manifest.spec
    }

    /// The format of the stored rows.
    pub fn precision(&self) -> Precision {
        self.manifest.precision
    }

    /// The folders that the rows are from, absolute paths; empty if that is not known.
    pub fn roots(&self) -> &[String] {
        &self.manifest.roots
    }

    /// Keeps the folders that the rows are from, durably.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Poisoned`].
    pub fn set_roots(&mut self, roots: Vec<String>) -> Result<()> {
        self.check_health()?;
        if roots == self.manifest.roots {
            return Ok(());
        }
        let mut manifest = self.manifest.clone();
        manifest.roots = roots;
        self.publish(manifest, Vec::new(), &[])
    }

    /// The keys of all rows, in no order that means anything.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.segments
            .iter()
            .zip(&self.manifest.segments)
            .flat_map(|(s, entry)| entry.deleted.gaps(entry.rows).flatten().map(|row| s.segment.key(row)))
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Deletes the rows under `keys`, all or none of them, and gives their number; a key without a row is passed over.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a small file in which no row is left is not what was written: other rows may have been meant.
    /// [`Error::Io`], [`Error::LockLost`], [`Error::Poisoned`].
    pub fn delete(&mut self, keys: &[&str]) -> Result<usize> {
        self.check_health()?;
        let mut manifest = self.manifest.clone();
        let places = self.places(keys);
        let deleted = self.mark_deleted(&mut manifest, &places);
        if deleted > 0 {
            self.publish(manifest, Vec::new(), &places)?;
        }
        Ok(deleted)
    }

    /// The order in which the archive's rows are read.
    pub fn order(&self) -> RowOrder {
        self.manifest.order
    }

    /// Sets the order in which the archive's rows are read, durably. Nothing is rewritten: rows lie where they lie.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Poisoned`].
    pub fn set_order(&mut self, order: RowOrder) -> Result<()> {
        self.check_health()?;
        if order == self.manifest.order {
            return Ok(());
        }
        let mut manifest = self.manifest.clone();
        manifest.order = order;
        self.publish(manifest, Vec::new(), &[])
    }

    /// Names and types of the columns, sorted by name.
    ///
    /// # Errors
    /// [`Error::ColumnType`] if two segments disagree: a foreign hand made them.
    pub(crate) fn schema(&self) -> Result<Schema> {
        Schema::of(self.segments.iter().flat_map(|s| s.segment.columns()))
    }

    pub(crate) fn find(&self, key: &str) -> Option<FoundPlace> {
        self.find_hashed(self.index.hash(key.as_bytes()), key)
    }

    fn find_hashed(&self, hash: u64, key: &str) -> Option<FoundPlace> {
        self.index.find(hash, key.as_bytes(), |place| key_at(&self.segments, place))
    }

    /// Where the rows under `keys` are, sorted, each once.
    pub(crate) fn places(&self, keys: &[&str]) -> Vec<FoundPlace> {
        let found = keys.par_chunks(KEYS_AT_ONCE).flat_map_iter(|keys| {
            let hashes: Vec<u64> = keys.iter().map(|key| self.index.hash(key.as_bytes())).collect();
            keys.iter().zip(hashes).filter_map(|(key, hash)| self.find_hashed(hash, key))
        });
        let mut places: Vec<FoundPlace> = found.collect();
        places.sort_unstable_by_key(|found| (found.place.segment, found.place.row));
        places.dedup();
        places
    }

    /// Marks rows, sorted by place, as deleted in a copy of the manifest, and returns their number.
    pub(crate) fn mark_deleted(&self, manifest: &mut Manifest, places: &[FoundPlace]) -> usize {
        let of_segments = places.chunk_by(|a, b| a.place.segment == b.place.segment);
        of_segments
            .map(|places| {
                let rows: Vec<usize> = places.iter().map(|found| found.place.row as usize).collect();
                manifest.segments[segment_at(&self.segments, places[0].place)].deleted.insert_all(&rows)
            })
            .sum()
    }

    /// Refuses to go on if one of these segments, from which rows are to be copied, is not what was written: damaged rows
    /// must never get a checksum that calls them sound.
    pub(crate) fn check_copied(&self, segments: impl Iterator<Item = usize>) -> Result<()> {
        let mut copied = vec![false; self.segments.len()];
        segments.for_each(|segment| copied[segment] = true);
        let check = |(segment, entry): (&NumberedSegment, &SegmentEntry)| {
            segment.segment.check(&entry.sha256, &self.directory.segment_path(&entry.sha256))
        };
        let parts = self.segments.par_iter().zip(&self.manifest.segments).zip(copied);
        let checked: Vec<Result<()>> =
            parts.filter_map(|(part, copied)| copied.then(|| check(part))).collect();
        checked.into_iter().collect()
    }

    /// Refuses to drop a segment for having no row left if it is not what was written: where a key is damaged, other rows
    /// were deleted than those that were meant, and the file is the only witness.
    fn check_dropped(&self, kept: &[bool]) -> Result<()> {
        let mut left = CHECKED_WHEN_DROPPED;
        let dropped = kept.iter().enumerate().filter_map(|(segment, kept)| (!kept).then_some(segment));
        self.check_copied(dropped.take_while(|&segment| {
            left = left.saturating_sub(self.manifest.segments[segment].bytes);
            left > 0
        }))
    }

    /// Writes rows `0..n` as segments, durably, and opens them; no manifest names them yet.
    pub(crate) fn write_segments<'a>(
        &self,
        n: usize,
        row: &(impl Fn(usize) -> Row<'a> + Sync),
    ) -> Result<Vec<(SegmentEntry, Segment)>> {
        let (precision, dim) = (self.precision(), self.spec().dim);
        let mut entries = Vec::new();
        for start in (0..n).step_by(SEGMENT_ROWS) {
            let rows = SEGMENT_ROWS.min(n - start);
            let (sha256, bytes) = self
                .directory
                .write_segment(|out| segment::write(out, precision, dim, rows, &|i| row(start + i)))?;
            if rows >= MIN_SEGMENT_ROWS {
                let order = KeyOrder::of(rows, |i| row(start + i).key.as_bytes());
                write_keys(&self.directory, &sha256, &order)?;
            }
            entries.push(SegmentEntry { sha256, bytes, rows, deleted: RowSet::default() });
        }
        self.directory.sync_segments()?;
        let open = |entry| self.directory.open_segment(entry, precision, dim, Access::Map);
        let segments: Vec<Segment> = entries.iter().map(open).collect::<Result<_>>()?;
        Ok(entries.into_iter().zip(segments).collect())
    }

    /// Makes the archive consist of the segments that `manifest` has, which are the first of the present ones, and of
    /// `written`; the rows at `deleted` have no row from then on.
    pub(crate) fn publish(
        &mut self,
        mut manifest: Manifest,
        written: Vec<(SegmentEntry, Segment)>,
        deleted: &[FoundPlace],
    ) -> Result<()> {
        let mut kept: Vec<bool> = manifest.segments.iter().map(|entry| entry.live() > 0).collect();
        self.check_dropped(&kept)?;
        let (entries, written): (Vec<_>, Vec<_>) = written.into_iter().unzip();
        manifest.segments.retain(|entry| entry.live() > 0);
        let first_written = manifest.segments.len();
        manifest.segments.extend(entries);
        let published = self.directory.write_manifest(&manifest, &self.lock);
        self.note_doubt(published)?;

        self.manifest = manifest;
        // The table reads keys where they lie: segments go only once nothing in it points to them.
        deleted.iter().for_each(|&found| self.index.remove(found));
        kept.resize(self.segments.len(), false);
        for (position, segment) in (first_written..).zip(written) {
            self.add_segment(segment, position);
        }
        let replaced = kept.contains(&false);
        kept.resize(self.segments.len(), true);
        let mut kept = kept.into_iter();
        self.segments.retain(|_| kept.next().unwrap_or(true));
        self.release();
        if replaced {
            // The rows are safe; what is left over is removed when the archive is opened next.
            let _ = self.directory.remove_unnamed(&self.manifest, &self.lock);
        }
        Ok(())
    }

    /// Takes a segment, behind all that are there, and finds its rows from now on; `position` is that of its entry in the
    /// manifest.
    fn add_segment(&mut self, segment: Segment, position: usize) {
        let number = self.next_number;
        self.next_number += 1;
        self.segments.push(NumberedSegment { number, segment });
        let (segments, index) = (&self.segments, &mut self.index);
        let (Some(NumberedSegment { segment, .. }), Some(entry)) =
            (segments.last(), self.manifest.segments.get(position))
        else {
            return;
        };
        let rows: Vec<usize> = entry.deleted.gaps(entry.rows).flatten().collect();
        let hashes: Vec<u64> = rows
            .par_iter()
            .with_min_len(KEYS_AT_ONCE)
            .map(|&row| index.hash(segment.key_bytes(row)))
            .collect();
        for (row, hash) in rows.into_iter().zip(hashes) {
            // A manifest has no segment of more rows.
            let place = Place { segment: number, row: row as u32 };
            index.insert(hash, segment.key_bytes(row), place, |place| key_at(segments, place));
        }
    }

    /// Lets go of what was looked at in the segments: a writer's memory does not grow with the rows that it has written.
    pub(crate) fn release(&self) {
        self.segments.iter().for_each(|s| s.segment.release());
    }

    /// Says which file of an archive with a key that has two rows is damaged; if none is, which key it is: a foreign hand
    /// made it.
    fn duplicate_key(&self) -> Error {
        if let Err(damaged) = self.check_copied(0..self.segments.len()) {
            return damaged;
        }
        let mut rows = HashMap::new();
        let live =
            self.segments.iter().zip(&self.manifest.segments).flat_map(|(s, entry)| {
                entry.deleted.gaps(entry.rows).flatten().map(|row| s.segment.key(row))
            });
        for (second, key) in live.enumerate() {
            if let Some(first) = rows.insert(key, second) {
                let twice = Error::DuplicateKey { key: key.into(), first, second };
                return twice.in_file(&self.directory.manifest_path());
            }
        }
        Error::SegmentRows { path: self.directory.manifest_path(), segment: 0 }
    }

    /// Refuses to go on after a failed sync or rename, and without the lock.
    pub(crate) fn check_health(&self) -> Result<()> {
        let path = || self.path().into();
        if self.lock_lost {
            Err(Error::LockLost { path: path() })
        } else if self.poisoned {
            Err(Error::Poisoned { path: path() })
        } else {
            Ok(())
        }
    }

    pub(crate) fn note_doubt<T>(&mut self, result: Result<T>) -> Result<T> {
        result.inspect_err(|error| {
            self.poisoned |= error.leaves_doubt();
            self.lock_lost |= matches!(error, Error::LockLost { .. });
        })
    }
}
