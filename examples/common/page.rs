//! The HTML page of an evaluation.

use std::path::Path;

use anyhow::Context;
use rscir::bench::{Page, TileData};

/// Larger files are not shown: a page of a hundred of them would be slow to open.
const LARGEST_TILE: u64 = 256 << 10;

/// Writes `page` to `path`, with the tiles of `dataset`, whose files the archive's keys name.
pub fn write(page: Page<'_>, dataset: &Path, path: &Path) -> anyhow::Result<()> {
    let tiles = |key: &str| {
        let file = dataset.join(key);
        let small = std::fs::metadata(&file).is_ok_and(|metadata| metadata.len() <= LARGEST_TILE);
        small.then(|| std::fs::read(&file).ok()).flatten().and_then(TileData::sniff)
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    page.with_tiles(&tiles).write(path)?;
    eprintln!("written: {}", path.display());
    Ok(())
}
