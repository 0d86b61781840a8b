use std::path::Path;

use rscir_core::{Archive, EncoderSpec, Shard};

use crate::disk::archive::DiskArchive;
use crate::error::ShardProblem;
use crate::memory::index_of_unique;
use crate::{Error, Result};

/// Archives on disk that belong together: they come from one encoder, no key has two rows, and if they are
/// shards, they are all of them, in order.
pub(crate) struct ShardSet {
    archives: Vec<DiskArchive>,
    /// Position of the archive whose spec is that of all.
    known: usize,
}

impl ShardSet {
    /// Opens archives and checks that they belong together.
    ///
    /// # Errors
    /// [`Error::NoShards`] if there are none; [`Error::Shards`] if they do not belong together; the errors of
    /// [`DiskArchive::open`], and those of damaged keys and columns.
    pub(crate) fn open<P: AsRef<Path>>(paths: &[P]) -> Result<Self> {
        let mut archives = paths.iter().map(DiskArchive::open).collect::<Result<Vec<_>>>()?;
        archives.sort_by_key(DiskArchive::shard);
        check_split(&archives)?;
        // An unknown encoder agrees with every other, so the spec of the first archive with a known one is that
        // of all.
        let known = archives.iter().position(|archive| !archive.spec().is_unknown()).unwrap_or(0);
        let first = archives.get(known).ok_or(Error::NoShards)?;
        for second in &archives {
            first.spec().check(second.spec()).map_err(|mismatch| ShardProblem::Encoder {
                first: first.path().into(),
                second: second.path().into(),
                mismatch,
            })?;
        }
        // Checks the rows first, because a damaged key reads as an empty one.
        archives.iter().try_for_each(DiskArchive::check_rows)?;
        check_keys(&archives)?;
        Ok(Self { archives, known })
    }

    pub(crate) fn archives(&self) -> &[DiskArchive] {
        &self.archives
    }

    pub(crate) fn into_archives(self) -> Vec<DiskArchive> {
        self.archives
    }

    pub(crate) fn spec(&self) -> &EncoderSpec {
        self.archives[self.known].spec()
    }
}

/// Checks that the archives, sorted by shard, are all shards of one split, or that none is a shard.
fn check_split(archives: &[DiskArchive]) -> Result<()> {
    let Some(first) = archives.iter().find_map(DiskArchive::shard) else { return Ok(()) };
    for pair in archives.windows(2) {
        let (first_holds, second_holds) = (pair[0].shard(), pair[1].shard());
        let (first, second) = (pair[0].path().into(), pair[1].path().into());
        match (first_holds, second_holds) {
            (Some(shard), Some(other)) if shard == other => {
                return Err(ShardProblem::Twice { shard, first, second }.into());
            }
            (Some(shard), Some(other)) if shard.count() == other.count() => {}
            _ => return Err(ShardProblem::OtherSplit { first, first_holds, second, second_holds }.into()),
        }
    }
    let given: Vec<usize> = archives.iter().filter_map(DiskArchive::shard).map(Shard::number).collect();
    let missing: Vec<usize> =
        (1..=first.count()).filter(|number| given.binary_search(number).is_err()).collect();
    if !missing.is_empty() {
        return Err(ShardProblem::Missing { missing, count: first.count() }.into());
    }
    match archives.iter().find(|archive| archive.is_unfinished()) {
        Some(archive) => Err(ShardProblem::Unfinished {
            path: archive.path().into(),
            shard: archive.shard().unwrap_or(first),
        }
        .into()),
        None => Ok(()),
    }
}

/// Checks that no key has a row in two of the archives.
fn check_keys(archives: &[DiskArchive]) -> Result<()> {
    let mut starts = Vec::new();
    let mut rows = 0;
    for archive in archives {
        starts.push(rows);
        rows += archive.len();
    }
    let locate = |row: usize| starts.partition_point(|&start| start <= row) - 1;
    let key = |row: usize| {
        let part = locate(row);
        archives[part].key(row - starts[part])
    };
    match index_of_unique(rows, key) {
        Ok(_) => Ok(()),
        Err(Error::DuplicateKey { key, first, second }) => Err(ShardProblem::SameKey {
            key,
            first: archives[locate(first)].path().into(),
            second: archives[locate(second)].path().into(),
        }
        .into()),
        Err(other) => Err(other),
    }
}
