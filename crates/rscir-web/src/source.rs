use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rscir_core::Archive;
use rscir_index::DiskArchive;

use crate::about::About;

/// An archive as it was at one moment, under a name of its own.
pub(crate) struct Snapshot {
    pub(crate) archive: Arc<dyn Archive>,
    /// No other snapshot has it, of another run of the server neither: pictures are kept by it.
    pub(crate) version: String,
    /// What filters are built from, once somebody has asked.
    pub(crate) about: OnceLock<Arc<About>>,
}

impl Snapshot {
    fn new(archive: Arc<dyn Archive>) -> Arc<Self> {
        // Seeded by the system for each.
        let version = format!("{:016x}", RandomState::new().build_hasher().finish());
        Arc::new(Self { archive, version, about: OnceLock::new() })
    }
}

/// The archive that is asked now.
pub(crate) struct Source {
    current: RwLock<Arc<Snapshot>>,
    growing: Option<Mutex<Growing>>,
    refresh: Duration,
}

/// An archive that a writer may change.
struct Growing {
    archive: Arc<DiskArchive>,
    looked: Instant,
    /// Why the last look failed; the old snapshot goes on then.
    failed: Option<String>,
}

impl Source {
    pub(crate) fn fixed(archive: Arc<dyn Archive>) -> Self {
        Self { current: RwLock::new(Snapshot::new(archive)), growing: None, refresh: Duration::ZERO }
    }

    pub(crate) fn growing(archive: DiskArchive) -> Self {
        let archive = Arc::new(archive);
        let growing = Growing { archive: Arc::clone(&archive), looked: Instant::now(), failed: None };
        let mut source = Self::fixed(archive);
        source.growing = Some(Mutex::new(growing));
        source
    }

    pub(crate) fn refreshed_each(mut self, time: Duration) -> Self {
        self.refresh = time;
        self
    }

    /// Returns the snapshot to answer by. Whoever has one goes on with it, whatever comes after.
    pub(crate) fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks whether a writer has changed the archive, if nobody has for a while or does now. Reads files.
    pub(crate) fn look(&self) {
        let Some(growing) = &self.growing else { return };
        let Ok(mut growing) = growing.try_lock() else { return };
        if growing.looked.elapsed() < self.refresh {
            return;
        }
        match growing.archive.newer() {
            Ok(Some(newer)) => {
                growing.archive = Arc::new(newer);
                growing.failed = None;
                let snapshot = Snapshot::new(Arc::clone(&growing.archive) as Arc<dyn Archive>);
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
            }
            Ok(None) => growing.failed = None,
            Err(error) => growing.failed = Some(error.to_string()),
        }
        growing.looked = Instant::now();
    }

    /// Tells whether the last look failed, so that answers may be of an older archive.
    pub(crate) fn is_stale(&self) -> bool {
        let growing = self.growing.as_ref().and_then(|growing| growing.try_lock().ok());
        growing.is_some_and(|growing| growing.failed.is_some())
    }
}
