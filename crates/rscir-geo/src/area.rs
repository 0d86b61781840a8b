use std::path::Path;

use geojson::{GeoJson, Geometry, GeometryValue};
use rscir_core::files::{FileError, read_text};
use rscir_core::{Archive, Value};

use crate::footprint::{shared_area, signed_area};
use crate::{Bounds, Error, Footprint, Result, Ring};

/// A part of the Earth's surface by which tiles are chosen: a rectangle of longitudes and latitudes, or polygons.
#[derive(Debug, Clone, PartialEq)]
pub struct Area {
    polygons: Vec<Polygon>,
}

/// Closed rings of longitudes and latitudes, and their bounds. The first ring is the outline, the others are holes in it.
#[derive(Debug, Clone, PartialEq)]
struct Polygon {
    rings: Vec<Ring>,
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

/// The rows of an archive that an area chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AreaRows {
    /// One value for each row: true if the area chooses the row.
    pub chosen: Vec<bool>,
    /// Number of chosen rows.
    pub count: usize,
    /// Number of rows with neither a footprint nor bounds. They are not chosen.
    pub without_place: usize,
}

/// The longest file of an area in bytes: detailed borders of all countries take some ten megabytes. The polygons take
/// several times the file's length in memory.
const MAX_BYTES: u64 = 64 << 20;

/// The share of a footprint that must lie in an area: more than what rounding errors give a footprint that only touches
/// the area.
const MIN_SHARE: f64 = 1e-6;

impl Area {
    /// Makes an area from bounds in degrees of WGS84. Bounds whose `west` is more than their `east` cross the
    /// antimeridian.
    ///
    /// # Errors
    /// [`Error::Area`] if a longitude is not in -180..=180, a latitude is not in -90..=90, `west` equals `east`, or
    /// `south` is not below `north`.
    pub fn bounds(west: f64, south: f64, east: f64, north: f64) -> Result<Self> {
        let is_longitude = |degrees: f64| (-180.0..=180.0).contains(&degrees);
        let is_latitude = |degrees: f64| (-90.0..=90.0).contains(&degrees);
        let problem = if !is_longitude(west)
            || !is_longitude(east)
            || !is_latitude(south)
            || !is_latitude(north)
        {
            "bounds must be longitudes from -180 to 180 and latitudes from -90 to 90, in the order west, south, east, north"
        } else if west == east || south >= north {
            "the bounds have no extent: west and east must differ, and south must be below north"
        } else {
            ""
        };
        if !problem.is_empty() {
            let given = format!("{west},{south},{east},{north}");
            return Err(Error::Area { place: given, problem: problem.into() });
        }
        let rectangle = |west: f64, east: f64| {
            let ring = vec![[west, south], [east, south], [east, north], [west, north], [west, south]];
            Polygon { rings: vec![ring], west, south, east, north }
        };
        let polygons = if west < east {
            vec![rectangle(west, east)]
        } else {
            vec![rectangle(west, 180.0), rectangle(-180.0, east)]
        };
        Ok(Self { polygons: polygons.into_iter().filter(|p| p.west < p.east).collect() })
    }

