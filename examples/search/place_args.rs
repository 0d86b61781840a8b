//! The options that are about places.

use std::path::PathBuf;

use clap::Args;

/// Places in, and places out; all but `--scenes` need a program that is built with the feature `geo`.
#[derive(Args, Debug)]
#[command(next_help_heading = "Places (built with --features geo)")]
pub(crate) struct PlaceArgs {
    /// Only tiles that lie in an area: bounds in degrees, or a GeoJSON file of polygons
    #[arg(long, value_name = "W,S,E,N|FILE", allow_hyphen_values = true)]
    pub(crate) within: Option<String>,
    /// A place in one of the archive's scenes, in place of an image
    #[arg(long, value_name = "LON,LAT", allow_hyphen_values = true, requires = "size")]
    pub(crate) at: Option<String>,
    /// The side of the window around --at, in pixels (256) or meters (76.8m)
    #[arg(long, value_name = "SIDE", requires = "at")]
    pub(crate) size: Option<String>,
    /// Keep the best tile of each place: no two have more than this in common, as a share of what they cover together
    #[arg(long, value_name = "SHARE")]
    pub(crate) distinct: Option<f64>,
    /// Write the answer as GeoJSON, for QGIS and others
    #[arg(long, value_name = "FILE")]
    pub(crate) geojson: Option<PathBuf>,
    /// Write the answer as CSV with polygons as well-known text
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Write how well each place of a scene answers, as a GeoTIFF of floats: the scene of the best tile
    #[arg(long, value_name = "FILE.tif")]
    pub(crate) heatmap: Option<PathBuf>,
}

#[cfg(not(feature = "geo"))]
impl PlaceArgs {
    /// The first option that was given.
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
