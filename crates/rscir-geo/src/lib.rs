#![doc = include_str!("../README.md")]
#![deny(clippy::unwrap_used)]

mod archived;
mod area;
mod crs;
mod csv;
mod error;
mod footprint;
mod geojson;
mod grid;
mod heatmap;
mod key;
mod list;
mod place;
#[cfg(feature = "remote")]
mod remote;
mod scene;
mod stac;
mod suppress;
mod tiles;
mod transform;
mod wkb;
mod wkb_write;

pub use archived::{ArchivedScenes, FoundPlace, options_of_row};
pub use area::{Area, AreaRows};
pub use crs::{Crs, CrsProblem, DatumShift};
pub use csv::to_csv;
pub use error::{Error, Result};
pub use footprint::{Bounds, Footprint, Ring};
pub use geojson::to_geojson;
pub use grid::{TileSize, Tiling};
pub use heatmap::Heatmap;
pub use key::TileKey;
pub use list::{SceneFailure, SceneList};
pub use place::Place;
#[cfg(feature = "remote")]
pub use remote::HttpFile;
pub use rscir_images::tiff::Window;
pub use scene::{BandProblem, Scene, SceneBands, SceneNotice, SceneOptions, SceneWindow, parse_stretch};
pub use suppress::Distinct;
pub use tiles::{SceneTiles, TileOptions};
pub use transform::{Transform, TransformProblem};
pub use wkb::{WkbGeometry, WkbProblem};
