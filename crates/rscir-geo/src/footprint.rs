use rscir_images::tiff::Window;

use crate::{Crs, CrsProblem, Transform};

/// A rectangle of longitudes and latitudes. Bounds whose `west` is more than their `east` cross the antimeridian.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Western edge, -180 to 180 degrees.
    pub west: f64,
    /// Southern edge, -90 to 90 degrees.
    pub south: f64,
    /// Eastern edge, -180 to 180 degrees.
    pub east: f64,
    /// Northern edge, -90 to 90 degrees.
    pub north: f64,
}

impl Bounds {
    /// Returns the corners as a closed ring, counter-clockwise. Longitudes of bounds across the antimeridian go on
    /// beyond 180 degrees.
    pub(crate) fn ring(self) -> Ring {
        let Self { west, south, north, .. } = self;
        let east = if self.east < west { self.east + 360.0 } else { self.east };
        vec![[west, north], [west, south], [east, south], [east, north], [west, north]]
    }
}

impl From<Bounds> for Footprint {
    fn from(bounds: Bounds) -> Self {
        let Bounds { west, south, east, north } = bounds;
        Self::new([[west, north], [west, south], [east, south], [east, north]])
    }
}

/// The surface of a tile on the ground: its four corners as longitude and latitude in degrees of WGS84,
/// counter-clockwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Footprint {
    corners: [[f64; 2]; 4],
}

/// A closed ring of longitudes and latitudes, whose last point is the first again.
pub type Ring = Vec<[f64; 2]>;

impl Footprint {
    /// Makes a footprint from its corners, as longitude and latitude, in the order in which they lie around the tile.
    /// Clockwise corners are turned over, the first staying the first, and longitudes are brought to -180 to 180
    /// degrees.
    #[must_use]
    pub fn new(corners: [[f64; 2]; 4]) -> Self {
        let corners = corners.map(|[longitude, latitude]| [normalized(longitude), latitude]);
        let [a, b, c, d] = corners;
        let footprint = Self { corners };
        let is_clockwise = match footprint.pole() {
            // Longitudes rise on the way around the north pole, and fall around the south pole.
            Some(pole) => (footprint.unrolled()[3][0] > footprint.unrolled()[0][0]) != (pole > 0.0),
            None => signed_area(&footprint.unrolled()) < 0.0,
        };
        if is_clockwise { Self { corners: [a, d, c, b] } } else { footprint }
    }

    /// Computes the footprint of a window of a scene. The corners are the window's upper left, lower left, lower right
    /// and upper right one.
    ///
    /// # Errors
    /// [`CrsProblem::Outside`] if a corner is beyond the reach of the coordinate system. [`CrsProblem::TooWide`] if the
    /// window is so wide that its corners do not tell which way around the Earth it goes.
    pub fn of_window(window: Window, transform: &Transform, crs: &Crs) -> Result<Self, CrsProblem> {
        let (left, top) = (window.x as f64, window.y as f64);
        let (right, bottom) = (left + window.width as f64, top + window.height as f64);
        let mut corners = [[0.0; 2]; 4];
        for (corner, (column, row)) in
            corners.iter_mut().zip([(left, top), (left, bottom), (right, bottom), (right, top)])
        {
            *corner = crs.to_wgs84(transform.apply(column, row))?;
        }
        let footprint = Self::new(corners);
        let middle = crs.to_wgs84(transform.apply((left + right) / 2.0, (top + bottom) / 2.0))?;
        let is_there = footprint.is_around_pole() || step(footprint.center()[0], middle[0]).abs() <= 90.0;
        if is_there { Ok(footprint) } else { Err(CrsProblem::TooWide) }
    }

    /// Makes a footprint from the eight numbers of an archive's column `footprint`. Returns `None` unless there are
    /// eight and all are finite.
    #[must_use]
    pub fn from_numbers(numbers: &[f64]) -> Option<Self> {
        let &[a, b, c, d, e, f, g, h] = numbers else { return None };
        numbers.iter().all(|number| number.is_finite()).then(|| Self::new([[a, b], [c, d], [e, f], [g, h]]))
    }

