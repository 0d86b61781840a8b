//! Coordinate systems by EPSG code, GeoKeys or the WKT of a .prj file, and their conversion to longitude and latitude
//! in WGS84 and back.

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
    /// How many degrees the unit of a geographic system has.
    degrees: f64,
    shift: DatumShift,
}

/// How exactly the shift from a coordinate system's datum to WGS84 is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DatumShift {
    /// The datum is WGS84, agrees with it within a meter or two, or has known parameters for the shift.
    Known,
    /// The shift differs from place to place, and three parameters for its mean are used: footprints are off by a few
    /// meters to a few tens of meters.
    Mean,
    /// The datum has another ellipsoid and no known shift: footprints may be off by some hundred meters.
    Unknown,
}

/// The reason why a coordinate system is not known, is not computed, or does not reach a point.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CrsProblem {
    /// The scene has no coordinate system.
    #[error("the scene has no coordinate system: give its EPSG code, such as EPSG:32634")]
    Missing,
    /// A text is not an EPSG code.
    #[error("{text:?} is no coordinate system: give an EPSG code, such as EPSG:32634")]
    NoCode {
        /// The text.
        text: String,
    },
    /// The EPSG code is not in the table.
    #[error(
        "EPSG:{code} is not known here: warp the scene to a common system such as UTM (gdalwarp -t_srs), or give the code of a system \
         with the same coordinates"
    )]
    UnknownCode {
        /// The code.
        code: u32,
    },
    /// The system has a projection, a datum or a unit that is not computed here.
    #[error(
        "the coordinate system uses {what}, which is not computed here: warp the scene to a common system such as UTM (gdalwarp -t_srs)"
    )]
    Unsupported {
        /// The projection, datum, unit or parameter.
        what: String,
    },
    /// The coordinates are not those of a map, such as coordinates from the Earth's center.
    #[error(
        "the scene's coordinates are {kind}, not on a map: warp the scene to a map's coordinate system (gdalwarp -t_srs)"
    )]
    NoMap {
        /// The kind of coordinates.
        kind: &'static str,
    },
    /// The description of the system cannot be read.
    #[error(
        "the description of the coordinate system cannot be read ({problem}): give the EPSG code of the system"
    )]
    Damaged {
        /// What is wrong.
        problem: String,
    },
    /// A tile is so wide that its four corners do not tell where it lies.
    #[error(
        "a tile is as wide as half the Earth or wider, and its corners do not tell which half: choose smaller tiles"
    )]
    TooWide,
    /// Coordinates are beyond the reach of the system.
    #[error(
        "{name} has no place for the coordinates {x}, {y}: correct the scene's transform or its coordinate system"
    )]
    Outside {
        /// The name of the coordinate system.
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
    /// Makes the coordinate system of an EPSG code. Codes of Web Mercator by Google and Esri are accepted, too.
    ///
    /// # Errors
    /// [`CrsProblem::UnknownCode`] if the table does not have the code. [`CrsProblem::Unsupported`] if the system is
    /// not computed, or its parameters are not known well enough. [`CrsProblem::NoMap`] for a geocentric system.
    pub fn from_epsg(code: u32) -> Result<Self, CrsProblem> {
        let entry = epsg::find(code)?;
        let name = format!("EPSG:{code}");
        Ok(Self { epsg: Some(code), degrees: entry.degrees, ..Self::from_proj(name, &entry.proj)? })
    }

    /// Reads the text of a .prj file: WKT of the first version. The system is taken from its EPSG code if it has one,
    /// else from its projection and parameters.
    ///
    /// # Errors
    /// [`CrsProblem::Damaged`] if the text is no WKT of a system. [`CrsProblem::Unsupported`] if a part of the system
    /// is not computed. [`CrsProblem::NoMap`] for a geocentric system. The errors of [`Crs::from_epsg`] for a code.
    pub fn from_wkt(text: &str) -> Result<Self, CrsProblem> {
        wkt::read(text)
    }

    /// Makes a system from a PROJ.4 definition. The unit of a geographic system is the degree.
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

    /// Returns the name: `EPSG:32634`, or for a system without a code its name in the scene, followed by its PROJ.4
    /// definition.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the EPSG code, if the system has one.
    #[must_use]
    pub fn epsg(&self) -> Option<u32> {
        self.epsg
    }

    /// Tells whether coordinates are longitudes and latitudes, not lengths on a map.
    #[must_use]
    pub fn is_geographic(&self) -> bool {
        self.proj.is_latlong()
    }

    /// Returns how exactly the datum's shift to WGS84 is known.
    #[must_use]
    pub fn datum_shift(&self) -> DatumShift {
        self.shift
    }

    /// Converts coordinates to longitude and latitude in degrees of WGS84.
    ///
    /// # Errors
    /// [`CrsProblem::Outside`] if the coordinates are beyond the reach of the system.
    pub fn to_wgs84(&self, [x, y]: [f64; 2]) -> Result<[f64; 2], CrsProblem> {
        let outside = || CrsProblem::Outside { name: self.name.clone(), x, y };
        let is_geographic = self.is_geographic();
        let mut place = if is_geographic {
            let [x, y] = [x * self.degrees, y * self.degrees];
            // A scene of the whole Earth may begin at 0 or 180 degrees, and its outer pixels may reach half a pixel
            // beyond the poles.
            if !(-540.0..=540.0).contains(&x) || !(-90.1..=90.1).contains(&y) {
                return Err(outside());
            }
            (x.to_radians(), y.clamp(-90.0, 90.0).to_radians(), 0.0)
        } else {
            (x, y, 0.0)
        };
        if is_geographic && self.is_wgs84() {
            // Coordinates in WGS84 stay exact: the way through radians would round them.
            return Ok([x * self.degrees, (y * self.degrees).clamp(-90.0, 90.0)]);
        }
        transform(&self.proj, wgs84(), &mut place).map_err(|_| outside())?;
        let (longitude, latitude) = (place.0.to_degrees(), place.1.to_degrees());
        if longitude.is_finite() && latitude.is_finite() { Ok([longitude, latitude]) } else { Err(outside()) }
    }

    /// Converts longitude and latitude in degrees of WGS84 to coordinates of the system.
    ///
    /// # Errors
    /// [`CrsProblem::Outside`] if the system does not reach the point.
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

    /// Returns the length in meters of a vector in coordinates at a point. Lengths on a map are converted by the map's
    /// unit, degrees are measured on the WGS84 ellipsoid at the point's latitude.
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
/// The square of the eccentricity of WGS84, `f (2 - f)` with `f = 1 / 298.257223563`.
const WGS84_E2: f64 = 6.694_379_990_141_317e-3;

/// Returns the system of longitude and latitude in WGS84.
#[expect(clippy::expect_used, reason = "the text is a constant, and a test reads it")]
fn wgs84() -> &'static Proj {
    static WGS84: std::sync::OnceLock<Proj> = std::sync::OnceLock::new();
    WGS84.get_or_init(|| {
        Proj::from_proj_string("+proj=longlat +datum=WGS84 +no_defs").expect("PROJ.4 has WGS84")
    })
}

impl PartialEq for Crs {
    /// Compares codes and names. The names of systems without a code have their parameters.
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

    /// Reads an EPSG code such as `EPSG:32634`, in any case of letters.
    ///
    /// # Errors
    /// [`CrsProblem::NoCode`] for any other text. The errors of [`Crs::from_epsg`].
    fn from_str(text: &str) -> Result<Self, CrsProblem> {
        let code =
            text.get(..5).filter(|start| start.eq_ignore_ascii_case("epsg:")).and_then(|_| text.get(5..));
        let digits = code.filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
        let code = digits.and_then(|digits| digits.parse().ok());
        Self::from_epsg(code.ok_or_else(|| CrsProblem::NoCode { text: text.into() })?)
    }
}
