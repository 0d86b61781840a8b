//! Encodes a batch of made-up pixels as often as it is told to: the side of `benches/compare/gpu.py` that is ours.

mod common;

use std::io::{self, BufRead};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use common::Outcome;
use common::model::ModelArgs;
use common::out::say;
use rscir::core::PixelBatch;
use rscir::prelude::*;

/// Encode one batch of pixels again and again.
///
/// Each line of the input is a number of repetitions; the answer is a line with the seconds they took.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    model: ModelArgs,
}

fn main() -> ExitCode {
    common::main(run)
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    let encoder = cli.model.load()?;
    let size = encoder.input_size();
    // Multiples of a prime: bytes of every value, none of them in a row.
    let pixels: Vec<u8> = (0..usize::from(cli.model.batch) * size * size * 3)
        .map(|i| (i.wrapping_mul(7919) >> 4) as u8)
        .collect();
    let batch = PixelBatch::new(size, &pixels)?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let repetitions: u32 = line.trim().parse().with_context(|| format!("{line:?} is no number"))?;
        let start = Instant::now();
        for _ in 0..repetitions {
            encoder.encode_pixels(batch)?;
        }
        say!("{}", start.elapsed().as_secs_f64());
    }
    Ok(Outcome::Done)
}
