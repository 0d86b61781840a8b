//! Finds the damage that a bad disk did to an archive, and drops the damaged rows.

#![allow(clippy::print_stdout, reason = "a chapter shows what it finds")]

use rscir::core::testing::unit_rows;
use rscir::prelude::*;

fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut writer =
        ArchiveWriter::create(folder.path().join("t.rscir"), EncoderSpec::unknown(8), Precision::F32)?;
    for key in ["a.tif", "b.tif"] {
        writer.commit(&[SinkRow::new(key, Fingerprint::default())], &unit_rows(1, 8, 1))?;
    }
    let archive = writer.path().to_path_buf();
    drop(writer);

    // This changes one bit of one file.
    let file = std::fs::read_dir(archive.join("segments"))?.next().expect("a segment")?.path();
    let mut bytes = std::fs::read(&file)?;
    let last = bytes.len() - 40;
    bytes[last] ^= 1;
    std::fs::write(&file, bytes)?;

    let found = verify(&archive)?;
    println!("sound: {}; {} rows are left", found.is_sound(), found.sound_rows);
    for damage in &found.damage {
        println!("{}: {} rows: {}", damage.path.display(), damage.rows, damage.error);
    }
    // Nothing was dropped before this call. Dropped rows can be encoded again.
    repair(&archive)?.drop_damaged()?;
    anyhow::ensure!(verify(&archive)?.is_sound() && DiskArchive::open(&archive)?.len() == 1);
    Ok(())
}
