use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::columns::Schema;
use crate::digest::Digest;
use crate::disk::directory::{Access, Contents, Directory};
use crate::disk::key_table::{KeyTable, Place};
use crate::disk::manifest::{Manifest, SegmentEntry};
use crate::disk::merged_moments;
use crate::disk::segment::Segment;
use crate::storage::{Bytes, Entry, FileKind, FileStorage, LockGuard, Storage};
use crate::{Error, Result};

/// Result of reading every byte of an archive.
#[derive(Debug)]
#[non_exhaustive]
pub struct Verification {
    /// Number of rows without damage.
    pub sound_rows: usize,
    /// Damaged segments, in the order of the manifest.
    pub damage: Vec<Damage>,
    /// Damaged files that are derived from segments: 8-bit copies of rows, keys in the order of their hashes,
    /// merged moments. Their damage loses no row: a repair removes the files, and
    /// [`ArchiveWriter::quantize`](crate::ArchiveWriter::quantize) and
    /// [`ArchiveWriter::index_keys`](crate::ArchiveWriter::index_keys) make them again.
    pub damaged_copies: Vec<DamagedCopy>,
    /// Files that a writer has left, because it was cut off or could not remove a replaced segment. They are not
    /// part of the archive, and the next writer removes them.
    pub unnamed: Vec<PathBuf>,
    /// Links, pipes, sockets and devices within the archive's folder, folders in the place of files and files in
    /// the place of folders. No writer opens the archive until their owner has removed them.
    pub misplaced: Vec<Misplaced>,
    /// Files and folders of other programs, which are left alone.
    pub foreign: Vec<PathBuf>,
}

/// An entry of an archive's folder that is of another kind than an archive has there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Misplaced {
    /// Path of the entry.
    pub path: PathBuf,
    /// Kind of the entry.
    pub found: FileKind,
    /// Kind that an archive has there.
    pub expected: FileKind,
}

impl Verification {
    /// Tells whether nothing is damaged or misplaced.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.damaged_copies.is_empty() && self.misplaced.is_empty()
    }
}

/// A damaged file that is derived from segments.
#[derive(Debug)]
#[non_exhaustive]
pub struct DamagedCopy {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with the file.
    pub error: Error,
}

/// A damaged segment of an archive.
#[derive(Debug)]
#[non_exhaustive]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Number of rows that it should hold, without deleted ones.
    pub rows: usize,
    /// What is wrong with the file.
    pub error: Error,
    checksum: Digest,
}

/// Reads every byte of the archive in the folder `dir` and compares it with the checksums.
///
/// Readers and a writer may work meanwhile.
///
/// # Errors
/// [`Error::NotFound`] if there is no archive; [`Error::Version`] if it is of a newer format; [`Error::Damaged`]
/// if the manifest is damaged: then nothing is known about the rows, and it must be restored from a copy;
/// [`Error::Io`] if the folder cannot be read.
pub fn verify(dir: impl AsRef<Path>) -> Result<Verification> {
    verify_with(Arc::new(FileStorage), dir)
}

/// Verifies an archive like [`verify`], on another storage than the file system.
///
/// # Errors
/// The errors of [`verify`].
pub fn verify_with(storage: Arc<dyn Storage>, dir: impl AsRef<Path>) -> Result<Verification> {
    let directory = Directory::new(storage, dir.as_ref());
    loop {
        let bytes = directory.manifest_bytes()?;
        let manifest = Manifest::from_bytes(&bytes, &directory.manifest_path())?;
        let verification = verify_segments(&directory, &manifest)?;
        // A writer may have compacted the archive and removed files meanwhile.
        if verification.is_sound() || *directory.manifest_bytes()? == *bytes {
            return Ok(verification);
        }
    }
}

