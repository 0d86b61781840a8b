//! Writes the mean text feature of a vocabulary, which is what all texts have in common under a model.

mod common;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use common::model::ModelArgs;
use common::out::note;
use common::{Outcome, check, text, vocabulary_mean};

/// Write the mean text feature of a vocabulary, half of which `search --method posterior` subtracts from every
/// text.
///
/// The file records hashes of the words and of the model, and a search with another model refuses it.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage.")]
struct Cli {
    #[command(flatten)]
    model: ModelArgs,
    /// File of words, one on each line after the first, which is a heading [default: BASIC's subjects, in
    /// data/basic_corpora]
    #[arg(long, value_name = "FILE.csv")]
    words: Option<PathBuf>,
    /// File to write
    #[arg(long, value_name = "FILE.json")]
    output: PathBuf,
}

fn main() -> ExitCode {
    common::main(run)
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    cli.model.check()?;
    check::file(Some(&cli.output))?;
    let words = cli.words.clone().map_or_else(vocabulary_mean::default_words, Ok)?;
    check::input(Some(&words))?;
    let encoder = cli.model.load()?;
    let mean = vocabulary_mean::compute(&words, &encoder)?;
    vocabulary_mean::write(&cli.output, &words, &mean)?;
    note!("written: {}: the mean of {} words", text::shown(cli.output.display()), mean.words());
    Ok(Outcome::Done)
}
