//! The keys of GeoTIFF (OGC 19-008r4) that name a coordinate system or describe one.

use std::collections::HashMap;

use super::method::{Datum, Method, Parameters, system};
use super::{Crs, CrsProblem, GRADIAN, epsg};

// Names as in the standard's annex, without `GeoKey`.
const MODEL_TYPE: u16 = 1024;
const RASTER_TYPE: u16 = 1025;
const CITATION: u16 = 1026;
const GEOGRAPHIC_TYPE: u16 = 2048;
const GEOG_CITATION: u16 = 2049;
const GEODETIC_DATUM: u16 = 2050;
const PRIME_MERIDIAN: u16 = 2051;
const ANGULAR_UNITS: u16 = 2054;
const ANGULAR_UNIT_SIZE: u16 = 2055;
const ELLIPSOID: u16 = 2056;
const SEMI_MAJOR: u16 = 2057;
const SEMI_MINOR: u16 = 2058;
const INV_FLATTENING: u16 = 2059;
const PRIME_MERIDIAN_LONG: u16 = 2061;
const TO_WGS84: u16 = 2062;
const PROJECTED_TYPE: u16 = 3072;
const PROJ_CITATION: u16 = 3073;
const PROJECTION: u16 = 3074;
const COORD_TRANS: u16 = 3075;
const LINEAR_UNITS: u16 = 3076;
const LINEAR_UNIT_SIZE: u16 = 3077;
const STD_PARALLEL_1: u16 = 3078;
const STD_PARALLEL_2: u16 = 3079;
const NAT_ORIGIN_LONG: u16 = 3080;
const NAT_ORIGIN_LAT: u16 = 3081;
const FALSE_EASTING: u16 = 3082;
const FALSE_NORTHING: u16 = 3083;
const FALSE_ORIGIN_LONG: u16 = 3084;
const FALSE_ORIGIN_LAT: u16 = 3085;
const FALSE_ORIGIN_EASTING: u16 = 3086;
const FALSE_ORIGIN_NORTHING: u16 = 3087;
const CENTER_LONG: u16 = 3088;
const CENTER_LAT: u16 = 3089;
const CENTER_EASTING: u16 = 3090;
const CENTER_NORTHING: u16 = 3091;
const SCALE_AT_NAT_ORIGIN: u16 = 3092;
const SCALE_AT_CENTER: u16 = 3093;
const AZIMUTH_ANGLE: u16 = 3094;
const STRAIGHT_VERT_POLE_LONG: u16 = 3095;
const RECTIFIED_GRID_ANGLE: u16 = 3096;

/// The code of a system or a part of it that other keys describe by parameters.
const USER_DEFINED: u16 = 32_767;

/// The tag with the keys' values that are numbers, GeoDoubleParams.
const DOUBLES_TAG: u16 = 34_736;
/// The tag with the keys' values that are texts, GeoAsciiParams.
const ASCII_TAG: u16 = 34_737;

/// The keys of a file and their values.
#[derive(Debug, Clone, Default)]
pub(crate) struct GeoKeys {
    codes: HashMap<u16, u16>,
    numbers: HashMap<u16, Vec<f64>>,
    texts: HashMap<u16, String>,
}

impl GeoKeys {
    /// Reads the tags GeoKeyDirectory, GeoDoubleParams and GeoAsciiParams. Keys whose values are missing are left out.
    pub(crate) fn read(directory: &[u16], doubles: &[f64], text: &str) -> Self {
        let mut keys = Self::default();
        // A header of four numbers comes first, then four numbers for each key. The header's count of keys is wrong in
        // some files, and is not used.
        for entry in directory.chunks_exact(4).skip(1) {
            let &[key, tag, count, value] = entry else { continue };
            let (start, end) = (usize::from(value), usize::from(value) + usize::from(count));
            match tag {
                0 => {
                    keys.codes.insert(key, value);
                }
                DOUBLES_TAG => {
                    keys.numbers.extend(doubles.get(start..end).map(|values| (key, values.to_vec())));
                }
                ASCII_TAG => {
                    // Texts end with a vertical bar in place of a NUL.
                    let value =
                        text.get(start..end.min(text.len())).map(|text| text.trim_end_matches(['|', '\0']));
                    keys.texts.extend(value.map(|text| (key, text.trim().to_owned())));
                }
                _ => {}
            }
        }
        keys
    }

