//! Evaluates composition methods on PatternCom, or on the demo, which has the same form.

mod common;

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use common::bars::Bars;
use common::model::{ModelArgs, dataset_images};
use common::out::{note, say};
use common::{Outcome, check, demo, notes, text, usage, vocabulary_mean};
use rscir::bench::report::{RunDescription, write_report};
use rscir::bench::{Bootstrap, Convention, HtmlReport, Intervals, QueryGroup, QuerySet};
use rscir::encoders::ClipEncoder;
use rscir::prelude::*;

/// Evaluate composition methods on PatternCom, or on the demo.
///
/// Without options the program encodes the demo's tiles and prints the demo's table, whose numbers are not
/// PatternCom's. If --features and --text-features are given, no model is loaded.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 done but some images failed.")]
struct Cli {
    /// Folder of a dataset: patternnet.csv, PatternCom/*.csv and, without --features, the images [default: the
    /// demo's]
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// Image features to use in place of the model: .rscir, .pkl (the reference's), .safetensors or .npy
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    /// Text features to use in place of the model: .safetensors with the texts in its metadata
    #[arg(long, value_name = "FILE")]
    text_features: Option<PathBuf>,
    /// Methods to evaluate, separated by commas, with parameters after a colon or in the form of the table: image,
    /// text, sum, product:raw, min:norm=zscore, weicom, weicom(lambda=0.6), weicom:auto, conjunction, posterior,
    /// slerp:0.8, rrf:k=60, rrf(k=20,image=1,text=2), dbsf
    #[arg(long, default_value = "image,text,sum,weicom")]
    methods: String,
    /// Mean text feature of a vocabulary for the method `posterior`, which the program `vocabulary_mean` writes
    /// [default: the demo's for the demo's model without features, none for others]
    #[arg(long, value_name = "FILE.json")]
    vocabulary: Option<PathBuf>,
    /// Weights of the text for the method `weicom`, from 0 to 1, separated by commas [default: 0.5]
    #[arg(long, value_delimiter = ',', value_parser = common::lambda)]
    lambdas: Option<Vec<f64>>,
    /// Evaluate the method `weicom` with the lambdas 0.0, 0.1, ... 1.0
    #[arg(long, conflicts_with = "lambdas")]
    sweep: bool,
    /// How the protocol is read: clean (also called corrected) as it is meant, or strict (also called reference)
    /// with the numbers of the reference program
    #[arg(long, value_parser = mode(), default_value = "clean")]
    mode: Mode,
    /// Leave the query image out of its ranking
    #[arg(long)]
    exclude_query: bool,
    /// Folder to write metrics.csv, summary.md, summary.json and the reference's files into
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// HTML page to write, with the table, the curve over lambda and the best and worst queries
    #[arg(long, value_name = "FILE.html")]
    page: Option<PathBuf>,
}

/// Parses a mode by either of its names for clap, which lists the names in its error.
fn mode() -> impl clap::builder::TypedValueParser<Value = Mode> {
    PossibleValuesParser::new(["clean", "strict", "corrected", "reference"])
        .try_map(|name| name.parse::<Mode>())
}

fn main() -> ExitCode {
    common::main(run)
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    cli.model.check()?;
    let bars = Bars::default();
    let dataset = cli.dataset.clone().map_or_else(|| demo::path("benchmark"), Ok)?;
    let resources = resources(cli)?;
    let methods = methods(cli, &resources)?;
    let benchmark = PatternCom::read(&dataset)?.mode(cli.mode);
    cli.page.as_deref().map_or(Ok(()), check::file_in_new_folder)?;
    check::report(cli.output.as_deref())?;
    let images = if cli.features.is_none() { Some(dataset_images(&dataset)?) } else { None };
    let features = cli.features.as_ref().map(rscir::open).transpose()?;
    let texts = cli.text_features.as_ref().map(Features::read).transpose()?;
    if let Some(images) = &images {
        let checked = check_queries(&benchmark, images, texts.as_ref());
        match &cli.text_features {
            Some(_) => checked.with_context(|| cannot_use(cli.text_features.as_ref()))?,
            None => checked?,
        }
    }
    let encoder = if images.is_some() || texts.is_none() { Some(cli.model.load()?) } else { None };

    let (archive, failed) = archive(cli, features, images.as_ref(), encoder.as_ref(), &bars)?;
    if let Some(mean) = &resources.vocabulary_mean {
        mean.spec().check(archive.spec()).context("the vocabulary's mean is of another model")?;
    }
    let (queries, findings) = benchmark.queries(&*archive)?;
    let vectors = vectors(cli, &queries, &*archive, texts.as_ref(), encoder.as_ref())?;

    let top = if cli.page.is_some() { 10 } else { 0 };
    let options = EvaluateOptions::default().exclude_query(cli.exclude_query).top(top).progress(&bars);
    let built: Vec<&dyn Method> = methods.iter().map(|method| &**method).collect();
    let evaluation = benchmark.evaluate(&*archive, &queries, &vectors, &built, options)?;
    let table = benchmark.table(&evaluation);

    say!("{}", table.to_markdown());
    say!("{} queries on {} images, mode {}", queries.len(), archive.len(), cli.mode);
    if cli.dataset.is_none() {
        say!("{}", demo::NOTE);
    }
    notes::say_findings(&findings);
    if let Some(path) = &cli.page {
        let name = dataset.file_name().unwrap_or_default().to_string_lossy();
        let intervals = Intervals::of(&evaluation, Convention::Standard, Bootstrap::default())?;
        let mut page = HtmlReport::new(&name, &*archive, &queries, &evaluation)?.intervals(&intervals)?;
        if cli.dataset.is_none() {
            page = page.note(demo::NOTE);
        }
        common::page::write(page, &dataset, path)?;
    }
    if let Some(folder) = &cli.output {
        let mut spec = archive.spec().clone();
        if spec.model.is_none() {
            spec.model = Some(model_name(cli));
        }
        let run = RunDescription {
            dataset: dataset.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            spec,
            archive_rows: archive.len(),
            options: options_json(cli, &table),
            findings,
        };
        write_report(folder, &table, &run)?;
        note!("written: {}", text::shown(folder.display()));
    }
    Ok(Outcome::from_failures(failed))
}

