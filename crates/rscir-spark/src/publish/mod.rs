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

/// Options of [`export_parquet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportOptions {
    /// Most bytes that the vectors of one part take, as `f32`. A part has at least one row. Default: 128 MB (2^27).
    pub part_bytes: u64,
}

impl Default for ExportOptions {
    /// Makes the default options: parts of 128 MB, which is what one task of Spark reads at once by default
    /// (`spark.sql.files.maxPartitionBytes`).
    fn default() -> Self {
        Self { part_bytes: 128 << 20 }
    }
}

impl ExportOptions {
    /// Sets the most bytes that the vectors of one part take. Default: 128 MB (2^27).
    #[must_use]
    pub fn part_bytes(mut self, part_bytes: u64) -> Self {
        self.part_bytes = part_bytes;
        self
    }
}

/// Summary of a version that [`export_parquet`] published.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// Folder of the version, within the folder of the table.
    pub folder: PathBuf,
    /// Number of rows.
    pub rows: u64,
    /// Number of parts.
    pub parts: usize,
}

/// Publishes an archive as a table: a folder of Parquet files that engines read, and beside them the files that a
/// search needs. docs/cluster.md describes them.
///
/// `table` is the folder of the table, which is created if it does not exist. Each call writes a new version into a
/// folder of its own within it, and then replaces the file `current.json`, which names the version that readers
/// see. A reader therefore sees a version whole or not at all, and a reader that has opened a version keeps it. To
/// append rows, publish the archive again once it has them.
///
/// Older versions stay until their folders are removed. A process that is stopped while it publishes leaves a
/// folder whose name begins with a dot; such a folder can be removed once no process publishes.
///
/// Rows are sorted along a Hilbert curve over their places, so that an engine skips the parts outside of an area.
/// Rows without a place come first, and rows in one place are sorted by key. An archive without places is sorted by
/// key.
///
/// # Errors
/// After an error the version that was published before is still the one that readers see.
///
/// - [`Error::NoRows`] if the archive is empty.
/// - [`Error::ReservedColumn`] if a column has the name of a column that every table has, in upper or lower case.
/// - [`Error::Core`] if a key or a column of the archive is damaged.
/// - [`Error::Description`] if the table's `current.json` is damaged or of another version of the format.
/// - [`Error::Parquet`] if a part cannot be written as Parquet.
/// - [`Error::File`] if another file or a folder cannot be read or written.
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
    // The name is random, so that two processes that publish at once write to different folders.
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
        // No reader sees the draft, so one that cannot be removed now does no harm, and the first error is the one
        // to tell.
        let _ = fs::remove_dir_all(&draft);
    }
    written
}

/// Checks that an archive can be published, before anything is written.
fn check(archive: &dyn Archive) -> Result<()> {
    if archive.is_empty() {
        return Err(Error::NoRows);
    }
    for (name, _) in archive.columns() {
        // To engines, names of columns in upper and lower case are equal.
        if let Some((_, what)) = OWN_COLUMNS.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)) {
            return Err(Error::ReservedColumn { column: name.into(), what });
        }
        archive.check_column(name)?;
    }
    Ok(())
}

/// Writes a version into a folder. Returns the version and the name that its folder is to have.
fn write_version(
    archive: &dyn Archive,
    folder: &Path,
    number: u64,
    options: &ExportOptions,
) -> Result<(TableVersion, String)> {
    let spec = serde_json::to_string(archive.spec()).map_err(|error| {
        rscir_core::Error::from_source("the encoder's spec cannot be written as JSON", error)
    })?;
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

/// Returns an upper bound of the lengths of all vectors.
fn longest(archive: &dyn Archive) -> f64 {
    let squared =
        |row: usize| -> f64 { archive.vector(row).iter().map(|&x| f64::from(x) * f64::from(x)).sum() };
    let largest = (0..archive.len()).map(squared).fold(0.0, f64::max);
    // At the widths of archives a sum of squares in f64 has a relative error below 1e-12.
    largest.sqrt() * (1.0 + 1e-12)
}

/// Returns the number in the name of a version's folder, or 0 if the name has another form.
fn number_of(version: &str) -> u64 {
    version.strip_prefix('v').and_then(|rest| rest.split('-').next()?.parse().ok()).unwrap_or(0)
}

/// Makes the names of files in a folder durable. Systems other than Unix offer no way to, and nothing is done
/// there.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
