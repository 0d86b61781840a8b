//! Scenes as a source of tiles.

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

/// The tiles of some scenes, as a source of an ingest: a tile's key names its scene and its window ([`TileKey`]), and its columns
/// say where it lies.
///
/// Columns are `scene`, `crs`, `west`, `south`, `east`, `north`, `footprint` (longitude and latitude of the corners, counter-clockwise), `gsd`
/// (meters from a column to the next), `valid` (the share of valid pixels), `bands` (counted from 1), `stretch` (what became of the
/// values), `nodata` (the value of no measurement, where one tells which pixels are valid), `datetime`, and the properties of STAC items.
#[derive(Debug)]
pub struct SceneTiles {
    scenes: Vec<TiledScene>,
    tiles: Vec<Tile>,
    columns: Columns,
    left_out: usize,
    not_on_earth: usize,
    failures: Vec<SceneFailure>,
    /// Scenes that were looked at, those without tiles too: what tells rows of them from rows of what they were before.
    looked_at: HashMap<String, LookedAt>,
    /// The tiles of the scenes, once somebody asks whether a row is one of them.
    windows: OnceLock<HashSet<(u32, Window)>>,
    options: SceneOptions,
    cache: Arc<BlockCache>,
    open: Mutex<VecDeque<(usize, Scene)>>,
}

#[derive(Debug)]
struct TiledScene {
    listed: ListedScene,
    /// What a file is told by, and what decides its tiles' pixels.
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

/// A scene as it is now.
#[derive(Debug, Clone, Copy)]
struct LookedAt {
    /// Its position among those that have tiles.
    number: Option<u32>,
    fingerprint: Fingerprint,
}

#[derive(Debug, Clone, Copy)]
struct Tile {
    scene: u32,
    window: Window,
    /// The share of valid pixels; NaN where a part of the tile cannot be read.
    valid: f64,
}

/// Bytes of blocks that are kept for all scenes: two rows of blocks of 512 x 512 pixels of four bands of 16 bits in a scene 20,000
/// pixels wide, which the tiles of a row touch.
const CACHE: u64 = 176 << 20;

/// Scenes that are open at a time: systems allow some hundred open files.
const MAX_OPEN: usize = 64;

/// Of these, images that are decoded whole.
const MAX_DECODED: usize = 2;

impl TiledScene {
    /// Refuses a file that is not the one that was looked at.
    fn check(&self) -> Result<()> {
        match version(&self.listed.path)? == self.version {
            true => Ok(()),
            false => Err(Error::Changed { path: self.listed.path.clone() }),
        }
    }
}

impl SceneTiles {
    /// Opens the scenes of a list and finds their tiles: those with enough valid pixels, and with four corners on the Earth. A scene that cannot be opened, or has no such tile, is
    /// a [failure](Self::failures), and the others go on. Scenes are looked at as a whole where that tells which pixels are valid, or
    /// what their stretch is; `progress` hears of it, and it ends where `is_stopped` says so.
    ///
    /// # Errors
    /// Those of [`TileOptions::check`]; [`Error::SceneTwice`]; [`Error::Stopped`].
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
        // A look at all pixels meets each block once: none is kept for it.
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
        // What was decoded whole is not decoded again; a file is opened again, with the blocks that tiles share.
        if scene.is_decoded() {
            self.keep_open(number as usize, scene);
        }
        Ok(())
    }

    /// Returns the scenes that have no tiles, and why.
    #[must_use]
    pub fn failures(&self) -> &[SceneFailure] {
        &self.failures
    }

    /// Returns the number of scenes that have tiles.
    #[must_use]
    pub fn scenes(&self) -> usize {
        self.scenes.len()
    }

    /// Returns what a user should know of scenes, with the key of each.
    pub fn notices(&self) -> impl Iterator<Item = (&str, &SceneNotice)> {
        self.scenes
            .iter()
            .flat_map(|scene| scene.notices.iter().map(|notice| (scene.listed.key.as_str(), notice)))
    }

    /// Returns how each scene's values became bytes, with its key: `none` where they stayed as they are.
    pub fn stretches(&self) -> impl Iterator<Item = (&str, &str)> {
        self.scenes.iter().map(|scene| (scene.listed.key.as_str(), scene.stretch.as_str()))
    }

    /// Returns the number of properties of STAC items that have no column, since there are more than forty, or since their names
    /// are longer than 64 bytes or have control characters.
    #[must_use]
    pub fn properties_left_out(&self) -> usize {
        self.columns.left_out
    }

    /// Returns the names of properties of STAC items that are those of columns of every scene, which keep their own values.
    #[must_use]
    pub fn properties_hidden(&self) -> &[String] {
        &self.columns.hidden
    }

    /// Returns the folders that the scenes' keys are relative to, each once; those of scenes on servers are none.
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

    /// Returns the scene and the window of a tile.
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

    /// The open scene of a number, which is opened again if others came meanwhile.
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
            // A file that was written over meanwhile may have given pixels of both. What a server has is compared with each
            // range that is fetched.
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
