//! Encodes images into an archive, and texts into a feature file.

mod common;
#[path = "extract_features/scenes.rs"]
mod scenes;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use common::bars::Bars;
use common::model::ModelArgs;
use common::out::note;
use common::{Outcome, check, demo, text, usage};
use rscir::core::ColumnTable;
use rscir::core::files::{self, read_text};
#[cfg(feature = "geo")]
use rscir::core::{Channels, Decoding};
use rscir::encoders::{ChangeDetection, ClipEncoder, Failure};
use rscir::index::KeyKind;
use rscir::prelude::*;
use scenes::SceneArgs;

/// Encode images into an archive, and texts into a feature file.
///
/// Run again, the program continues where it was cut off, and encodes images that are new or have changed. An image
/// that cannot be read or decoded is reported and left out, and the exit code is then 3.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 done but some images failed.")]
struct Cli {
    /// Folder of a dataset: patternnet.csv and the images, which are encoded in its order [default: the demo's]
    #[arg(long, value_name = "DIR", conflicts_with = "images")]
    dataset: Option<PathBuf>,
    /// Folder whose images are encoded, with those in folders below it, in the order of their keys; a key is the
    /// path within the folder
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Tar files in the form of WebDataset, whose images are encoded without unpacking; a key is SHARD.tar#MEMBER,
    /// and .json, .txt and .cls files become columns
    #[arg(long, value_name = "FILE.tar", num_args = 1.., conflicts_with_all = ["dataset", "images", "prune", "replace"])]
    tar: Vec<PathBuf>,
    #[command(flatten)]
    scenes: SceneArgs,
    /// Encode only one shard of the images, such as 2/4, the second of four; each image is in one of 1/4 to 4/4,
    /// whatever other images there are. `merge_archives` merges the archives of all shards
    #[arg(long, value_name = "I/N", requires = "archive")]
    shard: Option<Shard>,
    #[command(flatten)]
    model: ModelArgs,
    /// Archive to write, or to continue [default: target/demo.rscir for the demo]
    #[arg(long, value_name = "DIR.rscir")]
    archive: Option<PathBuf>,
    /// Also write the features to a file: .safetensors, .npy, or .pkl in the form of the reference
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Table of columns that are stored beside the vectors, joined by key: .csv, or .parquet [needs the feature
    /// `tables`]
    #[arg(long, value_name = "FILE")]
    columns: Option<PathBuf>,
    /// Column of --columns that holds the keys of the images
    #[arg(long, value_name = "NAME", default_value = "key", requires = "columns")]
    key_column: String,
    /// File of texts to encode, one on each line
    #[arg(long, value_name = "FILE", requires = "export_texts")]
    texts: Option<PathBuf>,
    /// Feature file to write for the texts: .safetensors, .npy or .pkl
    #[arg(long, value_name = "FILE", requires = "texts")]
    export_texts: Option<PathBuf>,
    /// How a file is seen to have changed since it was encoded: by its size and time, or by its content
    #[arg(long, value_enum, default_value_t = Check::Time)]
    check: Check,
    /// Also replace rows of --archive that are of files in another folder
    #[arg(long, requires = "archive")]
    replace: bool,
    /// Delete rows of --archive whose file is gone, and tiles of these scenes of another size or overlap
    #[arg(long, requires = "archive")]
    prune: bool,
    /// Largest number of failed images, after which the program gives up [default: any number]
    #[arg(long, value_name = "N")]
    max_failures: Option<usize>,
    /// Also write each failed image to a file, as a line of JSON
    #[arg(long, value_name = "FILE")]
    failures: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Check {
    /// By its size and time of change
    Time,
    /// By its content, which is sure, and reads every file
    Content,
}

impl From<Check> for ChangeDetection {
    fn from(check: Check) -> Self {
        match check {
            Check::Time => Self::SizeAndTime,
            Check::Content => Self::Content,
        }
    }
}

/// Most bytes of a file of texts: those of a million captions of a thousand letters.
const LONGEST_TEXTS: u64 = 1 << 30;

/// Most texts of a file. Their vectors are in memory until they are written, and take 3 GB at a width of 768.
const MAX_TEXTS: usize = 1_000_000;

fn main() -> ExitCode {
    common::main(run)
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    if cli.scenes.is_given() {
        check_scenes(cli);
    } else if let Some(decode) = cli.scenes.as_decode() {
        usage::refuse::<Cli>(&format!(
            "--bands and --stretch are for scenes: images have --decode {decode:?}"
        ));
    }
    cli.model.check()?;
    check_outputs(cli)?;
    if cli.scenes.is_given() {
        return encode_scenes(cli);
    }
    let texts = cli.texts.as_deref().map(read_texts).transpose()?;
    let images = if is_texts_alone(cli) { None } else { Some(list(cli)?) };
    let columns = images.as_ref().map_or(Ok(None), |images| columns(cli, &images.keys()))?;
    let encoder = cli.model.load()?;
    if let (Some(texts), Some(export)) = (texts, &cli.export_texts) {
        encode_texts(&encoder, texts, export)?;
    }
    match images {
        Some(images) => encode_images(cli, &encoder, images.decoded_for(&encoder), columns.as_ref()),
        None => Ok(Outcome::Done),
    }
}

/// Checks, before anything is encoded, that the outputs can be written.
fn check_outputs(cli: &Cli) -> anyhow::Result<()> {
    check::distinct(&[
        cli.archive.as_ref(),
        cli.export.as_ref(),
        cli.export_texts.as_ref(),
        cli.failures.as_ref(),
    ])?;
    anyhow::ensure!(
        !is_from_memory(cli) || cli.export.is_some() || is_texts_alone(cli),
        "say where the features go: --archive DIR.rscir, or --export FILE"
    );
    cli.archive.as_deref().map_or(Ok(()), check::archive)?;
    check::features(cli.export.as_deref())?;
    check::features(cli.export_texts.as_deref())?;
    check::file(cli.failures.as_deref())
}

/// Ends the program with a usage error if options make no sense beside scenes, or if the program is built without
/// scenes.
fn check_scenes(cli: &Cli) {
    let beside = [
        ("--images", cli.images.is_some()),
        ("--tar", !cli.tar.is_empty()),
        ("--dataset", cli.dataset.is_some()),
        ("--columns", cli.columns.is_some()),
        ("--texts", cli.texts.is_some()),
        ("--export", cli.export.is_some()),
        ("--replace", cli.replace),
    ];
    if let Some((option, _)) = beside.iter().find(|(_, is_given)| *is_given) {
        usage::refuse::<Cli>(&format!("{option} is for images, and scenes are given: leave one of them out"));
    }
    if cli.model.decode.is_some() {
        usage::refuse::<Cli>("--decode is for images: scenes have --bands and --stretch");
    }
    if let Err(problem) = scenes::check(&cli.scenes) {
        usage::refuse::<Cli>(&problem);
    }
}

/// Encodes the tiles of scenes.
#[cfg(feature = "geo")]
fn encode_scenes(cli: &Cli) -> anyhow::Result<Outcome> {
    let bars = Bars::default();
    let mut failures = FailureLog::open(cli.failures.as_deref(), &bars)?;
    let stop = common::stop_on_interrupt()?;
    // Scenes of more than three bands are opened after the model is loaded, because the model decides how their
    // values are read. Other scenes are opened before, so that a mistake is reported at once.
    let of_bands = cli.scenes.more_than_colors().map(|bands| Decoding::default().bands(bands));
    let encoder = of_bands.map(|decoding| cli.model.load_for(decoding)).transpose()?;
    let channels = encoder.as_ref().map(|encoder| encoder.channels());
    let tiles = scenes::open(&cli.scenes, channels, cli.check.into(), &bars, stop, &mut failures)?;
    let encoder = encoder.map_or_else(|| cli.model.load(), Ok)?;
    anyhow::ensure!(
        channels.is_some() || encoder.channels() == Channels::Rgb,
        "the model takes {}: choose them, as --bands 2,3,4,5",
        encoder.channels()
    );
    let roots = tiles.roots();
    let archive = cli.archive.as_deref().context("say where the tiles go: --archive DIR.rscir")?;
    let mut options = IngestOptions::default()
        .batch(cli.model.batch.into())
        .prune(cli.prune)
        .roots(&roots)
        .progress(&bars)
        .stop(stop);
    (options.max_failures, options.shard) = (cli.max_failures, cli.shard);
    let ingested = rscir::ingest_source(&tiles, &encoder, archive, &options, &mut |f| failures.add(&f))
        .with_context(|| format!("ingest into {}", archive.display()))?;
    say_ingested(archive, &ingested);
    anyhow::ensure!(!ingested.report.stopped, "stopped: run the same command again to go on");
    failures.finish()
}

/// Stands in for the function of a program with scenes. It is never called, because [`check_scenes`] ends the
/// program.
#[cfg(not(feature = "geo"))]
fn encode_scenes(_: &Cli) -> anyhow::Result<Outcome> {
    anyhow::bail!("scenes need the feature `geo`")
}

/// Tells whether only texts are encoded, and no images.
fn is_texts_alone(cli: &Cli) -> bool {
    let names_images = [&cli.dataset, &cli.images, &cli.archive, &cli.export, &cli.columns]
        .iter()
        .any(|path| path.is_some());
    cli.texts.is_some() && !names_images
}

/// Tells whether features are kept in memory and exported, without an archive. Only the demo has a default archive.
fn is_from_memory(cli: &Cli) -> bool {
    cli.archive.is_none()
        && (cli.dataset.is_some() || cli.images.is_some() || !cli.tar.is_empty() || !cli.model.is_demo())
}

/// The images that are encoded.
enum Images {
    /// Files of a folder, and their labels if they are of a dataset.
    Files(ImageList, Option<Vec<String>>),
    /// Images in tar files.
    Tar(TarShards),
}

impl Images {
    fn keys(&self) -> Cow<'_, [String]> {
        match self {
            Self::Files(list, _) => list.keys().into(),
            Self::Tar(shards) => (0..shards.len()).map(|item| shards.key(item).into_owned()).collect(),
        }
    }

    fn labels(&self) -> Option<&[String]> {
        match self {
            Self::Files(_, labels) => labels.as_deref(),
            Self::Tar(_) => None,
        }
    }

    /// Sets the members of shards to be decoded as the encoder decodes files.
    fn decoded_for(self, encoder: &ClipEncoder) -> Self {
        match self {
            Self::Tar(shards) => {
                Self::Tar(shards.decoding(encoder.decoding().clone()).limits(*encoder.limits()))
            }
            files @ Self::Files(..) => files,
        }
    }
}

/// Encodes images into an archive, or into a file of features.
fn encode_images(
    cli: &Cli,
    encoder: &ClipEncoder,
    images: Images,
    columns: Option<&KeyedColumns>,
) -> anyhow::Result<Outcome> {
    let bars = Bars::default();
    let mut failures = FailureLog::open(cli.failures.as_deref(), &bars)?;
    let mut options = IngestOptions::default()
        .batch(cli.model.batch.into())
        .changes(cli.check.into())
        .prune(cli.prune)
        // Rows of another folder are replaced in the demo's archive, because the demo's folder may be a copy.
        .replace(cli.replace || cli.archive.is_none())
        .progress(&bars)
        .stop(common::stop_on_interrupt()?);
    (options.max_failures, options.shard) = (cli.max_failures, cli.shard);
    options.columns = columns.map(|columns| columns as &dyn ColumnTable);
    if is_from_memory(cli) {
        return export_from_memory(cli, encoder, &images, &options, failures);
    }
    let archive = cli.archive.clone().unwrap_or_else(demo::archive_path);
    // All programs share the demo's archive, so this one waits until no other writes it.
    let _turn = if cli.archive.is_none() { Some(demo::take_turn()?) } else { None };
    let on_failure = &mut |failure| failures.add(&failure);
    let ingested = match &images {
        Images::Files(list, _) => rscir::ingest_with(list, encoder, &archive, &options, on_failure),
        Images::Tar(shards) => rscir::ingest_source(shards, encoder, &archive, &options, on_failure),
    };
    let ingested =
        ingested.map_err(with_advice).with_context(|| format!("ingest into {}", archive.display()))?;
    say_ingested(&archive, &ingested);
    let (stored, report) = (ingested.archive, ingested.report);
    if report.stopped {
        anyhow::bail!("stopped: run the same command again to go on");
    }
    if let Some(path) = &cli.export {
        export(&stored, &images, path)?;
    }
    failures.finish()
}

/// Says what an ingest has done, and what it noticed.
fn say_ingested(archive: &Path, ingested: &rscir::Ingested) {
    let (stored, report) = (&ingested.archive, &ingested.report);
    if let Some(shard) = stored.shard() {
        note!("shard {shard}");
    }
    note!(
        "{}: {} rows; {} encoded, {} unchanged, {} failed",
        text::shown(archive.display()),
        stored.len(),
        report.encoded,
        report.unchanged,
        report.failed
    );
    common::notes::say_columns(report);
    common::notes::say_odd(report);
    common::notes::say_gone(report);
    common::notes::say_roots(stored);
    if let Err(error) = &ingested.compaction {
        note!(
            "not compacted, all rows are safe: {}; `compact` does it once there is room",
            text::shown(error)
        );
    }
}

/// Adds to an error what to type about it.
fn with_advice(error: rscir::Error) -> anyhow::Error {
    match error {
        rscir::Error::Images(other @ rscir::images::Error::OtherRoot { .. }) => {
            anyhow::anyhow!("{other}. Nothing was encoded; --replace replaces the rows")
        }
        other => other.into(),
    }
}

/// Lists the images that the options name.
fn list(cli: &Cli) -> anyhow::Result<Images> {
    if !cli.tar.is_empty() {
        let shards = TarShards::open(&cli.tar)?.changes(cli.check.into());
        common::notes::say_omissions(&shards.left_out());
        anyhow::ensure!(!shards.is_empty(), "there is no image that can be read in {}", cli.tar[0].display());
        return Ok(Images::Tar(shards));
    }
    if let Some(folder) = &cli.images {
        let images = ImageList::collect(folder)?;
        common::notes::say_left_out(&images);
        anyhow::ensure!(
            !images.is_empty() || !images.unlisted().is_empty(),
            "there is no image that can be read in {} or in a folder below it",
            folder.display()
        );
        return Ok(Images::Files(images, None));
    }
    let folder = cli.dataset.clone().map_or_else(|| demo::path("benchmark"), Ok)?;
    let tiles = PatternCom::read_tiles(&folder)?;
    let (keys, labels) = tiles.into_iter().map(|tile| (tile.path, tile.label)).unzip();
    let images = ImageList::new(folder, keys);
    check::some_exist(&images)?;
    Ok(Images::Files(images, Some(labels)))
}

/// Reads the columns that are stored beside the vectors, and checks that they are of these images.
fn columns(cli: &Cli, images: &[String]) -> anyhow::Result<Option<KeyedColumns>> {
    let Some(file) = &cli.columns else { return Ok(None) };
    let table = KeyedColumns::read(file, &cli.key_column)
        .with_context(|| format!("cannot take columns from {}", file.display()))?;
    let known: HashSet<&str> = images.iter().map(String::as_str).collect();
    let (Some(image), Some(key)) = (images.first(), table.keys().first()) else {
        return Ok(Some(table));
    };
    anyhow::ensure!(
        table.keys().iter().any(|key| known.contains(key.as_str())),
        "none of the keys in the column {:?} of {} is that of an image: one is {key:?}, and that of an image is {image:?}; \
         --key-column names another column",
        cli.key_column,
        file.display()
    );
    Ok(Some(table))
}

/// Reads the lines of a file of texts.
fn read_texts(file: &Path) -> anyhow::Result<Vec<String>> {
    let content = read_text(file, LONGEST_TEXTS)?;
    // The lines are counted before each of them takes memory of its own.
    let count = content.lines().count();
    anyhow::ensure!(count > 0, "{} holds no text", file.display());
    anyhow::ensure!(
        count <= MAX_TEXTS,
        "{} holds {count} texts, at most {MAX_TEXTS} are encoded at a time: split the file",
        file.display()
    );
    Ok(content.lines().map(String::from).collect())
}

/// Encodes texts into a feature file.
fn encode_texts(encoder: &ClipEncoder, texts: Vec<String>, export: &Path) -> anyhow::Result<()> {
    let lines: Vec<&str> = texts.iter().map(String::as_str).collect();
    let embeddings = encoder.encode_texts(&lines)?;
    let mut features = Features::new(texts, embeddings)?;
    features.kind = KeyKind::Texts;
    features.spec = encoder.spec().clone();
    features.write(export)?;
    note!("{}: {} texts", text::shown(export.display()), features.keys.len());
    Ok(())
}

/// Writes the rows of the listed images, in the order of the list.
fn export(archive: &dyn Archive, images: &Images, path: &Path) -> anyhow::Result<()> {
    let labels = images.labels();
    let (mut values, mut rows) = (Vec::new(), Vec::new());
    let (mut keys, mut kept_labels) = (Vec::new(), Vec::new());
    for (i, key) in images.keys().iter().enumerate() {
        // Images that failed have no row.
        let Some(row) = archive.find(key) else { continue };
        values.extend_from_slice(&archive.vector(row));
        rows.push(row);
        keys.push(key.clone());
        kept_labels.extend(labels.map(|labels| labels[i].clone()));
    }
    anyhow::ensure!(!keys.is_empty(), "{}: not written, none of the images has a row", path.display());
    let mut features = Features::new(keys, Embeddings::normalize(archive.dim(), values)?)?;
    features.labels = labels.is_some().then_some(kept_labels);
    features.spec = archive.spec().clone();
    features.columns = Columns::of_rows(archive, &rows);
    features.write(path)?;
    note!("{}: {} rows", text::shown(path.display()), features.keys.len());
    if !features.columns.is_empty() && !Features::keeps_columns(path) {
        note!("{}: this format keeps no columns except labels", text::shown(path.display()));
    }
    Ok(())
}

/// Encodes images into memory, and writes them as a feature file.
fn export_from_memory(
    cli: &Cli,
    encoder: &ClipEncoder,
    images: &Images,
    options: &IngestOptions<'_>,
    mut failures: FailureLog<'_>,
) -> anyhow::Result<Outcome> {
    let path =
        cli.export.as_deref().context("say where the features go: --archive DIR.rscir, or --export FILE")?;
    let mut sink = rscir::index::MemorySink::new(encoder.spec().clone());
    let on_failure = &mut |failure| failures.add(&failure);
    let report = match images {
        Images::Files(list, _) => rscir::images::ingest(list, encoder, &mut sink, options, on_failure),
        Images::Tar(shards) => rscir::images::ingest_source(shards, encoder, &mut sink, options, on_failure),
    }?;
    anyhow::ensure!(
        !report.stopped,
        "stopped: nothing was written; with --archive DIR.rscir finished batches are kept"
    );
    common::notes::say_columns(&report);
    common::notes::say_odd(&report);
    export(&sink.into_archive()?, images, path)?;
    failures.finish()
}

/// Reports failed images on standard error, and in a file if --failures names one.
struct FailureLog<'a> {
    bars: &'a Bars,
    count: usize,
    file: Option<File>,
    /// First error of writing the file. It does not end the job, because standard error has the reports too.
    unwritten: Option<io::Error>,
}

