//! Vectors of other programs, copied into an archive block by block.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use rscir_core::testing::unit_rows;
use rscir_core::{Archive, Embeddings, Precision};
use rscir_index::{
    DiskArchive, Error, Features, ImportOptions, Imported, LeftOut, LeftOutReason, import_vectors, verify,
};
use tempfile::TempDir;

/// Makes the bytes of an array of `<f4`, as numpy writes it.
fn npy(rows: usize, dim: usize, values: &[f32], fortran: bool) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '<f4', 'fortran_order': {order}, 'shape': ({rows}, {dim}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

fn bed() -> (TempDir, std::path::PathBuf, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (file, archive) = (folder.path().join("f.npy"), folder.path().join("f.rscir"));
    (folder, file, archive)
}

fn import(file: &Path, archive: &Path) -> rscir_index::Result<Imported> {
    import_vectors(file, archive, &ImportOptions::default())
}

#[test]
fn blocks_of_an_array_become_the_archive_of_its_features() {
    // More than one block, and a part of one.
    let (rows, dim) = (65_536 + 3_000, 8);
    let (_folder, file, archive) = bed();
    let values = unit_rows(rows, dim, 3);
    std::fs::write(&file, npy(rows, dim, values.as_slice(), false)).unwrap();
    let imported = import(&file, &archive).unwrap();
    assert_eq!((imported.written, imported.unchanged, imported.left_out.len()), (rows, 0, 0));
    let archive = DiskArchive::open(&archive).unwrap();
    let features = Features::read(&file).unwrap();
    assert_eq!(archive.len(), rows);
    for row in [0, 1, 65_535, 65_536, rows - 1] {
        assert_eq!(archive.key(row), features.keys[row]);
        assert_eq!(archive.vector(row), features.embeddings.row(row));
    }
    assert_eq!(archive.moments().count(), rows as u64);
}

#[test]
fn rows_that_cannot_be_normalized_are_left_out_and_named() {
    let (_folder, file, archive) = bed();
    let values = [1.0, 0.0, 0.0, 0.0, f32::NAN, 1.0, 0.0, 2.0, f32::INFINITY, 0.0];
    std::fs::write(&file, npy(5, 2, &values, false)).unwrap();
    std::fs::write(file.with_extension("keys.txt"), "a\nb\nc\nd\ne\n").unwrap();
    let imported = import(&file, &archive).unwrap();
    let left_out = |row, reason| LeftOut { row, reason };
    assert_eq!(imported.written, 2);
    assert_eq!(
        imported.left_out,
        [
            left_out(1, LeftOutReason::Zero),
            left_out(2, LeftOutReason::NotFinite),
            left_out(4, LeftOutReason::NotFinite)
        ]
    );
    let archive = DiskArchive::open(&archive).unwrap();
    let keys: Vec<&str> = (0..archive.len()).map(|row| archive.key(row)).collect();
    assert_eq!((keys, &*archive.vector(1)), (vec!["a", "d"], &[0.0, 1.0][..]));
}

#[test]
fn an_import_goes_on_where_it_was_stopped_and_does_nothing_twice() {
    let (rows, dim) = (65_536 * 2 + 10, 3);
    let (_folder, file, archive) = bed();
    std::fs::write(&file, npy(rows, dim, unit_rows(rows, dim, 5).as_slice(), false)).unwrap();
    let whole = archive.with_extension("whole");
    import(&file, &whole).unwrap();

    struct StopAfterOne<'a>(&'a AtomicBool);
    impl rscir_core::Progress for StopAfterOne<'_> {
        fn advance(&self, _: u64) {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let stop = AtomicBool::new(false);
    let progress = StopAfterOne(&stop);
    let options = ImportOptions::default().stop(&stop).progress(&progress);
    let imported = import_vectors(&file, &archive, &options).unwrap();
    assert_eq!((imported.written, imported.stopped), (65_536, true));
    let imported = import(&file, &archive).unwrap();
    assert_eq!((imported.written, imported.unchanged, imported.stopped), (rows - 65_536, 65_536, false));
    assert_eq!(import(&file, &archive).unwrap().unchanged, rows);
    let manifest = |dir: &Path| std::fs::read(dir.join("manifest.json")).unwrap();
    assert_eq!(manifest(&archive), manifest(&whole), "as an import that was not stopped, to the bit");
    assert!(verify(&archive).unwrap().is_sound());
}

#[test]
fn nothing_is_written_if_the_keys_are_of_another_array_or_twice() {
    let (_folder, file, archive) = bed();
    let rows = unit_rows(4, 2, 1);
    let keys: Vec<String> = ["a", "b", "c", "d"].map(String::from).into();
    Features::new(keys, rows.clone()).unwrap().write(&file).unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let error = import(&file, &archive).unwrap_err();
    assert!(error.to_string().contains("SHA-256") && !archive.exists(), "{error}");

    std::fs::remove_file(file.with_extension("keys.json")).unwrap();
    std::fs::write(file.with_extension("keys.txt"), "a\nb\na\nd\n").unwrap();
    let error = import(&file, &archive).unwrap_err();
    assert!(error.to_string().contains("f.npy") && !archive.exists(), "{error}");
    std::fs::write(file.with_extension("keys.txt"), "a\nb\n").unwrap();
    let error = import(&file, &archive).unwrap_err();
    assert!(matches!(&error, Error::File { .. }) && !archive.exists(), "{error}");
}

#[test]
fn other_formats_and_fortran_order_come_to_the_same_archive() {
    let (folder, file, archive) = bed();
    let rows = unit_rows(30, 4, 9);
    let keys: Vec<String> = (0..30).map(|row| row.to_string()).collect();
    std::fs::write(&file, npy(30, 4, rows.as_slice(), false)).unwrap();
    import(&file, &archive).unwrap();
    let columns: Vec<f32> =
        (0..4).flat_map(|j| rows.rows().map(move |row| row[j]).collect::<Vec<_>>()).collect();
    let fortran = folder.path().join("fortran.npy");
    std::fs::write(&fortran, npy(30, 4, &columns, true)).unwrap();
    let tensors = folder.path().join("f.safetensors");
    Features::new(keys, rows).unwrap().write(&tensors).unwrap();
    let expected = Features::of_archive(&DiskArchive::open(&archive).unwrap()).unwrap();
    for other in [&fortran, &tensors] {
        let copy = other.with_extension("rscir");
        assert_eq!(import(other, &copy).unwrap().written, 30);
        assert_eq!(import(other, &copy).unwrap().unchanged, 30);
        assert_eq!(Features::of_archive(&DiskArchive::open(&copy).unwrap()).unwrap(), expected);
    }
}

#[test]
fn the_format_of_the_rows_can_be_chosen_and_is_kept() {
    let (_folder, file, archive) = bed();
    std::fs::write(&file, npy(9, 4, unit_rows(9, 4, 2).as_slice(), false)).unwrap();
    import_vectors(&file, &archive, &ImportOptions::default().precision(Precision::F16)).unwrap();
    std::fs::write(file.with_extension("keys.txt"), "a\nb\nc\nd\ne\nf\ng\nh\ni\n").unwrap();
    import(&file, &archive).unwrap();
    let archive = DiskArchive::open(&archive).unwrap();
    assert_eq!((archive.precision(), archive.len()), (Precision::F16, 18));
    let embeddings = Embeddings::normalize(4, archive.vector(0).to_vec()).unwrap();
    assert_eq!(embeddings.len(), 1);
}
