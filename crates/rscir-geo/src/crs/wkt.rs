//! The WKT of .prj files: the first version, as GDAL and Esri write it.

use super::geo_keys::shift;
use super::method::{Datum, Method, Parameters, system};
use super::{Crs, CrsProblem};

/// A keyword with values in brackets.
#[derive(Debug, Default)]
struct Node<'a> {
    word: &'a str,
    children: Vec<Value<'a>>,
}

#[derive(Debug)]
enum Value<'a> {
    Node(Node<'a>),
    Text(&'a str),
    Number(f64),
    /// A keyword without brackets, such as the direction of an axis.
    Word(&'a str),
}

/// The deepest nesting. Descriptions of systems have at most eight levels.
const MAX_DEPTH: usize = 16;
/// The longest text in bytes. Descriptions of systems have some thousand bytes.
const MAX_BYTES: usize = 1 << 16;

fn damaged(problem: impl Into<String>) -> CrsProblem {
    CrsProblem::Damaged { problem: problem.into() }
}

pub(super) fn read(text: &str) -> Result<Crs, CrsProblem> {
    if text.len() > MAX_BYTES {
        return Err(damaged("it is longer than 65,536 bytes"));
    }
    let mut rest = text.trim();
    let root = node(&mut rest, 0)?;
    let root = match root.word {
        "COMPD_CS" => root.node("PROJCS").or_else(|| root.node("GEOGCS")).ok_or_else(|| damaged("no map"))?,
        _ => &root,
    };
    if let Some(code) = root.epsg() {
        return Crs::from_epsg(code);
    }
    let name = root.text().unwrap_or_default().to_owned();
    match root.word {
        "GEOGCS" => system(name, None, datum(root)?, 1.0, unit(root).unwrap_or(1.0).to_degrees()),
        "PROJCS" => {
            let base = root.node("GEOGCS").ok_or_else(|| damaged("its projection has no GEOGCS"))?;
            let meters = unit(root).unwrap_or(1.0);
            let method_name = root.node("PROJECTION").and_then(Node::text);
            let method_name = method_name.ok_or_else(|| damaged("its PROJCS has no PROJECTION"))?;
            let method = method(method_name)
                .ok_or_else(|| CrsProblem::Unsupported { what: format!("the projection {method_name:?}") })?;
            let degrees = unit(base).map_or(1.0, f64::to_degrees);
            let parameters = parameters(root, meters, degrees)?;
            let method = match method {
                Method::LambertConformal2 if parameters.parallel_2.is_none() => Method::LambertConformal1,
                Method::Mercator if is_web_mercator(root)? => Method::WebMercator,
                method => method,
            };
            check_axes(root, method, plane(root))?;
            system(name, Some((method, parameters)), datum(base)?, meters, 1.0)
        }
        "GEOCCS" => Err(CrsProblem::NoMap { kind: "geocentric" }),
        word => Err(damaged(format!("{word:?} is neither PROJCS nor GEOGCS"))),
    }
}

fn datum(base: &Node<'_>) -> Result<Datum, CrsProblem> {
    let by_code = base.epsg().and_then(|code| super::epsg::find(code).ok());
    if let Some(datum) = by_code.and_then(|entry| super::geo_keys::datum_of(&entry.proj)) {
        return Ok(datum);
    }
    let node = base.node("DATUM").ok_or_else(|| damaged("its GEOGCS has no DATUM"))?;
    let figure = node.node("SPHEROID").ok_or_else(|| damaged("its DATUM has no SPHEROID"))?.numbers();
    let &[semi_major, inverse_flattening, ..] = &figure[..] else {
        return Err(damaged("its SPHEROID has no axis and flattening"));
    };
    let shift = node.node("TOWGS84").and_then(|node| shift(&node.numbers()));
    let degrees = unit(base).map_or(1.0, f64::to_degrees);
    let meridian = base.node("PRIMEM");
    let prime_meridian = match meridian.and_then(Node::text) {
        Some("Paris") => PARIS,
        _ => meridian.and_then(|node| node.numbers().first().copied()).unwrap_or(0.0) * degrees,
    };
    let name = node.text().unwrap_or_default().trim_start_matches("D_");
    let of_name = || {
        let (_, code) = ON_ELLIPSOIDS_OF_WGS84.iter().find(|(known, _)| name.eq_ignore_ascii_case(known))?;
        super::geo_keys::datum_of(&super::epsg::find(*code).ok()?.proj)?.shift
    };
    Ok(Datum { semi_major, inverse_flattening, shift: shift.or_else(of_name), prime_meridian })
}

/// Degrees of Paris east of Greenwich (EPSG's prime meridian 8903: 2.5969213 gradians). GDAL and Esri write this
/// meridian in degrees although systems with it have gradians, so that its number cannot be converted by the system's
/// unit.
const PARIS: f64 = 2.596_921_3 * super::GRADIAN;

/// Names, by GDAL and Esri, of datums that lie some hundred meters from WGS84 although they have its ellipsoid or
/// GRS80, with the code of their geographic system.
const ON_ELLIPSOIDS_OF_WGS84: [(&str, u32); 3] =
    [("Greek_Geodetic_Reference_System_1987", 4121), ("GGRS_1987", 4121), ("Vietnam_2000", 4756)];

/// Tells whether a Mercator projection is Web Mercator. WKT of the first version has no name for it: GDAL adds a PROJ.4
/// definition, which replaces the projection.
///
/// # Errors
/// [`CrsProblem::Unsupported`] for the PROJ.4 definition of any other system.
fn is_web_mercator(root: &Node<'_>) -> Result<bool, CrsProblem> {
    let Some(words) = root.nodes("EXTENSION").find_map(|node| match node.texts()[..] {
        ["PROJ4", words] => Some(words),
        _ => None,
    }) else {
        return Ok(false);
    };
    let web = ["+proj=merc", "+a=6378137", "+b=6378137", "+lat_ts=0", "+k=1", "+nadgrids=@null"];
    if web.iter().all(|word| words.split_whitespace().any(|own| own.trim_end_matches(".0") == *word)) {
        return Ok(true);
    }
    Err(CrsProblem::Unsupported {
        what: format!("the PROJ.4 definition {words:?} in place of its projection"),
    })
}

/// Returns Esri's scales of both axes and the rotation of the plane in degrees. Default: 1, 1, 0.
fn plane(root: &Node<'_>) -> [f64; 3] {
    let value = |wanted: &str| {
        let mut named = root.nodes("PARAMETER");
        let node = named.find(|node| node.text().is_some_and(|name| name.eq_ignore_ascii_case(wanted)))?;
        node.numbers().first().copied()
    };
    let [x, y, turn] = ["x_scale", "y_scale", "xy_plane_rotation"].map(value);
    [x.unwrap_or(1.0), y.unwrap_or(1.0), turn.unwrap_or(0.0)]
}

/// Refuses axes that do not point east and north, since coordinates are taken to be in this order.
fn check_axes(root: &Node<'_>, method: Method, plane: [f64; 3]) -> Result<(), CrsProblem> {
    let directions: Vec<&str> = root.nodes("AXIS").filter_map(Node::direction).collect();
    let points = |to: &str| directions.iter().any(|direction| direction.eq_ignore_ascii_case(to));
    let is_usual = match method {
        // Krovak's own axes point south and west. Esri turns them by scale and rotation, GDAL names those that point
        // east and north.
        Method::Krovak => plane == [-1.0, 1.0, 90.0] || (plane == [1.0, 1.0, 0.0] && points("east")),
        // Esri writes the rectified angle as the rotation of the plane.
        Method::ObliqueMercatorB => plane[..2] == [1.0, 1.0] && !points("west"),
        Method::TransverseMercatorSouth => plane == [1.0, 1.0, 0.0],
        _ => plane == [1.0, 1.0, 0.0] && !points("west"),
    };
    if is_usual {
        return Ok(());
    }
    Err(CrsProblem::Unsupported { what: "axes that do not point east and north".into() })
}

/// Returns how many radians or meters the unit of a system has. Returns `None` if the system names no unit.
fn unit(node: &Node<'_>) -> Option<f64> {
    node.node("UNIT")?.numbers().first().copied()
}

fn parameters(root: &Node<'_>, meters: f64, degrees: f64) -> Result<Parameters, CrsProblem> {
    let mut parameters = Parameters::default();
    for node in root.nodes("PARAMETER") {
        let (Some(name), Some(&value)) = (node.text(), node.numbers().first()) else {
            return Err(damaged("a PARAMETER has no name and number"));
        };
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "latitude_of_origin" | "latitude_of_center" => parameters.latitude = Some(value * degrees),
            "central_meridian" | "longitude_of_center" | "longitude_of_origin" => {
                parameters.longitude = Some(value * degrees);
            }
            "standard_parallel_1" | "pseudo_standard_parallel_1" => {
                parameters.parallel_1 = Some(value * degrees);
            }
            "standard_parallel_2" => parameters.parallel_2 = Some(value * degrees),
            "scale_factor" => parameters.scale = Some(value),
            "false_easting" => parameters.easting = value * meters,
            "false_northing" => parameters.northing = value * meters,
            "azimuth" => parameters.azimuth = Some(value * degrees),
            // Esri's name is the second. Its other use, the rotation of axes, is checked by `check_axes`.
            "rectified_grid_angle" | "xy_plane_rotation" => parameters.rectified = Some(value * degrees),
            // Both scales are checked by `check_axes`.
            "x_scale" | "y_scale" => {}
            // Type 0 is a sphere with the semi-major axis of the ellipsoid, as Web Mercator has.
            "auxiliary_sphere_type" if value == 0.0 => {}
            _ => return Err(CrsProblem::Unsupported { what: format!("the parameter {name:?}") }),
        }
    }
    Ok(parameters)
}

/// Finds a projection by its name in WKT of the first version, as GDAL or Esri writes it.
fn method(name: &str) -> Option<Method> {
    Some(match name.to_ascii_lowercase().as_str() {
        "transverse_mercator" | "gauss_kruger" => Method::TransverseMercator,
        "transverse_mercator_south_orientated" => Method::TransverseMercatorSouth,
        "hotine_oblique_mercator" | "hotine_oblique_mercator_azimuth_natural_origin" => {
            Method::ObliqueMercatorA
        }
        "hotine_oblique_mercator_azimuth_center" | "rectified_skew_orthomorphic_center" => {
            Method::ObliqueMercatorB
        }
        "swiss_oblique_cylindrical" => Method::SwissObliqueMercator,
        "mercator" | "mercator_1sp" | "mercator_2sp" => Method::Mercator,
        "mercator_auxiliary_sphere" => Method::WebMercator,
        "lambert_conformal_conic_1sp" => Method::LambertConformal1,
        "lambert_conformal_conic_2sp" | "lambert_conformal_conic" => Method::LambertConformal2,
        "lambert_azimuthal_equal_area" => Method::LambertAzimuthal,
        "albers_conic_equal_area" | "albers" => Method::Albers,
        "azimuthal_equidistant" => Method::AzimuthalEquidistant,
        "equidistant_conic" => Method::EquidistantConic,
        "stereographic" => Method::Stereographic,
        "polar_stereographic" | "stereographic_north_pole" | "stereographic_south_pole" => {
            Method::PolarStereographic
        }
        "oblique_stereographic" | "double_stereographic" => Method::ObliqueStereographic,
        "equirectangular" | "equidistant_cylindrical" | "plate_carree" => Method::Equirectangular,
        "cassini_soldner" | "cassini" => Method::CassiniSoldner,
        "gnomonic" => Method::Gnomonic,
        "miller_cylindrical" => Method::Miller,
        "orthographic" => Method::Orthographic,
        "polyconic" => Method::Polyconic,
        "robinson" => Method::Robinson,
        "sinusoidal" => Method::Sinusoidal,
        "mollweide" => Method::Mollweide,
        "cylindrical_equal_area" => Method::CylindricalEqualArea,
        "equal_earth" => Method::EqualEarth,
        "krovak" => Method::Krovak,
        _ => return None,
    })
}

impl<'a> Node<'a> {
    fn nodes(&self, word: &'a str) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(move |child| match child {
            Value::Node(node) if node.word.eq_ignore_ascii_case(word) => Some(node),
            _ => None,
        })
    }

    fn node(&self, word: &'a str) -> Option<&Self> {
        self.nodes(word).next()
    }

    fn text(&self) -> Option<&'a str> {
        self.children.iter().find_map(|child| match child {
            Value::Text(text) => Some(*text),
            _ => None,
        })
    }

    fn texts(&self) -> Vec<&'a str> {
        let text = |child: &Value<'a>| match child {
            Value::Text(text) => Some(*text),
            _ => None,
        };
        self.children.iter().filter_map(text).collect()
    }

    /// Returns the direction of an axis, such as `EAST`.
    fn direction(&self) -> Option<&'a str> {
        self.children.iter().find_map(|child| match child {
            Value::Word(word) => Some(*word),
            _ => None,
        })
    }

    fn numbers(&self) -> Vec<f64> {
        let number = |child: &Value<'_>| match child {
            Value::Number(number) => Some(*number),
            _ => None,
        };
        self.children.iter().filter_map(number).collect()
    }

    /// Returns the code of the node's authority if that is EPSG. A code of 0 stands for no code.
    fn epsg(&self) -> Option<u32> {
        let authority = self.node("AUTHORITY").or_else(|| self.node("ID"))?;
        let code = match (&authority.texts()[..], &authority.numbers()[..]) {
            ([name, code], _) if name.eq_ignore_ascii_case("epsg") => code.parse().ok(),
            ([name], [code, ..]) if name.eq_ignore_ascii_case("epsg") => Some(*code as u32),
            _ => None,
        };
        code.filter(|code| *code != 0)
    }
}

