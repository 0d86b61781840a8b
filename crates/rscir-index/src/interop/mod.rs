#![deny(clippy::indexing_slicing)]

mod claims;
mod import;
mod input;
mod key_list;
mod npy;
mod output;
#[cfg(feature = "tables")]
mod parquet;
mod pickle;
mod rscir;
mod safetensors;
mod table;

use std::path::Path;

pub use claims::{ParquetLimits, check_parquet_claims};
pub use import::{ImportOptions, Imported, LeftOut, LeftOutReason, import_vectors};
use rscir_core::{Archive, Embeddings, EncoderSpec, files};
pub(crate) use table::read_table;

use crate::{Column, Columns, Error, MemoryArchive, Result};

/// What the keys of a feature file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum KeyKind {
    /// Keys of an archive, such as paths of images.
    #[default]
    Keys,
    /// The texts that were encoded.
    Texts,
}

impl KeyKind {
    /// The name under which files list them.
    fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Texts => "texts",
        }
    }
}

/// Embeddings with a key for each row: the content of a feature file, in one of the formats that others use.
///
/// | name | content |
/// |---|---|
/// | `*.safetensors` | tensor `embeddings` `[n, dim]` (read: f16, bf16, f32, f64; written: f32). In the metadata, as JSON: `keys` or `texts`, a list in row order; optionally `labels`, a list, and `encoder`, the [`EncoderSpec`] |
/// | `*.npy` | an array `[n, dim]` (read: versions 1 to 3, f2, f4, f8 of either byte order, C or Fortran order; written: version 1, `<f4`, C order). Keys stand beside `name.npy`, in `name.keys.json` (written: an object with `rows`, the `sha256` of `name.npy`, and the list `keys`; also read: a list alone) or `name.keys.txt` (one a line), texts in `name.texts.json` or `name.texts.txt`; without such a file the keys are the row numbers `0`, `1`, ... It holds no labels and no spec |
/// | `*.pkl` | the reference implementation's layout, `{"feats": float32 [n, dim], "labels": [str], "paths": [str]}`; labels may be absent when read and are empty when unknown |
/// | `*.rscir` | an archive folder (read: every precision; written: f32, where there is none yet). With columns; labels become the column `label`, and texts keys |
/// | `*.parquet` | with the feature `tables`: a column `key` or `text`, a column `embedding` of lists of f32 or f64 of one length (written: of fixed length, f32), and all others as [`Columns`]: text, integers, floats, bool, dates, lists of numbers. Labels become the column `label`. The [`EncoderSpec`] stands in the metadata as JSON, under `rscir.encoder` |
///
/// Rows are normalized as they are read; the length they had before is not written. Only regular files are read, and
/// sizes that a header claims are compared with the size of the file before anything is allocated for them; what a
/// Parquet file claims is held against its bytes before polars decodes it. Where a format has labels and no columns, a
/// column `label` of text is its labels, other columns are left out. A file is written beside its place and renamed into
/// it when whole, an array together with its list of keys: an error leaves both old ones. Should the process be killed
/// between the two renames, the list does not fit the array, and reading says so.
///
/// ```
/// use rscir_core::Embeddings;
/// use rscir_index::Features;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("tiles.safetensors");
/// let rows = Embeddings::normalize(2, vec![3.0, 4.0, 1.0, 0.0])?;
/// Features::new(vec!["a.png".into(), "b.png".into()], rows)?.write(&path)?;
/// assert_eq!(Features::read(&path)?.keys, ["a.png", "b.png"]);
/// # Ok::<(), rscir_index::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// The encoder, as far as it is known.
    pub spec: EncoderSpec,
    /// What the keys are.
    pub kind: KeyKind,
    /// One key per row. A file may hold a key twice; an archive may not.
    pub keys: Vec<String>,
    /// One label per row, where the file has them.
    pub labels: Option<Vec<String>>,
    /// What else is known of the rows.
    pub columns: Columns,
    /// The rows, `[n, dim]`.
    pub embeddings: Embeddings,
}

/// Name of the column of labels.
const LABEL: &str = "label";

/// Rows that were read, of unit length.
fn normalized(dim: usize, values: Vec<f32>) -> Result<Embeddings> {
    if dim == 0 { Err(Error::NoColumns) } else { Ok(Embeddings::normalize(dim, values)?) }
}

/// How a feature file is read and written.
struct Format {
    extension: &'static str,
    keeps_columns: bool,
    read: fn(&Path) -> Result<Features>,
    write: fn(&Features, &Path) -> Result<()>,
}

const FORMATS: &[Format] = &[
    Format {
        extension: "safetensors",
        keeps_columns: false,
        read: safetensors::read,
        write: safetensors::write,
    },
    Format { extension: npy::EXTENSION, keeps_columns: false, read: npy::read, write: npy::write },
    Format { extension: "pkl", keeps_columns: false, read: pickle::read, write: pickle::write },
    Format { extension: rscir::EXTENSION, keeps_columns: true, read: rscir::read, write: rscir::write },
    #[cfg(feature = "tables")]
    Format { extension: "parquet", keeps_columns: true, read: parquet::read, write: parquet::write },
];

impl Format {
    fn of(path: &Path) -> Result<&'static Self> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        FORMATS.iter().find(|format| format.extension == extension).ok_or_else(|| Error::UnknownExtension {
            extension: extension.into(),
            known: FORMATS
                .iter()
                .map(|format| format.extension)
                .chain((!cfg!(feature = "tables")).then_some("parquet if built with the feature `tables`"))
                .collect::<Vec<_>>()
                .join(", "),
        })
    }
}

