use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::{FileAction, FileError};
use super::temporary::{check_target, create_beside, folder_of, random_beside};

/// Size in bytes of the buffer for writing.
const BUFFER: usize = 1 << 16;

/// Writes a file beside `path` under a random name, and renames it to `path` once it is complete and synced.
/// Returns what `write` returns.
///
/// A link at `path` is replaced, not followed. On an error the old file at `path` is unchanged. A process
/// that is killed can leave a file `.rscir-*.partial` beside it.
///
/// # Errors
/// [`FileError::Io`] with the error of the system or of `write`; [`FileError::NotRegular`] if `path` names a
/// folder, a pipe, a device or a socket, or a link to one; [`FileError::NoName`] if the path does not end in
/// a file name.
pub fn replace<T>(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<T>,
) -> Result<T, FileError> {
    let mut files = Together::new();
    let written = files.write(path, write)?;
    files.commit().map(|()| written)
}

/// Replaces several small files together by means of [`Together`].
///
/// # Errors
/// The errors of [`Together::write`] and [`Together::commit`].
pub fn replace_together<P: AsRef<Path>, B: AsRef<[u8]>>(
    files: impl IntoIterator<Item = (P, B)>,
) -> Result<(), FileError> {
    let mut together = Together::new();
    for (path, content) in files {
        together.write(path, |out| out.write_all(content.as_ref()))?;
    }
    together.commit()
}

/// A set of files that are replaced together or not at all.
///
/// Each file is written completely and synced under a random name beside its path. [`Together::commit`]
/// renames the files, the last written first, and puts the old ones back if one cannot be renamed. Dropping
/// the set without a commit changes nothing.
///
/// No file system renames two files at once. A process that is killed between two renames leaves the files
/// written later new and those written earlier old, with `.rscir-*.old` beside them. So the file that is
/// written last should say what it belongs to, such as by the checksum of a file written before, and its
/// reader should compare.
#[derive(Debug, Default)]
pub struct Together {
    steps: Vec<Step>,
}

/// The change of one path.
#[derive(Debug)]
struct Step {
    target: PathBuf,
    /// The temporary file that becomes the target, or `None` if the target is only removed.
    new: Option<PathBuf>,
    /// The old file while the files are renamed.
    old: Option<Kept>,
    done: bool,
}

/// How an old file is kept.
#[derive(Debug)]
enum Kept {
    /// A second name was given to it, so that its path always exists.
    Linked(PathBuf),
    /// It is moved away, where a second name is not possible or the file is to be removed.
    Moved(PathBuf),
}

impl Together {
    /// Makes a set without files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes the file that will become `path`. Returns what `write` returns.
    ///
    /// # Errors
    /// The errors of [`replace`]; [`FileError::Twice`] if the set has this path already.
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
            // An incomplete file is of no use, and removing it makes room on a full disk.
            if let Some(Step { new: Some(new), .. }) = self.steps.pop() {
                let _ = fs::remove_file(new);
            }
            FileError::Io { path: target, action: FileAction::Write, source }
        })
    }

    /// Removes a file together with the others, if it exists.
    ///
    /// # Errors
    /// [`FileError::NotRegular`] if `path` names something other than a file; [`FileError::Twice`] if the set
    /// has this path already; [`FileError::Io`].
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

    /// Renames all files to their paths and makes that durable.
    ///
    /// # Errors
    /// [`FileError::Io`] if a file cannot be renamed: all old files are then where they were.
    /// [`FileError::NotRestored`] says where an old file is kept that could not be put back. With
    /// [`FileAction::SyncFolder`] the new files are in their places, but may be lost if the machine stops
    /// now.
    pub fn commit(mut self) -> Result<(), FileError> {
        // A single rename leaves nothing to put back.
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
                // The files are put back in the reverse order of their renames.
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
    /// Keeps the old file, so that it can be put back.
    fn keep_old(&mut self) -> Result<(), FileError> {
        // Something else, such as a folder, may have appeared there since the first check. It must not be
        // moved away.
        if check_target(&self.target)?.is_none() {
            return Ok(());
        }
        let kept = random_beside(&self.target, "old");
        let linked = self.new.is_some() && fs::hard_link(&self.target, &kept).is_ok();
        self.old = Some(if linked { Kept::Linked(kept) } else { Kept::Moved(kept) });
        Ok(())
    }

    /// Replaces the target. On an error, the target is unchanged or was moved away.
    fn place(&mut self) -> io::Result<()> {
        if let Some(Kept::Moved(kept)) = &self.old {
            fs::rename(&self.target, kept)?;
        }
        match &self.new {
            Some(new) => fs::rename(new, &self.target)?,
            None if self.old.is_none() => match fs::remove_file(&self.target) {
                // The file is gone already: another process removed it.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            },
            None => {}
        }
        self.done = true;
        Ok(())
    }

    /// Undoes [`Step::place`], also after it failed.
    fn put_back(&mut self) -> Result<(), FileError> {
        let kept = match self.old.take() {
            // The file is still at its path, and this is its second name.
            Some(Kept::Linked(kept)) if !self.done => {
                let _ = fs::remove_file(kept);
                return Ok(());
            }
            // Moving the old file away failed.
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

    /// Removes the second name of the old file, or the old file if it was moved away.
    fn forget_old(&mut self) {
        if let Some(Kept::Linked(kept) | Kept::Moved(kept)) = self.old.take() {
            // If this fails, a hidden file remains. That is no reason to undo the commit.
            let _ = fs::remove_file(kept);
        }
    }
}

/// Makes the names in a folder durable. On systems without such an operation for folders, it does nothing.
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
