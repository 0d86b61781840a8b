//! What is checked before the work whose result would be lost.

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

/// Checks that a file can be written into a folder that is made for it.
pub fn file_in_new_folder(path: &Path) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    file(Some(path))
}

/// Makes a folder, and checks that files can be written into it.
pub fn folder(path: Option<&Path>) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    make_folder(path)?;
    // A name like any other: the file is gone again when the check returns.
    file(Some(&path.join("rscir")))
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("cannot make the folder {}", path.display()))
}

/// Checks that an archive is where one is opened or made: no file has its name.
pub fn archive(path: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(
        path.is_dir() || path.symlink_metadata().is_err(),
        "{}: an archive is a folder, and this is none; name another",
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
            "{}: two outputs cannot be one file",
            output.display()
        );
    }
    Ok(())
}

/// Checks that an evaluation's report can be written into a folder, which is made if it is not there.
pub fn report(path: Option<&Path>) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    folder(Some(path))?;
    REPORT.iter().try_for_each(|name| file(Some(&path.join(name))))
}

/// The files that every report has.
const REPORT: [&str; 4] = ["metrics.csv", "summary.md", "summary.json", "rows.tex"];

/// Checks that a list of images has a file: without any it is the list of another folder.
pub fn some_exist(images: &ImageList) -> anyhow::Result<()> {
    let mut paths = (0..images.len()).map(|index| images.path(index));
    if let Some(first) = paths.next() {
        anyhow::ensure!(
            first.is_file() || paths.any(|path| path.is_file()),
            "none of the {} files of the list is there, not {}: is this the dataset's folder?",
            images.len(),
            first.display()
        );
    }
    Ok(())
}

/// Checks that what is to be read is a file.
pub fn input(path: Option<&Path>) -> anyhow::Result<()> {
    path.map_or(Ok(()), |path| Ok(open_regular(path).map(drop)?))
}

/// An archive with the keys that images will have, and vectors that mean nothing: which queries there are depends on the
/// keys alone, so that they can be looked at before anything is encoded.
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
