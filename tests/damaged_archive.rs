//! Runs the programs on archives that were damaged or tampered with.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Run, repository, run};
use rscir::core::testing::unit_rows;
use rscir::prelude::*;
use tempfile::TempDir;

/// Some images, and an archive of them.
struct Bed {
    folder: TempDir,
}

impl Bed {
    fn new() -> Self {
        let bed = Self { folder: tempfile::tempdir().unwrap() };
        for class in ["harbor", "river", "runway"] {
            bed.add("images", class);
        }
        bed.ingest("images").ends_with(0);
        bed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a tile of a class into a folder.
    fn add(&self, folder: &str, class: &str) {
        let mut tiles: Vec<_> = fs::read_dir(repository("data/demo/benchmark/images").join(class))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        tiles.sort();
        fs::create_dir_all(self.path(folder)).unwrap();
        fs::copy(&tiles[0], self.path(folder).join(format!("{class}.jpg"))).unwrap();
    }

    fn ingest(&self, images: &str) -> Run {
        let (images, archive) = (self.path(images), self.path("tiles.rscir"));
        run("extract_features", &[Path::new("--images"), &images, Path::new("--archive"), &archive])
    }

    fn program(&self, name: &str, more: &[&str]) -> Run {
        let archive = self.path("tiles.rscir");
        let arguments = ["--archive", archive.to_str().unwrap()];
        run(name, &[&arguments[..], more].concat())
    }

    /// Flips a bit in the middle of the only segment, among its vectors.
    fn damage(&self) -> PathBuf {
        let segment =
            fs::read_dir(self.path("tiles.rscir/segments")).unwrap().next().unwrap().unwrap().path();
        let mut bytes = fs::read(&segment).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&segment, bytes).unwrap();
        segment
    }
}

#[test]
fn damage_is_found_whatever_an_ingest_does_and_repaired_when_asked() {
    let bed = Bed::new();
    assert!(bed.program("verify", &[]).ends_with(0).out.contains("sound, 3 rows"));
    let segment = bed.damage();
    let name = segment.to_str().unwrap();

    // An ingest may succeed or refuse the archive; either way the damage is still found.
    bed.add("images", "airplane");
    let ingested = bed.ingest("images");
    assert!(ingested.code == 0 || ingested.err.contains("repair --archive"), "{}", ingested.err);
    let found = bed.program("verify", &[]).ends_with(1).says("repair --archive");
    assert!(found.out.contains(name) && found.out.contains("3 rows"), "{}", found.out);

    let before = fs::read(bed.path("tiles.rscir/manifest.json")).unwrap();
    let planned = bed.program("repair", &[]).ends_with(0);
    assert!(
        planned.out.contains(name) && planned.out.contains("would drop 3 rows of 1 files"),
        "{}",
        planned.out
    );
    assert_eq!(
        fs::read(bed.path("tiles.rscir/manifest.json")).unwrap(),
        before,
        "nothing is changed unasked"
    );
    let done = bed.program("repair", &["--write"]).ends_with(0);
    assert!(done.out.contains("dropped 3 rows of 1 files"), "{}", done.out);

    bed.program("verify", &[]).ends_with(0);
    bed.ingest("images").ends_with(0);
    assert!(bed.program("verify", &[]).ends_with(0).out.contains("sound, 4 rows"));
    assert!(bed.program("repair", &[]).ends_with(0).out.contains("nothing to drop"));
}

#[test]
fn a_compaction_refuses_damage_by_name() {
    let bed = Bed::new();
    let segment = bed.damage();
    let mut writer = ArchiveWriter::open(bed.path("tiles.rscir")).unwrap();
    writer.delete(&["harbor.jpg"]).unwrap();
    let refused = writer.compact().unwrap_err().to_string();
    assert!(refused.contains(segment.to_str().unwrap()) && refused.contains("repair"), "{refused}");
}

#[test]
fn a_folder_without_an_archive_is_refused_by_every_program() {
    let folder = tempfile::tempdir().unwrap();
    for program in ["verify", "repair"] {
        run(program, &[Path::new("--archive"), folder.path()]).ends_with(1).says("no archive here");
        run(program, &["--help"]).ends_with(0);
        run::<&str>(program, &[]).ends_with(2);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "looking leaves nothing behind");
}

