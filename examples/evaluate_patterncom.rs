//! Evaluates composition methods on PatternCom, or on the demo in its shape.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to its user")]

mod common;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use common::bars::Bars;
use common::model::ModelArgs;
use common::{Outcome, demo};
use rscir::bench::report::{RunDescription, findings_text, write_report};
use rscir::bench::{Bootstrap, Convention, Intervals, Page, QuerySet};
use rscir::encoders::ClipEncoder;
use rscir::prelude::*;
use rscir::weicom::Normalization;

/// Evaluate composition methods on PatternCom.
///
/// Without options it decodes and encodes the demo's tiles and prints the demo's table, whose numbers are not
/// PatternCom's. With features given for images and texts, no model is loaded.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 done but some images failed.")]
struct Cli {
    /// Folder with PatternCom/*.csv, patternnet.csv and, unless features are given, the images [default: the demo's]
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// Image features, in place of the model: .rscir, .pkl (the reference's), .safetensors or .npy
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    /// Text features, in place of the model: .safetensors with the texts in its metadata
    #[arg(long, value_name = "FILE")]
    text_features: Option<PathBuf>,
    /// Methods, by name and with parameters: image, text, sum, product, min, weicom, slerp, rrf, dbsf
    #[arg(long, value_delimiter = ',', default_value = "image,text,sum,weicom")]
    methods: Vec<String>,
    /// Weights of the text for the method `weicom`
    #[arg(long, value_delimiter = ',', default_value = "0.5", value_parser = common::lambda)]
    lambdas: Vec<f64>,
    /// Lambdas 0.0, 0.1, ... 1.0
    #[arg(long, conflicts_with = "lambdas")]
    sweep: bool,
    /// clean: what the protocol means. strict: the numbers of the reference's program
    #[arg(long, value_enum, default_value = "clean")]
    mode: ModeArg,
    /// Leave the query image out of its ranking
    #[arg(long)]
    exclude_query: bool,
    /// Where metrics.csv, summary.md, summary.json and the reference's files go
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Where a page with the table, the curve over lambda and the best and worst queries goes
    #[arg(long, value_name = "FILE.html")]
    page: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModeArg {
    Clean,
    Strict,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Clean => Self::Clean,
            ModeArg::Strict => Self::Strict,
        }
    }
}

fn main() -> ExitCode {
    common::exit(run(&Cli::parse()))
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    let bars = Bars::default();
    let dataset = cli.dataset.clone().unwrap_or_else(|| demo("benchmark"));
    let methods = methods(cli)?;
    let labels = PatternCom::read(&dataset)?;
    let encoder =
        if cli.features.is_some() && cli.text_features.is_some() { None } else { Some(cli.model.load()?) };

    let (archive, failed) = archive(cli, &dataset, encoder.as_ref(), &bars)?;
    let mode = Mode::from(cli.mode);
    let (queries, findings) = labels.queries(&*archive, mode)?;
    let vectors = vectors(cli, &queries, &*archive, encoder.as_ref())?;

    let top = if cli.page.is_some() { 10 } else { 0 };
    let options = EvaluateOptions { exclude_query: cli.exclude_query, top, progress: &bars };
    let built: Vec<&dyn Method> = methods.iter().map(|method| &**method).collect();
    let evaluation = evaluate(&*archive, &queries, &vectors, &built, options)?;
    let rounding = if mode == Mode::Strict { Rounding::PerQuery } else { Rounding::None };
    let table = Table::of(&evaluation, rounding);

    println!("{}", table.to_markdown());
    println!("{} queries on {} images, mode {}", queries.len(), archive.len(), mode.as_str());
    if cli.dataset.is_none() {
        println!("{}", common::DEMO_NOTE);
    }
    eprint!("{}", findings_text(&findings));
    if let Some(path) = &cli.page {
        let name = dataset.file_name().unwrap_or_default().to_string_lossy();
        let intervals = Intervals::of(&evaluation, Convention::Standard, Bootstrap::default())?;
        let mut page = Page::new(&name, &*archive, &queries, &evaluation)?.with_intervals(&intervals)?;
        if cli.dataset.is_none() {
            page = page.with_note(common::DEMO_NOTE);
        }
        common::page::write(page, &dataset, path)?;
    }
    if let Some(folder) = &cli.output {
        let mut spec = archive.spec().clone();
        if spec.model.is_empty() {
            spec.model = model_name(cli);
        }
        let run = RunDescription {
            dataset: dataset.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            spec,
            archive_rows: archive.len(),
            options: options_json(cli, &table),
            findings,
        };
        write_report(folder, &table, &run)?;
        eprintln!("written: {}", folder.display());
    }
    Ok(Outcome::from_failures(failed))
}

