use std::collections::HashSet;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rscir_core::Precision;

use crate::digest::{Digest, HashingWriter};
use crate::disk::key_file::KeyFile;
use crate::disk::manifest::{Manifest, SegmentEntry};
use crate::disk::quantized_file::QuantizedFile;
use crate::disk::segment::Segment;
use crate::disk::{merged_moments, names};
use crate::storage::{Bytes, Entry, FileKind, LockGuard, Reading, Storage};
use crate::{Error, IoAction, Result};

/// Bytes gathered before they are handed to the medium.
const BUFFER: usize = 1 << 20;

/// Bytes of the longest manifest that is read. Each segment takes 150 of them and each run of deleted rows 20: a hundred
/// million rows of which every tenth is deleted have 200 MB. What a sparse file claims beyond it is not given memory.
const MAX_MANIFEST: u64 = 1 << 30;

/// Bytes at the beginning of a segment that most headers are within: 500 without columns.
const HEADER: usize = 4096;

/// The folder of an archive: which file is where, and the order of operations that makes a file durable.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    storage: Arc<dyn Storage>,
    root: PathBuf,
}

impl Directory {
    pub(crate) fn new(storage: Arc<dyn Storage>, root: &Path) -> Self {
        let storage = storage.rooted(root).unwrap_or(storage);
        Self { storage, root: root.into() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn manifest_path(&self) -> PathBuf {
        self.root.join(names::MANIFEST)
    }

    fn lock_path(&self) -> PathBuf {
        self.root.join(names::LOCK)
    }

    fn segments_path(&self) -> PathBuf {
        self.root.join(names::SEGMENTS)
    }

    /// Where the segment with this checksum lies. Equal segments are one file, whoever wrote them and when.
    pub(crate) fn segment_path(&self, digest: &Digest) -> PathBuf {
        self.segments_path().join(names::segment(digest))
    }

    /// Where the 8-bit copies of the segment with this checksum lie.
    pub(crate) fn quantized_path(&self, segment: &Digest) -> PathBuf {
        self.segments_path().join(names::quantized(segment))
    }

    /// Where the file lies that finds rows of the segment with this checksum by key.
    pub(crate) fn keys_path(&self, segment: &Digest) -> PathBuf {
        self.segments_path().join(names::keys(segment))
    }

    /// Where the merged moments of the list of segments with this checksum lie.
    pub(crate) fn moments_path(&self, segments: &Digest) -> PathBuf {
        self.segments_path().join(names::moments(segments))
    }

    /// Creates the folders of an archive. Their names are durable afterwards, but those of the segments' folder and
    /// of what else comes into this one, which are with the first manifest.
    pub(crate) fn create_dirs(&self) -> Result<()> {
        self.create_dir(&self.root)?;
        self.storage
            .create_dir(&self.segments_path())
            .map_err(Error::io(IoAction::Create, &self.segments_path()))
    }

    fn create_dir(&self, dir: &Path) -> Result<()> {
        let parent = match dir.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => return Ok(()),
        };
        match self.storage.create_dir(dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.create_dir(parent)?;
                self.storage.create_dir(dir)
            }
            other => other,
        }
        .map_err(Error::io(IoAction::Create, dir))?;
        // Also if the folder was there: who created it may have been killed before this.
        self.sync_dir(parent)
    }

    /// What the folder holds besides an archive in the making: its path from there.
    ///
    /// Segments count: without a manifest they are an archive that lost it, and creating another would remove them.
    pub(crate) fn foreign_file(&self) -> Result<Option<PathBuf>> {
        let contents = self.contents(&HashSet::new())?;
        contents.refuse_misplaced()?;
        let manifest = contents.has_manifest.then(|| self.manifest_path());
        let segments =
            contents.unnamed.into_iter().filter(|path| path.file_name().is_some_and(names::is_segment));
        let foreign = manifest.into_iter().chain(segments).chain(contents.foreign).min();
        Ok(foreign.map(|path| path.strip_prefix(&self.root).unwrap_or(&path).into()))
    }

