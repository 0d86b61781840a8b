//! A single scene: its size, coordinate system, date and windows.

mod band_values;
mod bands;
mod beside;
mod decoded;
mod lines;
mod metadata;
mod number;
mod options;
mod pixels;
mod survey;
mod validity;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rscir_core::{BandImage, BandValues, RgbImage, Stretch};
use rscir_images::tiff::{
    BlockCache, GeoTags, ReadAt, RegularFile, SampleFormat, SampleType, Tiff, TiffImage, Window,
};

pub use bands::BandProblem;
pub(crate) use beside::companions;
pub(crate) use options::iso_date;
pub use options::{SceneOptions, parse_stretch};
pub(crate) use survey::Survey;

use self::bands::Colors;
use self::decoded::Decoded;
use self::lines::Lines;
use self::pixels::Table;
use self::validity::Validity;
use crate::crs::GeoKeys;
use crate::{Crs, CrsProblem, DatumShift, Error, Footprint, Result, TileSize, Transform, TransformProblem};

/// A georeferenced image: a GeoTIFF, or an image with a world file beside it.
///
/// A GeoTIFF is read window by window, and memory does not grow with the scene. An image with a world file is decoded
/// whole when it is opened. Clones share caches and pixels.
#[derive(Debug, Clone)]
pub struct Scene {
    path: PathBuf,
    pixels: Pixels,
    crs: Crs,
    transform: Transform,
    date: Option<String>,
    notices: Vec<SceneNotice>,
    /// How values become bytes. `None`: they are bytes, or stay as measured.
    stretch: Option<Stretch>,
    lines: LinesCell,
    /// The bytes of all samples of a short type, by `lines`.
    table: Arc<Table>,
}

/// The ends of the stretch, once they have been found. Several openings of a scene share them.
pub(crate) type LinesCell = Arc<OnceLock<Lines>>;

/// The source of a scene's pixels.
#[derive(Debug, Clone)]
enum Pixels {
    /// A TIFF file, which is read window by window.
    Tiff { tiff: Tiff, tags: Arc<GeoTags>, colors: Colors, validity: Validity },
    /// An image of another format, such as JPEG or PNG, which is decoded whole.
    Decoded(Arc<Decoded>),
}

/// The pixels of a window of a scene.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SceneWindow {
    /// The pixels as red, green and blue. Pixels that are not valid are 0.
    pub image: RgbImage,
    /// The share of valid pixels, from 0 to 1.
    pub valid: f64,
}

/// The bands of a window of a scene.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SceneBands {
    /// The values of the bands in use. A value that is no measurement is 0.
    pub image: BandImage,
    /// The share of valid pixels, from 0 to 1.
    pub valid: f64,
}

/// Something that a user should know of a scene and that its tiles do not show. [`Display`](fmt::Display) writes it as
/// a sentence.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SceneNotice {
    /// The mean of the datum's shift to WGS84 is used, though the shift differs from place to place. Holds the
    /// coordinate system.
    MeanShift(String),
    /// The datum's shift to WGS84 is not known. Holds the coordinate system.
    UnknownShift(String),
    /// The scene's own coordinate system is used in place of the one that was given. Holds the own one.
    OwnCrs(String),
    /// The coordinate system that was given is used, since the scene's own is not computed. Holds the reason.
    GivenCrs(String),
    /// The no-data value that was given is not used, since an alpha band or a mask tells which pixels are valid.
    NoDataUnused,
    /// The stretch that was given is not used, since values of 8 bits stay as they are.
    StretchUnused,
    /// The scene's date is left out, since it is no date. Holds its text.
    NoDate(String),
    /// A part of the file, such as an overview or a mask, cannot be read. Holds the reason.
    LeftOut(String),
}