    /// Reads the polygons of a GeoJSON file with a geometry, a feature or a collection. Points and lines beside
    /// polygons are ignored, since they have no area.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read. [`Error::Area`] if it has more than 64 MiB, is not GeoJSON, has no
    /// polygon, a ring that is not closed, or a coordinate that is not a longitude and latitude.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let problem = |problem: String| Error::Area { place: path.display().to_string(), problem };
        let text = match read_text(path, MAX_BYTES) {
            Err(FileError::TooLarge { bytes, .. }) => {
                return Err(problem(format!(
                    "the file has {bytes} bytes, and the file of an area may have at most {MAX_BYTES}: simplify its polygons, or leave out \
                     those far from the scenes"
                )));
            }
            text => text?,
        };
        Self::from_geojson(&text).map_err(problem)
    }

    fn from_geojson(text: &str) -> Result<Self, String> {
        let json: GeoJson = text.parse().map_err(|error| {
            format!(
                "the file is no GeoJSON ({error}); save the area as GeoJSON with polygons in WGS84 (EPSG:4326)"
            )
        })?;
        let mut polygons = Vec::new();
        match &json {
            GeoJson::Geometry(geometry) => collect(geometry, &mut polygons)?,
            GeoJson::Feature(feature) => {
                feature.geometry.iter().try_for_each(|geometry| collect(geometry, &mut polygons))?;
            }
            GeoJson::FeatureCollection(collection) => {
                let geometries = collection.features.iter().filter_map(|feature| feature.geometry.as_ref());
                geometries.into_iter().try_for_each(|geometry| collect(geometry, &mut polygons))?;
            }
        }
        if polygons.is_empty() {
            return Err("the file has no polygon; draw the area as a polygon".into());
        }
        Ok(Self { polygons })
    }

    /// Returns the share of a footprint's surface that lies in the area, from 0 to 1, on a plane of longitude and
    /// latitude.
    ///
    /// The area's polygons are assumed not to overlap. A footprint around a pole is replaced by its bounds. A footprint
    /// without extent, which is a single point, has the share 1 if a polygon holds it, else 0.
    #[must_use]
    pub fn share(&self, footprint: &Footprint) -> f64 {
        let rings =
            if footprint.is_around_pole() { vec![footprint.bounds().ring()] } else { footprint.rings() };
        let whole: f64 = rings.iter().map(|ring| signed_area(ring)).sum();
        let common: f64 = rings.iter().map(|ring| self.common(ring)).sum();
        if whole > 0.0 {
            (common / whole).clamp(0.0, 1.0)
        } else {
            f64::from(self.polygons.iter().any(|polygon| polygon.holds(footprint.center())))
        }
    }

    fn common(&self, ring: &Ring) -> f64 {
        let [mut west, mut south, mut east, mut north] = [f64::MAX, f64::MAX, f64::MIN, f64::MIN];
        for &[x, y] in ring {
            (west, east, south, north) = (west.min(x), east.max(x), south.min(y), north.max(y));
        }
        let near = |p: &&Polygon| p.west < east && west < p.east && p.south < north && south < p.north;
        self.polygons.iter().filter(near).map(|polygon| polygon.common(ring)).sum()
    }

    /// Tells whether a footprint overlaps with the area: a common edge or corner is no overlap.
    #[must_use]
    pub fn intersects(&self, footprint: &Footprint) -> bool {
        self.share(footprint) > MIN_SHARE
    }

    /// Returns the closed rings of all polygons, holes included, to draw on a map.
    #[must_use]
    pub fn rings(&self) -> Vec<Ring> {
        self.polygons.iter().flat_map(|polygon| polygon.rings.iter().cloned()).collect()
    }

    /// Returns the area with longitudes and latitudes exchanged, for a hint to a user whose area chooses nothing: the
    /// order of the coordinates may be wrong. Returns `None` if that is no area on the Earth, since a latitude would be
    /// beyond 90 degrees.
    #[must_use]
    pub fn transposed(&self) -> Option<Self> {
        let turn = |polygon: &Polygon| {
            let rings =
                polygon.rings.iter().map(|ring| ring.iter().map(|&[x, y]| [y, x]).collect()).collect();
            let Polygon { west, south, east, north, .. } = *polygon;
            Polygon { rings, west: south, south: west, east: north, north: east }
        };
        let polygons: Vec<Polygon> = self.polygons.iter().map(turn).collect();
        let is_on_earth = polygons.iter().all(|polygon| polygon.south >= -90.0 && polygon.north <= 90.0);
        is_on_earth.then_some(Self { polygons })
    }

    /// Chooses the rows of an archive whose footprints overlap with the area. The footprint of a row is read from its
    /// column `footprint` (eight numbers), else from `west`, `south`, `east` and `north`.
    #[must_use]
    pub fn rows(&self, archive: &dyn Archive) -> AreaRows {
        let mut rows = AreaRows { chosen: vec![false; archive.len()], count: 0, without_place: 0 };
        for (row, footprint) in footprints(archive).enumerate() {
            match footprint {
                Some(footprint) if self.intersects(&footprint) => {
                    rows.chosen[row] = true;
                    rows.count += 1;
                }
                Some(_) => {}
                None => rows.without_place += 1,
            }
        }
        rows
    }
}

impl Polygon {
    /// Tells whether a point lies in the polygon: a line from the point to the east crosses the rings an odd number of
    /// times.
    fn holds(&self, [x, y]: [f64; 2]) -> bool {
        let edges = self.rings.iter().flat_map(|ring| ring.iter().zip(ring.iter().skip(1)));
        let crosses = |&(a, b): &(&[f64; 2], &[f64; 2])| {
            (a[1] > y) != (b[1] > y) && x < a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0])
        };
        edges.filter(crosses).count() % 2 == 1
    }

    /// Computes twice the area that a convex ring shares with the polygon.
    fn common(&self, ring: &Ring) -> f64 {
        let mut areas = self.rings.iter().map(|own| shared_area(ring, own));
        let outer = areas.next().unwrap_or(0.0);
        (outer - areas.sum::<f64>()).max(0.0)
    }
}

