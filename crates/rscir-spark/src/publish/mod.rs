mod hilbert;
mod order;
mod part;

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rscir_core::Archive;
use rscir_core::files::{self, FileAction, FileError};

use crate::table::{OWN_COLUMNS, POINTER, Pointer, TableVersion, json, sha256};
use crate::{Error, Result};

/// How an archive is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportOptions {
    /// Bytes of the vectors of a part. Default: 128 MB.
    pub part_bytes: u64,
}

impl Default for ExportOptions {
    /// 128 MB a part: what one task of Spark reads at once by default (`spark.sql.files.maxPartitionBytes`).
    fn default() -> Self {
        Self { part_bytes: 128 << 20 }
    }
}

impl ExportOptions {
    /// Sets the bytes of the vectors of a part. Default: 128 MB.
    #[must_use]
    pub fn part_bytes(mut self, part_bytes: u64) -> Self {
        self.part_bytes = part_bytes;
        self
    }
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The folder of the version.
    pub folder: PathBuf,
    /// Number of rows.
    pub rows: u64,
    /// Number of parts.
    pub parts: usize,
}

/// Publishes an archive as a table: a folder of Parquet files that engines read, with what a search needs beside them.
///
/// `table` is a folder, which is made if it is not there. Each call writes a version of its own, a folder within it, and then
/// the file `current.json`, which names it: a reader sees all of a version or none, and one that has begun with a version keeps
/// it. So rows are appended by publishing the archive again when it has more. Older versions stay until their folders are
/// removed. What a process that was cut off leaves behind are folders whose names begin with a dot.
///
/// Rows come along a Hilbert curve over their places, so that an engine passes over parts that are outside of an area; by key where there are
/// none. docs/cluster.md describes the files.
///
/// # Errors
/// [`Error::NoRows`], [`Error::ReservedColumn`], [`Error::Parquet`], [`Error::File`]; a damaged key or column of the archive.
/// What was published before stays.
pub fn export_parquet(
    archive: &dyn Archive,
    table: impl AsRef<Path>,
    options: &ExportOptions,
) -> Result<Published> {
    let table = table.as_ref();
    check(archive)?;
    let previous = Pointer::read(table)?.map_or(0, |pointer| number_of(&pointer.published));
    let io = |path: &Path, action| {
        let path = path.to_path_buf();
        move |source| Error::File(FileError::Io { path, action, source })
    };
    fs::create_dir_all(table).map_err(io(table, FileAction::Create))?;
    // A name that nobody else has: two processes that publish at once do not meet.
    let draft = table.join(format!(".new-{:016x}", RandomState::new().hash_one(())));
    fs::create_dir(&draft).map_err(io(&draft, FileAction::Create))?;
    let written = write_version(archive, &draft, previous + 1, options).and_then(|(version, name)| {
        let folder = table.join(&name);
        fs::rename(&draft, &folder).map_err(io(&folder, FileAction::Rename))?;
        sync_folder(table).map_err(io(table, FileAction::SyncFolder))?;
        let pointer = json(&Pointer::to(name))?;
        files::replace(table.join(POINTER), |file| file.write_all(&pointer))?;
        Ok(Published { folder, rows: version.rows, parts: version.parts.len() })
    });
    if written.is_err() {
        // Nobody sees the draft; what cannot be removed now can be later.
        let _ = fs::remove_dir_all(&draft);
    }
    written
}

/// Refuses what cannot be published before anything is written.
fn check(archive: &dyn Archive) -> Result<()> {
    if archive.is_empty() {
        return Err(Error::NoRows);
    }
    for (name, _) in archive.columns() {
        // Engines do not tell upper case from lower case.
        if let Some((_, what)) = OWN_COLUMNS.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)) {
            return Err(Error::ReservedColumn { column: name.into(), what });
        }
        archive.check_column(name)?;
    }
    Ok(())
}

/// Writes a version into a folder and returns the name that it should get.
fn write_version(
    archive: &dyn Archive,
    folder: &Path,
    number: u64,
    options: &ExportOptions,
) -> Result<(TableVersion, String)> {
    let spec = serde_json::to_string(archive.spec())
        .map_err(|error| rscir_core::Error::from_source("the encoder could not be described", error))?;
    let order = order::order(archive);
    let random = RandomState::new().hash_one(number);
    let name = format!("v{number:08}-{:08x}", random as u32);
    let encoder = &sha256(spec.as_bytes())[..16];
    let row_bytes = (archive.dim() * size_of::<f32>()).max(1) as u64;
    let rows_of_part = usize::try_from(options.part_bytes / row_bytes).unwrap_or(usize::MAX).max(1);
    let mut parts = Vec::new();
    for (i, rows) in order.chunks(rows_of_part).enumerate() {
        let path = folder.join(format!("part-{i:05}.parquet"));
        parts.push(part::write(archive, rows, &path, &format!("{encoder}/{name}/{i:05}"), &spec)?);
    }
    let version = TableVersion {
        folder: folder.into(),
        spec: archive.spec().clone(),
        rows: order.len() as u64,
        longest: longest(archive),
        moments: archive.moments().clone(),
        columns: archive.columns().into_iter().map(|(name, of)| (name.into(), of)).collect(),
        parts,
    };
    version.describe(|name, bytes| {
        let path = folder.join(name);
        let write = || -> io::Result<()> {
            let mut file = File::create_new(&path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write()
            .map_err(|source| FileError::Io { path: path.clone(), action: FileAction::Write, source }.into())
    })?;
    sync_folder(folder).map_err(|source| FileError::Io {
        path: folder.into(),
        action: FileAction::SyncFolder,
        source,
    })?;
    Ok((version, name))
}

/// At least the length of the longest vector.
fn longest(archive: &dyn Archive) -> f64 {
    let squared =
        |row: usize| -> f64 { archive.vector(row).iter().map(|&x| f64::from(x) * f64::from(x)).sum() };
    let largest = (0..archive.len()).map(squared).fold(0.0, f64::max);
    // Sums of squares in f64 are off by less than one part in 10^12 at the widths of archives.
    largest.sqrt() * (1.0 + 1e-12)
}

/// The number of a version, 0 of a name that is none.
fn number_of(version: &str) -> u64 {
    version.strip_prefix('v').and_then(|rest| rest.split('-').next()?.parse().ok()).unwrap_or(0)
}

/// Makes the names in a folder durable, where the system can.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