impl fmt::Display for SceneNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MeanShift(crs) => {
                write!(f, "only the mean shift of {crs} to WGS84 is known: footprints are off by meters to tens of meters")
            }
            Self::UnknownShift(crs) => {
                write!(f, "the shift of {crs} to WGS84 is not known: footprints may be off by some hundred meters")
            }
            Self::OwnCrs(crs) => write!(f, "the scene's own coordinate system {crs} is used, not the one that was given"),
            Self::GivenCrs(problem) => write!(f, "the coordinate system that was given is used: {problem}"),
            Self::NoDataUnused => f.write_str(
                "the no-data value that was given is not used: an alpha band or a mask tells which pixels are valid",
            ),
            Self::StretchUnused => f.write_str("values of 8 bits stay as they are: the stretch is not used"),
            Self::NoDate(date) => write!(f, "the scene's date {date:?} is no date, and is left out"),
            Self::LeftOut(problem) => write!(f, "a part of the file cannot be read: {problem}"),
        }
    }
}

/// The most bytes of memory that decoding one strip or tile may take. Tiles take megabytes: more are a single strip of
/// a large scene.
const MAX_BLOCK: u64 = 1 << 30;

impl Scene {
    /// Opens a scene: a GeoTIFF, an image with a world file, or with the feature `remote` the address of a GeoTIFF on a
    /// server. The pixels of a GeoTIFF are not read yet.
    ///
    /// # Errors
    /// - [`Error::Images`] if the file cannot be read, and [`Error::File`] if a file beside it cannot be read;
    /// - [`Error::Crs`] or [`Error::Transform`] if it is not known where the scene lies;
    /// - [`Error::Bands`] if the bands cannot be chosen;
    /// - [`Error::Block`] if decoding a strip or tile takes more than 1 GiB of memory;
    /// - [`Error::OnServer`] for an address without the feature `remote`;
    /// - the errors of [`SceneOptions::check`].
    pub fn open(path: impl AsRef<Path>, options: &SceneOptions) -> Result<Self> {
        Self::open_cached(path, options, Arc::default())
    }

    /// Opens a scene as [`Scene::open`] does. Its decoded strips and tiles are kept in `cache`, which several scenes
    /// may share.
    ///
    /// # Errors
    /// The errors of [`Scene::open`].
    pub fn open_cached(
        path: impl AsRef<Path>,
        options: &SceneOptions,
        cache: Arc<BlockCache>,
    ) -> Result<Self> {
        options.check()?;
        let path = path.as_ref();
        if let Some(tiff) = on_server(path, cache.clone())? {
            return Self::from_tiff(path, tiff, options);
        }
        if is_tiff(path)? {
            return Self::from_tiff(path, Tiff::open_cached(path, cache)?, options);
        }
        let bands = options.bands.as_deref();
        let image = Decoded::open(path, bands, options.no_data)?;
        let mut notices = Vec::new();
        let transform = beside::transform(path)?
            .ok_or_else(|| Error::Transform { path: path.into(), problem: TransformProblem::Missing })?;
        let crs = chosen_crs(path, CrsProblem::Missing, options, &mut notices)?;
        if options.stretch.is_some() {
            notices.push(SceneNotice::StretchUnused);
        }
        let pixels = Pixels::Decoded(Arc::new(image));
        Self::new(path, pixels, crs, transform, options.date.clone(), None, notices)
    }

