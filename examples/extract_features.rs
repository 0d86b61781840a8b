//! Encodes images into an archive, and texts into a feature file.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to its user")]

mod common;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use common::bars::Bars;
use common::model::ModelArgs;
use common::{Outcome, demo, demo_archive};
use rscir::bench::PatternCom;
use rscir::encoders::{ChangeDetection, ClipEncoder, Failure};
use rscir::index::KeyKind;
use rscir::prelude::*;

/// Encode images into an archive, and texts into a feature file.
///
/// Run again, it goes on where it was cut off and encodes what is new or changed. An image that cannot be read or decoded
/// is reported and left out; the exit code is 3 then.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 done but some images failed.")]
struct Cli {
    /// A dataset with patternnet.csv, whose images are encoded in its order [default: the demo's]
    #[arg(long, value_name = "DIR", conflicts_with = "images")]
    dataset: Option<PathBuf>,
    /// A folder: every image below it, the key its path relative to the folder, in sorted order
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// The archive to write or to go on with [default: target/demo.rscir for the demo]
    #[arg(long, value_name = "DIR.rscir")]
    archive: Option<PathBuf>,
    /// Also write the features to a file: .safetensors, .npy, or .pkl as the reference has it
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Texts to encode, one a line
    #[arg(long, value_name = "FILE", requires = "export_texts")]
    texts: Option<PathBuf>,
    /// Where the texts' features go
    #[arg(long, value_name = "FILE", requires = "texts")]
    export_texts: Option<PathBuf>,
    /// How a file is seen to have changed since it was encoded
    #[arg(long, value_enum, default_value_t = Check::Time)]
    check: Check,
    /// Give up after more failed images than this
    #[arg(long, value_name = "N")]
    max_failures: Option<usize>,
    /// Also write each failed image to this file, as a line of JSON
    #[arg(long, value_name = "FILE")]
    failures: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Check {
    /// By its size and time of change
    Time,
    /// By its content: sure, and reads every file
    Content,
}

fn main() -> ExitCode {
    common::exit(run(&Cli::parse()))
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    let encoder = cli.model.load()?;
    if let (Some(texts), Some(export)) = (&cli.texts, &cli.export_texts) {
        encode_texts(&encoder, texts, export)?;
        // Texts alone are a job too.
        if cli.dataset.is_none() && cli.images.is_none() && cli.archive.is_none() && cli.export.is_none() {
            return Ok(Outcome::Done);
        }
    }
    let (images, labels) = list(cli)?;
    let bars = Bars::default();
    let mut failures = FailureLog::open(cli.failures.as_deref(), &bars)?;
    let mut options = IngestOptions::default();
    options.batch = cli.model.batch.into();
    options.changes = match cli.check {
        Check::Time => ChangeDetection::SizeAndTime,
        Check::Content => ChangeDetection::Content,
    };
    options.max_failures = cli.max_failures;
    options.progress = &bars;
    options.stop = Some(common::stop_on_interrupt()?);
    let archive = cli.archive.clone().unwrap_or_else(demo_archive);
    if cli.archive.is_none() && (cli.dataset.is_some() || cli.images.is_some() || !cli.model.is_demo()) {
        // Only the demo has a place of its own; other features are exported from memory.
        return export_from_memory(cli, &encoder, &images, labels, &options, failures);
    }
    let report = rscir::ingest_with(&images, &encoder, &archive, &options, &mut |f| failures.add(&f))
        .with_context(|| format!("ingest into {}", archive.display()))?;
    let stored = DiskArchive::open(&archive)?;
    eprintln!(
        "{}: {} rows; {} encoded, {} unchanged, {} failed",
        archive.display(),
        stored.len(),
        report.encoded,
        report.unchanged,
        report.failed
    );
    common::notes::say_odd(&report);
    if report.stopped {
        anyhow::bail!("stopped: run the same command again to go on");
    }
    if let Some(path) = &cli.export {
        export(&stored, &images, &labels, path)?;
    }
    failures.finish()
}

/// The images, and their labels where the dataset has them.
fn list(cli: &Cli) -> anyhow::Result<(ImageList, Option<Vec<String>>)> {
    if let Some(folder) = &cli.images {
        let images = ImageList::collect(folder)?;
        common::notes::say_left_out(&images);
        anyhow::ensure!(
            !images.is_empty() || !images.unlisted().is_empty(),
            "there are no images that are read below {}",
            folder.display()
        );
        return Ok((images, None));
    }
    let folder = cli.dataset.clone().unwrap_or_else(|| demo("benchmark"));
    let tiles = PatternCom::read_tiles(&folder)?;
    let (keys, labels) = tiles.into_iter().map(|tile| (tile.path, tile.label)).unzip();
    Ok((ImageList::new(folder, keys), Some(labels)))
}

fn encode_texts(encoder: &ClipEncoder, file: &Path, export: &Path) -> anyhow::Result<()> {
    let content = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let texts: Vec<String> = content.lines().map(String::from).collect();
    anyhow::ensure!(!texts.is_empty(), "{} holds no text", file.display());
    let lines: Vec<&str> = texts.iter().map(String::as_str).collect();
    let embeddings = encoder.encode_texts(&lines)?;
    let mut features = Features::new(texts, embeddings)?;
    features.kind = KeyKind::Texts;
    features.spec = encoder.spec().clone();
    features.write(export)?;
    eprintln!("{}: {} texts", export.display(), features.keys.len());
    Ok(())
}

/// Writes the rows of the listed images, in the order of the list.
fn export(
    archive: &dyn Archive,
    images: &ImageList,
    labels: &Option<Vec<String>>,
    path: &Path,
) -> anyhow::Result<()> {
    let mut values = Vec::new();
    let (mut keys, mut kept_labels) = (Vec::new(), Vec::new());
    for (i, key) in images.keys().iter().enumerate() {
        // Images that failed have no row.
        let Some(row) = archive.find(key) else { continue };
        values.extend_from_slice(&archive.vector(row));
        keys.push(key.clone());
        kept_labels.extend(labels.as_ref().map(|labels| labels[i].clone()));
    }
    let mut features = Features::new(keys, Embeddings::normalize(archive.dim(), values)?)?;
    features.labels = labels.is_some().then_some(kept_labels);
    features.spec = archive.spec().clone();
    features.write(path)?;
    eprintln!("{}: {} rows", path.display(), features.keys.len());
    Ok(())
}

fn export_from_memory(
    cli: &Cli,
    encoder: &ClipEncoder,
    images: &ImageList,
    labels: Option<Vec<String>>,
    options: &IngestOptions<'_>,
    mut failures: FailureLog<'_>,
) -> anyhow::Result<Outcome> {
    let path =
        cli.export.as_deref().context("say where the features go: --archive DIR.rscir, or --export FILE")?;
    let mut sink = rscir::index::MemorySink::new(encoder.spec().clone());
    let report = rscir::encoders::ingest(images, encoder, &mut sink, options, &mut |f| failures.add(&f))?;
    anyhow::ensure!(!report.stopped, "stopped: without --archive nothing is kept");
    common::notes::say_odd(&report);
    export(&sink.into_archive()?, images, &labels, path)?;
    failures.finish()
}

/// Reports failed images on standard error, and in a file if asked.
struct FailureLog<'a> {
    bars: &'a Bars,
    count: usize,
    file: Option<File>,
    /// What first went wrong with the file: it must not end the job, standard error has the report too.
    unwritten: Option<io::Error>,
}

impl<'a> FailureLog<'a> {
    fn open(path: Option<&Path>, bars: &'a Bars) -> anyhow::Result<Self> {
        let open =
            |path: &Path| File::create(path).with_context(|| format!("cannot write {}", path.display()));
        Ok(Self { bars, count: 0, file: path.map(open).transpose()?, unwritten: None })
    }

    fn add(&mut self, failure: &Failure) {
        self.count += 1;
        self.bars.suspend(|| eprintln!("failed: {failure}"));
        if let Some(file) = &mut self.file {
            let line = serde_json::json!({
                "key": failure.key,
                "path": failure.path.to_string_lossy(),
                "stage": failure.stage.to_string(),
                "reason": failure.reason,
            });
            // Each line is written at once and whole: the list is good however the job ends.
            if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
                self.unwritten.get_or_insert(error);
            }
        }
    }

    fn finish(self) -> anyhow::Result<Outcome> {
        if self.count > 0 {
            eprintln!("{} images failed; the rest is done", self.count);
        }
        match self.unwritten {
            Some(error) => Err(error).context("cannot write the list of failures"),
            None => Ok(Outcome::from_failures(self.count)),
        }
    }
}
