use crate::Ring;

/// Meters in a degree of latitude, and in a degree of longitude at the equator, on a sphere of the Earth's
/// mean radius (6371.0088 km, IUGG 1980). The scale bar of a map needs no better model.
const DEGREE: f64 = 111_195.08;

/// Greatest width and height of a map, in map units.
const SIZE: [f64; 2] = [640.0, 480.0];

/// Least height of a map in map units: room for the names of two lines.
const MIN_HEIGHT: f64 = 260.0;

/// Margin around all places, as a share of their extent.
const MARGIN: f64 = 0.08;

/// Least extent of a map in degrees, about a hundred meters.
const MIN_EXTENT: f64 = 0.001;

/// Equirectangular projection from longitude and latitude to map units. Degrees of longitude have the length
/// that they have in the middle of the map.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Projection {
    /// Longitude at which the world is cut. Places west of it lie at the eastern end of the map.
    cut: f64,
    west: f64,
    north: f64,
    /// Map units in a degree of longitude and in a degree of latitude.
    scale: [f64; 2],
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Projection {
    /// Fits the map around places. Returns `None` if there are none.
    pub(crate) fn around<'a>(rings: impl Iterator<Item = &'a Ring> + Clone) -> Option<Self> {
        let places =
            || rings.clone().flatten().filter(|place| place.iter().all(|degrees| degrees.is_finite()));
        let cut = widest_gap(places().map(|place| place[0]).collect())?;
        let mut extent = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
        for &[longitude, latitude] in places() {
            let longitude = beyond(longitude, cut);
            extent = [
                extent[0].min(longitude),
                extent[1].min(latitude),
                extent[2].max(longitude),
                extent[3].max(latitude),
            ];
        }
        let middle = [0, 1].map(|i| f64::midpoint(extent[i], extent[i + 2]));
        // A degree of longitude has no length at a pole, and the map would have no limit. 0.05 is the cosine
        // of 87 degrees.
        let narrowing = middle[1].to_radians().cos().max(0.05);
        let sides = [0, 1].map(|i| (extent[i + 2] - extent[i]).max(MIN_EXTENT) * (1.0 + 2.0 * MARGIN));
        let scale = (SIZE[0] / (sides[0] * narrowing)).min(SIZE[1] / sides[1]);
        let scale = [scale * narrowing, scale];
        let height = (sides[1] * scale[1]).max(MIN_HEIGHT);
        let [width, _] = SIZE;
        let (west, north) = (middle[0] - width / scale[0] / 2.0, middle[1] + height / scale[1] / 2.0);
        Some(Self { cut, west, north, scale, width, height })
    }

    /// Projects a place, in degrees, to map units.
    pub(crate) fn point(&self, [longitude, latitude]: [f64; 2]) -> [f64; 2] {
        let [x, y] = self.scale;
        [(beyond(longitude, self.cut) - self.west) * x, (self.north - latitude) * y]
    }

    /// Returns the meridians and parallels that cross the map, as many as a telephone has room for. Each has
    /// its position in map units and its name.
    pub(crate) fn lines(&self) -> [Vec<(f64, String)>; 2] {
        let [x, y] = self.scale;
        let [across, down] = [self.width / x, self.height / y];
        // Divides a side into two to nine parts of a round length.
        let along = |first: f64, length: f64, parts: f64| {
            let step = round_step(length / parts);
            let decimals = (-step.log10()).ceil().max(0.0) as usize;
            let (start, end) = ((first / step).ceil() as i64, ((first + length) / step).floor() as i64);
            (start..=end).map(move |line| (line as f64 * step, decimals)).collect::<Vec<_>>()
        };
        let meridians = along(self.west, across, 3.0)
            .into_iter()
            .map(|(at, decimals)| ((at - self.west) * x, named(normalized(at), decimals, ["W", "E"])));
        let parallels = along(self.north - down, down, 3.0).into_iter().filter(|(at, _)| at.abs() <= 90.0);
        let parallels =
            parallels.map(|(at, decimals)| ((self.north - at) * y, named(at, decimals, ["S", "N"])));
        [meridians.collect(), parallels.collect()]
    }

    /// Returns the length of the scale bar in map units, and its name.
    pub(crate) fn bar(&self) -> (f64, String) {
        let unit = DEGREE / self.scale[1];
        let meters = round_step(unit * self.width / 6.0);
        let name = if meters >= 1000.0 { format!("{} km", meters / 1000.0) } else { format!("{meters} m") };
        (meters / unit, name)
    }
}

