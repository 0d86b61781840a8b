//! Shows images in a program without the feature `geo`, which scenes and places need.

use std::path::PathBuf;
use std::sync::Arc;

use rscir::web::{App, FolderPictures};

/// Refuses scenes, which this program cannot show.
pub(crate) fn check(are_wanted: bool) -> anyhow::Result<()> {
    anyhow::ensure!(!are_wanted, "--scenes needs a program that is built with --features web,geo");
    Ok(())
}

/// Adds pictures of rows, from the files in some folders.
pub(crate) fn shown(app: App, folders: Vec<PathBuf>) -> App {
    if folders.is_empty() { app } else { app.pictures(Arc::new(FolderPictures::new(folders))) }
}
