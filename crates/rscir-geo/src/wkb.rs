//! Geometries in well-known binary (OGC 06-103r4, section 8), also with PostGIS' flags for heights, measures and codes
//! of coordinate systems.

#![deny(clippy::indexing_slicing)]

use std::fmt::{self, Write as _};

use crate::footprint::signed_area;
use crate::{Bounds, Footprint, Ring};

/// The deepest nesting of geometries. A multipolygon has one level, and each level takes stack.
const MAX_DEPTH: u32 = 8;

/// A geometry of points in the plane: longitudes and latitudes, or coordinates of another system. Heights and measures
/// are left out.
///
/// ```
/// use rscir_geo::WkbGeometry;
///
/// // A point in the byte order of x86: 1, the type, x and y.
/// let mut bytes = vec![1, 1, 0, 0, 0];
/// bytes.extend([4.5_f64, 52.0].iter().flat_map(|number| number.to_le_bytes()));
/// let point = WkbGeometry::read(&bytes)?;
/// assert_eq!((point.to_string(), point.footprint().bounds().west), ("POINT (4.5 52)".into(), 4.5));
/// # Ok::<(), rscir_geo::WkbProblem>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum WkbGeometry {
    /// A single point.
    Point([f64; 2]),
    /// Polygons, each an outline followed by the holes in it. A single one is written as a polygon, several as a
    /// multipolygon.
    Polygons(Vec<Vec<Ring>>),
}

/// The reason why bytes cannot be read as a geometry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WkbProblem {
    /// The bytes end early, go on after the geometry, or announce more points than they hold.
    #[error("the bytes are no well-known binary: reading ended at byte {at} of {len}")]
    Malformed {
        /// The byte at which reading ended.
        at: usize,
        /// Number of bytes.
        len: usize,
    },
    /// The geometry is neither a point nor polygons.
    #[error(
        "the geometry has the type {code}, which is not read: give points (1), polygons (3) or multipolygons (6)"
    )]
    Type {
        /// The code of the type, without the part for heights and measures.
        code: u32,
    },
    /// The geometry has no point.
    #[error("the geometry is empty")]
    Empty,
    /// A coordinate is infinite or not a number.
    #[error("a coordinate is not finite")]
    NotFinite,
}

impl WkbGeometry {
    /// Reads a point, a polygon or a multipolygon in either byte order.
    ///
    /// # Errors
    /// A [`WkbProblem`] that names what is wrong with the bytes.
    pub fn read(bytes: &[u8]) -> Result<Self, WkbProblem> {
        let mut reader = Reader { bytes, at: 0 };
        let geometry = reader.geometry(0)?;
        if reader.at != bytes.len() {
            return Err(reader.malformed());
        }
        // An empty point is written with coordinates that are not a number.
        if geometry.places().next().is_none() || geometry.is_empty_point() {
            return Err(WkbProblem::Empty);
        }
        if geometry.places().all(|[x, y]| x.is_finite() && y.is_finite()) {
            Ok(geometry)
        } else {
            Err(WkbProblem::NotFinite)
        }
    }

    /// Iterates over all points, those of holes included.
    fn places(&self) -> impl Iterator<Item = [f64; 2]> {
        let (point, polygons) = match self {
            Self::Point(place) => (Some(*place), [].as_slice()),
            Self::Polygons(polygons) => (None, polygons.as_slice()),
        };
        point.into_iter().chain(polygons.iter().flatten().flatten().copied())
    }

    fn is_empty_point(&self) -> bool {
        matches!(self, Self::Point([x, y]) if x.is_nan() && y.is_nan())
    }

    /// Returns the geometry with every point replaced by what `place` returns for it, such as longitude and latitude
    /// for coordinates of another system.
    ///
    /// # Errors
    /// The first error that `place` returns.
    pub fn map<E>(&self, place: impl Fn([f64; 2]) -> Result<[f64; 2], E>) -> Result<Self, E> {
        let ring = |ring: &Ring| ring.iter().map(|&at| place(at)).collect::<Result<Ring, E>>();
        Ok(match self {
            Self::Point(at) => Self::Point(place(*at)?),
            Self::Polygons(polygons) => Self::Polygons(
                polygons
                    .iter()
                    .map(|rings| rings.iter().map(ring).collect())
                    .collect::<Result<Vec<Vec<Ring>>, E>>()?,
            ),
        })
    }