    /// Returns the corners as eight numbers for a column: longitude and latitude of each corner in turn.
    #[must_use]
    pub fn numbers(&self) -> [f64; 8] {
        let [[a, b], [c, d], [e, f], [g, h]] = self.corners;
        [a, b, c, d, e, f, g, h]
    }

    /// Returns the corners as longitude and latitude, counter-clockwise.
    #[must_use]
    pub fn corners(&self) -> [[f64; 2]; 4] {
        self.corners
    }

    /// Tells whether the corners go around a pole.
    #[must_use]
    pub fn is_around_pole(&self) -> bool {
        self.pole().is_some()
    }

    /// Returns the middle of the footprint as longitude and latitude: the mean of its corners, or the pole that they go
    /// around.
    #[must_use]
    pub fn center(&self) -> [f64; 2] {
        if let Some(pole) = self.pole() {
            return [0.0, pole];
        }
        let corners = self.unrolled();
        let mean = |at: usize| corners.iter().map(|corner| corner[at]).sum::<f64>() / 4.0;
        [normalized(mean(0)), mean(1)]
    }

    /// Returns the bounds of the corners. The bounds of a footprint around a pole have all longitudes, and latitudes up
    /// to the pole.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        let corners = self.unrolled();
        let least = |at: usize| corners.iter().map(|corner| corner[at]).fold(f64::INFINITY, f64::min);
        let most = |at: usize| corners.iter().map(|corner| corner[at]).fold(f64::NEG_INFINITY, f64::max);
        match self.pole() {
            Some(pole) if pole > 0.0 => Bounds { west: -180.0, south: least(1), east: 180.0, north: pole },
            Some(pole) => Bounds { west: -180.0, south: pole, east: 180.0, north: most(1) },
            None => Bounds {
                west: normalized(least(0)),
                south: least(1),
                east: normalized_east(most(0)),
                north: most(1),
            },
        }
    }

    /// Returns the footprint as closed rings, each within -180 to 180 degrees and counter-clockwise: one, or two if the
    /// antimeridian cuts the footprint, as RFC 7946 asks (section 3.1.9). A footprint around a pole is one ring, of
    /// which one edge is the pole.
    #[must_use]
    pub fn rings(&self) -> Vec<Ring> {
        let corners = self.unrolled();
        if let Some(pole) = self.pole() {
            return vec![around_pole(&corners, pole)];
        }
        let east = corners.iter().any(|corner| corner[0] > 180.0);
        let west = corners.iter().any(|corner| corner[0] < -180.0);
        if !east && !west {
            return vec![closed(corners.to_vec())];
        }
        // Corners lie within 180 degrees of the first, which lies within the world: one antimeridian at most cuts them.
        let cut = if east { 180.0 } else { -180.0 };
        let inside = clip(&corners, |p| (p[0] - cut) * cut.signum() <= 0.0, |a, b| at_longitude(a, b, cut));
        let outside = clip(&corners, |p| (p[0] - cut) * cut.signum() >= 0.0, |a, b| at_longitude(a, b, cut));
        let outside: Ring = outside.into_iter().map(|[x, y]| [x - 2.0 * cut, y]).collect();
        [inside, outside].into_iter().filter(|ring| signed_area(ring) > 0.0).map(closed).collect()
    }

    /// Returns the intersection over union of two footprints, from 0 to 1. Areas are measured on a plane of longitude
    /// and latitude: its scale cancels out, as tiles are small. Footprints around a pole are compared on a plane around
    /// that pole.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f64 {
        if self.pole().is_some() || other.pole().is_some() {
            return polar_iou(self, other);
        }
        let (own, mut others) = (self.unrolled(), other.unrolled());
        // Longitudes of both footprints are brought to the same turn around the Earth.
        let turn = ((own[0][0] - others[0][0]) / 360.0).round() * 360.0;
        others.iter_mut().for_each(|corner| corner[0] += turn);
        plane_iou(&own, &others)
    }

    /// Returns the corners with longitudes that go on beyond 180 degrees in place of jumping: each is within 180
    /// degrees of that of the corner before.
    fn unrolled(&self) -> [[f64; 2]; 4] {
        let mut corners = self.corners;
        for i in 1..4 {
            corners[i][0] = corners[i - 1][0] + step(corners[i - 1][0], corners[i][0]);
        }
        corners
    }

    /// Returns the latitude of the pole that the corners go around, or `None` if they go around neither.
    fn pole(&self) -> Option<f64> {
        let [a, .., d] = self.unrolled();
        let turn = d[0] + step(d[0], a[0]) - a[0];
        (turn.abs() > 180.0).then(|| 90.0_f64.copysign(self.corners.iter().map(|corner| corner[1]).sum()))
    }
}

