//! Stores columns beside vectors, and searches only rows whose columns match a filter.

#![allow(clippy::print_stdout, reason = "a chapter shows what it finds")]

use rscir::core::testing::{unit_rows, unit_vector};
use rscir::prelude::*;

fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let spec = EncoderSpec::unknown(16);
    let mut writer = ArchiveWriter::create(folder.path().join("tiles.rscir"), spec.clone(), Precision::F16)?;
    let keys = ["a.tif", "b.tif", "c.tif", "d.tif"];
    let rows = keys.map(|key| SinkRow::new(key, Fingerprint::default()));
    let columns = Columns::new(4)
        .with("label", vec!["harbor", "harbor", "sea", "harbor"])?
        .with("cloud", vec![Some(0.1), Some(0.7), Some(0.0), None])?;
    writer.commit_with_columns(&rows, &unit_rows(4, 16, 1), &columns)?;

    // This changes one column of one row, and leaves all other values.
    writer.update_columns(&["d.tif"], &Columns::new(1).with("cloud", vec![0.05])?)?;

    let archive = DiskArchive::open(writer.path())?;
    let query = ComposedQuery::new(spec).with_image(unit_vector(16, 7))?.with_text(unit_vector(16, 8))?;
    // `Filter::eq("label", "harbor").and(Filter::lt("cloud", 0.2))` is the same filter.
    let clear_harbors = Filter::parse("label = harbor and cloud < 0.2")?;
    let options = SearchOptions::top(10).matching(&clear_harbors);
    for hit in search_with(&archive, &WeiCom::default(), &query, &options)? {
        println!("{:.4} {}", hit.score, hit.key);
    }
    Ok(())
}
