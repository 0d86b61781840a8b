//! The tags that are read (TIFF 6.0, parts 1 and 2, and its supplements; GeoTIFF 1.1; GDAL).

pub(crate) const SUBFILE_TYPE: u16 = 254;
pub(crate) const WIDTH: u16 = 256;
pub(crate) const HEIGHT: u16 = 257;
pub(crate) const BITS: u16 = 258;
pub(crate) const COMPRESSION: u16 = 259;
pub(crate) const PHOTOMETRIC: u16 = 262;
pub(crate) const FILL_ORDER: u16 = 266;
pub(crate) const STRIP_OFFSETS: u16 = 273;
pub(crate) const ORIENTATION: u16 = 274;
pub(crate) const SAMPLES: u16 = 277;
pub(crate) const ROWS_PER_STRIP: u16 = 278;
pub(crate) const STRIP_BYTES: u16 = 279;
pub(crate) const PLANAR: u16 = 284;
pub(crate) const T4_OPTIONS: u16 = 292;
pub(crate) const DATE_TIME: u16 = 306;
pub(crate) const PREDICTOR: u16 = 317;
pub(crate) const COLOR_MAP: u16 = 320;
pub(crate) const TILE_WIDTH: u16 = 322;
pub(crate) const TILE_HEIGHT: u16 = 323;
pub(crate) const TILE_OFFSETS: u16 = 324;
pub(crate) const TILE_BYTES: u16 = 325;
pub(crate) const SUB_DIRECTORIES: u16 = 330;
pub(crate) const EXTRA_SAMPLES: u16 = 338;
pub(crate) const SAMPLE_FORMAT: u16 = 339;
pub(crate) const JPEG_TABLES: u16 = 347;
pub(crate) const YCBCR_SUBSAMPLING: u16 = 530;
pub(crate) const PIXEL_SCALE: u16 = 33_550;
pub(crate) const TIE_POINTS: u16 = 33_922;
pub(crate) const TRANSFORMATION: u16 = 34_264;
pub(crate) const GEO_KEYS: u16 = 34_735;
pub(crate) const GEO_DOUBLES: u16 = 34_736;
pub(crate) const GEO_TEXT: u16 = 34_737;
/// Tag of GDAL: names and values as XML.
pub(crate) const GDAL_METADATA: u16 = 42_112;
/// Tag of GDAL: the value that stands for no measurement, as text.
pub(crate) const NO_DATA: u16 = 42_113;
/// Tag of Esri and GDAL: the version of LERC, and the compression around it.
pub(crate) const LERC_PARAMETERS: u16 = 50_674;
/// Coefficients of rational polynomials, which some files have in place of a transform.
pub(crate) const RPC: u16 = 50_844;

/// All of these tags. Entries of others are skipped.
pub(super) const READ: [u16; 36] = [
    SUBFILE_TYPE,
    WIDTH,
    HEIGHT,
    BITS,
    COMPRESSION,
    PHOTOMETRIC,
    FILL_ORDER,
    STRIP_OFFSETS,
    ORIENTATION,
    SAMPLES,
    ROWS_PER_STRIP,
    STRIP_BYTES,
    PLANAR,
    T4_OPTIONS,
    DATE_TIME,
    PREDICTOR,
    COLOR_MAP,
    TILE_WIDTH,
    TILE_HEIGHT,
    TILE_OFFSETS,
    TILE_BYTES,
    SUB_DIRECTORIES,
    EXTRA_SAMPLES,
    SAMPLE_FORMAT,
    JPEG_TABLES,
    YCBCR_SUBSAMPLING,
    PIXEL_SCALE,
    TIE_POINTS,
    TRANSFORMATION,
    GEO_KEYS,
    GEO_DOUBLES,
    GEO_TEXT,
    GDAL_METADATA,
    NO_DATA,
    LERC_PARAMETERS,
    RPC,
];
