//! Projections with parameters, as GeoKeys and WKT describe them, and their PROJ.4 definitions.

use std::fmt::Write;

use super::{Crs, CrsProblem};

/// A kind of projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    TransverseMercator,
    TransverseMercatorSouth,
    ObliqueMercatorA,
    ObliqueMercatorB,
    SwissObliqueMercator,
    Mercator,
    WebMercator,
    LambertConformal1,
    LambertConformal2,
    LambertAzimuthal,
    Albers,
    AzimuthalEquidistant,
    EquidistantConic,
    Stereographic,
    PolarStereographic,
    ObliqueStereographic,
    Equirectangular,
    CassiniSoldner,
    Gnomonic,
    Miller,
    Orthographic,
    Polyconic,
    Robinson,
    Sinusoidal,
    Mollweide,
    CylindricalEqualArea,
    EqualEarth,
    Krovak,
}

/// The parameters of a projection: angles in degrees, lengths in meters. `None`: not given.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Parameters {
    pub(super) latitude: Option<f64>,
    pub(super) longitude: Option<f64>,
    pub(super) parallel_1: Option<f64>,
    pub(super) parallel_2: Option<f64>,
    pub(super) scale: Option<f64>,
    pub(super) easting: f64,
    pub(super) northing: f64,
    pub(super) azimuth: Option<f64>,
    pub(super) rectified: Option<f64>,
}

/// The ellipsoid of a system and its position relative to WGS84.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Datum {
    /// Semi-major axis in meters.
    pub(super) semi_major: f64,
    /// Inverse flattening. 0 stands for a sphere.
    pub(super) inverse_flattening: f64,
    /// Seven parameters of the shift to WGS84. `None`: not known.
    pub(super) shift: Option<[f64; 7]>,
    /// Degrees of the prime meridian east of Greenwich.
    pub(super) prime_meridian: f64,
}

impl Datum {
    /// The datum of WGS84.
    pub(super) const WGS84: Self = Self {
        semi_major: 6_378_137.0,
        inverse_flattening: 298.257_223_563,
        shift: None,
        prime_meridian: 0.0,
    };

    /// Tells whether the ellipsoid is that of WGS84 or GRS80. Datums with these agree with WGS84 within a meter or two.
    fn is_of_wgs84(self) -> bool {
        self.semi_major == Self::WGS84.semi_major && (self.inverse_flattening - 298.2572).abs() < 1e-4
    }

    fn words(self) -> String {
        let Self { semi_major, inverse_flattening, shift, prime_meridian } = self;
        let mut words = format!("+a={semi_major}");
        // Writing to a string does not fail.
        let _ = if inverse_flattening == 0.0 {
            write!(words, " +b={semi_major}")
        } else {
            write!(words, " +rf={inverse_flattening}")
        };
        match shift {
            Some([a, b, c, d, e, f, g]) => {
                let _ = write!(words, " +towgs84={a},{b},{c},{d},{e},{f},{g}");
            }
            None if self.is_of_wgs84() => words.push_str(" +towgs84=0,0,0,0,0,0,0"),
            None => {}
        }
        if prime_meridian != 0.0 {
            let _ = write!(words, " +pm={prime_meridian}");
        }
        words
    }
}

/// Makes a coordinate system from its parameters. Without a projection its coordinates are longitudes and latitudes.
///
/// # Errors
/// [`CrsProblem::Damaged`] if a length or a unit is not above 0; [`CrsProblem::Unsupported`] if the system is not
/// computed.
pub(super) fn system(
    name: String,
    projection: Option<(Method, Parameters)>,
    datum: Datum,
    meters_per_unit: f64,
    degrees_per_unit: f64,
) -> Result<Crs, CrsProblem> {
    let is_length = |length: f64| length.is_finite() && length > 0.0;
    if !is_length(datum.semi_major) || !is_length(meters_per_unit) || !is_length(degrees_per_unit) {
        return Err(CrsProblem::Damaged { problem: "a length or a unit is not above 0".into() });
    }
    let words = match projection {
        // Web Mercator applies the formulas of a sphere to latitudes on the ellipsoid of WGS84.
        Some((Method::WebMercator, parameters)) => {
            if !datum.is_of_wgs84() || datum.shift.is_some_and(|shift| shift != [0.0; 7]) {
                return Err(CrsProblem::Unsupported {
                    what: "Web Mercator on another datum than WGS84".into(),
                });
            }
            let (words, radius) = (parameters.words(Method::WebMercator), datum.semi_major);
            let meridian = datum.prime_meridian;
            format!(
                "{words} +a={radius} +b={radius} +nadgrids=@null +pm={meridian} +to_meter={meters_per_unit}"
            )
        }
        Some((method, parameters)) => {
            format!("{} {} +to_meter={meters_per_unit}", parameters.words(method), datum.words())
        }
        None => format!("+proj=longlat {}", datum.words()),
    };
    // Systems without a code are compared by name, so that the name must have all parameters.
    let name = if name.is_empty() { words.clone() } else { format!("{name} ({words})") };
    let crs = Crs::from_proj(name, &format!("{words} +no_defs"))?;
    Ok(Crs { degrees: if crs.is_geographic() { degrees_per_unit } else { 1.0 }, ..crs })
}

