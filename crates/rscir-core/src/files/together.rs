use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::{FileAction, FileError};
use super::temporary::{check_target, create_beside, folder_of, random_beside};

/// Bytes gathered before they are handed to the system.
const BUFFER: usize = 1 << 16;

/// Writes a file beside `path` under a random name, and renames it there once it is whole and synced. Gives what `write`
/// gives.
///
/// A link at `path` is replaced, not followed. On an error what was at `path` is there unchanged; a process that is
/// killed can leave a file `.rscir-*.partial` beside it.
///
/// # Errors
/// [`FileError::Io`], also with an error of `write`; [`FileError::NotRegular`] if a folder, a pipe, a device or a socket
/// has the name, or a link to one.
pub fn replace<T>(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<T>,
) -> Result<T, FileError> {
    let mut files = Together::new();
    let written = files.write(path, write)?;
    files.commit().map(|()| written)
}

/// Replaces several small files together, as [`Together`] does.
///
/// # Errors
/// As [`Together::write`] and [`Together::commit`].
pub fn replace_together<P: AsRef<Path>, B: AsRef<[u8]>>(
    files: impl IntoIterator<Item = (P, B)>,
) -> Result<(), FileError> {
    let mut together = Together::new();
    for (path, content) in files {
        together.write(path, |out| out.write_all(content.as_ref()))?;
    }
    together.commit()
}

/// Files that take their places together, or not at all.
///
/// Each is written whole and synced under a random name beside its place. [`Together::commit`] renames them, the last
/// written first, and puts the old ones back if one cannot be renamed; dropped without it, nothing has changed. No file
/// system renames two files at once: a process killed between two renames leaves the later written files new and the
/// earlier ones old, with `.rscir-*.old` beside them. So what is written last should say what it belongs to, such as the
/// checksum of what was written before, and its reader compare.
#[derive(Debug, Default)]
pub struct Together {
    steps: Vec<Step>,
}

/// What becomes of one path.
#[derive(Debug)]
struct Step {
    target: PathBuf,
    /// The file that takes the place; `None` if the target is only taken away.
    new: Option<PathBuf>,
    /// Where the old file is kept meanwhile.
    old: Option<Kept>,
    done: bool,
}

/// How an old file is kept.
#[derive(Debug)]
enum Kept {
    /// By a second name, so that its place is never empty.
    Linked(PathBuf),
    /// By moving it away, where a second name cannot be had or the file is to go.
    Moved(PathBuf),
}

impl Together {
    /// Begins without files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes what is to become `path`. Gives what `write` gives.
    ///
    /// # Errors
    /// As [`replace`], and [`FileError::Twice`].
    pub fn write<T>(
        &mut self,
        path: impl AsRef<Path>,
        write: impl FnOnce(&mut dyn Write) -> io::Result<T>,
    ) -> Result<T, FileError> {
        let target = self.fresh(path.as_ref())?;
        let there = check_target(&target)?;
        let (new, file) = create_beside(&target, there.as_ref())?;
        self.steps.push(Step { target: target.clone(), new: Some(new), old: None, done: false });
        let mut out = BufWriter::with_capacity(BUFFER, file);
        let written = write(&mut out).and_then(|written| {
            out.into_inner()?.sync_all()?;
            Ok(written)
        });
        written.map_err(|source| {
            // What a full disk holds of it helps nobody.
            if let Some(Step { new: Some(new), .. }) = self.steps.pop() {
                let _ = fs::remove_file(new);
            }
            FileError::Io { path: target, action: FileAction::Write, source }
        })
    }

    /// Takes a file away with the others, if it is there.
    ///
    /// # Errors
    /// [`FileError::NotRegular`] for what no file of this crate could be; [`FileError::Twice`]; [`FileError::Io`].
    pub fn remove(&mut self, path: impl AsRef<Path>) -> Result<(), FileError> {
        let target = self.fresh(path.as_ref())?;
        if check_target(&target)?.is_some() {
            self.steps.push(Step { target, new: None, old: None, done: false });
        }
        Ok(())
    }

    fn fresh(&self, path: &Path) -> Result<PathBuf, FileError> {
        if self.steps.iter().any(|step| step.target == path) {
            return Err(FileError::Twice { path: path.into() });
        }
        Ok(path.into())
    }

