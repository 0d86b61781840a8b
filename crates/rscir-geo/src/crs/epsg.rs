//! EPSG codes as PROJ.4 definitions: the table of `crs-definitions`, systems that are newer than the table, and its
//! entries that are wrong.

use std::borrow::Cow;

use super::{CrsProblem, DatumShift, GRADIAN};

/// The code of longitude and latitude in WGS84.
pub(super) const WGS84: u32 = 4326;

/// Other codes for Web Mercator: Google's, two of Esri's, and one that EPSG has withdrawn.
const WEB_MERCATOR: [u32; 4] = [900_913, 102_100, 102_113, 3785];

/// A coordinate system as a PROJ.4 definition.
pub(super) struct Entry {
    pub(super) proj: Cow<'static, str>,
    /// How many degrees the unit of a geographic system has.
    pub(super) degrees: f64,
}

/// Geographic systems whose unit is the gradian (EPSG dataset, unit 9105), which a PROJ.4 definition cannot express.
const IN_GRADIANS: [u32; 8] = [4807, 4810, 4811, 4816, 4819, 4821, 4901, 4902];

/// Codes, in ascending order, whose entry in the table puts points more than half a kilometer from where PROJ 9.5 puts
/// them. The causes are axes that point south or west (2065, 5513), an ellipsoid in place of its authalic sphere (3973
/// to 3975, 4055), units (3167), prime meridians counted twice (8044, 8045, 26591, 26592), other false origins (6200,
/// 6996, 6997), and datum shifts of another source (2155, 2194, 3303, 3906, 3909, 4688, 4718, 6204, 6316). They were
/// found by comparing three points of each of 6,255 codes.
const NOT_AS_PROJ: [u32; 24] = [
    2065, 2155, 2194, 3167, 3303, 3906, 3909, 3973, 3974, 3975, 4055, 4688, 4718, 5513, 6200, 6204, 6316,
    6996, 6997, 8044, 8045, 26591, 26592, 29701,
];

/// Systems whose datum shift in the table is less exact than PROJ's, with PROJ's seven parameters.
const BETTER_SHIFTED: [(u32, &str); 2] = [
    // Pulkovo 1942(58) / Stereo70 of Romania: EPSG's transformation 15995, 3 m; the table has Poland's, some 25 m off
    // there.
    (
        3844,
        "+proj=sterea +lat_0=46 +lon_0=25 +k=0.99975 +x_0=500000 +y_0=500000 +ellps=krass \
         +towgs84=2.329,-147.042,-92.08,-0.309,0.325,0.497,5.69 +units=m +no_defs",
    ),
    // S-JTSK / Krovak East North: EPSG's transformation 5239, 1 m; the table has three parameters.
    (
        5514,
        "+proj=krovak +lat_0=49.5 +lon_0=24.83333333333333 +alpha=30.28813975277778 +k=0.9999 +x_0=0 +y_0=0 +ellps=bessel \
         +towgs84=572.213,85.334,461.94,4.9732,1.529,5.2484,3.5378 +units=m +no_defs",
    ),
];

/// Finds the definition of a code.
///
/// # Errors
/// [`CrsProblem::UnknownCode`] if there is none; [`CrsProblem::Unsupported`] if the table's parameters are wrong.
pub(super) fn find(code: u32) -> Result<Entry, CrsProblem> {
    let code = if WEB_MERCATOR.contains(&code) { 3857 } else { code };
    if NOT_AS_PROJ.contains(&code) {
        return Err(CrsProblem::Unsupported {
            what: format!("EPSG:{code}, whose parameters are not known well enough"),
        });
    }
    let in_table = || u16::try_from(code).ok().and_then(crs_definitions::from_code);
    let better = BETTER_SHIFTED.iter().find(|(known, _)| *known == code).map(|(_, words)| *words);
    let proj = better
        .or_else(|| in_table().map(|entry| entry.proj4))
        .map(Cow::Borrowed)
        .or_else(|| newer(code).map(Cow::Owned));
    let degrees = if IN_GRADIANS.contains(&code) { GRADIAN } else { 1.0 };
    match proj {
        Some(proj) => Ok(Entry { proj, degrees }),
        None => Err(CrsProblem::UnknownCode { code }),
    }
}

