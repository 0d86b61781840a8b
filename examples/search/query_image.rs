//! Reads an image of a query: a file, a window of one, or the window at a place.

use std::path::{Path, PathBuf};

use rscir::core::files::open_regular;
use rscir::core::{BandImage, Channels, Decoding, RgbImage};
use rscir::images::decode_bands_file;
use rscir::page::Ring;
use rscir::prelude::*;

use crate::common::decode::{needs_bands, to_look_at};
use crate::places;

/// An image of a query.
pub(crate) struct QueryImage {
    /// Name of the image on a page.
    pub(crate) name: String,
    /// Colors of the image, or those of some of its bands; an error if the image has bands and none were chosen as
    /// colors.
    pub(crate) colors: anyhow::Result<RgbImage>,
    /// Bands of the image, for a model of bands.
    pub(crate) bands: Bands,
    /// Place of the image; empty if it is unknown.
    pub(crate) rings: Vec<Ring>,
    /// `true` if the image is a whole file, and not a window of one.
    pub(crate) is_whole: bool,
}

/// A function that reads an image of bands for a model.
pub(crate) type Bands = Box<dyn Fn(&ClipEncoder) -> anyhow::Result<BandImage>>;

impl QueryImage {
    /// Reads an image file, or a window of it: `window`, or the one that follows the name, such as
    /// `scene.tif#xywh=512,256,256,256`.
    pub(crate) fn read(
        path: &Path,
        window: Option<[usize; 4]>,
        decoding: &Decoding,
        archive: Option<&dyn Archive>,
    ) -> anyhow::Result<Self> {
        // A file whose own name has this form is read as a whole.
        let names_window = path.to_string_lossy().contains("#xywh=") && !path.exists();
        if names_window && window.is_none() {
            let (file, window) = places::split_window(path)?;
            return Self::read(&file, Some(window), decoding, archive);
        }
        open_regular(path)?;
        let name = path.file_name().unwrap_or(path.as_os_str()).display().to_string();
        let Some(window) = window else {
            let (colors, bands) = (colors(path, decoding)?, bands(path.into(), None));
            return Ok(Self { name, colors, bands, rings: Vec::new(), is_whole: true });
        };
        let [x, y, width, height] = window;
        let name = format!("{name}#xywh={x},{y},{width},{height}");
        if let Some((image, rings, bands)) = places::scene_window(path, window, archive)? {
            return Ok(Self { name, colors: Ok(image), bands, rings, is_whole: false });
        }
        let colors = match colors(path, decoding)? {
            Ok(RgbImage { width, height, data }) => {
                let data = cut(&data, [width, height], 3, window, path)?;
                Ok(RgbImage { width: window[2], height: window[3], data })
            }
            Err(error) => Err(error),
        };
        let bands = bands(path.into(), Some(window));
        Ok(Self { name, colors, bands, rings: Vec::new(), is_whole: false })
    }

    /// Encodes the image.
    pub(crate) fn vector(&self, encoder: &ClipEncoder) -> anyhow::Result<UnitVector> {
        if encoder.channels() != Channels::Rgb {
            return Ok(encoder.encode_band_image((self.bands)(encoder)?.view()?)?.vector(0));
        }
        match &self.colors {
            Ok(colors) => Ok(encoder.encode_image(colors.view()?)?.vector(0)),
            Err(error) => anyhow::bail!("{error:#}"),
        }
    }
}

/// Reads the colors of a file. The inner result is an error if the file is of bands, which matters only to a model
/// of colors.
fn colors(path: &Path, decoding: &Decoding) -> anyhow::Result<anyhow::Result<RgbImage>> {
    match to_look_at(path, decoding) {
        Err(error) if !needs_bands(&error) => Err(error.into()),
        colors => Ok(colors.map_err(Into::into)),
    }
}

/// Makes a function that reads the bands of a file, or of a window of it.
fn bands(path: PathBuf, window: Option<[usize; 4]>) -> Bands {
    Box::new(move |encoder| {
        let image = decode_bands_file(&path, encoder.decoding(), encoder.limits(), encoder.channels())?;
        let Some(window) = window else { return Ok(image) };
        let data = cut(&image.data, [image.width, image.height], image.bands, window, &path)?;
        Ok(BandImage { width: window[2], height: window[3], bands: image.bands, data })
    })
}

/// Cuts the values of a window out of an image with `channels` values for each pixel.
fn cut<T: Copy>(
    data: &[T],
    [all_width, all_height]: [usize; 2],
    channels: usize,
    [x, y, width, height]: [usize; 4],
    path: &Path,
) -> anyhow::Result<Vec<T>> {
    let inside =
        |from: usize, length: usize, whole: usize| from.checked_add(length).is_some_and(|end| end <= whole);
    anyhow::ensure!(
        inside(x, width, all_width) && inside(y, height, all_height),
        "the window {x},{y},{width},{height} does not lie within {}, which has {all_width} x {all_height} pixels",
        path.display(),
    );
    let rows = data.chunks_exact(channels * all_width).skip(y).take(height);
    Ok(rows.flat_map(|row| row[channels * x..channels * (x + width)].iter().copied()).collect())
}
