use std::path::Path;

use rscir_core::{Fingerprint, Precision, SinkRow};

use super::Features;
use crate::{ArchiveWriter, DiskArchive, Error, IoAction, Result};

/// Extension of an archive's folder.
pub(super) const EXTENSION: &str = "rscir";

pub(super) fn read(path: &Path) -> Result<Features> {
    Features::of_archive(&DiskArchive::open(path)?)
}

pub(super) fn write(features: &Features, path: &Path) -> Result<()> {
    let row = |key| SinkRow::new(key, Fingerprint::default());
    let rows: Vec<_> = features.keys.iter().map(|key| row(key.as_str())).collect();
    let mut writer = ArchiveWriter::create(path, features.spec.clone(), Precision::F32)?;
    writer.commit_with_columns(&rows, &features.embeddings, &features.labeled_columns()?)
}

/// Checks that the existing folder `path` is empty, so that an archive can be created in it.
///
/// # Errors
/// [`Error::Exists`] with the first entry if it is not.
pub(super) fn check_empty(path: &Path) -> Result<()> {
    let io = |source| Error::Io { path: path.into(), action: IoAction::Read, source };
    match std::fs::read_dir(path).map_err(io)?.next() {
        None => Ok(()),
        Some(entry) => {
            let found = entry.map_err(io)?.file_name().to_string_lossy().into_owned();
            Err(Error::Exists { path: path.into(), found })
        }
    }
}
