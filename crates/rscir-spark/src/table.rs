use std::collections::BTreeMap;
use std::path::Path;

use rscir_core::{ColumnType, EncoderSpec, Moments};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::type_named;
use crate::store::{self, Store};
use crate::{Error, Location, Result};

/// File that names the version that readers see. It is written last.
pub(crate) const POINTER: &str = "current.json";

/// File that describes a version. Its name begins with an underscore, because engines skip files with such names.
pub(crate) const DESCRIPTION: &str = "_table.json";

/// File of a version's moments.
pub(crate) const MOMENTS: &str = "_moments.safetensors";

/// Columns that every table has, each with what the column holds.
pub(crate) const OWN_COLUMNS: [(&str, &str); 3] =
    [(KEY, "keys"), (EMBEDDING, "vectors"), (PART, "the marks of parts")];

/// Column of keys.
pub(crate) const KEY: &str = "key";
/// Column of vectors.
pub(crate) const EMBEDDING: &str = "embedding";
/// Column of each row's part. All rows of a part have one value, so that it compresses to almost nothing.
pub(crate) const PART: &str = "rscir_part";

/// Value of the member `format`.
const FORMAT: &str = "rscir-table";

/// Version of the format that this release writes and reads.
const FORMAT_VERSION: u32 = 1;

/// Bytes of the longest description that is read. A part takes 250 bytes, so this is enough for a table of 100,000
/// parts, which hold 12 TB.
pub(crate) const MAX_DESCRIPTION: u64 = 32 << 20;

/// Bytes of the largest file of moments that is read: those of vectors of width 16,384, the widest of an archive.
const MAX_MOMENTS: u64 = (16_384 + 1) * 16_384 * 8 + 4096;

/// The file `current.json`: which version of a table readers see.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pointer {
    format: String,
    version: u32,
    /// Name of the version's folder, which is beside the file.
    pub(crate) published: String,
}

impl Pointer {
    /// Makes the pointer to the version in a folder.
    pub(crate) fn to(published: String) -> Self {
        Self { format: FORMAT.into(), version: FORMAT_VERSION, published }
    }

    /// Reads the pointer of a table from its bytes. Returns `None` if the table has none.
    pub(crate) fn of(bytes: Option<&[u8]>, table: &Location) -> Result<Option<Self>> {
        let Some(bytes) = bytes else { return Ok(None) };
        let path = table.join(POINTER);
        let pointer: Self =
            serde_json::from_slice(bytes).map_err(|error| Error::description(&path, error.to_string()))?;
        check_format(&pointer.format, pointer.version, &path)?;
        let is_name = Path::new(&pointer.published).components().count() == 1
            && !pointer.published.starts_with(['.', '/', '_']);
        if is_name {
            Ok(Some(pointer))
        } else {
            Err(Error::description(&path, "its member `published` names no folder beside it"))
        }
    }
}

/// Checks that a file has the format and the version that this release reads.
fn check_format(format: &str, version: u32, path: &Location) -> Result<()> {
    if format == FORMAT && version == FORMAT_VERSION {
        return Ok(());
    }
    Err(Error::description(
        path,
        format!(
            "the file has the format {format:?}, version {version}; this release reads {FORMAT:?}, version {FORMAT_VERSION}"
        ),
    ))
}

/// A part of a version, which is one Parquet file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PartEntry {
    /// Name of the file, within the version's folder.
    pub name: String,
    /// Value of the column `rscir_part` in all rows of the part. It names the encoder, the version and the part.
    pub mark: String,
    /// Number of rows.
    pub rows: u64,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, in lowercase hexadecimal digits.
    pub sha256: String,
}

/// A published version of a table: which parts it has, and what is known of their rows.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TableVersion {
    /// Place of the version, which holds its parts.
    pub folder: Location,
    /// Spec of the encoder of the vectors.
    pub spec: EncoderSpec,
    /// Number of rows.
    pub rows: u64,
    /// Upper bound of the lengths of all vectors. It may be above 1, because the vectors of an archive that stores
    /// less than `f32` are not quite of unit length.
    pub longest: f64,
    /// Count, mean and scatter of all vectors.
    pub moments: Moments,
    /// Names and types of the archive's columns, without those that every table has.
    pub columns: BTreeMap<String, ColumnType>,
    /// Parts, in the order of their rows.
    pub parts: Vec<PartEntry>,
}

/// The file `_table.json`, which describes a version.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    format: String,
    version: u32,
    spec: EncoderSpec,
    rows: u64,
    longest: f64,
    columns: BTreeMap<String, String>,
    parts: Vec<PartEntry>,
    moments_sha256: String,
}

