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

/// The next number of an image. Numbers tell images apart in caches.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// An image of a TIFF file: the scene, an overview, or a mask. Bands are counted from 0.
#[derive(Debug, Clone)]
pub struct TiffImage {
    file: Arc<Shared>,
    parts: Arc<Parts>,
}

/// The parts that all images of a file share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) source: Arc<dyn ReadAt>,
    pub(super) path: Option<Box<Path>>,
    pub(super) cache: Arc<BlockCache>,
}

/// The description of an image by its directory.
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
        // A text that is no number declares no value.
        let no_data =
            directory.text(source, tag::NO_DATA, SHORT_TEXT)?.and_then(|text| text.trim().parse().ok());
        let subfile = directory.value(source, tag::SUBFILE_TYPE, 0)?;
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        Ok(Self { number, directory, layout, places, subfile, photometric, extra, no_data })
    }

    /// Returns the window of the whole image.
    pub(crate) fn whole(&self) -> Window {
        Window::new(0, 0, self.layout.width, self.layout.height)
    }

    /// Returns how many strips or tiles the file lists, and how many the image has.
    pub(crate) fn places(&self) -> (u64, u64) {
        let planes = if self.layout.planar { self.layout.bands } else { 1 };
        let down = self.layout.height.div_ceil(self.layout.stored_rows);
        (self.places.len(), (self.layout.across() as u64 * down as u64).saturating_mul(planes as u64))
    }

    /// Tells whether a strip or tile was left out of the file (GDAL's SPARSE_OK).
    pub(crate) fn is_sparse(&self, source: &dyn ReadAt) -> Result<bool, ImageProblem> {
        let (there, wanted) = self.places();
        for number in 0..there.min(wanted) {
            if self.places.get(source, number)?.is_sparse() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads bands of a window. `put` copies the samples of a block into the window. Samples of blocks that the file
    /// leaves out are `missing`.
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
        // The first block is decoded before memory is allocated for the window, so that a file with wrong sizes fails
        // early.
        let decode = |block: Block| -> Result<(Block, Arc<Samples>), ImageProblem> {
            let samples = cache.get((self.number, block.number), || {
                // An empty list stands for a block that the file leaves out.
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

    /// Returns the number of bands, including extra samples such as an alpha.
    pub fn bands(&self) -> usize {
        self.parts.layout.bands
    }

    /// Returns the type of all samples.
    pub fn sample_type(&self) -> SampleType {
        self.parts.layout.sample_type()
    }

    /// Returns the meaning of the first bands.
    ///
    /// Samples of [`Photometric::YCbCr`] with JPEG compression are converted, unless each band is stored by itself:
    /// windows have red, green and blue.
    pub fn photometric(&self) -> Photometric {
        self.parts.photometric
    }

    /// Returns the meaning of the bands beyond those of the color, as far as the file tells.
    pub fn extra_samples(&self) -> &[ExtraSample] {
        &self.parts.extra
    }

    /// Returns the band of the first extra sample that is an alpha, or `None` if none is.
    pub fn alpha_band(&self) -> Option<usize> {
        let extra = &self.parts.extra;
        let alpha = extra.iter().position(|sample| *sample != ExtraSample::Unspecified)?;
        (self.bands() + alpha).checked_sub(extra.len())
    }

    /// Returns the value that stands for no measurement in all bands (GDAL_NODATA, tag 42113), or `None` if the file
    /// declares none. It may be NaN.
    pub fn no_data(&self) -> Option<f64> {
        self.parts.no_data
    }

    /// Returns width and height in pixels of the parts in which the image is read: a tile, a strip, or a part of an
    /// uncompressed strip. Windows that follow their grid are read fastest.
    pub fn block_size(&self) -> [usize; 2] {
        self.parts.layout.block
    }

    /// Returns the bytes of memory that decoding one strip or tile takes.
    ///
    /// A single strip may hold a whole scene. A caller with a limit of memory should compare before it reads.
    pub fn block_memory(&self) -> u64 {
        self.parts.layout.block_memory()
    }

    /// Reads the tags that tell where the image lies on the Earth.
    ///
    /// # Errors
    /// [`Error::Image`] with the path, or [`Error::Pixels`] if the image has no path, if the values of a tag do not lie
    /// in the file.
    pub fn geo_tags(&self) -> Result<GeoTags> {
        self.named(GeoTags::read(&*self.file.source, &self.parts.directory))
    }

    /// Reads the text of the tag DateTime, which should be `YYYY:MM:DD HH:MM:SS`. Returns `None` if the file does not
    /// have the tag, or it is not UTF-8.
    ///
    /// # Errors
    /// The errors of [`geo_tags`](Self::geo_tags).
    pub fn date_time(&self) -> Result<Option<String>> {
        self.text(tag::DATE_TIME, SHORT_TEXT)
    }

    /// Reads GDAL's metadata, names and values as XML (tag 42112). Returns `None` if the file has none, or it is not
    /// UTF-8.
    ///
    /// # Errors
    /// The errors of [`geo_tags`](Self::geo_tags).
    pub fn gdal_metadata(&self) -> Result<Option<String>> {
        self.text(tag::GDAL_METADATA, LONG_TEXT)
    }

    /// Reads the palette: for each value, red, green and blue of 16 bits. Returns `None` if the image has none.
    ///
    /// # Errors
    /// The errors of [`geo_tags`](Self::geo_tags).
    pub fn palette(&self) -> Result<Option<Vec<[u16; 3]>>> {
        let map = self.named(self.parts.directory.values(&*self.file.source, tag::COLOR_MAP))?;
        let colors = |map: Vec<u64>| {
            let entries = map.len() / 3;
            let value = |at: usize| map.get(at).map_or(0, |value| *value as u16);
            (0..entries).map(|entry| [0, 1, 2].map(|channel| value(channel * entries + entry))).collect()
        };
        Ok(map.map(colors))
    }

    /// Reads bands of a window. The samples are `[row][column][band]`, with the bands in the order of `bands`, which
    /// may have a band several times.
    ///
    /// Only the strips and tiles that the window touches are read, except those in the cache. Samples are those of the
    /// file: a palette is not looked up, and white may be 0. Samples that a sparse file leaves out have the no-data
    /// value, or 0 if there is none.
    ///
    /// Memory is that of the samples, of the cache and of one strip or tile, and does not grow with the image. Several
    /// threads may read windows of one image at once.
    ///
    /// # Errors
    /// [`Error::Image`] with the path, or [`Error::Pixels`] if the image has no path, with one of these problems:
    /// [`ImageProblem::Window`] if the window does not lie in the image, [`ImageProblem::NoBand`] if the image does not
    /// have a band, [`ImageProblem::Block`] if a strip or tile that the window touches is damaged,
    /// [`ImageProblem::Source`] if the source fails.
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

    /// Adds the path of the file to an error, if there is one.
    fn named<T>(&self, result: Result<T, ImageProblem>) -> Result<T> {
        result.map_err(|problem| named(problem, self.file.path.as_deref()))
    }
}

/// Makes an error of a problem, with the path of the file if there is one.
pub(super) fn named(problem: ImageProblem, path: Option<&Path>) -> Error {
    let error = Error::from(problem);
    match path {
        Some(path) => Error::Image { path: path.into(), source: Box::new(error) },
        None => error,
    }
}
