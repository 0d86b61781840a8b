//! The options for places.

use std::path::PathBuf;

use clap::Args;

/// The options for places, which all need a program that is built with the feature `geo`.
#[derive(Args, Debug)]
#[command(next_help_heading = "Places [need the feature `geo`]")]
pub(crate) struct PlaceArgs {
    /// Area that tiles must be in: bounds in degrees (west, south, east, north), or a GeoJSON file of polygons
    #[arg(long, value_name = "W,S,E,N|FILE", allow_hyphen_values = true)]
    pub(crate) within: Option<String>,
    /// Place in one of the archive's scenes to use in place of an image, in degrees, longitude first
    #[arg(long, value_name = "LON,LAT", allow_hyphen_values = true, requires = "size")]
    pub(crate) at: Option<String>,
    /// Side of the window around --at, in pixels, such as 256, or in meters, such as 76.8m
    #[arg(long, value_name = "SIDE", requires = "at")]
    pub(crate) size: Option<String>,
    /// Keep only the best tile of each place: no two tiles have more in common than this share, from 0 to 1, of the
    /// area that they cover together
    #[arg(long, value_name = "SHARE")]
    pub(crate) distinct: Option<f64>,
    /// GeoJSON file to write, with the answer's places, for QGIS and other programs
    #[arg(long, value_name = "FILE")]
    pub(crate) geojson: Option<PathBuf>,
    /// CSV file to write, with the answer's places as polygons in well-known text
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// GeoTIFF of floats to write, with how well each place of a scene answers; the scene is that of the best tile
    #[arg(long, value_name = "FILE.tif")]
    pub(crate) heatmap: Option<PathBuf>,
}

#[cfg(not(feature = "geo"))]
impl PlaceArgs {
    /// Returns the first of these options that was given.
    pub(crate) fn first_given(&self) -> Option<&'static str> {
        let given = [
            ("--within", self.within.is_some()),
            ("--at", self.at.is_some()),
            ("--size", self.size.is_some()),
            ("--distinct", self.distinct.is_some()),
            ("--geojson", self.geojson.is_some()),
            ("--csv", self.csv.is_some()),
            ("--heatmap", self.heatmap.is_some()),
        ];
        given.into_iter().find(|(_, is_given)| *is_given).map(|(name, _)| name)
    }
}
