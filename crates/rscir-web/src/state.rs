use std::sync::Arc;

use axum::http::HeaderValue;
use moka::sync::Cache;
use rscir_weicom::Resources;

use crate::gate::Gate;
use crate::guard::Secret;
use crate::lists::ListCache;
use crate::methods::MethodNote;
use crate::problem::{Problem, ProblemKind};
use crate::rank::Ranked;
use crate::source::Source;
use crate::tiles::PictureCache;
use crate::vectors::Vectors;
use crate::{Encoder, Options, Pictures, Places};

/// Rankings that are kept of methods that are no fusions: some pages of some queries.
const RANKINGS: u64 = 256;

/// Bytes that selections of rows may take: 64 of a million rows.
const CHOSEN_BYTES: u64 = 64 << 20;

/// Everything that requests share.
pub(crate) struct State {
    pub(crate) source: Source,
    pub(crate) encoder: Option<Arc<dyn Encoder>>,
    pub(crate) pictures: Option<Arc<dyn Pictures>>,
    pub(crate) places: Option<Arc<dyn Places>>,
    pub(crate) resources: Resources,
    /// The names of methods that can be asked for.
    pub(crate) methods: Vec<&'static str>,
    /// What they do.
    pub(crate) method_notes: Vec<MethodNote>,
    pub(crate) options: Options,
    pub(crate) secret: Option<Secret>,
    pub(crate) policy: HeaderValue,
    pub(crate) gate: Gate,
    pub(crate) vectors: Vectors,
    pub(crate) lists: ListCache,
    pub(crate) ranked: Cache<[u8; 32], Arc<Ranked>>,
    pub(crate) chosen: Cache<[u8; 32], Arc<Vec<bool>>>,
    pub(crate) shown: PictureCache,
}

/// Makes a cache of rankings.
pub(crate) fn rankings() -> Cache<[u8; 32], Arc<Ranked>> {
    Cache::builder().max_capacity(RANKINGS).build()
}

/// Makes a cache of selections.
pub(crate) fn selections() -> Cache<[u8; 32], Arc<Vec<bool>>> {
    let size = |rows: &Vec<bool>| u32::try_from(rows.len() + 64).unwrap_or(u32::MAX);
    Cache::builder()
        .max_capacity(CHOSEN_BYTES)
        .weigher(move |_: &[u8; 32], rows: &Arc<Vec<bool>>| size(rows))
        .build()
}

impl State {
    /// Does work on a thread of its own, in its turn and within its time. Work that takes longer is left to end by itself, and
    /// keeps its turn until it has.
    pub(crate) async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.gate.work().await?;
        let state = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&state)
        });
        match tokio::time::timeout(self.options.work_time, task).await {
            Ok(Ok(done)) => done,
            Ok(Err(_panic)) => Err(Problem::internal()),
            Err(_) => {
                let message =
                    format!("this took more than {} s and was given up", self.options.work_time.as_secs());
                Err(Problem::new(ProblemKind::TimedOut, message))
            }
        }
    }
}
