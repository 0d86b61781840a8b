use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rscir_jpeg::Library;

use super::block::Block;
use super::cache::BlockCache;
use super::directory::{Directory, LONG_TEXT, SHORT_TEXT};
use super::layout::Layout;
use super::places::Places;
use super::samples::{Sample, SampleFormat, SampleType, Samples};
use super::tags::{ExtraSample, GeoTags, Photometric};
use super::window::Window;
use super::{ReadAt, tag};
use crate::{Error, ImageProblem, Result};

/// Tells images apart in caches.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// One image of a file: the scene, a smaller copy of it, or a mask.
///
/// Bands are counted from 0.
#[derive(Debug, Clone)]
pub struct TiffImage {
    file: Arc<Shared>,
    parts: Arc<Parts>,
}

/// What the images of a file share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) source: Arc<dyn ReadAt>,
    pub(super) path: Option<Box<Path>>,
    pub(super) cache: Arc<BlockCache>,
}

/// What a directory tells of an image.
#[derive(Debug)]
pub(crate) struct Parts {
    number: u64,
    pub(crate) directory: Directory,
    pub(crate) layout: Layout,
    places: Places,
    pub(super) subfile: u64,
    pub(crate) photometric: Photometric,
    pub(crate) extra: Vec<ExtraSample>,
    pub(crate) no_data: Option<f64>,
}

impl Parts {
    pub(super) fn of(
        source: &dyn ReadAt,
        directory: Directory,
        library: Library,
    ) -> Result<Self, ImageProblem> {
        let layout = Layout::of(source, &directory, library)?;
        let places = Places::of(source, &directory, layout.tiled)?;
        let photometric = Photometric::of(directory.value(source, tag::PHOTOMETRIC, 1)?);
        let extra = directory.values(source, tag::EXTRA_SAMPLES)?.unwrap_or_default();
        let extra = extra.into_iter().take(layout.bands).map(ExtraSample::of).collect();
        // A text that is no number declares none.
        let no_data =
            directory.text(source, tag::NO_DATA, SHORT_TEXT)?.and_then(|text| text.trim().parse().ok());
        let subfile = directory.value(source, tag::SUBFILE_TYPE, 0)?;
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        Ok(Self { number, directory, layout, places, subfile, photometric, extra, no_data })
    }

    /// The window of the whole image.
    pub(crate) fn whole(&self) -> Window {
        Window::new(0, 0, self.layout.width, self.layout.height)
    }

    /// The number of strips or tiles that have a place, and of those that belong to the image, as the file cuts it.
    pub(crate) fn places(&self) -> (u64, u64) {
        let planes = if self.layout.planar { self.layout.bands } else { 1 };
        let down = self.layout.height.div_ceil(self.layout.stored_rows);
        (self.places.len(), (self.layout.across() as u64 * down as u64).saturating_mul(planes as u64))
    }

