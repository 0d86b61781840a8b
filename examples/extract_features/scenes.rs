//! Scenes in place of images: the options, and how scenes are opened and cut into tiles.

use std::path::PathBuf;

use clap::Args;

/// The options for scenes. Some are kept as text, and are parsed only in a program that is built with scenes.
#[derive(Args, Debug)]
pub(crate) struct SceneArgs {
    /// Scenes to tile: GeoTIFF files, images with a world file, or folders of them [needs the feature `geo`]
    #[arg(long, value_name = "PATH", num_args = 1.., group = "scene", requires = "archive")]
    scenes: Vec<PathBuf>,
    /// STAC Item or ItemCollection whose GeoTIFF assets are scenes with a date and properties [needs the feature
    /// `geo`]
    #[arg(long, value_name = "FILE", group = "scene", requires = "archive")]
    stac: Option<PathBuf>,
    /// Side of the tiles in pixels, or in meters such as 76.8m; several sides, such as 128,256,512, make tiles of
    /// each size
    #[arg(long, value_name = "SIDE", value_delimiter = ',', default_value = "256", requires = "scene")]
    tile: Vec<String>,
    /// Share of a tile's side by which neighbors overlap, from 0 to less than 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, requires = "scene")]
    overlap: f64,
    /// Bands to read, counted from 1: three for red, green and blue, one for gray, or as many as a model of bands
    /// takes, in its order [default: the scene's colors, else 1,2,3]
    #[arg(long, value_name = "BANDS", value_delimiter = ',')]
    bands: Vec<usize>,
    /// Rule by which values that are not bytes become bytes: "percentile(2, 98)", minmax, "range(0, 3000)" or
    /// "gain(2.5/10000)" [default: percentile(2, 98), once per scene]
    #[arg(long, value_name = "RULE")]
    stretch: Option<String>,
    /// Value that stands for no measurement [default: as the scene records]
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true, requires = "scene")]
    nodata: Option<f64>,
    /// Smallest share of valid pixels in a tile, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, requires = "scene")]
    min_valid: f64,
    /// Coordinate system of the scenes that have none, such as EPSG:32634
    #[arg(long, value_name = "EPSG:N", requires = "scene")]
    crs: Option<String>,
    /// Date of the scenes that have none, such as 2024-02-29
    #[arg(long, value_name = "ISO", requires = "scene")]
    date: Option<String>,
}

impl SceneArgs {
    /// Tells whether scenes are given.
    pub(crate) fn is_given(&self) -> bool {
        !self.scenes.is_empty() || self.stac.is_some()
    }

    /// Returns the bands and the stretch in the form in which `--decode` has them for images, or `None` if neither
    /// is given.
    pub(crate) fn as_decode(&self) -> Option<String> {
        let bands = (!self.bands.is_empty()).then(|| format!("bands={:?}", self.bands));
        let stretch = self.stretch.as_ref().map(|rule| format!("stretch={rule}"));
        let words: Vec<String> = bands.into_iter().chain(stretch).collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// Returns the chosen bands, counted from 0, if they are for a model of bands.
    #[cfg(feature = "geo")]
    pub(crate) fn more_than_colors(&self) -> Option<Vec<usize>> {
        let bands: Vec<usize> = self.bands.iter().map(|band| band.saturating_sub(1)).collect();
        (bands.len() > 3).then_some(bands)
    }
}

/// Refuses scenes in a program that is built without them.
#[cfg(not(feature = "geo"))]
pub(crate) fn check(_: &SceneArgs) -> Result<(), String> {
    Err("scenes need the feature `geo`: build with `cargo build --release --features geo --examples`".into())
}

#[cfg(feature = "geo")]
pub(crate) use tiling::{check, open};

#[cfg(feature = "geo")]
mod tiling {
    use std::sync::atomic::{AtomicBool, Ordering};

    use rscir::core::{BandValues, Channels, Stage, printable};
    use rscir::encoders::{ChangeDetection, Failure};
    use rscir::geo::{
        BandProblem, CrsProblem, Error, SceneFailure, SceneList, SceneOptions, SceneTiles, TileOptions,
        Tiling, parse_stretch,
    };
    use rscir::prelude::*;

    use super::SceneArgs;
    use crate::FailureLog;
    use crate::common::bars::Bars;
    use crate::common::notes;
    use crate::common::out::note;
    use crate::common::text::shown;

    /// Most scenes that are named one by one in a note. Further ones are counted.
    const MAX_NAMED: usize = 10;

    /// Checks that the options make sense, or returns which of them does not.
    pub(crate) fn check(arguments: &SceneArgs) -> Result<(), String> {
        options(arguments, ChangeDetection::default()).map(drop)
    }

