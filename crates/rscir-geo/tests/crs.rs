//! Compares coordinate systems with PROJ 9.7, as rasterio 1.4.4 uses it without grids, at one point of each.

use rscir_geo::{Crs, DatumShift};

/// Code, coordinates, longitude and latitude of a point in systems whose datum agrees with WGS84.
#[rustfmt::skip]
const EXACT: [(u32, [f64; 2], [f64; 2]); 44] = [
    (4326, [-46.8, 14.4], [-46.8000000000, 14.4000000000]), // WGS 84
    (4269, [-136.2506, 56.4074], [-136.2506000000, 56.4074000000]), // NAD83
    (4258, [3.9207, 63.1126], [3.9207000000, 63.1126000000]), // ETRS89
    (4283, [122.9841, -30.3436], [122.9841000000, -30.3436000000]), // GDA94
    (3857, [-5209752.169, 1529464.634], [-46.7999999989, 13.6095999995]), // WGS 84 / Pseudo-Mercator
    (32601, [442629.946, 5396623.741], [-177.7800000003, 48.7200000014]), // WGS 84 / UTM zone 1N
    (32634, [442629.946, 5396623.741], [20.2199999997, 48.7200000014]), // WGS 84 / UTM zone 34N
    (32718, [427631.95, 6281921.18], [-75.7799999988, -33.6000000024]), // WGS 84 / UTM zone 18S
    (32760, [427631.95, 6281921.18], [176.2200000012, -33.6000000024]), // WGS 84 / UTM zone 60S
    (26913, [457670.051, 6750965.11], [-105.7799999992, 60.8916000037]), // NAD83 / UTM zone 13N
    (26914, [455928.901, 6603627.402], [-99.7800000032, 59.5686000013]), // NAD83 / UTM zone 14N
    (25832, [462123.045, 7104866.966], [8.2237000044, 64.0683999996]), // ETRS89 / UTM zone 32N
    (28355, [422792.849, 7043544.04], [146.2237000029, -26.7272000032]), // GDA94 / MGA zone 55
    (7855, [422792.849, 7043544.04], [146.2237000029, -26.7272000032]), // GDA2020 / MGA zone 55
    (9473, [-406314.074, -2605142.93], [127.9607999978, -24.0728000031]), // GDA2020 / Australian Albers
    (3031, [-1388415.737, 1303809.161], [-46.8000000023, -72.5999999995]), // WGS 84 / Antarctic Polar Stereographic
    (3413, [-43039.944, -1369553.234], [-46.7999999878, 77.3999999962]), // WGS 84 / NSIDC Sea Ice Polar Stereographic North
    (3995, [-1001852.063, -940801.709], [-46.7999999921, 77.3999999992]), // WGS 84 / Arctic Polar Stereographic
    (5041, [976282.203, 1038665.0], [-46.7999999911, 77.3999999959]), // WGS 84 / UPS North (E,N)
    (3035, [3430517.738, 4141435.448], [-5.8282999933, 59.4754000029]), // ETRS89-extended / LAEA Europe
    (6931, [-3018248.666, -2834324.155], [-46.8000000048, 52.1999999983]), // WGS 84 / NSIDC EASE-Grid 2.0 North
    (6933, [-4515557.916, 1739022.152], [-46.8000000027, 13.7599999993]), // WGS 84 / NSIDC EASE-Grid 2.0 Global
    (2154, [293593.819, 6690217.985], [-2.3711999988, 47.1877999981]), // RGF93 v1 / Lambert-93
    (9794, [293593.819, 6690217.985], [-2.3711999988, 47.1877999981]), // RGF93 v2b / Lambert-93
    (3347, [5676918.969, 3352799.332], [-103.9064000088, 66.1950000025]), // NAD83 / Statistics Canada Lambert
    (3978, [-387999.069, 1901366.182], [-103.9063999935, 66.1949999977]), // NAD83 / Canada Atlas Lambert
    (5070, [-633035.715, 1787445.91], [-103.3743999960, 38.8926000043]), // NAD83 / Conus Albers
    (3577, [-406314.074, -2605142.93], [127.9607999978, -24.0728000031]), // GDA94 / Australian Albers
    (2180, [422459.793, 573290.659], [17.8436999937, 53.0194000009]), // ETRF2000-PL / CS92
    (2193, [1420374.296, 5608260.594], [170.9061999977, -39.6566000043]), // NZGD2000 / New Zealand Transverse Mercator 2000
    (3067, [346969.212, 7253130.882], [23.7087000028, 65.3650000005]), // ETRS89 / TM35FIN(E,N)
    (3006, [513195.541, 7001638.05], [15.2618000054, 63.1438000027]), // SWEREF99 TM
    (3763, [-15376.508, 33718.104], [-8.3131000003, 39.9717999994]), // ETRS89 / Portugal TM06
    (3301, [457828.704, 6535712.266], [23.2670999972, 58.9583999962]), // Estonian Coordinate System of 1997
    (3765, [432726.275, 4959906.831], [15.6500000059, 44.7759999993]), // HTRS96 / Croatia TM
    (3375, [324005.172, 553914.249], [100.9059999977, 5.0044000008]), // GDM2000 / Peninsula RSO
    (3424, [362851.383, 539703.928], [-74.9636000014, 40.3141999989]), // NAD83 / New Jersey (ftUS)
    (2229, [6345115.715, 2015670.084], [-118.7190000011, 34.5289999993]), // NAD83 / California zone 5 (ftUS)
    (26918, [457281.119, 6718220.892], [-75.7800000020, 60.5975999962]), // NAD83 / UTM zone 18N
    (9221, [1102132.304, 1422850.467], [21.9176999966, -28.8667999967]), // Hartebeesthoek94 / ZAF BSU Albers 25E
    (9377, [4431259.131, 2358927.721], [-78.1469999970, 7.2192000020]), // MAGNA-SIRGAS 2018 / Origen-Nacional
    (22812, [469224.83, 7687541.701], [-111.7799999988, 69.2958000003]), // NAD83(CSRS)v8 / UTM zone 12N
    (20907, [7454466.223, 6463733.446], [38.2236999918, 58.2889999978]), // GSK-2011 / Gauss-Kruger zone 7
    (8857, [-4416561.644, 1840428.303], [-46.7999999996, 14.3999999978]), // WGS 84 / Equal Earth Greenwich
];

