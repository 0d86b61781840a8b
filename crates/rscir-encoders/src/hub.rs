//! Published weights: where the Hugging Face cache holds them, and fetching them into it (feature `hub`).

use std::env;
use std::path::PathBuf;

use rscir_core::{Progress, files};

use crate::registry::HubFile;
use crate::{Error, Result};

/// Bytes that the file of a branch may have: it names a commit in 40 digits.
const LONGEST_REFERENCE: u64 = 1024;

/// The file on this machine; fetched, where that is allowed and the file is not there yet.
pub(crate) fn locate(file: &HubFile, progress: &dyn Progress) -> Result<PathBuf> {
    let Some(cache) = cache_folder() else {
        return Err(missing(file, "there is no home folder for a cache", PathBuf::new()));
    };
    match cached(&cache, file) {
        Some(path) => Ok(path),
        None if is_offline() => Err(missing(file, "HF_HUB_OFFLINE is set", cache)),
        None => fetch(file, cache, progress),
    }
}

fn missing(file: &HubFile, reason: &'static str, cache: PathBuf) -> Error {
    let cache = cache.join(folder(file)).join("snapshots").join(file.revision).join(file.file);
    Error::NotDownloaded { file: file.to_string(), reason, cache }
}

/// Where `huggingface_hub` keeps its cache, by the same variables.
fn cache_folder() -> Option<PathBuf> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("HF_HUB_CACHE")
        .or_else(|| Some(variable("HF_HOME")?.join("hub")))
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("huggingface/hub")))
        .or_else(|| Some(env::home_dir()?.join(".cache/huggingface/hub")))
}

/// The values that `huggingface_hub` takes for yes.
fn is_offline() -> bool {
    env::var("HF_HUB_OFFLINE")
        .is_ok_and(|value| matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE"))
}

fn folder(file: &HubFile) -> String {
    format!("models--{}", file.repository.replace('/', "--"))
}

/// The file in a cache: `refs` names the commit of a branch, `snapshots` has a folder for each commit.
fn cached(cache: &std::path::Path, file: &HubFile) -> Option<PathBuf> {
    let repository = cache.join(folder(file));
    let reference = files::read_text(repository.join("refs").join(file.revision), LONGEST_REFERENCE).ok();
    let commit = reference.as_deref().map_or(file.revision, str::trim);
    let path = repository.join("snapshots").join(commit).join(file.file);
    path.is_file().then_some(path)
}

#[cfg(not(feature = "hub"))]
fn fetch(file: &HubFile, cache: PathBuf, _: &dyn Progress) -> Result<PathBuf> {
    Err(missing(file, "this build has no feature `hub` to fetch it", cache))
}

#[cfg(feature = "hub")]
fn fetch(file: &HubFile, cache: PathBuf, progress: &dyn Progress) -> Result<PathBuf> {
    use hf_hub::api::sync::{ApiBuilder, ApiError};
    use hf_hub::{Repo, RepoType};

    let failed = |source: ApiError| Error::Download { file: file.to_string(), source: Box::new(source) };
    let api = ApiBuilder::from_env().with_cache_dir(cache).with_progress(false).build().map_err(failed)?;
    let (repository, revision) = (file.repository.to_owned(), file.revision.to_owned());
    let repository = api.repo(Repo::with_revision(repository, RepoType::Model, revision));
    // It is written under another name, and renamed when it is whole.
    let path = repository.download_with_progress(file.file, Told(progress)).map_err(failed)?;
    check(file, &path)?;
    Ok(path)
}

/// Compares the content with the published hash: the registry's, or else the name that the cache gives the content,
/// which is the hub's hash of large files.
#[cfg(feature = "hub")]
fn check(file: &HubFile, path: &std::path::Path) -> Result<()> {
    let failed = |source| Error::Io { path: path.into(), source };
    let content = path.canonicalize().map_err(failed)?;
    let name = content.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_hash = name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
    let Some(expected) = file.sha256.or(is_hash.then_some(name)) else { return Ok(()) };
    let got = rscir_checkpoint::file_sha256(&content)?;
    if got == expected {
        return Ok(());
    }
    std::fs::remove_file(&content).map_err(failed)?;
    Err(Error::Hash { path: path.into(), expected: expected.into(), got })
}

#[cfg(feature = "hub")]
struct Told<'a>(&'a dyn Progress);

#[cfg(feature = "hub")]
impl hf_hub::api::Progress for Told<'_> {
    fn init(&mut self, size: usize, file: &str) {
        self.0.begin(&format!("download {file}"), Some(size as u64));
    }

    fn update(&mut self, size: usize) {
        self.0.advance(size as u64);
    }

    fn finish(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: HubFile =
        HubFile { repository: "owner/model", revision: "main", file: "a/weights.bin", sha256: None };

    #[test]
    fn a_file_in_the_cache_is_found_by_its_branch_and_by_its_commit() {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join("models--owner--model");
        assert_eq!(cached(cache.path(), &FILE), None);
        let path = folder.join("snapshots/0123/a/weights.bin");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::create_dir_all(folder.join("refs")).unwrap();
        std::fs::write(&path, b"x").unwrap();
        assert_eq!(cached(cache.path(), &FILE), None);
        std::fs::write(folder.join("refs/main"), "0123\n").unwrap();
        assert_eq!(cached(cache.path(), &FILE), Some(path.clone()));
        assert_eq!(cached(cache.path(), &HubFile { revision: "0123", ..FILE }), Some(path));
    }

    #[test]
    fn a_missing_file_is_answered_with_what_to_do() {
        let error = missing(&FILE, "because", "cache".into()).to_string();
        for part in
            ["owner/model/a/weights.bin at main", "because", "`weights`", "cache/models--owner--model"]
        {
            assert!(error.contains(part), "{error}");
        }
    }
}