    /// True if some strip or tile is not in the file at all (GDAL's SPARSE_OK).
    pub(crate) fn is_sparse(&self, source: &dyn ReadAt) -> Result<bool, ImageProblem> {
        let (there, wanted) = self.places();
        for number in 0..there.min(wanted) {
            if self.places.get(source, number)?.is_sparse() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads a window's bands: `put` copies what it takes of a block. What is not in the file stays `missing`.
    pub(crate) fn read<T: Copy>(
        &self,
        source: &dyn ReadAt,
        cache: &BlockCache,
        window: Window,
        bands: &[usize],
        missing: T,
        put: impl Fn(Block, &Samples, &mut [T]),
    ) -> Result<Vec<T>, ImageProblem> {
        window.check(self.layout.width, self.layout.height)?;
        if let Some(band) = bands.iter().copied().find(|band| *band >= self.layout.bands) {
            return Err(ImageProblem::NoBand { band, bands: self.layout.bands });
        }
        let missing_blocks =
            window.blocks(&self.layout, bands).filter(|block| !cache.has((self.number, block.number)));
        source.announce(
            &mut missing_blocks.filter_map(|block| block.range(source, &self.layout, &self.places)),
        );
        // A file that promises more than it has is found out here, before room is made for what is asked.
        let decode = |block: Block| -> Result<(Block, Arc<Samples>), ImageProblem> {
            let samples = cache.get((self.number, block.number), || {
                // An empty list stands for what is not in the file.
                Ok(block.read(source, &self.layout, &self.places)?.unwrap_or(Samples::U8(Vec::new())))
            })?;
            Ok((block, samples))
        };
        let mut blocks = window.blocks(&self.layout, bands).map(decode);
        let first = blocks.next().transpose()?;
        let sides = [window.width, window.height, bands.len()];
        let mut out = Vec::new();
        match sides.into_iter().try_fold(1_usize, usize::checked_mul) {
            Some(length) if out.try_reserve_exact(length).is_ok() => out.resize(length, missing),
            _ => {
                let bytes =
                    sides.iter().fold(size_of::<T>() as u64, |n, side| n.saturating_mul(*side as u64));
                return Err(ImageProblem::TooManyBytes { bytes, limit: isize::MAX as u64 });
            }
        }
        for block in first.map(Ok).into_iter().chain(blocks) {
            let (block, samples) = block?;
            if !samples.is_empty() {
                put(block, &samples, &mut out);
            }
        }
        Ok(out)
    }

    fn window<S: Sample>(
        &self,
        file: &Shared,
        window: Window,
        bands: &[usize],
    ) -> Result<Samples, ImageProblem> {
        let missing = S::nearest(self.no_data.unwrap_or(0.0));
        let put = |block: Block, samples: &Samples, out: &mut [S]| {
            if let Some(list) = S::list(samples) {
                window.take(&self.layout, block, list, bands, out, |value| value);
            }
        };
        self.read(&*file.source, &file.cache, window, bands, missing, put).map(S::wrap)
    }
}

impl TiffImage {
    pub(super) fn new(file: Arc<Shared>, parts: Parts) -> Self {
        Self { file, parts: Arc::new(parts) }
    }

    pub(super) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Returns the number of columns.
    pub fn width(&self) -> usize {
        self.parts.layout.width
    }

    /// Returns the number of rows.
    pub fn height(&self) -> usize {
        self.parts.layout.height
    }

    /// Returns the number of bands, extra samples such as an alpha included.
    pub fn bands(&self) -> usize {
        self.parts.layout.bands
    }

    /// Returns the type of all samples.
    pub fn sample_type(&self) -> SampleType {
        self.parts.layout.sample_type()
    }

    /// Returns what the first bands are.
    ///
    /// Windows of [`Photometric::YCbCr`] with JPEG compression are red, green and blue.
    pub fn photometric(&self) -> Photometric {
        self.parts.photometric
    }

    /// Returns what the bands beyond those of the color are, as far as the file tells.
    pub fn extra_samples(&self) -> &[ExtraSample] {
        &self.parts.extra
    }

    /// Returns the band that is an alpha: the first extra sample that is one.
    pub fn alpha_band(&self) -> Option<usize> {
        let extra = &self.parts.extra;
        let alpha = extra.iter().position(|sample| *sample != ExtraSample::Unspecified)?;
        (self.bands() + alpha).checked_sub(extra.len())
    }

    /// Returns the value that stands for no measurement, in all bands (GDAL_NODATA, tag 42113). It may be NaN.
    pub fn no_data(&self) -> Option<f64> {
        self.parts.no_data
    }

    /// Returns the width and height of strips or tiles, which are read as a whole: windows that follow their grid take the
    /// least time.
    pub fn block_size(&self) -> [usize; 2] {
        self.parts.layout.block
    }

    /// Returns the bytes of memory that decoding one strip or tile takes.
    ///
    /// A strip may be a whole scene: a caller that has a limit compares this with it before it reads.
    pub fn block_memory(&self) -> u64 {
        self.parts.layout.block_memory()
    }

    /// Reads the tags that say where the image lies on the Earth.
    ///
    /// # Errors
    /// [`Error::Pixels`], with the path [`Error::Image`], for tags whose values do not lie in the file.
    pub fn geo_tags(&self) -> Result<GeoTags> {
        self.named(GeoTags::read(&*self.file.source, &self.parts.directory))
    }

    /// Reads the text of the tag DateTime: by the standard `YYYY:MM:DD HH:MM:SS`.
    ///
    /// # Errors
    /// As [`geo_tags`](Self::geo_tags).
    pub fn date_time(&self) -> Result<Option<String>> {
        self.text(tag::DATE_TIME, SHORT_TEXT)
    }

    /// Reads the XML in which GDAL keeps names and values (tag 42112).
    ///
    /// # Errors
    /// As [`geo_tags`](Self::geo_tags).
    pub fn gdal_metadata(&self) -> Result<Option<String>> {
        self.text(tag::GDAL_METADATA, LONG_TEXT)
    }

    /// Reads the colors of the values of a palette, each red, green and blue of 16 bits; `None` without one.
    ///
    /// # Errors
    /// As [`geo_tags`](Self::geo_tags).
    pub fn palette(&self) -> Result<Option<Vec<[u16; 3]>>> {
        let map = self.named(self.parts.directory.values(&*self.file.source, tag::COLOR_MAP))?;
        let colors = |map: Vec<u64>| {
            let entries = map.len() / 3;
            let value = |at: usize| map.get(at).map_or(0, |value| *value as u16);
            (0..entries).map(|entry| [0, 1, 2].map(|channel| value(channel * entries + entry))).collect()
        };
        Ok(map.map(colors))
    }

    /// Reads bands of a window: `[row][column][band]`, in the order of `bands`, which may repeat.
    ///
    /// Only the strips and tiles are read that the window touches, and of those that the cache has none. Values are those
    /// of the file: a palette is not looked up, white may be 0. What a sparse file leaves out is the value that stands for
    /// no measurement, or 0.
    ///
    /// Memory is that of the samples, of the cache and of one strip or tile; it does not grow with the image. Several
    /// threads may read windows of one image at once.
    ///
    /// # Errors
    /// [`Error::Pixels`], with the path [`Error::Image`]: [`ImageProblem::Window`] and [`ImageProblem::NoBand`] for what the
    /// image does not have; [`ImageProblem::Block`] for a damaged strip or tile, which other windows do not need;
    /// [`ImageProblem::Source`] where the source fails.
    pub fn read_window(&self, window: Window, bands: &[usize]) -> Result<Samples> {
        let (parts, file) = (&*self.parts, &*self.file);
        let SampleType { format, bits } = self.sample_type();
        self.named(match (format, bits) {
            (SampleFormat::Float, ..=32) => parts.window::<f32>(file, window, bands),
            (SampleFormat::Float, _) => parts.window::<f64>(file, window, bands),
            (SampleFormat::Unsigned, ..=8) => parts.window::<u8>(file, window, bands),
            (SampleFormat::Unsigned, ..=16) => parts.window::<u16>(file, window, bands),
            (SampleFormat::Unsigned, ..=32) => parts.window::<u32>(file, window, bands),
            (SampleFormat::Unsigned, _) => parts.window::<u64>(file, window, bands),
            (SampleFormat::Signed, ..=8) => parts.window::<i8>(file, window, bands),
            (SampleFormat::Signed, ..=16) => parts.window::<i16>(file, window, bands),
            (SampleFormat::Signed, ..=32) => parts.window::<i32>(file, window, bands),
            (SampleFormat::Signed, _) => parts.window::<i64>(file, window, bands),
        })
    }

    fn text(&self, tag: u16, most: u64) -> Result<Option<String>> {
        self.named(self.parts.directory.text(&*self.file.source, tag, most))
    }

    /// Names the file, where there is one.
    fn named<T>(&self, result: Result<T, ImageProblem>) -> Result<T> {
        result.map_err(|problem| named(problem, self.file.path.as_deref()))
    }
}

/// An error with the path of the file that it is about, where there is one.
pub(super) fn named(problem: ImageProblem, path: Option<&Path>) -> Error {
    let error = Error::from(problem);
    match path {
        Some(path) => Error::Image { path: path.into(), source: Box::new(error) },
        None => error,
    }
}