/// The same for systems with a datum shift by parameters.
#[rustfmt::skip]
const SHIFTED: [(u32, [f64; 2], [f64; 2]); 14] = [
    (27700, [218552.095, 713681.498], [-4.9325999875, 56.2807999967]), // OSGB36 / British National Grid
    (28992, [107438.498, 497257.203], [4.6873999967, 52.4610000078]), // Amersfoort / RD New
    (2056, [2615025.956, 1202588.706], [7.6361000135, 46.9742000091]), // CH1903+ / LV95
    (21781, [615025.956, 202588.706], [7.6361000135, 46.9742000091]), // CH1903 / LV03
    (31370, [119901.012, 150662.597], [3.9430000018, 50.6658000011]), // BD72 / Belgian Lambert 72
    (31467, [3473427.752, 5741344.103], [8.6137000084, 51.8056000016]), // DHDN / 3-degree Gauss-Kruger zone 3
    (2100, [395749.034, 4302147.886], [22.8000999958, 38.8645999869]), // GGRS87 / Greek Grid
    (5514, [-638795.459, -1104003.308], [15.9639000003, 49.6614000066]), // S-JTSK / Krovak East North
    (3844, [327000.0, 620000.0], [22.7208023770, 47.0569756194]), // Pulkovo 1942(58) / Stereo70
    (2393, [3482582.577, 7314975.52], [26.6137000157, 65.9278000022]), // KKJ / Finland Uniform Coordinate System
    (29902, [144156.877, 276264.786], [-8.8468999910, 53.7332000010]), // TM65 / Irish Grid
    (2326, [821915.669, 827979.273], [114.0375000023, 22.3909999959]), // Hong Kong 1980 Grid System
    (9479, [413442.848, 472524.418], [110.2199999998, 4.2745999965]), // SRGI2013 / UTM zone 49N
    (20255, [418979.085, 7724183.708], [146.2236999904, -20.5780000123]), // AGD66 / AMG zone 55
];

/// The same for systems whose datum shift differs from place to place, and for which a mean shift is used.
#[rustfmt::skip]
const MEAN: [(u32, [f64; 2], [f64; 2]); 4] = [
    (26718, [451486.616, 6221866.441], [-75.7799999945, 56.1413999962]), // NAD27 / UTM zone 18N
    (4230, [7.844171, 59.942081], [7.8426998108, 59.9415995432]), // ED50
    (23030, [458768.83, 6818217.958], [-3.7762999835, 61.4934000069]), // ED50 / UTM zone 30N
    (23700, [617901.32, 227110.213], [18.6223000074, 47.3871999998]), // HD72 / EOV
];

#[track_caller]
fn assert_places(places: &[(u32, [f64; 2], [f64; 2])], shift: DatumShift, tolerance: f64) {
    for &(code, place, expected) in places {
        let crs = Crs::from_epsg(code).unwrap();
        assert_eq!(crs.datum_shift(), shift, "{code}");
        let got = crs.to_wgs84(place).unwrap();
        for at in 0..2 {
            let difference = (got[at] - expected[at]).abs();
            assert!(difference <= tolerance, "EPSG:{code}: {got:?}, not {expected:?}: {difference:e}");
        }
        let back = crs.from_wgs84(got).unwrap();
        // The way back does not lead to the same coordinates exactly, since the height is dropped in between.
        let rounding = if crs.is_geographic() { 1e-7 } else { tolerance * 1e5 };
        assert!(
            (0..2).all(|at| (back[at] - place[at]).abs() < rounding),
            "EPSG:{code}: {back:?}, not {place:?}"
        );
    }
}

#[test]
fn systems_that_agree_with_wgs84_are_projs_within_a_centimeter() {
    assert_places(&EXACT, DatumShift::Known, 1e-7);
}

#[test]
fn systems_with_a_datum_shift_are_projs_within_a_meter() {
    assert_places(&SHIFTED, DatumShift::Known, 1e-5);
}

#[test]
fn systems_whose_shift_is_a_mean_say_so_and_are_some_ten_meters_off() {
    assert_places(&MEAN, DatumShift::Mean, 2e-4);
}
