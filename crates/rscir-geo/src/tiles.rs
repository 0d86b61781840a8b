use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rscir_core::files::{FileAction, FileError, nanos_since_1970};
use rscir_core::{
    ColumnSchema, ColumnType, Fingerprint, ImageSource, Omission, Progress, RgbImage, RowValues, Value,
};
use rscir_images::ChangeDetection;
use rscir_images::tiff::{BlockCache, Window};
use sha2::{Digest, Sha256};

use crate::list::ListedScene;
use crate::scene::{LinesCell, Survey, address};
use crate::stac::{Properties, common_type};
use crate::{
    Error, Footprint, Result, Scene, SceneFailure, SceneList, SceneNotice, SceneOptions, TileKey, Tiling,
};

/// How scenes become tiles.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TileOptions {
    /// How a scene is cut. Default: 256 pixels, no overlap.
    pub tiling: Tiling,
    /// How a scene is read.
    pub scene: SceneOptions,
    /// The share of valid pixels that a tile has at least, from 0 to 1. Default: 0.5.
    pub min_valid: f64,
    /// How a scene is seen to have changed since its tiles were encoded. Default: by size and time.
    pub changes: ChangeDetection,
}

impl Default for TileOptions {
    fn default() -> Self {
        let (tiling, scene, changes) = Default::default();
        Self { tiling, scene, min_valid: 0.5, changes }
    }
}

impl TileOptions {
    /// Sets how a scene is cut.
    #[must_use]
    pub fn tiling(mut self, tiling: Tiling) -> Self {
        self.tiling = tiling;
        self
    }

    /// Sets how a scene is read.
    #[must_use]
    pub fn scene(mut self, scene: SceneOptions) -> Self {
        self.scene = scene;
        self
    }

    /// Sets the share of valid pixels that a tile has at least.
    #[must_use]
    pub fn min_valid(mut self, min_valid: f64) -> Self {
        self.min_valid = min_valid;
        self
    }

    /// Sets how a scene is seen to have changed.
    #[must_use]
    pub fn changes(mut self, changes: ChangeDetection) -> Self {
        self.changes = changes;
        self
    }

    /// Checks that scenes can be tiled so.
    ///
    /// # Errors
    /// Those of [`Tiling::check`] and [`SceneOptions::check`]; [`Error::Option`] for a share that is none.
    pub fn check(&self) -> Result<()> {
        self.tiling.check()?;
        self.scene.check()?;
        if (0.0..=1.0).contains(&self.min_valid) {
            return Ok(());
        }
        let value = self.min_valid.to_string();
        Err(Error::Option { name: "the least share of valid pixels", value, expected: "from 0 to 1" })
    }
}