    /// Makes a scene of a TIFF file that is open already, such as a file in memory. `path` names it in messages, and a
    /// world file and a .prj are looked for beside `path`.
    ///
    /// # Errors
    /// The errors of [`Scene::open`].
    pub fn from_tiff(path: impl Into<PathBuf>, tiff: Tiff, options: &SceneOptions) -> Result<Self> {
        options.check()?;
        let path = path.into();
        let image = tiff.image();
        let tags = image.geo_tags()?;
        let mut notices: Vec<SceneNotice> =
            tiff.problems().iter().map(|problem| SceneNotice::LeftOut(problem.to_string())).collect();
        if image.block_memory() > MAX_BLOCK {
            return Err(Error::Block { path, bytes: image.block_memory(), limit: MAX_BLOCK });
        }
        let keys = GeoKeys::read(&tags.key_directory, &tags.double_params, &tags.ascii_params);
        let transform = match Transform::from_tags(&tags, keys.is_point()) {
            Ok(transform) => transform,
            Err(problem) => {
                beside::transform(&path)?.ok_or_else(|| Error::Transform { path: path.clone(), problem })?
            }
        };
        let crs = match keys.crs() {
            Ok(own) => {
                if options.crs.as_ref().is_some_and(|given| *given != own) {
                    notices.push(SceneNotice::OwnCrs(own.name().into()));
                }
                own
            }
            Err(problem) => chosen_crs(&path, problem, options, &mut notices)?,
        };
        let metadata = image.gdal_metadata()?.map(|xml| metadata::items(&xml)).unwrap_or_default();
        let colors = Colors::of(&tiff, options.bands.as_deref(), &metadata)
            .map_err(|problem| Error::Bands { path: path.clone(), problem })?;
        let validity = Validity::of(&tiff, options.no_data);
        if options.no_data.is_some() && matches!(validity, Validity::Alpha(_) | Validity::Mask) {
            notices.push(SceneNotice::NoDataUnused);
        }
        let is_bytes = image.sample_type() == SampleType { format: SampleFormat::Unsigned, bits: 8 };
        let stretch = if is_bytes || matches!(colors, Colors::Palette(_)) {
            notices.extend(options.stretch.map(|_| SceneNotice::StretchUnused));
            None
        } else if options.measured {
            None
        } else {
            Some(options.stretch.unwrap_or(DEFAULT_STRETCH))
        };
        let own = image.date_time()?.filter(|date| !date.trim().is_empty());
        let named = || metadata.iter().find(|item| item.name.eq_ignore_ascii_case("datetime"));
        let own = own.or_else(|| named().map(|item| item.value.clone()));
        let date = own.as_deref().and_then(iso_date);
        if let (Some(own), None) = (own, &date) {
            notices.push(SceneNotice::NoDate(own));
        }
        let pixels = Pixels::Tiff { tags: Arc::new(tags), colors, validity, tiff };
        Self::new(&path, pixels, crs, transform, date.or_else(|| options.date.clone()), stretch, notices)
    }

    fn new(
        path: &Path,
        pixels: Pixels,
        crs: Crs,
        transform: Transform,
        date: Option<String>,
        stretch: Option<Stretch>,
        mut notices: Vec<SceneNotice>,
    ) -> Result<Self> {
        match crs.datum_shift() {
            DatumShift::Known => {}
            DatumShift::Mean => notices.push(SceneNotice::MeanShift(crs.name().into())),
            DatumShift::Unknown => notices.push(SceneNotice::UnknownShift(crs.name().into())),
        }
        let lines = OnceLock::new();
        let bands = match &pixels {
            Pixels::Tiff { colors, .. } => colors.count(),
            Pixels::Decoded(_) => 3,
        };
        if let Some(given) = stretch.and_then(|stretch| Lines::given(stretch, bands)) {
            let _ = lines.set(given);
        }
        let path = path.into();
        let (lines, table) = (Arc::new(lines), Arc::default());
        let scene = Self { path, pixels, crs, transform, date, notices, stretch, lines, table };
        // A transform and a coordinate system that do not fit together are refused here, before any tile is made. A
        // scene is refused only if its middle and all corners are beyond the Earth: the corners of a full disk are, and
        // its middle is not.
        let [width, height] = scene.size().map(|length| length as f64);
        let places = [[0.5, 0.5], [0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]];
        let mut found =
            places.iter().map(|[x, y]| scene.crs.to_wgs84(scene.transform.apply(x * width, y * height)));
        if let Some(Err(problem)) = found.next()
            && found.all(|place| place.is_err())
        {
            return Err(scene.crs_error(problem));
        }
        Ok(scene)
    }

