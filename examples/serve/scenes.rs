//! Shows tiles of scenes and their places.

use std::path::PathBuf;
use std::sync::Arc;

use rscir::web::{App, Pictures};
use rscir::{FootprintPlaces, ScenePictures};

/// Accepts scenes, which this program can show.
pub(crate) fn check(_are_wanted: bool) -> anyhow::Result<()> {
    Ok(())
}

/// Makes pictures of rows, from the files or scenes in some folders.
pub(crate) fn pictures(folders: Vec<PathBuf>) -> Arc<dyn Pictures> {
    Arc::new(ScenePictures::new(folders))
}

/// Adds the places of rows.
pub(crate) fn with_places(app: App) -> App {
    app.places(Arc::new(FootprintPlaces))
}
