//! Reads places of a query, and writes places of an answer.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rscir::core::files::replace;
use rscir::core::{Channels, RgbImage};
use rscir::geo::{
    ArchivedScenes, Area, Distinct, Error as GeoError, Heatmap, Place, Scene, SceneOptions, TileKey,
    TileSize, Window, options_of_row, to_csv, to_geojson,
};
use rscir::page::{Backdrop, Picture, Ring};
use rscir::prelude::*;
#[cfg(feature = "spark")]
use rscir::{core::ColumnType, geo::Footprint};

use crate::common::out::note;
use crate::common::text::shown;
use crate::place_args::PlaceArgs;
use crate::query_image::{Bands, QueryImage};

/// Longest side in pixels of a scene below the map of a page, which is 640 pixels wide.
const BACKDROP_SIDE: usize = 640;

/// Most pixels of a scene that are read for the map. To read more would take longer than the search.
const BACKDROP_PIXELS: usize = 16 << 20;

/// Most scenes below the map. More would make the page large, and each scene small.
const BACKDROPS: usize = 4;

/// The options for places, parsed and checked before the work.
pub(crate) struct Places {
    area: Option<(Area, String)>,
    at: Option<([f64; 2], TileSize)>,
    distinct: Option<f64>,
    geojson: Option<PathBuf>,
    csv: Option<PathBuf>,
    heatmap: Option<PathBuf>,
}

impl Places {
    pub(crate) fn check(args: &PlaceArgs) -> anyhow::Result<Self> {
        let area =
            args.within.as_deref().map(|within| Ok::<_, anyhow::Error>((area(within)?, within.into())));
        let place = |at: &str| -> anyhow::Result<[f64; 2]> {
            let [longitude, latitude] = numbers(at).with_context(|| {
                format!("--at {}: a place is LON,LAT in degrees, such as 5.82,52.21", shown(at))
            })?;
            let is_place = longitude.abs() <= 180.0 && latitude.abs() <= 90.0;
            anyhow::ensure!(is_place, "--at {}: a place is LON,LAT in degrees, longitude first", shown(at));
            Ok([longitude, latitude])
        };
        let at = match (&args.at, &args.size) {
            (Some(at), Some(size)) => Some((place(at)?, size.parse().context("--size")?)),
            _ => None,
        };
        if let Some(share) = args.distinct {
            anyhow::ensure!((0.0..=1.0).contains(&share), "--distinct {share}: it is a share from 0 to 1");
        }
        let PlaceArgs { distinct, geojson, csv, heatmap, .. } = args;
        let (geojson, csv, heatmap) = (geojson.clone(), csv.clone(), heatmap.clone());
        Ok(Self { area: area.transpose()?, at, distinct: *distinct, geojson, csv, heatmap })
    }

    /// Returns the rings of the area, for a map.
    pub(crate) fn area(&self) -> Vec<Ring> {
        self.area.as_ref().map_or_else(Vec::new, |(area, _)| area.rings())
    }

    /// Tells for each row whether it is in the area, or returns `None` without an area. If no row is, it says so
    /// with a hint.
    pub(crate) fn rows(&self, archive: &dyn Archive) -> anyhow::Result<Option<Vec<bool>>> {
        let Some((area, within)) = &self.area else { return Ok(None) };
        let rows = area.rows(archive);
        let all = archive.len();
        anyhow::ensure!(
            all == 0 || rows.without_place < all,
            "--within {}: no row of the archive has a place: neither a column `footprint` nor `west`, `south`, `east` and `north`",
            shown(within)
        );
        if rows.without_place > 0 {
            note!("{} of the {all} rows have no place, and are in no area", rows.without_place);
        }
        if rows.count == 0 {
            let hint = match area.transposed().map(|area| area.rows(archive).count) {
                Some(count @ 1..) => {
                    format!("with latitude and longitude exchanged it has {count}: longitude comes first")
                }
                _ => extent(archive)
                    .map_or_else(String::new, |extent| format!("its tiles lie within {extent}")),
            };
            note!("no tile of the archive lies in {}; {hint}", shown(within));
        }
        Ok(Some(rows.chosen))
    }

