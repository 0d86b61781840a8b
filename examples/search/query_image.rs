//! An image that is asked with: a file, a window of one, or a place.

use std::path::Path;

use rscir::core::files::open_regular;
use rscir::core::{Decoding, RgbImage};
use rscir::images::{DecodeLimits, decode_file};
use rscir::page::Ring;
use rscir::prelude::*;

use crate::places;

pub(crate) struct QueryImage {
    /// What it is called on a page.
    pub(crate) name: String,
    pub(crate) image: RgbImage,
    /// Where it lies, if that is known.
    pub(crate) rings: Vec<Ring>,
    /// True if it is a file as it is, not a part of one.
    pub(crate) is_whole: bool,
}

impl QueryImage {
    /// Reads an image file, or a window of it: the given one, or that which follows its name, as `scene.tif#xywh=512,256,256,256`.
    pub(crate) fn read(
        path: &Path,
        window: Option<[usize; 4]>,
        decoding: &Decoding,
        archive: Option<&dyn Archive>,
    ) -> anyhow::Result<Self> {
        // A file may have such a name itself.
        let names_window = path.to_string_lossy().contains("#xywh=") && !path.exists();
        if names_window && window.is_none() {
            let (file, window) = places::split_window(path)?;
            return Self::read(&file, Some(window), decoding, archive);
        }
        open_regular(path)?;
        let name = path.file_name().unwrap_or(path.as_os_str()).display().to_string();
        let Some(window) = window else {
            let image = decode_file(path, decoding, &DecodeLimits::default())?;
            return Ok(Self { name, image, rings: Vec::new(), is_whole: true });
        };
        let [x, y, width, height] = window;
        let name = format!("{name}#xywh={x},{y},{width},{height}");
        if let Some((image, rings)) = places::scene_window(path, window, archive)? {
            return Ok(Self { name, image, rings, is_whole: false });
        }
        let image = decode_file(path, decoding, &DecodeLimits::default())?;
        Ok(Self { name, image: cut(&image, window, path)?, rings: Vec::new(), is_whole: false })
    }
}

fn cut(image: &RgbImage, [x, y, width, height]: [usize; 4], path: &Path) -> anyhow::Result<RgbImage> {
    let inside =
        |from: usize, length: usize, whole: usize| from.checked_add(length).is_some_and(|end| end <= whole);
    anyhow::ensure!(
        inside(x, width, image.width) && inside(y, height, image.height),
        "the window {x},{y},{width},{height} does not lie within {}, which has {} x {} pixels",
        path.display(),
        image.width,
        image.height
    );
    let rows = image.data.chunks_exact(3 * image.width).skip(y).take(height);
    let data = rows.flat_map(|row| row[3 * x..3 * (x + width)].iter().copied()).collect();
    Ok(RgbImage { width, height, data })
}
