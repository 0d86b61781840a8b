//! Scenes as a source of tiles for an ingest.

mod columns;
mod looking;
mod options;
mod version;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rscir_core::{
    BandImage, BandValues, ColumnSchema, Fingerprint, ImageSource, Omission, Progress, RgbImage, RowStanding,
    RowValues, Value,
};
use rscir_images::tiff::{BlockCache, Window};

pub use options::TileOptions;

use self::columns::{COLUMNS, Columns};
use self::looking::Looking;
use self::version::{Version, fingerprint, version};
use crate::list::ListedScene;
use crate::scene::{LinesCell, Survey, address};
use crate::{Error, Footprint, Result, Scene, SceneFailure, SceneList, SceneNotice, SceneOptions, TileKey};

/// The tiles of some scenes, as the source of an ingest. A tile's key names its scene and its window ([`TileKey`]), and
/// its columns tell where it lies and how it was read.
///
/// The columns are `scene`, `crs`, `west`, `south`, `east`, `north`, `footprint` (longitude and latitude of the
/// corners, counter-clockwise), `gsd` (meters from a column of pixels to the next), `valid` (share of valid pixels),
/// `bands` (counted from 1), `stretch` (how values became bytes), `nodata` (value that stands for no measurement, if
/// pixels are valid by such a value), `datetime`, and the properties of STAC items.
#[derive(Debug)]
pub struct SceneTiles {
    scenes: Vec<TiledScene>,
    tiles: Vec<Tile>,
    columns: Columns,
    left_out: usize,
    not_on_earth: usize,
    failures: Vec<SceneFailure>,
    /// All scenes that were looked at, by key, also those without tiles. They tell which rows of an archive are of an
    /// earlier state of a scene.
    looked_at: HashMap<String, LookedAt>,
    /// The tiles by scene and window, filled when `standing` is first called.
    windows: OnceLock<HashSet<(u32, Window)>>,
    options: SceneOptions,
    cache: Arc<BlockCache>,
    open: Mutex<VecDeque<(usize, Scene)>>,
}

#[derive(Debug)]
struct TiledScene {
    listed: ListedScene,
    /// Fingerprint of the file and of the options that decide the pixels.
    fingerprint: Fingerprint,
    crs: crate::Crs,
    transform: crate::Transform,
    pixel_size: f64,
    date: Option<String>,
    bands: String,
    stretch: String,
    no_data: Option<f64>,
    lines: LinesCell,
    notices: Vec<SceneNotice>,
    /// Size and time of the file when it was looked at.
    version: Version,
}

/// The present state of a scene.
#[derive(Debug, Clone, Copy)]
struct LookedAt {
    /// Position among the scenes that have tiles. `None`: it has no tiles.
    number: Option<u32>,
    fingerprint: Fingerprint,
}

#[derive(Debug, Clone, Copy)]
struct Tile {
    scene: u32,
    window: Window,
    /// Share of valid pixels, from 0 to 1. NaN: a part of the tile cannot be read.
    valid: f64,
}

/// Bytes of decoded blocks that are kept for all scenes. The tiles of a row touch two rows of blocks, and this is their
/// size for blocks of 512 x 512 pixels of four bands of 16 bits in a scene 20,000 pixels wide.
const CACHE: u64 = 176 << 20;

/// Number of scenes that are kept open. Systems allow a process some hundred open files.
const MAX_OPEN: usize = 64;

/// Number of open scenes that are images decoded whole. Each takes the memory of all its pixels.
const MAX_DECODED: usize = 2;

impl TiledScene {
    /// Checks that the file is still the one that was looked at.
    ///
    /// # Errors
    /// [`Error::Changed`] if its version is another.
    fn check(&self) -> Result<()> {
        match version(&self.listed.path)? == self.version {
            true => Ok(()),
            false => Err(Error::Changed { path: self.listed.path.clone() }),
        }
    }
}