/// Returns the change of longitude from `from` to `to` on the shorter way, more than -180 and at most 180 degrees.
fn step(from: f64, to: f64) -> f64 {
    let step = (to - from).rem_euclid(360.0);
    if step > 180.0 { step - 360.0 } else { step }
}

/// Brings a longitude to -180 to 180 degrees. A longitude in this range is returned unchanged, to the bit.
fn normalized(longitude: f64) -> f64 {
    if (-180.0..=180.0).contains(&longitude) {
        longitude
    } else {
        (longitude + 180.0).rem_euclid(360.0) - 180.0
    }
}

/// Brings the longitude of an eastern edge to -180 to 180 degrees. An edge on the antimeridian becomes 180.
fn normalized_east(longitude: f64) -> f64 {
    let longitude = normalized(longitude);
    if longitude == -180.0 { 180.0 } else { longitude }
}

fn closed(mut ring: Ring) -> Ring {
    ring.extend(ring.first().copied());
    ring
}

/// Computes twice the area of a closed ring. The result is negative if the ring is clockwise.
///
/// An open ring may be given, too: points are taken relative to the first, so that the closing edge adds nothing.
pub(crate) fn signed_area(ring: &[[f64; 2]]) -> f64 {
    let Some(&origin) = ring.first() else { return 0.0 };
    let from_origin = |p: &[f64; 2]| [p[0] - origin[0], p[1] - origin[1]];
    let cross = |pair: &[[f64; 2]]| match pair {
        [a, b] => {
            let (a, b) = (from_origin(a), from_origin(b));
            a[0] * b[1] - a[1] * b[0]
        }
        _ => 0.0,
    };
    ring.windows(2).map(cross).sum()
}

/// Computes twice the area that a convex, counter-clockwise polygon shares with another of either direction. Both may
/// be open or closed.
pub(crate) fn shared_area(convex: &[[f64; 2]], other: &[[f64; 2]]) -> f64 {
    let mut common = open(other).to_vec();
    let convex = open(convex);
    for (&a, &b) in convex.iter().zip(convex.iter().cycle().skip(1)) {
        let side = |p: [f64; 2]| (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]);
        let crossing = |from: [f64; 2], to: [f64; 2]| {
            let share = side(from) / (side(from) - side(to));
            [from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1])]
        };
        common = clip(&common, |p| side(p) >= 0.0, crossing);
    }
    signed_area(&closed(common)).abs()
}

/// Returns a ring without its last point if that is the first again.
fn open(ring: &[[f64; 2]]) -> &[[f64; 2]] {
    match ring {
        [first, middle @ .., last] if !middle.is_empty() && first == last => &ring[..ring.len() - 1],
        _ => ring,
    }
}

