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

/// Bytes of segments without a row left that are compared with their checksums before they are dropped. Hashing
/// them takes some hundredths of a second, so that deleting half of a large archive stays quick.
const CHECKED_WHEN_DROPPED: u64 = 64 << 20;

/// Writes an archive. An archive has at most one writer at a time.
///
/// Changes by [`ArchiveWriter::commit`], [`ArchiveWriter::delete`] and the compactions are durable when the call
/// returns `Ok`. If the power fails during a call, its change is stored completely or not at all. If a call
/// returns an error, its change is not stored, with one exception: after an error of a sync or a rename it is
/// unknown what the storage holds, and every further change returns [`Error::Poisoned`]. Then drop the writer and
/// open the archive again. If another program removes or replaces the file that the writer has locked, the next
/// change is not stored, and this change and every further one return [`Error::LockLost`].
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
    /// Finds the row of a key.
    index: KeyTable,
    /// `true` after a sync or a rename failed.
    poisoned: bool,
    /// `true` after the lock file was found removed or replaced.
    lock_lost: bool,
    lock: LockGuard,
}

/// A segment with a number that stays the same while other segments come and go. Numbers ascend along the list.
pub(crate) struct NumberedSegment {
    number: u32,
    pub(crate) segment: Segment,
}

/// Keys that one task hashes before it looks them up. Their hashes fill a quarter of a first-level cache.
const KEYS_AT_ONCE: usize = 1024;

/// Returns the key at a place, whose segment the writer must still hold.
fn key_at(segments: &[NumberedSegment], place: Place) -> &[u8] {
    segments[segment_at(segments, place)].segment.key_bytes(place.row as usize)
}

