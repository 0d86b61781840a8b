//! Any bytes as a segment or a manifest of an archive: opened, used in every way, written on, compacted.

#![no_main]

use std::path::Path;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use rscir_core::testing::unit_rows;
use rscir_core::{Archive, EncoderSpec, Fingerprint, Precision, SinkRow};
use rscir_index::storage::Storage;
use rscir_index::testing::FaultyStorage;
use rscir_index::{ArchiveWriter, Columns, DiskArchive, Filter, verify_with};
use sha2::{Digest, Sha256};

const DIR: &str = "/a.rscir";

fuzz_target!(|input: (bool, u8, u8, u8, &[u8])| {
    let (is_manifest, rows, dim, precision, bytes) = input;
    let storage = FaultyStorage::new();
    for dir in ["/a.rscir", "/a.rscir/segments"] {
        storage.create_dir(Path::new(dir)).unwrap();
    }
    let manifest = if is_manifest {
        bytes.to_vec()
    } else {
        let precision = ["f32", "f16", "bf16", "i8"][usize::from(precision % 4)];
        let (rows, dim) = (rows % 32 + 1, dim % 8);
        let hash = hash(bytes);
        storage.put(Path::new(&format!("{DIR}/segments/{hash}.safetensors")), bytes);
        let spec = EncoderSpec::unknown(dim.into());
        let spec = serde_json::to_string(&spec).unwrap();
        let len = bytes.len();
        format!(
            r#"{{"format":"rscir-archive","version":1,"spec":{spec},"precision":"{precision}","segments":[{{"sha256":"{hash}","bytes":{len},"rows":{rows}}}]"#
        )
        .into_bytes()
    };
    let end = format!(",\"sha256\":\"{}\"}}\n", hash(&manifest));
    storage.put(&Path::new(DIR).join("manifest.json"), &[manifest, end.into_bytes()].concat());
    use_it(Arc::new(storage));
});

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn use_it(storage: Arc<FaultyStorage>) {
    let sound = verify_with(storage.clone(), DIR).is_ok_and(|found| found.is_sound());
    let opened = DiskArchive::open_with(storage.clone(), DIR);
    assert!(opened.is_ok() || !sound, "a sound archive opens");
    let Ok(archive) = opened else { return };
    for row in 0..archive.len() {
        assert_eq!(archive.vector(row).len(), archive.dim());
        let _ = (archive.find(archive.key(row)), archive.fingerprint(row));
    }
    let columns = Columns::of_archive(&archive);
    for (name, _) in columns.types() {
        let _ = Filter::has_value(name).select(&archive).unwrap();
    }
    if archive.dim() == 0 || archive.dim() > 64 {
        return;
    }
    let query = unit_rows(1, archive.dim(), 1);
    archive.similarities(query.queries(), &mut vec![0.0; archive.len()]).unwrap();
    let _ = archive.moments().statistics(query.row(0)).unwrap();
    let opened = ArchiveWriter::open_with(storage.clone(), DIR);
    assert!(opened.is_ok() || !sound, "a sound archive can be written");
    let Ok(mut writer) = opened else { return };
    let row = SinkRow::new("tile", Fingerprint([1; 16]));
    writer.commit(&[row], &query).unwrap();
    writer.compact_sorted().unwrap();
    let rows = writer.len();
    let archive = DiskArchive::open_with(storage, DIR).unwrap();
    assert_eq!(archive.len(), rows);
    if archive.precision() == Precision::F32 {
        assert_eq!(archive.vector(archive.find("tile").unwrap()), query.row(0));
    }
}
