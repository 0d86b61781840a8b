//! A campaign: in each round one entry of an archive is replaced, and then the archive is used. Nothing outside
//! is touched, nothing waits, and no answer is wrong.
#![cfg(unix)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use common::tampering::{KINDS, Snapshot, put};
use common::{Dice, Model, Step, advance, content, open_or_create, take};
use rscir_index::storage::FileStorage;
use rscir_index::{ArchiveWriter, DiskArchive, Error, repair, verify};

/// Longer than any step takes, even on a busy machine. A step that takes longer waits for a pipe.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns the steps that make the archive: segments of several sizes, deleted and replaced rows.
fn life() -> [Step; 4] {
    [
        Step::Commit((0..18).collect(), 1),
        Step::Commit((18..25).collect(), 1),
        Step::Delete(vec![4, 19]),
        Step::Commit(vec![7, 30], 2),
    ]
}

/// Returns the steps of another archive, whose files fit no other one.
fn other_life() -> [Step; 2] {
    [Step::Commit((100..107).collect(), 1), Step::Commit(vec![200], 3)]
}

fn write(dir: &Path, life: &[Step]) {
    let mut writer = open_or_create(Arc::new(FileStorage), dir).unwrap();
    life.iter().for_each(|step| take(&mut writer, step).unwrap());
}

/// A use of an archive.
#[derive(Debug, Clone)]
enum Deed {
    Read,
    Load,
    Write(Step),
    OpenOrCreate,
    Create,
    Verify,
    PlanRepair,
    Repair,
}

impl Deed {
    fn roll(dice: &mut Dice) -> Self {
        match dice.roll(12) {
            0 => Self::Read,
            1 => Self::Load,
            2 => Self::Write(Step::Delete(vec![2, 20, 99])),
            3 => Self::Write(Step::Delete((18..25).collect())),
            4 => Self::Write(Step::Compact),
            5 => Self::Write(Step::CompactSorted),
            6 => Self::OpenOrCreate,
            7 => Self::Create,
            8 => Self::Verify,
            9 => Self::PlanRepair,
            10 => Self::Repair,
            _ => Self::Write(Step::Commit(vec![3, 50, 51], 2)),
        }
    }

    /// Uses the archive, and returns what it must hold afterwards. An error is the text of a refusal.
    fn take(&self, dir: &Path, mut truth: Model) -> Result<Model, String> {
        let text = |error: Error| error.to_string();
        match self {
            Self::Read => assert_eq!(content(&DiskArchive::open(dir).map_err(text)?), truth),
            Self::Load => assert_eq!(content(&DiskArchive::load(dir).map_err(text)?), truth),
            Self::Write(step) => {
                take(&mut ArchiveWriter::open(dir).map_err(text)?, step).map_err(|e| text(e.into()))?;
                advance(&mut truth, step);
            }
            Self::OpenOrCreate => drop(open_or_create(Arc::new(FileStorage), dir).map_err(text)?),
            Self::Create => {
                let spec = rscir_core::EncoderSpec::unknown(common::DIM);
                ArchiveWriter::create(dir, spec, rscir_core::Precision::F32).map_err(text)?;
                // Creating succeeds only if there was no manifest and no segment.
                truth.clear();
            }
            Self::Verify => {
                if verify(dir).map_err(text)?.is_sound() {
                    assert_eq!(
                        content(&DiskArchive::open(dir).unwrap()),
                        truth,
                        "what is sound is the truth"
                    );
                }
            }
            Self::PlanRepair => drop(repair(dir).map_err(text)?),
            Self::Repair => {
                let repair = repair(dir).map_err(text)?;
                let sound = repair.verification().sound_rows;
                repair.drop_damaged().map_err(text)?;
                let left = content(&DiskArchive::open(dir).map_err(text)?);
                assert_eq!(left.len(), sound);
                assert!(left.iter().all(|row| truth.contains(row)), "a repair makes up no rows");
                truth = left;
            }
        }
        Ok(truth)
    }
}

/// Copies a folder of files and folders.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Returns the files and folders of an archive, and some names that an archive may have.
fn entries(archive: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> =
        fs::read_dir(archive.join("segments")).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    let others = [
        "manifest.json",
        "lock",
        "segments",
        "manifest.json.new",
        "segments/new",
        "segments/new-0123456789abcdef",
    ];
    entries.extend(others.map(|name| archive.join(name)));
    entries
}

