use std::path::PathBuf;

use rscir_core::{ErrorKind, Shard, SpecMismatch};

use super::Error;

/// Why archives are not the shards of one split ingest, or an archive not the one of a shard.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShardProblem {
    /// The archive holds something else than is to be ingested.
    #[error(
        "{}: the archive holds {}, and {} should go into it: give each shard an archive of its own",
        path.display(),
        named(*holds),
        named(*asked)
    )]
    Other {
        /// The archive.
        path: PathBuf,
        /// What it holds; `None`: all items, or rows that no ingest of a shard wrote.
        holds: Option<Shard>,
        /// What was to be ingested; `None`: all items.
        asked: Option<Shard>,
    },
    /// Some shards of the split are not among the archives.
    #[error(
        "of {count} shards {} not given: {}; run what is missing, or give its archive",
        if missing.len() == 1 { "one is" } else { "some are" },
        list(missing, *count)
    )]
    Missing {
        /// The numbers that are missing, from 1.
        missing: Vec<usize>,
        /// The number of shards in the split.
        count: usize,
    },
    /// The ingest of a shard was cut off.
    #[error("{}: shard {shard} was cut off before its end: run it again, it goes on where it was", path.display())]
    Unfinished {
        /// The archive.
        path: PathBuf,
        /// The shard.
        shard: Shard,
    },
    /// Two archives are of the same shard.
    #[error("{} and {} are both shard {shard}: give one of them", first.display(), second.display())]
    Twice {
        /// The shard.
        shard: Shard,
        /// An archive of it.
        first: PathBuf,
        /// The other one.
        second: PathBuf,
    },
    /// Two archives are of shards of different splits, or one is no shard at all.
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
        /// What it holds.
        first_holds: Option<Shard>,
        /// The archive that does not belong to it.
        second: PathBuf,
        /// What that holds.
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
        /// The archive that knows its encoder.
        first: PathBuf,
        /// The archive that does not fit.
        second: PathBuf,
        /// The field that differs, the value of `first` as the archive's.
        mismatch: SpecMismatch,
    },
    /// A key has a row in two archives.
    #[error("{} and {} both have a row under the key {key:?}: take it out of one", first.display(), second.display())]
    SameKey {
        /// The key.
        key: String,
        /// An archive that has it.
        first: PathBuf,
        /// The other one.
        second: PathBuf,
    },
}

/// Numbers of shards that are listed one by one; of more, how many there are.
const LISTED: usize = 20;

fn list(missing: &[usize], count: usize) -> String {
    let named: Vec<String> = missing.iter().take(LISTED).map(|number| format!("{number}/{count}")).collect();
    let more = missing.len().saturating_sub(LISTED);
    if more > 0 { format!("{} and {more} more", named.join(", ")) } else { named.join(", ") }
}

fn named(shard: Option<Shard>) -> String {
    shard.map_or_else(|| "no single shard".into(), |shard| format!("shard {shard}"))
}

impl From<ShardProblem> for Error {
    fn from(problem: ShardProblem) -> Self {
        Self::Shards(Box::new(problem))
    }
}

impl ShardProblem {
    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing { .. } => ErrorKind::NotFound,
            // Its process may still be at work.
            Self::Unfinished { .. } => ErrorKind::Busy,
            Self::Twice { .. } | Self::SameKey { .. } => ErrorKind::InvalidInput,
            Self::Other { .. } | Self::OtherSplit { .. } | Self::Encoder { .. } => ErrorKind::Mismatch,
        }
    }
}
