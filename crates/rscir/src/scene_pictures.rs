//! Pictures and places of scenes for a web server. Neither of `rscir-web` and `rscir-geo` depends on the other;
//! this module connects them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rscir_core::{Archive, RgbImage};
use rscir_geo::{Area, Place, Scene, SceneOptions, TileKey, options_of_row};
use rscir_images::DecodeLimits;
use rscir_page::Ring;
use rscir_web::{FolderPictures, NoPicture, Pictures, Places};

/// Most scenes that are kept open. The tiles of an answer are of few scenes, and an open image with a world file is
/// in memory as a whole.
const MAX_OPEN: usize = 8;

/// Pictures of an archive's rows for a web server. The picture of a tile is cut from its scene, with the bands and
/// the stretch of the ingest; the picture of another row is its file.
pub struct ScenePictures {
    files: FolderPictures,
    open: Mutex<BTreeMap<String, Opened>>,
}

/// An open scene, with the options and the state of the file that it was opened with.
#[derive(Clone)]
struct Opened {
    scene: Arc<Scene>,
    stamp: Option<String>,
    options: SceneOptions,
}

impl std::fmt::Debug for ScenePictures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScenePictures").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ScenePictures {
    /// Makes pictures of scenes and files that are looked for in `folders`, in their order.
    pub fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { files: FolderPictures::new(folders), open: Mutex::default() }
    }

    /// Returns the scene of a row, opened with the options of the row's ingest. A scene that is open already is not
    /// opened again unless its file has changed.
    fn scene(&self, archive: &dyn Archive, row: usize, name: &str) -> Result<Arc<Scene>, NoPicture> {
        let (options, stamp) = (options_of_row(archive, row), self.files.stamp_of(name));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) =
            open.get(name).filter(|opened| opened.options == options && opened.stamp == stamp)
        {
            return Ok(Arc::clone(&opened.scene));
        }
        // The lock is held meanwhile, because a thread that waits for it most often wants this scene.
        let scene = Arc::new(Scene::open(self.files.file(name)?, &options)?);
        open.remove(name);
        if open.len() >= MAX_OPEN {
            open.pop_first();
        }
        open.insert(name.into(), Opened { scene: Arc::clone(&scene), stamp, options });
        Ok(scene)
    }
}

impl Pictures for ScenePictures {
    fn read(&self, archive: &dyn Archive, row: usize, limits: &DecodeLimits) -> Result<RgbImage, NoPicture> {
        let Ok(TileKey { scene, window }) = archive.key(row).parse() else {
            return self.files.read(archive, row, limits);
        };
        let scene = self.scene(archive, row, &scene)?;
        // An archive may come from anyone, so its windows are checked like other input.
        let [width, height] = scene.size();
        let is_within = |start: usize, length: usize, end: usize| length <= end && start <= end - length;
        if !is_within(window.x, window.width, width) || !is_within(window.y, window.height, height) {
            return Err(format!(
                "the scene has {width} x {height} pixels, and {} is not in it",
                archive.key(row)
            )
            .into());
        }
        if (window.width * window.height) as u64 > limits.max_pixels {
            return Err(format!("{} has more than {} pixels", archive.key(row), limits.max_pixels).into());
        }
        Ok(scene.read(window)?.image)
    }

    fn stamp(&self, archive: &dyn Archive, row: usize) -> Option<String> {
        match archive.key(row).parse::<TileKey>() {
            // The options are a part of the stamp, because other bands or another stretch make another picture.
            Ok(tile) => {
                Some(format!("{}-{:?}", self.files.stamp_of(&tile.scene)?, options_of_row(archive, row)))
            }
            Err(_) => self.files.stamp(archive, row),
        }
    }
}

/// Places of an archive's rows for a web server, from the column `footprint`, or else from the columns `west`,
/// `south`, `east` and `north`.
#[derive(Debug, Clone, Copy, Default)]
pub struct FootprintPlaces;

impl Places for FootprintPlaces {
    fn rings(&self, archive: &dyn Archive, row: usize) -> Vec<Ring> {
        Place::of_row(archive, row).map_or_else(Vec::new, |place| place.footprint.rings())
    }

    fn within(
        &self,
        archive: &dyn Archive,
        [west, south, east, north]: [f64; 4],
    ) -> Result<Vec<bool>, String> {
        let area = Area::bounds(west, south, east, north).map_err(|error| error.to_string())?;
        Ok(area.rows(archive).chosen)
    }
}