/// Collects what methods need beside the archive.
fn resources(cli: &Cli) -> anyhow::Result<Resources> {
    let is_demo = cli.model.is_demo() && cli.features.is_none() && cli.text_features.is_none();
    let mean = vocabulary_mean::at_hand(cli.vocabulary.as_deref(), is_demo)?;
    Ok(mean.map_or(Resources::default(), |mean| Resources::default().vocabulary_mean(mean)))
}

/// Makes the methods, with `weicom` once for each lambda.
fn methods(cli: &Cli, resources: &Resources) -> anyhow::Result<Vec<Box<dyn Method>>> {
    let names = MethodSpec::split_list(&cli.methods);
    let lambdas = match &cli.lambdas {
        _ if cli.sweep => (0..=10).map(|tenth| f64::from(tenth) / 10.0).collect(),
        Some(lambdas) => lambdas.clone(),
        None => vec![0.5],
    };
    if (cli.sweep || cli.lambdas.is_some()) && !names.contains(&"weicom") {
        usage::refuse::<Cli>(
            "--lambdas and --sweep are for the method weicom, which --methods does not name",
        );
    }
    let mut methods: Vec<Box<dyn Method>> = Vec::new();
    for name in names {
        if name == "weicom" {
            for lambda in &lambdas {
                methods.push(Box::new(WeiCom::new(*lambda)?));
            }
            continue;
        }
        methods.push(name.parse::<MethodSpec>()?.build(resources)?);
    }
    Ok(methods)
}

/// Checks, before images are encoded, that there are queries and that all their texts have features.
fn check_queries(benchmark: &PatternCom, images: &ImageList, texts: Option<&Features>) -> anyhow::Result<()> {
    let (queries, _) = benchmark.queries(&check::stand_in(images)?)?;
    let Some(texts) = texts else { return Ok(()) };
    let known: HashSet<&String> = texts.keys.iter().collect();
    for (index, text) in queries.texts.iter().enumerate() {
        if !known.contains(text) {
            let asks = |group: &&QueryGroup| group.queries.iter().any(|query| query.text == index);
            let group = queries.groups.iter().find(asks).map(|group| group.name.clone());
            let group = group.unwrap_or_default();
            return Err(rscir::bench::Error::MissingText { text: text.clone(), group }.into());
        }
    }
    Ok(())
}

fn cannot_use(path: Option<&PathBuf>) -> String {
    format!("cannot use {}", path.map_or_else(String::new, |path| path.display().to_string()))
}

/// Returns the archive, of features that were given or of the dataset's images, which are encoded now, and the
/// number of images that failed.
fn archive(
    cli: &Cli,
    features: Option<Box<dyn Archive>>,
    images: Option<&ImageList>,
    encoder: Option<&ClipEncoder>,
    bars: &Bars,
) -> anyhow::Result<(Box<dyn Archive>, usize)> {
    if let Some(archive) = features {
        if let Some(encoder) = encoder {
            archive.spec().check(encoder.spec()).with_context(|| cannot_use(cli.features.as_ref()))?;
        }
        return Ok((archive, 0));
    }
    let images = images.context("without --features the dataset's images are encoded")?;
    let encoder = encoder.context("without --features a model encodes the images")?;
    let (archive, failed) = cli.model.encode(encoder, images, bars)?;
    Ok((Box::new(archive), failed))
}

fn vectors(
    cli: &Cli,
    queries: &QuerySet,
    archive: &dyn Archive,
    texts: Option<&Features>,
    encoder: Option<&ClipEncoder>,
) -> anyhow::Result<QueryVectors> {
    if let Some(features) = texts {
        let context = || cannot_use(cli.text_features.as_ref());
        archive.spec().check(&features.spec).with_context(context)?;
        let vectors = QueryVectors::from_archive(queries, archive, &features.keys, &features.embeddings);
        return vectors.with_context(context);
    }
    let encoder = encoder.context("without --text-features a model encodes the texts")?;
    Ok(QueryVectors::encode(queries, encoder, archive)?)
}

/// Returns the model's name for file names if the features do not record one: `clip` for `patternnet_clip.pkl`.
fn model_name(cli: &Cli) -> String {
    let stem = cli.features.as_ref().and_then(|path| path.file_stem()).map(|stem| stem.to_string_lossy());
    let stem = stem.unwrap_or_default();
    stem.strip_prefix("patternnet_").unwrap_or(&stem).to_string()
}

fn options_json(cli: &Cli, table: &Table) -> serde_json::Value {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|p| p.to_string_lossy().into_owned());
    serde_json::json!({
        "methods": table.rows.iter().map(|row| row.method.label.clone()).collect::<Vec<_>>(),
        "mode": cli.mode.as_str(),
        "exclude_query": cli.exclude_query,
        "dataset": path(&cli.dataset),
        "features": path(&cli.features),
        "text_features": path(&cli.text_features),
        "model": cli.model.model,
        "checkpoint": path(&cli.model.checkpoint),
        "config": path(&cli.model.config),
        "device": cli.model.device().to_string(),
        "precision": cli.model.precision.to_string(),
        "batch": cli.model.batch,
    })
}
