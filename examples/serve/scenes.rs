//! Shows tiles of scenes and their places.

use std::path::PathBuf;
use std::sync::Arc;

use rscir::web::App;
use rscir::{FootprintPlaces, ScenePictures};

/// Accepts scenes, which this program can show.
pub(crate) fn check(_are_wanted: bool) -> anyhow::Result<()> {
    Ok(())
}

/// Adds pictures of rows, from the files or scenes in some folders, and their places.
pub(crate) fn shown(app: App, folders: Vec<PathBuf>) -> App {
    let app = app.places(Arc::new(FootprintPlaces));
    if folders.is_empty() { app } else { app.pictures(Arc::new(ScenePictures::new(folders))) }
}
