//! Encodes images that are in memory, such as windows of a scene or frames of a video.

#![allow(clippy::print_stdout, reason = "a chapter shows what it finds")]

use rscir::core::RgbImage;
use rscir::images::ingest_source;
use rscir::index::MemorySink;
use rscir::prelude::*;

fn main() -> anyhow::Result<()> {
    let clip = ClipEncoder::from_folder("data/demo/model").build()?;
    let tile = |color: [u8; 3]| RgbImage { width: 64, height: 64, data: color.repeat(64 * 64) };
    let images: MemoryImages =
        [("sea", tile([20, 60, 140])), ("field", tile([90, 140, 60])), ("sand", tile([210, 190, 150]))]
            .into_iter()
            .collect();

    // The vectors go into memory here. An `ArchiveWriter` is a sink that writes them to disk.
    let mut sink = MemorySink::new(ImageEncoder::spec(&clip).clone());
    let report = ingest_source(&images, &clip, &mut sink, &IngestOptions::default(), &mut |_| {})?;
    let archive = sink.into_archive()?;
    println!("{} encoded", report.encoded);

    // A text alone is a query, and so is an image alone.
    let query = ComposedQuery::builder(&clip).text("a beach")?.without("water")?.build()?;
    for hit in rscir::search(&archive, &TextOnly, &query, 3)? {
        println!("{:.4} {}", hit.score, hit.key);
    }
    Ok(())
}
