//! Tiles of scenes and their places.

use std::path::PathBuf;
use std::sync::Arc;

use rscir::web::App;
use rscir::{FootprintPlaces, ScenePictures};

/// Scenes can be shown.
pub(crate) fn check(_are_wanted: bool) -> anyhow::Result<()> {
    Ok(())
}

/// Shows rows by files or scenes in some folders, and where they lie.
pub(crate) fn shown(app: App, folders: Vec<PathBuf>) -> App {
    let app = app.places(Arc::new(FootprintPlaces));
    if folders.is_empty() { app } else { app.pictures(Arc::new(ScenePictures::new(folders))) }
}
