//! Encodes a folder of tiles, and searches it with an image and a text.

#![allow(clippy::print_stdout, reason = "a chapter shows what it finds")]

use rscir::prelude::*;

fn main() -> anyhow::Result<()> {
    let clip = ClipEncoder::from_folder("data/demo/model").build()?;
    let folder = tempfile::tempdir()?;

    // Called again with the same archive, it encodes only tiles that are new or have changed.
    let done = rscir::ingest("data/demo/benchmark/images/harbor", &clip, folder.path().join("harbor.rscir"))?;
    println!("{} encoded, {} failed", done.report.encoded, done.failures.len());

    let query = clip.compose("data/demo/benchmark/images/river/river10.jpg", "boats")?;
    for hit in rscir::search(&done.archive, &WeiCom::new(0.6)?, &query, 3)? {
        // The similarities to image and text say why a tile was found.
        let [image, text] = [hit.image, hit.text].map(|part| part.map_or(0.0, |part| part.similarity));
        println!("{:.4} {}  (image {image:.3}, text {text:.3})", hit.score, hit.key);
    }
    Ok(())
}
