//! Queries with one target each, for the benchmarks of scenes before and after an event.

use std::collections::BTreeSet;

use rscir_core::Archive;

use super::DatasetReport;
use super::set_builder::SetBuilder;
use crate::{QuerySet, Result};

/// One query with one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    /// Line that names the pair in its file, as in [`Finding::line`].
    pub(super) line: u64,
    pub(super) group: String,
    pub(super) image: String,
    pub(super) texts: Vec<String>,
    pub(super) target: String,
}

pub(super) fn pair_queries(
    pairs: &[Pair],
    text: usize,
    file: &str,
    archive: &dyn Archive,
) -> Result<(QuerySet, DatasetReport)> {
    let mut builder = SetBuilder::new(archive);
    for pair in pairs {
        let Some(words) = pair.texts.get(text) else { continue };
        let image = builder.row(&pair.image, file, pair.line, words);
        let target = builder.row(&pair.target, file, pair.line, words);
        if let (Some(image), Some(target)) = (image, target) {
            builder.add(&pair.group, image, words, BTreeSet::from([target]));
        }
    }
    builder.finish()
}