impl SceneTiles {
    /// Opens the scenes of a list and finds their tiles: the windows with enough valid pixels and with four corners on
    /// the Earth. Tiles are in the order of the list, and within a scene in that of
    /// [`Tiling::windows`](crate::Tiling::windows). A scene that cannot be opened, or has no such tile, becomes a
    /// [failure](Self::failures), and the other scenes are opened.
    ///
    /// All pixels of a scene are read if they decide which pixels are valid or what the stretch is. `progress` counts
    /// this in mebibytes of files. `is_stopped` is asked often, and stops the work by returning true.
    ///
    /// # Errors
    /// The errors of [`TileOptions::check`]. [`Error::SceneTwice`] if two scenes of the list have one key.
    /// [`Error::Stopped`] if `is_stopped` returned true.
    pub fn open(
        list: SceneList,
        options: &TileOptions,
        progress: &dyn Progress,
        is_stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<Self> {
        options.check()?;
        let (listed, failures) = list.into_parts()?;
        let mut tiles = Self {
            scenes: Vec::new(),
            tiles: Vec::new(),
            columns: Columns::of(&listed),
            left_out: 0,
            not_on_earth: 0,
            failures,
            looked_at: HashMap::new(),
            windows: OnceLock::new(),
            options: options.scene.clone(),
            cache: Arc::new(BlockCache::new(CACHE)),
            open: Mutex::default(),
        };
        let mut looking = Looking::begin(progress, listed.iter().map(|listed| listed.path.as_path()));
        for listed in listed {
            let added = tiles.add(&listed, options, &looking, is_stopped);
            looking.next();
            match added {
                Err(Error::Stopped) => return Err(Error::Stopped),
                Err(error) => {
                    let (key, path) = (listed.key, listed.path);
                    tiles.failures.push(SceneFailure { key, path, error });
                }
                Ok(()) => {}
            }
        }
        Ok(tiles)
    }

    fn add(
        &mut self,
        listed: &ListedScene,
        options: &TileOptions,
        looking: &Looking<'_>,
        is_stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<()> {
        if is_stopped() {
            return Err(Error::Stopped);
        }
        let version = version(&listed.path)?;
        // A look at all pixels reads each block once, so that no cache is of use.
        let scene = Scene::open_cached(&listed.path, &options.scene, Arc::new(BlockCache::new(0)))?;
        let [width, height] = scene.size();
        let windows = options.tiling.windows(width, height, scene.pixel_size())?;
        let survey = Survey::of(&scene, &windows, &|share| looking.at(share), is_stopped)?;
        let number = u32::try_from(self.scenes.len()).unwrap_or(u32::MAX);
        let fingerprint = fingerprint(&scene, options, version)?;
        let looked_at = LookedAt { number: None, fingerprint };
        self.looked_at.insert(listed.key.clone(), looked_at);
        let is_kept = |valid: &Option<f64>| valid.is_none_or(|valid| valid >= options.min_valid);
        let before = self.tiles.len();
        for (&window, valid) in windows.iter().zip(&survey.valid) {
            if !is_kept(valid) {
                self.left_out += 1;
            } else if scene.footprint(window).is_err() {
                self.not_on_earth += 1;
            } else {
                let valid = valid.unwrap_or(f64::NAN);
                self.tiles.push(Tile { scene: number, window, valid });
            }
        }
        if self.tiles.len() == before {
            let most = survey.valid.iter().flatten().copied().fold(0.0, f64::max);
            let (path, least) = (listed.path.clone(), options.min_valid);
            return Err(Error::NoTile { path, most, least, no_data: scene.no_data() });
        }
        let bands: Vec<String> = scene.bands_in_use().iter().map(|band| (band + 1).to_string()).collect();
        self.looked_at.insert(listed.key.clone(), LookedAt { number: Some(number), fingerprint });
        self.scenes.push(TiledScene {
            fingerprint,
            crs: scene.crs().clone(),
            transform: *scene.transform(),
            pixel_size: scene.pixel_size(),
            date: listed.properties.datetime.clone().or_else(|| scene.date().map(String::from)),
            bands: bands.join(","),
            stretch: scene.stretch()?,
            no_data: scene.no_data(),
            lines: scene.lines_cell(),
            notices: scene.notices().to_vec(),
            listed: listed.clone(),
            version,
        });
        // An image that was decoded whole is kept, so as not to decode it twice. A TIFF is opened again, with the cache
        // that all tiles share.
        if scene.is_decoded() {
            self.keep_open(number as usize, scene);
        }
        Ok(())
    }

    /// Returns the scenes without tiles, each with the reason.
    #[must_use]
    pub fn failures(&self) -> &[SceneFailure] {
        &self.failures
    }

    /// Returns the number of scenes that have tiles.
    #[must_use]
    pub fn scenes(&self) -> usize {
        self.scenes.len()
    }

    /// Iterates over the notices of all scenes with tiles, each with the key of its scene.
    pub fn notices(&self) -> impl Iterator<Item = (&str, &SceneNotice)> {
        self.scenes
            .iter()
            .flat_map(|scene| scene.notices.iter().map(|notice| (scene.listed.key.as_str(), notice)))
    }

    /// Iterates over the scenes with tiles: the key of each, and the stretch by which its values became bytes. The
    /// stretch is `none` if the values stayed as they are.
    pub fn stretches(&self) -> impl Iterator<Item = (&str, &str)> {
        self.scenes.iter().map(|scene| (scene.listed.key.as_str(), scene.stretch.as_str()))
    }

    /// Returns the number of properties of STAC items that have no column, since there are more than forty, or since
    /// the name of a property is empty, longer than 64 bytes, or has control characters.
    #[must_use]
    pub fn properties_left_out(&self) -> usize {
        self.columns.left_out
    }

    /// Returns the names of properties of STAC items that have no column, since a column of all scenes has the name.
    #[must_use]
    pub fn properties_hidden(&self) -> &[String] {
        &self.columns.hidden
    }

    /// Returns the folders that the scenes' keys are relative to, each once. Scenes on servers have no folder.
    #[must_use]
    pub fn roots(&self) -> Vec<PathBuf> {
        let mut roots: Vec<PathBuf> = Vec::new();
        for scene in self.scenes.iter().filter(|scene| address(&scene.listed.path).is_none()) {
            let root = rscir_images::real_folder(&scene.listed.root);
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
        roots
    }

    /// Returns the file of a tile's scene, and the tile's window.
    ///
    /// # Panics
    /// If `item` is not below the number of tiles, as a slice does.
    #[must_use]
    pub fn tile(&self, item: usize) -> (&Path, Window) {
        let tile = self.tiles[item];
        (&self.scene(tile).listed.path, tile.window)
    }

    fn scene(&self, tile: Tile) -> &TiledScene {
        &self.scenes[tile.scene as usize]
    }

    /// Returns the scene at a position, and opens it if it is no longer kept open.
    ///
    /// # Errors
    /// [`Error::Changed`] if the file changed meanwhile. The errors of [`Scene::open`].
    fn opened(&self, number: usize) -> Result<Scene> {
        let known = |open: &VecDeque<(usize, Scene)>| {
            open.iter().find(|(at, _)| *at == number).map(|(_, scene)| scene.clone())
        };
        if let Some(scene) = known(&self.open.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(scene);
        }
        let tiled = &self.scenes[number];
        tiled.check()?;
        let scene = Scene::open_cached(&tiled.listed.path, &self.options, self.cache.clone())?;
        let scene = scene.with_lines(tiled.lines.clone());
        self.keep_open(number, scene.clone());
        Ok(scene)
    }

    fn keep_open(&self, number: usize, scene: Scene) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push_back((number, scene));
        while open.len() > MAX_OPEN
            || open.iter().filter(|(_, scene)| scene.is_decoded()).count() > MAX_DECODED
        {
            open.pop_front();
        }
    }

    fn footprint(&self, tile: Tile) -> Result<Footprint> {
        let scene = self.scene(tile);
        let path = || scene.listed.path.clone();
        Footprint::of_window(tile.window, &scene.transform, &scene.crs)
            .map_err(|problem| Error::Crs { path: path(), problem })
    }
}

impl ImageSource for SceneTiles {
    fn len(&self) -> usize {
        self.tiles.len()
    }

    fn key(&self, item: usize) -> Cow<'_, str> {
        let tile = self.tiles[item];
        let key = TileKey { scene: self.scene(tile).listed.key.clone(), window: tile.window };
        key.to_string().into()
    }

    fn fingerprint(&self, item: usize) -> rscir_core::Result<Fingerprint> {
        Ok(self.scene(self.tiles[item]).fingerprint)
    }

    fn read(&self, item: usize) -> rscir_core::Result<RgbImage> {
        let tile = self.tiles[item];
        let read = || {
            let read = self.opened(tile.scene as usize)?.read(tile.window)?;
            let scene = self.scene(tile);
            // A file that was overwritten while it was read may have given pixels of both versions. The version of a
            // file on a server is compared with each range that is fetched.
            if address(&scene.listed.path).is_none() {
                scene.check()?;
            }
            Ok::<_, Error>(read)
        };
        Ok(read()?.image)
    }

    fn read_bands(&self, item: usize, values: BandValues) -> rscir_core::Result<BandImage> {
        let tile = self.tiles[item];
        let read = || self.opened(tile.scene as usize)?.read_bands(tile.window, values);
        Ok(read()?.image)
    }

    fn columns(&self) -> &[ColumnSchema] {
        &self.columns.schemas
    }

    fn values(&self, item: usize, row: &mut RowValues<'_>) -> rscir_core::Result<()> {
        let tile = self.tiles[item];
        let scene = self.scene(tile);
        let footprint = self.footprint(tile)?;
        let bounds = footprint.bounds();
        let own = [
            ("scene", Value::Text(&scene.listed.key)),
            ("crs", Value::Text(scene.crs.name())),
            ("west", Value::Float(bounds.west)),
            ("south", Value::Float(bounds.south)),
            ("east", Value::Float(bounds.east)),
            ("north", Value::Float(bounds.north)),
            ("footprint", Value::Floats(&footprint.numbers())),
            ("gsd", Value::Float(scene.pixel_size)),
            ("bands", Value::Text(&scene.bands)),
            ("stretch", Value::Text(&scene.stretch)),
        ];
        for (name, value) in own {
            row.set(name, value)?;
        }
        if !tile.valid.is_nan() {
            row.set("valid", Value::Float(tile.valid))?;
        }
        if let Some(no_data) = scene.no_data {
            row.set("nodata", Value::Text(&no_data.to_string()))?;
        }
        if let Some(date) = &scene.date {
            row.set("datetime", Value::Text(date))?;
        }
        for (name, property) in &scene.listed.properties.values {
            let column = self.columns.schemas[COLUMNS.len()..].iter().find(|column| column.name == *name);
            if let Some(column) = column {
                property.with(column.column_type, |value| row.set(name, value))?;
            }
        }
        Ok(())
    }

    fn standing(&self, key: &str, fingerprint: Fingerprint) -> RowStanding {
        let Ok(key) = key.parse::<TileKey>() else { return RowStanding::Kept };
        let Some(scene) = self.looked_at.get(&key.scene) else { return RowStanding::Kept };
        if scene.fingerprint != fingerprint {
            return RowStanding::Outdated;
        }
        let all = || self.tiles.iter().map(|tile| (tile.scene, tile.window)).collect();
        let windows = self.windows.get_or_init(all);
        let is_item = scene.number.is_some_and(|number| windows.contains(&(number, key.window)));
        if is_item { RowStanding::Kept } else { RowStanding::Beside }
    }

    fn left_out(&self) -> Vec<Omission> {
        let omissions = [
            ("tiles with too few valid pixels", self.left_out),
            ("tiles with a corner beyond the Earth, or as wide as half of it", self.not_on_earth),
        ];
        let of = |(what, count): (&str, usize)| Omission { what: what.into(), count };
        omissions.into_iter().filter(|(_, count)| *count > 0).map(of).collect()
    }
}
