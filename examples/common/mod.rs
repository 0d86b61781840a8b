//! What the examples share: where the demo lies, how a model is chosen, what is printed, exit codes.

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

/// Done, but some inputs failed and were reported.
pub const SOME_FAILED: u8 = 3;

/// Parses the arguments, runs the body of a program, and turns what it returns into the exit code: 0 ok, 1 failed, 3 done
/// but some inputs failed. Usage errors end with 2 before the body runs.
pub fn main<C: Parser>(run: impl FnOnce(&C) -> anyhow::Result<Outcome>) -> ExitCode {
    let options = usage::parse();
    exit(Isa::requested().map_err(Into::into).and_then(|_| run(&options)))
}

fn exit(outcome: anyhow::Result<Outcome>) -> ExitCode {
    // What a failed job has printed so far is worth having, too.
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

/// An error with its causes, each said once: some errors repeat theirs.
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

/// How an example ended, if it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is done.
    Done,
    /// It is done, less the inputs that were reported.
    SomeFailed,
}

impl Outcome {
    /// By the number of inputs that failed.
    pub fn from_failures(failed: usize) -> Self {
        if failed == 0 { Self::Done } else { Self::SomeFailed }
    }
}

/// Parses a WeiCom lambda for clap: outside 0..=1 is a usage error.
pub fn lambda(text: &str) -> Result<f64, String> {
    let lambda: f64 = text.trim().parse().map_err(|_| "not a number".to_string())?;
    rscir::weicom::WeiCom::new(lambda).map(|method| method.lambda()).map_err(|error| error.to_string())
}

/// A flag that Ctrl-C sets, for a job to end in order. A batch that takes longer than two seconds is cut off: what is
/// committed is durable all the same.
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
