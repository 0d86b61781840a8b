//! Stands in for Parquet files in a program without the feature `interchange`, and says how to build one with it.

use std::path::Path;

use rscir::prelude::*;

use crate::Cli;
use crate::common::Outcome;

/// Tells whether a path names Parquet files.
pub(crate) fn is_one(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "parquet")
        || (path.is_dir() && !path.join("manifest.json").exists())
}

pub(crate) fn import(_: &Cli, _: Option<EncoderSpec>) -> anyhow::Result<Outcome> {
    anyhow::bail!(
        "Parquet files need the feature `interchange`: build the program with it: cargo run --release --features interchange \
         --example import_vectors -- ..."
    )
}
