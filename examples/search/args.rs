//! What can be asked for.

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

/// Ask an archive with images, texts and liked tiles, and print the best tiles.
///
/// One image or one text alone ranks by the similarity to it, several parts by WeiCom, whose weights are found from the
/// archive. Archive and model default to the demo's, whose archive is made on the first run. No model is needed to ask an
/// archive with its own tiles.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage.")]
#[command(group(ArgGroup::new("picture").args(["image", "key", "at", "query_vectors"])))]
#[command(group(ArgGroup::new("words").args(["text", "query_vectors"])))]
pub(crate) struct Cli {
    /// The archive, or a feature file [default: the demo's, in target/demo.rscir]
    #[arg(long, value_name = "DIR.rscir")]
    pub archive: Option<PathBuf>,
    #[command(flatten)]
    pub model: ModelArgs,
    /// The query image; given again, tiles must be like each. A window of it may follow its name:
    /// scene.tif#xywh=512,256,256,256
    #[arg(long, value_name = "FILE")]
    pub image: Vec<PathBuf>,
    /// The key of a tile of the archive, in place of an image; the tile itself is left out of the answer
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Vectors that were made elsewhere, in place of image and text, so that no model is needed: {"query": [[0.1, ...], [0.2,
    /// ...]]}, the first as the image, the second as the text; one alone is the image, and null leaves one out
    #[arg(long, value_name = "FILE.json", conflicts_with = "without")]
    pub query_vectors: Option<PathBuf>,
    /// What the file of `--query-vectors` holds.
    #[arg(skip)]
    pub vectors: OnceLock<QueryVectors>,
    /// The part of the image that is meant, in pixels
    #[arg(long, value_name = "X,Y,WIDTH,HEIGHT", requires = "image", value_parser = window)]
    pub window: Option<[usize; 4]>,
    /// How the wanted images differ from it; without an image, what they show. Given again, tiles must fit each
    #[arg(long, value_parser = usage::query_text)]
    pub text: Vec<String>,
    /// What the wanted images should not show
    #[arg(long, value_name = "TEXT", value_parser = usage::query_text)]
    pub without: Vec<String>,
    /// A tile of the archive that was liked: more like this
    #[arg(long, value_name = "KEY")]
    pub like: Vec<String>,
    /// A tile of the archive that was not liked: less like this
    #[arg(long, value_name = "KEY")]
    pub unlike: Vec<String>,
    /// weicom:auto, weicom:0.6, conjunction, posterior:k=auto or another that needs nothing beside the archive
    /// [default: image or text with one part, weicom:auto with more]
    #[arg(long)]
    pub method: Option<MethodSpec>,
    /// Weight of the text beside the image: 0 asks with the image alone, 1 with the text alone [default: found from the
    /// archive by weicom:auto, 0.5 for others]
    #[arg(long, value_parser = common::lambda, requires_all = ["picture", "words"])]
    pub lambda: Option<f64>,
    /// Mean text feature of a vocabulary, for --method posterior; the program `vocabulary_mean` makes one [default: the
    /// demo's for the demo's model]
    #[arg(long, value_name = "FILE.json")]
    pub vocabulary: Option<PathBuf>,
    /// A tile that does not define what is like the image, although it is near, for --method posterior
    #[arg(long, value_name = "KEY")]
    pub not_near: Vec<String>,
    /// Only tiles whose columns hold this, such as "label = harbor and cloud < 0.2"
    #[arg(long = "where", value_name = "FILTER")]
    pub filter: Option<Where>,
    /// How many tiles
    #[arg(long, default_value_t = 10)]
    pub top: usize,
    /// Print JSON: rank, row, key, score, the cosine similarities to image and text, what each part of the query contributes,
    /// and the columns
    #[arg(long)]
    pub json: bool,
    /// Write the answer as one HTML page with pictures, similarities and columns
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Where the scenes or images of the archive are, for pictures of its tiles [default: where it had them from]
    #[arg(long, value_name = "DIR")]
    pub scenes: Option<PathBuf>,
    #[command(flatten)]
    pub places: PlaceArgs,
}

/// What is wrong with a weight for a method that takes none.
const NO_LAMBDA: &str = "--lambda weighs texts for weicom, conjunction and posterior alone";

/// A filter, with its words for the page.
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

    /// Ends the program with a usage error if the options make no query together.
    pub(crate) fn check(&self) {
        let has_picture = !self.image.is_empty()
            || self.key.is_some()
            || self.places.at.is_some()
            || self.query_vectors.is_some();
        if !has_picture && self.text.is_empty() && self.like.is_empty() {
            usage::refuse::<Self>(
                "nothing to ask with: give <--image <FILE>|--key <KEY>|--text <TEXT>>, or --like <KEY> for a tile that was liked",
            );
        }
        if self.window.is_some() && self.image.len() != 1 {
            usage::refuse::<Self>("--window cuts one image: give one --image");
        }
        // How many vectors a file holds is not known yet.
        if self.lambda.is_some() && self.query_vectors.is_none() && self.with_lambda(self.chosen()).is_none()
        {
            usage::refuse::<Self>(NO_LAMBDA);
        }
        if !self.not_near.is_empty() && !matches!(self.method, Some(MethodSpec::Posterior(_))) {
            usage::refuse::<Self>("--not-near is of --method posterior");
        }
    }

    /// Where the files of an archive are.
    pub(crate) fn folders(&self, opened: &Opened) -> Vec<PathBuf> {
        self.scenes.clone().map_or_else(|| opened.roots.clone(), |folder| vec![folder])
    }

    /// Tiles that were judged.
    pub(crate) fn judged(&self) -> impl Iterator<Item = &String> {
        self.like.iter().chain(&self.unlike)
    }

    /// True if a text is to be encoded.
    pub(crate) fn encodes_texts(&self) -> bool {
        !self.text.is_empty() || !self.without.is_empty()
    }

    /// True if a text is asked with.
    pub(crate) fn has_texts(&self) -> bool {
        self.texts() > 0
    }

    /// The method, with its lambda and what it leaves out.
    pub(crate) fn method_spec(&self) -> MethodSpec {
        let chosen = self.chosen();
        let mut spec = self.with_lambda(chosen.clone()).unwrap_or(chosen);
        if let MethodSpec::Posterior(config) = &mut spec {
            config.leave_out.clone_from(&self.not_near);
        }
        spec
    }

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

    /// The method with `--lambda`; none if it takes none, itself without the option.
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

    fn images(&self) -> usize {
        let of_file = self.vectors.get().is_some_and(|vectors| vectors.image.is_some());
        let own =
            usize::from(self.key.is_some()) + usize::from(self.places.at.is_some()) + usize::from(of_file);
        self.image.len() + own + self.like.len() + self.unlike.len()
    }

    fn texts(&self) -> usize {
        let of_file = self.vectors.get().is_some_and(|vectors| vectors.text.is_some());
        self.text.len() + self.without.len() + usize::from(of_file)
    }
}

/// Parses a window.
fn window(text: &str) -> Result<[usize; 4], String> {
    let numbers: Result<Vec<usize>, _> = text.split(',').map(|number| number.trim().parse()).collect();
    match numbers.as_deref() {
        Ok(&[x, y, width, height]) if width > 0 && height > 0 => Ok([x, y, width, height]),
        _ => Err("not four numbers X,Y,WIDTH,HEIGHT in pixels, of which the last two are above 0".into()),
    }
}