    /// Tells whether a row is in the area. Without an area every row is.
    #[cfg(feature = "spark")]
    pub(crate) fn hold(&self, archive: &dyn Archive, row: usize) -> bool {
        let Some((area, _)) = &self.area else { return true };
        Footprint::of_row(archive, row).is_some_and(|footprint| area.intersects(&footprint))
    }

    /// Makes a filter on the columns of bounds that all rows in the area pass, and some others. Returns `None`
    /// without an area, and without these columns.
    #[cfg(feature = "spark")]
    pub(crate) fn near(&self, column: impl Fn(&str) -> Option<ColumnType>) -> Option<Filter> {
        let (area, _) = self.area.as_ref()?;
        let has = |name: &&str| column(name) == Some(ColumnType::Float);
        if !["west", "south", "east", "north"].iter().all(has) {
            return None;
        }
        let rings = area.rings();
        let places = rings.iter().flatten();
        let [mut west, mut south, mut east, mut north] = [f64::MAX, f64::MAX, f64::MIN, f64::MIN];
        for &[x, y] in places {
            (west, east, south, north) = (west.min(x), east.max(x), south.min(y), north.max(y));
        }
        let within = Filter::le("west", east).and(Filter::ge("east", west));
        // A tile across the antimeridian begins at positive longitudes and ends at negative ones.
        let crosses = Filter::ge("west", 0.0).and(Filter::le("east", 0.0));
        let latitudes = Filter::le("south", north).and(Filter::ge("north", south));
        // A row without bounds may have a footprint, so the filter lets it pass.
        Some(within.or(crosses).and(latitudes).or(!Filter::has_value("west")))
    }

    /// Reads the window around the place of `--at`, if it is given.
    pub(crate) fn at(
        &self,
        archive: &dyn Archive,
        folders: Vec<PathBuf>,
    ) -> anyhow::Result<Option<QueryImage>> {
        let Some((place, side)) = self.at else { return Ok(None) };
        let mut scenes = ArchivedScenes::new(archive, folders);
        let found = scenes.at(place, side)?;
        let scene = scenes.scene(&found.tile.scene)?;
        let colors = Ok(scene.read(found.tile.window)?.image);
        let rings = scene.footprint(found.tile.window)?.rings();
        let bands = bands_of(scene.clone(), found.tile.window);
        note!("--at: {}", shown(&found.tile));
        if found.others > 0 {
            note!(
                "scenes of the archive that show the place as well: {}; --image takes another",
                found.others
            );
        }
        if found.not_opened > 0 {
            note!(
                "scenes of the archive that cannot be opened, and may show the place, too: {}",
                found.not_opened
            );
        }
        Ok(Some(QueryImage { name: found.tile.to_string(), colors, bands, rings, is_whole: false }))
    }

    /// Tells whether the places of an answer have to be distinct.
    pub(crate) fn are_distinct(&self) -> bool {
        self.distinct.is_some()
    }

    /// Returns the positions of the first `k` hits whose places are distinct. Hits without a place are all kept.
    pub(crate) fn distinct(&self, archive: &dyn Archive, hits: &[Hit], k: usize) -> Vec<usize> {
        let mut distinct = Distinct::new(self.distinct.unwrap_or(1.0));
        let mut is_new =
            |row: usize| Place::of_row(archive, row).is_none_or(|place| distinct.keep(&place.footprint));
        hits.iter().enumerate().filter(|(_, hit)| is_new(hit.row)).map(|(i, _)| i).take(k).collect()
    }

    /// Writes the files of places that the options name.
    pub(crate) fn write(&self, archive: &dyn Archive, hits: &[Hit]) -> anyhow::Result<()> {
        if self.geojson.is_none() && self.csv.is_none() {
            return Ok(());
        }
        let places: Vec<Place<'_>> = hits
            .iter()
            .enumerate()
            .filter_map(|(i, hit)| {
                let similarity = |part: Option<rscir::index::PartScore>| part.map(|part| part.similarity);
                let place = Place::of_row(archive, hit.row)?.ranked(i + 1, hit.score);
                Some(place.similarities(similarity(hit.image), similarity(hit.text)))
            })
            .collect();
        let nowhere = hits.len() - places.len();
        if nowhere > 0 {
            note!("{nowhere} of the {} tiles have no place, and are not in the files of places", hits.len());
        }
        let files = [(&self.geojson, to_geojson(&places)), (&self.csv, to_csv(&places)?)];
        for (path, text) in files {
            if let Some(path) = path {
                replace(path, |out| out.write_all(text.as_bytes()))?;
                note!("written: {}", shown(path.display()));
            }
        }
        Ok(())
    }