/// Reads a keyword and the values in its brackets, and moves `rest` behind them.
fn node<'a>(rest: &mut &'a str, depth: usize) -> Result<Node<'a>, CrsProblem> {
    if depth > MAX_DEPTH {
        return Err(damaged("it is nested deeper than 16 levels"));
    }
    let word = word(rest);
    let mut node = Node { word, children: Vec::new() };
    if !take(rest, &['[', '(']) {
        return Err(damaged("a word has no bracket after it"));
    }
    loop {
        node.children.push(value(rest, depth)?);
        if take(rest, &[',']) {
            continue;
        }
        if take(rest, &[']', ')']) {
            return Ok(node);
        }
        return Err(damaged("a bracket is not closed"));
    }
}

fn value<'a>(rest: &mut &'a str, depth: usize) -> Result<Value<'a>, CrsProblem> {
    *rest = rest.trim_start();
    if let Some(quoted) = rest.strip_prefix('"') {
        let (text, after) = quoted.split_once('"').ok_or_else(|| damaged("a quote is not closed"))?;
        *rest = after;
        return Ok(Value::Text(text));
    }
    let ahead = *rest;
    let start = word(rest);
    if start.is_empty() {
        return Err(damaged("a value is missing"));
    }
    if let Ok(number) = start.parse::<f64>() {
        return Ok(Value::Number(number));
    }
    if rest.trim_start().starts_with(['[', '(']) {
        *rest = ahead;
        return node(rest, depth + 1).map(Value::Node);
    }
    Ok(Value::Word(start))
}