/// The tiles of some scenes, as a source of an ingest: a tile's key names its scene and its window ([`TileKey`]), and its columns
/// say where it lies.
///
/// Columns are `scene`, `crs`, `west`, `south`, `east`, `north`, `footprint` (longitude and latitude of the corners, counter-clockwise), `gsd`
/// (meters from a column to the next), `valid` (the share of valid pixels), `bands` (counted from 1), `stretch` (what became of the
/// values), `datetime`, and the properties of STAC items.
#[derive(Debug)]
pub struct SceneTiles {
    scenes: Vec<TiledScene>,
    tiles: Vec<Tile>,
    columns: Vec<ColumnSchema>,
    left_out: usize,
    not_on_earth: usize,
    properties_left_out: usize,
    failures: Vec<SceneFailure>,
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
    lines: LinesCell,
    notices: Vec<SceneNotice>,
    /// Size and time of the file when it was looked at.
    version: (u64, u128),
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

/// Columns that properties of STAC items may take, of the 64 that an archive has room for.
const MAX_PROPERTIES: usize = 40;

/// Columns of every scene.
const COLUMNS: [(&str, ColumnType); 12] = [
    ("scene", ColumnType::Text),
    ("crs", ColumnType::Text),
    ("west", ColumnType::Float),
    ("south", ColumnType::Float),
    ("east", ColumnType::Float),
    ("north", ColumnType::Float),
    ("footprint", ColumnType::Floats),
    ("gsd", ColumnType::Float),
    ("valid", ColumnType::Float),
    ("bands", ColumnType::Text),
    ("stretch", ColumnType::Text),
    ("datetime", ColumnType::Text),
];

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
        let (columns, properties_left_out) = columns(&listed);
        let mut tiles = Self {
            scenes: Vec::new(),
            tiles: Vec::new(),
            columns,
            left_out: 0,
            not_on_earth: 0,
            properties_left_out,
            failures,
            options: options.scene.clone(),
            cache: Arc::new(BlockCache::new(CACHE)),
            open: Mutex::default(),
        };
        progress.begin("looking at scenes", Some(listed.len() as u64));
        for listed in listed {
            match tiles.add(&listed, options, is_stopped) {
                Err(Error::Stopped) => {
                    progress.end();
                    return Err(Error::Stopped);
                }
                Err(error) => {
                    let (key, path) = (listed.key, listed.path);
                    tiles.failures.push(SceneFailure { key, path, error });
                }
                Ok(()) => {}
            }
            progress.advance(1);
        }
        progress.end();
        Ok(tiles)
    }

    fn add(
        &mut self,
        listed: &ListedScene,
        options: &TileOptions,
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
        let survey = Survey::of(&scene, &windows, is_stopped)?;
        let number = u32::try_from(self.scenes.len()).unwrap_or(u32::MAX);
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
        self.scenes.push(TiledScene {
            fingerprint: fingerprint(&scene, options, version)?,
            crs: scene.crs().clone(),
            transform: *scene.transform(),
            pixel_size: scene.pixel_size(),
            date: listed.properties.datetime.clone().or_else(|| scene.date().map(String::from)),
            bands: bands.join(","),
            stretch: scene.stretch()?,
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
        self.properties_left_out
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
        if version(&tiled.listed.path)? != tiled.version {
            return Err(Error::Changed { path: tiled.listed.path.clone() });
        }
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
        let read = || self.opened(tile.scene as usize)?.read(tile.window);
        Ok(read()?.image)
    }

    fn columns(&self) -> &[ColumnSchema] {
        &self.columns
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
        if let Some(date) = &scene.date {
            row.set("datetime", Value::Text(date))?;
        }
        for (name, property) in &scene.listed.properties.values {
            let column = self.columns[COLUMNS.len()..].iter().find(|column| column.name == *name);
            if let Some(column) = column {
                property.with(column.column_type, |value| row.set(name, value))?;
            }
        }
        Ok(())
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

/// True if an archive can have a column of this name: the rule of its format.
fn is_column_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// The columns of some scenes, those of every scene first, and how many properties have none.
fn columns(scenes: &[ListedScene]) -> (Vec<ColumnSchema>, usize) {
    let mut properties: BTreeMap<&str, ColumnType> = BTreeMap::new();
    let all = scenes.iter().flat_map(|scene| {
        let Properties { values, .. } = &scene.properties;
        values.iter()
    });
    for (name, property) in all {
        let column = property.column_type();
        properties.entry(name).and_modify(|known| *known = common_type(*known, column)).or_insert(column);
    }
    properties.retain(|name, _| !COLUMNS.iter().any(|(own, _)| own == name));
    let all = properties.len();
    properties.retain(|name, _| is_column_name(name));
    let left_out = all - properties.len().min(MAX_PROPERTIES);
    let own = COLUMNS.into_iter().chain(properties.into_iter().take(MAX_PROPERTIES));
    (own.map(|(name, column)| ColumnSchema::new(name, column)).collect(), left_out)
}

/// Size and time of change of a file; of one on a server, size and what the server calls its version.
fn version(path: &Path) -> Result<(u64, u128)> {
    #[cfg(feature = "remote")]
    if let Some(address) = address(path) {
        let failed = |source| rscir_images::Error::Io { path: path.into(), source };
        let file = crate::HttpFile::open(address).map_err(failed)?;
        let digest = Sha256::digest(file.version().as_bytes());
        let name = digest.iter().take(16).fold(0, |name, byte| name << 8 | u128::from(*byte));
        return Ok((rscir_images::tiff::ReadAt::size(&file), name));
    }
    if let Some(address) = address(path) {
        return Err(Error::OnServer { address: address.into() });
    }
    let failed = |source| FileError::Io { path: path.into(), action: FileAction::Read, source };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    Ok(stamp(&metadata))
}

fn stamp(metadata: &Metadata) -> (u64, u128) {
    (metadata.len(), nanos_since_1970(metadata.modified().ok()))
}

/// Identifies what decides the pixels of a scene's tiles: its file, and how it is read.
fn fingerprint(scene: &Scene, options: &TileOptions, version: (u64, u128)) -> Result<Fingerprint> {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(b"tiles of a scene, 1");
    match options.changes {
        ChangeDetection::Content if address(scene.path()).is_none() => {
            let failed =
                |source| FileError::Io { path: scene.path().into(), action: FileAction::Read, source };
            let (mut file, _) = rscir_core::files::open_regular(scene.path())?;
            let mut content = Sha256::new();
            let mut buffer = vec![0; 1 << 20];
            loop {
                let read = std::io::Read::read(&mut file, &mut buffer).map_err(failed)?;
                if read == 0 {
                    break;
                }
                content.update(&buffer[..read]);
            }
            part(&content.finalize());
        }
        // A server tells a version, and its content is not fetched to compare it.
        ChangeDetection::Content | ChangeDetection::SizeAndTime => {
            part(&version.0.to_le_bytes());
            part(&version.1.to_le_bytes());
        }
    }
    let SceneOptions { stretch, no_data, .. } = &options.scene;
    part(format!("{:?}", scene.bands_in_use()).as_bytes());
    part(stretch.map_or_else(|| "default".into(), |stretch| stretch.to_string()).as_bytes());
    part(format!("{no_data:?}").as_bytes());
    Ok(Fingerprint::of_sha256(hash.finalize().into()))
}