/// Returns the longitude in the middle of the widest gap between longitudes, where a cut of the world divides
/// no place. `None` if there are no longitudes.
fn widest_gap(mut longitudes: Vec<f64>) -> Option<f64> {
    longitudes.iter_mut().for_each(|longitude| *longitude = normalized(*longitude));
    longitudes.sort_by(f64::total_cmp);
    let (&first, &last) = (longitudes.first()?, longitudes.last()?);
    // The gap across the antimeridian comes first, so that it wins among equal gaps and the world has its
    // usual edge.
    let mut widest = (first + 360.0 - last, f64::midpoint(last, first + 360.0));
    for pair in longitudes.windows(2) {
        if let &[west, east] = pair
            && east - west > widest.0
        {
            widest = (east - west, f64::midpoint(west, east));
        }
    }
    Some(normalized(widest.1))
}

/// Returns the equal longitude that lies within 360 degrees east of the cut.
fn beyond(longitude: f64, cut: f64) -> f64 {
    cut + (longitude - cut).rem_euclid(360.0)
}

fn normalized(longitude: f64) -> f64 {
    if (-180.0..=180.0).contains(&longitude) {
        longitude
    } else {
        (longitude + 180.0).rem_euclid(360.0) - 180.0
    }
}

/// Returns the largest of 1, 2 and 5 times a power of ten that is at most `length`.
fn round_step(length: f64) -> f64 {
    let power = 10.0_f64.powf(length.log10().floor());
    match length / power {
        5.0.. => 5.0 * power,
        2.0..5.0 => 2.0 * power,
        _ => power,
    }
}

/// Returns a longitude or latitude with its hemisphere.
pub(crate) fn named(degrees: f64, decimals: usize, [negative, positive]: [&str; 2]) -> String {
    let side = if degrees < 0.0 { negative } else { positive };
    format!("{:.decimals$}° {side}", degrees.abs())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn square(west: f64, south: f64, side: f64) -> Ring {
        let (east, north) = (west + side, south + side);
        vec![[west, north], [west, south], [east, south], [east, north], [west, north]]
    }

    #[test]
    fn places_on_both_sides_of_the_antimeridian_lie_side_by_side() {
        let rings = [square(179.9, -17.0, 0.1), square(-180.0, -17.0, 0.1)];
        let map = Projection::around(rings.iter()).unwrap();
        let [west, middle, east] = [179.9, 180.0, -179.9].map(|longitude| map.point([longitude, -17.0])[0]);
        assert!(west < middle && middle < east, "{west} {middle} {east}");
        assert!((middle - west - (east - middle)).abs() < 1e-6);
        let names: Vec<String> = map.lines()[0].iter().map(|(_, name)| name.clone()).collect();
        assert!(names.iter().any(|name| name.ends_with('W')) && names.iter().any(|name| name.ends_with('E')));
    }

    #[test]
    fn a_bar_is_as_long_as_it_says() {
        // A degree of latitude at the equator, on 480 units less the margins.
        let map = Projection::around([square(10.0, -0.5, 1.0)].iter()).unwrap();
        let (units, name) = map.bar();
        assert_eq!(name, "20 km");
        let kilometers = units / (480.0 / 1.16) * DEGREE / 1000.0;
        assert!((kilometers - 20.0).abs() < 1e-9, "{kilometers}");
    }

    proptest! {
        #[test]
        fn every_place_is_within_the_picture(
            places in prop::collection::vec((-180.0..180.0, -90.0..90.0, 0.0..30.0_f64), 1..6),
        ) {
            let rings: Vec<Ring> = places.into_iter().map(|(west, south, side)| square(west, south, side.min(90.0 - south))).collect();
            let map = Projection::around(rings.iter()).unwrap();
            for &place in rings.iter().flatten() {
                let [x, y] = map.point(place);
                prop_assert!((-1e-6..=map.width + 1e-6).contains(&x) && (-1e-6..=map.height + 1e-6).contains(&y), "{x} {y} {map:?}");
            }
            for (at, name) in map.lines()[0].iter() {
                prop_assert!((-1e-6..=map.width + 1e-6).contains(at), "{name} at {at}");
            }
        }
    }
}