impl<'a> FailureLog<'a> {
    fn open(path: Option<&Path>, bars: &'a Bars) -> anyhow::Result<Self> {
        // An old list, or a link in its place, is replaced instead of being written into.
        let open = |path: &Path| -> anyhow::Result<File> {
            files::replace(path, |_| Ok(()))?;
            File::options()
                .append(true)
                .open(path)
                .with_context(|| format!("cannot write {}", path.display()))
        };
        Ok(Self { bars, count: 0, file: path.map(open).transpose()?, unwritten: None })
    }

    fn add(&mut self, failure: &Failure) {
        self.count += 1;
        common::notes::say_failed(self.bars, failure);
        if let Some(file) = &mut self.file {
            let line = serde_json::json!({
                "key": failure.key,
                "path": failure.path.to_string_lossy(),
                "stage": failure.stage.to_string(),
                "reason": failure.reason,
            });
            // Each line is written at once and as a whole, so that the list is complete however the job ends.
            if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
                self.unwritten.get_or_insert(error);
            }
        }
    }

    fn finish(self) -> anyhow::Result<Outcome> {
        if self.count > 0 {
            note!("{} images failed; the rest is done", self.count);
        }
        match self.unwritten {
            Some(error) => Err(error).context("cannot write the list of failures"),
            None => Ok(Outcome::from_failures(self.count)),
        }
    }
}
