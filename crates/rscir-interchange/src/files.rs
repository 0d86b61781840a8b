use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rscir_core::files::{FileAction, FileError};
use rscir_core::{ColumnSchema, EncoderSpec};

use crate::layout::{Layout, MAX_COLUMNS};
use crate::parquet_file::ParquetFile;
use crate::{Blocks, Error, ReadOptions, Result, emb};

/// Extensions of the names of Parquet files.
const EXTENSIONS: [&str; 3] = ["parquet", "geoparquet", "pq"];

/// Deepest level of folders within folders that is read. The folders of a partitioned table have a few levels, and
/// each takes some stack.
const MAX_DEPTH: usize = 32;

/// A column of a file that archives cannot keep.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeftOutColumn {
    /// Name of the column.
    pub name: String,
    /// Type of the column in the file.
    pub type_name: String,
    /// Why the column is left out.
    pub why: &'static str,
}

/// A table of vectors that another program made: a Parquet file, or all Parquet files in a folder and in the
/// folders below it.
///
/// The files are in the order of their paths. Files and folders whose names begin with a dot or an underscore are
/// notes of other programs and are skipped, as Hive and Spark do. Opening a table checks what each file claims
/// against its bytes; [`VectorFiles::blocks`] decodes the vectors.
#[derive(Debug)]
pub struct VectorFiles {
    root: PathBuf,
    pub(crate) options: ReadOptions,
    pub(crate) files: Vec<ListedFile>,
    rows: u64,
    columns: Vec<ColumnSchema>,
    left_out: Vec<LeftOutColumn>,
}

/// A file of a table.
#[derive(Debug)]
pub(crate) struct ListedFile {
    pub(crate) path: PathBuf,
    /// Path below the folder, which keys begin with.
    pub(crate) name: String,
    /// Length in bytes, and time of the last change.
    pub(crate) version: (u64, u128),
}

impl VectorFiles {
    /// Opens a file or a folder, and reads the metadata of each file.
    ///
    /// # Errors
    /// - [`Error::NoFiles`] if a folder has no Parquet file.
    /// - [`Error::Name`] if a path is not UTF-8.
    /// - [`Error::NoColumn`] if a file has no column of vectors, or lacks a column that `options` name.
    /// - [`Error::ColumnKind`] if the column of vectors or of keys has a type that these are not read from.
    /// - [`Error::ColumnType`] if columns of two files have one name and different types.
    /// - [`Error::Parquet`], [`Error::Index`] or [`Error::Json`] if a file is damaged, or claims more than its
    ///   bytes can hold; [`Error::Index`] also if there are more than 64 columns.
    /// - [`Error::File`] if a file or a folder cannot be read.
    pub fn open(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self> {
        let root = path.as_ref();
        let mut table = Self {
            root: root.into(),
            options: options.clone(),
            files: Vec::new(),
            rows: 0,
            columns: Vec::new(),
            left_out: Vec::new(),
        };
        // The file in which a column was met first.
        let mut firsts: Vec<PathBuf> = Vec::new();
        for (path, name) in list(root)? {
            let file = ParquetFile::open(&path)?;
            let layout = Layout::of(&file, options)?;
            for schema in layout.schema() {
                match table.columns.iter().position(|column| column.name == schema.name) {
                    None if table.columns.len() >= MAX_COLUMNS => {
                        return Err(rscir_index::Error::TooManyColumns { limit: MAX_COLUMNS }.into());
                    }
                    None => {
                        table.columns.push(schema);
                        firsts.push(path.clone());
                    }
                    Some(at) => {
                        let (known, first) = (&table.columns[at], &firsts[at]);
                        if known.column_type != schema.column_type {
                            return Err(Error::ColumnType {
                                path,
                                column: schema.name,
                                expected: known.column_type,
                                got: schema.column_type,
                                other: first.clone(),
                            });
                        }
                    }
                }
            }
            for column in layout.left_out {
                if !table.left_out.contains(&column) {
                    table.left_out.push(column);
                }
            }
            let rows = file.groups().iter().fold(0u64, |sum, rows| sum.saturating_add(*rows));
            table.rows = table.rows.saturating_add(rows);
            table.files.push(ListedFile { version: file.version(), path, name });
        }
        Ok(table)
    }

    /// Returns the path that was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Returns the paths of the files, in their order.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// Returns the number of rows, including the rows that will be left out.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the names and the types of the columns that rows have beside key and vector: columns of the files,
    /// and columns that are made from their geometries.
    #[must_use]
    pub fn columns(&self) -> &[ColumnSchema] {
        &self.columns
    }

    /// Returns the columns of the files that archives cannot keep.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOutColumn] {
        &self.left_out
    }

