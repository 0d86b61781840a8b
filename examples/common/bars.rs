//! Progress bars on standard error. Nothing is drawn if that is not a terminal.

use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use rscir::Progress;

/// Draws one bar at a time on standard error.
#[derive(Default)]
pub struct Bars {
    bar: Mutex<Option<ProgressBar>>,
}

impl Bars {
    /// Calls a function with the bar that is drawn now, if there is one.
    fn with(&self, act: impl FnOnce(&mut Option<ProgressBar>)) {
        // A thread that panicked with the lock leaves a bar that can still be drawn.
        act(&mut self.bar.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
    }
}

impl Bars {
    /// Writes to standard error between the bar's redraws.
    pub fn suspend(&self, write: impl FnOnce()) {
        self.with(|slot| match slot {
            Some(bar) => bar.suspend(write),
            None => write(),
        });
    }
}

impl Progress for Bars {
    fn begin(&self, stage: &str, total: Option<u64>) {
        let (bar, template) = match total {
            Some(total) => {
                (ProgressBar::new(total), "{msg:>24} {bar:40} {pos}/{len} {per_sec} {eta_precise}")
            }
            None => (ProgressBar::new_spinner(), "{msg:>24} {spinner} {pos} {elapsed_precise}"),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(stage.to_string());
        bar.enable_steady_tick(Duration::from_millis(200));
        self.with(|slot| *slot = Some(bar));
    }

    fn advance(&self, units: u64) {
        self.with(|slot| {
            if let Some(bar) = slot {
                bar.inc(units);
            }
        });
    }

    fn end(&self) {
        self.with(|slot| {
            if let Some(bar) = slot.take() {
                bar.finish_and_clear();
            }
        });
    }
}
