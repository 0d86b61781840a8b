//! The options of the program.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::OnceLock;

use clap::{ArgGroup, Parser};
use rscir::index::Filter;
use rscir::prelude::*;
use rscir::weicom::{Conjunction, WeiComByParts};

use crate::common::model::ModelArgs;
use crate::common::{self, usage};
use crate::opened::Opened;
use crate::place_args::PlaceArgs;
use crate::query_vectors::QueryVectors;
use crate::spark::SparkArgs;

/// Search an archive with images, texts and liked tiles, and print the best tiles.
///
/// A query of one image or one text ranks by the similarity to it. A query of several parts ranks by WeiCom, with
/// weights that are found from the archive. Without --archive the demo's archive is searched, which is made on the
/// first run. Without --model the model is the one that the archive records, if the registry has it, or else the
/// demo's. A query of the archive's own tiles needs no model.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage.")]
#[command(group(ArgGroup::new("picture").args(["image", "key", "at", "query_vectors"])))]
#[command(group(ArgGroup::new("words").args(["text", "query_vectors"])))]
pub(crate) struct Cli {
    /// Archive or feature file to search [default: the demo's archive, target/demo.rscir]
    #[arg(long, value_name = "DIR.rscir")]
    pub archive: Option<PathBuf>,
    #[command(flatten)]
    pub model: ModelArgs,
    /// Query image; if it is given again, tiles must be like each. A window of the image may follow its name, such
    /// as scene.tif#xywh=512,256,256,256
    #[arg(long, value_name = "FILE")]
    pub image: Vec<PathBuf>,
    /// Key of a tile of the archive to use in place of an image; the tile itself is left out of the answer
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Vectors that were made elsewhere, to use in place of image and text without a model: {"query": [[0.1, ...],
    /// [0.2, ...]]}. The first is the image's and the second the text's; null leaves one out
    #[arg(long, value_name = "FILE.json", conflicts_with = "without")]
    pub query_vectors: Option<PathBuf>,
    /// What the file of `--query-vectors` holds.
    #[arg(skip)]
    pub vectors: OnceLock<QueryVectors>,
    /// Part of the image to use, in pixels [default: the whole image]
    #[arg(long, value_name = "X,Y,WIDTH,HEIGHT", requires = "image", value_parser = window)]
    pub window: Option<[usize; 4]>,
    /// How wanted tiles differ from the image, or what they show if there is no image; if it is given again, tiles
    /// must fit each
    #[arg(long, value_parser = usage::query_text)]
    pub text: Vec<String>,
    /// What wanted tiles should not show
    #[arg(long, value_name = "TEXT", value_parser = usage::query_text)]
    pub without: Vec<String>,
    /// Key of a tile of the archive that you like, for more tiles like it
    #[arg(long, value_name = "KEY")]
    pub like: Vec<String>,
    /// Key of a tile of the archive that you do not like, for fewer tiles like it
    #[arg(long, value_name = "KEY")]
    pub unlike: Vec<String>,
    /// Method that ranks tiles: weicom:auto, weicom:0.6, conjunction, posterior:k=auto or another that needs
    /// nothing beside the archive [default: image or text for a query of one part, weicom:auto for others]
    #[arg(long)]
    pub method: Option<MethodSpec>,
    /// Weight of the text, from 0 (image alone) to 1 (text alone) [default: weicom:auto finds it from the archive;
    /// 0.5 for other methods]
    #[arg(long, value_parser = common::lambda, requires_all = ["picture", "words"])]
    pub lambda: Option<f64>,
    /// Mean text feature of a vocabulary for --method posterior, which the program `vocabulary_mean` writes
    /// [default: the demo's for the demo's model, none for others]
    #[arg(long, value_name = "FILE.json")]
    pub vocabulary: Option<PathBuf>,
    /// Key of a tile that is near the image and not like it, so that --method posterior leaves it out of the tiles
    /// that define the image
    #[arg(long, value_name = "KEY")]
    pub not_near: Vec<String>,
    /// Filter that tiles must match by their columns, such as "label = harbor and cloud < 0.2"
    #[arg(long = "where", value_name = "FILTER")]
    pub filter: Option<Where>,
    /// Largest number of tiles in the answer
    #[arg(long, default_value_t = 10)]
    pub top: usize,
    /// Print JSON: rank, row, key, score, the cosine similarities to image and text, what each part of the query
    /// contributes, and the columns
    #[arg(long)]
    pub json: bool,
    /// HTML page to write, with the answer, its pictures, similarities and columns
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Folder with the archive's scenes or images, for pictures of its tiles [default: the folders that the archive
    /// records]
    #[arg(long, value_name = "DIR")]
    pub scenes: Option<PathBuf>,
    #[command(flatten)]
    pub engine: SparkArgs,
    #[command(flatten)]
    pub places: PlaceArgs,
}

/// Message about a lambda for a method that takes none.
const NO_LAMBDA: &str = "--lambda weighs texts for weicom, conjunction and posterior alone";

/// A filter, and its text for the page.
#[derive(Debug, Clone)]
pub(crate) struct Where {
    pub words: String,
    pub filter: Filter,
}

impl FromStr for Where {
    type Err = <Filter as FromStr>::Err;

    fn from_str(words: &str) -> Result<Self, Self::Err> {
        Ok(Self { words: words.into(), filter: words.parse()? })
    }
}

impl Cli {
    /// Reads the file of `--query-vectors`, if it is given.
    pub(crate) fn read_query_vectors(&self) -> anyhow::Result<()> {
        let Some(path) = &self.query_vectors else { return Ok(()) };
        let read = QueryVectors::read(path)?;
        let has_both = read.image.is_some() && read.text.is_some();
        self.vectors.get_or_init(|| read);
        if self.lambda.is_some() && !has_both {
            usage::refuse::<Self>("--lambda weighs the second vector beside the first: there is one alone");
        }
        if self.lambda.is_some() && self.with_lambda(self.chosen()).is_none() {
            usage::refuse::<Self>(NO_LAMBDA);
        }
        Ok(())
    }

    /// Ends the program with a usage error if the options together make no query.
    pub(crate) fn check(&self) {
        let has_picture = !self.image.is_empty()
            || self.key.is_some()
            || self.places.at.is_some()
            || self.query_vectors.is_some();
        if !has_picture && self.text.is_empty() && self.like.is_empty() {
            usage::refuse::<Self>(
                "there is no query: give <--image <FILE>|--key <KEY>|--text <TEXT>>, or --like <KEY> for a tile that you like",
            );
        }
        if self.window.is_some() && self.image.len() != 1 {
            usage::refuse::<Self>("--window cuts one image: give one --image");
        }
        // The file of --query-vectors is read later, so its number of vectors is not known yet.
        if self.lambda.is_some() && self.query_vectors.is_none() && self.with_lambda(self.chosen()).is_none()
        {
            usage::refuse::<Self>(NO_LAMBDA);
        }
        if !self.not_near.is_empty() && !matches!(self.method, Some(MethodSpec::Posterior(_))) {
            usage::refuse::<Self>("--not-near is for --method posterior alone");
        }
    }

    /// Returns the folders in which the files of an archive are.
    pub(crate) fn folders(&self, opened: &Opened) -> Vec<PathBuf> {
        self.scenes.clone().map_or_else(|| opened.roots.clone(), |folder| vec![folder])
    }

    /// Returns the keys of the tiles that were judged.
    pub(crate) fn judged(&self) -> impl Iterator<Item = &String> {
        self.like.iter().chain(&self.unlike)
    }

    /// Tells whether a text has to be encoded.
    pub(crate) fn encodes_texts(&self) -> bool {
        !self.text.is_empty() || !self.without.is_empty()
    }

    /// Tells whether the query has a text.
    pub(crate) fn has_texts(&self) -> bool {
        self.texts() > 0
    }

    /// Returns the method, with its lambda and the tiles that it leaves out.
    pub(crate) fn method_spec(&self) -> MethodSpec {
        let chosen = self.chosen();
        let mut spec = self.with_lambda(chosen.clone()).unwrap_or(chosen);
        if let MethodSpec::Posterior(config) = &mut spec {
            config.leave_out.clone_from(&self.not_near);
        }
        spec
    }

    /// Returns the method that is named, or the default for the parts of the query.
    fn chosen(&self) -> MethodSpec {
        if let Some(method) = &self.method {
            return method.clone();
        }
        match (self.images(), self.texts()) {
            (1, 0) => MethodSpec::Image,
            (0, 1) => MethodSpec::Text,
            _ => MethodSpec::WeiComByParts(WeiComByParts::auto()),
        }
    }

    /// Returns a method with the weight of `--lambda`, or as it is without the option. Returns `None` if the method
    /// takes no weight.
    fn with_lambda(&self, spec: MethodSpec) -> Option<MethodSpec> {
        let Some(lambda) = self.lambda else { return Some(spec) };
        Some(match spec {
            MethodSpec::WeiComByParts(_) if self.images() == 1 && self.texts() == 1 => {
                MethodSpec::WeiCom(WeiCom::new(lambda).ok()?)
            }
            MethodSpec::WeiComByParts(_) => MethodSpec::WeiComByParts(WeiComByParts::new(lambda).ok()?),
            MethodSpec::WeiCom(weicom) => {
                MethodSpec::WeiCom(WeiCom::new(lambda).ok()?.with_normalization(weicom.normalization()))
            }
            MethodSpec::Conjunction(_) => MethodSpec::Conjunction(Conjunction::new(lambda).ok()?),
            MethodSpec::Posterior(mut config) => {
                config.lambda = lambda;
                MethodSpec::Posterior(config)
            }
            _ => return None,
        })
    }

    /// Counts the images and tiles of the query.
    fn images(&self) -> usize {
        let of_file = self.vectors.get().is_some_and(|vectors| vectors.image.is_some());
        let own =
            usize::from(self.key.is_some()) + usize::from(self.places.at.is_some()) + usize::from(of_file);
        self.image.len() + own + self.like.len() + self.unlike.len()
    }

    /// Counts the texts of the query.
    fn texts(&self) -> usize {
        let of_file = self.vectors.get().is_some_and(|vectors| vectors.text.is_some());
        self.text.len() + self.without.len() + usize::from(of_file)
    }
}

/// Parses a window for clap.
fn window(text: &str) -> Result<[usize; 4], String> {
    let numbers: Result<Vec<usize>, _> = text.split(',').map(|number| number.trim().parse()).collect();
    match numbers.as_deref() {
        Ok(&[x, y, width, height]) if width > 0 && height > 0 => Ok([x, y, width, height]),
        _ => {
            Err("a window is four numbers X,Y,WIDTH,HEIGHT in pixels, of which the last two are above 0"
                .into())
        }
    }
}