    /// Reads the spec of the encoder from the metadata of the first file. If the metadata record none, the spec is
    /// that of an unknown encoder of vectors of width `dim`.
    ///
    /// # Errors
    /// - [`Error::Width`] if the recorded encoder has another width than `dim`.
    /// - [`Error::Json`] if the metadata cannot be understood.
    /// - [`Error::Parquet`], [`Error::Index`] or [`Error::File`] if the file cannot be read any more.
    pub fn spec(&self, dim: usize) -> Result<EncoderSpec> {
        match self.files.first() {
            Some(file) => emb::spec(&ParquetFile::open(&file.path)?, dim),
            None => Ok(EncoderSpec::unknown(dim)),
        }
    }

    /// Reads the width of the vectors, which is that of the first row with a vector.
    ///
    /// # Errors
    /// The errors of [`Blocks`], such as [`Error::NoRows`] if no row has a vector.
    pub fn width(&self) -> Result<usize> {
        self.blocks().width()
    }

    /// Returns an iterator that decodes the rows block by block, in memory that does not grow with the files.
    #[must_use]
    pub fn blocks(&self) -> Blocks<'_> {
        Blocks::new(self, Vec::new())
    }

    /// Opens the file with a number again. Returns `None` if there is no such file.
    ///
    /// # Errors
    /// [`Error::Changed`] if the file has changed since the table was opened, and those of opening it.
    pub(crate) fn open_again(&self, file: usize) -> Result<Option<(ParquetFile, Layout)>> {
        let Some(listed) = self.files.get(file) else { return Ok(None) };
        let opened = ParquetFile::open(&listed.path)?;
        if opened.version() != listed.version {
            return Err(Error::Changed { path: listed.path.clone() });
        }
        let layout = Layout::of(&opened, &self.options)?;
        Ok(Some((opened, layout)))
    }
}

/// Tells whether a path is one for [`VectorFiles::open`]: the name of a Parquet file (`.parquet`, `.geoparquet` or
/// `.pq`, in upper or lower case), or a folder that is no archive.
#[must_use]
pub fn is_table(path: impl AsRef<Path>) -> bool {
    /// A file that the folder of every archive holds (docs/format.md).
    const MANIFEST: &str = "manifest.json";
    let path = path.as_ref();
    if path.is_dir() { !path.join(MANIFEST).exists() } else { has_extension(path) }
}

/// Lists the Parquet files that a path names, each with its name in keys, in the order of these names.
fn list(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let name = |path: &Path, below: &Path| {
        let parts = path.strip_prefix(below).unwrap_or(path).components();
        let parts: Option<Vec<&str>> = parts.map(|part| part.as_os_str().to_str()).collect();
        parts.map(|parts| parts.join("/")).ok_or_else(|| Error::Name { path: path.into() })
    };
    let is_folder = fs::metadata(root).map_err(|source| unreadable(root, source))?.is_dir();
    if !is_folder {
        let folder = root.parent().unwrap_or(Path::new(""));
        return Ok(vec![(root.into(), name(root, folder)?)]);
    }
    let mut paths = Vec::new();
    collect(root, 0, &mut paths)?;
    let mut files = paths
        .into_iter()
        .map(|path| name(&path, root).map(|name| (path, name)))
        .collect::<Result<Vec<_>>>()?;
    files.sort_by(|a, b| a.1.cmp(&b.1));
    if files.is_empty() { Err(Error::NoFiles { path: root.into() }) } else { Ok(files) }
}

/// Collects the Parquet files in a folder, which is `depth` levels below the first, and in the folders below it.
fn collect(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(|source| unreadable(folder, source))?;
    for entry in entries {
        let entry = entry.map_err(|source| unreadable(folder, source))?;
        let (path, name) = (entry.path(), entry.file_name());
        if matches!(name.as_encoded_bytes().first(), None | Some(b'.' | b'_')) {
            continue;
        }
        // Links to files are followed, because caches of downloads are made of them. Links to folders are not,
        // because they could lead back to a folder that was read.
        let is_folder = entry.file_type().map_err(|source| unreadable(&path, source))?.is_dir();
        if is_folder && depth < MAX_DEPTH {
            collect(&path, depth + 1, paths)?;
        } else if !is_folder && has_extension(&path) {
            paths.push(path);
        }
    }
    Ok(())
}

/// Tells whether a path has the extension of a Parquet file, in upper or lower case.
fn has_extension(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    FileError::Io { path: path.into(), action: FileAction::Read, source }.into()
}
