//! Stands in for places in a program without the feature `geo`, and says how to build one with them.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use rscir::core::RgbImage;
use rscir::page::{Backdrop, Ring};
use rscir::prelude::*;

use crate::place_args::PlaceArgs;
use crate::query_image::{Bands, QueryImage};

/// What to type for a program with places.
const BUILD: &str =
    "build the program with places: cargo run --release --features geo --example search -- ...";

pub(crate) struct Places;

impl Places {
    pub(crate) fn check(args: &PlaceArgs) -> anyhow::Result<Self> {
        match args.first_given() {
            Some(option) => anyhow::bail!("{option} needs the feature `geo`: {BUILD}"),
            None => Ok(Self),
        }
    }

    pub(crate) fn area(&self) -> Vec<Ring> {
        Vec::new()
    }

    pub(crate) fn rows(&self, _: &dyn Archive) -> anyhow::Result<Option<Vec<bool>>> {
        Ok(None)
    }

    #[cfg(feature = "spark")]
    pub(crate) fn hold(&self, _: &dyn Archive, _: usize) -> bool {
        true
    }

    #[cfg(feature = "spark")]
    pub(crate) fn near(&self, _: impl Fn(&str) -> Option<rscir::core::ColumnType>) -> Option<Filter> {
        None
    }

    pub(crate) fn at(&self, _: &dyn Archive, _: Vec<PathBuf>) -> anyhow::Result<Option<QueryImage>> {
        Ok(None)
    }

    pub(crate) fn are_distinct(&self) -> bool {
        false
    }

    pub(crate) fn distinct(&self, _: &dyn Archive, hits: &[Hit], _: usize) -> Vec<usize> {
        (0..hits.len()).collect()
    }

    pub(crate) fn write(&self, _: &dyn Archive, _: &[Hit]) -> anyhow::Result<()> {
        Ok(())
    }

    pub(crate) fn heatmap_rows(&self, _: &dyn Archive, _: &[Hit]) -> anyhow::Result<Option<Vec<bool>>> {
        Ok(None)
    }

    pub(crate) fn write_heatmap(&self, _: &dyn Archive, _: Vec<PathBuf>, _: &[Hit]) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Returns no place for any row.
pub(crate) fn place_of(_: &dyn Archive, _: usize) -> Vec<Ring> {
    Vec::new()
}

/// Stands in for the windows of scenes, which this program does not read.
pub(crate) struct Scenes<'a>(PhantomData<&'a dyn Archive>);

impl<'a> Scenes<'a> {
    pub(crate) fn new(_: &'a dyn Archive, _: Vec<PathBuf>) -> Self {
        Self(PhantomData)
    }

    pub(crate) fn tile(&mut self, key: &str) -> Option<anyhow::Result<RgbImage>> {
        key.contains("#xywh=").then(|| Err(anyhow::anyhow!("this program does not read scenes: {BUILD}")))
    }

    pub(crate) fn backdrops(&mut self, _: &[&str]) -> Vec<Backdrop> {
        Vec::new()
    }
}

/// Refuses a window in a name, which this program does not read.
pub(crate) fn split_window(path: &Path) -> anyhow::Result<(PathBuf, [usize; 4])> {
    anyhow::bail!("{}: a window in a name needs the feature `geo`: {BUILD}; or give --window", path.display())
}

/// Returns `None`, because this program reads every file as a plain image.
pub(crate) fn scene_window(
    _: &Path,
    _: [usize; 4],
    _: Option<&dyn Archive>,
) -> anyhow::Result<Option<(RgbImage, Vec<Ring>, Bands)>> {
    Ok(None)
}
