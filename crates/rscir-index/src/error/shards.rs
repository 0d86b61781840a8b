use std::path::PathBuf;

use rscir_core::{ErrorKind, Shard, SpecMismatch};

use super::Error;

/// Why archives are not the shards of one split ingest, or an archive does not hold the shard that is asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShardProblem {
    /// The archive holds other items than should be ingested into it.
    #[error(
        "{}: the archive holds {}, and {} should go into it: give each shard an archive of its own",
        path.display(),
        named(*holds),
        named(*asked)
    )]
    Other {
        /// The archive.
        path: PathBuf,
        /// Shard that the archive holds; `None` for all items, or for rows that no ingest of a shard wrote.
        holds: Option<Shard>,
        /// Shard that should be ingested; `None` for all items.
        asked: Option<Shard>,
    },
    /// Some shards of the split are not among the archives.
    #[error(
        "of {count} shards {} missing: {}; ingest the missing shards, or give their archives",
        if missing.len() == 1 { "one is" } else { "some are" },
        list(missing, *count)
    )]
    Missing {
        /// Numbers of the missing shards, from 1.
        missing: Vec<usize>,
        /// Number of shards of the split.
        count: usize,
    },
    /// The ingest of a shard ended before all its items were stored.
    #[error("{}: the ingest of shard {shard} is unfinished: run it again, it continues where it stopped", path.display())]
    Unfinished {
        /// The archive.
        path: PathBuf,
        /// The shard.
        shard: Shard,
    },
    /// Two archives hold the same shard.
    #[error("{} and {} both hold shard {shard}: give one of them", first.display(), second.display())]
    Twice {
        /// The shard.
        shard: Shard,
        /// An archive that holds it.
        first: PathBuf,
        /// The other archive.
        second: PathBuf,
    },
    /// Two archives hold shards of different splits, or one of them holds no single shard.
    #[error(
        "{} holds {}, and {} holds {}: shards of one split belong together",
        first.display(),
        named(*first_holds),
        second.display(),
        named(*second_holds)
    )]
    OtherSplit {
        /// An archive.
        first: PathBuf,
        /// Shard that `first` holds; `None` if it holds no single shard.
        first_holds: Option<Shard>,
        /// The archive that does not belong to it.
        second: PathBuf,
        /// Shard that `second` holds; `None` if it holds no single shard.
        second_holds: Option<Shard>,
    },
    /// Two archives come from different encoders.
    #[error(
        "{} and {} come from different encoders: {} is {:?} in the first and {:?} in the second",
        first.display(),
        second.display(),
        mismatch.field,
        mismatch.archive,
        mismatch.query
    )]
    Encoder {
        /// The archive whose encoder is known.
        first: PathBuf,
        /// The archive that does not fit.
        second: PathBuf,
        /// The field that differs; `archive` is the value of `first`, `query` that of `second`.
        mismatch: SpecMismatch,
    },
    /// A key has a row in two archives.
    #[error("{} and {} both have a row under the key {key:?}: delete it from one of them", first.display(), second.display())]
    SameKey {
        /// The key.
        key: String,
        /// An archive that has it.
        first: PathBuf,
        /// The other archive.
        second: PathBuf,
    },
}

/// Largest number of missing shards that a message lists; of the others it gives the count.
const LISTED: usize = 20;

/// Returns the missing shards as a message lists them.
fn list(missing: &[usize], count: usize) -> String {
    let named: Vec<String> = missing.iter().take(LISTED).map(|number| format!("{number}/{count}")).collect();
    let more = missing.len().saturating_sub(LISTED);
    if more > 0 { format!("{} and {more} more", named.join(", ")) } else { named.join(", ") }
}

/// Returns the words for a shard in a message.
fn named(shard: Option<Shard>) -> String {
    shard.map_or_else(|| "no single shard".into(), |shard| format!("shard {shard}"))
}

impl From<ShardProblem> for Error {
    fn from(problem: ShardProblem) -> Self {
        Self::Shards(Box::new(problem))
    }
}

impl ShardProblem {
    /// Returns the kind of the problem, by which a caller decides what to do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing { .. } => ErrorKind::NotFound,
            // The process that ingests the shard may still run.
            Self::Unfinished { .. } => ErrorKind::Busy,
            Self::Twice { .. } | Self::SameKey { .. } => ErrorKind::InvalidInput,
            Self::Other { .. } | Self::OtherSplit { .. } | Self::Encoder { .. } => ErrorKind::Mismatch,
        }
    }
}
