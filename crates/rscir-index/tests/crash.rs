//! Power cuts at every operation, and failing and full disks: the archive holds exactly what was acknowledged.

mod common;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use common::{Model, Step, content, eventful, models, open_or_create, take};
use rscir_index::testing::{Fault, FaultyStorage, OperationKind, Pending};
use rscir_index::{DiskArchive, Error, IoAction, verify_with};

const DIR: &str = "/tiles.rscir";

/// Carries out `steps` until one fails. Returns the number of acknowledged steps, or `None` if creating the
/// archive failed.
fn live(storage: &FaultyStorage, steps: &[Step]) -> Option<usize> {
    let mut writer = open_or_create(Arc::new(storage.clone()), Path::new(DIR)).ok()?;
    Some(steps.iter().take_while(|step| take(&mut writer, step).is_ok()).count())
}

fn outcomes() -> impl Iterator<Item = Pending> {
    let fixed = [Pending::Kept, Pending::Dropped, Pending::Torn, Pending::NamesOnly];
    fixed.into_iter().chain((0..6).map(Pending::Seeded))
}

/// Opens the archive that survived for reading and writing, and returns what it holds.
fn survivors(storage: &FaultyStorage, acknowledged: Option<usize>, context: &str) -> Model {
    let shared = || Arc::new(storage.clone());
    if acknowledged.is_some() {
        let archive = DiskArchive::open_with(shared(), DIR);
        let archive = archive.unwrap_or_else(|e| panic!("{context}: cannot be read: {e}"));
        let found = verify_with(shared(), DIR).unwrap();
        assert!(found.is_sound(), "{context}: {:?}", found.damage);
        content(&archive);
    }
    open_or_create(shared(), Path::new(DIR)).unwrap_or_else(|e| panic!("{context}: cannot be written: {e}"));
    content(&DiskArchive::open_with(shared(), DIR).unwrap())
}

