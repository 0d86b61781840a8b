//! The HTML page of an evaluation.

use std::path::Path;

use rscir::bench::{HtmlReport, TileData};
use rscir::core::files::read_bounded;

use super::out::note;
use super::text::shown;

/// Bytes of the largest tile that a page shows. A page of a hundred larger ones would be slow to open.
const LARGEST_TILE: u64 = 256 << 10;

/// Writes `page` to `path`, with pictures of tiles. The archive's keys name the files of the tiles within
/// `dataset`.
pub fn write(page: HtmlReport<'_>, dataset: &Path, path: &Path) -> anyhow::Result<()> {
    let tiles = |key: &str| read_bounded(dataset.join(key), LARGEST_TILE).ok().and_then(TileData::sniff);
    page.tiles(&tiles).write(path)?;
    note!("written: {}", shown(path.display()));
    Ok(())
}
