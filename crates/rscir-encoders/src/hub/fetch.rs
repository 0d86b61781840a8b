use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use hf_hub::CacheRepo;
use rscir_core::{Progress, files};

use super::client::{Client, Published};
use super::folder;
use super::problem::DownloadProblem;
use crate::registry::HubFile;
use crate::{Error, Result};

/// Number of bytes that are read at once. Connections give about 16 kB at a time.
const BLOCK: usize = 64 << 10;

/// Fetches a file into the folder of its repository in the cache, and returns its path there.
///
/// # Errors
/// [`Error::Download`] if the hub does not give the file, [`Error::Hash`] if the content is not the published one,
/// [`Error::Io`] if the cache cannot be written.
pub(super) fn fetch(
    client: &Client<'_>,
    repository: &CacheRepo,
    file: &HubFile,
    progress: &dyn Progress,
) -> Result<PathBuf> {
    let failed = |problem| Error::Download { file: file.to_string(), problem };
    let published = client.look_up(file).map_err(failed)?;
    let content = folder(repository).join("blobs").join(&published.content);
    let path = repository.pointer_path(&published.commit).join(file.file);
    for parent in [&content, &path].into_iter().filter_map(|path| path.parent()) {
        fs::create_dir_all(parent).map_err(at(parent))?;
    }
    // The lock is held until this function returns, also with an error.
    let _turn = take_turn(&content)?;
    if fs::metadata(&content).map_or(0, |there| there.len()) != published.size {
        let part = beside(&content, "part");
        progress.begin(&format!("download {}", file.file), Some(published.size));
        let done = complete(client, &part, file, &published, progress);
        progress.end();
        done?;
        check(&part, file, &published)?;
        fs::rename(&part, &content).map_err(at(&content))?;
    }
    link(&content, &path, file).map_err(at(&path))?;
    if published.commit != file.revision {
        let reference = folder(repository).join("refs").join(file.revision);
        // A revision with a slash needs a folder.
        let parent = reference.parent().unwrap_or(&reference);
        fs::create_dir_all(parent).map_err(at(parent))?;
        files::replace(&reference, |out| out.write_all(published.commit.as_bytes()))?;
    }
    Ok(path)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    |source| Error::Io { path, source }
}

/// Returns a path beside that of a content, with another ending.
fn beside(content: &Path, ending: &str) -> PathBuf {
    let mut path = content.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}

/// Waits until no other process fetches this content.
fn take_turn(content: &Path) -> Result<File> {
    let path = beside(content, "lock");
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(at(&path))?;
    match lock.lock() {
        // On a file system without locks two processes may fetch at once; the hash then tells if they mixed up a file.
        Err(error) if error.kind() != ErrorKind::Unsupported => Err(at(&path)(error)),
        _ => Ok(lock),
    }
}

/// Appends to the file `part` until it is whole. Tries again from its end as long as each try brings some bytes.
///
/// # Errors
/// [`Error::Download`] if a try brings nothing, [`Error::Io`] if the part cannot be written.
fn complete(
    client: &Client<'_>,
    part: &Path,
    file: &HubFile,
    published: &Published,
    progress: &dyn Progress,
) -> Result<()> {
    let failed = |problem| Error::Download { file: file.to_string(), problem };
    let mut out = OpenOptions::new().append(true).create(true).open(part).map_err(at(part))?;
    let mut got = out.metadata().map_err(at(part))?.len();
    if got > published.size {
        // The part is longer than the content, so it belongs to another one and cannot be used.
        (got, _) = (0, out.set_len(0).map_err(at(part))?);
    }
    progress.advance(got);
    while got < published.size {
        let rest = match client.read(file, got) {
            // The bytes so far stay, and a later call can continue.
            Err(DownloadProblem::Unreachable(source)) if got > 0 => {
                return Err(failed(broken_off(got, published, Some(source))));
            }
            rest => rest.map_err(failed)?,
        };
        if rest.from < got {
            // The hub gives the file only as a whole.
            (got, _) = (0, out.set_len(0).map_err(at(part))?);
        }
        let began = got;
        let mut bytes = rest.bytes.take(published.size - got);
        let mut block = vec![0; BLOCK];
        let ended = loop {
            let read = match bytes.read(&mut block) {
                Ok(0) => break None,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => break Some(error.into()),
            };
            out.write_all(block.get(..read).unwrap_or_default()).map_err(at(part))?;
            got += read as u64;
            progress.advance(read as u64);
        };
        if got == began {
            return Err(failed(broken_off(got, published, ended)));
        }
    }
    out.sync_all().map_err(at(part))
}

fn broken_off(
    got: u64,
    published: &Published,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
) -> DownloadProblem {
    DownloadProblem::BrokenOff { got, size: published.size, source }
}

/// Compares a whole part with the published SHA-256, and removes it if it differs. The hash is that of the
/// [`HubFile`], or else the name of the content, which is the hash of large files. A file without a known hash
/// passes.
///
/// # Errors
/// [`Error::Hash`] if the hash differs.
fn check(part: &Path, file: &HubFile, published: &Published) -> Result<()> {
    let name = published.content.as_str();
    let is_hash = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let Some(expected) = file.sha256.or(is_hash.then_some(name)) else { return Ok(()) };
    let got = rscir_checkpoint::file_sha256(part)?;
    if got.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    fs::remove_file(part).map_err(at(part))?;
    Err(Error::Hash { path: part.into(), expected: expected.into(), got })
}

/// Makes `path`, the place of `file` in a snapshot, lead to a content: by a symbolic link on Unix, by a hard link or
/// a copy elsewhere.
fn link(content: &Path, path: &Path, file: &HubFile) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    #[cfg(unix)]
    {
        // The link is relative, so that a cache can be moved. It leads out of the folders of the file, of the commit
        // and of `snapshots`.
        let mut target: PathBuf = Path::new(file.file).components().map(|_| "..").collect();
        target.push("../blobs");
        target.push(content.file_name().unwrap_or_default());
        std::os::unix::fs::symlink(target, path)
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        fs::hard_link(content, path).or_else(|_| fs::copy(content, path).map(drop))
    }
}