fn collect(geometry: &Geometry, polygons: &mut Vec<Polygon>) -> Result<(), String> {
    match &geometry.value {
        GeometryValue::Polygon { coordinates } => polygons.push(polygon(coordinates)?),
        GeometryValue::MultiPolygon { coordinates } => {
            for coordinates in coordinates {
                polygons.push(polygon(coordinates)?);
            }
        }
        GeometryValue::GeometryCollection { geometries } => {
            geometries.iter().try_for_each(|geometry| collect(geometry, polygons))?;
        }
        GeometryValue::Point { .. }
        | GeometryValue::MultiPoint { .. }
        | GeometryValue::LineString { .. }
        | GeometryValue::MultiLineString { .. } => {}
    }
    Ok(())
}

fn polygon(coordinates: &[Vec<geojson::Position>]) -> Result<Polygon, String> {
    let mut polygon = Polygon {
        rings: Vec::with_capacity(coordinates.len()),
        west: f64::INFINITY,
        south: f64::INFINITY,
        east: f64::NEG_INFINITY,
        north: f64::NEG_INFINITY,
    };
    for positions in coordinates {
        let mut ring = Ring::with_capacity(positions.len());
        for position in positions {
            let &[x, y, ..] = position.as_slice() else {
                return Err("a place has fewer than two numbers".into());
            };
            if !(-180.0..=180.0).contains(&x) || !(-90.0..=90.0).contains(&y) {
                return Err(format!(
                    "{x}, {y} is no longitude and latitude; save the area in WGS84 (EPSG:4326), cut at the antimeridian"
                ));
            }
            polygon.west = polygon.west.min(x);
            polygon.east = polygon.east.max(x);
            polygon.south = polygon.south.min(y);
            polygon.north = polygon.north.max(y);
            ring.push([x, y]);
        }
        if ring.len() < 4 || ring.first() != ring.last() {
            return Err("a ring of a polygon has fewer than four places or is not closed".into());
        }
        polygon.rings.push(ring);
    }
    if polygon.rings.is_empty() { Err("a polygon has no ring".into()) } else { Ok(polygon) }
}

/// Iterates over the footprints of an archive's rows, in order. A row without one gives `None`.
fn footprints(archive: &dyn Archive) -> impl Iterator<Item = Option<Footprint>> {
    let mut footprints = archive.column("footprint");
    let mut bounds = ["west", "south", "east", "north"].map(|name| archive.column(name));
    (0..archive.len()).map(move |_| {
        let own = footprints.as_mut().and_then(|column| column.next().flatten());
        let edges =
            bounds.each_mut().map(|column| column.as_mut().and_then(|column| column.next().flatten()));
        of_values(own, edges)
    })
}

/// Reads the footprint of a row from its columns. Returns `None` if it has none.
pub(crate) fn of_row(archive: &dyn Archive, row: usize) -> Option<Footprint> {
    let edges = ["west", "south", "east", "north"].map(|name| archive.value(name, row));
    of_values(archive.value("footprint", row), edges)
}

