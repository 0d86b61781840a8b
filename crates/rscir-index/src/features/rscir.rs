use std::path::Path;

use rscir_core::{Fingerprint, Precision, SinkRow};

use super::Features;
use crate::{ArchiveWriter, DiskArchive, Result};

pub(super) fn read(path: &Path) -> Result<Features> {
    Features::of_archive(&DiskArchive::open(path)?)
}

pub(super) fn write(features: &Features, path: &Path) -> Result<()> {
    let row = |key| SinkRow { key, fingerprint: Fingerprint::default() };
    let rows: Vec<_> = features.keys.iter().map(|key| row(key.as_str())).collect();
    let mut writer = ArchiveWriter::create(path, features.spec.clone(), Precision::F32)?;
    writer.commit_with_columns(&rows, &features.embeddings, &features.labelled_columns()?)
}
