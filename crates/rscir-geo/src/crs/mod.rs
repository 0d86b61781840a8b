//! Coordinate systems: from EPSG codes, GeoKeys and the WKT of .prj files to longitude and latitude in WGS84, and back.

mod epsg;
mod geo_keys;
mod method;
mod wkt;

use std::fmt;
use std::str::FromStr;

use proj4rs::Proj;
use proj4rs::transform::transform;

pub(crate) use geo_keys::GeoKeys;

/// A coordinate system of a scene.
///
/// ```
/// use rscir_geo::Crs;
///
/// let utm = Crs::from_epsg(32634)?;
/// let [longitude, latitude] = utm.to_wgs84([442_629.946, 5_396_623.741])?;
/// assert!((longitude - 20.22).abs() < 1e-7 && (latitude - 48.72).abs() < 1e-7);
/// # Ok::<(), rscir_geo::CrsProblem>(())
/// ```
#[derive(Debug, Clone)]
pub struct Crs {
    name: String,
    epsg: Option<u32>,
    proj: Proj,
    /// Degrees of a unit of a geographic system.
    degrees: f64,
    shift: DatumShift,
}

/// How well a coordinate system's datum is tied to WGS84.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DatumShift {
    /// It is WGS84, or agrees with it within a meter or two; or its shift is known by parameters.
    Known,
    /// Its shift depends on the place, and three parameters that are its mean are used: places are some meters to some ten
    /// meters off.
    Mean,
    /// It rests on another ellipsoid, and its shift is not known: places may be some hundred meters off.
    Unknown,
}

/// Why a coordinate system cannot be had, or has no place for something.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CrsProblem {
    /// There is none.
    #[error("the scene has no coordinate system: name it by its EPSG code, such as EPSG:32634")]
    Missing,
    /// A text is no EPSG code.
    #[error("{text:?} is no coordinate system: name it by its EPSG code, such as EPSG:32634")]
    NoCode {
        /// The text.
        text: String,
    },
    /// A code that is not in the table.
    #[error(
        "EPSG:{code} is not known here: warp the scene to a common system such as UTM (gdalwarp -t_srs), or name one that has the \
         same coordinates"
    )]
    UnknownCode {
        /// The code.
        code: u32,
    },
    /// A projection, a datum or a unit that is not computed here.
    #[error(
        "its coordinate system uses {what}, which is not computed here: warp the scene to a common system such as UTM (gdalwarp -t_srs)"
    )]
    Unsupported {
        /// What is used.
        what: String,
    },
    /// Coordinates from the Earth's center, or none on the Earth.
    #[error(
        "its coordinates are {kind}, not on a map: warp the scene to a map's coordinate system (gdalwarp -t_srs)"
    )]
    NoMap {
        /// What they are.
        kind: &'static str,
    },
    /// A description that cannot be read.
    #[error(
        "the description of its coordinate system cannot be read ({problem}): name the system by its EPSG code"
    )]
    Damaged {
        /// What is wrong.
        problem: String,
    },
    /// A tile whose four corners do not tell where it lies.
    #[error(
        "a tile is as wide as half the Earth or wider, and its corners do not tell which half: choose smaller tiles"
    )]
    TooWide,
    /// A place that the system does not have.
    #[error(
        "{name} has no place for the coordinates {x}, {y}: the scene's transform or its coordinate system is another"
    )]
    Outside {
        /// The coordinate system.
        name: String,
        /// The first coordinate.
        x: f64,
        /// The second coordinate.
        y: f64,
    },
}

/// Degrees of a gradian, of which a circle has 400.
const GRADIAN: f64 = 0.9;

impl Crs {
    /// Returns the coordinate system of an EPSG code.
    ///
    /// # Errors
    /// [`CrsProblem::UnknownCode`]; [`CrsProblem::Unsupported`] with what is not computed.
    pub fn from_epsg(code: u32) -> Result<Self, CrsProblem> {
        let entry = epsg::find(code)?;
        let name = format!("EPSG:{code}");
        Ok(Self { epsg: Some(code), degrees: entry.degrees, ..Self::from_proj(name, &entry.proj)? })
    }

    /// Reads the coordinate system of a .prj file: WKT of the first version, by its EPSG code if it names one, else by its projection and
    /// parameters.
    ///
    /// # Errors
    /// [`CrsProblem::Damaged`]; [`CrsProblem::Unsupported`] with what is not computed.
    pub fn from_wkt(text: &str) -> Result<Self, CrsProblem> {
        wkt::read(text)
    }

    /// Takes a system in the words of PROJ.4, whose unit, if it is geographic, is the degree.
    pub(crate) fn from_proj(name: String, text: &str) -> Result<Self, CrsProblem> {
        let (text, shift) = epsg::with_known_shift(text);
        let unsupported =
            |error: &dyn fmt::Display| CrsProblem::Unsupported { what: format!("{name} ({text}: {error})") };
        let proj = Proj::from_proj_string(&text).map_err(|error| unsupported(&error))?;
        if !proj.has_inverse() {
            return Err(unsupported(&"no inverse"));
        }
        if proj.is_geocent() {
            return Err(CrsProblem::NoMap { kind: "geocentric" });
        }
        Ok(Self { name, epsg: None, proj, degrees: 1.0, shift })
    }

