//! Checks that an archive records the folders of its rows, which files replace a row, and which rows' files are
//! gone.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use common::{Run, example, finish, repository};
use rscir::encoders::{IngestReport, NotPruned};
use rscir::prelude::*;

fn encoder() -> &'static ClipEncoder {
    static ENCODER: OnceLock<ClipEncoder> = OnceLock::new();
    ENCODER
        .get_or_init(|| ClipEncoder::from_folder(repository("data/demo/model")).name("demo").build().unwrap())
}

/// Room for folders of images and for archives.
struct Bed {
    folder: tempfile::TempDir,
}

impl Bed {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes an image; `tile` from 0 chooses which.
    fn image(&self, name: &str, tile: usize) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let source = format!("data/demo/benchmark/images/runway/runway0{tile}.jpg");
        fs::copy(repository(&source), path).unwrap();
    }

    fn ingest(
        &self,
        folder: &str,
        change: impl FnOnce(&mut IngestOptions<'_>),
    ) -> rscir::Result<IngestReport> {
        let images = ImageList::collect(self.path(folder)).unwrap();
        self.ingest_list(&images, change)
    }

    fn ingest_list(
        &self,
        images: &ImageList,
        change: impl FnOnce(&mut IngestOptions<'_>),
    ) -> rscir::Result<IngestReport> {
        let mut options = IngestOptions::default();
        change(&mut options);
        rscir::ingest_with(images, encoder(), self.path("a.rscir"), &options, &mut |_| {})
            .map(|ingested| ingested.report)
    }

    fn keys(&self) -> Vec<String> {
        let archive = DiskArchive::open(self.path("a.rscir")).unwrap();
        let mut keys: Vec<String> = (0..archive.len()).map(|row| archive.key(row).into()).collect();
        keys.sort();
        keys
    }

    fn roots(&self) -> Vec<PathBuf> {
        DiskArchive::open(self.path("a.rscir")).unwrap().roots().iter().map(PathBuf::from).collect()
    }

    /// Returns the similarity of a row to the image that it should be of.
    fn similarity(&self, key: &str, image: &str) -> f32 {
        let archive = DiskArchive::open(self.path("a.rscir")).unwrap();
        let query = encoder().query(Some(&self.path(image)), None).unwrap();
        let row = archive.vector(archive.find(key).unwrap());
        row.iter().zip(query.image().unwrap().iter()).map(|(a, b)| a * b).sum()
    }

    fn program(&self, folder: &str, options: &[&str]) -> Run {
        let mut command = example("extract_features");
        command
            .arg("--images")
            .arg(self.path(folder))
            .arg("--archive")
            .arg(self.path("a.rscir"))
            .args(options);
        finish(&mut command)
    }

    fn real(&self, name: &str) -> PathBuf {
        self.path(name).canonicalize().unwrap()
    }
}

fn remove(path: &Path) {
    fs::remove_file(path).unwrap();
}

#[test]
fn a_row_is_not_replaced_by_a_file_of_another_folder_without_a_word() {
    let bed = Bed::new();
    bed.image("city1/a.jpg", 0);
    bed.image("city1/b.jpg", 1);
    bed.image("city2/a.jpg", 2);
    bed.image("city2/new.jpg", 3);
    bed.program("city1", &[]).ends_with(0);
    let before = fs::read(bed.path("a.rscir/manifest.json")).unwrap();
    let (first, second) = (bed.real("city1"), bed.real("city2"));
    bed.program("city2", &[])
        .ends_with(1)
        .says("has other files for 1 rows of files in ")
        .says("such as \"a.jpg\"")
        .says(first.to_str().unwrap())
        .says(second.to_str().unwrap())
        .says("--replace");
    assert_eq!(fs::read(bed.path("a.rscir/manifest.json")).unwrap(), before, "nothing was done");

    bed.program("city2", &["--replace"])
        .ends_with(0)
        .says("3 rows; 2 encoded, 0 unchanged, 0 failed")
        .says("the archive has rows from 2 folders");
    assert!(bed.similarity("a.jpg", "city2/a.jpg") > 0.999);
    assert_eq!(bed.roots(), [first, second]);
    // The key is in both folders, so the file of either may be meant now.
    bed.image("city1/a.jpg", 4);
    bed.program("city1", &[]).ends_with(1).says("--replace");
    // A key that is in one folder alone is that folder's row.
    bed.image("city1/b.jpg", 5);
    bed.program("city1", &["--replace"]).ends_with(0);
    bed.image("city1/b.jpg", 6);
    bed.program("city1", &[]).ends_with(0).says("1 encoded");
}

#[test]
fn new_rows_come_from_anywhere_and_a_changed_file_replaces_its_own_row() {
    let bed = Bed::new();
    bed.image("city1/a.jpg", 0);
    bed.image("city2/b.jpg", 1);
    bed.ingest("city1", |_| {}).unwrap();
    assert_eq!(bed.roots(), [bed.real("city1")]);
    assert_eq!(bed.ingest("city2", |_| {}).unwrap().encoded, 1);
    assert_eq!(bed.keys(), ["a.jpg", "b.jpg"]);
    // Files of the other folder do not count as gone.
    bed.image("city1/a.jpg", 2);
    let report = bed.ingest("city1", |options| options.prune = true).unwrap();
    assert_eq!((report.encoded, report.pruned, report.gone.len()), (1, 0, 0));
    assert_eq!(bed.keys(), ["a.jpg", "b.jpg"]);
}

#[test]
fn a_folder_that_was_moved_goes_on_without_a_word() {
    let bed = Bed::new();
    for (i, name) in ["a.jpg", "sub/b.jpg", "c.jpg"].iter().enumerate() {
        bed.image(&format!("old/{name}"), i);
    }
    bed.ingest("old", |_| {}).unwrap();
    fs::rename(bed.path("old"), bed.path("new")).unwrap();
    remove(&bed.path("new/c.jpg"));
    let run = bed.program("new", &[]).ends_with(0).says("0 encoded, 2 unchanged");
    assert!(!run.err.contains("folders"), "{}", run.err);
    run.says("1 rows of files that are gone, such as c.jpg, are kept; --prune takes them out");
    assert_eq!(bed.roots(), [bed.real("new")]);
    // The archive records the new folder from now on.
    bed.image("new/a.jpg", 5);
    assert_eq!(bed.ingest("new", |_| {}).unwrap().encoded, 1);
}

#[test]
fn rows_whose_file_is_gone_are_counted_and_taken_out_on_request_alone() {
    let bed = Bed::new();
    for i in 0..4 {
        bed.image(&format!("tiles/{i}.jpg"), i);
    }
    bed.ingest("tiles", |_| {}).unwrap();
    remove(&bed.path("tiles/1.jpg"));
    remove(&bed.path("tiles/2.jpg"));
    let report = bed.ingest("tiles", |_| {}).unwrap();
    assert_eq!((report.gone, report.pruned, report.unchanged), (vec!["1.jpg".into(), "2.jpg".into()], 0, 2));
    assert_eq!(bed.keys().len(), 4);

    // While an entry of the folder cannot be listed, no file is sure to be gone.
    fs::create_dir(bed.path("tiles/folder.jpg")).unwrap();
    let report = bed.ingest("tiles", |options| options.prune = true).unwrap();
    assert_eq!((report.pruned, report.not_pruned), (0, Some(NotPruned::Unlisted)));
    fs::remove_dir(bed.path("tiles/folder.jpg")).unwrap();

    bed.program("tiles", &["--prune"])
        .ends_with(0)
        .says("2 rows of files that are gone, such as 1.jpg, were taken out");
    assert_eq!(bed.keys(), ["0.jpg", "3.jpg"]);

    // With a list of names, files that are listed and do not exist are gone.
    remove(&bed.path("tiles/0.jpg"));
    let list = ImageList::new(bed.path("tiles"), vec!["3.jpg".into(), "0.jpg".into()]);
    let report = bed.ingest_list(&list, |_| {}).unwrap();
    assert_eq!((report.gone, report.failed), (vec!["0.jpg".to_string()], 0));
    let report = bed.ingest_list(&list, |options| options.prune = true).unwrap();
    assert_eq!((report.pruned, bed.keys()), (1, vec!["3.jpg".to_string()]));
}

#[test]
fn a_folder_that_is_away_loses_no_rows() {
    let bed = Bed::new();
    bed.image("disk/a.jpg", 0);
    bed.image("here/b.jpg", 1);
    bed.image("here/c.jpg", 2);
    bed.ingest("disk", |_| {}).unwrap();
    bed.ingest("here", |_| {}).unwrap();
    fs::rename(bed.path("disk"), bed.path("away")).unwrap();
    remove(&bed.path("here/c.jpg"));
    for _ in 0..2 {
        let report = bed.ingest("here", |options| options.prune = true).unwrap();
        assert!(
            matches!(&report.not_pruned, Some(NotPruned::NoRoot(root)) if root.ends_with("disk")),
            "{report:?}"
        );
        assert_eq!(bed.keys(), ["a.jpg", "b.jpg", "c.jpg"]);
    }
    fs::rename(bed.path("away"), bed.path("disk")).unwrap();
    assert_eq!(bed.ingest("here", |options| options.prune = true).unwrap().pruned, 1);
    assert_eq!(bed.keys(), ["a.jpg", "b.jpg"]);

    // A folder that is empty because its disk is not mounted loses no rows either.
    remove(&bed.path("here/b.jpg"));
    let report = bed.ingest("here", |options| options.prune = true).unwrap();
    assert_eq!((report.pruned, report.not_pruned), (0, Some(NotPruned::NothingThere)));
}

#[test]
#[cfg(unix)]
fn a_link_that_leads_nowhere_loses_no_rows() {
    let bed = Bed::new();
    bed.image("disk/a.jpg", 0);
    bed.image("disk/b.jpg", 1);
    bed.image("tiles/c.jpg", 2);
    std::os::unix::fs::symlink(bed.path("disk"), bed.path("tiles/linked")).unwrap();
    bed.ingest("tiles", |_| {}).unwrap();
    let all = ["c.jpg", "linked/a.jpg", "linked/b.jpg"];
    assert_eq!(bed.keys(), all);

    fs::rename(bed.path("disk"), bed.path("away")).unwrap();
    let report = bed.ingest("tiles", |options| options.prune = true).unwrap();
    assert!(
        matches!(&report.not_pruned, Some(NotPruned::BrokenLink(link)) if link.ends_with("tiles/linked")),
        "{report:?}"
    );
    assert_eq!((report.pruned, bed.keys().as_slice()), (0, all.map(String::from).as_slice()));

    // A file that is missing behind a working link is gone.
    fs::rename(bed.path("away"), bed.path("disk")).unwrap();
    remove(&bed.path("disk/a.jpg"));
    assert_eq!(bed.ingest("tiles", |options| options.prune = true).unwrap().pruned, 1);
    assert_eq!(bed.keys(), ["c.jpg", "linked/b.jpg"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_folder_whose_name_is_not_utf_8_is_its_own() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let bed = Bed::new();
    bed.image("tiles/a.jpg", 0);
    bed.image("tiles/b.jpg", 1);
    let folders = [&b"t\xff"[..], b"t\xfe"].map(|name| bed.folder.path().join(OsStr::from_bytes(name)));
    fs::rename(bed.path("tiles"), &folders[0]).unwrap();
    let ingest = |folder: &Path, prune: bool| {
        let images = ImageList::collect(folder).unwrap();
        bed.ingest_list(&images, |options| options.prune = prune)
    };
    ingest(&folders[0], false).unwrap();
    // One of the folder's files is changed, and one is removed.
    bed.image("other/a.jpg", 2);
    fs::copy(bed.path("other/a.jpg"), folders[0].join("a.jpg")).unwrap();
    remove(&folders[0].join("b.jpg"));
    let report = ingest(&folders[0], true).unwrap();
    assert_eq!((report.encoded, report.pruned), (1, 1));
    assert_eq!(bed.keys(), ["a.jpg"]);

    // Another folder is not the same one, although both names look alike.
    bed.image("third/a.jpg", 3);
    fs::rename(bed.path("third"), &folders[1]).unwrap();
    ingest(&folders[1], false).unwrap_err();
}