    /// Tells whether coordinates are those of pixels' centers (PixelIsPoint).
    pub(crate) fn is_point(&self) -> bool {
        self.code(RASTER_TYPE) == Some(2)
    }

    fn code(&self, key: u16) -> Option<u16> {
        self.codes.get(&key).copied().filter(|code| *code != 0)
    }

    /// Returns the code of a key if it is EPSG's, not user-defined.
    fn known(&self, key: u16) -> Option<u16> {
        self.code(key).filter(|code| *code != USER_DEFINED)
    }

    fn number(&self, key: u16) -> Option<f64> {
        self.numbers.get(&key)?.first().copied().filter(|number| number.is_finite())
    }

    /// Returns the number of the first of several keys that has one.
    fn first(&self, keys: &[u16]) -> Option<f64> {
        keys.iter().find_map(|key| self.number(*key))
    }

    /// Makes the coordinate system that the keys name or describe.
    ///
    /// # Errors
    /// [`CrsProblem::Missing`] if the keys name none, and other problems of a system that is not known or not computed.
    pub(crate) fn crs(&self) -> Result<Crs, CrsProblem> {
        let projected = self.known(PROJECTED_TYPE);
        let geographic = self.known(GEOGRAPHIC_TYPE);
        let describes_projection = self.code(PROJECTION).is_some() || self.code(COORD_TRANS).is_some();
        let describes_datum = self.code(GEODETIC_DATUM).is_some() || self.number(SEMI_MAJOR).is_some();
        match self.code(MODEL_TYPE) {
            Some(3) => Err(CrsProblem::NoMap { kind: "geocentric" }),
            Some(2) => self.geographic(),
            _ => match (projected, geographic) {
                (Some(code), _) => Crs::from_epsg(code.into()),
                (None, _) if describes_projection => self.projected(),
                (None, Some(_)) => self.geographic(),
                (None, None) if describes_datum => self.geographic(),
                (None, None) => Err(CrsProblem::Missing),
            },
        }
    }

    fn geographic(&self) -> Result<Crs, CrsProblem> {
        if let Some(code) = self.known(GEOGRAPHIC_TYPE) {
            return Crs::from_epsg(code.into());
        }
        let name = self.name(&[GEOG_CITATION, CITATION]);
        system(name, None, self.datum()?, 1.0, self.degrees()?)
    }

    /// Returns the WKT that GDAL and Esri write into a name if GeoTIFF has no code for the projection.
    fn esri_text(&self) -> Option<&str> {
        let names = [PROJ_CITATION, CITATION].into_iter().filter_map(|key| self.texts.get(&key));
        names.filter_map(|name| name.strip_prefix("ESRI PE String = ")).map(str::trim).next()
    }

