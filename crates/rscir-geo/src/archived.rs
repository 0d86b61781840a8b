use std::collections::{BTreeMap, HashSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rscir_core::{Archive, RgbImage, Value};
use rscir_images::tiff::{BlockCache, Window};

use crate::{Crs, Error, Result, Scene, SceneOptions, TileKey, TileSize, parse_stretch};

/// Scenes that are kept open: answers are of few scenes, and an image with a world file is held as a whole.
const MAX_OPEN: usize = 8;

/// The scenes that an archive's rows are tiles of, read as they were when they were tiled: bands, stretch, no-data and coordinate system are
/// those of the columns that [`SceneTiles`](crate::SceneTiles) wrote.
pub struct ArchivedScenes<'a> {
    archive: &'a dyn Archive,
    folders: Vec<PathBuf>,
    open: BTreeMap<String, Scene>,
    cache: Arc<BlockCache>,
}

/// A place in a scene of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundPlace {
    /// The scene and the window.
    pub tile: TileKey,
    /// How many more scenes show the place.
    pub others: usize,
    /// How many scenes cannot be opened, and may show it, too.
    pub not_opened: usize,
}

impl std::fmt::Debug for ArchivedScenes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArchivedScenes").field("folders", &self.folders).finish_non_exhaustive()
    }
}

impl<'a> ArchivedScenes<'a> {
    /// Looks for an archive's scenes in some folders: the first that has a scene gives it.
    #[must_use]
    pub fn new(archive: &'a dyn Archive, folders: Vec<PathBuf>) -> Self {
        Self { archive, folders, open: BTreeMap::new(), cache: Arc::default() }
    }

    /// Opens a scene by its path in keys.
    ///
    /// # Errors
    /// [`Error::SceneFile`] if no folder has it, or its path leads out of them; those of [`Scene::open`].
    pub fn scene(&mut self, scene: &str) -> Result<&Scene> {
        if !self.open.contains_key(scene) {
            let (file, cache) = (self.file(scene)?, Arc::clone(&self.cache));
            let opened = Scene::open_cached(file, &self.options(scene), cache)?;
            if self.open.len() >= MAX_OPEN {
                self.open.pop_first();
            }
            self.open.insert(scene.into(), opened);
        }
        self.open.get(scene).ok_or_else(|| self.missing(scene))
    }

    /// Reads a tile: one of the archive's, or any other window of one of its scenes.
    ///
    /// # Errors
    /// As [`ArchivedScenes::scene`] and [`Scene::read`].
    pub fn read(&mut self, tile: &TileKey) -> Result<RgbImage> {
        Ok(self.scene(&tile.scene)?.read(tile.window)?.image)
    }

    /// Finds the window of a side around a place, in the first scene of the archive that shows it and whose pixels suit the side.
    ///
    /// # Errors
    /// [`Error::NowhereShown`] if none does, or why the first scene cannot be opened that could not; [`Error::TileSize`].
    pub fn at(&mut self, place: [f64; 2], side: TileSize) -> Result<FoundPlace> {
        let mut found = None;
        let mut failures = Vec::new();
        let mut unsuited = None;
        let mut others = 0;
        for name in self.names() {
            let scene = match self.scene(&name) {
                Ok(scene) => scene,
                Err(error) => {
                    failures.push(error);
                    continue;
                }
            };
            match scene.window_at(place, side) {
                Ok(_) if found.is_some() => others += 1,
                Ok(window) => found = Some(TileKey { scene: name, window }),
                // A coordinate system that has no such place does not show it.
                Err(Error::OutsideScene { .. } | Error::Crs { .. }) => {}
                // Another scene may have finer pixels.
                Err(error @ Error::TileSize { .. }) => unsuited = unsuited.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        let [longitude, latitude] = place;
        match found {
            Some(tile) => Ok(FoundPlace { tile, others, not_opened: failures.len() }),
            None => Err(unsuited
                .or(failures.into_iter().next())
                .unwrap_or(Error::NowhereShown { longitude, latitude })),
        }
    }

    /// Returns the scenes of the archive's rows, in the order of the rows.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let mut known = HashSet::new();
        for value in self.archive.column("scene").into_iter().flatten() {
            if let Some(Value::Text(name)) = value
                && known.insert(name)
            {
                names.push(name.into());
            }
        }
        names
    }

    /// Returns the rows that are tiles of a scene, with their windows.
    #[must_use]
    pub fn tiles_of(&self, scene: &str) -> Vec<(usize, Window)> {
        let names = self.archive.column("scene").into_iter().flatten().enumerate();
        let rows = names.filter(|(_, name)| *name == Some(Value::Text(scene))).map(|(row, _)| row);
        rows.filter_map(|row| Some((row, self.archive.key(row).parse::<TileKey>().ok()?.window))).collect()
    }

    /// How a scene is opened: as the first row of it says.
    fn options(&self, scene: &str) -> SceneOptions {
        let names = self.archive.column("scene").into_iter().flatten();
        let row = names.enumerate().find(|(_, name)| *name == Some(Value::Text(scene))).map(|(row, _)| row);
        row.map_or_else(SceneOptions::default, |row| options_of_row(self.archive, row))
    }

    /// The file of a scene.
    fn file(&self, scene: &str) -> Result<PathBuf> {
        // An archive may be anyone's: what leads out of its folder is no scene of it.
        let is_below = Path::new(scene).components().all(|part| matches!(part, Component::Normal(_)));
        let mut paths = self.folders.iter().map(|folder| folder.join(scene)).filter(|_| is_below);
        paths.find(|path| path.is_file()).ok_or_else(|| self.missing(scene))
    }

    fn missing(&self, scene: &str) -> Error {
        Error::SceneFile { scene: scene.into(), folders: self.folders.clone() }
    }
}

/// How the scene of a row was read, by the row's columns; what they do not tell is as by default.
#[must_use]
pub fn options_of_row(archive: &dyn Archive, row: usize) -> SceneOptions {
    let text = |name: &str| match archive.value(name, row) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    };
    let mut options = SceneOptions::default();
    // Counted from 1 in the column.
    let band = |band: &str| band.trim().parse::<usize>().ok()?.checked_sub(1);
    if let Some(bands) =
        text("bands").and_then(|bands| bands.split(',').map(band).collect::<Option<Vec<_>>>())
    {
        options = options.bands(bands);
    }
    // Values that were taken as measured still need a stretch to be seen.
    let is_measured = text("stretch") == Some("none") && options.bands.as_ref().is_some_and(|b| b.len() > 3);
    if let Some(stretch) =
        text("stretch").filter(|_| !is_measured).and_then(|stretch| parse_stretch(stretch).ok())
    {
        options = options.stretch(stretch);
    }
    options.no_data = text("nodata").and_then(|value| value.parse().ok());
    let code = text("crs").and_then(|name| name.strip_prefix("EPSG:")?.parse().ok());
    match code.and_then(|code| Crs::from_epsg(code).ok()) {
        Some(crs) => options.crs(crs),
        None => options,
    }
}