/// Returns the definition, by its published parameters, of a system that imagery uses and that EPSG defined after the
/// table was made. Returns `None` for any other code.
fn newer(code: u32) -> Option<String> {
    const GRS80: &str = "+ellps=GRS80 +towgs84=0,0,0,0,0,0,0 +units=m +no_defs";
    const ON_WGS84: &str = "+datum=WGS84 +units=m +no_defs";
    let zone = code % 100;
    Some(match code {
        // NAD83(CSRS) v2 to v8 / UTM zones 7N to 22N.
        22_207..=22_222
        | 22_307..=22_322
        | 22_407..=22_422
        | 22_607..=22_622
        | 22_707..=22_722
        | 22_807..=22_822 => {
            format!("+proj=utm +zone={zone} {GRS80}")
        }
        // SRGI2013 / UTM zones 46N to 52N.
        9476..=9482 => format!("+proj=utm +zone={} {ON_WGS84}", code - 9430),
        // GSK-2011 / Gauss-Kruger zones 4 to 32.
        20_904..=20_932 => {
            let middle = (6 * zone as i32 - 3 + 180) % 360 - 180;
            let easting = u64::from(zone) * 1_000_000 + 500_000;
            format!(
                "+proj=tmerc +lat_0=0 +lon_0={middle} +k=1 +x_0={easting} +y_0=0 +a=6378136.5 +rf=298.2564151 \
                 +towgs84=0,0,0,0,0,0,0 +units=m +no_defs"
            )
        }
        // RGF93 v2 and v2b / Lambert-93.
        9793 | 9794 => {
            format!("+proj=lcc +lat_0=46.5 +lon_0=3 +lat_1=49 +lat_2=44 +x_0=700000 +y_0=6600000 {GRS80}")
        }
        // RGF93 v2 and v2b / CC42 to CC50.
        9822..=9830 | 9842..=9850 => {
            let parallel = f64::from(if code < 9840 { code - 9780 } else { code - 9800 });
            format!(
                "+proj=lcc +lat_0={parallel} +lon_0=3 +lat_1={} +lat_2={} +x_0=1700000 +y_0={} {GRS80}",
                parallel - 0.75,
                parallel + 0.75,
                (parallel - 41.0) * 1e6 + 200_000.0
            )
        }
        // WGS 84 / NIWA Albers.
        9191 => format!("+proj=aea +lat_0=-40 +lon_0=175 +lat_1=-30 +lat_2=-50 +x_0=0 +y_0=0 {ON_WGS84}"),
        // Hartebeesthoek94 / ZAF BSU Albers 25E and 44E.
        9221 => {
            format!(
                "+proj=aea +lat_0=-30 +lon_0=25 +lat_1=-22 +lat_2=-38 +x_0=1400000 +y_0=1300000 {ON_WGS84}"
            )
        }
        9222 => {
            format!(
                "+proj=aea +lat_0=-42 +lon_0=44 +lat_1=-34 +lat_2=-50 +x_0=1200000 +y_0=1300000 {ON_WGS84}"
            )
        }
        // WGS 84 / IBCSO Polar Stereographic.
        9354 => format!("+proj=stere +lat_0=-90 +lat_ts=-65 +lon_0=0 +x_0=0 +y_0=0 {ON_WGS84}"),
        // MAGNA-SIRGAS 2018 / Origen-Nacional.
        9377 => format!("+proj=tmerc +lat_0=4 +lon_0=-73 +k=0.9992 +x_0=5000000 +y_0=2000000 {GRS80}"),
        // BGS2005 / UTM zone 35N.
        9391 => format!("+proj=utm +zone=35 {GRS80}"),
        // GDA2020 / Australian Albers.
        9473 => format!("+proj=aea +lat_0=0 +lon_0=132 +lat_1=-18 +lat_2=-36 +x_0=0 +y_0=0 {GRS80}"),
        // NAD83 / USFS R6 Albers.
        9674 => format!("+proj=aea +lat_0=34 +lon_0=-120 +lat_1=43 +lat_2=48 +x_0=600000 +y_0=0 {GRS80}"),
        // ISN2004 / LAEA Iceland.
        9947 => format!("+proj=laea +lat_0=65 +lon_0=-19 +x_0=1700000 +y_0=1300000 {GRS80}"),
        // WGS 84 (G1674), (G1762), (G2139), and RGF93 v2 and v2b: WGS84 within a decimeter or two.
        9056 | 9057 | 9755 => "+proj=longlat +datum=WGS84 +no_defs".into(),
        9777 | 9782 => "+proj=longlat +ellps=GRS80 +towgs84=0,0,0,0,0,0,0 +no_defs".into(),
        _ => return None,
    })
}

/// The mean shift of NAD27 to WGS84 in the contiguous United States, in meters (NIMA TR 8350.2, appendix B: NAD27,
/// mean solution CONUS). The exact shift is a grid, which this crate does not have.
const NAD27: &str = "+ellps=clrk66 +towgs84=-8,160,176,0,0,0,0";

