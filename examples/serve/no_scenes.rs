//! Images alone: scenes and places need the feature `geo`.

use std::path::PathBuf;
use std::sync::Arc;

use rscir::web::{App, FolderPictures};

/// Scenes cannot be shown.
pub(crate) fn check(are_wanted: bool) -> anyhow::Result<()> {
    anyhow::ensure!(!are_wanted, "--scenes needs a program that is built with --features web,geo");
    Ok(())
}

/// Shows rows by files in some folders.
pub(crate) fn shown(app: App, folders: Vec<PathBuf>) -> App {
    if folders.is_empty() { app } else { app.pictures(Arc::new(FolderPictures::new(folders))) }
}
