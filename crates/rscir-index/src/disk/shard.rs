use rscir_core::Shard;
use serde::{Deserialize, Serialize};

use crate::disk::manifest::Manifest;
use crate::disk::writer::ArchiveWriter;
use crate::error::ShardProblem;
use crate::{DiskArchive, Result};

/// The part of a split ingest that an archive holds, in its manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShardEntry {
    pub(crate) number: usize,
    pub(crate) count: usize,
    /// `false` from the first commit of an ingest until the ingest has finished.
    pub(crate) finished: bool,
}

impl Manifest {
    /// Returns the part of a split ingest that the archive holds; `None` if it is not a shard.
    pub(crate) fn shard(&self) -> Option<Shard> {
        // Reading the manifest has checked the numbers, so that `None` stands for no shard only.
        self.shard.and_then(|entry| Shard::new(entry.number, entry.count).ok())
    }

    /// Returns a copy in which the shard counts as unfinished, for a manifest with rows that an ingest adds.
    pub(crate) fn begun(&self) -> Self {
        let mut begun = self.clone();
        begun.shard = self.shard.map(|entry| ShardEntry { finished: false, ..entry });
        begun
    }
}

impl DiskArchive {
    /// Returns the shard of a split ingest that the archive holds; `None` if it is not a shard.
    pub fn shard(&self) -> Option<Shard> {
        self.manifest.shard()
    }

    /// Tells whether the archive holds a shard whose ingest has not finished, so that rows may be missing.
    pub fn is_unfinished(&self) -> bool {
        self.manifest.shard.is_some_and(|entry| !entry.finished)
    }
}

impl ArchiveWriter {
    /// Returns the shard of a split ingest that the archive holds; `None` if it is not a shard.
    pub fn shard(&self) -> Option<Shard> {
        self.manifest.shard()
    }

    /// Assigns the archive, durably, to a shard, or to none if `shard` is `None`. An archive with rows, or of a
    /// finished shard, accepts only what it is assigned to already; any other accepts every shard. The shard
    /// counts as unfinished until [`ArchiveWriter::finish_shard`].
    ///
    /// # Errors
    /// [`Error::Shards`](crate::Error::Shards) with [`ShardProblem::Other`] if the archive does not accept the
    /// shard; [`Error::Io`](crate::Error::Io) if the manifest cannot be written;
    /// [`Error::LockLost`](crate::Error::LockLost) if the lock is lost;
    /// [`Error::Poisoned`](crate::Error::Poisoned) after a failed sync.
    pub fn claim_shard(&mut self, shard: Option<Shard>) -> Result<()> {
        self.check_health()?;
        let holds = self.shard();
        if holds == shard {
            return Ok(());
        }
        // An archive of a finished shard without rows still belongs to that shard.
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

    /// Records, durably, that the ingest of the shard has finished. Writes nothing if this is recorded already or
    /// the archive is not a shard.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the manifest cannot be written;
    /// [`Error::LockLost`](crate::Error::LockLost) if the lock is lost;
    /// [`Error::Poisoned`](crate::Error::Poisoned) after a failed sync.
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
