//! The archive in memory keeps the promises of the traits of `rscir-core`, and its errors name what is wrong with
//! the input.

use rscir_core::testing::{self, unit_rows};
use rscir_core::{Archive, EmbeddingSink, Embeddings, EncoderSpec, Fingerprint, Moments, SinkRow};
use rscir_index::{Error, MemoryArchive, MemorySink};

fn keys(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("tile_{i}.png")).collect()
}

#[test]
fn conforms_to_archive() {
    for (n, dim) in [(0, 4), (1, 3), (17, 1), (70, 33)] {
        let rows = unit_rows(n, dim, 1);
        let keys = keys(n);
        let archive = MemoryArchive::new(EncoderSpec::unknown(dim), keys.clone(), rows.clone()).unwrap();
        testing::archive(&archive, &keys.iter().map(String::as_str).collect::<Vec<_>>(), &rows, 2e-6);
        assert_eq!(archive.embeddings(), &rows);
    }
}

#[test]
fn conforms_to_sink_and_replaced_rows_keep_their_place() {
    testing::sink(&mut MemorySink::new(EncoderSpec::unknown(5)), 5);
    testing::sink_with_columns(&mut MemorySink::new(EncoderSpec::unknown(5)), 5, |sink| {
        Box::new(sink.clone().into_archive().unwrap())
    });

    let (first, second) = (unit_rows(3, 5, 1), unit_rows(1, 5, 2));
    let row = |key| SinkRow::new(key, Fingerprint::default());
    let mut sink = MemorySink::new(EncoderSpec::unknown(5));
    sink.commit(&[row("a"), row("b"), row("c")], &first).unwrap();
    sink.commit(&[row("b")], &second).unwrap();
    assert_eq!(sink.len(), 3);
    let archive = sink.into_archive().unwrap();
    assert_eq!((archive.find("b"), archive.key(1)), (Some(1), "b"));
    assert_eq!(&*archive.vector(1), second.row(0));
    assert_eq!(&*archive.vector(2), first.row(2));
}

#[test]
fn moments_of_many_rows_are_those_of_one_pass() {
    let (n, dim) = (9000, 7);
    let rows = unit_rows(n, dim, 5);
    let archive = MemoryArchive::new(EncoderSpec::unknown(dim), keys(n), rows.clone()).unwrap();
    let whole = Moments::of(dim, rows.as_slice()).unwrap();
    assert_eq!(archive.moments().count(), n as u64);
    for (a, b) in archive.moments().scatter().iter().zip(whole.scatter()) {
        assert!((a - b).abs() < 1e-9 * n as f64);
    }
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let again = MemoryArchive::new(EncoderSpec::unknown(dim), keys(n), rows).unwrap();
    assert_eq!(archive.moments(), alone.install(|| again.moments()), "the number of threads changes no bit");
}

#[test]
fn duplicate_keys_name_both_rows() {
    let keys = ["a", "b", "c", "b"].map(String::from).to_vec();
    let error = MemoryArchive::new(EncoderSpec::unknown(2), keys, unit_rows(4, 2, 1)).err().unwrap();
    assert!(matches!(error, Error::DuplicateKey { first: 1, second: 3, .. }));
    assert_eq!(
        error.to_string(),
        "key \"b\" is given to row 1 and to row 3: keys must be unique; rename or drop one"
    );
}

#[test]
fn counts_and_widths_must_agree() {
    let spec = EncoderSpec::unknown(2);
    let error = MemoryArchive::new(spec.clone(), keys(3), unit_rows(2, 2, 1)).err().unwrap();
    assert_eq!(error.to_string(), "keys (one per row): expected length 2, got 3");
    let error = MemoryArchive::new(spec.clone(), keys(2), unit_rows(2, 3, 1)).err().unwrap();
    assert_eq!(error.to_string(), "width of the rows: expected length 2, got 3");
    assert!(MemoryArchive::new(spec, vec![], Embeddings::empty(2)).unwrap().is_empty());
}
