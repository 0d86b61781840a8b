use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::storage::{Bytes, Entry, FileKind, HeldLock, LockGuard, Storage, StorageFile};

/// A fault at the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The power fails during the operation. Like everything that was not synced, its effect survives or not, and
    /// all later operations fail until [`FaultyStorage::restart`].
    PowerCut,
    /// The operation fails with this error, once. A sync that fails loses for good what it should have made
    /// durable, and the next one succeeds, as on Linux (P. Rebello et al., *Can Applications Recover from fsync
    /// Failures?*, USENIX ATC 2020).
    Error(io::ErrorKind),
    /// A write accepts half of its bytes. Other operations are unaffected.
    ShortWrite,
}

/// Fate of everything that was not synced when the power fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pending {
    /// Everything survives.
    Kept,
    /// Everything is lost.
    Dropped,
    /// Names survive, and each write is cut off half-way.
    Torn,
    /// Names survive and bytes are lost: files are empty, or as they were before.
    NamesOnly,
    /// Each name and each write survives or is lost, and writes are cut off anywhere, at random from this seed.
    Seeded(u64),
}

/// A kind of operation that changes what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OperationKind {
    /// [`Storage::create_new`].
    Create,
    /// A write into a file.
    Write,
    /// [`StorageFile::sync`].
    Sync,
    /// [`Storage::rename`].
    Rename,
    /// [`Storage::remove`].
    Remove,
    /// [`Storage::create_dir`].
    CreateDir,
    /// [`Storage::sync_dir`].
    SyncDir,
}

/// An operation that was asked for, also if it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Operation {
    /// Kind of the operation.
    pub kind: OperationKind,
    /// Path of the operation; for a rename the new one.
    pub path: PathBuf,
}

/// A storage in memory that can fail or lose power at any operation that changes it.
///
/// Clones share one storage.
#[derive(Debug, Clone, Default)]
pub struct FaultyStorage(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    files: Vec<FileState>,
    /// The names that a running program sees.
    names: BTreeMap<PathBuf, Node>,
    /// The names that a power cut leaves.
    durable_names: BTreeMap<PathBuf, Node>,
    /// The changes of names since their folder was synced.
    pending_names: Vec<NameChange>,
    /// Numbers of the locked files.
    locks: HashSet<usize>,
    operations: Vec<Operation>,
    plan: Option<(usize, Fault)>,
    reads: usize,
    read_plan: Option<(usize, io::ErrorKind)>,
    capacity: Option<usize>,
    off: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Dir,
    File(usize),
}

/// An operation on the names of a folder.
#[derive(Debug, Clone)]
struct NameChange {
    dir: PathBuf,
    changes: Vec<(PathBuf, Option<Node>)>,
}

#[derive(Debug, Clone, Default)]
struct FileState {
    content: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

/// Bytes that were written into a file.
#[derive(Debug, Clone)]
struct Change {
    at: usize,
    bytes: Vec<u8>,
}

impl FaultyStorage {
    /// Makes an empty storage with the folder `/`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns all operations so far, including those that failed.
    pub fn operations(&self) -> Vec<Operation> {
        self.state().operations.clone()
    }

    /// Makes operation `operation`, counted from 0, meet `fault`. Replaces an earlier plan.
    pub fn fail_at(&self, operation: usize, fault: Fault) {
        self.state().plan = Some((operation, fault));
    }

    /// Returns the number of reads so far, including those that failed. Reads change nothing, so they are counted
    /// apart from operations.
    pub fn reads(&self) -> usize {
        self.state().reads
    }

    /// Makes read `read`, counted from 0, fail with `error`. Replaces an earlier plan.
    pub fn fail_read_at(&self, read: usize, error: io::ErrorKind) {
        self.state().read_plan = Some((read, error));
    }

    /// Limits the bytes of all files together to `bytes`; `None` removes the limit, which is the default. A write
    /// that exceeds it is cut off; the next one fails with [`io::ErrorKind::StorageFull`].
    pub fn set_capacity(&self, bytes: Option<usize>) {
        self.state().capacity = bytes;
    }