/// Replaces a random entry of the archive in `dir`, partly by links into `victim` or by files of `other`. Returns
/// a description.
fn tamper(dice: &mut Dice, dir: &Path, other: &Path, victim: &Path) -> String {
    let mut entries = entries(dir);
    let path = entries.swap_remove(dice.roll(entries.len()));
    let kind = dice.roll(KINDS.len() + 2);
    let what = if kind < KINDS.len() {
        put(KINDS[kind], &path, victim);
        KINDS[kind]
    } else if path.ends_with("segments") {
        fs::remove_dir_all(&path).unwrap();
        copy(&other.join("segments"), &path);
        "another archive's folder"
    } else {
        let files: Vec<_> = self::entries(other).into_iter().filter(|path| path.is_file()).collect();
        fs::copy(&files[dice.roll(files.len())], &path).unwrap();
        "another archive's file"
    };
    format!("{what} as {}", path.display())
}

#[test]
fn five_hundred_tampered_archives_harm_nobody() {
    let parent = tempfile::tempdir().unwrap();
    let at = |name: &str| parent.path().join(name);
    write(&at("template.rscir"), &life());
    write(&at("other.rscir"), &other_life());
    let truth = common::models(&life()).pop().unwrap();
    fs::create_dir(at("victim")).unwrap();
    for name in ["thesis.docx", "new", "new-0123456789abcdef", "lock", "manifest.json"] {
        fs::write(at("victim").join(name), "precious").unwrap();
    }
    let (mut refused, mut answered) = (0, 0);
    for round in 0..500 {
        let mut dice = Dice(round);
        let bed = at("bed");
        fs::create_dir(&bed).unwrap();
        // The victim holds sound segments, which a program that follows links would use.
        copy(&at("victim"), &bed.join("victim"));
        copy(&at("template.rscir").join("segments"), &bed.join("victim/segments"));
        copy(&at("other.rscir"), &bed.join("other.rscir"));
        copy(&at("template.rscir"), &bed.join("tiles.rscir"));
        let (dir, other, victim) = (bed.join("tiles.rscir"), bed.join("other.rscir"), bed.join("victim"));
        let what = tamper(&mut dice, &dir, &other, &victim);
        let deed = Deed::roll(&mut dice);
        let context = format!("round {round}: {what}, then {deed:?}");
        let outside = || {
            let moved: Vec<_> = fs::read_dir(&bed).unwrap().map(|entry| entry.unwrap().path()).collect();
            let read = |path: &PathBuf| {
                fs::symlink_metadata(path).unwrap().is_file().then(|| fs::read(path).unwrap())
            };
            let files: Vec<_> = moved.iter().map(|path| (path.clone(), read(path))).collect();
            (Snapshot::of(&victim), Snapshot::of(&other), files)
        };
        let before = outside();

        let (done, wait) = mpsc::channel();
        let (taken, model, archive) = (deed.clone(), truth.clone(), dir.clone());
        let thread = std::thread::spawn(move || {
            let result = taken.take(&archive, model);
            let _ = done.send(());
            result
        });
        let waited = wait.recv_timeout(PATIENCE);
        assert!(!matches!(waited, Err(mpsc::RecvTimeoutError::Timeout)), "{context}: waits");
        let result = thread.join().unwrap_or_else(|_| panic!("{context}: a wrong answer or a panic"));

        assert!(outside() == before, "{context}: something outside was touched");
        // Readers see the right rows or an error, whatever was done.
        let expected = match &result {
            Ok(model) => {
                answered += 1;
                model
            }
            Err(message) => {
                refused += 1;
                assert!(message.contains("tiles.rscir"), "{context}: {message}");
                &truth
            }
        };
        if let Ok(archive) = DiskArchive::open(&dir) {
            let found = content(&archive);
            let sound = verify(&dir).is_ok_and(|found| found.is_sound());
            assert!(found == *expected, "{context}: {result:?}, then other rows (sound: {sound})");
        }
        fs::remove_dir_all(&bed).unwrap();
    }
    assert!(refused > 100 && answered > 50, "{refused} refused, {answered} answered: both happen");
}