/// Cuts the power at every operation of `steps` and checks every outcome. Returns the numbers of operations and
/// of outcomes.
fn cut_everywhere(steps: &[Step]) -> (usize, usize) {
    let models = models(steps);
    let whole = FaultyStorage::new();
    assert_eq!(live(&whole, steps), Some(steps.len()));
    let operations = whole.operations();
    let mut looked_at = 0;
    for (cut, operation) in operations.iter().enumerate() {
        let storage = FaultyStorage::new();
        storage.fail_at(cut, Fault::PowerCut);
        let acknowledged = live(&storage, steps);
        let sure = acknowledged.unwrap_or(0);
        for pending in outcomes() {
            let context = format!("power cut at operation {cut} ({operation:?}), {pending:?}");
            let survived = storage.restart(pending);
            let found = survivors(&survived, acknowledged, &context);
            let under_way = models.get(sure + 1).unwrap_or(&models[sure]);
            assert!(
                found == models[sure] || found == *under_way,
                "{context}: {} rows after {sure} acknowledged steps, not the {} before or {} after",
                found.len(),
                models[sure].len(),
                under_way.len(),
            );
            looked_at += 1;
            // A second power cut, right after the archive was opened again, loses nothing more.
            let again = survivors(&survived.restart(Pending::Dropped), Some(sure), &context);
            assert_eq!(again, found, "{context}: rows seen after a restart are durable");
        }
    }
    (operations.len(), looked_at)
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_acknowledged() {
    let ingest: Vec<Step> =
        (0..2000).step_by(50).map(|start| Step::Commit((start..start + 50).collect(), 1)).collect();
    let (operations, outcomes) = cut_everywhere(&ingest);
    assert!(operations > 300, "only {operations} operations");
    assert_eq!(outcomes, operations * 10);
}

#[test]
fn a_power_cut_in_an_eventful_life_loses_nothing_acknowledged() {
    cut_everywhere(&eventful(400, 10));
}

#[test]
fn an_ingest_goes_on_after_any_power_cut_to_the_same_bytes() {
    let steps = [eventful(120, 8), vec![Step::CompactSorted]].concat();
    let whole = FaultyStorage::new();
    live(&whole, &steps);
    for cut in 0..whole.operations().len() {
        let storage = FaultyStorage::new();
        storage.fail_at(cut, Fault::PowerCut);
        let acknowledged = live(&storage, &steps).unwrap_or(0);
        let storage = storage.restart(Pending::Seeded(cut as u64));
        // Committing the interrupted step again gives the same files, whether or not it was stored.
        let rest = live(&storage, &steps[acknowledged.min(steps.len() - 1)..]);
        assert_eq!(rest, Some(steps.len() - acknowledged.min(steps.len() - 1)));
        assert!(storage.files() == whole.files(), "cut at operation {cut}: the files differ");
    }
}

#[test]
fn what_a_writer_finds_after_a_kill_survives_a_power_cut() {
    let steps = eventful(200, 10);
    let whole = FaultyStorage::new();
    live(&whole, &steps);
    for cut in 0..whole.operations().len() {
        let storage = FaultyStorage::new();
        storage.fail_at(cut, Fault::PowerCut);
        live(&storage, &steps);
        storage.revive();
        let writer = open_or_create(Arc::new(storage.clone()), Path::new(DIR)).unwrap();
        let found = content(&DiskArchive::open_with(Arc::new(storage.clone()), DIR).unwrap());
        assert_eq!(found.len(), writer.len());
        let survived =
            content(&DiskArchive::open_with(Arc::new(storage.restart(Pending::Dropped)), DIR).unwrap());
        assert_eq!(survived, found, "killed at operation {cut}");
    }
}

#[test]
fn a_failing_read_is_an_error_and_nothing_is_lost() {
    let steps = eventful(200, 10);
    let models = models(&steps);
    let whole = FaultyStorage::new();
    live(&whole, &steps);
    let open = |storage: &FaultyStorage| DiskArchive::open_with(Arc::new(storage.clone()), DIR);
    for at in 0..whole.reads() {
        let storage = FaultyStorage::new();
        storage.fail_read_at(at, ErrorKind::Other);
        let Ok(mut writer) = open_or_create(Arc::new(storage.clone()), Path::new(DIR)) else {
            assert_eq!(live(&storage, &steps), Some(steps.len()), "read {at}");
            continue;
        };
        for (number, step) in steps.iter().enumerate() {
            if take(&mut writer, step).is_err() {
                assert_eq!(content(&open(&storage).unwrap()), models[number], "read {at}");
                // A failed read leaves no doubt about what is stored, so the writer continues.
                take(&mut writer, step).unwrap();
            }
        }
        drop(writer);
        assert_eq!(content(&open(&storage).unwrap()), models[steps.len()], "read {at}");
    }

    let before = whole.reads();
    open(&whole).unwrap();
    let during_opening = whole.reads() - before;
    assert!(during_opening > 1);
    for read in 0..during_opening {
        whole.fail_read_at(whole.reads() + read, ErrorKind::Other);
        assert!(matches!(open(&whole), Err(Error::Io { action: IoAction::Read, .. })));
    }
    assert_eq!(content(&open(&whole).unwrap()), models[steps.len()]);
}

#[test]
fn a_failing_operation_is_an_error_and_the_archive_stays() {
    let steps = eventful(200, 10);
    let models = models(&steps);
    let whole = FaultyStorage::new();
    live(&whole, &steps);
    let operations = whole.operations();
    for (at, operation) in operations.iter().enumerate() {
        for error in [ErrorKind::StorageFull, ErrorKind::Other] {
            let storage = FaultyStorage::new();
            storage.fail_at(at, Fault::Error(error));
            let context = format!("{error:?} at operation {at} ({operation:?})");
            let doubtful = matches!(
                operation.kind,
                OperationKind::Sync | OperationKind::Rename | OperationKind::SyncDir
            );
            let Ok(mut writer) = open_or_create(Arc::new(storage.clone()), Path::new(DIR)) else {
                // Creating failed, and can be tried again.
                assert_eq!(live(&storage, &steps), Some(steps.len()), "{context}");
                continue;
            };
            let mut failed = None;
            for (number, step) in steps.iter().enumerate() {
                if take(&mut writer, step).is_ok() {
                    continue;
                }
                assert!(failed.is_none(), "{context}: fails twice");
                failed = Some(number);
                // Readers see the archive as it was before the step, or with the step if it is unknown whether it
                // was synced.
                let seen = content(&DiskArchive::open_with(Arc::new(storage.clone()), DIR).unwrap());
                assert!(seen == models[number] || doubtful && seen == models[number + 1], "{context}");
                let again = take(&mut writer, step);
                assert_eq!(again.is_err(), doubtful, "{context}: doubt, and only doubt, ends a writer");
                if doubtful {
                    let poisoned = std::error::Error::source(&again.unwrap_err()).unwrap().to_string();
                    assert!(poisoned.contains("an earlier sync or rename failed"), "{context}: {poisoned}");
                    drop(writer);
                    let survived = storage.restart(Pending::Dropped);
                    let found = survivors(&survived, Some(number), &context);
                    assert!(found == models[number] || found == models[number + 1], "{context}");
                    break;
                }
            }
            let tolerated = operation.kind == OperationKind::Remove;
            assert_eq!(failed.is_none(), tolerated, "{context}: an error is told, but for what is left over");
        }
    }
}

#[test]
fn short_writes_are_continued() {
    let steps = eventful(200, 10);
    let whole = FaultyStorage::new();
    live(&whole, &steps);
    for (at, operation) in whole.operations().iter().enumerate() {
        if operation.kind == OperationKind::Write {
            let storage = FaultyStorage::new();
            storage.fail_at(at, Fault::ShortWrite);
            assert_eq!(live(&storage, &steps), Some(steps.len()));
            assert!(storage.files() == whole.files(), "short write at operation {at}");
        }
    }
}

#[test]
fn a_full_medium_refuses_and_goes_on_when_there_is_room() {
    let steps = eventful(200, 10);
    let models = models(&steps);
    for capacity in (0..20_000).step_by(371) {
        let storage = FaultyStorage::new();
        storage.set_capacity(Some(capacity));
        let Ok(mut writer) = open_or_create(Arc::new(storage.clone()), Path::new(DIR)) else {
            storage.set_capacity(None);
            assert_eq!(live(&storage, &steps), Some(steps.len()));
            continue;
        };
        for (number, step) in steps.iter().enumerate() {
            if let Err(error) = take(&mut writer, step) {
                assert_eq!(error.kind(), rscir_core::ErrorKind::Io);
                let cause = std::error::Error::source(&error).unwrap();
                let Some(Error::Io { action: IoAction::Write, source, .. }) = cause.downcast_ref() else {
                    panic!("{error}: {cause}")
                };
                assert_eq!(source.kind(), ErrorKind::StorageFull);
                let seen = content(&DiskArchive::open_with(Arc::new(storage.clone()), DIR).unwrap());
                assert_eq!(seen, models[number]);
                storage.set_capacity(None);
                take(&mut writer, step).unwrap();
            }
        }
        let end = content(&DiskArchive::open_with(Arc::new(storage.clone()), DIR).unwrap());
        assert_eq!(end, *models.last().unwrap());
    }
}

#[test]
fn both_storages_keep_their_promises() {
    rscir_index::testing::storage(&FaultyStorage::new(), Path::new("/"));
    let dir = tempfile::tempdir().unwrap();
    rscir_index::testing::storage(&rscir_index::storage::FileStorage, dir.path());
}
