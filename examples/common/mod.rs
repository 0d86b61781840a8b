//! What the examples share: where the demo lies, how a model is chosen, bars, exit codes.

#![allow(dead_code, unreachable_pub, reason = "shared by examples, each of which uses its part")]

pub mod bars;
pub mod model;
pub mod notes;
pub mod page;
pub mod text;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;

/// Done, but some inputs failed and were reported.
pub const SOME_FAILED: u8 = 3;

/// What every report on the demo says.
pub const DEMO_NOTE: &str =
    "This is the demo: its numbers are not PatternCom's and cannot be compared with published ones.";

/// A file or folder of the demo that comes with the repository.
pub fn demo(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/demo").join(path)
}

/// Where the demo's archive is kept between runs.
pub fn demo_archive() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/demo.rscir")
}

/// Turns what an example's body returns into its exit code: 0 ok, 1 failed, 3 done but some inputs failed. (Usage
/// errors end with 2 before the body runs.)
pub fn exit(outcome: anyhow::Result<Outcome>) -> ExitCode {
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::SomeFailed) => ExitCode::from(SOME_FAILED),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
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
            eprintln!("stopped: all finished batches are kept, run the same command again to go on");
            std::process::exit(1);
        });
    };
    ctrlc::set_handler(on_interrupt).context("cannot listen for Ctrl-C")?;
    Ok(&STOP)
}
