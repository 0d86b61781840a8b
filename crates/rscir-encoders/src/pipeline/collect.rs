use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{Failure, Stage};
use crate::{Error, Result};

/// Extensions of the formats that are decoded, lowercase.
pub const IMAGE_EXTENSIONS: [&str; 7] = ["bmp", "jpeg", "jpg", "png", "tif", "tiff", "webp"];

/// Image files below one folder. A file's key is its path relative to the folder, with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageList {
    root: PathBuf,
    keys: Vec<String>,
}

impl ImageList {
    /// The files `keys` below `root`, in this order. They need not exist: one that does not is reported when it is read.
    pub fn new(root: impl Into<PathBuf>, keys: Vec<String>) -> Self {
        Self { root: root.into(), keys }
    }

    /// Every file below `root` with an image's extension, in the byte order of their keys, and what has one but cannot be
    /// listed: names that are not UTF-8, folders that cannot be read or that bear a file's name. Links are followed;
    /// a folder met before is not entered again.
    ///
    /// # Errors
    /// [`Error::Io`] if `root` itself cannot be listed.
    pub fn collect(root: impl Into<PathBuf>) -> Result<(Self, Vec<Failure>)> {
        let root = root.into();
        let mut walk = Walk { root: &root, keys: Vec::new(), failures: Vec::new(), entered: HashSet::new() };
        let entries = std::fs::read_dir(&root).map_err(|source| Error::Io { path: root.clone(), source })?;
        walk.entered.extend(root.canonicalize());
        let mut folders = walk.list(entries, &root);
        while let Some(folder) = folders.pop() {
            match std::fs::read_dir(&folder) {
                Ok(entries) => folders.extend(walk.list(entries, &folder)),
                Err(error) => walk.fail(&folder, error.to_string()),
            }
        }
        let Walk { mut keys, mut failures, .. } = walk;
        keys.sort_unstable();
        failures.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok((Self { root, keys }, failures))
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True without files.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys, in order.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// Path of file `index`.
    ///
    /// # Panics
    /// If `index` is not below [`ImageList::len`], as a slice does.
    pub fn path(&self, index: usize) -> PathBuf {
        self.root.join(&self.keys[index])
    }
}

struct Walk<'a> {
    root: &'a Path,
    keys: Vec<String>,
    failures: Vec<Failure>,
    entered: HashSet<PathBuf>,
}

impl Walk<'_> {
    /// Takes the image files among `entries` and returns the folders to enter.
    fn list(&mut self, entries: std::fs::ReadDir, folder: &Path) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        for entry in entries {
            let path = match entry {
                Ok(entry) => entry.path(),
                Err(error) => {
                    self.fail(folder, error.to_string());
                    continue;
                }
            };
            // Follows links; a dangling one has no metadata and is taken by its name, to be reported when it is read.
            let is_folder = path.metadata().is_ok_and(|m| m.is_dir());
            let named_as_image = has_image_extension(&path);
            if is_folder {
                if named_as_image {
                    self.fail(&path, "a folder, though named as an image".into());
                }
                if path.canonicalize().is_ok_and(|real| self.entered.insert(real)) {
                    folders.push(path);
                }
            } else if named_as_image {
                match self.key(&path) {
                    Some(key) => self.keys.push(key),
                    None => self.fail(&path, "the name is not UTF-8: rename the file".into()),
                }
            }
        }
        folders
    }

    fn key(&self, path: &Path) -> Option<String> {
        let relative = path.strip_prefix(self.root).ok()?;
        let parts: Option<Vec<&str>> = relative.components().map(|part| part.as_os_str().to_str()).collect();
        Some(parts?.join("/"))
    }

    fn fail(&mut self, path: &Path, reason: String) {
        let key = path.strip_prefix(self.root).unwrap_or(path).to_string_lossy().into_owned();
        self.failures.push(Failure { key, path: path.into(), stage: Stage::List, reason });
    }
}

fn has_image_extension(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    extension.is_some_and(|e| IMAGE_EXTENSIONS.contains(&e.as_str()))
}
