use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rscir_core::files::{FileAction, FileError};
use rscir_core::{ColumnSchema, EncoderSpec};

use crate::layout::{Layout, MAX_COLUMNS};
use crate::parquet_file::ParquetFile;
use crate::{Blocks, Error, ReadOptions, Result, emb};

/// Ends of names of Parquet files.
const EXTENSIONS: [&str; 3] = ["parquet", "geoparquet", "pq"];

/// Folders within folders: those of a partitioned table are few. Each takes some stack.
const MAX_DEPTH: usize = 32;

/// A column that an archive does not keep.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeftOutColumn {
    /// Its name.
    pub name: String,
    /// Its type in the file.
    pub type_name: String,
    /// Why it is left out.
    pub why: &'static str,
}

/// Vectors that others made: a Parquet file, or all of a folder and of those below it, as one table.
///
/// Files are in the order of their paths. Those whose names begin with a dot or an underscore are another program's notes
/// and are passed over, as Hive and Spark do.
///
/// What each file claims is held against its bytes when it is opened; vectors are decoded by [`VectorFiles::blocks`].
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
    /// Its path below the folder, as keys have it.
    pub(crate) name: String,
    /// Bytes and time of change.
    pub(crate) version: (u64, u128),
}

impl VectorFiles {
    /// Opens a file or a folder, and looks at the metadata of each file.
    ///
    /// # Errors
    /// [`Error::NoFiles`], [`Error::Name`]; [`Error::NoColumn`] and [`Error::ColumnKind`] if a file has no vectors or not the
    /// keys that are asked for; [`Error::ColumnType`] if two files disagree; [`Error::Parquet`], [`Error::Index`] and
    /// [`Error::Json`] for a file that is damaged; [`Error::File`].
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

    /// Returns the number of rows, those included that will be left out.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns names and types of the columns that rows have beside key and vector: those of the files, and those that their
    /// geometry gives.
    #[must_use]
    pub fn columns(&self) -> &[ColumnSchema] {
        &self.columns
    }

    /// Returns the columns that no archive can keep.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOutColumn] {
        &self.left_out
    }

    /// Reads the encoder of vectors of width `dim`, as the first file records it: unknown if it does not.
    ///
    /// # Errors
    /// [`Error::Width`] if the record is of vectors of another width; [`Error::Json`], [`Error::File`].
    pub fn spec(&self, dim: usize) -> Result<EncoderSpec> {
        match self.files.first() {
            Some(file) => emb::spec(&ParquetFile::open(&file.path)?, dim),
            None => Ok(EncoderSpec::unknown(dim)),
        }
    }

    /// Reads the width of the vectors, which that of the first row with a vector decides.
    ///
    /// # Errors
    /// [`Error::NoRows`], and those of [`Blocks`].
    pub fn width(&self) -> Result<usize> {
        self.blocks().width()
    }

    /// Decodes the rows, block by block: in memory that does not grow with the files.
    #[must_use]
    pub fn blocks(&self) -> Blocks<'_> {
        Blocks::new(self, Vec::new())
    }

    /// Opens a file again, which must not have changed.
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

/// Tells whether a path is one that [`VectorFiles::open`] is for: it ends as names of Parquet files do, or is a folder that is no
/// archive.
#[must_use]
pub fn is_table(path: impl AsRef<Path>) -> bool {
    /// What the folder of an archive holds (docs/format.md).
    const MANIFEST: &str = "manifest.json";
    let path = path.as_ref();
    if path.is_dir() { !path.join(MANIFEST).exists() } else { has_extension(path) }
}

/// The Parquet files that a path names, with their names in keys, sorted by these.
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

fn collect(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(|source| unreadable(folder, source))?;
    for entry in entries {
        let entry = entry.map_err(|source| unreadable(folder, source))?;
        let (path, name) = (entry.path(), entry.file_name());
        if matches!(name.as_encoded_bytes().first(), None | Some(b'.' | b'_')) {
            continue;
        }
        // Links to files are followed, as a cache of downloads is made of them; those to folders could lead back.
        let is_folder = entry.file_type().map_err(|source| unreadable(&path, source))?.is_dir();
        if is_folder && depth < MAX_DEPTH {
            collect(&path, depth + 1, paths)?;
        } else if !is_folder && has_extension(&path) {
            paths.push(path);
        }
    }
    Ok(())
}

/// Tells whether a path ends as those of Parquet files do.
fn has_extension(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    FileError::Io { path: path.into(), action: FileAction::Read, source }.into()
}