    /// Returns the footprint of a geometry in longitude and latitude, in degrees of WGS84. The footprint has the
    /// corners of a convex polygon with four corners, and the bounds of any other geometry. The footprint of a point
    /// has no extent.
    ///
    /// A geometry whose longitudes are more than 180 degrees apart is assumed to cross the antimeridian if it is
    /// narrower that way, since tiles are never that wide.
    #[must_use]
    pub fn footprint(&self) -> Footprint {
        if let Self::Polygons(polygons) = self
            && let [rings] = polygons.as_slice()
            && let [ring] = rings.as_slice()
            && let Some(corners) = corners(ring)
        {
            return Footprint::new(corners);
        }
        self.bounds().into()
    }

    /// Returns the bounds of all points. They cross the antimeridian if they would be wider than 180 degrees and are
    /// narrower that way.
    fn bounds(&self) -> Bounds {
        let longitudes = |turn: fn(f64) -> f64| {
            let turned = self.places().map(move |[x, _]| turn(x));
            turned.fold((f64::INFINITY, f64::NEG_INFINITY), |(west, east), x| (west.min(x), east.max(x)))
        };
        let latitudes = self.places().map(|[_, y]| y);
        let (south, north) = latitudes
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(south, north), y| (south.min(y), north.max(y)));
        let (mut west, mut east) = longitudes(|x| x);
        if east - west > 180.0 {
            let (turned_west, turned_east) = longitudes(|x| if x < 0.0 { x + 360.0 } else { x });
            if turned_east - turned_west < east - west {
                (west, east) = (turned_west, turned_east);
            }
        }
        Bounds { west, south, east: if east > 180.0 && west <= 180.0 { east - 360.0 } else { east }, north }
    }

    /// Tells whether all points can be longitudes and latitudes in degrees: latitudes from -90 to 90, and longitudes
    /// from -360 to 360, since some files go on beyond 180 degrees.
    #[must_use]
    pub fn is_on_earth(&self) -> bool {
        self.places().all(|[x, y]| (-360.0..=360.0).contains(&x) && (-90.0..=90.0).contains(&y))
    }
}

impl fmt::Display for WkbGeometry {
    /// Writes the geometry as well-known text. Numbers have as many digits as it takes to read them back to the bit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Point([x, y]) => write!(f, "POINT ({x} {y})"),
            Self::Polygons(polygons) => match polygons.as_slice() {
                [rings] => {
                    f.write_str("POLYGON ")?;
                    write_polygon(f, rings)
                }
                polygons => {
                    f.write_str("MULTIPOLYGON ")?;
                    in_parentheses(f, polygons, |f, rings| write_polygon(f, rings))
                }
            },
        }
    }
}

fn write_polygon(f: &mut fmt::Formatter<'_>, rings: &[Ring]) -> fmt::Result {
    in_parentheses(f, rings, |f, ring| in_parentheses(f, ring, |f, [x, y]| write!(f, "{x} {y}")))
}

fn in_parentheses<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    write: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    f.write_char('(')?;
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        write(f, item)?;
    }
    f.write_char(')')
}