/// Returns the position of a place's segment.
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
    /// Creates an archive in the folder `dir`, which must not exist or be empty. `spec` describes the encoder of
    /// its vectors, and `precision` is the number format in which rows are stored.
    ///
    /// # Errors
    /// [`Error::Exists`] if `dir` holds an archive or other files; [`Error::Locked`] if another writer is
    /// creating an archive there; [`Error::WrongKind`] if it holds a link, a pipe or a device; [`Error::Io`] if a
    /// file cannot be written; [`rscir_core::Error::Parameter`] if the width of the spec is 0 or above 16,384.
    pub fn create(dir: impl AsRef<Path>, spec: EncoderSpec, precision: Precision) -> Result<Self> {
        Self::create_with(Arc::new(FileStorage), dir, spec, precision)
    }

    /// Creates an archive like [`ArchiveWriter::create`], on another storage than the file system.
    ///
    /// # Errors
    /// The errors of [`ArchiveWriter::create`].
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
        // Looks before creating anything, so that a folder with other files stays as it is. Files of an archive
        // may come from another writer at this moment, which the lock shows.
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

    /// Opens the archive in the folder `dir` for writing.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none; [`Error::Locked`], without waiting, if another writer has it open;
    /// [`Error::WrongKind`] if its folder holds a link, a pipe or a device; the errors of
    /// [`DiskArchive::open`](crate::DiskArchive::open).
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(Arc::new(FileStorage), dir)
    }

    /// Opens an archive like [`ArchiveWriter::open`], on another storage than the file system.
    ///
    /// # Errors
    /// The errors of [`ArchiveWriter::open`].
    pub fn open_with(storage: Arc<dyn Storage>, dir: impl AsRef<Path>) -> Result<Self> {
        let directory = Directory::new(storage, dir.as_ref());
        // Reads the manifest before locking, because the lock would leave a file in a folder without an archive.
        directory.manifest_bytes()?;
        let lock = directory.lock()?;
        let manifest = directory.read_manifest()?;
        // The writer of this manifest may have been killed before the name was durable, and later commits build
        // on it.
        directory.sync_root()?;
        Self::new(directory, manifest, lock)
    }

    /// Opens the archive in the folder `dir` for writing, or creates it if there is none.
    ///
    /// # Errors
    /// [`rscir_core::Error::Spec`] with the differing field if the archive comes from another encoder;
    /// [`Error::Precision`] if its rows have another precision; the errors of [`ArchiveWriter::open`] and
    /// [`ArchiveWriter::create`].
    pub fn open_or_create(dir: impl AsRef<Path>, spec: EncoderSpec, precision: Precision) -> Result<Self> {
        Self::open_or_create_with(Arc::new(FileStorage), dir, spec, precision)
    }

    /// Opens or creates an archive like [`ArchiveWriter::open_or_create`], on another storage than the file
    /// system.
    ///
    /// # Errors
    /// The errors of [`ArchiveWriter::open_or_create`].
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

    /// Returns the writer if its encoder agrees with `spec` and its precision with `precision`, if one is given.
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
        // Removes files only after all segments were opened: a manifest of another archive, put in the place of
        // the archive's own, would name none of its segments.
        writer.directory.remove_unnamed(&writer.manifest, &writer.lock)?;
        Ok(writer)
    }

    /// Returns the folder of the archive.
    pub fn path(&self) -> &Path {
        self.directory.root()
    }

    /// Returns the spec of the encoder of the vectors.
    pub fn spec(&self) -> &EncoderSpec {
        &self.manifest.spec
    }

    /// Returns the number format of the stored rows.
    pub fn precision(&self) -> Precision {
        self.manifest.precision
    }

    /// Returns the absolute paths of the folders that the rows come from; empty if they are unknown.
    pub fn roots(&self) -> &[String] {
        &self.manifest.roots
    }

    /// Sets the folders that the rows come from, durably. Writes nothing if they are the same.
    ///
    /// # Errors
    /// [`Error::Io`] if the manifest cannot be written; [`Error::LockLost`] if the lock is lost;
    /// [`Error::Poisoned`] after a failed sync.
    pub fn set_roots(&mut self, roots: Vec<String>) -> Result<()> {
        self.check_health()?;
        if roots == self.manifest.roots {
            return Ok(());
        }
        let mut manifest = self.manifest.clone();
        manifest.roots = roots;
        self.publish(manifest, Vec::new(), &[])
    }

    /// Iterates over the keys of all rows, in no particular order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.segments
            .iter()
            .zip(&self.manifest.segments)
            .flat_map(|(s, entry)| entry.deleted.gaps(entry.rows).flatten().map(|row| s.segment.key(row)))
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Tells whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Deletes the rows under `keys`, either all or none, and returns their number. Keys without a row are
    /// skipped.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a segment that would be dropped, because no row is left in it, is damaged: a damaged
    /// key can make the call delete other rows than those that were meant (checked for up to 64 MB of segments).
    /// [`Error::Io`] if the manifest cannot be written; [`Error::LockLost`] if the lock is lost;
    /// [`Error::Poisoned`] after a failed sync.
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

    /// Returns the order in which readers number the rows.
    pub fn order(&self) -> RowOrder {
        self.manifest.order
    }

    /// Sets the order in which readers number the rows, durably. Segments stay as they are.
    ///
    /// # Errors
    /// [`Error::Io`] if the manifest cannot be written; [`Error::LockLost`] if the lock is lost;
    /// [`Error::Poisoned`] after a failed sync.
    pub fn set_order(&mut self, order: RowOrder) -> Result<()> {
        self.check_health()?;
        if order == self.manifest.order {
            return Ok(());
        }
        let mut manifest = self.manifest.clone();
        manifest.order = order;
        self.publish(manifest, Vec::new(), &[])
    }

    /// Returns names and types of the columns, sorted by name.
    ///
    /// # Errors
    /// [`Error::ColumnType`] if two segments disagree, which only happens if other software wrote one.
    pub(crate) fn schema(&self) -> Result<Schema> {
        Schema::of(self.segments.iter().flat_map(|s| s.segment.columns()))
    }

    /// Returns the place of a key's row, or `None` if the key has no row.
    pub(crate) fn find(&self, key: &str) -> Option<FoundPlace> {
        self.find_hashed(self.index.hash(key.as_bytes()), key)
    }

    fn find_hashed(&self, hash: u64, key: &str) -> Option<FoundPlace> {
        self.index.find(hash, key.as_bytes(), |place| key_at(&self.segments, place))
    }

    /// Returns the places of the rows under `keys`, sorted, each once.
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

    /// Marks rows as deleted in a copy of the manifest, and returns their number. `places` are sorted.
    pub(crate) fn mark_deleted(&self, manifest: &mut Manifest, places: &[FoundPlace]) -> usize {
        let of_segments = places.chunk_by(|a, b| a.place.segment == b.place.segment);
        of_segments
            .map(|places| {
                let rows: Vec<usize> = places.iter().map(|found| found.place.row as usize).collect();
                manifest.segments[segment_at(&self.segments, places[0].place)].deleted.insert_all(&rows)
            })
            .sum()
    }

    /// Compares segments from which rows will be copied with their checksums, because the copy of a damaged row
    /// would get a valid checksum.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the first segment that differs.
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

    /// Compares segments that have no row left with their checksums before they are dropped, as far as
    /// [`CHECKED_WHEN_DROPPED`] allows. If a key is damaged, other rows were deleted than those that were meant,
    /// and the segment is needed to find out which.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the first segment that differs.
    fn check_dropped(&self, kept: &[bool]) -> Result<()> {
        let mut left = CHECKED_WHEN_DROPPED;
        let dropped = kept.iter().enumerate().filter_map(|(segment, kept)| (!kept).then_some(segment));
        self.check_copied(dropped.take_while(|&segment| {
            left = left.saturating_sub(self.manifest.segments[segment].bytes);
            left > 0
        }))
    }

    /// Writes the rows `0..n` as segments, durably, and opens them. No manifest names them yet.
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

    /// Makes the archive consist of the segments in `manifest`, which are the first of the present ones, followed
    /// by `written`. Removes the keys at `deleted` from the table.
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
        // The table reads keys in their segments, so segments are dropped after the table no longer refers to
        // them.
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
            // The rows are safe, so an error is ignored: the next writer removes the files that are left.
            let _ = self.directory.remove_unnamed(&self.manifest, &self.lock);
        }
        Ok(())
    }

    /// Appends a segment, and adds its rows to the table of keys. `position` is that of its entry in the
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
            // Reading the manifest has checked that the rows of a segment fit 32 bits.
            let place = Place { segment: number, row: row as u32 };
            index.insert(hash, segment.key_bytes(row), place, |place| key_at(segments, place));
        }
    }

    /// Releases the memory of the mapped pages that were read, so that a writer's memory does not grow with the
    /// rows that it has written.
    pub(crate) fn release(&self) {
        self.segments.iter().for_each(|s| s.segment.release());
    }

    /// Makes the error for an archive in which a key has two rows: the damaged segment, or the key if no segment
    /// is damaged, which only happens if other software wrote the archive.
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

    /// Checks that no earlier sync or rename has failed and the lock was not found lost.
    ///
    /// # Errors
    /// [`Error::LockLost`] or [`Error::Poisoned`] otherwise.
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

    /// Remembers an error after which the writer accepts no more changes.
    pub(crate) fn note_doubt<T>(&mut self, result: Result<T>) -> Result<T> {
        result.inspect_err(|error| {
            self.poisoned |= error.leaves_doubt();
            self.lock_lost |= matches!(error, Error::LockLost { .. });
        })
    }
}