impl Features {
    /// Rows of an unknown encoder under `keys`.
    ///
    /// # Errors
    /// [`Error::RowCount`] if the counts differ.
    pub fn new(keys: Vec<String>, embeddings: Embeddings) -> Result<Self> {
        let spec = EncoderSpec::unknown(embeddings.dim());
        let columns = Columns::new(keys.len());
        let features = Self { spec, kind: KeyKind::Keys, keys, labels: None, columns, embeddings };
        features.check().map(|()| features)
    }

    /// The rows of an archive.
    ///
    /// # Errors
    /// [`rscir_core::Error`] if a row is not finite or all zeros, which a sound archive does not hold; [`Error::SegmentKey`],
    /// [`Error::SegmentColumn`] for what is damaged.
    pub fn of_archive(archive: &dyn Archive) -> Result<Self> {
        let mut values = Vec::with_capacity(archive.len() * archive.dim());
        for row in 0..archive.len() {
            values.extend_from_slice(&archive.vector(row));
        }
        let keys = (0..archive.len()).map(|row| Ok(archive.checked_key(row)?.into()));
        let keys = keys.collect::<Result<_>>()?;
        archive.columns().into_iter().try_for_each(|(name, _)| archive.check_column(name))?;
        Ok(Self {
            spec: archive.spec().clone(),
            kind: KeyKind::Keys,
            keys,
            labels: None,
            columns: Columns::of_archive(archive),
            embeddings: Embeddings::normalize(archive.dim(), values)?,
        })
    }

    /// Reads a feature file; its extension says which format it must have.
    ///
    /// # Errors
    /// [`Error::File`] with the path and what is wrong: [`Error::UnknownExtension`], a file that cannot be read, is
    /// damaged or has another content than its extension says, counts of keys and rows that differ, a row that is not
    /// finite or all zeros.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let read = || {
            let features = (Format::of(path)?.read)(path)?;
            features.check().map(|()| features)
        };
        read().map_err(|error| error.in_file(path))
    }

    /// [`Features::read`], for rows of width `dim`.
    ///
    /// # Errors
    /// As there, and [`Error::Width`] with the path if the rows have another width.
    pub fn read_of_dim(path: impl AsRef<Path>, dim: usize) -> Result<Self> {
        let features = Self::read(&path)?;
        if features.embeddings.dim() == dim {
            Ok(features)
        } else {
            let error = Error::Width { expected: dim, got: features.embeddings.dim() };
            Err(error.in_file(path.as_ref()))
        }
    }

    /// Writes a feature file; its extension chooses the format. A file already there is replaced, an archive is not.
    ///
    /// # Errors
    /// [`Error::File`] with the path and what is wrong; nothing is left behind then, and an older file stays.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let write = || {
            self.check()?;
            (Format::of(path)?.write)(self, path)
        };
        write().map_err(|error| error.in_file(path))
    }

    /// Tells whether the format that the extension of `path` names keeps columns. One that does not keeps labels at the most.
    #[must_use]
    pub fn keeps_columns(path: impl AsRef<Path>) -> bool {
        Format::of(path.as_ref()).is_ok_and(|format| format.keeps_columns)
    }

    /// Checks that [`Features::write`] can write to `path`, before the work whose result goes there: the extension is
    /// known, the folder is there, a file can be created in it, nothing but a regular file has the name, or that of a list
    /// of keys beside it, and no archive is in the way.
    ///
    /// # Errors
    /// [`Error::UnknownExtension`] with the path, [`Error::Io`], [`Error::Input`], [`Error::Exists`].
    pub fn can_be_written(path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let format = Format::of(path).map_err(|error| error.in_file(path))?;
        if format.extension == rscir::EXTENSION && path.is_dir() {
            return rscir::check_empty(path);
        }
        files::can_be_written(path)?;
        if format.extension == npy::EXTENSION {
            key_list::can_be_written_beside(path)?;
        }
        Ok(())
    }

    /// The rows as an archive in memory.
    ///
    /// # Errors
    /// [`Error::DuplicateKey`] with both rows.
    pub fn into_archive(self) -> Result<MemoryArchive> {
        let columns = self.labeled_columns()?;
        MemoryArchive::new(self.spec, self.keys, self.embeddings)?.with_columns(columns)
    }

    /// The columns, with one of the labels if there are labels and no column of that name.
    fn labeled_columns(&self) -> Result<Columns> {
        match &self.labels {
            Some(labels) if self.columns.get(LABEL).is_none() => {
                let mut columns = self.columns.clone();
                if columns.is_empty() {
                    columns = Columns::new(labels.len());
                }
                columns.with(LABEL, labels.clone())
            }
            _ => Ok(self.columns.clone()),
        }
    }

    /// The labels, or what the column of that name has for them.
    fn all_labels(&self) -> Option<Vec<String>> {
        match (&self.labels, self.columns.get(LABEL)) {
            (Some(labels), _) => Some(labels.clone()),
            (None, Some(Column::Text(labels))) => {
                Some(labels.iter().map(|label| label.clone().unwrap_or_default()).collect())
            }
            _ => None,
        }
    }

    /// `Ok` if there are rows, with one key, and one label, each.
    fn check(&self) -> Result<()> {
        let rows = self.embeddings.len();
        if rows == 0 {
            return Err(Error::NoRows);
        }
        let count = |what, got| if got == rows { Ok(()) } else { Err(Error::RowCount { what, rows, got }) };
        count(self.kind.name(), self.keys.len())?;
        self.columns.check_rows(rows)?;
        self.labels.as_ref().map_or(Ok(()), |labels| count("labels", labels.len()))
    }
}
