//! Checks that are made before long work, so that its result is not lost.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rscir::core::files::{can_be_written, open_regular};
use rscir::prelude::*;

/// Checks that a feature file can be written.
pub fn features(path: Option<&Path>) -> anyhow::Result<()> {
    path.map_or(Ok(()), |path| Ok(Features::can_be_written(path)?))
}

/// Checks that a file can be written.
pub fn file(path: Option<&Path>) -> anyhow::Result<()> {
    path.map_or(Ok(()), |path| Ok(can_be_written(path)?))
}

/// Creates the folder of a file if it does not exist, and checks that the file can be written.
pub fn file_in_new_folder(path: &Path) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    file(Some(path))
}

/// Creates a folder if it does not exist, and checks that files can be written into it.
pub fn folder(path: Option<&Path>) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    make_folder(path)?;
    // The name does not matter: the check removes the file that it creates.
    file(Some(&path.join("rscir")))
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("cannot make the folder {}", path.display()))
}

/// Checks that an archive can be opened or created at a path: it is a folder, or there is nothing yet.
pub fn archive(path: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(
        path.is_dir() || path.symlink_metadata().is_err(),
        "{}: an archive is a folder, and this is not one; name another path",
        path.display()
    );
    Ok(())
}

/// Checks that no two outputs are one file.
pub fn distinct(outputs: &[Option<&PathBuf>]) -> anyhow::Result<()> {
    let outputs: Vec<_> = outputs.iter().flatten().collect();
    for (i, output) in outputs.iter().enumerate() {
        anyhow::ensure!(
            !outputs[..i].contains(output),
            "{}: two outputs cannot be one file; name another for one of them",
            output.display()
        );
    }
    Ok(())
}

/// Checks that an evaluation's report can be written into a folder, which is created if it does not exist.
pub fn report(path: Option<&Path>) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    folder(Some(path))?;
    REPORT.iter().try_for_each(|name| file(Some(&path.join(name))))
}

/// The files that every report has.
const REPORT: [&str; 4] = ["metrics.csv", "summary.md", "summary.json", "rows.tex"];

/// Checks that a file of a list of images exists. If none does, the list is most likely one of another folder.
pub fn some_exist(images: &ImageList) -> anyhow::Result<()> {
    let mut paths = (0..images.len()).map(|index| images.path(index));
    if let Some(first) = paths.next() {
        anyhow::ensure!(
            first.is_file() || paths.any(|path| path.is_file()),
            "none of the {} files of the list is there, such as {}; check that this is the dataset's folder",
            images.len(),
            first.display()
        );
    }
    Ok(())
}

/// Checks that a path that is to be read is a file.
pub fn input(path: Option<&Path>) -> anyhow::Result<()> {
    path.map_or(Ok(()), |path| Ok(open_regular(path).map(drop)?))
}

/// Makes an archive with the keys that images will have, and with vectors that mean nothing. The queries of a
/// benchmark depend on the keys alone, so they can be checked with it before anything is encoded.
pub fn stand_in(images: &ImageList) -> anyhow::Result<MemoryArchive> {
    let mut keys = Vec::new();
    let mut seen = HashSet::new();
    for (index, key) in images.keys().iter().enumerate() {
        if seen.insert(key) && images.path(index).is_file() {
            keys.push(key.clone());
        }
    }
    let rows = Embeddings::normalize(1, vec![1.0; keys.len()])?;
    Ok(MemoryArchive::new(EncoderSpec::unknown(1), keys, rows)?)
}
