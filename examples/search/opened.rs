//! The archive that is asked, and where its files are.

use std::path::{Path, PathBuf};

use rscir::prelude::*;

use crate::common::demo;

/// An archive, with the folders that its rows are from.
pub(crate) struct Opened {
    pub(crate) archive: Box<dyn Archive>,
    pub(crate) roots: Vec<PathBuf>,
}

impl Opened {
    /// Opens an archive or a feature file, which knows no folder.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        if path.is_dir() {
            return Ok(DiskArchive::open(path)?.into());
        }
        Ok(Self { archive: rscir::open(path)?, roots: Vec::new() })
    }

    /// Opens the demo's archive, which is made on the first run.
    pub(crate) fn demo(encoder: &ClipEncoder) -> anyhow::Result<Self> {
        let archive = demo::archive(encoder)?;
        Ok(Self { archive: Box::new(archive), roots: vec![demo::images()?.root().into()] })
    }
}

impl From<DiskArchive> for Opened {
    fn from(archive: DiskArchive) -> Self {
        let roots = archive.roots().iter().map(PathBuf::from).collect();
        Self { archive: Box::new(archive), roots }
    }
}
