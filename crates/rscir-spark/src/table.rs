use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rscir_core::files::read_bounded;
use rscir_core::{ColumnType, EncoderSpec, Moments};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::type_named;
use crate::{Error, Result};

/// The file that names the version that readers see. It is written last.
pub(crate) const POINTER: &str = "current.json";

/// The file that describes a version. Engines pass over names that begin with an underscore.
pub(crate) const DESCRIPTION: &str = "_table.json";

/// The file of a version's moments.
pub(crate) const MOMENTS: &str = "_moments.safetensors";

/// The columns that every table has: what a name stands for.
pub(crate) const OWN_COLUMNS: [(&str, &str); 3] =
    [(KEY, "keys"), (EMBEDDING, "vectors"), (PART, "the marks of parts")];

/// The column of keys.
pub(crate) const KEY: &str = "key";
/// The column of vectors.
pub(crate) const EMBEDDING: &str = "embedding";
/// The column that marks each row with its part: the same in all rows of a part, so it takes no room.
pub(crate) const PART: &str = "rscir_part";

/// The value of the member `format`.
const FORMAT: &str = "rscir-table";

/// The version of this format.
const FORMAT_VERSION: u32 = 1;

/// Bytes of the longest description that is read: a part takes 250, so that is a table of 100,000 parts, 12 TB.
const MAX_DESCRIPTION: u64 = 32 << 20;

/// Bytes of the widest moments that are read: those of vectors of 16,384 numbers, the widest of an archive.
const MAX_MOMENTS: u64 = (16_384 + 1) * 16_384 * 8 + 4096;

/// Which version of a table readers see.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pointer {
    format: String,
    version: u32,
    /// The name of a folder beside the pointer.
    pub(crate) published: String,
}

impl Pointer {
    pub(crate) fn to(published: String) -> Self {
        Self { format: FORMAT.into(), version: FORMAT_VERSION, published }
    }

    /// Reads the pointer of a table, `None` if there is none.
    pub(crate) fn read(table: &Path) -> Result<Option<Self>> {
        let path = table.join(POINTER);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = read_bounded(&path, MAX_DESCRIPTION)?;
        let pointer: Self =
            serde_json::from_slice(&bytes).map_err(|error| Error::description(&path, error.to_string()))?;
        check_format(&pointer.format, pointer.version, &path)?;
        let is_name = Path::new(&pointer.published).components().count() == 1
            && !pointer.published.starts_with(['.', '/', '_']);
        if is_name {
            Ok(Some(pointer))
        } else {
            Err(Error::description(&path, "it names no folder beside it"))
        }
    }
}

fn check_format(format: &str, version: u32, path: &Path) -> Result<()> {
    if format == FORMAT && version == FORMAT_VERSION {
        return Ok(());
    }
    Err(Error::description(
        path,
        format!("format {format:?}, version {version}, where {FORMAT:?}, version {FORMAT_VERSION}, is read"),
    ))
}

/// A part of a version: a Parquet file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PartEntry {
    /// The name of the file.
    pub name: String,
    /// What its rows have in the column `rscir_part`: which encoder, which version and which part they are of.
    pub mark: String,
    /// Number of rows.
    pub rows: u64,
    /// Length of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// One published version of a table: what its parts hold.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TableVersion {
    /// The folder of the version, in which its parts lie.
    pub folder: PathBuf,
    /// The encoder of the vectors.
    pub spec: EncoderSpec,
    /// Number of rows.
    pub rows: u64,
    /// At least the length of the longest vector: rows that an archive stores in less than `f32` are not quite of unit length.
    pub longest: f64,
    /// Count, mean and scatter of all vectors.
    pub moments: Moments,
    /// Names and types of the columns beside key and vector.
    pub columns: BTreeMap<String, ColumnType>,
    /// The parts, in order.
    pub parts: Vec<PartEntry>,
}

/// What a version is, as its description has it.
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
    /// Opens the version of a table that was published last; it stays the one that it is while others are published.
    ///
    /// # Errors
    /// [`Error::NotPublished`]; [`Error::Description`] if a file is not what was written.
    pub fn open(table: impl AsRef<Path>) -> Result<Self> {
        let table = table.as_ref();
        let pointer = Pointer::read(table)?.ok_or_else(|| Error::NotPublished { path: table.into() })?;
        Self::read(&table.join(pointer.published))
    }

    /// Reads the description and the moments in a version's folder.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(DESCRIPTION);
        let bytes = read_bounded(&path, MAX_DESCRIPTION)?;
        let wrong = |reason: &str| Error::description(&path, reason);
        let described: Description =
            serde_json::from_slice(&bytes).map_err(|error| wrong(&error.to_string()))?;
        check_format(&described.format, described.version, &path)?;
        let columns = described.columns.into_iter().map(|(name, column_type)| {
            let known =
                type_named(&column_type).ok_or_else(|| wrong("a column has a type that is not known"))?;
            Ok((name, known))
        });
        let rows: u64 = described.parts.iter().map(|part| part.rows).sum();
        if rows != described.rows || !(described.longest.is_finite() && described.longest > 0.0) {
            return Err(wrong("its numbers do not agree"));
        }
        let moments_path = folder.join(MOMENTS);
        let moments = read_bounded(&moments_path, MAX_MOMENTS)?;
        if sha256(&moments) != described.moments_sha256 {
            return Err(Error::description(moments_path, "it is not what was written"));
        }
        Ok(Self {
            folder: folder.into(),
            moments: moments_of(&moments, described.rows, described.spec.dim)
                .ok_or_else(|| Error::description(moments_path, "it holds no moments of such vectors"))?,
            columns: columns.collect::<Result<_>>()?,
            spec: described.spec,
            rows: described.rows,
            longest: described.longest,
            parts: described.parts,
        })
    }

    /// Writes the description and the moments into a version's folder, by `write`, which takes a name and bytes.
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

/// Indented JSON and a newline: people look into these files.
pub(crate) fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| rscir_core::Error::from_source("a description could not be written", error))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The SHA-256 of some bytes, in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes_of(moments: &Moments) -> Result<Vec<u8>> {
    let bytes = |values: &[f64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let (mean, scatter) = (bytes(moments.mean()), bytes(moments.scatter()));
    let dim = moments.dim();
    let failed = |error| rscir_core::Error::from_source("moments could not be written", error);
    let tensors = [
        ("mean", TensorView::new(Dtype::F64, vec![dim], &mean).map_err(failed)?),
        ("scatter", TensorView::new(Dtype::F64, vec![dim, dim], &scatter).map_err(failed)?),
    ];
    Ok(safetensors::serialize(tensors, None).map_err(failed)?)
}

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
