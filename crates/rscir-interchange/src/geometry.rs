//! Places of rows, from their geometries.

use rscir_core::ColumnType;
use rscir_geo::{Crs, WkbGeometry};
use rscir_index::Column;
use serde_json::Value as Json;

use crate::layout::GEOMETRY;

/// Coordinate system of the geometries of a file, by which they become places.
pub(crate) enum Placing {
    /// Longitudes and latitudes of WGS84.
    Wgs84,
    /// Another coordinate system.
    Of(Box<Crs>),
    /// A coordinate system that is unknown, with its name. Rows then have no places.
    Unknown(String),
}

/// Place of a row in WGS84.
pub(crate) struct Place {
    /// Longitude and latitude of the four corners, in turn.
    footprint: [f64; 8],
    /// Bounds: west, south, east and north.
    bounds: [f64; 4],
}

impl Placing {
    /// Columns that are made from geometries, with their types: bounds and footprint in WGS84, as scenes have them,
    /// and the geometry itself as well-known text.
    pub(crate) const COLUMNS: [(&'static str, ColumnType); 6] = [
        ("west", ColumnType::Float),
        ("south", ColumnType::Float),
        ("east", ColumnType::Float),
        ("north", ColumnType::Float),
        ("footprint", ColumnType::Floats),
        (GEOMETRY, ColumnType::Text),
    ];

    /// Reads the coordinate system from the `crs` of GeoParquet's metadata, which is PROJJSON. If `crs` is absent
    /// or null, which many programs write, the system is WGS84.
    pub(crate) fn new(crs: Option<&Json>) -> Self {
        let Some(crs) = crs.filter(|crs| !crs.is_null()) else { return Self::Wgs84 };
        let name = || crs.get("name").and_then(Json::as_str).unwrap_or("without a name").to_owned();
        let Some(id) = crs.get("id") else { return Self::Unknown(name()) };
        let authority = id.get("authority").and_then(Json::as_str).unwrap_or_default();
        let code = match id.get("code") {
            Some(Json::String(code)) => code.clone(),
            Some(Json::Number(code)) => code.to_string(),
            _ => String::new(),
        };
        match (authority, code.as_str()) {
            // In these files, x is the longitude, even if the code's own order is the other (GeoParquet 1.1,
            // "crs").
            ("OGC", "CRS84") | ("EPSG", "4326" | "4979") => Self::Wgs84,
            ("EPSG", code) => match code.parse().map(Crs::from_epsg) {
                Ok(Ok(crs)) => Self::Of(Box::new(crs)),
                _ => Self::Unknown(format!("EPSG:{code}")),
            },
            _ => Self::Unknown(name()),
        }
    }

    /// Returns the place of a geometry in well-known binary, or why it has none, and the geometry as well-known
    /// text. The text is `None` if the bytes are no geometry.
    pub(crate) fn place(&self, bytes: &[u8]) -> (Result<Place, String>, Option<String>) {
        let geometry = match WkbGeometry::read(bytes) {
            Ok(geometry) => geometry,
            Err(problem) => return (Err(problem.to_string()), None),
        };
        let text = geometry.to_string();
        let placed = match self {
            Self::Wgs84 => Ok(geometry),
            Self::Of(crs) => geometry.map(|place| crs.to_wgs84(place)).map_err(|problem| problem.to_string()),
            Self::Unknown(name) => Err(format!("the coordinate system {name} is not known")),
        };
        let place = placed.and_then(|geometry| {
            if !geometry.is_on_earth() {
                return Err("its coordinates are outside of the Earth's longitudes and latitudes".into());
            }
            let footprint = geometry.footprint();
            let bounds = footprint.bounds();
            Ok(Place {
                footprint: footprint.numbers(),
                bounds: [bounds.west, bounds.south, bounds.east, bounds.north],
            })
        });
        (place, Some(text))
    }
}

/// The columns that are made from geometries, row by row.
#[derive(Default)]
pub(crate) struct PlaceColumns {
    bounds: [Vec<Option<f64>>; 4],
    footprints: Vec<Option<Vec<f64>>>,
    geometries: Vec<Option<String>>,
}

impl PlaceColumns {
    /// Adds a row with its place and its geometry as text.
    pub(crate) fn push(&mut self, place: Option<Place>, geometry: Option<String>) {
        for (at, edges) in self.bounds.iter_mut().enumerate() {
            edges.push(place.as_ref().and_then(|place| place.bounds.get(at).copied()));
        }
        self.footprints.push(place.map(|place| place.footprint.to_vec()));
        self.geometries.push(geometry);
    }

    /// Returns the columns, in the order of [`Placing::COLUMNS`].
    pub(crate) fn into_columns(self) -> Vec<Column> {
        let bounds = self.bounds.into_iter().map(Column::Float);
        bounds.chain([Column::Floats(self.footprints), Column::Text(self.geometries)]).collect()
    }
}