    fn projected(&self) -> Result<Crs, CrsProblem> {
        // Web Mercator has the keys of Mercator beside such a text, so that Mercator's keys do not count.
        let is_in_keys =
            self.code(COORD_TRANS).and_then(method).is_some_and(|method| method != Method::Mercator)
                || self.known(PROJECTION).is_some();
        if let Some(text) = self.esri_text().filter(|_| !is_in_keys) {
            return Crs::from_wkt(text);
        }
        let name = self.name(&[PROJ_CITATION, CITATION]);
        let datum = self.datum()?;
        let meters = self.meters()?;
        // EPSG's codes of UTM zones are projections by themselves, and are used with any datum.
        if let Some(code @ (16_001..=16_060 | 16_101..=16_160)) = self.known(PROJECTION) {
            let zone = f64::from(code % 100);
            let parameters = Parameters {
                latitude: Some(0.0),
                longitude: Some(6.0 * zone - 183.0),
                scale: Some(0.9996),
                easting: 500_000.0,
                northing: if code > 16_100 { 10_000_000.0 } else { 0.0 },
                ..Parameters::default()
            };
            return system(name, Some((Method::TransverseMercator, parameters)), datum, meters, 1.0);
        }
        let method = match self.code(COORD_TRANS) {
            None => {
                let what = match self.known(PROJECTION) {
                    Some(code) => format!("projection {code} of EPSG"),
                    None => "a projection that it does not describe".into(),
                };
                return Err(CrsProblem::Unsupported { what });
            }
            Some(code) => method(code).ok_or_else(|| CrsProblem::Unsupported {
                what: format!("projection method {code} of GeoTIFF"),
            })?,
        };
        let degrees = self.degrees()?;
        let angle = |keys: &[u16]| self.first(keys).map(|angle| angle * degrees);
        let length = |keys: &[u16]| self.first(keys).unwrap_or(0.0) * meters;
        let parameters = Parameters {
            latitude: angle(&[NAT_ORIGIN_LAT, FALSE_ORIGIN_LAT, CENTER_LAT]),
            longitude: angle(&[NAT_ORIGIN_LONG, FALSE_ORIGIN_LONG, CENTER_LONG, STRAIGHT_VERT_POLE_LONG]),
            parallel_1: angle(&[STD_PARALLEL_1]),
            parallel_2: angle(&[STD_PARALLEL_2]),
            scale: self.first(&[SCALE_AT_NAT_ORIGIN, SCALE_AT_CENTER]),
            easting: length(&[FALSE_EASTING, FALSE_ORIGIN_EASTING, CENTER_EASTING]),
            northing: length(&[FALSE_NORTHING, FALSE_ORIGIN_NORTHING, CENTER_NORTHING]),
            azimuth: angle(&[AZIMUTH_ANGLE]),
            rectified: angle(&[RECTIFIED_GRID_ANGLE]),
        };
        let method = match method {
            // GDAL writes this code without parallels for the form with one parallel and a scale.
            Method::LambertConformal2 if parameters.parallel_1.is_none() => Method::LambertConformal1,
            Method::Mercator if name.contains("Web_Mercator") || name.contains("Pseudo-Mercator") => {
                Method::WebMercator
            }
            method => method,
        };
        system(name, Some((method, parameters)), datum, meters, 1.0)
    }

    fn name(&self, keys: &[u16]) -> String {
        let name = keys.iter().find_map(|key| self.texts.get(key)).map_or("", String::as_str);
        // GDAL puts further names behind vertical bars.
        name.split('|').next().unwrap_or_default().trim_start_matches("PCS Name = ").to_owned()
    }

    fn datum(&self) -> Result<Datum, CrsProblem> {
        let shift = self.numbers.get(&TO_WGS84).and_then(|numbers| shift(numbers));
        // EPSG's code of a datum is that of its geographic system plus 2000, except for datums that were added after
        // 1995.
        let code = self.known(GEOGRAPHIC_TYPE).or_else(|| self.known(GEODETIC_DATUM)?.checked_sub(2000));
        let of_code = code.map(|code| epsg::find(code.into())).transpose();
        let figure = match (self.number(SEMI_MAJOR), self.known(ELLIPSOID)) {
            (Some(semi_major), _) => {
                let flattening = self.number(INV_FLATTENING).or_else(|| {
                    let semi_minor = self.number(SEMI_MINOR)?;
                    Some(if semi_minor == semi_major { 0.0 } else { semi_major / (semi_major - semi_minor) })
                });
                Some((semi_major, flattening.unwrap_or(0.0)))
            }
            (None, Some(code)) => Some(
                ellipsoid(code)
                    .ok_or_else(|| CrsProblem::Unsupported { what: format!("the ellipsoid EPSG:{code}") })?,
            ),
            (None, None) => None,
        };
        let from_entry = of_code?.as_ref().and_then(|entry| datum_of(&entry.proj));
        let own = figure.map(|(semi_major, inverse_flattening)| Datum {
            semi_major,
            inverse_flattening,
            shift: from_entry.and_then(|datum| datum.shift),
            prime_meridian: 0.0,
        });
        let datum = from_entry.or(own).ok_or_else(|| CrsProblem::Damaged {
            problem: "its keys name neither a known datum nor a known ellipsoid".into(),
        })?;
        let meridian = match (self.number(PRIME_MERIDIAN_LONG), self.known(PRIME_MERIDIAN)) {
            (Some(longitude), _) => longitude * self.degrees()?,
            // 8901 is Greenwich.
            (None, None | Some(8901)) => datum.prime_meridian,
            (None, Some(code)) => {
                return Err(CrsProblem::Unsupported { what: format!("the prime meridian EPSG:{code}") });
            }
        };
        Ok(Datum { shift: shift.or(datum.shift), prime_meridian: meridian, ..datum })
    }

