//! Code that the programs share: the demo, the choice of a model, checks, messages and exit codes.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    unused_macros,
    reason = "shared by examples, each of which uses its part"
)]

pub mod advice;
pub mod bars;
pub mod check;
pub mod damage;
pub mod decode;
pub mod demo;
pub mod model;
pub mod notes;
pub mod out;
pub mod page;
pub mod stored;
pub mod text;
pub mod usage;
pub mod vocabulary_mean;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use out::note;
use rscir::encoders::Isa;

/// Exit code of a program that is done although some inputs failed, which it has reported.
pub const SOME_FAILED: u8 = 3;

/// Parses the arguments, runs the body of a program, and returns the exit code: 0 if it is done, 1 if it failed,
/// and 3 if it is done but some inputs failed. A usage error ends the program with 2 before the body runs.
pub fn main<C: Parser>(run: impl FnOnce(&C) -> anyhow::Result<Outcome>) -> ExitCode {
    let options = usage::parse();
    exit(Isa::requested().map_err(Into::into).and_then(|_| run(&options)))
}

/// Prints the error of a program, and returns its exit code.
fn exit(outcome: anyhow::Result<Outcome>) -> ExitCode {
    // Output is flushed also if the job failed, because what it has printed so far is of use.
    let written = out::finish();
    match outcome.and_then(|outcome| written.map(|()| outcome)) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::SomeFailed) => ExitCode::from(SOME_FAILED),
        Err(error) => {
            note!("error: {}", text::message(&with_causes(&error)));
            if let Some(advice) = advice::of(&error) {
                note!("{advice}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Writes an error with its causes. A cause that the text already holds is not repeated, because some errors print
/// theirs.
fn with_causes(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// How a program ended, if it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is done.
    Done,
    /// Everything is done except for inputs that were reported.
    SomeFailed,
}

impl Outcome {
    /// Returns the outcome for a number of failed inputs.
    pub fn from_failures(failed: usize) -> Self {
        if failed == 0 { Self::Done } else { Self::SomeFailed }
    }
}

/// Parses a WeiCom lambda for clap. A number outside 0..=1 is a usage error.
pub fn lambda(text: &str) -> Result<f64, String> {
    let lambda: f64 = text.trim().parse().map_err(|_| "not a number".to_string())?;
    rscir::weicom::WeiCom::new(lambda).map(|method| method.lambda()).map_err(|error| error.to_string())
}

/// Returns a flag that Ctrl-C sets, so that a job can end in order. A batch that takes longer than two seconds is
/// cut off, and everything that was committed before is durable.
pub fn stop_on_interrupt() -> anyhow::Result<&'static AtomicBool> {
    static STOP: AtomicBool = AtomicBool::new(false);
    let on_interrupt = || {
        STOP.store(true, Ordering::Relaxed);
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_millis(1500));
            note!("stopped: all finished batches are kept, run the same command again to go on");
            std::process::exit(1);
        });
    };
    ctrlc::set_handler(on_interrupt).context("cannot listen for Ctrl-C")?;
    Ok(&STOP)
}