/// Returns the part of a polygon on one side of a line (Sutherland and Hodgman, "Reentrant Polygon Clipping", 1974).
/// `crossing` gives the point at which an edge crosses the line.
fn clip(
    polygon: &[[f64; 2]],
    is_inside: impl Fn([f64; 2]) -> bool,
    crossing: impl Fn([f64; 2], [f64; 2]) -> [f64; 2],
) -> Ring {
    let mut clipped = Vec::with_capacity(polygon.len() + 2);
    let before = polygon.iter().cycle().skip(polygon.len().saturating_sub(1));
    for (&from, &to) in before.zip(polygon) {
        match (is_inside(from), is_inside(to)) {
            (true, true) => clipped.push(to),
            (true, false) => clipped.push(crossing(from, to)),
            (false, true) => clipped.extend([crossing(from, to), to]),
            (false, false) => {}
        }
    }
    clipped
}

/// Returns the point with the given longitude on the line from `a` to `b`.
fn at_longitude(a: [f64; 2], b: [f64; 2], longitude: f64) -> [f64; 2] {
    [longitude, a[1] + (b[1] - a[1]) * (longitude - a[0]) / (b[0] - a[0])]
}

/// Returns a closed ring that follows the corners from one side of the antimeridian to the other and comes back along
/// the pole.
fn around_pole(corners: &[[f64; 2]; 4], pole: f64) -> Ring {
    let mut places: Vec<[f64; 2]> = corners.iter().map(|&[x, y]| [normalized(x), y]).collect();
    places.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let (Some(&first), Some(&last)) = (places.first(), places.last()) else { return Ring::new() };
    let edge = at_longitude(last, [first[0] + 360.0, first[1]], 180.0)[1];
    let mut ring = vec![[-180.0, edge]];
    ring.extend(places.into_iter().filter(|place| place[0].abs() < 180.0));
    ring.extend([[180.0, edge], [180.0, pole], [-180.0, pole]]);
    if pole < 0.0 {
        ring.reverse();
    }
    closed(ring)
}

/// Computes the intersection over union of two convex, counter-clockwise polygons.
fn plane_iou(one: &[[f64; 2]; 4], other: &[[f64; 2]; 4]) -> f64 {
    let area = |ring: &[[f64; 2]]| signed_area(&closed(ring.to_vec()));
    let common = shared_area(one, other);
    let union = area(one) + area(other) - common;
    if union > 0.0 { common / union } else { 0.0 }
}

