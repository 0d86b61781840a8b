//! Archives with links, pipes and other entries in the place of files, or with their lock removed. Nothing
//! outside is touched, nothing waits, and no answer is wrong.
#![cfg(unix)]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::tampering::{Snapshot, make, put};
use common::{DIM, Model, Step, advance, content, open_or_create, take};
use rscir_core::{EncoderSpec, Precision};
use rscir_index::storage::{FileKind, FileStorage};
use rscir_index::{ArchiveWriter, DiskArchive, Error, repair, verify};
use tempfile::TempDir;

/// Returns the steps that make the archive: several segments, one with moments, deleted and replaced rows.
fn steps() -> Vec<Step> {
    vec![
        Step::Commit((0..18).collect(), 1),
        Step::Commit((18..25).collect(), 1),
        Step::Delete(vec![4, 19]),
        Step::Commit(vec![7, 30], 2),
    ]
}

fn truth() -> Model {
    let mut model = Model::new();
    steps().iter().for_each(|step| advance(&mut model, step));
    model
}

fn writer(dir: &Path) -> rscir_index::Result<ArchiveWriter> {
    open_or_create(Arc::new(FileStorage), dir)
}

/// A folder with an archive, and a folder beside it that nothing may touch.
struct Bed {
    _parent: TempDir,
    archive: PathBuf,
    victim: PathBuf,
}

impl Bed {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let (archive, victim) = (parent.path().join("tiles.rscir"), parent.path().join("victim"));
        let mut made = writer(&archive).unwrap();
        steps().iter().for_each(|step| take(&mut made, step).unwrap());
        fs::create_dir(&victim).unwrap();
        for name in ["thesis.docx", "new", "lock", "manifest.json"] {
            fs::write(victim.join(name), "precious").unwrap();
        }
        fs::write(victim.join(format!("{}.safetensors", "0".repeat(64))), "precious too").unwrap();
        Self { _parent: parent, archive, victim }
    }

    fn segment(&self) -> PathBuf {
        let mut segments: Vec<_> =
            fs::read_dir(self.archive.join("segments")).unwrap().map(|entry| entry.unwrap().path()).collect();
        segments.sort();
        segments.remove(0)
    }
}

#[test]
fn a_linked_folder_of_segments_is_refused_and_what_it_leads_to_stays() {
    let bed = Bed::new();
    let segments = bed.archive.join("segments");
    fs::remove_dir_all(&segments).unwrap();
    symlink(&bed.victim, &segments).unwrap();
    let before = Snapshot::of(&bed.victim);
    let refused = [
        writer(&bed.archive).map(|_| ()),
        DiskArchive::open(&bed.archive).map(|_| ()),
        DiskArchive::load(&bed.archive).map(|_| ()),
        repair(&bed.archive).map(|_| ()),
    ];
    for refused in refused {
        let Err(Error::WrongKind { path, expected, found }) = refused else { panic!("{refused:?}") };
        assert_eq!((path, expected, found), (segments.clone(), FileKind::Folder, FileKind::Link));
    }
    let found = verify(&bed.archive).unwrap();
    assert!(!found.is_sound());
    assert_eq!((&found.misplaced[0].path, found.misplaced[0].found), (&segments, FileKind::Link));
    // Without a manifest, only the link keeps an archive from being created in the folder.
    fs::remove_file(bed.archive.join("manifest.json")).unwrap();
    assert!(matches!(writer(&bed.archive), Err(Error::WrongKind { .. })));
    assert_eq!(Snapshot::of(&bed.victim), before);
}

#[test]
fn the_archives_own_folder_may_be_reached_through_a_link() {
    let bed = Bed::new();
    let link = bed.archive.with_file_name("link.rscir");
    symlink(&bed.archive, &link).unwrap();
    take(&mut writer(&link).unwrap(), &Step::Commit(vec![40], 1)).unwrap();
    let mut model = truth();
    advance(&mut model, &Step::Commit(vec![40], 1));
    assert_eq!(content(&DiskArchive::open(&link).unwrap()), model);
    assert!(verify(&link).unwrap().is_sound());
}

