//! Makes a method of your own from a name and a function, which turns the two similarities of a tile into its
//! score.

#![allow(clippy::print_stdout, reason = "a program speaks to its user")]

use rscir::core::testing;
use rscir::prelude::*;
use rscir::weicom::pointwise;

fn main() -> anyhow::Result<()> {
    // The harmonic mean of both similarities, which are moved from -1..1 to 0..1, is high only if both are. It
    // never falls if one of them rises, and `monotone` says so: an exact search then can skip rows.
    let harmonic = pointwise("harmonic", |image, text| {
        let (image, text) = (f32::midpoint(image, 1.0), f32::midpoint(text, 1.0));
        2.0 * image * text / (image + text).max(f32::MIN_POSITIVE)
    })
    .monotone();

    let rows = testing::unit_rows(1000, 64, 1);
    let keys = (0..1000).map(|row| format!("tile{row}.png")).collect();
    let archive = MemoryArchive::new(EncoderSpec::unknown(64), keys, rows)?;
    // The conformance suite checks what every method must hold to.
    testing::method(&harmonic, &archive);

    let query = ComposedQuery::new(EncoderSpec::unknown(64))
        .with_image(testing::unit_vector(64, 2))?
        .with_text(testing::unit_vector(64, 3))?;
    for hit in rscir::search(&archive, &harmonic, &query, 3)? {
        println!("{:.4} {}", hit.score, hit.key);
    }
    Ok(())
}
