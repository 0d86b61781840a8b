//! Shows images in a program without the feature `geo`, which scenes and places need.

use std::path::PathBuf;
use std::sync::Arc;

use rscir::web::{App, FolderPictures, Pictures};

/// Refuses scenes, which this program cannot show.
pub(crate) fn check(are_wanted: bool) -> anyhow::Result<()> {
    anyhow::ensure!(!are_wanted, "--scenes needs a program that is built with --features web,geo");
    Ok(())
}

/// Makes pictures of rows, from the files in some folders.
pub(crate) fn pictures(folders: Vec<PathBuf>) -> Arc<dyn Pictures> {
    Arc::new(FolderPictures::new(folders))
}

/// Adds nothing: places need the feature `geo`.
pub(crate) fn with_places(app: App) -> App {
    app
}
