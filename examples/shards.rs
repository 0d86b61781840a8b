//! Searches several archives as one.

#![allow(clippy::print_stdout, reason = "a chapter shows what it finds")]

use std::sync::Arc;

use rscir::core::testing::{unit_rows, unit_vector};
use rscir::prelude::*;

fn main() -> anyhow::Result<()> {
    let spec = EncoderSpec::unknown(32);
    let shard = |year: u64| -> anyhow::Result<Box<dyn Archive>> {
        let keys = (0..500).map(|tile| format!("{year}/{tile:03}.tif")).collect();
        Ok(Box::new(MemoryArchive::new(spec.clone(), keys, unit_rows(500, 32, year))?))
    };
    // A shard is any archive: on disk, in memory, or a set of shards. The statistics are those of all rows
    // together.
    let all: Arc<dyn Archive> = Arc::new(ShardedArchive::new(vec![shard(2023)?, shard(2024)?])?);

    // For many queries to one archive, a searcher takes the fastest exact way, and says which it was.
    let searcher = Searcher::new(Arc::clone(&all));
    let query =
        ComposedQuery::new(spec.clone()).with_image(unit_vector(32, 1))?.with_text(unit_vector(32, 2))?;
    let (hits, way) = searcher.search(&WeiCom::new(0.5)?, &query, &SearchOptions::top(3))?;
    for hit in hits {
        println!("{:.4} {} (by {way})", hit.score, hit.key);
    }
    Ok(())
}
