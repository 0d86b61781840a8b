use rayon::{ThreadPool, ThreadPoolBuilder};

use super::IngestOptions;
use crate::{Error, Result};

/// The threads on which an ingest computes vectors, compares and writes: rayon's current pool, or a pool of its own.
pub struct IngestThreads {
    pool: Option<ThreadPool>,
}

impl IngestThreads {
    /// Starts the threads of [`IngestOptions::threads`]. If the options have no number, no thread is started, and
    /// rayon's current pool is used.
    ///
    /// # Errors
    /// [`Error::Threads`] if the system refuses to start them.
    pub fn start(options: &IngestOptions<'_>) -> Result<Self> {
        let start = |threads: usize| {
            let builder = ThreadPoolBuilder::new().num_threads(threads.max(1));
            let named = builder.thread_name(|index| format!("ingest {index}"));
            named.build().map_err(|source| Error::Threads { threads, source: Box::new(source) })
        };
        Ok(Self { pool: options.threads.map(start).transpose()? })
    }

    /// Runs work on these threads, including all that the work hands to rayon. Returns the result of the work.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// Returns the number of threads.
    pub fn count(&self) -> usize {
        self.pool.as_ref().map_or_else(rayon::current_num_threads, ThreadPool::current_num_threads)
    }
}
