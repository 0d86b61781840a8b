//! Writes archives as GeoParquet.

mod hilbert;
mod notes;
mod options;
mod places;
mod stac;
mod table;

use std::io::{self, Write};
use std::mem;
use std::path::Path;

use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use rscir_core::Archive;
use rscir_core::files::replace;
use serde_json::Value as Json;

pub use options::ExportOptions;
pub use stac::{StacExport, export_stac};

use self::notes::Times;
use self::places::Extent;
use self::table::{EMBEDDING, Table};
use crate::{Error, Result};

/// Rows that are encoded at once, which take some megabytes of vectors.
const BATCH: usize = 1024;

/// Summary of a file that [`export_geoparquet`] wrote.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Exported {
    /// Number of rows in the file.
    pub rows: u64,
    /// Number of rows with a geometry. If it is 0, the file is plain Parquet without the metadata `geo`.
    pub placed: u64,
    /// Box around all geometries in degrees: west, south, east and north; `None` if there is no geometry.
    pub bounds: Option<[f64; 4]>,
    /// Number of row groups in the file.
    pub groups: usize,
}

/// Writes an archive as GeoParquet 1.1, which geopandas, DuckDB, QGIS and [`read_features`](crate::read_features)
/// read. Each row has the key, the vector in single precision, the geometry in WGS84, the box around the geometry,
/// and the values of the archive's columns.
///
/// Rows are sorted along Hilbert's curve, in row groups of [`ExportOptions::group_bytes`] compressed with
/// Zstandard, so that a reader that asks for an area skips most of the file. Rows without a place come last. An
/// archive without any place becomes plain Parquet. The metadata `geo` describe the geometries, and `emb` the
/// encoder of the vectors.
///
/// Memory holds one row group and 16 bytes for each row. An existing file is replaced as a whole. The same archive
/// makes the same file, byte for byte.
///
/// ```no_run
/// use rscir_interchange::{ExportOptions, export_geoparquet};
///
/// let archive = rscir_index::DiskArchive::open("planet.rscir")?;
/// let exported = export_geoparquet(&archive, "planet.parquet", &ExportOptions::default().license("CC-BY-4.0"))?;
/// println!("{} rows, {} with a place", exported.rows, exported.placed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// After an error the file at `path` is what it was before.
///
/// - [`Error::NoRows`] if the archive is empty.
/// - [`Error::File`] if the file cannot be written.
/// - [`Error::Stopped`] if [`ExportOptions::stop`] became true.
/// - [`Error::Core`] if the vectors are too wide for Parquet, which counts their numbers in 31 bits.
pub fn export_geoparquet(
    archive: &dyn Archive,
    path: impl AsRef<Path>,
    options: &ExportOptions<'_>,
) -> Result<Exported> {
    let path = path.as_ref();
    if archive.is_empty() {
        return Err(Error::NoRows { path: path.into() });
    }
    let order = places::order(archive);
    // Rows without a place are last, so the first row tells whether any row has a place.
    let has_places = order.first().is_some_and(|&row| rscir_geo::Footprint::of_row(archive, row).is_some());
    let table = Table::new(archive, has_places)?;
    options.progress.begin("writing", Some(order.len() as u64));
    let written = replace(path, |out| write(archive, &table, &order, options, out));
    options.progress.end();
    if options.is_stopped() {
        return Err(Error::Stopped);
    }
    Ok(written?)
}

/// Writes the rows of an archive in the order of `order` as Parquet.
fn write(
    archive: &dyn Archive,
    table: &Table<'_>,
    order: &[usize],
    options: &ExportOptions<'_>,
    out: &mut dyn Write,
) -> io::Result<Exported> {
    let per_group = usize::try_from(options.group_bytes / table.row_bytes()).unwrap_or(usize::MAX).max(1);
    // The writer has to own its output, so it writes to memory, and its bytes are moved to `out` after each batch.
    let mut writer = ArrowWriter::try_new(
        Vec::new(),
        table.schema.clone(),
        Some(properties(per_group, options.group_bytes)),
    )?;
    let mut extent = Extent::empty();
    for rows in order.chunks(BATCH) {
        if options.is_stopped() {
            return Err(io::Error::other("stopped"));
        }
        writer.write(&table.batch(rows, &mut extent).map_err(io::Error::other)?)?;
        out.write_all(&mem::take(writer.inner_mut()))?;
        options.progress.advance(rows.len() as u64);
    }
    let mut note = |name: &str, json: &Json| {
        writer.append_key_value_metadata(KeyValue::new(name.to_owned(), json.to_string()));
    };
    if extent.rows > 0 {
        note("geo", &notes::geo(&extent));
    }
    note("emb", &notes::emb(archive.spec(), Times::of(archive, options).as_ref(), options));
    let metadata = writer.finish()?;
    writer.sync()?;
    out.write_all(&mem::take(writer.inner_mut()))?;
    Ok(Exported {
        rows: order.len() as u64,
        placed: extent.rows,
        bounds: (extent.rows > 0).then_some(extent.edges),
        groups: metadata.num_row_groups(),
    })
}

/// Returns the properties of the Parquet writer.
fn properties(rows_of_a_group: usize, bytes_of_a_group: u64) -> WriterProperties {
    let vectors = ColumnPath::from(vec![EMBEDDING.to_owned(), "list".into(), "element".into()]);
    WriterProperties::builder()
        .set_created_by(concat!("rscir-interchange ", env!("CARGO_PKG_VERSION")).into())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(rows_of_a_group))
        // Bytes are limited as well as rows, because texts may be longer than the guess that rows are counted by.
        .set_max_row_group_bytes(usize::try_from(bytes_of_a_group).ok().filter(|bytes| *bytes > 0))
        // Numbers of a vector hardly repeat, and no reader skips rows by the smallest and the largest of them.
        .set_column_dictionary_enabled(vectors.clone(), false)
        .set_column_statistics_enabled(vectors, EnabledStatistics::None)
        .build()
}