    /// Returns the path or address of the scene's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns width and height in pixels.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        match &self.pixels {
            Pixels::Tiff { tiff, .. } => [tiff.image().width(), tiff.image().height()],
            Pixels::Decoded(image) => image.size(),
        }
    }

    /// Returns the number of bands, including an alpha band. An image that was decoded whole has 3.
    #[must_use]
    pub fn bands(&self) -> usize {
        self.tiff().map_or(3, |tiff| tiff.image().bands())
    }

    /// Returns the type of the samples in the file. An image that was decoded whole has bytes.
    #[must_use]
    pub fn sample_type(&self) -> SampleType {
        let bytes = SampleType { format: SampleFormat::Unsigned, bits: 8 };
        self.tiff().map_or(bytes, |tiff| tiff.image().sample_type())
    }

    /// Returns the bands that are read, counted from 0: three that become red, green and blue in this order, one that
    /// becomes gray, or all that an encoder of bands takes.
    #[must_use]
    pub fn bands_in_use(&self) -> Vec<usize> {
        match &self.pixels {
            Pixels::Tiff { colors, .. } => colors.bands(),
            Pixels::Decoded(image) => image.bands().to_vec(),
        }
    }

    /// Returns the coordinate system.
    #[must_use]
    pub fn crs(&self) -> &Crs {
        &self.crs
    }

    /// Returns the map from pixels to coordinates.
    #[must_use]
    pub fn transform(&self) -> &Transform {
        &self.transform
    }

    /// Returns the value that stands for no measurement. Returns `None` if no value does, or if an alpha band or a mask
    /// tells which pixels are valid.
    #[must_use]
    pub fn no_data(&self) -> Option<f64> {
        match self.pixels {
            Pixels::Tiff { validity: Validity::NoData(value), .. } => Some(value),
            Pixels::Tiff { .. } => None,
            Pixels::Decoded(ref image) => image.no_data(),
        }
    }

    /// Returns width and height of the overviews, which are smaller copies of the scene in its file, the largest first.
    #[must_use]
    pub fn overviews(&self) -> Vec<[usize; 2]> {
        let overviews = self.tiff().map_or(&[][..], Tiff::overviews);
        overviews.iter().map(|overview| [overview.width(), overview.height()]).collect()
    }

    /// Returns the date as ISO 8601 writes it: that of the tag DateTime, else that of GDAL's metadata, else the one
    /// that was given. Returns `None` if there is none of these.
    #[must_use]
    pub fn date(&self) -> Option<&str> {
        self.date.as_deref()
    }

    /// Returns the notices for a user: what was replaced, left out or is not exact.
    #[must_use]
    pub fn notices(&self) -> &[SceneNotice] {
        &self.notices
    }

    /// Returns the size of a pixel in meters, from one column to the next: on the map, or for longitudes and latitudes
    /// on the ellipsoid in the middle of the scene.
    #[must_use]
    pub fn pixel_size(&self) -> f64 {
        let [width, height] = self.size();
        let middle = self.transform.apply(width as f64 / 2.0, height as f64 / 2.0);
        self.crs.meters([self.transform.a, self.transform.d], middle)
    }

    /// Computes the footprint of a window.
    ///
    /// # Errors
    /// [`Error::Crs`] if a corner is beyond the reach of the coordinate system, or the window is as wide as half the
    /// Earth.
    pub fn footprint(&self, window: Window) -> Result<Footprint> {
        Footprint::of_window(window, &self.transform, &self.crs).map_err(|problem| self.crs_error(problem))
    }

    /// Returns the window with the given side around a point, which is longitude and latitude in degrees of WGS84. The
    /// window is shifted inwards at the scene's edge, and cut if the scene is smaller than the side.
    ///
    /// # Errors
    /// [`Error::OutsideScene`] if the point is not in the scene. [`Error::TileSize`] if the side is not a valid number
    /// of pixels. [`Error::Crs`] if the point is beyond the reach of the coordinate system.
    pub fn window_at(&self, place: [f64; 2], side: TileSize) -> Result<Window> {
        let on_map = self.crs.from_wgs84(place).map_err(|problem| self.crs_error(problem))?;
        let center = self.transform.invert(on_map);
        let lengths = self.size();
        let is_inside = |at: usize| (0.0..=lengths[at] as f64).contains(&center[at]);
        if !is_inside(0) || !is_inside(1) {
            let [longitude, latitude] = place;
            return Err(Error::OutsideScene { path: self.path.clone(), longitude, latitude });
        }
        let side = side.pixels(self.pixel_size())?;
        let along = |at: usize| {
            let side = side.min(lengths[at]);
            // For an odd side the point's pixel is in the middle of the window.
            let start = (center[at] - side as f64 / 2.0).round().max(0.0) as usize;
            (start.min(lengths[at] - side), side)
        };
        let ((x, width), (y, height)) = (along(0), along(1));
        Ok(Window::new(x, y, width, height))
    }

    /// Reads a window in color, by the bands and the stretch that the scene was opened with. Pixels that are not valid
    /// are 0.
    ///
    /// If the stretch depends on the scene's values, the first call reads all pixels of the scene to find it.
    ///
    /// # Errors
    /// [`Error::Images`] if the window is not in the scene, or if the part of the file with the window cannot be read
    /// or is damaged.
    pub fn read(&self, window: Window) -> Result<SceneWindow> {
        match &self.pixels {
            Pixels::Tiff { tiff, colors, validity, .. } => {
                let lines = self.lines()?;
                let samples = pixels::read(tiff, window, colors, validity)?;
                let (image, valid) = pixels::paint(&samples, window, colors, validity, lines, &self.table);
                Ok(SceneWindow { image, valid: valid as f64 / (window.width * window.height).max(1) as f64 })
            }
            Pixels::Decoded(image) => image.read(window),
        }
    }

    /// Reads the whole scene, for a map: from the smallest overview whose longer side has at least `side` pixels, else
    /// from the scene itself. Returns `None` if that has more than `most` pixels. The scene's mask is not applied to an
    /// overview.
    ///
    /// # Errors
    /// The errors of [`Scene::read`].
    pub fn read_whole(&self, side: usize, most: usize) -> Result<Option<RgbImage>> {
        let fits =
            |[width, height]: [usize; 2]| width.checked_mul(height).is_some_and(|pixels| pixels <= most);
        if let Pixels::Tiff { tiff, colors, validity, .. } = &self.pixels {
            let image = tiff.image();
            let is_alike = |overview: &&TiffImage| {
                overview.bands() == image.bands() && overview.sample_type() == image.sample_type()
            };
            let mut suited = tiff.overviews().iter().filter(is_alike);
            if let Some(overview) = suited.rfind(|one| one.width().max(one.height()) >= side) {
                let [width, height] = [overview.width(), overview.height()];
                if !fits([width, height]) {
                    return Ok(None);
                }
                let validity = if *validity == Validity::Mask { &Validity::All } else { validity };
                let window = Window::new(0, 0, width, height);
                let samples = pixels::read_image(overview, None, window, colors, validity)?;
                let (image, _) =
                    pixels::paint(&samples, window, colors, validity, self.lines()?, &self.table);
                return Ok(Some(image));
            }
        }
        let [width, height] = self.size();
        if !fits([width, height]) {
            return Ok(None);
        }
        Ok(Some(self.read(Window::new(0, 0, width, height))?.image))
    }

    /// Reads a window as the bands that the scene was opened with. `values` chooses values as measured, or levels from
    /// 0 to 255 by the stretch.
    ///
    /// # Errors
    /// The errors of [`Scene::read`].
    pub fn read_bands(&self, window: Window, values: BandValues) -> Result<SceneBands> {
        let share = |valid: usize| valid as f64 / (window.width * window.height).max(1) as f64;
        match &self.pixels {
            Pixels::Tiff { tiff, colors, validity, .. } => {
                let lines = if values == BandValues::Levels { self.lines()? } else { None };
                let samples = pixels::read(tiff, window, colors, validity)?;
                let (image, valid) = band_values::values(&samples, window, colors, validity, lines, values);
                Ok(SceneBands { image, valid: share(valid) })
            }
            Pixels::Decoded(image) => {
                let SceneWindow { image, valid } = image.read(window)?;
                let RgbImage { width, height, data } = image;
                let data = data.into_iter().map(f32::from).collect();
                Ok(SceneBands { image: BandImage { width, height, bands: 3, data }, valid })
            }
        }
    }

    /// Returns the stretch by which values become bytes: `none` if values stay as they are, else `range([...], [...])`
    /// with the values of each color or band that become 0 and 255. If the stretch depends on the scene's values, all
    /// pixels may be read to find it.
    ///
    /// # Errors
    /// The errors of [`Scene::read`].
    pub fn stretch(&self) -> Result<String> {
        Ok(self.lines()?.map_or_else(|| "none".into(), Lines::words))
    }

    fn lines(&self) -> Result<Option<&Lines>> {
        if self.stretch.is_some() && self.lines.get().is_none() {
            Survey::of(self, &[], &|_| {}, &|| false)?;
        }
        Ok(self.lines.get())
    }

    /// Returns the cell with the ends of the stretch, to share with another opening of the scene.
    pub(crate) fn lines_cell(&self) -> LinesCell {
        self.lines.clone()
    }

    /// Shares the ends of the stretch with another opening of the scene.
    pub(crate) fn with_lines(self, lines: LinesCell) -> Self {
        Self { lines, table: Arc::default(), ..self }
    }

    /// Tells whether the scene is an image that was decoded whole.
    pub(crate) fn is_decoded(&self) -> bool {
        matches!(self.pixels, Pixels::Decoded(_))
    }

    fn tiff(&self) -> Option<&Tiff> {
        match &self.pixels {
            Pixels::Tiff { tiff, .. } => Some(tiff),
            Pixels::Decoded(_) => None,
        }
    }

    /// Returns the tags that tell where the scene lies, or `None` if it is no TIFF file.
    pub(crate) fn geo_tags(&self) -> Option<&GeoTags> {
        match &self.pixels {
            Pixels::Tiff { tags, .. } => Some(tags),
            Pixels::Decoded(_) => None,
        }
    }

    fn crs_error(&self, problem: CrsProblem) -> Error {
        Error::Crs { path: self.path.clone(), problem }
    }
}