fn of_values(own: Option<Value<'_>>, edges: [Option<Value<'_>>; 4]) -> Option<Footprint> {
    if let Some(Value::Floats(numbers)) = own
        && let Some(footprint) = Footprint::from_numbers(numbers)
    {
        return Some(footprint);
    }
    let mut numbers = [0.0; 4];
    for (number, edge) in numbers.iter_mut().zip(edges) {
        *number = match edge {
            Some(Value::Float(edge)) if edge.is_finite() => edge,
            Some(Value::Int(edge)) => edge as f64,
            _ => return None,
        };
    }
    let [west, south, east, north] = numbers;
    Some(Bounds { west, south, east, north }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(west: f64, south: f64, side: f64) -> Footprint {
        let (east, north) = (west + side, south + side);
        Footprint::new([[west, north], [west, south], [east, south], [east, north]])
    }

    #[test]
    fn bounds_choose_what_has_more_than_an_edge_in_common_with_them() {
        let area = Area::bounds(10.0, 40.0, 11.0, 41.0).unwrap();
        assert!(area.intersects(&tile(10.0, 40.0, 1.0)));
        assert!(area.intersects(&tile(10.4, 40.4, 0.1)));
        assert!(area.intersects(&tile(0.0, 30.0, 50.0)));
        // One beside the other, along an edge, or at a corner.
        assert!(!area.intersects(&tile(11.0, 40.0, 1.0)));
        assert!(!area.intersects(&tile(11.0, 41.0, 1.0)));
        assert!((area.share(&tile(10.6, 40.0, 1.0)) - 0.4).abs() < 1e-9);
    }

    #[test]
    fn bounds_across_the_antimeridian_go_east_from_west() {
        let area = Area::bounds(179.0, -20.0, -179.0, -10.0).unwrap();
        assert!(area.intersects(&tile(179.9, -15.0, 0.05)));
        assert!(area.intersects(&tile(179.95, -15.0, 0.1)));
        assert!(area.intersects(&tile(-179.5, -15.0, 0.1)));
        assert!(!area.intersects(&tile(0.0, -15.0, 0.1)));
    }

    #[test]
    fn an_area_in_the_wrong_order_is_seen_by_its_transpose() {
        let wrong = Area::bounds(52.0, 5.0, 52.2, 5.2).unwrap();
        let there = tile(5.1, 52.1, 0.05);
        assert!(!wrong.intersects(&there));
        assert!(wrong.transposed().unwrap().intersects(&there));
        assert_eq!(wrong.transposed().unwrap().rings()[0][0], [5.0, 52.0]);
        // No latitude is 100 degrees.
        assert!(Area::bounds(100.0, 5.0, 101.0, 6.0).unwrap().transposed().is_none());
    }

    #[test]
    fn a_footprint_in_a_hole_is_not_in_the_area() {
        let area = Area::from_geojson(
            r#"{"type":"Feature","properties":{},"geometry":{"type":"Polygon","coordinates":[
                [[0,0],[10,0],[10,10],[0,10],[0,0]],[[4,4],[4,6],[6,6],[6,4],[4,4]]]}}"#,
        )
        .unwrap();
        assert!(!area.intersects(&tile(4.5, 4.5, 1.0)));
        assert!(area.intersects(&tile(3.5, 4.5, 1.0)));
        assert!((area.share(&tile(3.5, 4.5, 1.0)) - 0.5).abs() < 1e-9);
        assert!(area.intersects(&tile(1.0, 1.0, 1.0)) && !area.intersects(&tile(20.0, 1.0, 1.0)));
    }

    #[test]
    fn a_place_without_extent_is_in_the_area_or_not() {
        let area = Area::from_geojson(
            r#"{"type":"Polygon","coordinates":[[[0,0],[10,0],[10,10],[0,10],[0,0]],[[4,4],[4,6],[6,6],[6,4],[4,4]]]}"#,
        )
        .unwrap();
        let place = |x: f64, y: f64| Footprint::new([[x, y]; 4]);
        assert!(area.intersects(&place(1.0, 1.0)) && area.intersects(&place(9.5, 5.0)));
        assert!(!area.intersects(&place(5.0, 5.0)) && !area.intersects(&place(11.0, 5.0)));
        let across = Area::bounds(179.0, -20.0, -179.0, -10.0).unwrap();
        assert!(across.intersects(&place(-179.5, -15.0)) && !across.intersects(&place(0.0, -15.0)));
    }

    #[test]
    fn collections_of_all_kinds_are_read_and_what_has_no_area_is_passed_over() {
        let area = Area::from_geojson(
            r#"{"type":"FeatureCollection","features":[
                {"type":"Feature","properties":null,"geometry":null},
                {"type":"Feature","properties":null,"geometry":{"type":"Point","coordinates":[50,50]}},
                {"type":"Feature","properties":null,"geometry":{"type":"GeometryCollection","geometries":[
                    {"type":"MultiPolygon","coordinates":[[[[0,0],[1,0],[0,1],[0,0]]],[[[5,5,9],[6,5,9],[5,6,9],[5,5,9]]]]}]}}]}"#,
        )
        .unwrap();
        assert_eq!(area.polygons.len(), 2);
        assert!(area.intersects(&tile(5.1, 5.1, 0.1)) && !area.intersects(&tile(5.8, 5.8, 0.1)));
    }

    #[test]
    fn a_file_that_is_no_area_is_refused_with_what_to_do() {
        for (text, problem) in [
            ("", "no GeoJSON"),
            ("{}", "no GeoJSON"),
            ("west,south\n1,2\n", "no GeoJSON"),
            (r#"{"type":"Point","coordinates":[1,2]}"#, "no polygon"),
            (r#"{"type":"FeatureCollection","features":[]}"#, "no polygon"),
            (r#"{"type":"Polygon","coordinates":[]}"#, "no ring"),
            (r#"{"type":"Polygon","coordinates":[[[0,0],[1,0],[0,0]]]}"#, "fewer than four"),
            (r#"{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,1]]]}"#, "not closed"),
            (r#"{"type":"Polygon","coordinates":[[[5e5,4e6],[6e5,4e6],[6e5,5e6],[5e5,4e6]]]}"#, "EPSG:4326"),
            (r#"{"type":"Polygon","coordinates":[[[0],[1,0],[1,1],[0]]]}"#, "fewer than two"),
        ] {
            let error = Area::from_geojson(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
        for bounds in [[0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 181.0, 1.0], [f64::NAN; 4]] {
            let [west, south, east, north] = bounds;
            assert!(Area::bounds(west, south, east, north).is_err(), "{bounds:?}");
        }
    }
}