#[test]
fn what_lies_in_the_place_of_a_file_is_refused_by_its_kind() {
    for (kind, found) in [
        ("link to a file", FileKind::Link),
        ("dangling link", FileKind::Link),
        ("link to itself", FileKind::Link),
        ("link to an endless device", FileKind::Link),
        ("pipe", FileKind::Pipe),
        ("socket", FileKind::Socket),
        ("folder", FileKind::Folder),
    ] {
        for name in [
            "manifest.json",
            "lock",
            "manifest.json.new",
            "manifest.json.new-0123456789abcdef",
            "segment",
            "segments/new",
        ] {
            let bed = Bed::new();
            let path = if name == "segment" { bed.segment() } else { bed.archive.join(name) };
            put(kind, &path, &bed.victim);
            let before = Snapshot::of(&bed.victim);
            let refused = writer(&bed.archive);
            let Err(Error::WrongKind { path: named, found: kind_found, .. }) = refused else {
                panic!("{kind} as {name}: {refused:?}")
            };
            assert_eq!((named, kind_found), (path.clone(), found), "{kind} as {name}");
            match DiskArchive::open(&bed.archive) {
                Err(Error::WrongKind { path: named, .. }) => assert_eq!(named, path, "{kind} as {name}"),
                other => assert_eq!(content(&other.unwrap()), truth(), "{kind} as {name}"),
            }
            if name != "manifest.json" {
                let places: Vec<_> = verify(&bed.archive).unwrap().misplaced;
                assert_eq!(
                    places.iter().map(|place| &place.path).collect::<Vec<_>>(),
                    [&path],
                    "{kind} as {name}"
                );
            }
            assert_eq!(Snapshot::of(&bed.victim), before, "{kind} as {name}");
        }
    }
}

#[test]
fn nothing_is_removed_that_was_not_written_by_an_archive() {
    let bed = Bed::new();
    let left_over = [
        "segments/new",
        "segments/new-0123456789abcdef",
        "manifest.json.new",
        "manifest.json.new-0123456789abcdef",
    ];
    let unnamed = format!("segments/{}.safetensors", "0".repeat(64));
    let foreign = [
        "notes.txt",
        "segments/.DS_Store",
        "segments/thesis.docx",
        "segments/new.docx",
        "segments/0.safetensors",
    ];
    for name in left_over.into_iter().chain([&unnamed[..]]).chain(foreign) {
        fs::write(bed.archive.join(name), "something").unwrap();
    }
    fs::create_dir(bed.archive.join("segments/thumbnails")).unwrap();
    let found = verify(&bed.archive).unwrap();
    assert!(found.is_sound(), "files of others are no damage");
    assert_eq!((found.foreign.len(), found.unnamed.len()), (foreign.len() + 1, left_over.len() + 1));
    let mut opened = writer(&bed.archive).unwrap();
    opened.compact_sorted().unwrap();
    for name in left_over.into_iter().chain([&unnamed[..]]) {
        assert!(!bed.archive.join(name).exists(), "{name} is left over and removed");
    }
    for name in foreign {
        assert_eq!(fs::read_to_string(bed.archive.join(name)).unwrap(), "something", "{name}");
    }
    assert!(bed.archive.join("segments/thumbnails").is_dir());
    let names =
        |dir: &Path| fs::read_dir(dir).unwrap().filter(|e| e.as_ref().unwrap().path().is_file()).count();
    assert_eq!(names(&bed.archive), 3, "manifest, lock and the notes: nothing else is left");
}

/// Takes the lock from a writer.
type Tamper = fn(&Bed);