/// Verifies all segments of a manifest, the files derived from them, and the folder.
fn verify_segments(directory: &Directory, manifest: &Manifest) -> Result<Verification> {
    let Contents { unnamed, foreign, misplaced, .. } = directory.contents(&directory.named(manifest))?;
    let misplaced = misplaced.into_iter().map(|(entry, expected)| {
        let Entry { path, kind: found } = entry;
        Misplaced { path, found, expected }
    });
    let misplaced = misplaced.collect();
    let mut verification = Verification {
        sound_rows: 0,
        damage: Vec::new(),
        damaged_copies: Vec::new(),
        unnamed,
        misplaced,
        foreign,
    };
    let mut seen = Seen::default();
    for entry in &manifest.segments {
        match seen.verify(directory, manifest, entry, verification.sound_rows) {
            Ok(segment) => {
                verification.sound_rows += entry.live();
                if let Err(error) = verify_keys(directory, entry, segment) {
                    let path = directory.keys_path(&entry.sha256);
                    verification.damaged_copies.push(DamagedCopy { path, error });
                }
            }
            Err(error) => verification.damage.push(Damage {
                path: directory.segment_path(&entry.sha256),
                rows: entry.live(),
                error,
                checksum: entry.sha256,
            }),
        }
        if let Err(error) = verify_copies(directory, manifest, entry) {
            let path = directory.quantized_path(&entry.sha256);
            verification.damaged_copies.push(DamagedCopy { path, error });
        }
    }
    verification.damaged_copies.extend(verify_moments(directory, manifest));
    Ok(verification)
}

/// The segments that were verified so far: their keys, in a table of 18 bytes a row, and their columns.
#[derive(Default)]
struct Seen<'a> {
    /// Each segment with its entry and its first row in the archive.
    segments: Vec<(Segment, &'a SegmentEntry, usize)>,
    keys: KeyTable,
    schema: Schema,
}

impl<'a> Seen<'a> {
    /// Verifies a segment, whose first row is `first_row` of the archive.
    fn verify(
        &mut self,
        directory: &Directory,
        manifest: &Manifest,
        entry: &'a SegmentEntry,
        first_row: usize,
    ) -> Result<&Segment> {
        let segment = directory.open_segment(entry, manifest.precision, manifest.spec.dim, Access::Map)?;
        segment.check(&entry.sha256, &directory.segment_path(&entry.sha256))?;
        self.schema.add(segment.columns())?;
        // The number fits 32 bits, because a manifest is too short for more segments.
        let number = self.segments.len() as u32;
        self.segments.push((segment, entry, first_row));
        let Self { segments, keys, .. } = self;
        let key_at = |place: Place| segments[place.segment as usize].0.key_bytes(place.row as usize);
        for (second, row) in (first_row..).zip(entry.deleted.gaps(entry.rows).flatten()) {
            let place = Place { segment: number, row: row as u32 };
            let key = key_at(place);
            if let Some(before) = keys.insert(keys.hash(key), key, place, key_at) {
                let (segment, entry, first_row) = &segments[before.segment as usize];
                let mut live = entry.deleted.gaps(entry.rows).flatten();
                let first = first_row + live.position(|row| row == before.row as usize).unwrap_or_default();
                return Err(Error::DuplicateKey {
                    key: segment.key(before.row as usize).into(),
                    first,
                    second,
                });
            }
        }
        let (segment, ..) = &segments[number as usize];
        segment.release();
        Ok(segment)
    }
}

/// Verifies the file that finds a segment's rows by key, if there is one.
fn verify_keys(directory: &Directory, entry: &SegmentEntry, segment: &Segment) -> Result<()> {
    match directory.open_keys(&entry.sha256, entry.rows, Access::Map)? {
        Some(file) => file.check(&directory.keys_path(&entry.sha256), segment),
        None => Ok(()),
    }
}

/// Verifies the files of merged moments, and returns the damaged ones.
fn verify_moments(directory: &Directory, manifest: &Manifest) -> Vec<DamagedCopy> {
    let dim = manifest.spec.dim;
    let check = |prefix: Digest| {
        let path = directory.moments_path(&prefix);
        let longest = merged_moments::longest(dim);
        let read = |bytes: Bytes| match merged_moments::read(&bytes, &path, &prefix, dim)? {
            Some(_) => Ok(()),
            None => Err(Error::Damaged { path: path.clone() }),
        };
        let checked = directory.derived_bytes(&path, Access::Map, longest);
        let error = checked.and_then(|bytes| bytes.map_or(Ok(()), read)).err()?;
        Some(DamagedCopy { path, error })
    };
    merged_moments::prefixes(&manifest.segments).into_iter().filter_map(check).collect()
}