    /// Takes the writer's lock.
    pub(crate) fn lock(&self) -> Result<LockGuard> {
        let lock = self.storage.lock(&self.lock_path()).map_err(Error::io(IoAction::Lock, &self.root))?;
        lock.ok_or_else(|| Error::Locked { path: self.root.clone() })
    }

    /// `Ok` while the writer's lock is on the archive's own file.
    pub(crate) fn check_lock(&self, lock: &LockGuard) -> Result<()> {
        if lock.is_held().map_err(Error::io(IoAction::Lock, &self.root))? {
            Ok(())
        } else {
            Err(Error::LockLost { path: self.root.clone() })
        }
    }

    /// The bytes of the manifest; [`Error::NotFound`] without one.
    pub(crate) fn manifest_bytes(&self) -> Result<Bytes> {
        let path = self.manifest_path();
        self.storage.read(&path, MAX_MANIFEST).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Error::NotFound { path: self.root.clone() }
            }
            _ => Error::io(IoAction::Read, &path)(source),
        })
    }

    pub(crate) fn read_manifest(&self) -> Result<Manifest> {
        Manifest::from_bytes(&self.manifest_bytes()?, &self.manifest_path())
    }

    /// Replaces the manifest: afterwards the archive is what `manifest` says, durably. Refuses if `lock` is no longer on
    /// the archive's own file: another writer may have the archive, whose commits would be lost.
    pub(crate) fn write_manifest(&self, manifest: &Manifest, lock: &LockGuard) -> Result<()> {
        let (new, path) = (self.root.join(names::temporary(names::NEW_MANIFEST)), self.manifest_path());
        let bytes = manifest.to_bytes(&path)?;
        self.write_file(&new, |out| out.write_all(&bytes))?;
        self.discard_unless(&new, self.check_lock(lock))?;
        self.rename(&new, &path)?;
        self.sync_root()
    }

    /// Writes a segment and gives it its name, which is durable only after [`Directory::sync_segments`].
    pub(crate) fn write_segment(
        &self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(Digest, u64)> {
        let new = self.segments_path().join(names::temporary(names::NEW_SEGMENT));
        let (digest, bytes) = self.write_file(&new, write)?;
        self.rename(&new, &self.segment_path(&digest))?;
        Ok((digest, bytes))
    }

    /// Writes a file that was derived from segments and gives it its name, which is durable only after
    /// [`Directory::sync_segments`].
    pub(crate) fn write_derived(
        &self,
        path: &Path,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<()> {
        let new = self.segments_path().join(names::temporary(names::NEW_SEGMENT));
        self.write_file(&new, write)?;
        self.rename(&new, path)
    }

    /// Opens the 8-bit copies of a segment; `None` without any.
    pub(crate) fn open_quantized(
        &self,
        segment: &Digest,
        rows: usize,
        dim: usize,
        access: Access,
    ) -> Result<Option<QuantizedFile>> {
        let path = self.quantized_path(segment);
        let bytes = self.derived_bytes(&path, access, QuantizedFile::longest(rows, dim))?;
        bytes.map(|bytes| QuantizedFile::open(bytes, &path, segment, rows, dim)).transpose()
    }

    /// Opens the file that finds rows of a segment by key; `None` without one.
    pub(crate) fn open_keys(&self, segment: &Digest, rows: usize, access: Access) -> Result<Option<KeyFile>> {
        let path = self.keys_path(segment);
        let bytes = self.derived_bytes(&path, access, KeyFile::longest(rows))?;
        bytes.map(|bytes| KeyFile::view(bytes, &path, segment, rows)).transpose()
    }

    /// The bytes of a file that was derived from segments, `longest` at most where it is read at once; `None` without one.
    pub(crate) fn derived_bytes(&self, path: &Path, access: Access, longest: u64) -> Result<Option<Bytes>> {
        let bytes = match access {
            Access::Map => self.storage.map(path),
            Access::Read => self.storage.read(path, longest),
        };
        match bytes {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(IoAction::Read, path)(error)),
        }
    }

    /// Removes a file that was derived from segments.
    pub(crate) fn remove_derived(&self, path: &Path) -> Result<()> {
        self.storage.remove(path).map_err(Error::io(IoAction::Write, path))
    }

    pub(crate) fn sync_segments(&self) -> Result<()> {
        self.sync_dir(&self.segments_path())
    }

    pub(crate) fn sync_root(&self) -> Result<()> {
        self.sync_dir(&self.root)
    }

    /// Opens a segment that the manifest names, to read it whole, and checks its keys and columns.
    pub(crate) fn open_segment(
        &self,
        entry: &SegmentEntry,
        precision: Precision,
        dim: usize,
        access: Access,
    ) -> Result<Segment> {
        let path = self.segment_path(&entry.sha256);
        let segment = Segment::view(self.segment_bytes(entry, access)?, &path, entry, precision, dim)?;
        segment.check_rows(&path)?;
        Ok(segment)
    }

    /// Opens all segments of a manifest, to look at some of their rows: checks their headers alone.
    pub(crate) fn view_segments(&self, manifest: &Manifest, access: Access) -> Result<Vec<Segment>> {
        let bytes = manifest.segments.iter().map(|entry| {
            let bytes = self.segment_bytes(entry, access)?;
            bytes.expect(Reading::Scattered, 0..bytes.len());
            // Fetched from all files at once, they are waited for once.
            bytes.expect(Reading::Soon, 0..bytes.len().min(HEADER));
            Ok(bytes)
        });
        let bytes = bytes.collect::<Result<Vec<Bytes>>>()?;
        let view = |(bytes, entry): (Bytes, &SegmentEntry)| {
            Segment::view(
                bytes,
                &self.segment_path(&entry.sha256),
                entry,
                manifest.precision,
                manifest.spec.dim,
            )
        };
        bytes.into_iter().zip(&manifest.segments).map(view).collect()
    }

    fn segment_bytes(&self, entry: &SegmentEntry, access: Access) -> Result<Bytes> {
        let path = self.segment_path(&entry.sha256);
        let bytes = match access {
            Access::Map => self.storage.map(&path),
            Access::Read => self.storage.read(&path, entry.bytes),
        };
        bytes.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::MissingSegment { path },
            _ => Error::io(IoAction::Read, &path)(source),
        })
    }

    /// Closes the folder of segments, for whoever has opened them all.
    pub(crate) fn let_go(&self) {
        self.storage.let_go();
    }

    /// What lies in the folder, given the paths of what belongs to a manifest.
    pub(crate) fn contents(&self, named: &HashSet<PathBuf>) -> Result<Contents> {
        let mut contents = Contents::default();
        for entry in self.list(&self.root)? {
            let name = entry.path.file_name().unwrap_or_default();
            if name == names::SEGMENTS {
                if entry.kind == FileKind::Folder {
                    for entry in self.list(&entry.path)? {
                        let name = entry.path.file_name().unwrap_or_default();
                        // What is derived belongs to its segment.
                        let segment =
                            names::segment_of_derived(name).map(|name| entry.path.with_file_name(name));
                        let is_ours = segment.is_some()
                            || names::is_segment(name)
                            || names::is_moments(name)
                            || names::is_temporary(name, names::NEW_SEGMENT);
                        match (is_ours, entry.kind) {
                            (true, FileKind::File)
                                if named.contains(segment.as_ref().unwrap_or(&entry.path)) => {}
                            (true, FileKind::File) => contents.unnamed.push(entry.path),
                            (true, _) => contents.misplaced.push((entry, FileKind::File)),
                            (false, _) => contents.add_foreign(entry),
                        }
                    }
                } else {
                    contents.misplaced.push((entry, FileKind::Folder));
                }
            } else if name == names::MANIFEST
                || name == names::LOCK
                || names::is_temporary(name, names::NEW_MANIFEST)
            {
                contents.has_manifest |= name == names::MANIFEST;
                if entry.kind != FileKind::File {
                    contents.misplaced.push((entry, FileKind::File));
                } else if names::is_temporary(name, names::NEW_MANIFEST) {
                    contents.unnamed.push(entry.path);
                }
            } else {
                contents.add_foreign(entry);
            }
        }
        contents.unnamed.sort();
        contents.foreign.sort();
        contents.misplaced.sort_by(|a, b| a.0.path.cmp(&b.0.path));
        Ok(contents)
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>> {
        self.storage.list(dir).map_err(Error::io(IoAction::Read, dir))
    }

    /// Paths of the segments that a manifest names, and of moments merged from the first of them.
    pub(crate) fn named(&self, manifest: &Manifest) -> HashSet<PathBuf> {
        let moments = merged_moments::prefixes(&manifest.segments);
        let moments = moments.iter().map(|prefix| self.moments_path(prefix));
        manifest.segments.iter().map(|entry| self.segment_path(&entry.sha256)).chain(moments).collect()
    }

    /// Removes what this program wrote and no manifest names: files of commits that were cut off, or replaced by
    /// compaction. Whoever cannot be removed now (a system that keeps mapped files) is by the next writer.
    ///
    /// Refuses what is no part of an archive, and removes nothing if `lock` is lost: it may be what another writes.
    pub(crate) fn remove_unnamed(&self, manifest: &Manifest, lock: &LockGuard) -> Result<()> {
        let contents = self.contents(&self.named(manifest))?;
        contents.refuse_misplaced()?;
        self.check_lock(lock)?;
        for path in contents.unnamed {
            let _ = self.storage.remove(&path);
        }
        Ok(())
    }

    /// Writes a file, durably but for its name. Gives its checksum and length.
    fn write_file(
        &self,
        path: &Path,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(Digest, u64)> {
        let file = self.storage.create_new(path).map_err(Error::io(IoAction::Create, path))?;
        let mut out = BufWriter::with_capacity(BUFFER, HashingWriter::new(file));
        let written = write(&mut out).and_then(|()| out.into_inner().map_err(io::Error::from));
        let (mut file, digest, bytes) = match written {
            Ok(out) => out.finish(),
            Err(source) => {
                // What a full disk holds of it helps nobody.
                let _ = self.storage.remove(path);
                return Err(Error::Io { path: path.into(), action: IoAction::Write, source });
            }
        };
        file.sync().map_err(Error::io(IoAction::Sync, path))?;
        Ok((digest, bytes))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.discard_unless(from, self.storage.rename(from, to).map_err(Error::io(IoAction::Rename, to)))
    }

    /// Removes a new file that has come to nothing for certain.
    fn discard_unless(&self, new: &Path, done: Result<()>) -> Result<()> {
        done.inspect_err(|error| {
            if !matches!(error, Error::Io { action: IoAction::Rename, .. }) {
                // If it stays, the next writer removes it.
                let _ = self.storage.remove(new);
            }
        })
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.storage.sync_dir(dir).map_err(Error::io(IoAction::SyncDir, dir))
    }
}

/// What lies in an archive's folder besides what its manifest names, sorted by path.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) has_manifest: bool,
    /// Files that this program wrote: of commits that were cut off, or replaced by compaction.
    pub(crate) unnamed: Vec<PathBuf>,
    /// Files and folders that it did not write, which are left alone.
    pub(crate) foreign: Vec<PathBuf>,
    /// Links, pipes, sockets and devices, and folders where files belong or the reverse; with what belongs there.
    pub(crate) misplaced: Vec<(Entry, FileKind)>,
}

impl Contents {
    fn add_foreign(&mut self, entry: Entry) {
        if matches!(entry.kind, FileKind::File | FileKind::Folder) {
            self.foreign.push(entry.path);
        } else {
            self.misplaced.push((entry, FileKind::File));
        }
    }

    /// An error for the first thing that is no part of an archive.
    pub(crate) fn refuse_misplaced(&self) -> Result<()> {
        match self.misplaced.first() {
            Some((Entry { path, kind }, expected)) => {
                Err(Error::WrongKind { path: path.clone(), expected: *expected, found: *kind })
            }
            None => Ok(()),
        }
    }
}

/// How the bytes of a segment are had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Mapped, read as they are looked at.
    Map,
    /// Read at once.
    Read,
}