#[test]
#[cfg(unix)]
fn a_linked_folder_of_segments_is_refused_and_what_it_leads_to_stays() {
    let bed = Bed::new();
    let (segments, victim) = (bed.path("tiles.rscir/segments"), bed.path("victim"));
    fs::create_dir(&victim).unwrap();
    for name in ["thesis.docx", "photo.jpg", "notes.txt"] {
        fs::write(victim.join(name), "precious").unwrap();
    }
    fs::remove_dir_all(&segments).unwrap();
    std::os::unix::fs::symlink("../victim", &segments).unwrap();
    let refusal = format!("{}: this is a link", segments.display());
    bed.ingest("images").ends_with(1).says(&refusal);
    bed.program("repair", &["--write"]).ends_with(1).says(&refusal);
    let found = bed.program("verify", &[]).ends_with(1);
    assert!(found.out.contains("segments: a link where an archive has a folder"), "{}", found.out);
    for name in ["thesis.docx", "photo.jpg", "notes.txt"] {
        assert_eq!(fs::read_to_string(victim.join(name)).unwrap(), "precious");
    }
    assert_eq!(fs::read_dir(&victim).unwrap().count(), 3);
}

#[test]
#[cfg(unix)]
fn names_within_an_archive_do_not_reach_the_terminal_raw() {
    let bed = Bed::new();
    let name = bed.path("tiles.rscir").join("\u{1b}[2Jnothing");
    fs::write(&name, "").unwrap();
    std::os::unix::fs::symlink("nowhere", bed.path("tiles.rscir").join("\u{1b}[31mlink")).unwrap();
    let found = bed.program("verify", &[]).ends_with(1).says(r"\u{1b}[2Jnothing");
    assert!(found.out.contains(r"\u{1b}[31mlink"), "{}", found.out);
    assert!(!found.out.contains('\u{1b}') && !found.err.contains('\u{1b}'));
}

#[test]
fn a_damaged_manifest_is_reported_with_advice_that_helps() {
    let bed = Bed::new();
    fs::write(bed.path("tiles.rscir/manifest.json"), "{}").unwrap();
    for program in ["verify", "repair"] {
        let run = bed.program(program, &[]).ends_with(1).says("manifest.json").says("restore it from a copy");
        assert!(!run.err.contains("repair"), "no repair gets by without it: {}", run.err);
    }
}

#[test]
fn a_repair_says_what_it_would_drop_of_an_archive_that_is_being_written() {
    let bed = Bed::new();
    bed.damage();
    let writer = ArchiveWriter::open(bed.path("tiles.rscir")).unwrap();
    let planned = bed.program("repair", &[]).ends_with(0);
    assert!(planned.out.contains("would drop 3 rows of 1 files"), "{}", planned.out);
    bed.program("repair", &["--write"]).ends_with(1).says("another writer has this archive open");
    drop(writer);
    bed.program("repair", &["--write"]).ends_with(0);
}

#[test]
fn damaged_copies_of_rows_are_named_and_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("tiles.rscir");
    let mut writer = ArchiveWriter::create(&archive, EncoderSpec::unknown(8), Precision::F32).unwrap();
    let keys: Vec<String> = (0..10_000).map(|row| format!("{row}.png")).collect();
    let rows: Vec<_> = keys.iter().map(|key| SinkRow::new(key, Fingerprint::default())).collect();
    writer.commit(&rows, &unit_rows(10_000, 8, 1)).unwrap();
    drop(writer);
    let program = |name: &str, more: &[&str]| {
        run(name, &[&["--archive", archive.to_str().unwrap()][..], more].concat())
    };
    program("compact", &[]).ends_with(0);
    let mut files = fs::read_dir(archive.join("segments")).unwrap().map(|entry| entry.unwrap().path());
    let copies =
        files.find(|path| path.extension().is_some_and(|e| e == "int8")).expect("compact keeps copies");
    let mut bytes = fs::read(&copies).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&copies, bytes).unwrap();

    let verified = program("verify", &[]).ends_with(1);
    assert!(verified.out.contains("8-bit copies of rows, which can be made again: "), "{}", verified.out);
    let told = program("repair", &[]).ends_with(0);
    assert!(
        told.out.contains("would make 1 files of 8-bit copies anew, 10000 rows are sound"),
        "{}",
        told.out
    );
    let done = program("repair", &["--write"]).ends_with(0);
    assert!(done.out.contains("made 8-bit copies of 10000 rows anew"), "{}", done.out);
    program("verify", &[]).ends_with(0);
}
