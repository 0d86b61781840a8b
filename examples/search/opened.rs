//! Opens the archive that is searched, and finds the folders of its files.

use std::path::{Path, PathBuf};

#[cfg(feature = "interchange")]
use anyhow::Context;
use rscir::prelude::*;

use crate::common::demo;
#[cfg(feature = "interchange")]
use crate::common::{out::note, text};

/// An archive, with the folders that its rows are from.
pub(crate) struct Opened {
    pub(crate) archive: Box<dyn Archive>,
    pub(crate) roots: Vec<PathBuf>,
}

impl Opened {
    /// Opens an archive or a feature file. A feature file records no folders.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        #[cfg(feature = "interchange")]
        if let Some(table) = Self::table(path)? {
            return Ok(table);
        }
        if path.is_dir() {
            return Ok(DiskArchive::open(path)?.into());
        }
        Ok(Self { archive: rscir::open(path)?, roots: Vec::new() })
    }

    /// Reads Parquet files that other programs made. Returns `None` if the path names no such files.
    #[cfg(feature = "interchange")]
    fn table(path: &Path) -> anyhow::Result<Option<Self>> {
        use rscir::interchange::{Error, ReadOptions, is_table, read_features};
        if !is_table(path) || !path.exists() {
            return Ok(None);
        }
        let read = match read_features(path, &ReadOptions::default()) {
            Err(Error::NoFiles { .. }) => return Ok(None),
            read => read?,
        };
        if let Some(first) = read.tally.named.first() {
            let (file, row, reason) =
                (text::shown(first.place.file.display()), first.place.row, first.reason);
            note!("{} rows left out; the first is {file}: row {row} (from 0): {reason}", read.tally.left_out);
        }
        let archive = read.features.into_archive().with_context(|| text::shown(path.display()))?;
        Ok(Some(Self { archive: Box::new(archive), roots: Vec::new() }))
    }

    /// Opens the demo's archive, which is made on the first run.
    ///
    /// The folder of its files is the demo's.
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
