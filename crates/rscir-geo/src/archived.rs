use std::collections::{BTreeMap, HashSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rscir_core::{Archive, RgbImage, Value};
use rscir_images::tiff::{BlockCache, Window};

use crate::{Crs, Error, Result, Scene, SceneOptions, TileKey, TileSize, parse_stretch};

/// Number of scenes that are kept open: the hits of a search lie in few scenes, and an image with a world file takes
/// the memory of all its pixels.
const MAX_OPEN: usize = 8;

/// Reads the scenes of which an archive's rows are tiles. Bands, stretch, no-data value and coordinate system are taken
/// from the columns that [`SceneTiles`](crate::SceneTiles) wrote, so that pixels are those that were encoded.
pub struct ArchivedScenes<'a> {
    archive: &'a dyn Archive,
    folders: Vec<PathBuf>,
    open: BTreeMap<String, Scene>,
    cache: Arc<BlockCache>,
}

/// A window of an archive's scene around a point on the ground.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundPlace {
    /// The scene and the window.
    pub tile: TileKey,
    /// Number of further scenes that show the point.
    pub others: usize,
    /// Number of scenes that cannot be opened, so that it is not known whether they show the point.
    pub not_opened: usize,
}

impl std::fmt::Debug for ArchivedScenes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArchivedScenes").field("folders", &self.folders).finish_non_exhaustive()
    }
}

impl<'a> ArchivedScenes<'a> {
    /// Makes a reader of an archive's scenes. Each scene is read from the first of `folders` that has its file.
    #[must_use]
    pub fn new(archive: &'a dyn Archive, folders: Vec<PathBuf>) -> Self {
        Self { archive, folders, open: BTreeMap::new(), cache: Arc::default() }
    }

    /// Opens a scene by its path in keys, or returns it if it is open already.
    ///
    /// # Errors
    /// [`Error::SceneFile`] if no folder has the scene, or its path leads out of the folders. The errors of
    /// [`Scene::open`].
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

    /// Reads a tile of the archive, or any other window of one of its scenes.
    ///
    /// # Errors
    /// The errors of [`ArchivedScenes::scene`] and of [`Scene::read`].
    pub fn read(&mut self, tile: &TileKey) -> Result<RgbImage> {
        Ok(self.scene(&tile.scene)?.read(tile.window)?.image)
    }

    /// Finds a window with the given side around a point, which is longitude and latitude in degrees of WGS84. The
    /// window lies in the first scene of the archive, by rows, that shows the point and in which the side is a valid
    /// number of pixels.
    ///
    /// # Errors
    /// If no scene has such a window: [`Error::TileSize`] if a scene shows the point but has no pixels for the side;
    /// else the error of the first scene that cannot be opened; else [`Error::NowhereShown`].
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
                // A point for which a scene's coordinate system has no coordinates is not in that scene.
                Err(Error::OutsideScene { .. } | Error::Crs { .. }) => {}
                // Another scene may have pixels of a suitable size.
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

    /// Returns the scenes of the archive's rows, each once, in the order of their first rows.
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

    /// Returns the rows that are tiles of a scene, in ascending order, with their windows.
    #[must_use]
    pub fn tiles_of(&self, scene: &str) -> Vec<(usize, Window)> {
        let names = self.archive.column("scene").into_iter().flatten().enumerate();
        let rows = names.filter(|(_, name)| *name == Some(Value::Text(scene))).map(|(row, _)| row);
        rows.filter_map(|row| Some((row, self.archive.key(row).parse::<TileKey>().ok()?.window))).collect()
    }

    /// Returns the options by which a scene is opened: those of its first row, or the default ones if it has no row.
    fn options(&self, scene: &str) -> SceneOptions {
        let names = self.archive.column("scene").into_iter().flatten();
        let row = names.enumerate().find(|(_, name)| *name == Some(Value::Text(scene))).map(|(row, _)| row);
        row.map_or_else(SceneOptions::default, |row| options_of_row(self.archive, row))
    }

    /// Finds the file of a scene in the folders.
    fn file(&self, scene: &str) -> Result<PathBuf> {
        // Archives come from anyone: a path that leads out of the folders is not followed.
        let is_below = Path::new(scene).components().all(|part| matches!(part, Component::Normal(_)));
        let mut paths = self.folders.iter().map(|folder| folder.join(scene)).filter(|_| is_below);
        paths.find(|path| path.is_file()).ok_or_else(|| self.missing(scene))
    }

    fn missing(&self, scene: &str) -> Error {
        Error::SceneFile { scene: scene.into(), folders: self.folders.clone() }
    }
}

/// Returns the options by which a row's scene was read, from the row's columns. An option that no column tells has its
/// default.
#[must_use]
pub fn options_of_row(archive: &dyn Archive, row: usize) -> SceneOptions {
    let text = |name: &str| match archive.value(name, row) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    };
    let mut options = SceneOptions::default();
    // The column counts bands from 1, the options from 0.
    let band = |band: &str| band.trim().parse::<usize>().ok()?.checked_sub(1);
    if let Some(bands) =
        text("bands").and_then(|bands| bands.split(',').map(band).collect::<Option<Vec<_>>>())
    {
        options = options.bands(bands);
    }
    // The encoder took these values as measured. A picture of them still needs a stretch: the default one.
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