    /// Returns the name: `EPSG:32634`, or what a scene calls a system without a code.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the EPSG code, if the system has one.
    #[must_use]
    pub fn epsg(&self) -> Option<u32> {
        self.epsg
    }

    /// Tells whether coordinates are longitudes and latitudes.
    #[must_use]
    pub fn is_geographic(&self) -> bool {
        self.proj.is_latlong()
    }

    /// Tells how well the datum is tied to WGS84.
    #[must_use]
    pub fn datum_shift(&self) -> DatumShift {
        self.shift
    }

    /// Returns longitude and latitude of a place, in degrees of WGS84.
    ///
    /// # Errors
    /// [`CrsProblem::Outside`] if the system has no such place.
    pub fn to_wgs84(&self, [x, y]: [f64; 2]) -> Result<[f64; 2], CrsProblem> {
        let outside = || CrsProblem::Outside { name: self.name.clone(), x, y };
        let is_geographic = self.is_geographic();
        let mut place = if is_geographic {
            let [x, y] = [x * self.degrees, y * self.degrees];
            // A scene may go around the world beyond 180 degrees, and its half pixels beyond the poles.
            if !(-540.0..=540.0).contains(&x) || !(-90.1..=90.1).contains(&y) {
                return Err(outside());
            }
            (x.to_radians(), y.clamp(-90.0, 90.0).to_radians(), 0.0)
        } else {
            (x, y, 0.0)
        };
        if is_geographic && self.is_wgs84() {
            // No rounding by way of radians.
            return Ok([x * self.degrees, (y * self.degrees).clamp(-90.0, 90.0)]);
        }
        transform(&self.proj, wgs84(), &mut place).map_err(|_| outside())?;
        let (longitude, latitude) = (place.0.to_degrees(), place.1.to_degrees());
        if longitude.is_finite() && latitude.is_finite() { Ok([longitude, latitude]) } else { Err(outside()) }
    }

    /// Returns the coordinates of a longitude and latitude in degrees of WGS84.
    ///
    /// # Errors
    /// [`CrsProblem::Outside`] if the system has no such place.
    pub fn from_wgs84(&self, [longitude, latitude]: [f64; 2]) -> Result<[f64; 2], CrsProblem> {
        let outside = || CrsProblem::Outside { name: "WGS84".into(), x: longitude, y: latitude };
        let mut place = (longitude.to_radians(), latitude.to_radians(), 0.0);
        transform(wgs84(), &self.proj, &mut place).map_err(|_| outside())?;
        let (mut x, mut y) = (place.0, place.1);
        if self.is_geographic() {
            (x, y) = (x.to_degrees() / self.degrees, y.to_degrees() / self.degrees);
        }
        if x.is_finite() && y.is_finite() { Ok([x, y]) } else { Err(outside()) }
    }

    fn is_wgs84(&self) -> bool {
        self.epsg == Some(epsg::WGS84)
    }

    /// Returns the meters that a vector in coordinates is long at a place: on a map by the map's unit, between longitudes and
    /// latitudes on the WGS84 ellipsoid.
    pub(crate) fn meters(&self, [dx, dy]: [f64; 2], [_, latitude]: [f64; 2]) -> f64 {
        if !self.is_geographic() {
            return dx.hypot(dy) * self.proj.to_meter();
        }
        let degree = self.degrees.to_radians();
        let (sin, cos) = (latitude * degree).sin_cos();
        // Radii of curvature along the parallel and the meridian (Snyder, "Map Projections", USGS 1395, 4-20 and 4-18).
        let flattened = 1.0 - WGS84_E2 * sin * sin;
        let east = WGS84_A / flattened.sqrt() * cos;
        let north = WGS84_A * (1.0 - WGS84_E2) / flattened.powf(1.5);
        (dx * degree * east).hypot(dy * degree * north)
    }
}

/// The semi-major axis of WGS84 in meters (NGA.STND.0036).
const WGS84_A: f64 = 6_378_137.0;
/// The square of its eccentricity, `f (2 - f)` with `f = 1 / 298.257223563`.
const WGS84_E2: f64 = 6.694_379_990_141_317e-3;

/// Longitude and latitude in WGS84.
#[expect(clippy::expect_used, reason = "the text is a constant, and a test reads it")]
fn wgs84() -> &'static Proj {
    static WGS84: std::sync::OnceLock<Proj> = std::sync::OnceLock::new();
    WGS84.get_or_init(|| {
        Proj::from_proj_string("+proj=longlat +datum=WGS84 +no_defs").expect("PROJ.4 has WGS84")
    })
}

impl PartialEq for Crs {
    /// Compares codes, or names where there is none: a name without a code has all parameters.
    fn eq(&self, other: &Self) -> bool {
        self.epsg == other.epsg && self.name == other.name
    }
}

impl fmt::Display for Crs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl FromStr for Crs {
    type Err = CrsProblem;

    /// Reads `EPSG:32634`.
    ///
    /// # Errors
    /// [`CrsProblem::NoCode`] for anything else, and those of [`Crs::from_epsg`].
    fn from_str(text: &str) -> Result<Self, CrsProblem> {
        let code =
            text.get(..5).filter(|start| start.eq_ignore_ascii_case("epsg:")).and_then(|_| text.get(5..));
        let digits = code.filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
        let code = digits.and_then(|digits| digits.parse().ok());
        Self::from_epsg(code.ok_or_else(|| CrsProblem::NoCode { text: text.into() })?)
    }
}