/// Returns the corners of a closed ring with four corners that is convex, else `None`.
fn corners(ring: &Ring) -> Option<[[f64; 2]; 4]> {
    let &[a, b, c, d, end] = ring.as_slice() else { return None };
    if a != end {
        return None;
    }
    let corners = [a, b, c, d];
    let footprint = Footprint::new(corners);
    if footprint.is_around_pole() {
        return Some(corners);
    }
    // Longitudes must go on beyond 180 degrees and not jump, so that the turns at the corners are right across the
    // antimeridian.
    let beside = |[x, y]: [f64; 2]| [x - ((x - a[0]) / 360.0).round() * 360.0, y];
    let corners = corners.map(beside);
    let [a, b, c, d] = corners;
    let turns = [[a, b, c, a], [b, c, d, b], [c, d, a, c], [d, a, b, d]].map(|turn| signed_area(&turn));
    let is_convex = turns.iter().all(|&turn| turn > 0.0) || turns.iter().all(|&turn| turn < 0.0);
    is_convex.then_some(corners)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The order of the bytes of a number, most or least significant first.
#[derive(Clone, Copy, PartialEq)]
enum ByteOrder {
    Big,
    Little,
}

/// The header of a geometry.
struct Head {
    order: ByteOrder,
    code: u32,
    /// How many numbers each point has.
    numbers: usize,
}

impl Reader<'_> {
    fn malformed(&self) -> WkbProblem {
        WkbProblem::Malformed { at: self.at, len: self.bytes.len() }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], WkbProblem> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let &bytes = rest.first_chunk::<N>().ok_or_else(|| self.malformed())?;
        self.at += N;
        Ok(bytes)
    }

    fn integer(&mut self, order: ByteOrder) -> Result<u32, WkbProblem> {
        let bytes = self.take()?;
        Ok(if order == ByteOrder::Big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn number(&mut self, order: ByteOrder) -> Result<f64, WkbProblem> {
        let bytes = self.take()?;
        Ok(if order == ByteOrder::Big { f64::from_be_bytes(bytes) } else { f64::from_le_bytes(bytes) })
    }

    fn head(&mut self) -> Result<Head, WkbProblem> {
        /// Flag of PostGIS (`liblwgeom.h`, as the next two): points have a height.
        const HEIGHT: u32 = 0x8000_0000;
        /// Points have a measure.
        const MEASURE: u32 = 0x4000_0000;
        /// The code of a coordinate system follows, which is skipped.
        const CODED: u32 = 0x2000_0000;
        let order = match self.take()? {
            [0] => ByteOrder::Big,
            [1] => ByteOrder::Little,
            _ => return Err(self.malformed()),
        };
        let code = self.integer(order)?;
        if code & CODED != 0 {
            self.integer(order)?;
        }
        // The standard adds 1000 to the type for a height, 2000 for a measure, 3000 for both.
        let plain = code & !(HEIGHT | MEASURE | CODED);
        let by_thousands = match plain / 1000 {
            0 => 0,
            1 | 2 => 1,
            3 => 2,
            _ => return Err(WkbProblem::Type { code: plain }),
        };
        let by_flags = (code & (HEIGHT | MEASURE)).count_ones() as usize;
        Ok(Head { order, code: plain % 1000, numbers: 2 + by_thousands.max(by_flags) })
    }

    fn geometry(&mut self, depth: u32) -> Result<WkbGeometry, WkbProblem> {
        let head = self.head()?;
        match head.code {
            1 => Ok(WkbGeometry::Point(self.place(&head)?)),
            3 => Ok(WkbGeometry::Polygons(vec![self.polygon(&head)?])),
            6 => {
                if depth == MAX_DEPTH {
                    return Err(self.malformed());
                }
                let mut polygons = Vec::new();
                for _ in 0..self.integer(head.order)? {
                    match self.geometry(depth + 1)? {
                        WkbGeometry::Polygons(parts) => polygons.extend(parts),
                        WkbGeometry::Point(_) => return Err(self.malformed()),
                    }
                }
                Ok(WkbGeometry::Polygons(polygons))
            }
            code => Err(WkbProblem::Type { code }),
        }
    }

    /// Reads the rings of a polygon. No memory is reserved by the counts in the bytes, so that a wrong count ends where
    /// the bytes end.
    fn polygon(&mut self, head: &Head) -> Result<Vec<Ring>, WkbProblem> {
        let mut rings = Vec::new();
        for _ in 0..self.integer(head.order)? {
            let mut ring = Ring::new();
            for _ in 0..self.integer(head.order)? {
                ring.push(self.place(head)?);
            }
            rings.push(ring);
        }
        Ok(rings)
    }

    fn place(&mut self, head: &Head) -> Result<[f64; 2], WkbProblem> {
        let place = [self.number(head.order)?, self.number(head.order)?];
        for _ in 2..head.numbers {
            self.number(head.order)?;
        }
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a polygon with one ring, with `extra` numbers after each point. `code` is its type with flags.
    fn polygon(order: ByteOrder, code: u32, extra: usize, ring: &[[f64; 2]]) -> Vec<u8> {
        let integer = |v: u32| if order == ByteOrder::Big { v.to_be_bytes() } else { v.to_le_bytes() };
        let number = |v: f64| if order == ByteOrder::Big { v.to_be_bytes() } else { v.to_le_bytes() };
        let mut bytes = vec![u8::from(order == ByteOrder::Little)];
        bytes.extend(integer(code));
        if code & 0x2000_0000 != 0 {
            bytes.extend(integer(4326));
        }
        bytes.extend(integer(1));
        bytes.extend(integer(ring.len() as u32));
        for [x, y] in ring {
            bytes.extend(number(*x));
            bytes.extend(number(*y));
            (0..extra).for_each(|_| bytes.extend(number(77.0)));
        }
        bytes
    }

    fn multi(parts: &[Vec<u8>]) -> Vec<u8> {
        let head = [vec![1, 6, 0, 0, 0], (parts.len() as u32).to_le_bytes().to_vec()];
        head.into_iter().chain(parts.iter().cloned()).flatten().collect()
    }

    fn rectangle(west: f64, south: f64, east: f64, north: f64) -> [[f64; 2]; 5] {
        [[west, south], [east, south], [east, north], [west, north], [west, south]]
    }

    const TILE: [f64; 4] = [5.25, 52.0, 5.5, 52.125];

    fn tile() -> [[f64; 2]; 5] {
        let [west, south, east, north] = TILE;
        rectangle(west, south, east, north)
    }

    fn edges(bounds: Bounds) -> [f64; 4] {
        [bounds.west, bounds.south, bounds.east, bounds.north]
    }

    #[test]
    fn a_polygon_of_either_byte_order_with_heights_measures_and_codes_is_the_same_tile() {
        for order in [ByteOrder::Little, ByteOrder::Big] {
            for (code, extra) in [
                (3, 0),
                (1003, 1),
                (2003, 1),
                (3003, 2),
                (0x2000_0003, 0),
                (0x8000_0003, 1),
                (0xe000_0003, 2),
            ] {
                let read = WkbGeometry::read(&polygon(order, code, extra, &tile())).unwrap();
                assert_eq!(edges(read.footprint().bounds()), TILE, "{code:x}");
                assert_eq!(
                    read.to_string(),
                    "POLYGON ((5.25 52, 5.5 52, 5.5 52.125, 5.25 52.125, 5.25 52))",
                    "{code:x}"
                );
            }
        }
    }

    #[test]
    fn a_turned_tile_keeps_its_corners_and_another_shape_has_its_bounds() {
        let turned = [[5.0, 52.0], [5.2, 52.1], [5.1, 52.3], [4.9, 52.2], [5.0, 52.0]];
        let read = WkbGeometry::read(&polygon(ByteOrder::Little, 3, 0, &turned)).unwrap();
        assert_eq!(read.footprint().corners(), [[5.0, 52.0], [5.2, 52.1], [5.1, 52.3], [4.9, 52.2]]);
        // An arrow head, and a triangle.
        let arrow = [[5.0, 52.0], [5.1, 52.1], [5.2, 52.0], [5.1, 52.3], [5.0, 52.0]];
        let triangle = [[5.0, 52.0], [5.2, 52.0], [5.2, 52.3], [5.0, 52.0]];
        for ring in [&arrow[..], &triangle] {
            let read = WkbGeometry::read(&polygon(ByteOrder::Little, 3, 0, ring)).unwrap();
            assert_eq!(edges(read.footprint().bounds()), [5.0, 52.0, 5.2, 52.3]);
            assert_eq!(read.footprint().rings().len(), 1);
        }
    }

    #[test]
    fn a_tile_across_the_antimeridian_is_small_whether_it_is_cut_there_or_not() {
        let across = rectangle(179.75, -17.0, -179.5, -16.5);
        let cut = multi(&[
            polygon(ByteOrder::Little, 3, 0, &rectangle(179.75, -17.0, 180.0, -16.5)),
            polygon(ByteOrder::Little, 3, 0, &rectangle(-180.0, -17.0, -179.5, -16.5)),
        ]);
        for bytes in [polygon(ByteOrder::Little, 3, 0, &across), cut] {
            let footprint = WkbGeometry::read(&bytes).unwrap().footprint();
            assert_eq!(edges(footprint.bounds()), [179.75, -17.0, -179.5, -16.5]);
            assert_eq!(footprint.rings().len(), 2);
        }
    }

    #[test]
    fn a_point_has_a_place_without_extent_and_parts_have_the_bounds_of_all() {
        let mut point = vec![0, 0, 0, 0, 1];
        point.extend([12.5_f64, -3.0].iter().flat_map(|v| v.to_be_bytes()));
        let read = WkbGeometry::read(&point).unwrap();
        assert_eq!(edges(read.footprint().bounds()), [12.5, -3.0, 12.5, -3.0]);
        let parts = multi(&[
            polygon(ByteOrder::Little, 3, 0, &rectangle(5.0, 52.0, 5.1, 52.1)),
            polygon(ByteOrder::Big, 1003, 1, &rectangle(5.2, 52.2, 5.3, 52.4)),
        ]);
        let read = WkbGeometry::read(&parts).unwrap();
        assert_eq!(edges(read.footprint().bounds()), [5.0, 52.0, 5.3, 52.4]);
        assert!(read.to_string().starts_with("MULTIPOLYGON (((5 52, 5.1 52,") && read.is_on_earth());
    }

    #[test]
    fn what_is_no_geometry_or_none_that_is_read_says_so() {
        let whole = polygon(ByteOrder::Little, 3, 0, &tile());
        for len in 0..whole.len() {
            assert!(matches!(WkbGeometry::read(&whole[..len]), Err(WkbProblem::Malformed { .. })), "{len}");
        }
        let longer = [whole.clone(), vec![0]].concat();
        assert!(matches!(WkbGeometry::read(&longer), Err(WkbProblem::Malformed { at: 93, len: 94 })));
        // Counts of four billion, and multipolygons within each other without end.
        let many = [vec![1, 3, 0, 0, 0], vec![0xff; 4], vec![0; 4]].concat();
        let deep = [1, 6, 0, 0, 0, 1, 0, 0, 0].repeat(100_000);
        for bytes in [many, deep] {
            assert!(matches!(WkbGeometry::read(&bytes), Err(WkbProblem::Malformed { .. })));
        }
        let line = [vec![1, 2, 0, 0, 0], vec![0; 4]].concat();
        assert_eq!(WkbGeometry::read(&line), Err(WkbProblem::Type { code: 2 }));
        assert_eq!(WkbGeometry::read(&multi(&[])), Err(WkbProblem::Empty));
        let nowhere = |v: f64| [vec![1, 1, 0, 0, 0], v.to_le_bytes().repeat(2)].concat();
        assert_eq!(WkbGeometry::read(&nowhere(f64::NAN)), Err(WkbProblem::Empty));
        assert_eq!(WkbGeometry::read(&nowhere(f64::INFINITY)), Err(WkbProblem::NotFinite));
    }

    #[test]
    fn places_of_another_system_go_through_a_function() {
        let read =
            WkbGeometry::read(&polygon(ByteOrder::Little, 3, 0, &rectangle(5e5, 5e6, 6e5, 6e6))).unwrap();
        assert!(!read.is_on_earth());
        let turned = read.map(|[x, y]| Ok::<_, ()>([x / 1e5, y / 1e5])).unwrap();
        assert_eq!(edges(turned.footprint().bounds()), [5.0, 50.0, 6.0, 60.0]);
        assert_eq!(read.map(|_| Err::<[f64; 2], _>("outside")), Err("outside"));
    }
}
