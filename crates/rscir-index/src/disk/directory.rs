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

/// Bytes that are gathered before they are written to the storage.
const BUFFER: usize = 1 << 20;

/// Bytes of the longest manifest that is read. A segment takes 150 bytes of it and a run of deleted rows 20: a
/// hundred million rows of which every tenth is deleted need 200 MB. The limit keeps a sparse file that claims
/// more from taking memory.
const MAX_MANIFEST: u64 = 1 << 30;

/// Bytes at the beginning of a segment that hold most headers; a header without columns has 500.
const HEADER: usize = 4096;

/// The folder of an archive: the paths of its files, and the order of operations that makes a file durable.
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

    /// Returns the path of the segment with this checksum. Equal segments are one file, whoever wrote them and
    /// when.
    pub(crate) fn segment_path(&self, digest: &Digest) -> PathBuf {
        self.segments_path().join(names::segment(digest))
    }

    /// Returns the path of the 8-bit copies of the segment with this checksum.
    pub(crate) fn quantized_path(&self, segment: &Digest) -> PathBuf {
        self.segments_path().join(names::quantized(segment))
    }

    /// Returns the path of the file that finds rows by key, of the segment with this checksum.
    pub(crate) fn keys_path(&self, segment: &Digest) -> PathBuf {
        self.segments_path().join(names::keys(segment))
    }

    /// Returns the path of the merged moments of the list of segments with this checksum.
    pub(crate) fn moments_path(&self, segments: &Digest) -> PathBuf {
        self.segments_path().join(names::moments(segments))
    }

    /// Creates the folders of an archive. The name of the archive's folder is durable afterwards. The names in it
    /// become durable with the first manifest.
    pub(crate) fn create_dirs(&self) -> Result<()> {
        self.create_dir(&self.root)?;
        self.storage
            .create_dir(&self.segments_path())
            .map_err(Error::io(IoAction::Create, &self.segments_path()))
    }

    /// Creates a folder, and the folders around it as far as they are missing, durably.
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
        // Syncs even if the folder existed, because the process that created it may have been killed before its
        // sync.
        self.sync_dir(parent)
    }

    /// Returns the first file in the folder that keeps an archive from being created, as a path relative to the
    /// folder.
    ///
    /// Segments count: without a manifest, they belong to an archive that has lost it, and creating another
    /// archive would remove them.
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
    ///
    /// # Errors
    /// [`Error::Locked`] if another writer has it.
    pub(crate) fn lock(&self) -> Result<LockGuard> {
        let lock = self.storage.lock(&self.lock_path()).map_err(Error::io(IoAction::Lock, &self.root))?;
        lock.ok_or_else(|| Error::Locked { path: self.root.clone() })
    }

    /// Checks that the writer's lock is still on the archive's own file.
    ///
    /// # Errors
    /// [`Error::LockLost`] if it is not.
    pub(crate) fn check_lock(&self, lock: &LockGuard) -> Result<()> {
        if lock.is_held().map_err(Error::io(IoAction::Lock, &self.root))? {
            Ok(())
        } else {
            Err(Error::LockLost { path: self.root.clone() })
        }
    }

    /// Reads the bytes of the manifest.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none.
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

    /// Replaces the manifest, durably.
    ///
    /// # Errors
    /// [`Error::LockLost`] if `lock` is no longer on the archive's own file. Another writer may then have the
    /// archive open, and its commits would be lost.
    pub(crate) fn write_manifest(&self, manifest: &Manifest, lock: &LockGuard) -> Result<()> {
        let (new, path) = (self.root.join(names::temporary(names::NEW_MANIFEST)), self.manifest_path());
        let bytes = manifest.to_bytes(&path)?;
        self.write_file(&new, |out| out.write_all(&bytes))?;
        self.discard_unless(&new, self.check_lock(lock))?;
        self.rename(&new, &path)?;
        self.sync_root()
    }

    /// Writes a segment and gives it its name, which is durable after [`Directory::sync_segments`].
    pub(crate) fn write_segment(
        &self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(Digest, u64)> {
        let new = self.segments_path().join(names::temporary(names::NEW_SEGMENT));
        let (digest, bytes) = self.write_file(&new, write)?;
        self.rename(&new, &self.segment_path(&digest))?;
        Ok((digest, bytes))
    }

    /// Writes a file that was derived from segments and gives it its name, which is durable after
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

    /// Opens the 8-bit copies of a segment; `None` if there are none.
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

    /// Opens the file that finds rows of a segment by key; `None` if there is none.
    pub(crate) fn open_keys(&self, segment: &Digest, rows: usize, access: Access) -> Result<Option<KeyFile>> {
        let path = self.keys_path(segment);
        let bytes = self.derived_bytes(&path, access, KeyFile::longest(rows))?;
        bytes.map(|bytes| KeyFile::view(bytes, &path, segment, rows)).transpose()
    }

    /// Returns the bytes of a file that was derived from segments; `None` if there is none. If the file is read
    /// at once, it may have at most `longest` bytes.
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

    /// Opens a segment of the manifest and checks its keys and columns.
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

    /// Opens all segments of a manifest for access to single rows. Checks their headers only.
    pub(crate) fn view_segments(&self, manifest: &Manifest, access: Access) -> Result<Vec<Segment>> {
        let bytes = manifest.segments.iter().map(|entry| {
            let bytes = self.segment_bytes(entry, access)?;
            bytes.expect(Reading::Scattered, 0..bytes.len());
            // Fetching the headers of all files together waits for the disk only once.
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

    /// Returns the bytes of a segment.
    ///
    /// # Errors
    /// [`Error::MissingSegment`] if there is no such file.
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

    /// Closes the folder of segments, after all of them were opened.
    pub(crate) fn let_go(&self) {
        self.storage.let_go();
    }

    /// Lists the folder, apart from the files in `named`, which belong to a manifest, and those that are derived
    /// from them.
    pub(crate) fn contents(&self, named: &HashSet<PathBuf>) -> Result<Contents> {
        let mut contents = Contents::default();
        for entry in self.list(&self.root)? {
            let name = entry.path.file_name().unwrap_or_default();
            if name == names::SEGMENTS {
                if entry.kind == FileKind::Folder {
                    for entry in self.list(&entry.path)? {
                        let name = entry.path.file_name().unwrap_or_default();
                        // A derived file belongs to its segment.
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

    /// Returns the paths of the segments that a manifest names, and of moments merged from the first of them.
    pub(crate) fn named(&self, manifest: &Manifest) -> HashSet<PathBuf> {
        let moments = merged_moments::prefixes(&manifest.segments);
        let moments = moments.iter().map(|prefix| self.moments_path(prefix));
        manifest.segments.iter().map(|entry| self.segment_path(&entry.sha256)).chain(moments).collect()
    }

    /// Removes files that this program wrote and no manifest names: those of commits that were cut off, and those
    /// that a compaction replaced. Files that cannot be removed now, because the system keeps mapped files, are
    /// left to the next writer.
    ///
    /// # Errors
    /// [`Error::WrongKind`] if something in the folder cannot be part of an archive; [`Error::LockLost`] if
    /// `lock` is lost, because the files may be those of another writer. Nothing is removed then.
    pub(crate) fn remove_unnamed(&self, manifest: &Manifest, lock: &LockGuard) -> Result<()> {
        let contents = self.contents(&self.named(manifest))?;
        contents.refuse_misplaced()?;
        self.check_lock(lock)?;
        for path in contents.unnamed {
            let _ = self.storage.remove(&path);
        }
        Ok(())
    }

    /// Writes a file whose bytes, but not its name, are durable afterwards. Returns its checksum and length.
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
                // A part of a file on a full disk is of no use.
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

    /// Removes a new file if `done` is an error, unless it is the error of a rename, after which the file may
    /// have its name.
    fn discard_unless(&self, new: &Path, done: Result<()>) -> Result<()> {
        done.inspect_err(|error| {
            if !matches!(error, Error::Io { action: IoAction::Rename, .. }) {
                // If this fails, the next writer removes the file.
                let _ = self.storage.remove(new);
            }
        })
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.storage.sync_dir(dir).map_err(Error::io(IoAction::SyncDir, dir))
    }
}

/// The files in an archive's folder that its manifest does not name, sorted by path.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) has_manifest: bool,
    /// Files that this program wrote: those of commits that were cut off, and those that a compaction replaced.
    pub(crate) unnamed: Vec<PathBuf>,
    /// Files and folders of other programs, which are left alone.
    pub(crate) foreign: Vec<PathBuf>,
    /// Links, pipes, sockets and devices, folders in the place of files and files in the place of folders; with
    /// the kind that belongs there.
    pub(crate) misplaced: Vec<(Entry, FileKind)>,
}

impl Contents {
    /// Adds an entry whose name no archive has.
    fn add_foreign(&mut self, entry: Entry) {
        if matches!(entry.kind, FileKind::File | FileKind::Folder) {
            self.foreign.push(entry.path);
        } else {
            self.misplaced.push((entry, FileKind::File));
        }
    }

    /// Checks that nothing is misplaced.
    ///
    /// # Errors
    /// [`Error::WrongKind`] for the first misplaced entry.
    pub(crate) fn refuse_misplaced(&self) -> Result<()> {
        match self.misplaced.first() {
            Some((Entry { path, kind }, expected)) => {
                Err(Error::WrongKind { path: path.clone(), expected: *expected, found: *kind })
            }
            None => Ok(()),
        }
    }
}

/// How the bytes of a file are accessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// The file is mapped, and its pages are read when they are used.
    Map,
    /// The file is read whole when it is opened.
    Read,
}
