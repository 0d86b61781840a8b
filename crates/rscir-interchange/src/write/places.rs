//! Places of an archive's rows, in the form that a file has them.

use std::collections::BTreeSet;

use rscir_core::{Archive, Value};
use rscir_geo::{Footprint, WkbGeometry};

use super::hilbert;
use crate::layout::GEOMETRY;

/// Sorts the rows of an archive as they are written: rows with a place along Hilbert's curve, then rows without
/// one. Rows at one position of the curve, and rows without a place, are in the order of the archive.
pub(super) fn order(archive: &dyn Archive) -> Vec<usize> {
    let position = |row: usize| {
        Footprint::of_row(archive, row).map_or(u64::MAX, |footprint| hilbert::position(footprint.center()))
    };
    let mut rows: Vec<(u64, usize)> = (0..archive.len()).map(|row| (position(row), row)).collect();
    rows.sort_unstable();
    rows.into_iter().map(|(_, row)| row).collect()
}

/// A row's geometry and the box around it.
pub(super) struct RowPlace {
    pub(super) geometry: WkbGeometry,
    /// Edges of the box in degrees: west, south, east and north. The box of a place across the antimeridian has all
    /// longitudes, so that a reader that compares numbers finds it from both sides.
    pub(super) edges: [f64; 4],
}

impl RowPlace {
    /// Reads the place of a row. The geometry is the one that the archive keeps as text if it agrees with the row's
    /// footprint, and is made of the footprint otherwise. Returns `None` if the row has no footprint.
    pub(super) fn of_row(archive: &dyn Archive, row: usize) -> Option<Self> {
        let footprint = Footprint::of_row(archive, row)?;
        let kept = match archive.value(GEOMETRY, row) {
            Some(Value::Text(text)) => WkbGeometry::from_text(text),
            _ => None,
        };
        // The text of an imported geometry may be in another coordinate system than WGS84.
        let kept = kept.filter(|geometry| geometry.is_on_earth() && geometry.footprint() == footprint);
        let bounds = footprint.bounds();
        let across = bounds.west > bounds.east;
        let (west, east) = if across { (-180.0, 180.0) } else { (bounds.west, bounds.east) };
        Some(Self {
            geometry: kept.unwrap_or_else(|| WkbGeometry::of_footprint(&footprint)),
            edges: [west, bounds.south, east, bounds.north],
        })
    }
}

/// Box and types of all geometries of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Extent {
    /// Number of rows that have a place.
    pub(super) rows: u64,
    /// Edges of the box around all places in degrees: west, south, east and north.
    pub(super) edges: [f64; 4],
    /// Types of the geometries, by GeoParquet's names.
    pub(super) types: BTreeSet<&'static str>,
}

impl Extent {
    /// Makes the extent of no places.
    pub(super) fn empty() -> Self {
        let (most, least) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { rows: 0, edges: [most, most, least, least], types: BTreeSet::new() }
    }

    /// Adds a place.
    pub(super) fn add(&mut self, place: &RowPlace) {
        let [west, south, east, north] = place.edges;
        let [all_west, all_south, all_east, all_north] = self.edges;
        self.edges = [all_west.min(west), all_south.min(south), all_east.max(east), all_north.max(north)];
        self.rows += 1;
        self.types.insert(match &place.geometry {
            WkbGeometry::Point(_) => "Point",
            WkbGeometry::Polygons(polygons) if polygons.len() > 1 => "MultiPolygon",
            _ => "Polygon",
        });
    }
}
