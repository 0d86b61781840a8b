//! The archive on disk, compared with a plain map under random operations.

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{Model, Step, advance, content, key, open_or_create, take};
use rscir_core::{Archive, EmbeddingSink, Fingerprint};
use rscir_index::DiskArchive;
use rscir_index::testing::{FaultyStorage, Pending};

const DIR: &str = "/tiles.rscir";

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 33) as usize % sides
    }
}

fn random_step(dice: &mut Dice) -> Step {
    // The distribution is skewed, so that some keys are replaced often.
    let mut rows: Vec<usize> = (0..1 + dice.roll(8)).map(|_| dice.roll(300) * dice.roll(300) / 300).collect();
    match dice.roll(40) {
        0 => Step::Compact,
        1 => Step::CompactSorted,
        2..10 => Step::Delete(rows),
        _ => {
            let mut seen = std::collections::HashSet::new();
            rows.retain(|row| seen.insert(*row));
            Step::Commit(rows, dice.roll(250) as u8)
        }
    }
}

#[test]
fn ten_thousand_random_operations_do_as_a_map_does() {
    let mut dice = Dice(1);
    let mut storage = FaultyStorage::new();
    let mut model = Model::new();
    let mut writer = open_or_create(Arc::new(storage.clone()), Path::new(DIR)).unwrap();
    for operation in 0..10_000 {
        let step = random_step(&mut dice);
        advance(&mut model, &step);
        take(&mut writer, &step).unwrap();
        assert_eq!(writer.len(), model.len(), "operation {operation}: {step:?}");
        let row = dice.roll(300);
        let expected = model.iter().find(|entry| entry.0 == row).map(|entry| Fingerprint([entry.1; 16]));
        assert_eq!(writer.fingerprint(&key(row)), expected, "operation {operation}: {step:?}");
        if dice.roll(20) == 0 {
            let archive = DiskArchive::open_with(Arc::new(storage.clone()), DIR).unwrap();
            assert_eq!(content(&archive), model, "operation {operation}: {step:?}");
            assert_eq!(archive.moments().count(), model.len() as u64);
            assert_eq!(archive.find(&key(row)), model.iter().position(|entry| entry.0 == row));
        }
        if dice.roll(100) == 0 {
            drop(writer);
            storage = storage.restart(Pending::Dropped);
            writer = open_or_create(Arc::new(storage.clone()), Path::new(DIR)).unwrap();
        }
    }
}