    /// Returns how many degrees the unit of angles has.
    fn degrees(&self) -> Result<f64, CrsProblem> {
        match self.code(ANGULAR_UNITS) {
            None | Some(9102 | 9122) => Ok(1.0),
            Some(9101) => Ok(1.0_f64.to_degrees()),
            Some(9105 | 9106) => Ok(GRADIAN),
            Some(USER_DEFINED) => Ok(self.number(ANGULAR_UNIT_SIZE).map_or(1.0, f64::to_degrees)),
            Some(code) => Err(CrsProblem::Unsupported { what: format!("the unit of angles EPSG:{code}") }),
        }
    }

    /// Returns how many meters the unit of lengths has.
    fn meters(&self) -> Result<f64, CrsProblem> {
        match self.code(LINEAR_UNITS) {
            None | Some(9001) => Ok(1.0),
            Some(9002) => Ok(0.3048),
            // The US survey foot has 1200 / 3937 m.
            Some(9003) => Ok(1200.0 / 3937.0),
            Some(9036) => Ok(1000.0),
            Some(USER_DEFINED) => self
                .number(LINEAR_UNIT_SIZE)
                .ok_or_else(|| CrsProblem::Damaged { problem: "its unit of length has no size".into() }),
            Some(code) => Err(CrsProblem::Unsupported { what: format!("the unit of length EPSG:{code}") }),
        }
    }
}

/// Returns the seven parameters of a shift. Three numbers are a shift without rotation and scale, of more than seven
/// the first seven count, and any other number of them gives `None`.
pub(super) fn shift(numbers: &[f64]) -> Option<[f64; 7]> {
    match *numbers {
        [x, y, z] => Some([x, y, z, 0.0, 0.0, 0.0, 0.0]),
        [a, b, c, d, e, f, g, ..] => Some([a, b, c, d, e, f, g]),
        _ => None,
    }
}

/// Returns the semi-major axis in meters and the inverse flattening of an ellipsoid by its code in the EPSG dataset. An
/// inverse flattening of 0 stands for a sphere. Returns `None` for other codes.
pub(super) fn ellipsoid(code: u16) -> Option<(f64, f64)> {
    Some(match code {
        7001 => (6_377_563.396, 299.324_964_6),
        7004 => (6_377_397.155, 299.152_812_8),
        7008 => (6_378_206.4, 294.978_698_213_898_2),
        7011 => (6_378_249.2, 293.466_021_293_626_5),
        7012 => (6_378_249.145, 293.465),
        7019 => (6_378_137.0, 298.257_222_101),
        7022 => (6_378_388.0, 297.0),
        7024 => (6_378_245.0, 298.3),
        7030 => (6_378_137.0, 298.257_223_563),
        7035 => (6_371_000.0, 0.0),
        7036 => (6_378_160.0, 298.247_167_427),
        7043 => (6_378_135.0, 298.26),
        7048 => (6_370_997.0, 0.0),
        7050 => (6_378_160.0, 298.25),
        _ => return None,
    })
}

