//! The HTML page of an evaluation.

use std::path::Path;

use rscir::bench::{Page, TileData};

use super::out::note;
use super::text::shown;

/// Larger files are not shown: a page of a hundred of them would be slow to open.
const LARGEST_TILE: u64 = 256 << 10;

/// Writes `page` to `path`, with the tiles of `dataset`, whose files the archive's keys name.
pub fn write(page: Page<'_>, dataset: &Path, path: &Path) -> anyhow::Result<()> {
    let tiles = |key: &str| {
        let file = dataset.join(key);
        let small = std::fs::metadata(&file).is_ok_and(|metadata| metadata.len() <= LARGEST_TILE);
        small.then(|| std::fs::read(&file).ok()).flatten().and_then(TileData::sniff)
    };
    page.with_tiles(&tiles).write(path)?;
    note!("written: {}", shown(path.display()));
    Ok(())
}