/// The shift of CH1903 and CH1903+, which is exact since it defines CH1903+ (swisstopo, "Formulas and constants for the
/// calculation of the Swiss conformal cylindrical projection", section 1.4). Other shifts of three parameters are
/// means, a few meters off within a country.
const SWISS: &str = "674.374,15.056,405.346";

/// Grids that the table names beside the parameters of a shift. They are dropped, and the parameters are used.
const GRIDS: [&str; 1] = ["+nadgrids=nzgd2kgrid0005.gsb"];

/// Ellipsoids of datums that agree with WGS84 within a meter or two.
const OF_WGS84: [&str; 6] =
    ["+datum=WGS84", "+datum=NAD83", "+ellps=WGS84", "+ellps=GRS80", "+nadgrids=@null", "+rf=298.257222101"];

/// Replaces a datum shift that is not computed by one that is, and tells how exactly the shift is known.
pub(super) fn with_known_shift(text: &str) -> (Cow<'_, str>, DatumShift) {
    if text.contains("+datum=NAD27") {
        return (text.replace("+datum=NAD27", NAD27).into(), DatumShift::Mean);
    }
    if let Some(grid) = GRIDS.iter().find(|grid| text.contains(**grid)) {
        return (text.replace(grid, "").replace("+datum=nzgd49", "+ellps=intl").into(), DatumShift::Known);
    }
    if let Some(shift) = text.split_whitespace().find_map(|word| word.strip_prefix("+towgs84=")) {
        let is_set: Vec<bool> = shift.split(',').map(|number| number.parse() != Ok(0.0)).collect();
        let (moves, turns) = (is_set.iter().take(3).any(|set| *set), is_set.iter().skip(3).any(|set| *set));
        let is_mean = moves && !turns && !shift.starts_with(SWISS);
        return (text.into(), if is_mean { DatumShift::Mean } else { DatumShift::Known });
    }
    let is_known = OF_WGS84.iter().chain(&["+datum="]).any(|words| text.contains(words));
    (text.into(), if is_known { DatumShift::Known } else { DatumShift::Unknown })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Crs;

    #[test]
    fn every_rule_for_newer_codes_gives_a_system_that_is_computed() {
        let ranges =
            [9056..=9057, 9191..=9191, 9221..=9222, 9354..=9354, 9377..=9377, 9391..=9391, 9473..=9482];
        let more =
            [9674..=9674, 9755..=9755, 9777..=9777, 9782..=9782, 9793..=9794, 9822..=9830, 9842..=9850];
        let zones = [9947..=9947, 20_904..=20_932, 22_207..=22_222, 22_807..=22_822];
        let codes = ranges
            .into_iter()
            .chain(more)
            .chain(zones)
            .flatten()
            .filter(|code| *code != 9474 && *code != 9475);
        for code in codes {
            let crs = Crs::from_epsg(code).unwrap_or_else(|error| panic!("{code}: {error}"));
            assert_eq!(crs.datum_shift(), DatumShift::Known, "{code}");
        }
    }

    #[test]
    fn codes_that_are_not_in_the_table_or_not_right_in_it_are_named() {
        for code in [1, 32_767, 65_536, 4_000_000] {
            let error = Crs::from_epsg(code).unwrap_err();
            assert_eq!(error, CrsProblem::UnknownCode { code });
            assert!(error.to_string().contains(&format!("EPSG:{code} is not known")), "{error}");
        }
        for code in NOT_AS_PROJ {
            assert!(matches!(Crs::from_epsg(code), Err(CrsProblem::Unsupported { .. })), "{code}");
        }
    }

    #[test]
    fn how_well_a_datum_is_tied_to_wgs84_is_told() {
        let shift = |code| Crs::from_epsg(code).unwrap().datum_shift();
        for code in [4326, 3857, 32634, 26914, 25832, 28992, 27700, 2154, 7855] {
            assert_eq!(shift(code), DatumShift::Known, "{code}");
        }
        // NAD27 / UTM zone 14N; ED50; Korean 1985 / Central Belt.
        assert_eq!(shift(26714), DatumShift::Mean);
        assert_eq!(shift(4230), DatumShift::Mean);
        assert_eq!(shift(2097), DatumShift::Unknown);
    }

    #[test]
    fn other_codes_of_web_mercator_are_web_mercator() {
        let place = |code| Crs::from_epsg(code).unwrap().to_wgs84([1e6, 6e6]).unwrap();
        for code in WEB_MERCATOR {
            assert_eq!(place(code), place(3857));
        }
    }
}