/// The methods, `weicom` once for each lambda.
fn methods(cli: &Cli) -> anyhow::Result<Vec<Box<dyn Method>>> {
    let sweep: Vec<f64> = (0..=10).map(|tenth| f64::from(tenth) / 10.0).collect();
    let lambdas = if cli.sweep { &sweep } else { &cli.lambdas };
    let mut methods: Vec<Box<dyn Method>> = Vec::new();
    for name in &cli.methods {
        if name == "weicom" {
            for lambda in lambdas {
                let weicom = WeiCom::new(*lambda)?;
                methods.push(Box::new(match cli.mode {
                    ModeArg::Clean => weicom,
                    ModeArg::Strict => weicom.with_normalization(Normalization::ReferenceCdf),
                }));
            }
        } else {
            methods.push(name.parse::<MethodSpec>()?.build(&Resources::default())?);
        }
    }
    Ok(methods)
}

/// The archive: features that were given, or the dataset's images encoded now. Also how many images failed.
fn archive(
    cli: &Cli,
    dataset: &std::path::Path,
    encoder: Option<&ClipEncoder>,
    bars: &Bars,
) -> anyhow::Result<(Box<dyn Archive>, usize)> {
    if let Some(path) = &cli.features {
        let archive = rscir::open(path)?;
        if let Some(encoder) = encoder {
            archive.spec().check(encoder.spec()).with_context(|| format!("cannot use {}", path.display()))?;
        }
        return Ok((archive, 0));
    }
    let encoder = encoder.context("without --features a model encodes the images")?;
    let (archive, failed) = cli.model.encode_dataset(encoder, dataset, bars)?;
    Ok((Box::new(archive), failed))
}

fn vectors(
    cli: &Cli,
    queries: &QuerySet,
    archive: &dyn Archive,
    encoder: Option<&ClipEncoder>,
) -> anyhow::Result<QueryVectors> {
    if let Some(path) = &cli.text_features {
        let features = Features::read(path)?;
        archive.spec().check(&features.spec).with_context(|| format!("cannot use {}", path.display()))?;
        let vectors = QueryVectors::from_archive(queries, archive, &features.keys, &features.embeddings);
        return vectors.with_context(|| format!("cannot use {}", path.display()));
    }
    let encoder = encoder.context("without --text-features a model encodes the texts")?;
    let texts: Vec<&str> = queries.texts.iter().map(String::as_str).collect();
    let embeddings = encoder.encode_texts(&texts)?;
    Ok(QueryVectors { images: QueryVectors::images_of(queries, archive)?, texts: embeddings })
}

/// What stands for the model in file names when the features do not say: `clip` of `patternnet_clip.pkl`.
fn model_name(cli: &Cli) -> String {
    let stem = cli.features.as_ref().and_then(|path| path.file_stem()).map(|stem| stem.to_string_lossy());
    let stem = stem.unwrap_or_default();
    stem.strip_prefix("patternnet_").unwrap_or(&stem).to_string()
}

fn options_json(cli: &Cli, table: &Table) -> serde_json::Value {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|p| p.to_string_lossy().into_owned());
    serde_json::json!({
        "methods": table.rows.iter().map(|row| row.method.clone()).collect::<Vec<_>>(),
        "mode": Mode::from(cli.mode).as_str(),
        "exclude_query": cli.exclude_query,
        "dataset": path(&cli.dataset),
        "features": path(&cli.features),
        "text_features": path(&cli.text_features),
        "model": cli.model.model,
        "checkpoint": path(&cli.model.checkpoint),
        "config": path(&cli.model.config),
        "device": cli.model.device.to_string(),
        "precision": cli.model.precision.to_string(),
        "batch": cli.model.batch,
    })
}
