//! Compares all training-free methods on the demo, in a table and on a page.

mod common;
#[path = "compare_methods/differences.rs"]
mod differences;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use common::bars::Bars;
use common::model::{ModelArgs, dataset_images};
use common::out::say;
use common::{Outcome, check, demo, notes, vocabulary_mean};
use rscir::bench::{Bootstrap, Convention, HtmlReport, Intervals};
use rscir::prelude::*;
use rscir::weicom::{Vocabulary, VocabularyMean};

/// Compare all training-free methods on the demo, or on a dataset in PatternCom's form.
///
/// The program prints tables of mAP with intervals, and writes a page. The numbers of the demo are not
/// PatternCom's.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 done but some images failed.")]
struct Cli {
    /// Folder of a dataset: patternnet.csv, PatternCom/*.csv and the images [default: the demo's]
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// Methods to compare, separated by spaces, with parameters after a colon or in the form of the table: image,
    /// text, sum, product:raw, min:norm=zscore, "weicom(lambda=0.6)", weicom:auto, conjunction, posterior:k=auto,
    /// slerp:0.8, rrf:k=60,text=2, dbsf, freedom:kappa=20, "basic(context=off)"
    #[arg(long, num_args = 1.., default_values_t = METHODS.map(String::from))]
    methods: Vec<String>,
    /// HTML page to write [default: target/compare_methods.html]
    #[arg(long, value_name = "FILE.html")]
    page: Option<PathBuf>,
}

/// Methods of a run without --methods. They have the parameters of their papers, except that BASIC runs without
/// contexts, which would make 200 prompts of each text.
const METHODS: [&str; 11] = [
    "image",
    "text",
    "sum",
    "product",
    "min",
    "slerp",
    "rrf",
    "dbsf",
    "weicom",
    "freedom",
    "basic:context=off",
];

/// Methods without a lambda, which a run without --methods shows in a table of their own, with their gains on other
/// methods.
const WITHOUT_LAMBDA: [&str; 3] = ["weicom:auto", "conjunction", "posterior"];

/// Number of tiles that the page shows for each ranking.
const TOP: usize = 10;

fn main() -> ExitCode {
    common::main(run)
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    cli.model.check()?;
    let bars = Bars::default();
    let dataset = cli.dataset.clone().map_or_else(|| demo::path("benchmark"), Ok)?;
    let default_page = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/compare_methods.html");
    let page_path = cli.page.as_deref().unwrap_or(&default_page);
    check::file_in_new_folder(page_path)?;
    let specs: Vec<MethodSpec> = cli
        .methods
        .iter()
        .flat_map(|list| MethodSpec::split_list(list))
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let benchmark = PatternCom::read(&dataset)?;
    let images = dataset_images(&dataset)?;
    benchmark.queries(&check::stand_in(&images)?)?;
    let encoder = Arc::new(cli.model.load()?);
    let subjects = words("generic_subjects.csv", &encoder)?;
    let resources = Resources::default()
        .vocabulary_mean(VocabularyMean::of(&subjects, encoder.spec().clone())?)
        .vocabulary(subjects.clone())
        .subjects(subjects)
        .styles(words("generic_styles.csv", &encoder)?)
        .encoder(encoder.clone());
    let mut methods = Vec::new();
    for spec in &specs {
        methods.push(spec.build(&resources)?);
    }
    let in_table = methods.len();
    if cli.methods == METHODS {
        for spec in WITHOUT_LAMBDA {
            methods.push(spec.parse::<MethodSpec>()?.build(&resources)?);
        }
    }
    let in_tables = methods.len();
    // These are for the page's curve over lambda. All lambdas share the similarities, so they cost little.
    for tenth in 0..=10 {
        let weicom = WeiCom::new(f64::from(tenth) / 10.0)?;
        if methods.iter().all(|method| method.label() != weicom.label()) {
            methods.push(Box::new(weicom));
        }
    }
    let (archive, failed) = cli.model.encode(&encoder, &images, &bars)?;
    let (queries, findings) = benchmark.queries(&archive)?;
    let vectors = QueryVectors::encode(&queries, &*encoder, &archive)?;
    let methods: Vec<&dyn Method> = methods.iter().map(|method| &**method).collect();
    let options = EvaluateOptions::default().top(TOP).progress(&bars);
    let evaluation = benchmark.evaluate(&archive, &queries, &vectors, &methods, options)?;
    let intervals = Intervals::of(&evaluation, Convention::Standard, Bootstrap::default())?;
    for rows in [0..in_table, in_table..in_tables] {
        let mut printed = intervals.clone();
        printed.rows = printed.rows[rows].to_vec();
        if !printed.rows.is_empty() {
            say!("{}", printed.to_markdown());
        }
    }
    say!("{}", differences::markdown(&evaluation, &queries, in_tables)?);
    notes::say_findings(&findings);

    let mut page = HtmlReport::new("Training-free methods compared", &archive, &queries, &evaluation)?
        .intervals(&intervals)?;
    if cli.dataset.is_none() {
        say!("{}", demo::NOTE);
        page = page.note(demo::NOTE);
    }
    common::page::write(page, &dataset, page_path)?;
    Ok(Outcome::from_failures(failed))
}

/// Reads a list of words of BASIC's corpora, and encodes it.
fn words(file: &str, encoder: &ClipEncoder) -> anyhow::Result<Arc<Vocabulary>> {
    let (words, _) = vocabulary_mean::read_words(&demo::data()?.join("basic_corpora").join(file))?;
    Ok(Arc::new(Vocabulary::encode(words, encoder)?))
}
