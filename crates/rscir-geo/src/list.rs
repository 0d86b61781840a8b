use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use rscir_images::ImageList;

use crate::scene::companions;
use crate::stac::{Asset, Properties, read_assets};
use crate::{Error, Result};

/// Extensions, in lowercase, of files that are listed as scenes whatever lies beside them. Images with other extensions
/// are listed if a world file or a .prj lies beside them.
const SCENE_EXTENSIONS: [&str; 2] = ["tif", "tiff"];

/// A list of scenes to cut into tiles: files, all scenes of folders, and assets of STAC items.
#[derive(Debug, Default)]
pub struct SceneList {
    scenes: Vec<ListedScene>,
    failures: Vec<SceneFailure>,
    not_placed: usize,
}

/// A scene to open.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ListedScene {
    /// The path in the keys of its tiles.
    pub(crate) key: String,
    pub(crate) path: PathBuf,
    /// The folder that the key is relative to.
    pub(crate) root: PathBuf,
    pub(crate) properties: Properties,
}

/// A scene from which no tiles can be made.
#[derive(Debug)]
#[non_exhaustive]
pub struct SceneFailure {
    /// The scene's path relative to its folder, or its name in a STAC item.
    pub key: String,
    /// The scene's file.
    pub path: PathBuf,
    /// The reason why it has no tiles.
    pub error: Error,
}

impl SceneList {
    /// Makes an empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a scene's file, or every scene below a folder. The key of a single file is its name. The keys of a folder's
    /// scenes are their paths relative to the folder, in whose order they are added.
    ///
    /// Scenes of a folder are files named `.tif` or `.tiff`, and images with a world file or a .prj beside them. Other
    /// images are counted by [`not_placed`](Self::not_placed).
    ///
    /// # Errors
    /// [`Error::Images`] for a folder that cannot be listed. A missing file is no error here: it fails when it is opened.
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

    /// Adds the GeoTIFF assets of a STAC Item or ItemCollection in a local file, with date and properties of the item.
    /// A scene that the list already has gets the date and properties, and is not added again.
    ///
    /// An item without such assets, and an asset that is missing or at an address that is not read, becomes a
    /// [`SceneFailure`]. The other assets are added.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read; [`Error::Stac`] if it is neither a STAC Item nor an ItemCollection
    /// with items.
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

    /// Returns the number of listed scenes. Some of them may fail when they are opened.
    #[must_use]
    pub fn len(&self) -> usize {
        self.scenes.len()
    }

    /// Tells whether the list has no scene.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scenes.is_empty()
    }

    /// Returns the number of images in the added folders that are not listed, since neither a world file nor a .prj
    /// lies beside them.
    #[must_use]
    pub fn not_placed(&self) -> usize {
        self.not_placed
    }

    /// Splits the list into its scenes, each file once, and its failures.
    ///
    /// # Errors
    /// [`Error::SceneTwice`] if two files have one key.
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

/// Returns a file's path with links resolved, by which two names of one file are recognized. A path that cannot be
/// resolved is returned unchanged.
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
        // The same file is listed once, even if it is added by another name.
        list.add_path(folder.path().join("a/../b.tif")).unwrap();
        let (scenes, failures) = list.into_parts().unwrap();
        let keys: Vec<&str> = scenes.iter().map(|scene| scene.key.as_str()).collect();
        assert_eq!(keys, ["a/c.TIFF", "a/placed.jpg", "b.tif"]);
        assert!(failures.is_empty());
        // Another file with the same key is refused.
        let other = tempfile::tempdir().unwrap();
        std::fs::write(other.path().join("b.tif"), "").unwrap();
        let mut list = listed();
        list.add_path(other.path().join("b.tif")).unwrap();
        let error = list.into_parts().unwrap_err().to_string();
        assert!(error.contains("b.tif") && error.contains("folder above both"), "{error}");
    }
}