impl TableVersion {
    /// Opens the version of a table that was published last. Versions that are published
    /// later do not change it.
    ///
    /// # Errors
    /// - [`Error::NotPublished`] if there is no table.
    /// - [`Error::Description`] if a file that describes the table is damaged or missing, or of a format that this
    ///   release does not read.
    /// - [`Error::File`] if one of these files cannot be read.
    /// - [`Error::NoCloud`] if `table` is a URL and the build lacks the feature `cloud`; with it `Error::Store` if
    ///   the object store fails.
    pub fn open(table: impl Into<Location>) -> Result<Self> {
        let table = table.into();
        let store = store::open(&table)?;
        let seen = store.pointer(MAX_DESCRIPTION)?;
        match Pointer::of(seen.bytes.as_deref(), &table)? {
            Some(pointer) => Self::read(&*store, &table, &pointer.published),
            None => Err(Error::NotPublished { table }),
        }
    }

    /// Reads the description and the moments of a version.
    fn read(store: &dyn Store, table: &Location, version: &str) -> Result<Self> {
        let folder = table.join(version);
        let file = |name: &str, most: u64| {
            let read = store.read(&format!("{version}/{name}"), most)?;
            read.ok_or_else(|| Error::description(folder.join(name), "it is missing"))
        };
        let path = folder.join(DESCRIPTION);
        let bytes = file(DESCRIPTION, MAX_DESCRIPTION)?;
        let wrong = |reason: &str| Error::description(&path, reason);
        let described: Description =
            serde_json::from_slice(&bytes).map_err(|error| wrong(&error.to_string()))?;
        check_format(&described.format, described.version, &path)?;
        let columns = described.columns.into_iter().map(|(name, column_type)| {
            let known = type_named(&column_type)
                .ok_or_else(|| wrong(&format!("the column {name:?} has the unknown type {column_type:?}")))?;
            Ok((name, known))
        });
        let rows: u64 = described.parts.iter().map(|part| part.rows).sum();
        if rows != described.rows || !(described.longest.is_finite() && described.longest > 0.0) {
            return Err(wrong("`rows` is not the sum over the parts, or `longest` is not a number above 0"));
        }
        let moments_path = folder.join(MOMENTS);
        let moments = file(MOMENTS, MAX_MOMENTS)?;
        if sha256(&moments) != described.moments_sha256 {
            return Err(Error::description(moments_path, "its SHA-256 is not the one that was published"));
        }
        Ok(Self {
            moments: moments_of(&moments, described.rows, described.spec.dim).ok_or_else(|| {
                Error::description(moments_path, "it holds no moments of the table's vectors")
            })?,
            columns: columns.collect::<Result<_>>()?,
            folder,
            spec: described.spec,
            rows: described.rows,
            longest: described.longest,
            parts: described.parts,
        })
    }

    /// Writes the moments and the description. `write` gets the name and the bytes of each file.
    pub(crate) fn describe(&self, mut write: impl FnMut(&str, &[u8]) -> Result<()>) -> Result<()> {
        let moments = bytes_of(&self.moments)?;
        let description = Description {
            format: FORMAT.into(),
            version: FORMAT_VERSION,
            spec: self.spec.clone(),
            rows: self.rows,
            longest: self.longest,
            columns: self.columns.iter().map(|(name, of)| (name.clone(), of.name().into())).collect(),
            parts: self.parts.clone(),
            moments_sha256: sha256(&moments),
        };
        write(MOMENTS, &moments)?;
        write(DESCRIPTION, &json(&description)?)
    }
}

/// Writes a value as JSON, indented and with a newline at the end, because people look into these files.
pub(crate) fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| {
        rscir_core::Error::from_source("the description cannot be written as JSON", error)
    })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Computes the SHA-256 of bytes, in lowercase hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Writes bytes as lowercase hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes moments as a safetensors file.
fn bytes_of(moments: &Moments) -> Result<Vec<u8>> {
    let bytes = |values: &[f64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let (mean, scatter) = (bytes(moments.mean()), bytes(moments.scatter()));
    let dim = moments.dim();
    let failed =
        |error| rscir_core::Error::from_source("the moments cannot be written as safetensors", error);
    let tensors = [
        ("mean", TensorView::new(Dtype::F64, vec![dim], &mean).map_err(failed)?),
        ("scatter", TensorView::new(Dtype::F64, vec![dim, dim], &scatter).map_err(failed)?),
    ];
    Ok(safetensors::serialize(tensors, None).map_err(failed)?)
}

/// Reads the moments of `rows` vectors of width `dim` from a safetensors file. Returns `None` if the file does not
/// hold such moments.
fn moments_of(bytes: &[u8], rows: u64, dim: usize) -> Option<Moments> {
    let tensors = SafeTensors::deserialize(bytes).ok()?;
    let values = |name: &str, shape: &[usize]| {
        let tensor = tensors.tensor(name).ok().filter(|t| t.dtype() == Dtype::F64 && t.shape() == shape)?;
        let (numbers, _) = tensor.data().as_chunks::<8>();
        let numbers: Vec<f64> = numbers.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
        numbers.iter().all(|number| number.is_finite()).then_some(numbers)
    };
    Moments::from_parts(rows, values("mean", &[dim])?, values("scatter", &[dim, dim])?).ok()
}
