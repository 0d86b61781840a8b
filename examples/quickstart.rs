//! Encodes a folder of tiles and asks it with an image and a text.

#![allow(clippy::print_stdout, reason = "a chapter shows what it finds")]

use rscir::prelude::*;

fn main() -> anyhow::Result<()> {
    let clip = ClipEncoder::from_folder("data/demo/model").build()?;
    let folder = tempfile::tempdir()?;

    // Run it again on the same archive, and only what is new or changed is encoded.
    let done = rscir::ingest("data/demo/benchmark/images/harbor", &clip, folder.path().join("harbor.rscir"))?;
    println!("{} encoded, {} failed", done.report.encoded, done.failures.len());

    let query = clip.compose("data/demo/benchmark/images/river/river10.jpg", "boats")?;
    for hit in rscir::search(&done.archive, &WeiCom::new(0.6)?, &query, 3)? {
        // Why it is there: the similarity of either part.
        let [image, text] = [hit.image, hit.text].map(|part| part.map_or(0.0, |part| part.similarity));
        println!("{:.4} {}  (image {image:.3}, text {text:.3})", hit.score, hit.key);
    }
    Ok(())
}