    /// Puts all files in their places, and makes that durable.
    ///
    /// # Errors
    /// [`FileError::Io`] if a file cannot be renamed: then all old ones are where they were, or
    /// [`FileError::NotRestored`] says where one is kept. With [`FileAction::SyncFolder`] the new files are in their
    /// places, and may not stay there if the machine stops now.
    pub fn commit(mut self) -> Result<(), FileError> {
        // A single rename has nothing to be put back.
        if self.steps.len() > 1
            && let Err(error) = self.steps.iter_mut().try_for_each(Step::keep_old)
        {
            self.steps.iter_mut().for_each(Step::forget_old);
            return Err(error);
        }
        for at in (0..self.steps.len()).rev() {
            if let Err(source) = self.steps[at].place() {
                let failed =
                    FileError::Io { path: self.steps[at].target.clone(), action: FileAction::Rename, source };
                // In the order against the one in which they were placed.
                let restored = self.steps[at..].iter_mut().try_for_each(Step::put_back);
                self.steps[..at].iter_mut().for_each(Step::forget_old);
                return Err(restored.err().unwrap_or(failed));
            }
        }
        self.steps.iter_mut().for_each(Step::forget_old);
        let mut folders: Vec<&Path> = self.steps.iter().map(|step| folder_of(&step.target)).collect();
        folders.sort_unstable();
        folders.dedup();
        folders.into_iter().try_for_each(sync_folder)
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        for step in self.steps.iter().filter(|step| !step.done) {
            if let Some(new) = &step.new {
                let _ = fs::remove_file(new);
            }
        }
    }
}

impl Step {
    /// Prepares for the old file to be put back.
    fn keep_old(&mut self) -> Result<(), FileError> {
        // Something else may have come there since the first look, such as a folder, and is not to be moved away.
        if check_target(&self.target)?.is_none() {
            return Ok(());
        }
        let kept = random_beside(&self.target, "old");
        let linked = self.new.is_some() && fs::hard_link(&self.target, &kept).is_ok();
        self.old = Some(if linked { Kept::Linked(kept) } else { Kept::Moved(kept) });
        Ok(())
    }

    /// Takes the target's place. On an error the target is what it was, or moved away.
    fn place(&mut self) -> io::Result<()> {
        if let Some(Kept::Moved(kept)) = &self.old {
            fs::rename(&self.target, kept)?;
        }
        match &self.new {
            Some(new) => fs::rename(new, &self.target)?,
            None if self.old.is_none() => match fs::remove_file(&self.target) {
                // Someone else was faster.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            },
            None => {}
        }
        self.done = true;
        Ok(())
    }

    /// Undoes [`Step::place`], whether it failed or not.
    fn put_back(&mut self) -> Result<(), FileError> {
        let kept = match self.old.take() {
            // It still has its place, and this is its second name.
            Some(Kept::Linked(kept)) if !self.done => {
                let _ = fs::remove_file(kept);
                return Ok(());
            }
            // The move itself failed.
            Some(Kept::Moved(kept)) if fs::symlink_metadata(&kept).is_err() => return Ok(()),
            Some(Kept::Linked(kept) | Kept::Moved(kept)) => kept,
            None if self.done && self.new.is_some() => {
                return fs::remove_file(&self.target)
                    .map_err(FileError::io(FileAction::Rename, &self.target));
            }
            None => return Ok(()),
        };
        fs::rename(&kept, &self.target).map_err(|source| FileError::NotRestored {
            path: self.target.clone(),
            kept,
            source,
        })
    }

    /// Removes the old file's second name, or the old file where it was moved.
    fn forget_old(&mut self) {
        if let Some(Kept::Linked(kept) | Kept::Moved(kept)) = self.old.take() {
            // What remains if this fails is a hidden file too many, and no reason to undo what is done.
            let _ = fs::remove_file(kept);
        }
    }
}

/// Makes the names in a folder durable. Where a system has no such thing for folders there is nothing to do.
fn sync_folder(folder: &Path) -> Result<(), FileError> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Err(FileError::Io { path: folder.into(), action: FileAction::SyncFolder, source: error })
        }
        _ => Ok(()),
    }
}
