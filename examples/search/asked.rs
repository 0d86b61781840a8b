//! The query that the options make.

use std::path::Path;

use anyhow::Context;
use rscir::core::RgbView;
use rscir::images::decode_file;
use rscir::prelude::*;

use crate::args::Cli;
use crate::common::{notes, text};

/// A query, and what its parts are called.
pub(crate) struct Asked {
    pub query: ComposedQuery,
    /// Of the images, then of the texts, as [`ComposedQuery::parts`] has them.
    pub names: Vec<String>,
}

impl Asked {
    /// Encodes what is asked with. Tiles that were judged count as images: by themselves under a method that takes each part by
    /// itself, or else together as `2 mean(liked) - mean(disliked)`.
    pub(crate) fn new(
        cli: &Cli,
        archive: &dyn Archive,
        encoder: Option<&ClipEncoder>,
        by_parts: bool,
    ) -> anyhow::Result<Self> {
        if let Some(encoder) = encoder {
            archive.spec().check(encoder.spec()).context("the model is not the archive's")?;
        }
        let mut asked = Self { query: ComposedQuery::new(archive.spec().clone()), names: Vec::new() };
        asked.images(cli, encoder)?;
        asked.tiles(cli, archive, by_parts)?;
        if let Some(encoder) = encoder {
            asked.texts(cli, encoder)?;
        }
        Ok(asked)
    }

    fn images(&mut self, cli: &Cli, encoder: Option<&ClipEncoder>) -> anyhow::Result<()> {
        for (path, encoder) in cli.image.iter().flat_map(|path| encoder.map(|encoder| (path, encoder))) {
            let name = path.file_name().unwrap_or(path.as_os_str()).display();
            self.add_image(image(path, cli.window, encoder)?, 1.0, format!("like {name}"))?;
            notes::say_odd_query(path, encoder);
        }
        Ok(())
    }

    /// The tile that is asked with, which knows its key, and tiles that were judged.
    fn tiles(&mut self, cli: &Cli, archive: &dyn Archive, by_parts: bool) -> anyhow::Result<()> {
        let vector =
            |key: &str| archive.unit_vector(key).context("the tile that is asked with has no vector");
        if let Some(key) = &cli.key {
            self.add_image(vector(key)?, 1.0, format!("like {key}"))?;
            self.query = self.query.clone().with_image_key(key);
        }
        let (liked, disliked) = if by_parts {
            (1.0, -1.0)
        } else {
            (2.0 / cli.like.len() as f32, -1.0 / cli.unlike.len() as f32)
        };
        for (keys, weight, word) in [(&cli.like, liked, "like"), (&cli.unlike, disliked, "unlike")] {
            for key in keys {
                self.add_image(vector(key)?, weight, format!("{word} {key}"))?;
            }
        }
        Ok(())
    }

    fn texts(&mut self, cli: &Cli, encoder: &ClipEncoder) -> anyhow::Result<()> {
        let texts: Vec<&str> = cli.text.iter().chain(&cli.without).map(String::as_str).collect();
        let vectors = encoder.encode_texts(&texts)?;
        for (i, text) in texts.iter().enumerate() {
            let (weight, name) =
                if i < cli.text.len() { (1.0, (*text).into()) } else { (-1.0, format!("without {text}")) };
            self.query = self.query.clone().and_text(vectors.vector(i), weight)?;
            self.names.push(name);
        }
        if !cli.text.is_empty() {
            self.query = self.query.clone().with_words(cli.text.join(", "));
        }
        Ok(())
    }

    fn add_image(&mut self, vector: UnitVector, weight: f32, name: String) -> anyhow::Result<()> {
        self.query = self.query.clone().and_image(vector, weight)?;
        self.names.push(name);
        Ok(())
    }
}

/// Checks that the archive has the tiles that options name.
pub(crate) fn check_keys(cli: &Cli, archive: &dyn Archive) -> anyhow::Result<()> {
    let options = [("--like", &cli.like), ("--unlike", &cli.unlike), ("--not-near", &cli.not_near)];
    let keys = options.iter().flat_map(|(option, keys)| keys.iter().map(move |key| (*option, key)));
    for (option, key) in cli.key.iter().map(|key| ("--key", key)).chain(keys) {
        if archive.find(key).is_none() {
            let first = archive.keys().next();
            let example = first.map_or(String::new(), |key| format!("; its first is {}", text::shown(key)));
            anyhow::bail!("{option} {}: the archive has no such key{example}", text::shown(key));
        }
    }
    Ok(())
}

/// The vector of an image file, or of a window of it.
fn image(path: &Path, window: Option<[usize; 4]>, encoder: &ClipEncoder) -> anyhow::Result<UnitVector> {
    let image = decode_file(path, encoder.decoding(), encoder.limits())?;
    let Some([x, y, width, height]) = window else {
        let view = RgbView::new(image.width, image.height, &image.data)?;
        return Ok(encoder.encode_image(view)?.vector(0));
    };
    let inside =
        |from: usize, length: usize, whole: usize| from.checked_add(length).is_some_and(|end| end <= whole);
    anyhow::ensure!(
        inside(x, width, image.width) && inside(y, height, image.height),
        "--window {x},{y},{width},{height} does not lie within {}, which has {} x {} pixels",
        path.display(),
        image.width,
        image.height
    );
    let rows = image.data.chunks_exact(3 * image.width).skip(y).take(height);
    let cut: Vec<u8> = rows.flat_map(|row| row[3 * x..3 * (x + width)].iter().copied()).collect();
    Ok(encoder.encode_image(RgbView::new(width, height, &cut)?)?.vector(0))
}
