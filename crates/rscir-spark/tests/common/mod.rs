//! An archive with columns and places, and queries to it.
#![allow(dead_code, reason = "each test uses a part")]

use rscir_core::testing::{unit_rows, unit_vector};
use rscir_core::{ComposedQuery, Embeddings, EncoderSpec};
use rscir_index::{Columns, MemoryArchive};

pub(crate) const ROWS: usize = 3_000;
pub(crate) const DIM: usize = 24;

pub(crate) fn key(row: usize) -> String {
    format!("tiles/{row:05}")
}

/// Rows in the order of their keys, some equal to others and some nearly, with labels, clouds and places.
pub(crate) fn archive() -> MemoryArchive {
    let rows = unit_rows(ROWS, DIM, 7);
    let mut values = rows.as_slice().to_vec();
    for copy in (50..ROWS).step_by(97) {
        values.copy_within(0..DIM, copy * DIM);
    }
    // For each of the queries 0 to 5 there are twelve rows that fit it, one or two rounding errors of `f32` apart.
    for seed in 0..6 {
        for near in 0..12 {
            let row = 100 + seed * 200 + near * 7;
            let (image, text) = (unit_vector(DIM, seed as u64), unit_vector(DIM, seed as u64 + 100));
            let between = image.iter().zip(text.iter()).map(|(a, b)| a + b);
            values[row * DIM..(row + 1) * DIM].iter_mut().zip(between).for_each(|(value, sum)| *value = sum);
            values[row * DIM + near] += near as f32 * 2e-7;
        }
    }
    let labels: Vec<Option<String>> =
        (0..ROWS).map(|row| (row % 5 != 0).then(|| ["sea", "harbor"][row % 2].into())).collect();
    let clouds: Vec<Option<f64>> = (0..ROWS)
        .map(|row| (row % 7 != 0).then(|| if row % 11 == 0 { f64::NAN } else { row as f64 / ROWS as f64 }))
        .collect();
    let edge = |of: fn(usize) -> f64| (0..ROWS).map(of).collect::<Vec<f64>>();
    let columns = Columns::new(ROWS)
        .with("label", labels)
        .and_then(|columns| columns.with("cloud", clouds))
        .and_then(|columns| columns.with("west", edge(|row| (row * 37 % 60) as f64 / 10.0)))
        .and_then(|columns| columns.with("south", edge(|row| (row * 53 % 50) as f64 / 10.0)))
        .and_then(|columns| columns.with("east", edge(|row| (row * 37 % 60) as f64 / 10.0 + 0.1)))
        .and_then(|columns| columns.with("north", edge(|row| (row * 53 % 50) as f64 / 10.0 + 0.1)));
    MemoryArchive::new(spec(), (0..ROWS).map(key).collect(), Embeddings::normalize(DIM, values).unwrap())
        .and_then(|archive| archive.with_columns(columns?))
        .unwrap()
}

/// Makes an archive in which `copies` rows are copies of the image of [`query`] 3.
pub(crate) fn with_copies(copies: usize) -> MemoryArchive {
    let rows = unit_rows(500, DIM, 9);
    let copy = unit_vector(DIM, 3);
    let mut keys: Vec<String> = (0..copies).map(|i| format!("a copy {i:03}")).collect();
    keys.extend((0..500).map(key));
    let mut values = copy.repeat(copies);
    values.extend_from_slice(rows.as_slice());
    MemoryArchive::new(spec(), keys, Embeddings::normalize(DIM, values).unwrap()).unwrap()
}

pub(crate) fn spec() -> EncoderSpec {
    EncoderSpec::unknown(DIM)
}

pub(crate) fn query(seed: u64) -> ComposedQuery {
    ComposedQuery::new(spec())
        .with_image(unit_vector(DIM, seed))
        .and_then(|query| query.with_text(unit_vector(DIM, seed + 100)))
        .unwrap()
        .with_image_key(key(seed as usize))
}
