//! The order of rows affects reading only: rows can be read by key, whatever the order of commits, and without
//! rewriting files.

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{DIM, Step, advance, columns, content, key, open_or_create, take, vector};
use proptest::prelude::*;
use rscir_core::{Archive, Embeddings, Fingerprint, SinkRow};
use rscir_index::{ArchiveWriter, Compaction, DiskArchive, RowOrder, verify};

/// Returns the names of an archive's files with their bytes, without the lock.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let segments = std::fs::read_dir(dir.join("segments")).unwrap();
    let paths = segments.map(|entry| entry.unwrap().path()).chain([dir.join("manifest.json")]);
    paths.map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())).collect()
}

fn step() -> impl Strategy<Value = Step> {
    let rows = || prop::collection::btree_set(0usize..120, 1..40);
    prop_oneof![
        4 => (rows(), 1u8..9).prop_map(|(rows, edition)| Step::Commit(rows.into_iter().collect(), edition)),
        // Rows in descending order make many stretches.
        1 => (rows(), 1u8..9).prop_map(|(rows, e)| Step::Commit(rows.into_iter().rev().collect(), e)),
        2 => rows().prop_map(|rows| Step::Delete(rows.into_iter().collect())),
        1 => Just(Step::Compact),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn rows_are_read_by_key_after_any_life(steps in prop::collection::vec(step(), 1..14)) {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("tiles.rscir");
        let mut writer = open_or_create(std::sync::Arc::new(rscir_index::storage::FileStorage), &dir).unwrap();
        writer.set_order(RowOrder::Key).unwrap();
        let mut model = Vec::new();
        for step in &steps {
            take(&mut writer, step).unwrap();
            advance(&mut model, step);
            model.sort_unstable();
            let archive = DiskArchive::open(&dir).unwrap();
            prop_assert_eq!(archive.order(), RowOrder::Key);
            prop_assert_eq!(&content(&archive), &model);
            for (row, &(number, _)) in model.iter().enumerate() {
                prop_assert_eq!(archive.find(&key(number)), Some(row));
            }
        }
        let archive = DiskArchive::open(&dir).unwrap();
        // Compares with the same rows in one commit, in order.
        let rows: Vec<f32> = model.iter().flat_map(|&(row, edition)| vector(row, edition)).collect();
        let query = vector(1, 1);
        let queries = rscir_core::Queries::new(DIM, &query).unwrap();
        let mut scores = vec![0.0; archive.len()];
        archive.similarities(queries, &mut scores).unwrap();
        for (row, score) in rows.chunks_exact(DIM).zip(&scores) {
            let dot: f32 = row.iter().zip(&query).map(|(a, b)| a * b).sum();
            prop_assert!((dot - score).abs() < 1e-5);
        }
        writer.compact().unwrap();
        let whole = parent.path().join("whole.rscir");
        let mut other = open_or_create(std::sync::Arc::new(rscir_index::storage::FileStorage), &whole).unwrap();
        other.set_order(RowOrder::Key).unwrap();
        if !model.is_empty() {
            let keys: Vec<String> = model.iter().map(|&(row, _)| key(row)).collect();
            let described: Vec<_> = model
                .iter()
                .zip(&keys)
                .map(|(&(_, edition), key)| SinkRow::new(key, Fingerprint([edition; 16])))
                .collect();
            let rows = Embeddings::normalize(DIM, rows).unwrap();
            other.commit_with_columns(&described, &rows, &columns(&model)).unwrap();
        }
        drop((writer, other));
        let [a, b] = [&dir, &whole].map(|dir| files(dir).into_values().collect::<Vec<_>>());
        prop_assert!(a == b, "compacted, an archive is the one whose rows came at once");
        prop_assert!(verify(&dir).unwrap().is_sound());
    }
}

#[test]
fn a_row_between_others_rewrites_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("tiles.rscir");
    let mut writer = open_or_create(std::sync::Arc::new(rscir_index::storage::FileStorage), &dir).unwrap();
    writer.set_order(RowOrder::Key).unwrap();
    take(&mut writer, &Step::Commit((1..100).filter(|row| row % 10 != 0).collect(), 1)).unwrap();
    let before = files(&dir);
    take(&mut writer, &Step::Commit(vec![0], 2)).unwrap();
    take(&mut writer, &Step::Commit(vec![50], 2)).unwrap();
    let after = files(&dir);
    let kept = before.iter().filter(|(name, bytes)| after.get(*name) == Some(bytes)).count();
    assert_eq!((kept, after.len()), (before.len() - 1, before.len() + 2), "all but the manifest stays");
    let archive = DiskArchive::open(&dir).unwrap();
    let keys: Vec<&str> = (0..archive.len()).map(|row| archive.key(row)).collect();
    assert!(keys.is_sorted());
    assert_eq!((archive.find(&key(0)), archive.key(46)), (Some(0), key(50).as_str()));
}

#[test]
fn an_archive_in_the_order_of_its_commits_can_be_read_by_key_from_then_on() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("tiles.rscir");
    let mut writer = open_or_create(std::sync::Arc::new(rscir_index::storage::FileStorage), &dir).unwrap();
    take(&mut writer, &Step::Commit(vec![5, 3, 9], 1)).unwrap();
    assert_eq!(content(&DiskArchive::open(&dir).unwrap()), [(5, 1), (3, 1), (9, 1)]);
    writer.set_order(RowOrder::Key).unwrap();
    assert_eq!(content(&DiskArchive::open(&dir).unwrap()), [(3, 1), (5, 1), (9, 1)]);
    drop(writer);
    let mut writer = ArchiveWriter::open(&dir).unwrap();
    assert_eq!(writer.order(), RowOrder::Key);
    take(&mut writer, &Step::Commit(vec![4], 1)).unwrap();
    assert_eq!(content(&DiskArchive::open(&dir).unwrap()), [(3, 1), (4, 1), (5, 1), (9, 1)]);
}

#[test]
fn a_compaction_that_costs_more_than_is_allowed_is_put_off() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("tiles.rscir");
    let mut writer = open_or_create(std::sync::Arc::new(rscir_index::storage::FileStorage), &dir).unwrap();
    take(&mut writer, &Step::Commit((0..90).collect(), 1)).unwrap();
    assert_eq!(writer.compact_up_to(1).unwrap(), Compaction::NotNeeded);
    take(&mut writer, &Step::Commit((90..100).collect(), 1)).unwrap();
    let before = files(&dir);
    assert_eq!(writer.compact_up_to(99).unwrap(), Compaction::Postponed { rows: 100 });
    assert_eq!(files(&dir), before);
    assert_eq!(writer.compact_up_to(100).unwrap(), Compaction::Done);
    assert_eq!(writer.compact_up_to(100).unwrap(), Compaction::NotNeeded);
}
