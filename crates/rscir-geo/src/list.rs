use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use rscir_images::ImageList;

use crate::scene::companions;
use crate::stac::{Asset, Properties, read_assets};
use crate::{Error, Result};

/// Extensions of files that are scenes by themselves, in small letters; images of other kinds are where a world file lies beside them.
const SCENE_EXTENSIONS: [&str; 2] = ["tif", "tiff"];

/// Which scenes are tiled: files, all scenes of folders, and what STAC items name.
#[derive(Debug, Default)]
pub struct SceneList {
    scenes: Vec<ListedScene>,
    failures: Vec<SceneFailure>,
    not_placed: usize,
}

/// A scene that is to be opened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ListedScene {
    /// The path in the keys of its tiles.
    pub(crate) key: String,
    pub(crate) path: PathBuf,
    /// The folder that the key is relative to.
    pub(crate) root: PathBuf,
    pub(crate) properties: Properties,
}

/// A scene that has no tiles.
#[derive(Debug)]
#[non_exhaustive]
pub struct SceneFailure {
    /// The scene's path relative to its folder, or what a STAC item calls it.
    pub key: String,
    /// The scene's file.
    pub path: PathBuf,
    /// Why not.
    pub error: Error,
}

impl SceneList {
    /// Makes an empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file, whose key is its name, or every scene below a folder, in the order of their paths relative to it, which are their
    /// keys. Scenes of a folder are GeoTIFF files, and images with a world file beside them; other images are counted by
    /// [`not_placed`](Self::not_placed).
    ///
    /// # Errors
    /// [`Error::Images`] for a folder that cannot be listed. A file that is not there fails when it is opened.
    pub fn add_path(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        if !path.is_dir() {
            let root =
                path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            match path.file_name().and_then(|name| name.to_str()) {
                Some(name) => self.push(name.into(), path.into(), root.into()),
                None => {
                    let place = path.display().to_string();
                    let error = Error::SceneName { place };
                    self.failures.push(SceneFailure {
                        key: path.to_string_lossy().into(),
                        path: path.into(),
                        error,
                    });
                }
            }
            return Ok(());
        }
        let images = ImageList::collect(path)?;
        for failure in images.unlisted() {
            let error = Error::Core(rscir_core::Error::refused(failure.stage, failure.reason.clone()));
            self.failures.push(SceneFailure { key: failure.key.clone(), path: failure.path.clone(), error });
        }
        for (at, key) in images.keys().iter().enumerate() {
            let file = images.path(at);
            let extension =
                file.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
            if SCENE_EXTENSIONS.contains(&extension.as_str()) || !companions(&file).is_empty() {
                self.push(key.clone(), file, path.into());
            } else {
                self.not_placed += 1;
            }
        }
        Ok(())
    }

    /// Adds the GeoTIFF assets that a STAC Item or ItemCollection in a local file names, with date and properties. A scene that is in the
    /// list already gets these and no second place.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::Stac`] if it is neither. An asset that is missing or on a server fails by name, and the others
    /// are added.
    pub fn add_stac(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let root = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut by_file: HashMap<PathBuf, usize> =
            self.scenes.iter().enumerate().map(|(at, scene)| (real(&scene.path), at)).collect();
        for asset in read_assets(path)? {
            let Asset { key, path, properties, problem } = asset;
            if let Some(error) = problem {
                self.failures.push(SceneFailure { key, path, error });
                continue;
            }
            match by_file.get(&real(&path)).copied() {
                Some(at) => self.scenes[at].properties = properties,
                None => {
                    by_file.insert(real(&path), self.scenes.len());
                    self.scenes.push(ListedScene { key, path, root: root.into(), properties });
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, key: String, path: PathBuf, root: PathBuf) {
        self.scenes.push(ListedScene { key, path, root, properties: Properties::default() });
    }

    /// Returns the number of scenes, those that may fail when they are opened included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.scenes.len()
    }

    /// Tells whether there is no scene.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scenes.is_empty()
    }

    /// Returns the number of images of folders that no world file places.
    #[must_use]
    pub fn not_placed(&self) -> usize {
        self.not_placed
    }

    /// Takes the list apart: each file once, and keys that no two files have; and what failed.
    pub(crate) fn into_parts(self) -> Result<(Vec<ListedScene>, Vec<SceneFailure>)> {
        let mut files = HashSet::new();
        let scenes: Vec<ListedScene> =
            self.scenes.into_iter().filter(|scene| files.insert(real(&scene.path))).collect();
        let mut keys: BTreeMap<&str, &Path> = BTreeMap::new();
        for scene in &scenes {
            if let Some(first) = keys.insert(&scene.key, &scene.path) {
                let (key, first, second) = (scene.key.clone(), first.into(), scene.path.clone());
                return Err(Error::SceneTwice { key, first, second });
            }
        }
        Ok((scenes, self.failures))
    }
}

/// A file's path without links, where it is there: two names of one file are one scene.
fn real(path: &Path) -> PathBuf {
    rscir_images::real_folder(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_give_scenes_in_the_order_of_their_paths_and_images_without_a_place_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.tif", "a/c.TIFF", "a/plain.jpg", "a/placed.jpg", "a/placed.jgw", "notes.txt"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let listed = || {
            let mut list = SceneList::new();
            list.add_path(folder.path()).unwrap();
            list
        };
        let mut list = listed();
        assert_eq!(list.not_placed(), 1);
        // The same file by another name is there once.
        list.add_path(folder.path().join("a/../b.tif")).unwrap();
        let (scenes, failures) = list.into_parts().unwrap();
        let keys: Vec<&str> = scenes.iter().map(|scene| scene.key.as_str()).collect();
        assert_eq!(keys, ["a/c.TIFF", "a/placed.jpg", "b.tif"]);
        assert!(failures.is_empty());
        // Another file of the same key is not.
        let other = tempfile::tempdir().unwrap();
        std::fs::write(other.path().join("b.tif"), "").unwrap();
        let mut list = listed();
        list.add_path(other.path().join("b.tif")).unwrap();
        let error = list.into_parts().unwrap_err().to_string();
        assert!(error.contains("b.tif") && error.contains("folder above both"), "{error}");
    }
}
