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

/// What the keys of a feature file stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum KeyKind {
    /// Keys of an archive, such as paths of images.
    #[default]
    Keys,
    /// Texts that were encoded.
    Texts,
}

impl KeyKind {
    /// Returns the name under which files list such keys.
    fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Texts => "texts",
        }
    }
}

/// Embeddings with a key for each row: the content of a feature file in one of the formats of other programs.
///
/// | name | content |
/// |---|---|
/// | `*.safetensors` | A tensor `embeddings` `[n, dim]` (read: f16, bf16, f32, f64; written: f32). The metadata hold, as JSON, a list `keys` or `texts` in row order, and optionally a list `labels` and the [`EncoderSpec`] as `encoder` |
/// | `*.npy` | An array `[n, dim]` (read: versions 1 to 3, f2, f4, f8 of either byte order, C or Fortran order; written: version 1, `<f4`, C order). Keys stand beside `name.npy`, in `name.keys.json` (written: an object with `rows`, the `sha256` of `name.npy`, and the list `keys`; also read: a list alone) or `name.keys.txt` (one key a line); texts stand in `name.texts.json` or `name.texts.txt`. Without such a file the keys are the row numbers `0`, `1`, ... The format has no labels and no spec |
/// | `*.pkl` | The layout of the reference implementation, `{"feats": float32 [n, dim], "labels": [str], "paths": [str]}`. A file without labels is read, too; unknown labels are written as empty ones |
/// | `*.rscir` | An archive folder with columns (read: every precision; written: f32, as a new archive). Labels become the column `label`, and texts become keys |
/// | `*.parquet` | With the feature `tables`: a column `key` or `text`, a column `embedding` of lists of f32 or f64 of one length (written: of fixed length, f32), and all other columns as [`Columns`]: text, integers, floats, bool, dates, lists of numbers. Labels become the column `label`. The metadata hold the [`EncoderSpec`] as JSON, under `rscir.encoder` |
///
/// Rows are normalized when they are read; their earlier length is not written. Only regular files are read.
/// Sizes that a header claims are compared with the size of the file before memory is allocated for them, and the
/// claims of a Parquet file with its bytes before polars decodes it. If a format has labels but no columns, a
/// text column `label` is written as labels, and other columns are left out. A file is written under a temporary
/// name and renamed when it is complete, an array together with its list of keys, so an error leaves both old
/// files. If the process is killed between the two renames, the list does not fit the array, and reading returns
/// an error.
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
    /// Encoder of the rows, as far as it is known.
    pub spec: EncoderSpec,
    /// What the keys stand for.
    pub kind: KeyKind,
    /// One key per row. A file may hold a key twice; an archive cannot.
    pub keys: Vec<String>,
    /// One label per row; `None` if the file has none.
    pub labels: Option<Vec<String>>,
    /// Other values of the rows.
    pub columns: Columns,
    /// The rows, `[n, dim]`.
    pub embeddings: Embeddings,
}

/// Name of the column that holds labels.
const LABEL: &str = "label";

/// Normalizes rows that were read.
///
/// # Errors
/// [`Error::NoColumns`] if the rows have no values; the errors of [`Embeddings::normalize`].
fn normalized(dim: usize, values: Vec<f32>) -> Result<Embeddings> {
    if dim == 0 { Err(Error::NoColumns) } else { Ok(Embeddings::normalize(dim, values)?) }
}