/// The default stretch. It clips the darkest and the brightest 2 percent of a band's values, so that outliers do not
/// decide the contrast.
const DEFAULT_STRETCH: Stretch = Stretch::Percentile(2.0, 98.0);

/// Returns the coordinate system of a scene whose own has the given problem: that of a .prj if the own is missing, else
/// the one of the options.
fn chosen_crs(
    path: &Path,
    problem: CrsProblem,
    options: &SceneOptions,
    notices: &mut Vec<SceneNotice>,
) -> Result<Crs> {
    let problem = match problem {
        CrsProblem::Missing => match beside::crs(path)? {
            Some(Ok(crs)) => return Ok(crs),
            Some(Err(problem)) => problem,
            None => CrsProblem::Missing,
        },
        problem => problem,
    };
    match &options.crs {
        Some(given) => {
            if problem != CrsProblem::Missing {
                notices.push(SceneNotice::GivenCrs(problem.to_string()));
            }
            Ok(given.clone())
        }
        None => Err(Error::Crs { path: path.into(), problem }),
    }
}

/// Returns a path as an address if it begins with `http://` or `https://`.
pub(crate) fn address(path: &Path) -> Option<&str> {
    path.to_str().filter(|path| path.starts_with("http://") || path.starts_with("https://"))
}

