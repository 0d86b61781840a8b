//! Encodes images in tar files in the form of WebDataset, without unpacking them. The other files of a sample
//! become columns.

#![allow(clippy::print_stdout, reason = "a chapter shows what it finds")]

use rscir::prelude::*;

fn main() -> anyhow::Result<()> {
    let clip = ClipEncoder::from_folder("data/demo/model").build()?;
    let folder = tempfile::tempdir()?;
    let archive = folder.path().join("tiles.rscir");

    // The source has to decode images as the encoder's spec records, or the ingest refuses it.
    let shards = TarShards::open(["crates/rscir-images/tests/data/shards/000.tar"])?
        .decoding(clip.decoding().clone())
        .limits(*clip.limits());
    let options = IngestOptions::default();
    let done =
        rscir::ingest_source(&shards, &clip, &archive, &options, &mut |failure| println!("{failure}"))?;
    for omission in done.report.left_out {
        println!("left out: {} {}", omission.count, omission.what);
    }

    // The `.json`, `.txt` and `.cls` files of a sample are columns with types.
    for (name, column_type) in done.archive.columns() {
        println!("{name}: {column_type}");
    }
    let query = ComposedQuery::builder(&clip).text("a red tile")?.build()?;
    let clear = Filter::parse("acquired >= 2024-01-01 and cloud <= 1")?;
    for hit in search_with(&done.archive, &TextOnly, &query, &SearchOptions::top(3).matching(&clear))? {
        println!("{:.4} {}", hit.score, hit.key);
    }
    Ok(())
}