/// A format of feature files.
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
    /// Returns the format that the extension of a path names.
    ///
    /// # Errors
    /// [`Error::UnknownExtension`] if no format has the extension.
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
    /// Makes features of an unknown encoder. Row `i` has the key `keys[i]`.
    ///
    /// # Errors
    /// [`Error::RowCount`] if the counts differ; [`Error::NoRows`] if there are no rows.
    pub fn new(keys: Vec<String>, embeddings: Embeddings) -> Result<Self> {
        let spec = EncoderSpec::unknown(embeddings.dim());
        let columns = Columns::new(keys.len());
        let features = Self { spec, kind: KeyKind::Keys, keys, labels: None, columns, embeddings };
        features.check().map(|()| features)
    }

    /// Copies the rows, keys and columns of an archive.
    ///
    /// # Errors
    /// [`Error::SegmentKey`] if a key is damaged; [`Error::SegmentColumn`] if a column is damaged;
    /// [`rscir_core::Error`] if a row is not finite or all zeros, which only a damaged archive holds.
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

    /// Reads a feature file. Its extension names the format that it must have.
    ///
    /// # Errors
    /// [`Error::File`] with the path if the extension is unknown, the file is damaged or in another format, the
    /// counts of keys and rows differ, or a row is not finite or all zeros; [`Error::Io`] if it cannot be read;
    /// [`Error::Input`] if it is not a regular file; the errors of
    /// [`DiskArchive::open`](crate::DiskArchive::open) if it is an archive.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let read = || {
            let features = (Format::of(path)?.read)(path)?;
            features.check().map(|()| features)
        };
        read().map_err(|error| error.in_file(path))
    }

    /// Reads a feature file like [`Features::read`], whose rows must have the width `dim`.
    ///
    /// # Errors
    /// The errors of [`Features::read`]; [`Error::Width`], in [`Error::File`] with the path, if the rows have
    /// another width.
    pub fn read_of_dim(path: impl AsRef<Path>, dim: usize) -> Result<Self> {
        let features = Self::read(&path)?;
        if features.embeddings.dim() == dim {
            Ok(features)
        } else {
            let error = Error::Width { expected: dim, got: features.embeddings.dim() };
            Err(error.in_file(path.as_ref()))
        }
    }

    /// Writes a feature file in the format that its extension names. Replaces a file that has the name, except an
    /// archive.
    ///
    /// # Errors
    /// [`Error::File`] with the path if the extension is unknown or the features do not fit the format;
    /// [`Error::Exists`] if an archive or another folder with files has the name; [`Error::Io`] if the file
    /// cannot be written. An older file stays then, and no part of the new one is left.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let write = || {
            self.check()?;
            (Format::of(path)?.write)(self, path)
        };
        write().map_err(|error| error.in_file(path))
    }

    /// Tells whether the format that the extension of `path` names keeps columns. Other formats keep labels at
    /// most.
    #[must_use]
    pub fn keeps_columns(path: impl AsRef<Path>) -> bool {
        Format::of(path.as_ref()).is_ok_and(|format| format.keeps_columns)
    }

    /// Checks, before the work whose result is written, that [`Features::write`] can write to `path`: the
    /// extension is known, the folder exists, a file can be created in it, only regular files have the name or
    /// those of lists of keys beside it, and no archive has the name.
    ///
    /// # Errors
    /// [`Error::UnknownExtension`], in [`Error::File`] with the path; [`Error::Io`] if no file can be created;
    /// [`Error::Input`] if the name stands for something other than a regular file; [`Error::Exists`] if it
    /// stands for a folder with files.
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

    /// Makes an archive in memory of the rows. Labels become the column `label`, unless there is one.
    ///
    /// # Errors
    /// [`Error::DuplicateKey`] with both rows if two keys are equal.
    pub fn into_archive(self) -> Result<MemoryArchive> {
        let columns = self.labeled_columns()?;
        MemoryArchive::new(self.spec, self.keys, self.embeddings)?.with_columns(columns)
    }

    /// Returns the columns, and one of the labels if there are labels and no column `label`.
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

    /// Returns the labels, or the values of the text column `label` if there are none.
    fn all_labels(&self) -> Option<Vec<String>> {
        match (&self.labels, self.columns.get(LABEL)) {
            (Some(labels), _) => Some(labels.clone()),
            (None, Some(Column::Text(labels))) => {
                Some(labels.iter().map(|label| label.clone().unwrap_or_default()).collect())
            }
            _ => None,
        }
    }

    /// Checks that there are rows, with one key each, and one label if there are labels.
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
