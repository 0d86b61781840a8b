mod hilbert;
mod order;
mod part;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use rscir_core::Archive;
use rscir_core::files::{FileAction, FileError};

use crate::store::{self, Store};
use crate::table::{MAX_DESCRIPTION, OWN_COLUMNS, Pointer, TableVersion, json, sha256};
use crate::{Error, Location, Result};

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
    /// Place of the version, within the table.
    pub folder: Location,
    /// Number of rows.
    pub rows: u64,
    /// Number of parts.
    pub parts: usize,
}

/// Publishes an archive as a table: a folder of Parquet files that engines read, and beside them the files that a
/// search needs. docs/cluster.md describes them.
///
/// `table` is a folder, which is created if it does not exist, or with the feature `cloud` a URL in an object store,
/// such as `s3://bucket/tiles`. Each call writes a new version into a folder of its own within it, and then replaces
/// the file `current.json`, which names the version that readers see. A reader therefore sees a version whole or not
/// at all, and a reader that has opened a version keeps it. To append rows, publish the archive again once it has
/// them; all parts are written anew.
///
/// If another version is published meanwhile, that version stays, and this call returns
/// [`Error::PublishedMeanwhile`]. Older versions stay until their folders are removed. A process that is stopped
/// while it publishes leaves a folder whose name begins with a dot, or in an object store a version that
/// `current.json` does not name; both can be removed once no process publishes.
///
/// Rows are sorted along a Hilbert curve over their places, so that an engine skips the parts outside of an area.
/// Rows without a place come first, and rows in one place are sorted by key. An archive without places is sorted by
/// key.
///
/// # Errors
/// After an error the version that was published before is still the one that readers see, unless the replacement of
/// `current.json` itself failed.
///
/// - [`Error::NoRows`] if the archive is empty.
/// - [`Error::ColumnTwice`] if the names of two columns differ in upper and lower case alone.
/// - [`Error::ReservedColumn`] if a column has the name of a column that every table has, in upper or lower case.
/// - [`Error::Core`] if a key or a column of the archive is damaged.
/// - [`Error::Description`] if the table's `current.json` is damaged or of another version of the format.
/// - [`Error::Parquet`] if a part cannot be written as Parquet.
/// - [`Error::File`] if another file or a folder cannot be read or written.
/// - [`Error::PublishedMeanwhile`] if another version was published since the call began.
/// - [`Error::NoCloud`] if `table` is a URL and the build lacks the feature `cloud`; with it `Error::Store` if the
///   object store fails.
pub fn export_parquet(
    archive: &dyn Archive,
    table: impl Into<Location>,
    options: &ExportOptions,
) -> Result<Published> {
    let table = table.into();
    check(archive)?;
    let store = store::open(&table)?;
    let seen = store.pointer(MAX_DESCRIPTION)?;
    let previous = Pointer::of(seen.bytes.as_deref(), &table)?;
    let number = previous.map_or(0, |pointer| number_of(&pointer.published)) + 1;
    let random = RandomState::new().hash_one(number);
    let name = format!("v{number:08}-{:08x}", random as u32);
    let folder = table.join(&name);
    let draft = store.draft(&name)?;
    let written = write_version(archive, &*store, (&draft, &name), &folder, options)
        .and_then(|version| store.settle(&draft, &name).map(|()| version));
    let version = written.inspect_err(|_| store.discard(&draft))?;
    // After an error it is not known whether the pointer names the version already, so the version stays.
    if store.point(&json(&Pointer::to(name.clone()))?, &seen)? {
        return Ok(Published { folder, rows: version.rows, parts: version.parts.len() });
    }
    store.discard(&name);
    Err(Error::PublishedMeanwhile { table })
}

/// Checks that an archive can be published, before anything is written.
fn check(archive: &dyn Archive) -> Result<()> {
    if archive.is_empty() {
        return Err(Error::NoRows);
    }
    let mut names = BTreeMap::new();
    for (name, _) in archive.columns() {
        // To engines, names of columns in upper and lower case are equal.
        if let Some(other) = names.insert(name.to_lowercase(), name) {
            return Err(Error::ColumnTwice { column: name.into(), other: other.into() });
        }
        if let Some((_, what)) = OWN_COLUMNS.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)) {
            return Err(Error::ReservedColumn { column: name.into(), what });
        }
        archive.check_column(name)?;
    }
    Ok(())
}

/// Writes a version into a draft of it. `folder` is the place that the version is to have.
fn write_version(
    archive: &dyn Archive,
    store: &dyn Store,
    (draft, name): (&str, &str),
    folder: &Location,
    options: &ExportOptions,
) -> Result<TableVersion> {
    let spec = serde_json::to_string(archive.spec()).map_err(|error| {
        rscir_core::Error::from_source("the encoder's spec cannot be written as JSON", error)
    })?;
    let order = order::order(archive);
    let encoder = &sha256(spec.as_bytes())[..16];
    let row_bytes = (archive.dim() * size_of::<f32>()).max(1) as u64;
    let rows_of_part = usize::try_from(options.part_bytes / row_bytes).unwrap_or(usize::MAX).max(1);
    let mut parts = Vec::new();
    for (i, rows) in order.chunks(rows_of_part).enumerate() {
        let file = format!("part-{i:05}.parquet");
        let sink = store.create(draft, &file)?;
        parts.push(part::write(
            archive,
            rows,
            (sink, &file),
            folder,
            &format!("{encoder}/{name}/{i:05}"),
            &spec,
        )?);
    }
    let version = TableVersion {
        folder: folder.clone(),
        spec: archive.spec().clone(),
        rows: order.len() as u64,
        longest: longest(archive),
        moments: archive.moments().clone(),
        columns: archive.columns().into_iter().map(|(name, of)| (name.into(), of)).collect(),
        parts,
    };
    version.describe(|file, bytes| {
        let mut sink = store.create(draft, file)?;
        let failed = |source| {
            let path = folder.join(file).to_string().into();
            FileError::Io { path, action: FileAction::Write, source }
        };
        sink.write_all(bytes).map_err(failed)?;
        sink.finish()
    })?;
    Ok(version)
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