/// Verifies the 8-bit copies of a segment's rows, if there are any.
fn verify_copies(directory: &Directory, manifest: &Manifest, entry: &SegmentEntry) -> Result<()> {
    match directory.open_quantized(&entry.sha256, entry.rows, manifest.spec.dim, Access::Map)? {
        Some(copies) => copies.check(&directory.quantized_path(&entry.sha256)),
        None => Ok(()),
    }
}

/// Finds what a repair of the archive in the folder `dir` would drop; [`Repair::drop_damaged`] drops it.
///
/// Until the result is dropped, no writer can open the archive.
///
/// # Errors
/// The errors of [`verify`]; [`Error::Locked`] if a writer has the archive open; [`Error::WrongKind`] if the
/// folder of segments is a link or not a folder: all segments may be sound elsewhere, so none is dropped.
pub fn repair(dir: impl AsRef<Path>) -> Result<Repair> {
    repair_with(Arc::new(FileStorage), dir)
}

/// Prepares a repair like [`repair`], on another storage than the file system.
///
/// # Errors
/// The errors of [`repair`].
pub fn repair_with(storage: Arc<dyn Storage>, dir: impl AsRef<Path>) -> Result<Repair> {
    let directory = Directory::new(storage, dir.as_ref());
    directory.manifest_bytes()?;
    let lock = directory.lock()?;
    let manifest = directory.read_manifest()?;
    let verification = verify_segments(&directory, &manifest)?;
    if let Some(Misplaced { path, found, expected }) =
        verification.misplaced.iter().find(|place| place.expected == FileKind::Folder)
    {
        return Err(Error::WrongKind { path: path.clone(), expected: *expected, found: *found });
    }
    Ok(Repair { directory, manifest, verification, lock })
}

/// A repair that is prepared and not yet carried out. It holds the writer's lock.
pub struct Repair {
    directory: Directory,
    manifest: Manifest,
    verification: Verification,
    lock: LockGuard,
}

impl std::fmt::Debug for Repair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repair").field("verification", &self.verification).finish_non_exhaustive()
    }
}

impl Repair {
    /// Returns what was found; its damaged segments are what [`Repair::drop_damaged`] drops.
    pub fn verification(&self) -> &Verification {
        &self.verification
    }

    /// Removes the damaged segments from the archive, with all their rows, and deletes their files. Copy the
    /// files before if something is to be read from them by other means. An ingest encodes the rows again, like
    /// all missing ones.
    ///
    /// Damaged files that are derived from segments are deleted, too. Links, pipes and other misplaced entries
    /// stay where they are.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be written or removed; [`Error::LockLost`] if the lock is lost. The
    /// segments of the archive are unchanged then, except after a failed sync or rename, which may have stored
    /// the change.
    pub fn drop_damaged(mut self) -> Result<()> {
        let damage = &self.verification.damage;
        if !self.verification.damaged_copies.is_empty() {
            self.directory.check_lock(&self.lock)?;
        }
        for copies in &self.verification.damaged_copies {
            // A misplaced entry is left to its owner; the verification names it.
            if !matches!(copies.error, Error::WrongKind { .. }) {
                self.directory.remove_derived(&copies.path)?;
            }
        }
        if damage.is_empty() {
            return Ok(());
        }
        self.manifest.segments.retain(|entry| damage.iter().all(|d| d.checksum != entry.sha256));
        self.directory.write_manifest(&self.manifest, &self.lock)?;
        match self.directory.remove_unnamed(&self.manifest, &self.lock) {
            // The verification names misplaced entries, and the damaged rows are already out of the archive.
            Err(Error::WrongKind { .. }) => Ok(()),
            other => other,
        }
    }
}