/// Computes the intersection over union of footprints of which at least one goes around a pole. The plane is that of
/// polar coordinates around the pole: the angle is the longitude, the radius the distance from the pole in degrees of
/// latitude.
fn polar_iou(one: &Footprint, other: &Footprint) -> f64 {
    let Some(pole) = one.pole().or_else(|| other.pole()) else { return 0.0 };
    let on_plane = |footprint: &Footprint| {
        let mut places = footprint.corners.map(|[longitude, latitude]| {
            let (sin, cos) = (longitude * pole.signum()).to_radians().sin_cos();
            let radius = (pole - latitude).abs();
            [radius * cos, radius * sin]
        });
        if signed_area(&closed(places.to_vec())) < 0.0 {
            places.reverse();
        }
        places
    };
    plane_iou(&on_plane(one), &on_plane(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(west: f64, south: f64, side: f64) -> Footprint {
        let (east, north) = (west + side, south + side);
        Footprint::new([[west, north], [west, south], [east, south], [east, north]])
    }

    #[test]
    fn corners_are_counter_clockwise_whichever_way_they_are_given() {
        let ccw = square(5.0, 51.0, 1.0);
        let [a, b, c, d] = ccw.corners();
        assert_eq!((a, b), ([5.0, 52.0], [5.0, 51.0]));
        assert_eq!(Footprint::new([a, d, c, b]), ccw);
        assert_eq!(Footprint::from_numbers(&ccw.numbers()), Some(ccw));
        assert_eq!(Footprint::from_numbers(&ccw.numbers()[..6]), None);
        assert_eq!(Footprint::from_numbers(&[f64::NAN; 8]), None);
    }

    #[test]
    fn a_footprint_across_the_antimeridian_is_two_rings_and_its_bounds_go_east_from_west() {
        let footprint = square(179.5, -17.0, 1.0);
        assert_eq!(footprint.bounds(), Bounds { west: 179.5, south: -17.0, east: -179.5, north: -16.0 });
        assert_eq!(footprint.center(), [180.0, -16.5]);
        let rings = footprint.rings();
        assert_eq!(rings.len(), 2);
        for ring in &rings {
            assert_eq!(ring.first(), ring.last());
            assert_eq!(signed_area(ring), 1.0, "{ring:?}");
            assert!(ring.iter().all(|place| place[0].abs() <= 180.0 && place[0].abs() >= 179.5), "{ring:?}");
        }
        // From the other side, and one that ends at it.
        let from_east = Footprint::new([[-179.5, -16.0], [179.5, -16.0], [179.5, -17.0], [-179.5, -17.0]]);
        assert_eq!(from_east.rings().len(), 2);
        let beside = square(179.0, 0.0, 1.0);
        assert_eq!(beside.rings().len(), 1);
        assert_eq!(beside.bounds().east, 180.0);
    }

    #[test]
    fn a_footprint_around_a_pole_reaches_it() {
        for (pole, order) in [(90.0, [0, 1, 2, 3]), (-90.0, [3, 2, 1, 0])] {
            let latitude = pole - 1.0_f64.copysign(pole);
            let longitudes = [-135.0, -45.0, 45.0, 135.0];
            let footprint = Footprint::new(order.map(|i| [longitudes[i], latitude]));
            let bounds = footprint.bounds();
            assert_eq!((bounds.west, bounds.east), (-180.0, 180.0));
            let (least, most) = if pole > 0.0 { (latitude, pole) } else { (pole, latitude) };
            assert_eq!((bounds.south, bounds.north), (least, most));
            let rings = footprint.rings();
            assert_eq!(rings.len(), 1);
            assert!((signed_area(&rings[0]) - 720.0).abs() < 1e-9, "{rings:?}");
            assert_eq!(footprint.center(), [0.0, pole]);
            assert!((footprint.iou(&footprint) - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn a_window_of_half_the_earth_has_no_four_corners_that_tell_where_it_lies() {
        let crs = Crs::from_epsg(4326).unwrap();
        let transform = Transform { a: 1.0, b: 0.0, c: -180.0, d: 0.0, e: -1.0, f: 90.0 };
        let of =
            |x: usize, width: usize| Footprint::of_window(Window::new(x, 0, width, 180), &transform, &crs);
        assert_eq!(of(0, 360), Err(CrsProblem::TooWide));
        assert_eq!(of(0, 256), Err(CrsProblem::TooWide));
        assert_eq!(
            of(90, 120).unwrap().bounds(),
            Bounds { west: -90.0, south: -90.0, east: 30.0, north: 90.0 }
        );
    }

    #[test]
    fn intersection_over_union_is_that_of_areas() {
        let one = square(10.0, 40.0, 2.0);
        assert!((one.iou(&one) - 1.0).abs() < 1e-12);
        assert!((one.iou(&square(11.0, 40.0, 2.0)) - 1.0 / 3.0).abs() < 1e-12);
        assert!((one.iou(&square(10.5, 40.5, 1.0)) - 0.25).abs() < 1e-12);
        assert_eq!(one.iou(&square(12.0, 40.0, 2.0)), 0.0);
        assert_eq!(one.iou(&square(50.0, 40.0, 2.0)), 0.0);
        // Across the antimeridian.
        assert!((square(179.0, 0.0, 2.0).iou(&square(-180.0, 0.0, 2.0)) - 1.0 / 3.0).abs() < 1e-12);
        // A corner cut by a rotated one: a diamond of half the square's area.
        let diamond = Footprint::new([[11.0, 40.0], [12.0, 41.0], [11.0, 42.0], [10.0, 41.0]]);
        assert!((one.iou(&diamond) - 0.5).abs() < 1e-12);
    }
}
