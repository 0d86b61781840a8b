/// Receives the progress of a long-running job. Libraries report through it and never print.
///
/// Calls may come from any thread.
pub trait Progress: Send + Sync {
    /// Begins a stage. `total` is its number of units, or `None` if that is unknown.
    fn begin(&self, stage: &str, total: Option<u64>) {
        let _ = (stage, total);
    }

    /// Adds `units` to those that are done.
    fn advance(&self, units: u64) {
        let _ = units;
    }

    /// Ends the stage.
    fn end(&self) {}
}

/// Ignores all progress.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}
