//! Shared by the tests of the archive on disk: steps that change an archive, and what it must hold after each of
//! them.
#![allow(dead_code)] // Each test uses a part.

#[cfg(unix)]
pub(crate) mod tampering;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use rscir_core::{Archive, Date, Embeddings, EncoderSpec, Fingerprint, Precision, SinkRow};
use rscir_index::storage::Storage;
use rscir_index::{ArchiveWriter, Columns, DiskArchive, Result};

pub(crate) const DIM: usize = 4;

/// A change of an archive. Rows are numbers, which determine their keys and vectors.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Commits these rows in this edition, which determines their vectors and columns.
    Commit(Vec<usize>, u8),
    Delete(Vec<usize>),
    Compact,
    CompactSorted,
}

/// The rows that an archive should hold, in order: number and edition.
pub(crate) type Model = Vec<(usize, u8)>;

pub(crate) fn key(row: usize) -> String {
    format!("tiles/{row:05}.png")
}

/// Returns the vector of a row in an edition: a unit vector that no other row has, the same on every machine.
pub(crate) fn vector(row: usize, edition: u8) -> Vec<f32> {
    let values = vec![1.0, row as f32 / 1024.0, f32::from(edition) / 128.0, 0.5];
    Embeddings::normalize(DIM, values).unwrap().row(0).to_vec()
}

/// Returns the columns of rows: of every type, with and without values, and not all of them in every edition.
pub(crate) fn columns(rows: &[(usize, u8)]) -> Columns {
    let every =
        |n: usize| move |&&(row, edition): &&(usize, u8)| !(row + usize::from(edition)).is_multiple_of(n);
    let some = |n| move |entry: &(usize, u8)| Some(entry).filter(every(n)).copied();
    let text = rows.iter().map(|(row, _)| "\u{e9}".repeat(row % 4)).collect::<Vec<_>>();
    let ints = rows.iter().map(|entry| some(3)(entry).map(|(row, _)| row as i64 - 100)).collect::<Vec<_>>();
    let floats = rows.iter().map(|entry| some(5)(entry).map(|(row, e)| row as f64 / f64::from(e + 1)));
    let bools = rows.iter().map(|entry| some(2)(entry).map(|(row, _)| row % 3 == 0)).collect::<Vec<_>>();
    let dates = rows.iter().map(|&(row, edition)| Date::from_days(row as i32 * 7 - i32::from(edition)));
    let boxes = rows.iter().map(|entry| some(4)(entry).map(|(row, _)| vec![row as f64 / 8.0; row % 5]));
    let columns = Columns::new(rows.len())
        .with("text \"\u{df}\"/int", text)
        .and_then(|c| c.with("int", ints))
        .and_then(|c| c.with("float", floats.collect::<Vec<_>>()))
        .and_then(|c| c.with("bool", bools))
        .and_then(|c| c.with("bbox", boxes.collect::<Vec<_>>()));
    // Only rows of even editions have days.
    let all_odd = rows.iter().all(|(_, edition)| edition % 2 == 1);
    let dates = dates.zip(rows).map(|(date, (_, edition))| Some(date).filter(|_| edition % 2 == 0));
    columns.and_then(|c| if all_odd { Ok(c) } else { c.with("date", dates.collect::<Vec<_>>()) }).unwrap()
}

/// Applies a step to a model.
pub(crate) fn advance(model: &mut Model, step: &Step) {
    match step {
        Step::Commit(rows, edition) => {
            let replaced: HashSet<_> = rows.iter().collect();
            model.retain(|(row, _)| !replaced.contains(row));
            model.extend(rows.iter().map(|&row| (row, *edition)));
        }
        Step::Delete(rows) => model.retain(|(row, _)| !rows.contains(row)),
        Step::Compact => {}
        Step::CompactSorted => model.sort_unstable(),
    }
}

/// Returns the models after 0, 1, 2, ... steps.
pub(crate) fn models(steps: &[Step]) -> Vec<Model> {
    let mut models = vec![Model::new()];
    for step in steps {
        let mut model = models.last().cloned().unwrap_or_default();
        advance(&mut model, step);
        models.push(model);
    }
    models
}

pub(crate) fn take(writer: &mut ArchiveWriter, step: &Step) -> rscir_core::Result<()> {
    match step {
        Step::Commit(rows, edition) => {
            let keys: Vec<String> = rows.iter().map(|&row| key(row)).collect();
            let described: Vec<_> =
                keys.iter().map(|key| SinkRow::new(key, Fingerprint([*edition; 16]))).collect();
            let values = rows.iter().flat_map(|&row| vector(row, *edition)).collect();
            let editions: Vec<_> = rows.iter().map(|&row| (row, *edition)).collect();
            let rows = Embeddings::normalize(DIM, values)?;
            Ok(writer.commit_with_columns(&described, &rows, &columns(&editions))?)
        }
        Step::Delete(rows) => {
            let keys: Vec<String> = rows.iter().map(|&row| key(row)).collect();
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            Ok(writer.delete(&keys).map(|_| ())?)
        }
        Step::Compact => Ok(writer.compact()?),
        Step::CompactSorted => Ok(writer.compact_sorted()?),
    }
}

pub(crate) fn open_or_create(storage: Arc<dyn Storage>, dir: &Path) -> Result<ArchiveWriter> {
    ArchiveWriter::open_or_create_with(storage, dir, EncoderSpec::unknown(DIM), Precision::F32)
}

/// Returns what an archive holds. Panics if a row, or a value of its columns, was never written.
pub(crate) fn content(archive: &DiskArchive) -> Model {
    let model = content_without_columns(archive);
    let expected = columns(&model);
    for (name, _) in expected.types().chain(archive.columns()) {
        let found = archive.column(name).into_iter().flatten().chain(std::iter::repeat(None));
        for ((row, entry), found) in model.iter().enumerate().zip(found) {
            assert_eq!(found, expected.value(name, row), "column {name} of row {row}, {entry:?}");
        }
    }
    model
}

pub(crate) fn content_without_columns(archive: &DiskArchive) -> Model {
    (0..archive.len())
        .map(|row| {
            let key = archive.key(row);
            let number = key["tiles/".len()..][..5].parse().unwrap();
            let edition = archive.fingerprint(row).0[0];
            assert_eq!(archive.vector(row), vector(number, edition), "the vector of {key} is a phantom");
            (number, edition)
        })
        .collect()
}

/// Returns steps of every kind: `rows` rows in batches, some of them replaced and deleted, merges and
/// compactions.
pub(crate) fn eventful(rows: usize, batch: usize) -> Vec<Step> {
    let mut steps: Vec<Step> = (0..rows)
        .step_by(batch)
        .map(|start| Step::Commit((start..(start + batch).min(rows)).collect(), 1))
        .collect();
    let third = steps.len() / 3;
    // Inserts the later steps first, so that the positions of the others stay right.
    steps.push(Step::CompactSorted);
    steps.insert(2 * third + 2, Step::Commit((3..rows / 2).step_by(37).collect(), 3));
    steps.insert(2 * third, Step::Compact);
    steps.insert(third + 1, Step::Delete((1..rows / 4).step_by(11).collect()));
    steps.insert(third, Step::Commit((0..batch).rev().collect(), 2));
    steps
}

/// Random numbers, the same in every run: SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// Returns a number below `sides`.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 33) as usize % sides
    }
}
