//! A campaign: one bit of an archive flips, and then the archive is used. No flip stays unnoticed.

mod common;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use common::{Dice, Step, advance, content, open_or_create, take};

use rscir_index::testing::{FaultyStorage, Pending};
use rscir_index::{ArchiveWriter, DiskArchive, Error, verify_with};

const DIR: &str = "/tiles.rscir";

/// Returns the steps that make the archive: segments of many sizes, with deleted and replaced rows in several.
fn life() -> Vec<Step> {
    let mut steps = vec![Step::Commit((0..40).collect(), 1), Step::Commit((40..52).collect(), 1)];
    steps.extend((52..64).map(|row| Step::Commit(vec![row], 1)));
    steps.push(Step::Delete(vec![3, 17, 41, 53]));
    steps.push(Step::Commit(vec![5, 44, 60], 2));
    steps
}

/// Returns the steps after the flip. Each of them writes, and most copy rows.
fn deed(dice: &mut Dice) -> Vec<Step> {
    let row = dice.roll(70);
    match dice.roll(6) {
        0 => vec![Step::Commit(vec![row, 80, 81], 3)],
        1 => vec![Step::Delete(vec![row, row + 1, 90])],
        // Adds segments until there are enough of them to be merged.
        2 => (100..100 + 20).map(|row| Step::Commit(vec![row], 1)).collect(),
        3 => vec![Step::Compact],
        4 => vec![Step::Delete((40..52).collect()), Step::CompactSorted],
        _ => vec![Step::CompactSorted, Step::Commit(vec![row], 4)],
    }
}

#[test]
fn of_a_thousand_flipped_bits_none_survives_unseen() {
    flip(0..1000);
}

/// `cargo test --release -p rscir-index --test flips -- --ignored`
#[test]
#[ignore = "takes a minute"]
fn of_a_hundred_thousand_flipped_bits_none_survives_unseen() {
    flip(1000..101_000);
}

/// Flips one bit of an archive in each round.
fn flip(rounds: Range<u64>) {
    let store = FaultyStorage::new();
    let mut writer = open_or_create(Arc::new(store.clone()), DIR.as_ref()).unwrap();
    life().iter().for_each(|step| take(&mut writer, step).unwrap());
    drop(writer);
    let store = store.restart(Pending::Kept);
    let truth = common::models(&life()).pop().unwrap();
    let files: Vec<(PathBuf, Vec<u8>)> =
        store.files().into_iter().filter(|(_, bytes)| !bytes.is_empty()).collect();
    assert!(files.len() > 10, "several segments");
    let (mut refused, mut found, mut gone) = (0, 0, 0);
    for round in rounds {
        let mut dice = Dice(round);
        // Chooses among all bytes in odd rounds, and among files first in even ones, because most bytes are those
        // of the largest segment.
        let total: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        let (mut file, mut at) = (0, dice.roll(total));
        if round % 2 == 0 {
            file = dice.roll(files.len());
            at %= files[file].1.len();
        } else {
            while at >= files[file].1.len() {
                at -= files[file].1.len();
                file += 1;
            }
        }
        let (path, mut bytes) = files[file].clone();
        bytes[at] ^= 1 << dice.roll(8);
        let storage = store.restart(Pending::Kept);
        storage.put(&path, &bytes);
        let steps = deed(&mut dice);
        let context = format!("round {round}: byte {at} of {}, then {steps:?}", path.display());

        let mut model = truth.clone();
        match ArchiveWriter::open_with(Arc::new(storage.clone()), DIR) {
            Err(error) => assert!(error.to_string().contains(DIR), "{context}: {error}"),
            Ok(mut writer) => {
                for step in &steps {
                    match take(&mut writer, step).map_err(Error::from) {
                        Ok(()) => advance(&mut model, step),
                        Err(Error::Damaged { path: named }) => assert_eq!(named, path, "{context}"),
                        Err(other) => panic!("{context}: {other}"),
                    }
                }
            }
        }
        match verify_with(Arc::new(storage.clone()), DIR) {
            Err(_) => refused += 1,
            Ok(seen) if !seen.is_sound() => {
                found += 1;
                assert!(
                    seen.damage.iter().any(|damage| damage.path == path),
                    "{context}: names another file"
                );
            }
            Ok(_) => {
                // The file is no longer part of the archive, and no row came from it.
                gone += 1;
                assert!(
                    storage.files().get(&path).is_none_or(|now| *now != bytes),
                    "{context}: survives unseen"
                );
                let archive = DiskArchive::open_with(Arc::new(storage), DIR).unwrap();
                assert_eq!(content(&archive), model, "{context}");
            }
        }
    }
    assert!(refused > 50 && found > 500, "{refused} refused, {found} found, {gone} gone");
}
