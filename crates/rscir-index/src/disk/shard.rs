use rscir_core::Shard;
use serde::{Deserialize, Serialize};

use crate::disk::manifest::Manifest;
use crate::disk::writer::ArchiveWriter;
use crate::error::ShardProblem;
use crate::{DiskArchive, Result};

/// The part of a split ingest that an archive holds, as its manifest keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShardEntry {
    pub(crate) number: usize,
    pub(crate) count: usize,
    /// False from the first commit of an ingest until the ingest has come to its end.
    pub(crate) finished: bool,
}

impl Manifest {
    /// The part of a split ingest that the archive holds, `None` if it holds all.
    pub(crate) fn shard(&self) -> Option<Shard> {
        // Numbers were checked when the manifest was read.
        self.shard.and_then(|entry| Shard::new(entry.number, entry.count).ok())
    }

    /// Returns a copy to go on from with rows that an ingest brings: it has to come to its end again.
    pub(crate) fn begun(&self) -> Self {
        let mut begun = self.clone();
        begun.shard = self.shard.map(|entry| ShardEntry { finished: false, ..entry });
        begun
    }
}

impl DiskArchive {
    /// Returns the shard of a split ingest that the archive holds; `None` if it is no shard.
    pub fn shard(&self) -> Option<Shard> {
        self.manifest.shard()
    }

    /// Tells whether the archive holds a shard whose ingest was cut off: rows are missing that its split has.
    pub fn is_unfinished(&self) -> bool {
        self.manifest.shard.is_some_and(|entry| !entry.finished)
    }
}

impl ArchiveWriter {
    /// Returns the shard of a split ingest that the archive holds; `None` if it is no shard.
    pub fn shard(&self) -> Option<Shard> {
        self.manifest.shard()
    }

    /// Makes the archive that of a shard, durably, or of no shard (`None`): an archive without rows becomes it, one with
    /// rows must be it. Until [`ArchiveWriter::finish_shard`] a shard counts as cut off.
    ///
    /// # Errors
    /// [`Error::Shards`](crate::Error::Shards) with [`ShardProblem::Other`] if the archive has rows of something else;
    /// [`Error::Io`](crate::Error::Io), [`Error::Poisoned`](crate::Error::Poisoned).
    pub fn claim_shard(&mut self, shard: Option<Shard>) -> Result<()> {
        self.check_health()?;
        let holds = self.shard();
        if holds == shard {
            return Ok(());
        }
        // A shard that came to its end without a row is the archive of that shard all the same.
        let is_taken = !self.is_empty() || self.manifest.shard.is_some_and(|entry| entry.finished);
        if is_taken {
            return Err(ShardProblem::Other { path: self.path().into(), holds, asked: shard }.into());
        }
        let mut manifest = self.manifest.clone();
        let entry =
            |shard: Shard| ShardEntry { number: shard.number(), count: shard.count(), finished: false };
        manifest.shard = shard.map(entry);
        self.publish(manifest, Vec::new(), &[])
    }

    /// Records, durably, that the ingest of the shard has come to its end. Nothing is written if that is recorded, or if the
    /// archive is no shard.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io), [`Error::Poisoned`](crate::Error::Poisoned).
    pub fn finish_shard(&mut self) -> Result<()> {
        self.check_health()?;
        match self.manifest.shard {
            Some(entry) if !entry.finished => {
                let mut manifest = self.manifest.clone();
                manifest.shard = Some(ShardEntry { finished: true, ..entry });
                self.publish(manifest, Vec::new(), &[])
            }
            _ => Ok(()),
        }
    }
}