/// Reads ellipsoid, shift and prime meridian from the PROJ.4 definition of a geographic system. Returns `None` if the
/// ellipsoid is not known.
pub(super) fn datum_of(words: &str) -> Option<Datum> {
    let word = |name: &str| {
        words
            .split_whitespace()
            .find_map(|word| word.strip_prefix('+')?.strip_prefix(name)?.strip_prefix('='))
    };
    let number = |name: &str| word(name)?.parse::<f64>().ok();
    let (semi_major, inverse_flattening) = match (word("datum"), word("ellps")) {
        (Some("WGS84"), _) => (Datum::WGS84.semi_major, Datum::WGS84.inverse_flattening),
        (Some("NAD83" | "GGRS87"), _) | (_, Some("GRS80")) => ellipsoid(7019)?,
        (_, Some("WGS84")) => ellipsoid(7030)?,
        (Some("NAD27"), _) | (_, Some("clrk66")) => ellipsoid(7008)?,
        (_, Some("bessel")) | (Some("potsdam" | "hermannskogel"), _) => ellipsoid(7004)?,
        (_, Some("intl")) => ellipsoid(7022)?,
        (_, Some("airy")) | (Some("OSGB36"), _) => ellipsoid(7001)?,
        (_, Some("krass")) => ellipsoid(7024)?,
        (_, Some("aust_SA")) => ellipsoid(7050)?,
        (_, Some("GRS67")) => ellipsoid(7036)?,
        (_, Some("WGS72")) => ellipsoid(7043)?,
        _ => {
            let semi_major = number("a")?;
            let flattening = number("rf").or_else(|| {
                let semi_minor = number("b")?;
                Some(if semi_minor == semi_major { 0.0 } else { semi_major / (semi_major - semi_minor) })
            });
            (semi_major, flattening?)
        }
    };
    let parameters = match (word("towgs84"), word("datum")) {
        (Some(numbers), _) => numbers.split(',').map(str::parse).collect::<Result<Vec<f64>, _>>().ok()?,
        // The shifts that PROJ.4 itself uses for these names of datums.
        (None, Some("GGRS87")) => vec![-199.87, 74.79, 246.62],
        (None, Some("NAD27")) => vec![-8.0, 160.0, 176.0],
        (None, Some("potsdam")) => vec![598.1, 73.7, 418.2, 0.202, 0.045, -2.455, 6.7],
        (None, Some("OSGB36")) => vec![446.448, -125.157, 542.060, 0.1502, 0.2470, 0.8421, -20.4894],
        (None, Some("hermannskogel")) => vec![577.326, 90.129, 463.919, 5.137, 1.474, 5.297, 2.4232],
        (None, _) => vec![],
    };
    let prime_meridian = match word("pm") {
        None => 0.0,
        Some(meridian) => meridian.parse().ok()?,
    };
    Some(Datum { semi_major, inverse_flattening, shift: shift(&parameters), prime_meridian })
}

