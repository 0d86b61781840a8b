//! The demo that comes with the repository, and its archive, which all programs share.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use rscir::prelude::*;

use super::bars::Bars;
use super::notes;
use super::out::note;

/// Note that every report on the demo has.
pub const NOTE: &str =
    "This is the demo: its numbers are not PatternCom's and cannot be compared with published ones.";

/// Longest time that a program waits for another that makes the demo's archive. Slow machines take a minute to make
/// it.
const PATIENCE: Duration = Duration::from_secs(600);

/// Time between two looks at whether the other program is done.
const LATENCY: Duration = Duration::from_millis(50);

/// Returns the path of a file or folder of the demo.
pub fn path(path: &str) -> anyhow::Result<PathBuf> {
    Ok(data()?.join("demo").join(path))
}

/// Returns the repository's folder `data`: that of the repository that the program was built from, or the one that
/// the environment variable `RSCIR_DATA` names. Packages do not have it.
pub fn data() -> anyhow::Result<PathBuf> {
    let built_from = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data");
    let folder = std::env::var_os("RSCIR_DATA").map_or_else(built_from, PathBuf::from);
    anyhow::ensure!(
        folder.join("demo").is_dir(),
        "the demo is not in {}: it comes with the repository, not with the package. Run the program in a clone (git \
         clone {}), or let RSCIR_DATA name the clone's folder `data`; --help lists the options that name a model and \
         images of your own",
        folder.display(),
        env!("CARGO_PKG_REPOSITORY")
    );
    Ok(folder)
}

/// Returns the path of the demo's archive, which is kept between runs.
pub fn archive_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/demo.rscir")
}

/// Lists the demo's tiles, in their order.
pub fn images() -> anyhow::Result<ImageList> {
    let folder = path("benchmark")?;
    let keys = PatternCom::read_tiles(&folder)?.into_iter().map(|tile| tile.path).collect();
    Ok(ImageList::new(folder, keys))
}

/// Opens the demo's archive with a row for every tile. An archive that lacks tiles is completed, and one that
/// another model made, or that cannot be read, is made again. One process does this at a time, and the others wait
/// for it.
pub fn archive(encoder: &ClipEncoder) -> anyhow::Result<DiskArchive> {
    let (images, path) = (images()?, archive_path());
    if let Some(archive) = whole(&path, encoder, &images) {
        return Ok(archive);
    }
    let _turn = take_turn()?;
    // Another process may have made the archive while this one waited.
    if let Some(archive) = whole(&path, encoder, &images) {
        return Ok(archive);
    }
    complete(&images, encoder, &path)
        .with_context(|| format!("cannot make the demo's archive {}", path.display()))
}

/// Opens an archive, if it has a row of this encoder for every image.
fn whole(path: &Path, encoder: &ClipEncoder, images: &ImageList) -> Option<DiskArchive> {
    let archive = DiskArchive::open(path).ok()?;
    let is_whole = archive.spec().check(encoder.spec()).is_ok()
        && images.keys().iter().all(|key| archive.find(key).is_some());
    is_whole.then_some(archive)
}

/// Waits for the right to write the demo's archive. The right ends when the returned file is closed, however the
/// process ends.
pub fn take_turn() -> anyhow::Result<File> {
    let path = archive_path().with_extension("lock");
    let lock = std::fs::create_dir_all(path.parent().unwrap_or(&path))
        .and_then(|()| File::options().write(true).create(true).truncate(false).open(&path))
        .with_context(|| format!("cannot open {}", path.display()))?;
    let began = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => wait(began)?,
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
    }
}

/// Waits a moment for another process, and says so the first time.
///
/// # Errors
/// If the process has waited too long since `began`.
fn wait(began: Instant) -> anyhow::Result<()> {
    let waited = began.elapsed();
    anyhow::ensure!(
        waited < PATIENCE,
        "another program has been writing it for {} s: end that program, or try again later",
        waited.as_secs()
    );
    std::thread::sleep(LATENCY);
    if waited < LATENCY && began.elapsed() >= LATENCY {
        note!("another program is making the demo's archive: waiting for it");
    }
    Ok(())
}

/// Encodes the tiles that the archive lacks. An archive of another encoder is made again.
fn complete(images: &ImageList, encoder: &ClipEncoder, path: &Path) -> anyhow::Result<DiskArchive> {
    if path.exists() && !is_of(encoder, path)? {
        std::fs::remove_dir_all(path)?;
    }
    let bars = Bars::default();
    // Rows of another folder are replaced: the repository may be a copy of the one that the archive was made from.
    let options = IngestOptions::default().replace(true).progress(&bars);
    let ingested = rscir::ingest_with(images, encoder, path, &options, &mut |failure| {
        notes::say_failed(&bars, &failure);
    })?;
    let failed = ingested.report.failed;
    anyhow::ensure!(failed == 0, "{failed} of the demo's images cannot be read");
    Ok(ingested.archive)
}

/// Tells whether there is an archive of this encoder that can be continued. Waits for a program that writes it
/// without [`take_turn`].
fn is_of(encoder: &ClipEncoder, path: &Path) -> anyhow::Result<bool> {
    let began = Instant::now();
    loop {
        match ArchiveWriter::open(path) {
            Ok(writer) => return Ok(writer.spec().check(encoder.spec()).is_ok()),
            Err(rscir::index::Error::Locked { .. }) => wait(began)?,
            Err(_) => return Ok(false),
        }
    }
}