    /// Tells for each row whether it is a tile of the best hit's scene, which the heat map shows. Returns `None`
    /// without `--heatmap`.
    pub(crate) fn heatmap_rows(
        &self,
        archive: &dyn Archive,
        hits: &[Hit],
    ) -> anyhow::Result<Option<Vec<bool>>> {
        if self.heatmap.is_none() {
            return Ok(None);
        }
        let best = hits.first().context("--heatmap: no tile was found, and so no scene")?;
        let scene = best.key.parse::<TileKey>().context("--heatmap")?.scene;
        let mut rows = vec![false; archive.len()];
        for (row, _) in ArchivedScenes::new(archive, Vec::new()).tiles_of(&scene) {
            rows[row] = true;
        }
        anyhow::ensure!(
            rows.contains(&true),
            "--heatmap: no row is of the scene {} by a column `scene`, which `extract_features --scenes` writes",
            shown(&scene)
        );
        Ok(Some(rows))
    }

    /// Writes the scores of all tiles of a scene as a heat map.
    pub(crate) fn write_heatmap(
        &self,
        archive: &dyn Archive,
        folders: Vec<PathBuf>,
        tiles: &[Hit],
    ) -> anyhow::Result<()> {
        let (Some(path), Some(first)) = (&self.heatmap, tiles.first()) else { return Ok(()) };
        let name = first.key.parse::<TileKey>()?.scene;
        let mut scenes = ArchivedScenes::new(archive, folders);
        let scene = scenes.scene(&name)?;
        let [width, height] = scene.size();
        let mut map = Heatmap::new(scene)?;
        for tile in tiles {
            let window = tile.key.parse::<TileKey>()?.window;
            let is_within = |start: usize, length: usize, end: usize| length <= end && start <= end - length;
            if !is_within(window.x, window.width, width) || !is_within(window.y, window.height, height) {
                anyhow::bail!(
                    "--heatmap: the scene {} has {width} x {height} pixels now, and the archive's tile {} is not in it: ingest the \
                     scene again, into a new archive",
                    shown(&name),
                    shown(&tile.key)
                );
            }
            map.add(window, tile.score);
        }
        map.write(path)?;
        note!("written: {}, the scores of {} tiles of {}", shown(path.display()), tiles.len(), shown(&name));
        Ok(())
    }
}

/// Parses an area: bounds, or the polygons of a file.
fn area(within: &str) -> anyhow::Result<Area> {
    match numbers(within) {
        Some([west, south, east, north]) => Area::bounds(west, south, east, north).context("--within"),
        None if Path::new(within).exists() => Ok(Area::read(within)?),
        None => anyhow::bail!(
            "--within {}: this is neither W,S,E,N in degrees, such as 5.7,52.1,5.9,52.3, nor a file",
            shown(within)
        ),
    }
}

/// Parses `N` numbers between commas.
fn numbers<const N: usize>(text: &str) -> Option<[f64; N]> {
    let numbers: Option<Vec<f64>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    numbers?.try_into().ok()
}

/// Writes the bounds of all places of an archive, for people.
fn extent(archive: &dyn Archive) -> Option<String> {
    let places = (0..archive.len()).filter_map(|row| Place::of_row(archive, row));
    let edges = places.map(|place| place.footprint.bounds()).reduce(|mut all, one| {
        (all.west, all.south) = (all.west.min(one.west), all.south.min(one.south));
        (all.east, all.north) = (all.east.max(one.east), all.north.max(one.north));
        all
    })?;
    Some(format!("{:.5},{:.5},{:.5},{:.5}", edges.west, edges.south, edges.east, edges.north))
}

/// Returns the rings of a row's place.
pub(crate) fn place_of(archive: &dyn Archive, row: usize) -> Vec<Ring> {
    Place::of_row(archive, row).map_or_else(Vec::new, |place| place.footprint.rings())
}

/// The windows of an archive's scenes.
pub(crate) struct Scenes<'a>(ArchivedScenes<'a>);

impl<'a> Scenes<'a> {
    pub(crate) fn new(archive: &'a dyn Archive, folders: Vec<PathBuf>) -> Self {
        Self(ArchivedScenes::new(archive, folders))
    }