#[test]
fn a_writer_whose_lock_is_gone_publishes_nothing_more() {
    let tampering: [(&str, Tamper); 3] = [
        ("removed", |bed| fs::remove_file(bed.archive.join("lock")).unwrap()),
        ("replaced", |bed| {
            fs::write(bed.archive.join("other"), "").unwrap();
            fs::rename(bed.archive.join("other"), bed.archive.join("lock")).unwrap();
        }),
        ("exchanged with its folder", |bed| {
            fs::rename(&bed.archive, bed.archive.with_file_name("moved.rscir")).unwrap();
            fs::rename(&Bed::new().archive, &bed.archive).unwrap();
        }),
    ];
    for (name, tamper) in tampering {
        let bed = Bed::new();
        let mut first = writer(&bed.archive).unwrap();
        take(&mut first, &Step::Commit(vec![50], 1)).unwrap();
        tamper(&bed);
        let mut second = writer(&bed.archive).unwrap();
        take(&mut second, &Step::Commit(vec![60], 1)).unwrap();
        let model = content(&DiskArchive::open(&bed.archive).unwrap());
        for step in [Step::Commit(vec![51], 1), Step::Delete(vec![50]), Step::CompactSorted, Step::Compact] {
            let error = rscir_index::Error::from(take(&mut first, &step).unwrap_err());
            assert!(matches!(&error, Error::LockLost { .. }), "{name}: {step:?}: {error}");
        }
        drop(first);
        assert_eq!(content(&DiskArchive::open(&bed.archive).unwrap()), model, "{name}: it is the second's");
        take(&mut second, &Step::Commit(vec![61], 1)).unwrap();
        drop(second);
        let found = verify(&bed.archive).unwrap();
        assert!(found.is_sound(), "{name}");
        writer(&bed.archive).unwrap();
        assert!(verify(&bed.archive).unwrap().unnamed.is_empty(), "{name}");
    }
}

#[test]
fn a_folder_that_is_exchanged_for_a_link_at_any_moment_leads_no_writer_astray() {
    // About the time of the calls between which the folder is exchanged.
    const PAUSE: Duration = Duration::from_micros(50);
    let bed = Bed::new();
    let (segments, aside) = (bed.archive.join("segments"), bed.archive.with_file_name("aside"));
    let before = Snapshot::of(&bed.victim);
    let done = AtomicBool::new(false);
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                fs::rename(&segments, &aside).unwrap();
                symlink(&bed.victim, &segments).unwrap();
                std::thread::sleep(PAUSE);
                fs::remove_file(&segments).unwrap();
                fs::rename(&aside, &segments).unwrap();
                std::thread::sleep(PAUSE);
            }
        });
        for row in 100..200 {
            let step = Step::Commit(vec![row], 1);
            let committed =
                writer(&bed.archive).map_err(rscir_core::Error::from).and_then(|mut w| take(&mut w, &step));
            match committed {
                Ok(()) => acknowledged.push(row),
                Err(_) => refused += 1,
            }
        }
        done.store(true, Ordering::SeqCst);
    });
    assert!(Snapshot::of(&bed.victim) == before, "nothing is written, renamed or removed behind a link");
    let rows: Vec<usize> =
        content(&DiskArchive::open(&bed.archive).unwrap()).iter().map(|&(row, _)| row).collect();
    assert!(acknowledged.iter().all(|row| rows.contains(row)), "{refused} refused");
    assert!(verify(&bed.archive).unwrap().is_sound());
}

#[test]
fn a_manifest_that_claims_a_terabyte_is_refused_before_it_is_read() {
    let bed = Bed::new();
    let manifest = fs::File::create(bed.archive.join("manifest.json")).unwrap();
    manifest.set_len(1 << 40).unwrap();
    let Err(Error::Io { source, .. }) = DiskArchive::open(&bed.archive) else { panic!("opened") };
    assert_eq!(source.kind(), std::io::ErrorKind::FileTooLarge);
}

#[test]
fn a_manifest_of_another_archive_costs_no_segment() {
    let (bed, other) = (Bed::new(), Bed::new());
    take(&mut writer(&other.archive).unwrap(), &Step::CompactSorted).unwrap();
    let manifest = bed.archive.join("manifest.json");
    let own = fs::read(&manifest).unwrap();
    fs::copy(other.archive.join("manifest.json"), &manifest).unwrap();
    assert!(matches!(writer(&bed.archive), Err(Error::MissingSegment { .. })));
    fs::write(manifest, own).unwrap();
    assert_eq!(content(&DiskArchive::open(&bed.archive).unwrap()), truth());
}

#[test]
fn an_archive_is_created_beside_files_of_nobody_else() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("tiles.rscir");
    // A creation that was killed leaves such a file.
    make(&dir.join("manifest.json.new-0123456789abcdef"));
    let create = || ArchiveWriter::create(&dir, EncoderSpec::unknown(DIM), Precision::F32);
    create().unwrap();
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 3, "manifest, lock, segments");
    fs::remove_file(dir.join("manifest.json")).unwrap();
    make(&dir.join("segments/thesis.docx"));
    assert!(matches!(create(), Err(Error::Exists { found, .. }) if found == "segments/thesis.docx"));
}
