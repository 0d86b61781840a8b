//! All training-free methods on the demo, in one table and one page.

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

/// Compare all training-free methods on the demo, or a dataset in PatternCom's shape.
///
/// The numbers of the demo are not PatternCom's.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 done but some images failed.")]
struct Cli {
    /// Folder with images, patternnet.csv and PatternCom/*.csv [default: the demo's]
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// Methods with their parameters, as the table prints them or after a colon, separated by spaces: image, text, sum,
    /// product:raw, min:norm=zscore, "weicom(lambda=0.6)", weicom:auto, conjunction, posterior:k=auto, slerp:0.8, rrf:k=60,text=2, dbsf, freedom:kappa=20, "basic(context=off)"
    #[arg(long, num_args = 1.., default_values_t = METHODS.map(String::from))]
    methods: Vec<String>,
    /// Where the page goes [default: target/compare_methods.html]
    #[arg(long, value_name = "FILE.html")]
    page: Option<PathBuf>,
}

/// The methods of a plain run, at their papers' parameters but for BASIC's contexts, which would write 200 prompts a text.
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

/// Methods without a lambda, which a plain run has in a table of their own, with what they gain on those that have one.
const WITHOUT_LAMBDA: [&str; 3] = ["weicom:auto", "conjunction", "posterior"];

/// Tiles that the page shows of each ranking.
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
    // The page's curve. Lambdas share the similarities, so they cost little.
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

/// A list of words of BASIC's corpora, encoded.
fn words(file: &str, encoder: &ClipEncoder) -> anyhow::Result<Arc<Vocabulary>> {
    let (words, _) = vocabulary_mean::read_words(&demo::data()?.join("basic_corpora").join(file))?;
    Ok(Arc::new(Vocabulary::encode(words, encoder)?))
}
