use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rscir_core::Precision;

use crate::digest::{Digest, HashingWriter};
use crate::manifest::{Manifest, SegmentEntry};
use crate::segment::Segment;
use crate::storage::{Bytes, LockGuard, Storage};
use crate::{Error, IoAction, Result};

/// Bytes gathered before they are handed to the medium.
const BUFFER: usize = 1 << 20;

/// The folder of an archive: which file is where, and the order of operations that makes a file durable.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    storage: Arc<dyn Storage>,
    root: PathBuf,
}

impl Directory {
    pub(crate) fn new(storage: Arc<dyn Storage>, root: &Path) -> Self {
        Self { storage, root: root.into() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn manifest_path(&self) -> PathBuf {
        self.root.join("manifest.json")
    }

    fn new_manifest_path(&self) -> PathBuf {
        self.root.join("manifest.json.new")
    }

    fn lock_path(&self) -> PathBuf {
        self.root.join("lock")
    }

    fn segments_path(&self) -> PathBuf {
        self.root.join("segments")
    }

    fn new_segment_path(&self) -> PathBuf {
        self.segments_path().join("new")
    }

    /// Where the segment with this checksum lies. Equal segments are one file, whoever wrote them and when.
    pub(crate) fn segment_path(&self, digest: &Digest) -> PathBuf {
        self.segments_path().join(format!("{digest}.safetensors"))
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
        let ours = [self.new_manifest_path(), self.lock_path(), self.segments_path()];
        let list = |dir: &Path| self.storage.list(dir).map_err(Error::io(IoAction::Read, dir));
        let files = list(&self.root)?.into_iter().chain(list(&self.segments_path())?);
        let foreign = files.filter(|path| !ours.contains(path)).min();
        Ok(foreign.map(|path| path.strip_prefix(&self.root).unwrap_or(&path).into()))
    }

    /// Takes the writer's lock.
    pub(crate) fn lock(&self) -> Result<LockGuard> {
        let lock = self.storage.lock(&self.lock_path()).map_err(Error::io(IoAction::Lock, &self.root))?;
        lock.ok_or_else(|| Error::Locked { path: self.root.clone() })
    }

    /// The bytes of the manifest; [`Error::NotFound`] without one.
    pub(crate) fn manifest_bytes(&self) -> Result<Bytes> {
        let path = self.manifest_path();
        self.storage.read(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Error::NotFound { path: self.root.clone() }
            }
            _ => Error::Io { path, action: IoAction::Read, source },
        })
    }

    pub(crate) fn read_manifest(&self) -> Result<Manifest> {
        Manifest::from_bytes(&self.manifest_bytes()?, &self.manifest_path())
    }

    /// Replaces the manifest: afterwards the archive is what `manifest` says, durably.
    pub(crate) fn write_manifest(&self, manifest: &Manifest) -> Result<()> {
        let (new, path) = (self.new_manifest_path(), self.manifest_path());
        let bytes = manifest.to_bytes(&path)?;
        self.write_file(&new, |out| out.write_all(&bytes))?;
        self.rename(&new, &path)?;
        self.sync_root()
    }

    /// Writes a segment and gives it its name, which is durable only after [`Directory::sync_segments`].
    pub(crate) fn write_segment(
        &self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(Digest, u64)> {
        let new = self.new_segment_path();
        let (digest, bytes) = self.write_file(&new, write)?;
        self.rename(&new, &self.segment_path(&digest))?;
        Ok((digest, bytes))
    }

    pub(crate) fn sync_segments(&self) -> Result<()> {
        self.sync_dir(&self.segments_path())
    }

    pub(crate) fn sync_root(&self) -> Result<()> {
        self.sync_dir(&self.root)
    }

    /// Opens a segment that the manifest names.
    pub(crate) fn open_segment(
        &self,
        entry: &SegmentEntry,
        precision: Precision,
        dim: usize,
        access: Access,
    ) -> Result<Segment> {
        let path = self.segment_path(&entry.sha256);
        let bytes = match access {
            Access::Map => self.storage.map(&path),
            Access::Read => self.storage.read(&path),
        };
        let bytes = bytes.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::MissingSegment { path: path.clone() },
            _ => Error::Io { path: path.clone(), action: IoAction::Read, source },
        })?;
        Segment::open(bytes, &path, entry, precision, dim)
    }

    /// Files that no manifest names: of commits that were cut off, or replaced by compaction.
    pub(crate) fn unnamed(&self, manifest: &Manifest) -> Result<Vec<PathBuf>> {
        let named: std::collections::HashSet<PathBuf> =
            manifest.segments.iter().map(|entry| self.segment_path(&entry.sha256)).collect();
        let dir = self.segments_path();
        let mut files = match self.storage.list(&dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            files => files.map_err(Error::io(IoAction::Read, &dir))?,
        };
        files.retain(|path| !named.contains(path));
        files.sort();
        Ok(files)
    }

    /// Removes what no manifest names. Whoever cannot be removed now (a system that keeps mapped files) is by the next
    /// writer.
    pub(crate) fn remove_unnamed(&self, manifest: &Manifest) -> Result<()> {
        for path in self.unnamed(manifest)? {
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
        let file = self.storage.create(path).map_err(Error::io(IoAction::Create, path))?;
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
        self.storage.rename(from, to).map_err(Error::io(IoAction::Rename, to))
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.storage.sync_dir(dir).map_err(Error::io(IoAction::SyncDir, dir))
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
