//! Runs the program that copies vectors into an archive.

mod common;

use common::{example, finish};
use rscir::prelude::*;

#[test]
fn vectors_are_copied_once_and_rows_without_a_direction_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (file, archive) = (folder.path().join("f.npy"), folder.path().join("f.rscir"));
    let rows = Embeddings::normalize(2, vec![1.0, 2.0, 3.0, 4.0]).unwrap();
    Features::new(vec!["a".into(), "b".into()], rows).unwrap().write(&file).unwrap();
    let run = || finish(example("import_vectors").arg("--vectors").arg(&file).arg("--archive").arg(&archive));
    run().ends_with(0).says("2 written, 0 unchanged, 0 left out");
    run().ends_with(0).says("0 written, 2 unchanged, 0 left out");
    assert_eq!(DiskArchive::open(&archive).unwrap().len(), 2);

    let mut bytes = std::fs::read(&file).unwrap();
    let len = bytes.len();
    bytes[len - 8..].fill(0);
    std::fs::write(&file, bytes).unwrap();
    run().ends_with(1).says("f.keys.json").says("SHA-256");
    std::fs::remove_file(file.with_extension("keys.json")).unwrap();
    run().ends_with(3).says("row 1 (from 0): all zeros").says("1 written");
}