impl Parameters {
    /// Returns the PROJ.4 definition of a projection with these parameters, without a datum.
    fn words(&self, method: Method) -> String {
        use Method as M;
        let Self {
            latitude,
            longitude,
            parallel_1,
            parallel_2,
            scale,
            easting,
            northing,
            azimuth,
            rectified,
        } = *self;
        let pole = || 90.0_f64.copysign(latitude.or(parallel_1).unwrap_or(90.0));
        let lat_0 = ("lat_0", latitude);
        let k = ("k", scale);
        let (projection, mut words): (&str, Vec<(&str, Option<f64>)>) = match method {
            M::TransverseMercator | M::TransverseMercatorSouth => ("tmerc", vec![lat_0, k]),
            M::ObliqueMercatorA | M::ObliqueMercatorB => {
                let gamma = rectified.or(azimuth);
                ("omerc", vec![lat_0, ("lonc", longitude), ("alpha", azimuth), ("gamma", gamma), k])
            }
            M::SwissObliqueMercator => ("somerc", vec![lat_0, ("k_0", scale)]),
            M::Mercator => ("merc", vec![("lat_ts", parallel_1), k]),
            M::WebMercator => ("merc", vec![]),
            M::LambertConformal1 => ("lcc", vec![("lat_1", latitude), lat_0, ("k_0", scale)]),
            M::LambertConformal2 => ("lcc", vec![("lat_1", parallel_1), ("lat_2", parallel_2), lat_0]),
            M::LambertAzimuthal => ("laea", vec![lat_0]),
            M::Albers => ("aea", vec![("lat_1", parallel_1), ("lat_2", parallel_2), lat_0]),
            M::AzimuthalEquidistant => ("aeqd", vec![lat_0]),
            M::EquidistantConic => ("eqdc", vec![("lat_1", parallel_1), ("lat_2", parallel_2), lat_0]),
            M::Stereographic => ("stere", vec![lat_0, k]),
            // Variant B has a parallel of true scale, variant A a scale at the pole.
            M::PolarStereographic => {
                let parallel = parallel_1.or(latitude.filter(|latitude| latitude.abs() < 90.0));
                ("stere", vec![("lat_0", Some(pole())), ("lat_ts", parallel), k])
            }
            M::ObliqueStereographic => ("sterea", vec![lat_0, k]),
            M::Equirectangular => ("eqc", vec![("lat_ts", parallel_1), lat_0]),
            M::CassiniSoldner => ("cass", vec![lat_0]),
            M::Gnomonic => ("gnom", vec![lat_0]),
            M::Miller => ("mill", vec![]),
            M::Orthographic => ("ortho", vec![lat_0]),
            M::Polyconic => ("poly", vec![lat_0]),
            M::Robinson => ("robin", vec![]),
            M::Sinusoidal => ("sinu", vec![]),
            M::Mollweide => ("moll", vec![]),
            M::CylindricalEqualArea => ("cea", vec![("lat_ts", parallel_1)]),
            M::EqualEarth => ("eqearth", vec![]),
            M::Krovak => ("krovak", vec![lat_0, ("alpha", azimuth), k]),
        };
        if !matches!(method, M::ObliqueMercatorA | M::ObliqueMercatorB) {
            words.push(("lon_0", longitude));
        }
        words.extend([("x_0", Some(easting)), ("y_0", Some(northing))]);
        let mut line = format!("+proj={projection}");
        for (word, value) in words {
            if let Some(value) = value {
                let _ = write!(line, " +{word}={value}");
            }
        }
        match method {
            M::ObliqueMercatorA => line.push_str(" +no_uoff"),
            M::TransverseMercatorSouth => line.push_str(" +axis=wsu"),
            _ => {}
        }
        line
    }
}
