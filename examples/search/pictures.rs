//! Makes pictures of an archive's rows, from the files that they were encoded from.

use std::path::{Component, Path, PathBuf};

use anyhow::Context;
use rscir::core::{Decoding, RgbImage};
use rscir::page::{Backdrop, Picture};
use rscir::prelude::*;

use crate::common::decode::{needs_bands, to_look_at};
use crate::common::out::note;
use crate::common::text::shown;
use crate::places::Scenes;

/// Finds the files of an archive's rows, and makes pictures of them.
pub(crate) struct Pictures<'a> {
    archive: &'a dyn Archive,
    folders: Vec<PathBuf>,
    scenes: Scenes<'a>,
    /// Number of rows without a picture.
    lacking: usize,
    /// First key without a picture, and the reason.
    first: Option<(String, anyhow::Error)>,
}

impl<'a> Pictures<'a> {
    /// Makes pictures of files in some folders, which are decoded as the archive's rows were.
    pub(crate) fn new(archive: &'a dyn Archive, folders: Vec<PathBuf>) -> Self {
        let scenes = Scenes::new(archive, folders.clone());
        Self { archive, folders, scenes, lacking: 0, first: None }
    }

    /// Returns the picture of a row. Returns `None` if there is none, which [`Pictures::say_lacking`] reports.
    pub(crate) fn of_row(&mut self, key: &str) -> Option<Picture> {
        match self.read(key).and_then(|image| picture(&image)) {
            Ok(picture) => Some(picture),
            Err(error) => {
                self.lacking += 1;
                self.first.get_or_insert_with(|| (key.into(), error));
                None
            }
        }
    }

    /// Returns the scenes of some tiles, to be drawn below a map.
    pub(crate) fn backdrops(&mut self, keys: &[&str]) -> Vec<Backdrop> {
        self.scenes.backdrops(keys)
    }

    /// Reads the pixels of a row.
    fn read(&mut self, key: &str) -> anyhow::Result<RgbImage> {
        let file = self.file(key);
        match (file, self.archive.find(key).and_then(|_| self.scenes.tile(key))) {
            (Ok(file), _) => {
                match to_look_at(&file, &self.archive.spec().decoding) {
                    // The model took all bands and none was chosen, so the first ones are shown.
                    Err(error) if needs_bands(&error) => {
                        Ok(to_look_at(&file, &Decoding::default().bands([0, 1, 2, 3]))?)
                    }
                    shown => Ok(shown?),
                }
            }
            (Err(_), Some(tile)) => tile.context("--scenes DIR says where the scenes are"),
            (Err(error), None) => Err(error),
        }
    }

    /// Finds the file that a key names in one of the folders.
    fn file(&self, key: &str) -> anyhow::Result<PathBuf> {
        // An archive may come from anyone, and a key that leads out of its folder would show another file of this
        // machine.
        let is_below = Path::new(key).components().all(|part| matches!(part, Component::Normal(_)));
        anyhow::ensure!(is_below, "the key leads out of the archive's folder");
        let mut paths = self.folders.iter().map(|folder| folder.join(key));
        let first =
            paths.next().context("the archive records no folder of its files: name one with --scenes DIR")?;
        if first.is_file() {
            return Ok(first);
        }
        let missing = || format!("there is no {}: --scenes DIR says where the files are", first.display());
        paths.find(|path| path.is_file()).with_context(missing)
    }

    /// Says how many rows have no picture, and why the first has none.
    pub(crate) fn say_lacking(&self) {
        if let Some((key, error)) = &self.first {
            note!(
                "{} tiles have no picture on the page, such as {}: {}",
                self.lacking,
                shown(key),
                shown(format!("{error:#}"))
            );
        }
    }
}

/// Makes the picture of an image.
pub(crate) fn picture(image: &RgbImage) -> anyhow::Result<Picture> {
    Ok(Picture::new(image.view()?)?)
}
