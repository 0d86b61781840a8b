/// Hears how a long job goes on. Libraries report through it and never print.
///
/// Calls may come from any thread.
pub trait Progress: Send + Sync {
    /// A stage begins, of `total` units if that is known.
    fn begin(&self, stage: &str, total: Option<u64>) {
        let _ = (stage, total);
    }

    /// `units` more are done.
    fn advance(&self, units: u64) {
        let _ = units;
    }

    /// The stage is over.
    fn end(&self) {}
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}
