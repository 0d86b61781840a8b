//! Published weights: their places in the Hugging Face cache, and their download into it (feature `hub`).

#[cfg(feature = "hub")]
mod client;
#[cfg(feature = "hub")]
mod fetch;
mod problem;

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use hf_hub::{Cache, CacheRepo, Repo, RepoType};
use rscir_core::{Progress, files};

pub use problem::DownloadProblem;

use crate::registry::HubFile;
use crate::{Error, Result};

/// Largest number of bytes of the file of a branch, which names a commit in 40 digits.
const MAX_REFERENCE_BYTES: u64 = 1024;

/// Largest number of bytes of the file of a token. A token has about 40 letters.
const MAX_TOKEN_BYTES: u64 = 1024;

/// Address of the hub that publishes most models.
const ENDPOINT: &str = "https://huggingface.co";

/// A hub of published files, and a cache of them on this machine in the form of Python's `huggingface_hub`.
///
/// ```
/// use rscir_core::Silent;
/// use rscir_encoders::{Hub, HubFile};
///
/// let weights = HubFile { repository: "a/b", revision: "main", file: "model.safetensors", sha256: None };
/// let empty = std::env::temp_dir().join("rscir-no-such-cache");
/// let error = Hub::from_env().cache(empty).offline(true).locate(&weights, &Silent).unwrap_err();
/// assert!(error.to_string().contains("a/b/model.safetensors"));
/// ```
#[derive(Clone)]
pub struct Hub {
    endpoint: String,
    cache: Option<PathBuf>,
    token: Option<String>,
    offline: bool,
}

impl Hub {
    /// Makes a hub from the environment variables of `huggingface_hub`: `HF_ENDPOINT`, `HF_HUB_CACHE`, `HF_HOME`,
    /// `HF_TOKEN` and `HF_HUB_OFFLINE`. The token may also be in the file `token` of `HF_HOME`.
    pub fn from_env() -> Self {
        let home = home();
        let saved = || files::read_text(home.as_ref()?.join("token"), MAX_TOKEN_BYTES).ok();
        Self {
            endpoint: env::var("HF_ENDPOINT")
                .ok()
                .filter(|v| !v.is_empty())
                .unwrap_or_else(|| ENDPOINT.into()),
            cache: folder_of("HF_HUB_CACHE").or_else(|| Some(home.as_ref()?.join("hub"))),
            token: env::var("HF_TOKEN").ok().or_else(saved),
            offline: env::var("HF_HUB_OFFLINE").is_ok_and(|value| is_yes(&value)),
        }
        .cleaned()
    }

    /// Sets the address of the hub. Default: `HF_ENDPOINT`, or else `https://huggingface.co`.
    #[must_use]
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = endpoint.into();
        self.cleaned()
    }

    /// Sets the folder of the cache. Default: `HF_HUB_CACHE`, or else `hub` in `HF_HOME`.
    #[must_use]
    pub fn cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// Sets the token of an account, for files that need one. The token is sent to the hub only, not to other hosts.
    /// Default: `HF_TOKEN`, or else the token that Python's `hf auth login` has saved.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self.cleaned()
    }

    /// Sets whether only the cache is used, and nothing is fetched. Default: `HF_HUB_OFFLINE`.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// Returns the path of a file on this machine, and fetches the file into the cache if it is not there.
    ///
    /// A download that breaks off keeps the bytes it has, and the next call continues it. Before a fetched file gets
    /// its place in the cache, its size is checked, and its SHA-256 if the hub or the [`HubFile`] states one.
    ///
    /// # Errors
    /// [`Error::NotDownloaded`] if the file is not in the cache and may not or cannot be fetched, [`Error::Download`]
    /// if the hub does not give it, [`Error::Hash`] if the hub gives another content, [`Error::Io`] if the cache
    /// cannot be written.
    pub fn locate(&self, file: &HubFile, progress: &dyn Progress) -> Result<PathBuf> {
        let Some(cache) = &self.cache else {
            return Err(missing(file, "there is no home folder for a cache", Path::new("")));
        };
        match cached(cache, file) {
            Some(path) => Ok(path),
            None if self.offline => Err(missing(file, "offline: only the cache is used", cache)),
            None => self.fetch(cache, file, progress),
        }
    }

    #[cfg(not(feature = "hub"))]
    fn fetch(&self, cache: &Path, file: &HubFile, _: &dyn Progress) -> Result<PathBuf> {
        Err(missing(file, "this build has no feature `hub` to fetch it", cache))
    }

    #[cfg(feature = "hub")]
    fn fetch(&self, cache: &Path, file: &HubFile, progress: &dyn Progress) -> Result<PathBuf> {
        let client = client::Client::new(&self.endpoint, self.token.as_deref());
        fetch::fetch(&client, &repository(cache, file), file, progress)
    }

    fn cleaned(mut self) -> Self {
        self.endpoint.truncate(self.endpoint.trim_end_matches('/').len());
        self.token = self.token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        self
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("endpoint", &self.endpoint)
            .field("cache", &self.cache)
            // The token is a secret that must not get into logs.
            .field("has_token", &self.token.is_some())
            .field("offline", &self.offline)
            .finish()
    }
}

fn missing(file: &HubFile, reason: &'static str, cache: &Path) -> Error {
    let cache = repository(cache, file).pointer_path(file.revision).join(file.file);
    Error::NotDownloaded { file: file.to_string(), reason, cache }
}

/// Returns the folder that an environment variable names. `None` if the variable is empty or not set.
fn folder_of(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Returns the folder in which `huggingface_hub` keeps its files, by the same environment variables.
fn home() -> Option<PathBuf> {
    folder_of("HF_HOME")
        .or_else(|| Some(folder_of("XDG_CACHE_HOME")?.join("huggingface")))
        .or_else(|| Some(env::home_dir()?.join(".cache/huggingface")))
}

/// Tells whether `huggingface_hub` takes a value for yes.
fn is_yes(value: &str) -> bool {
    matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE")
}

/// Returns the repository of a file in a cache.
fn repository(cache: &Path, file: &HubFile) -> CacheRepo {
    let (id, revision) = (file.repository.to_owned(), file.revision.to_owned());
    Cache::new(cache.into()).repo(Repo::with_revision(id, RepoType::Model, revision))
}

/// Returns the folder of a repository, which contains its `snapshots`.
fn folder(repository: &CacheRepo) -> PathBuf {
    let commit = repository.pointer_path("commit");
    commit.parent().and_then(Path::parent).unwrap_or(&commit).into()
}

/// Returns the path of a file in a cache, or `None` if it is not there. `refs` names the commit of a branch, and
/// `snapshots` has a folder for each commit.
fn cached(cache: &Path, file: &HubFile) -> Option<PathBuf> {
    let repository = repository(cache, file);
    let reference = folder(&repository).join("refs").join(file.revision);
    let reference = files::read_text(reference, MAX_REFERENCE_BYTES).ok();
    let commit = reference.as_deref().map_or(file.revision, str::trim);
    let path = repository.pointer_path(commit).join(file.file);
    path.is_file().then_some(path)
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
        let error = missing(&FILE, "because", Path::new("cache")).to_string();
        for part in
            ["owner/model/a/weights.bin at main", "because", "`weights`", "cache/models--owner--model"]
        {
            assert!(error.contains(part), "{error}");
        }
    }
}
