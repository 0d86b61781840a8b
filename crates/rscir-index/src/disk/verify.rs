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

/// What reading every byte of an archive has shown.
#[derive(Debug)]
#[non_exhaustive]
pub struct Verification {
    /// Rows that are as they were written.
    pub sound_rows: usize,
    /// What is damaged, in the order of the manifest.
    pub damage: Vec<Damage>,
    /// Files that follow from the segments (8-bit copies of rows, keys in the order of their hashes, merged moments) and are not
    /// what was written. No row is lost with them: a repair removes them, and
    /// [`ArchiveWriter::quantize`](crate::ArchiveWriter::quantize) and
    /// [`ArchiveWriter::index_keys`](crate::ArchiveWriter::index_keys) make them again.
    pub damaged_copies: Vec<DamagedCopy>,
    /// Files that are no part of the archive, left by a writer that was cut off; the next one removes them.
    pub unnamed: Vec<PathBuf>,
    /// Links, pipes, sockets and devices within the archive's folder, and folders where files belong or the reverse: no
    /// writer opens the archive until they are taken away, which is left to its owner.
    pub misplaced: Vec<Misplaced>,
    /// Files and folders of others, which are left alone.
    pub foreign: Vec<PathBuf>,
}

/// Something of a kind that is no part of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Misplaced {
    /// Where it lies.
    pub path: PathBuf,
    /// What it is.
    pub found: FileKind,
    /// What an archive may have there.
    pub expected: FileKind,
}

impl Verification {
    /// True without damage, and without anything that is no part of an archive.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.damaged_copies.is_empty() && self.misplaced.is_empty()
    }
}

/// A damaged file that follows from segments.
#[derive(Debug)]
#[non_exhaustive]
pub struct DamagedCopy {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub error: Error,
}

/// A damaged file of an archive.
#[derive(Debug)]
#[non_exhaustive]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Rows that it should hold, without those that are deleted.
    pub rows: usize,
    /// What is wrong with it.
    pub error: Error,
    checksum: Digest,
}

/// Reads every byte of the archive in `dir` and compares it with what was written.
///
/// Neither readers nor a writer are disturbed.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Version`]; [`Error::Damaged`] if the manifest is, without which nothing is known of
/// the rest: it must come from a copy.
pub fn verify(dir: impl AsRef<Path>) -> Result<Verification> {
    verify_with(Arc::new(FileStorage), dir)
}

/// As [`verify`], on a storage of your own.
///
/// # Errors
/// As [`verify`].
pub fn verify_with(storage: Arc<dyn Storage>, dir: impl AsRef<Path>) -> Result<Verification> {
    let directory = Directory::new(storage, dir.as_ref());
    loop {
        let bytes = directory.manifest_bytes()?;
        let manifest = Manifest::from_bytes(&bytes, &directory.manifest_path())?;
        let verification = verify_segments(&directory, &manifest)?;
        // A writer may have compacted, and removed files, meanwhile.
        if verification.is_sound() || *directory.manifest_bytes()? == *bytes {
            return Ok(verification);
        }
    }
}

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

/// The segments that were looked at before: their keys, of which a table takes 18 bytes a row, and their columns.
#[derive(Default)]
struct Seen<'a> {
    /// Each with its entry and the archive's row that is its first.
    segments: Vec<(Segment, &'a SegmentEntry, usize)>,
    keys: KeyTable,
    schema: Schema,
}

impl<'a> Seen<'a> {
    /// Checks one segment, whose first row is `first_row` of the archive.
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
        // A manifest has no more segments.
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

/// Checks the file that finds a segment's rows by key, if there is one.
fn verify_keys(directory: &Directory, entry: &SegmentEntry, segment: &Segment) -> Result<()> {
    match directory.open_keys(&entry.sha256, entry.rows, Access::Map)? {
        Some(file) => file.check(&directory.keys_path(&entry.sha256), segment),
        None => Ok(()),
    }
}

/// Checks the merged moments that there are, and gives those that are damaged.
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

/// Checks the 8-bit copies of a segment's rows, if there are any.
fn verify_copies(directory: &Directory, manifest: &Manifest, entry: &SegmentEntry) -> Result<()> {
    match directory.open_quantized(&entry.sha256, entry.rows, manifest.spec.dim, Access::Map)? {
        Some(copies) => copies.check(&directory.quantized_path(&entry.sha256)),
        None => Ok(()),
    }
}

/// What a repair of the archive in `dir` would drop; [`Repair::drop_damaged`] drops it.
///
/// While the result lives, no writer can open the archive.
///
/// # Errors
/// As [`verify`]; [`Error::Locked`] if a writer has the archive open; [`Error::WrongKind`] if the folder of segments is
/// none, or a link: its segments may all be sound elsewhere, and none is dropped for it.
pub fn repair(dir: impl AsRef<Path>) -> Result<Repair> {
    repair_with(Arc::new(FileStorage), dir)
}

/// As [`repair`], on a storage of your own.
///
/// # Errors
/// As [`repair`].
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

/// A repair that has been thought through and not been done.
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
    /// What was found; its damage is what would be dropped.
    pub fn verification(&self) -> &Verification {
        &self.verification
    }

    /// Takes the damaged segments out of the archive, with all their rows, and removes their files: copy them before if
    /// something is to be read from them by other means. The rows can be encoded again, as any that are missing.
    ///
    /// Damaged files that follow from segments are removed. What is no file of an archive is left where it is.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::LockLost`]; nothing is changed then, unless a sync or a rename failed.
    pub fn drop_damaged(mut self) -> Result<()> {
        let damage = &self.verification.damage;
        if !self.verification.damaged_copies.is_empty() {
            self.directory.check_lock(&self.lock)?;
        }
        for copies in &self.verification.damaged_copies {
            // What is no file is left to its owner, and told of.
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
            // It is reported, and the damaged rows are out of the archive.
            Err(Error::WrongKind { .. }) => Ok(()),
            other => other,
        }
    }
}