    /// Reads the pixels of a tile. Returns `None` if the key is not that of a scene's tile.
    pub(crate) fn tile(&mut self, key: &str) -> Option<anyhow::Result<RgbImage>> {
        let tile: TileKey = key.parse().ok()?;
        Some(self.0.read(&tile).map_err(Into::into))
    }

    /// Returns the scenes of some tiles, to be drawn below a map. Returns none if there are too many; a scene that
    /// is too large is left out.
    pub(crate) fn backdrops(&mut self, keys: &[&str]) -> Vec<Backdrop> {
        let mut names: Vec<String> =
            keys.iter().filter_map(|key| Some(key.parse::<TileKey>().ok()?.scene)).collect();
        names.sort();
        names.dedup();
        if names.len() > BACKDROPS {
            return Vec::new();
        }
        names.iter().filter_map(|name| self.0.scene(name).ok().and_then(backdrop)).collect()
    }
}

/// Reads a scene to be drawn below a map. Returns `None` if the scene is too large and has no overviews.
fn backdrop(scene: &Scene) -> Option<Backdrop> {
    let [width, height] = scene.size();
    let image = scene.read_whole(BACKDROP_SIDE, BACKDROP_PIXELS).ok()??;
    let picture = Picture::within(image.view().ok()?, BACKDROP_SIDE).ok()?;
    let corner = |column: usize, row: usize| {
        scene.crs().to_wgs84(scene.transform().apply(column as f64, row as f64)).ok()
    };
    Some(Backdrop::new(picture, corner(0, 0)?, corner(width, 0)?, corner(0, height)?))
}

/// Splits a name into its file and its window, such as `scene.tif#xywh=512,256,256,256`.
pub(crate) fn split_window(path: &Path) -> anyhow::Result<(PathBuf, [usize; 4])> {
    let text = path.to_str().context("the name of a window is not UTF-8")?;
    let TileKey { scene, window: Window { x, y, width, height } } = text.parse()?;
    Ok((scene.into(), [x, y, width, height]))
}

/// Reads a window of a scene as the archive's scenes were read, with its place and its bands. Returns `None` if the
/// archive or the file is of plain images.
pub(crate) fn scene_window(
    path: &Path,
    [x, y, width, height]: [usize; 4],
    archive: Option<&dyn Archive>,
) -> anyhow::Result<Option<(RgbImage, Vec<Ring>, Bands)>> {
    let Some(archive) = archive else { return Ok(None) };
    let names = ArchivedScenes::new(archive, Vec::new()).names();
    let own = names.iter().find(|name| path.ends_with(name));
    let Some(like) = own.or(names.first()) else { return Ok(None) };
    let scene = match Scene::open(path, &options(archive, like, own.is_some())) {
        Ok(scene) => scene,
        Err(GeoError::Crs { .. } | GeoError::Transform { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let window = Window::new(x, y, width, height);
    let (image, rings) = (scene.read(window)?.image, scene.footprint(window)?.rings());
    // The values of a scene of more than three bands are stretched only for the picture, so there is nothing to
    // say.
    if own.is_none() && scene.bands_in_use().len() <= 3 && scene.stretch()? != "none" {
        note!(
            "{}: this scene is not of the archive, so its stretch is computed from its own values",
            shown(path.display())
        );
    }
    Ok(Some((image, rings, bands_of(scene, window))))
}

/// Makes a function that reads the bands of a scene's window for a model.
fn bands_of(scene: Scene, window: Window) -> Bands {
    Box::new(move |encoder| match encoder.channels() {
        Channels::Bands { values, .. } => Ok(scene.read_bands(window, values)?.image),
        _ => anyhow::bail!("the model takes red, green and blue"),
    })
}

/// Returns the options by which a query's scene is read: those of `like`, a scene of the archive, or its bands
/// alone if the query's scene is another.
fn options(archive: &dyn Archive, like: &str, is_own: bool) -> SceneOptions {
    let tiles = ArchivedScenes::new(archive, Vec::new()).tiles_of(like);
    let options = tiles.first().map_or_else(SceneOptions::default, |(row, _)| options_of_row(archive, *row));
    match options.bands {
        Some(bands) if !is_own => SceneOptions::default().bands(bands),
        _ => options,
    }
}