    /// Parses the options.
    fn options(arguments: &SceneArgs, changes: ChangeDetection) -> Result<TileOptions, String> {
        let SceneArgs { tile, overlap, bands, stretch, nodata, min_valid, crs, date, .. } = arguments;
        let said = |error: Error| error.to_string();
        let sizes =
            tile.iter().map(|size| size.trim().parse()).collect::<Result<Vec<_>, _>>().map_err(said)?;
        let mut scene = SceneOptions::default();
        if !bands.is_empty() {
            let from_zero = bands.iter().map(|band| band.checked_sub(1));
            let from_zero: Option<Vec<usize>> = from_zero.collect();
            let from_zero =
                from_zero.ok_or("bands are counted from 1: the first is 1, as in GDAL and QGIS")?;
            if bands.len() == 2 {
                return Err(
                    "two bands make no image: give three, such as --bands 4,3,2, one for gray, such as --bands 1, or those of a model of bands".into()
                );
            }
            scene = scene.bands(from_zero);
        }
        if let Some(stretch) = stretch {
            scene = scene.stretch(parse_stretch(stretch).map_err(said)?);
        }
        if let Some(crs) = crs {
            scene = scene.crs(crs.parse().map_err(|problem: CrsProblem| problem.to_string())?);
        }
        if let Some(date) = date {
            scene = scene.date(date);
        }
        scene.no_data = *nodata;
        let options = TileOptions::default()
            .tiling(Tiling::default().sizes(sizes).overlap(*overlap))
            .scene(scene)
            .min_valid(*min_valid)
            .changes(changes);
        options.check().map_err(said)?;
        Ok(options)
    }

    /// Opens the scenes and finds their tiles. Scenes without a tile are reported as failures.
    pub(crate) fn open(
        arguments: &SceneArgs,
        channels: Option<Channels>,
        changes: ChangeDetection,
        bars: &Bars,
        stop: &AtomicBool,
        failures: &mut FailureLog<'_>,
    ) -> anyhow::Result<SceneTiles> {
        let mut options = options(arguments, changes).map_err(anyhow::Error::msg)?;
        if let Some(Channels::Bands { values: BandValues::Measured, .. }) = channels {
            anyhow::ensure!(
                arguments.stretch.is_none(),
                "--stretch is for bytes, and the model takes values as measured: leave it out"
            );
            options.scene = options.scene.measured(true);
        }
        let mut list = SceneList::new();
        arguments.scenes.iter().try_for_each(|path| list.add_path(path))?;
        if let Some(file) = &arguments.stac {
            list.add_stac(file)?;
        }
        let listed = list.len();
        if list.not_placed() > 0 {
            note!(
                "{} images of folders are no scenes: they have no world file with their place, and were left out",
                list.not_placed()
            );
        }
        let tiles = SceneTiles::open(list, &options, bars, &|| stop.load(Ordering::Relaxed));
        let tiles = match tiles {
            Err(Error::Stopped) => anyhow::bail!("stopped: run the same command again to go on"),
            other => other?,
        };
        for failure in tiles.failures() {
            failures.add(&of_scene(failure));
        }
        anyhow::ensure!(!tiles.is_empty(), "none of the {listed} scenes has a tile; the notes above say why");
        say(&tiles);
        Ok(tiles)
    }

    /// Turns the failure of a scene into that of an image, with what to type about it.
    fn of_scene(failure: &SceneFailure) -> Failure {
        let SceneFailure { key, path, error, .. } = failure;
        let mut reason = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            let text = error.to_string();
            if !reason.contains(&text) {
                reason = format!("{reason}: {text}");
            }
            cause = error.source();
        }
        // The failure names the path itself.
        let named = format!("{}: ", path.display());
        let reason = reason.strip_prefix(&named).unwrap_or(&reason);
        let reason = match advice(error) {
            Some(advice) => format!("{reason} (type {advice})"),
            None => reason.into(),
        };
        Failure { key: key.clone(), path: path.clone(), stage: Stage::Read, reason, remedy: None }
    }

    /// Returns what to type about a scene that failed.
    fn advice(error: &Error) -> Option<&'static str> {
        match error {
            Error::Crs {
                problem: CrsProblem::Missing | CrsProblem::UnknownCode { .. } | CrsProblem::Damaged { .. },
                ..
            } => Some("--crs EPSG:N"),
            Error::Bands { problem: BandProblem::NoBand { .. }, .. } => {
                Some("--bands 3,2,1 with bands that are there")
            }
            Error::Bands { .. } => Some("--bands 1, or three of them"),
            Error::NoTile { .. } => Some("--min-valid SHARE, or --nodata VALUE"),
            _ => None,
        }
    }

    /// Says what was found in the scenes, and what a user should know about them.
    fn say(tiles: &SceneTiles) {
        note!("{} scenes, {} tiles", tiles.scenes(), tiles.len());
        notes::say_omissions(&tiles.left_out());
        if tiles.properties_left_out() > 0 {
            note!(
                "left out: {} properties of STAC items: the archive has room for forty, whose names have up to 64 bytes and no control \
                 characters",
                tiles.properties_left_out()
            );
        }
        if let [first, ..] = tiles.properties_hidden() {
            let all: Vec<_> =
                tiles.properties_hidden().iter().map(|name| printable(name).to_string()).collect();
            note!(
                "left out: {} properties of STAC items, such as {}: they have the names of columns that every scene has",
                all.len(),
                printable(first)
            );
        }
        let stretched: Vec<(&str, &str)> =
            tiles.stretches().filter(|(_, stretch)| *stretch != "none").collect();
        for (scene, stretch) in stretched.iter().take(MAX_NAMED) {
            note!("{}: values became bytes by {stretch}", printable(scene));
        }
        if stretched.len() > MAX_NAMED {
            note!(
                "... and {} more scenes, whose rules are in the column `stretch`",
                stretched.len() - MAX_NAMED
            );
        }
        let notices: Vec<_> = tiles.notices().collect();
        for (scene, notice) in notices.iter().take(MAX_NAMED) {
            note!("{}: {}", printable(scene), shown(notice));
        }
        if notices.len() > MAX_NAMED {
            note!("... and {} more notes on scenes", notices.len() - MAX_NAMED);
        }
    }
}