    /// Returns another storage with what a power cut at this moment leaves. This storage stays the same, so that
    /// one moment can be tried with many outcomes.
    #[must_use]
    pub fn restart(&self, pending: Pending) -> Self {
        let state = self.state();
        let mut dice = Dice::new(pending);
        let mut names = state.durable_names.clone();
        for change in &state.pending_names {
            if dice.keeps_name() {
                apply(&mut names, change);
            }
        }
        let reachable = |names: &BTreeMap<PathBuf, Node>, path: &Path| {
            path.ancestors().skip(1).all(|dir| is_root(dir) || names.get(dir) == Some(&Node::Dir))
        };
        let survived: BTreeMap<_, _> =
            names.iter().filter(|(path, _)| reachable(&names, path)).map(|(p, n)| (p.clone(), *n)).collect();
        let files = state.files.iter().map(|file| {
            let mut content = file.durable.clone();
            for change in &file.pending {
                dice.apply(&mut content, change);
            }
            FileState { durable: content.clone(), content, pending: Vec::new() }
        });
        let files = files.collect();
        let state = State { files, names: survived.clone(), durable_names: survived, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Continues a storage whose power was cut, with nothing lost and nothing more durable, and frees its locks,
    /// as if the program had been killed at that operation instead.
    pub fn revive(&self) {
        let mut state = self.state();
        state.off = false;
        state.plan = None;
        state.locks.clear();
    }

    /// Returns all files with their bytes.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.state();
        let content = |node: &Node| match *node {
            Node::File(id) => Some(state.files[id].content.clone()),
            Node::Dir => None,
        };
        state.names.iter().filter_map(|(path, node)| Some((path.clone(), content(node)?))).collect()
    }

    /// Puts a file in place, durably and without faults, as another program would.
    ///
    /// # Panics
    /// If the folder of the file does not exist.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.state();
        assert!(state.has_dir_of(path), "{}: no such folder", path.display());
        let node = Node::File(state.files.len());
        state.files.push(FileState { content: bytes.into(), durable: bytes.into(), pending: Vec::new() });
        state.names.insert(path.into(), node);
        state.durable_names.insert(path.into(), node);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an operation. Returns the state to carry it out in, and the fault that it meets.
    fn begin(&self, kind: OperationKind, path: &Path) -> io::Result<(MutexGuard<'_, State>, Option<Fault>)> {
        let mut state = self.state();
        if state.off {
            return Err(power_off());
        }
        let number = state.operations.len();
        state.operations.push(Operation { kind, path: path.into() });
        let fault = state.plan.filter(|plan| plan.0 == number).map(|plan| plan.1);
        Ok((state, fault))
    }
}

/// Ends an operation that was carried out; fails if the power is cut.
fn end(state: &mut State, fault: Option<Fault>) -> io::Result<()> {
    if fault == Some(Fault::PowerCut) {
        state.off = true;
        return Err(power_off());
    }
    Ok(())
}

fn power_off() -> io::Error {
    io::Error::other("the power is off")
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// Tells whether a folder always exists: `/` and the working folder do.
fn is_root(dir: &Path) -> bool {
    dir.parent().is_none() || dir == Path::new(".")
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("/")).into()
}

fn apply(names: &mut BTreeMap<PathBuf, Node>, change: &NameChange) {
    for (path, node) in &change.changes {
        match node {
            Some(node) => names.insert(path.clone(), *node),
            None => names.remove(path),
        };
    }
}

impl State {
    fn has_dir(&self, dir: &Path) -> bool {
        is_root(dir) || self.names.get(dir) == Some(&Node::Dir)
    }

    fn has_dir_of(&self, path: &Path) -> bool {
        self.has_dir(&folder_of(path))
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.names.get(path) {
            Some(&Node::File(id)) => Ok(id),
            _ => Err(not_found()),
        }
    }

    fn change_names(&mut self, dir: PathBuf, changes: Vec<(PathBuf, Option<Node>)>) {
        let change = NameChange { dir, changes };
        apply(&mut self.names, &change);
        self.pending_names.push(change);
    }

    /// Returns the number of the file `path`, and creates it if it does not exist.
    fn open_or_create(&mut self, path: &Path) -> io::Result<usize> {
        if let Ok(id) = self.file(path) {
            return Ok(id);
        }
        if !self.has_dir_of(path) {
            return Err(not_found());
        }
        let id = self.files.len();
        self.files.push(FileState::default());
        self.change_names(folder_of(path), vec![(path.into(), Some(Node::File(id)))]);
        Ok(id)
    }

    /// Returns the number of bytes of all files that have a name.
    fn used(&self) -> usize {
        let len = |node: &Node| if let Node::File(id) = *node { self.files[id].content.len() } else { 0 };
        self.names.values().map(len).sum()
    }
}

impl FileState {
    fn change(&mut self, change: Change) {
        write_at(&mut self.content, change.at, &change.bytes);
        self.pending.push(change);
    }
}

/// Writes bytes into a file. A gap before them is filled with zeros, as file systems do.
fn write_at(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[at..end].copy_from_slice(bytes);
}

/// Decides which changes survive.
struct Dice {
    pending: Pending,
    state: u64,
}

impl Dice {
    fn new(pending: Pending) -> Self {
        Self { pending, state: if let Pending::Seeded(seed) = pending { seed } else { 0 } }
    }

    /// Returns a random number below `sides`, by SplitMix64 (Steele, Lea and Flood, 2014).
    fn roll(&mut self, sides: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 33) as usize % sides.max(1)
    }

    fn keeps_name(&mut self) -> bool {
        match self.pending {
            Pending::Kept | Pending::Torn | Pending::NamesOnly => true,
            Pending::Dropped => false,
            Pending::Seeded(_) => self.roll(2) == 0,
        }
    }