/// Opens a file on a server. Returns `None` if the path is no address.
#[cfg(feature = "remote")]
fn on_server(path: &Path, cache: Arc<BlockCache>) -> Result<Option<Tiff>> {
    let Some(address) = address(path) else { return Ok(None) };
    let failed = |source| rscir_images::Error::Io { path: path.into(), source };
    let file = crate::HttpFile::open(address).map_err(failed)?;
    Ok(Some(Tiff::new(Arc::new(file), cache)?))
}

#[cfg(not(feature = "remote"))]
fn on_server(path: &Path, _: Arc<BlockCache>) -> Result<Option<Tiff>> {
    match address(path) {
        Some(address) => Err(Error::OnServer { address: address.into() }),
        None => Ok(None),
    }
}

/// Tells whether a file begins as TIFF or BigTIFF does, whatever its name.
fn is_tiff(path: &Path) -> Result<bool> {
    let file = RegularFile::open(path)?;
    let mut start = [0; 4];
    if file.size() < 4 {
        return Ok(false);
    }
    let failed = |source| rscir_images::Error::Io { path: path.into(), source };
    file.read_at(0, &mut start).map_err(failed)?;
    Ok(matches!(&start, b"II*\0" | b"MM\0*" | b"II+\0" | b"MM\0+"))
}
