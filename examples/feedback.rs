//! Searches with tiles that were judged, for more like some and less like others (Rocchio, 1971).

#![allow(clippy::print_stdout, reason = "a chapter shows what it finds")]

use anyhow::Context;
use rscir::core::testing::unit_rows;
use rscir::prelude::*;

fn main() -> anyhow::Result<()> {
    let keys = (0..1000).map(|tile| format!("{tile:04}.tif")).collect();
    let archive = MemoryArchive::new(EncoderSpec::unknown(24), keys, unit_rows(1000, 24, 1))?;
    let vector = |key: &str| archive.unit_vector(key).with_context(|| format!("there is no tile {key}"));

    let (liked, disliked) = (["0003.tif", "0101.tif"], ["0500.tif"]);
    let mut query = ComposedQuery::new(archive.spec().clone());
    for key in liked {
        query = query.and_image(vector(key)?, 2.0 / liked.len() as f32)?;
    }
    for key in disliked {
        query = query.and_image(vector(key)?, -1.0 / disliked.len() as f32)?;
    }
    // Tiles that have been judged are not shown again.
    let is_new = |row: usize| !liked.iter().chain(&disliked).any(|&key| key == archive.key(row));
    for hit in search_with(&archive, &ImageOnly, &query, &SearchOptions::top(5).filter(&is_new))? {
        println!("{:.4} {}", hit.score, hit.key);
    }
    Ok(())
}