/// Finds a projection by its code in GeoTIFF (section 6.3.3.3 of the first edition).
fn method(code: u16) -> Option<Method> {
    Some(match code {
        1 => Method::TransverseMercator,
        3 => Method::ObliqueMercatorA,
        5 => Method::SwissObliqueMercator,
        7 => Method::Mercator,
        8 => Method::LambertConformal2,
        9 => Method::LambertConformal1,
        10 => Method::LambertAzimuthal,
        11 => Method::Albers,
        12 => Method::AzimuthalEquidistant,
        13 => Method::EquidistantConic,
        14 => Method::Stereographic,
        15 => Method::PolarStereographic,
        16 => Method::ObliqueStereographic,
        17 => Method::Equirectangular,
        18 => Method::CassiniSoldner,
        19 => Method::Gnomonic,
        20 => Method::Miller,
        21 => Method::Orthographic,
        22 => Method::Polyconic,
        23 => Method::Robinson,
        24 => Method::Sinusoidal,
        27 => Method::TransverseMercatorSouth,
        28 => Method::CylindricalEqualArea,
        9815 => Method::ObliqueMercatorB,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes keys, of which some have codes and the others numbers.
    fn keys(codes: &[(u16, u16)], numbers: &[(u16, f64)]) -> GeoKeys {
        let mut directory = vec![1, 1, 0, (codes.len() + numbers.len()) as u16];
        codes.iter().for_each(|&(key, code)| directory.extend([key, 0, 1, code]));
        let place = |(at, &(key, _)): (usize, &(u16, f64))| [key, DOUBLES_TAG, 1, at as u16];
        numbers.iter().enumerate().map(place).for_each(|entry| directory.extend(entry));
        let numbers: Vec<f64> = numbers.iter().map(|(_, number)| *number).collect();
        GeoKeys::read(&directory, &numbers, "")
    }

    /// Asserts that two systems have the same points, within a tenth of a millimeter.
    #[track_caller]
    fn assert_same(keys: &GeoKeys, code: u32, places: &[[f64; 2]]) {
        let (crs, expected) = (keys.crs().unwrap(), Crs::from_epsg(code).unwrap());
        for &place in places {
            let [got, expected] = [&crs, &expected].map(|crs| crs.to_wgs84(place).unwrap());
            for at in 0..2 {
                assert!((got[at] - expected[at]).abs() < 1e-9, "{crs}: {got:?}, EPSG:{code}: {expected:?}");
            }
        }
    }

    #[test]
    fn a_code_names_the_system() {
        let utm = keys(&[(MODEL_TYPE, 1), (RASTER_TYPE, 1), (PROJECTED_TYPE, 32634)], &[]);
        assert_eq!(utm.crs().unwrap().name(), "EPSG:32634");
        assert!(!utm.is_point());
        let geographic = keys(&[(MODEL_TYPE, 2), (RASTER_TYPE, 2), (GEOGRAPHIC_TYPE, 4326)], &[]);
        assert_eq!(geographic.crs().unwrap().epsg(), Some(4326));
        assert!(geographic.is_point());
    }

    #[test]
    fn parameters_of_a_users_own_describe_the_system() {
        let user = [(MODEL_TYPE, 1), (PROJECTED_TYPE, USER_DEFINED), (PROJECTION, USER_DEFINED)];
        let with = |codes: &[(u16, u16)], numbers: &[(u16, f64)]| keys(&[&user, codes].concat(), numbers);
        // Lambert-93, on the datum of its geographic system.
        let lambert = with(
            &[(GEOGRAPHIC_TYPE, 4171), (COORD_TRANS, 8), (LINEAR_UNITS, 9001)],
            &[
                (STD_PARALLEL_1, 49.0),
                (STD_PARALLEL_2, 44.0),
                (FALSE_ORIGIN_LAT, 46.5),
                (FALSE_ORIGIN_LONG, 3.0),
                (FALSE_ORIGIN_EASTING, 700_000.0),
                (FALSE_ORIGIN_NORTHING, 6_600_000.0),
            ],
        );
        assert_same(&lambert, 2154, &[[652_000.0, 6_862_000.0], [900_000.0, 6_250_000.0]]);
        // Albers of the contiguous United States, by its ellipsoid.
        let albers = with(
            &[(COORD_TRANS, 11), (ELLIPSOID, 7019)],
            &[
                (STD_PARALLEL_1, 29.5),
                (STD_PARALLEL_2, 45.5),
                (NAT_ORIGIN_LAT, 23.0),
                (NAT_ORIGIN_LONG, -96.0),
            ],
        );
        assert_same(&albers, 5070, &[[-1_200_000.0, 1_500_000.0], [1_800_000.0, 2_300_000.0]]);
        // Polar stereographic of the Antarctic, by the parallel of true scale in place of the pole.
        let polar = with(
            &[(GEOGRAPHIC_TYPE, 4326), (COORD_TRANS, 15)],
            &[(NAT_ORIGIN_LAT, -71.0), (STRAIGHT_VERT_POLE_LONG, 0.0), (SCALE_AT_NAT_ORIGIN, 1.0)],
        );
        assert_same(&polar, 3031, &[[1_000_000.0, -500_000.0], [-2_000_000.0, 1_000_000.0]]);
        // UTM by its zone, and a state plane in feet of the US survey.
        let utm = keys(
            &[(MODEL_TYPE, 1), (PROJECTED_TYPE, USER_DEFINED), (PROJECTION, 16_133), (GEOGRAPHIC_TYPE, 4326)],
            &[],
        );
        assert_same(&utm, 32733, &[[300_000.0, 8_000_000.0]]);
        let plane = with(
            &[(GEOGRAPHIC_TYPE, 4269), (COORD_TRANS, 1), (LINEAR_UNITS, 9003)],
            &[
                (NAT_ORIGIN_LAT, 38.833_333_333_333_336),
                (NAT_ORIGIN_LONG, -74.5),
                (SCALE_AT_NAT_ORIGIN, 0.9999),
                (FALSE_EASTING, 492_125.0),
                (FALSE_NORTHING, 0.0),
            ],
        );
        assert_same(&plane, 3424, &[[600_000.0, 700_000.0]]);
    }

    #[test]
    fn the_mercator_of_the_web_is_known_by_its_name_or_by_the_text_in_it() {
        let mut web = keys(
            &[(MODEL_TYPE, 1), (PROJECTED_TYPE, USER_DEFINED), (COORD_TRANS, 7), (GEOGRAPHIC_TYPE, 4326)],
            &[(NAT_ORIGIN_LONG, 0.0), (NAT_ORIGIN_LAT, 0.0), (SCALE_AT_NAT_ORIGIN, 1.0)],
        );
        let place = [[1_000_000.0, 6_200_000.0]];
        assert_same(&web, 3395, &place);
        let text = r#"ESRI PE String = PROJCS["unknown",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Mercator_Auxiliary_Sphere"],PARAMETER["Central_Meridian",0.0],PARAMETER["Auxiliary_Sphere_Type",0.0],UNIT["Meter",1.0]]"#;
        for name in [text, "PCS Name = WGS_1984_Web_Mercator_Auxiliary_Sphere", "WGS 84 / Pseudo-Mercator"] {
            web.texts.insert(PROJ_CITATION, name.into());
            assert_same(&web, 3857, &place);
        }
    }

    #[test]
    fn a_shift_of_the_scenes_own_is_used() {
        // Oblique stereographic of the Netherlands on Bessel's ellipsoid.
        let shift = [565.2369, 50.0087, 465.658, -0.406_857, 0.350_733, -1.870_35, 4.0812];
        let mut dutch = keys(
            &[(MODEL_TYPE, 1), (PROJECTED_TYPE, USER_DEFINED), (COORD_TRANS, 16), (ELLIPSOID, 7004)],
            &[
                (NAT_ORIGIN_LAT, 52.156_160_555_555_55),
                (NAT_ORIGIN_LONG, 5.387_638_888_888_89),
                (SCALE_AT_NAT_ORIGIN, 0.999_907_9),
                (FALSE_EASTING, 155_000.0),
                (FALSE_NORTHING, 463_000.0),
            ],
        );
        assert_eq!(dutch.crs().unwrap().datum_shift(), crate::DatumShift::Unknown);
        dutch.numbers.insert(TO_WGS84, shift.into());
        assert_same(&dutch, 28992, &[[127_375.0, 428_250.0]]);
    }

    #[test]
    fn what_is_not_there_or_not_computed_is_named() {
        let problem = |codes: &[(u16, u16)]| keys(codes, &[]).crs().unwrap_err();
        assert_eq!(problem(&[]), CrsProblem::Missing);
        assert_eq!(problem(&[(MODEL_TYPE, 1), (PROJECTED_TYPE, 9)]), CrsProblem::UnknownCode { code: 9 });
        assert!(matches!(problem(&[(MODEL_TYPE, 3)]), CrsProblem::NoMap { .. }));
        let user = (PROJECTED_TYPE, USER_DEFINED);
        let with = |code| problem(&[user, (GEOGRAPHIC_TYPE, 4326), (COORD_TRANS, code)]).to_string();
        assert!(with(26).contains("projection method 26"), "{}", with(26));
        let damaged = problem(&[user, (COORD_TRANS, 1)]);
        assert!(matches!(damaged, CrsProblem::Damaged { .. }), "{damaged}");
    }

    #[test]
    fn a_directory_that_names_values_beyond_its_tags_has_none_of_them() {
        let directory = [1, 1, 0, 3, 2057, DOUBLES_TAG, 1, 7, 1026, ASCII_TAG, 900, u16::MAX, 3072, 0, 1];
        let keys = GeoKeys::read(&directory, &[1.0], "text");
        assert!(keys.numbers.is_empty() && keys.codes.is_empty());
    }

    proptest::proptest! {
        #[test]
        fn any_keys_are_read_or_refused_and_so_are_places_in_them(
            method in 1_u16..30,
            codes in proptest::collection::vec(
                (proptest::sample::select(&[1024_u16, 2048, 2050, 2051, 2052, 2054, 2056, 3072, 3074, 3075, 3076][..]),
                 proptest::prop_oneof![0_u16..40, 4000_u16..5000, 7000_u16..7060, 9000_u16..9110, 16_000_u16..16_200,
                     proptest::prelude::Just(USER_DEFINED), proptest::prelude::any::<u16>()]),
                0..8,
            ),
            numbers in proptest::collection::vec(
                (2055_u16..3097, proptest::prop_oneof![-400.0..400.0, -1e7..1e7, proptest::num::f64::ANY]),
                0..12,
            ),
            places in proptest::collection::vec(
                proptest::array::uniform2(proptest::prop_oneof![-1e7..1e7, -200.0..200.0, proptest::num::f64::ANY]),
                4,
            ),
        ) {
            // Most of them describe a projection, as they stand or after other keys.
            let user = [(PROJECTED_TYPE, USER_DEFINED), (COORD_TRANS, method), (GEOGRAPHIC_TYPE, 4326)];
            let Ok(crs) = keys(&[&user, &codes[..]].concat(), &numbers).crs() else { return Ok(()) };
            for place in places {
                if let Ok([longitude, latitude]) = crs.to_wgs84(place) {
                    proptest::prop_assert!(longitude.is_finite() && latitude.is_finite());
                }
                let _ = crs.from_wgs84(place);
            }
        }
    }
}