    fn apply(&mut self, content: &mut Vec<u8>, change: &Change) {
        let Change { at, bytes } = change;
        let kept = match self.pending {
            Pending::Kept => bytes.len(),
            Pending::Dropped | Pending::NamesOnly => 0,
            Pending::Torn => bytes.len() / 2,
            Pending::Seeded(_) => match self.roll(3) {
                0 => 0,
                1 => self.roll(bytes.len() + 1),
                _ => bytes.len(),
            },
        };
        if kept > 0 {
            write_at(content, *at, &bytes[..kept]);
        }
    }
}

impl Storage for FaultyStorage {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let (mut state, fault) = self.begin(OperationKind::Create, path)?;
        if let Some(Fault::Error(kind)) = fault {
            return Err(kind.into());
        }
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let id = state.open_or_create(path)?;
        end(&mut state, fault)?;
        Ok(Box::new(FaultyFile { storage: self.clone(), path: path.into(), id, at: 0 }))
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Bytes> {
        let mut state = self.state();
        if state.off {
            return Err(power_off());
        }
        let number = state.reads;
        state.reads += 1;
        if let Some((_, error)) = state.read_plan.filter(|plan| plan.0 == number) {
            return Err(error.into());
        }
        let content = &state.files[state.file(path)?].content;
        if content.len() as u64 > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Bytes::from(&content[..]))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (mut state, fault) = self.begin(OperationKind::Rename, to)?;
        if let Some(Fault::Error(kind)) = fault {
            return Err(kind.into());
        }
        if from.parent() != to.parent() {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        let node = Node::File(state.file(from)?);
        state.change_names(folder_of(to), vec![(from.into(), None), (to.into(), Some(node))]);
        end(&mut state, fault)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let (mut state, fault) = self.begin(OperationKind::Remove, path)?;
        if let Some(Fault::Error(kind)) = fault {
            return Err(kind.into());
        }
        state.file(path)?;
        state.change_names(folder_of(path), vec![(path.into(), None)]);
        end(&mut state, fault)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let (mut state, fault) = self.begin(OperationKind::CreateDir, dir)?;
        if let Some(Fault::Error(kind)) = fault {
            return Err(kind.into());
        }
        match state.names.get(dir) {
            Some(Node::Dir) => {}
            Some(Node::File(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            None if state.has_dir_of(dir) => {
                state.change_names(folder_of(dir), vec![(dir.into(), Some(Node::Dir))]);
            }
            None => return Err(not_found()),
        }
        end(&mut state, fault)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let (mut state, fault) = self.begin(OperationKind::SyncDir, dir)?;
        if !state.has_dir(dir) {
            return Err(not_found());
        }
        end(&mut state, fault)?;
        let State { pending_names, durable_names, .. } = &mut *state;
        pending_names.retain(|change| {
            let here = change.dir == dir;
            if here && !matches!(fault, Some(Fault::Error(_))) {
                apply(durable_names, change);
            }
            !here
        });
        if let Some(Fault::Error(kind)) = fault { Err(kind.into()) } else { Ok(()) }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let state = self.state();
        if state.off {
            return Err(power_off());
        }
        if !state.has_dir(dir) {
            return Err(not_found());
        }
        let entry = |(path, node): (&PathBuf, &Node)| Entry {
            path: path.clone(),
            kind: if *node == Node::Dir { FileKind::Folder } else { FileKind::File },
        };
        Ok(state.names.iter().filter(|(path, _)| path.parent() == Some(dir)).map(entry).collect())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<LockGuard>> {
        let mut state = self.state();
        if state.off {
            return Err(power_off());
        }
        let id = state.open_or_create(path)?;
        if !state.locks.insert(id) {
            return Ok(None);
        }
        Ok(Some(Box::new(Lock { storage: self.clone(), path: path.into(), id })))
    }
}

struct Lock {
    storage: FaultyStorage,
    path: PathBuf,
    id: usize,
}

impl HeldLock for Lock {
    fn is_held(&self) -> io::Result<bool> {
        let state = self.storage.state();
        if state.off {
            Err(power_off())
        } else {
            Ok(state.names.get(&self.path) == Some(&Node::File(self.id)))
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.storage.state().locks.remove(&self.id);
    }
}

struct FaultyFile {
    storage: FaultyStorage,
    path: PathBuf,
    id: usize,
    at: usize,
}

impl Write for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (mut state, fault) = self.storage.begin(OperationKind::Write, &self.path)?;
        let room = state.capacity.map_or(usize::MAX, |capacity| capacity.saturating_sub(state.used()));
        let taken = match fault {
            Some(Fault::Error(kind)) => return Err(kind.into()),
            Some(Fault::ShortWrite) => bytes.len().div_ceil(2),
            _ => bytes.len(),
        }
        .min(room);
        if taken == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.files[self.id].change(Change { at: self.at, bytes: bytes[..taken].into() });
        end(&mut state, fault)?;
        self.at += taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl StorageFile for FaultyFile {
    fn sync(&mut self) -> io::Result<()> {
        let (mut state, fault) = self.storage.begin(OperationKind::Sync, &self.path)?;
        end(&mut state, fault)?;
        let file = &mut state.files[self.id];
        let pending = std::mem::take(&mut file.pending);
        if let Some(Fault::Error(kind)) = fault {
            return Err(kind.into());
        }
        for change in pending {
            write_at(&mut file.durable, change.at, &change.bytes);
        }
        Ok(())
    }
}
