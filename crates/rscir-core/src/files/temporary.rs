use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};

use super::error::{FileAction, FileError, FileKind};

/// Returns a path in the folder of `target` that no other process has or can guess.
///
/// The path does not hold the target's name, which may have the greatest length of a name already.
pub(super) fn random_beside(target: &Path, ending: &str) -> PathBuf {
    // The seeds of hash maps are the only random numbers of the standard library.
    let random = || RandomState::new().hash_one(());
    folder_of(target).join(format!(".rscir-{:016x}{:016x}.{ending}", random(), random()))
}

/// Returns the folder that holds `path`.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Checks that a file may replace what `path` names: nothing, a regular file or a link to one. Returns the
/// metadata of what is there.
pub(super) fn check_target(path: &Path) -> Result<Option<fs::Metadata>, FileError> {
    if path.file_name().is_none() {
        return Err(FileError::NoName { path: path.into() });
    }
    let failed = |source| FileError::Io { path: path.into(), action: FileAction::Write, source };
    let refused = |kind| Err(FileError::NotRegular { path: path.into(), kind });
    let there = match fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if !there.is_symlink() {
        return FileKind::of(there.file_type()).map_or(Ok(Some(there)), refused);
    }
    // A link such as /dev/stdout belongs to the system, even while it leads to a regular file.
    let folder = fs::canonicalize(folder_of(path)).map_err(failed)?;
    if folder == Path::new("/dev") || folder.starts_with("/proc") {
        return refused(FileKind::Device);
    }
    match fs::metadata(path) {
        Ok(end) => FileKind::of(end.file_type()).map_or(Ok(Some(there)), refused),
        // If a link leads nowhere, the link itself is replaced.
        Err(_) => Ok(Some(there)),
    }
}

/// Creates the temporary file that will become `target`. `there` is the metadata of the current target.
pub(super) fn create_beside(
    target: &Path,
    there: Option<&fs::Metadata>,
) -> Result<(PathBuf, File), FileError> {
    let path = random_beside(target, "partial");
    let mut options = OpenOptions::new();
    // Anything that has this name already, such as a link or a pipe, is an error.
    options.write(true).create_new(true);
    #[cfg(unix)]
    let mode = there.filter(|there| there.is_file()).map(|there| {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        // The new file gets the permissions of the old one, so that a private file stays private.
        let mode = there.permissions().mode() & 0o777;
        options.mode(mode);
        fs::Permissions::from_mode(mode)
    });
    #[cfg(not(unix))]
    let _ = there;
    let file = options.open(&path).map_err(FileError::io(FileAction::Create, folder_of(target)))?;
    #[cfg(unix)]
    if let Some(mode) = mode {
        // The umask of the process may have removed some of the permissions.
        if let Err(source) = file.set_permissions(mode) {
            let _ = fs::remove_file(&path);
            return Err(FileError::Io { path: target.into(), action: FileAction::Write, source });
        }
    }
    Ok((path, file))
}

/// Checks that [`replace`](super::replace) can write `path`, before the work whose result goes there.
///
/// The folder must exist, the name must be free or belong to a regular file, and it must be possible to
/// create a file beside it, which is removed again. Free space on the disk is not checked.
///
/// # Errors
/// [`FileError::Io`] if the folder is missing or a file cannot be created; [`FileError::NotRegular`] if
/// something other than a file has the name; [`FileError::NoName`] if the path does not end in a file name.
pub fn can_be_written(path: impl AsRef<Path>) -> Result<(), FileError> {
    let path = path.as_ref();
    let there = check_target(path)?;
    let (temporary, _) = create_beside(path, there.as_ref())?;
    fs::remove_file(&temporary).map_err(FileError::io(FileAction::Create, folder_of(path)))
}