/// Takes a keyword or a number from the beginning of the text. The result is empty if neither is next.
fn word<'a>(rest: &mut &'a str) -> &'a str {
    *rest = rest.trim_start();
    let is_end = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '+' | '-'));
    let (word, after) = rest.split_at(rest.find(is_end).unwrap_or(rest.len()));
    *rest = after;
    word
}

/// Takes one of some characters after white space, and tells whether one was next.
fn take(rest: &mut &str, characters: &[char]) -> bool {
    let trimmed = rest.trim_start();
    let after = trimmed.strip_prefix(characters);
    *rest = after.unwrap_or(trimmed);
    after.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_at_the_root_names_the_system() {
        let text = r#"PROJCS["WGS 84 / UTM zone 34N",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],
            PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4326"]],AUTHORITY["EPSG","32634"]]"#;
        assert_eq!(read(text).unwrap().epsg(), Some(32634));
    }

    #[test]
    fn what_esri_writes_without_codes_is_read_by_its_parameters() {
        let text = r#"PROJCS["WGS_1984_UTM_Zone_34N",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",21.0],PARAMETER["Scale_Factor",0.9996],PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]"#;
        let (read, expected) = (read(text).unwrap(), Crs::from_epsg(32634).unwrap());
        let place = [699_960.0, 3_600_000.0];
        let (got, expected) = (read.to_wgs84(place).unwrap(), expected.to_wgs84(place).unwrap());
        assert!((got[0] - expected[0]).abs() < 1e-9 && (got[1] - expected[1]).abs() < 1e-9, "{got:?}");
        assert!(read.name().starts_with("WGS_1984_UTM_Zone_34N (+proj=tmerc"), "{read}");
    }

    const SEMI_MAJOR: &str = r#"SPHEROID["a",6378137,298.257223563]"#;

    /// Reads a map on an ellipsoid. `rest` is its projection with parameters.
    fn map(datum: &str, ellipsoid: &str, rest: &str) -> Result<Crs, CrsProblem> {
        let degree = r#"PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]"#;
        read(&format!(r#"PROJCS["m",GEOGCS["g",DATUM["{datum}",{ellipsoid}],{degree}],{rest},UNIT["m",1]]"#))
    }

    #[track_caller]
    fn assert_at(crs: &Crs, code: u32, place: [f64; 2]) {
        let [got, expected] = [crs, &Crs::from_epsg(code).unwrap()].map(|crs| crs.to_wgs84(place).unwrap());
        assert!((0..2).all(|at| (got[at] - expected[at]).abs() < 1e-8), "{crs}: {got:?}, not {expected:?}");
    }

    #[test]
    fn the_mercator_of_the_web_is_on_a_sphere_however_it_is_written() {
        let esri = r#"PROJECTION["Mercator_Auxiliary_Sphere"],PARAMETER["Central_Meridian",0],PARAMETER["Standard_Parallel_1",0],PARAMETER["Auxiliary_Sphere_Type",0]"#;
        let gdal = r#"PROJECTION["Mercator_1SP"],PARAMETER["central_meridian",0],PARAMETER["scale_factor",1],EXTENSION["PROJ4","+proj=merc +a=6378137 +b=6378137 +lat_ts=0.0 +lon_0=0 +k=1 +nadgrids=@null +wktext"]"#;
        for rest in [esri, gdal] {
            assert_at(&map("D_WGS_1984", SEMI_MAJOR, rest).unwrap(), 3857, [1e6, 6.2e6]);
        }
        let other = |rest: &str| map("D_WGS_1984", SEMI_MAJOR, rest).unwrap_err().to_string();
        assert!(other(&esri.replace(r#"Type",0"#, r#"Type",2"#)).contains("auxiliary_sphere_type"));
        assert!(other(&gdal.replace("@null", "x.gsb")).contains("PROJ.4"));
        let clarke = r#"SPHEROID["a",6378206.4,294.9786982]"#;
        assert!(map("D_North_American_1927", clarke, esri).is_err());
    }

    #[test]
    fn axes_that_point_south_and_west_are_refused() {
        let krovak = |rest: &str| {
            let figure = r#"SPHEROID["Bessel",6377397.155,299.1528128],TOWGS84[572.213,85.334,461.94,4.9732,1.529,5.2484,3.5378]"#;
            let parameters = r#"PROJECTION["Krovak"],PARAMETER["Latitude_Of_Center",49.5],PARAMETER["Longitude_Of_Center",24.83333333333333],PARAMETER["Azimuth",30.28813975277778],PARAMETER["Scale_Factor",0.9999]"#;
            map("D_S_JTSK", figure, &format!("{parameters}{rest}"))
        };
        let esri = |x: f64, turn: f64| {
            krovak(&format!(
                r#",PARAMETER["X_Scale",{x}],PARAMETER["Y_Scale",1],PARAMETER["XY_Plane_Rotation",{turn}]"#
            ))
        };
        let place = [-740_000.0, -1_040_000.0];
        assert_at(&esri(-1.0, 90.0).unwrap(), 5514, place);
        assert_at(&krovak(r#",AXIS["X",EAST],AXIS["Y",NORTH]"#).unwrap(), 5514, place);
        let south_west = r#",AXIS["X",SOUTH],AXIS["Y",WEST]"#;
        for refused in [krovak(""), krovak(south_west), esri(1.0, 0.0), esri(1.0, 90.0)] {
            assert!(refused.unwrap_err().to_string().contains("axes"));
        }
        let mercator = r#"PROJECTION["Transverse_Mercator"],PARAMETER["central_meridian",9]"#;
        assert!(map("D", SEMI_MAJOR, mercator).is_ok());
        assert!(map("D", SEMI_MAJOR, &format!("{mercator}{south_west}")).is_err());
    }

    #[test]
    fn a_datum_far_from_wgs84_on_its_ellipsoid_is_shifted_by_its_name() {
        let greek = r#"PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",500000],PARAMETER["Central_Meridian",24],PARAMETER["Scale_Factor",0.9996],PARAMETER["Latitude_Of_Origin",0]"#;
        let grs80 = r#"SPHEROID["GRS_1980",6378137,298.257222101]"#;
        for name in ["D_GGRS_1987", "Greek_Geodetic_Reference_System_1987"] {
            assert_at(&map(name, grs80, greek).unwrap(), 2100, [480_000.0, 4_200_000.0]);
        }
        let vietnam = greek.replace("24]", "105]");
        for name in ["D_Vietnam_2000", "Vietnam_2000"] {
            assert_at(&map(name, SEMI_MAJOR, &vietnam).unwrap(), 3405, [480_000.0, 2_300_000.0]);
        }
    }

    #[test]
    fn the_turn_of_an_oblique_plane_is_its_rectified_angle() {
        let borneo = r#"PROJECTION["Rectified_Skew_Orthomorphic_Center"],PARAMETER["Azimuth",53.3158],PARAMETER["Longitude_Of_Center",115],PARAMETER["Latitude_Of_Center",4],PARAMETER["XY_Plane_Rotation",53.1301]"#;
        let crs = map("D", SEMI_MAJOR, borneo).unwrap();
        assert!(crs.name().contains("+gamma=53.1301"), "{crs}");
    }

    #[test]
    fn the_meridian_of_paris_is_in_degrees_beside_gradians() {
        let text = r#"GEOGCS["NTF (Paris)",DATUM["NTF",SPHEROID["Clarke 1880 (IGN)",6378249.2,293.4660212936265],TOWGS84[-168,-60,320,0,0,0,0]],PRIMEM["Paris",2.33722917],UNIT["grad",0.015707963267949]]"#;
        assert_at(&read(text).unwrap(), 4807, [0.5, 54.0]);
    }

    #[test]
    fn degrees_are_degrees() {
        let text = r#"GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]"#;
        let place = read(text).unwrap().to_wgs84([12.5, -33.25]).unwrap();
        assert!((place[0] - 12.5).abs() < 1e-9 && (place[1] + 33.25).abs() < 1e-9, "{place:?}");
    }

    #[test]
    fn what_is_no_system_is_refused_with_what_is_wrong() {
        for (text, problem) in [
            ("", "no bracket"),
            ("PROJCS", "no bracket"),
            ("PROJCS[", "missing"),
            (r#"PROJCS["a"#, "quote"),
            (r#"PROJCS["a""#, "not closed"),
            (r#"PROJCS["a"]"#, "no GEOGCS"),
            (r#"LOCAL_CS["a"]"#, "neither PROJCS nor GEOGCS"),
            (r#"GEOGCS["a",DATUM["b"]]"#, "no SPHEROID"),
            (r#"GEOGCS["a",DATUM["b",SPHEROID["c",-1,0]],UNIT["d",1]]"#, "not above 0"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
        let deep = "A[".repeat(100_000);
        assert!(read(&deep).is_err() && read(&deep[..1000]).unwrap_err().to_string().contains("deeper"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "([A-Z_]{0,8}|[\\[\\](),\"]|[0-9.eE+-]{1,5}| ){0,60}") {
            let _ = read(&text);
        }
    }
}
