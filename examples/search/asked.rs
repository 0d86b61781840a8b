//! Makes the query of the options.

use anyhow::Context;
use rscir::core::Error as CoreError;
use rscir::prelude::*;

use crate::args::Cli;
use crate::common::out::note;
use crate::common::{notes, text};
use crate::query_image::QueryImage;

/// A query, and the names of its parts.
pub(crate) struct Asked {
    pub query: ComposedQuery,
    /// Names of the images, then of the texts, in the order of [`ComposedQuery::parts`].
    pub names: Vec<String>,
}

impl Asked {
    /// Encodes the parts of the query. Tiles that were judged count as images: each as a part of its own if the
    /// method ranks `by_parts`, and otherwise together as `2 mean(liked) - mean(disliked)`.
    pub(crate) fn new(
        cli: &Cli,
        archive: &dyn Archive,
        images: &[QueryImage],
        encoder: Option<&ClipEncoder>,
        by_parts: bool,
    ) -> anyhow::Result<Self> {
        if let Some(encoder) = encoder {
            archive.spec().check(encoder.spec()).context("the model is not the archive's")?;
            say_other_model(archive.spec(), encoder.spec());
        }
        let mut asked = Self { query: ComposedQuery::new(archive.spec().clone()), names: Vec::new() };
        asked.images(cli, images, encoder)?;
        let vectors = cli.vectors.get();
        if let Some((vectors, image)) = vectors.and_then(|vectors| Some((vectors, vectors.image.clone()?))) {
            asked.add_image(image, 1.0, format!("like the first vector of {}", vectors.name))?;
        }
        asked.tiles(cli, archive, by_parts)?;
        if let Some((vectors, text)) = vectors.and_then(|vectors| Some((vectors, vectors.text.clone()?))) {
            asked.query = asked.query.clone().and_text(text, 1.0)?;
            asked.names.push(format!("the second vector of {}", vectors.name));
        }
        if let Some(encoder) = encoder {
            asked.texts(cli, encoder)?;
        }
        Ok(asked)
    }

    /// Adds the images.
    fn images(
        &mut self,
        cli: &Cli,
        images: &[QueryImage],
        encoder: Option<&ClipEncoder>,
    ) -> anyhow::Result<()> {
        for (image, encoder) in images.iter().flat_map(|image| encoder.map(|encoder| (image, encoder))) {
            let vector = image.vector(encoder)?;
            self.add_image(vector, 1.0, format!("like {}", image.name))?;
        }
        let files = cli.image.iter().zip(images).filter(|(_, image)| image.is_whole);
        for (path, encoder) in files.flat_map(|(path, _)| encoder.map(|encoder| (path, encoder))) {
            notes::say_odd_query(path, encoder);
        }
        Ok(())
    }

    /// Adds the tile of `--key`, which the query records, and the tiles that were judged.
    fn tiles(&mut self, cli: &Cli, archive: &dyn Archive, by_parts: bool) -> anyhow::Result<()> {
        let vector = |key: &str| archive.unit_vector(key).context("the tile of the query has no vector");
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

    /// Encodes and adds the texts.
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

    /// Adds a vector as an image under a name.
    fn add_image(&mut self, vector: UnitVector, weight: f32, name: String) -> anyhow::Result<()> {
        self.query = self.query.clone().and_image(vector, weight).map_err(|error| match error {
            CoreError::ZeroRow { .. } => anyhow::Error::from(error)
                .context(format!("{name}: this part and those before it cancel each other; leave one out")),
            error => error.into(),
        })?;
        self.names.push(name);
        Ok(())
    }
}

/// Warns if only the name of the archive's model is known, and the query's model has another name.
fn say_other_model(archive: &EncoderSpec, query: &EncoderSpec) {
    if let (true, Some(of_archive), Some(of_query)) = (archive.is_unknown(), &archive.model, &query.model)
        && of_archive != of_query
    {
        note!(
            "warning: the archive's vectors are of {}, as their file says, and the query's are of {}: they can be compared only if \
             these are two names of one model",
            text::shown(of_archive),
            text::shown(of_query)
        );
    }
}

/// Checks that the archive has the tiles that the options name.
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
