//! The columns of a file: which of them are keys, vectors and geometries, and which are kept.

use arrow_array::Array;
use arrow_schema::{DataType, Field};
use rscir_core::ColumnSchema;
use serde_json::Value as Json;

use crate::geometry::Placing;
use crate::parquet_file::ParquetFile;
use crate::vectors::Element;
use crate::{Error, LeftOutColumn, ReadOptions, Result, emb, values};

/// Names of the column of keys, in the order in which they are looked for. Major TOM has `unique_id`, Earth Index
/// `id`, GeoVibes `tile_id`, and files of this project `key`.
const KEYS: [&str; 4] = ["key", "unique_id", "id", "tile_id"];

/// Names of the column of vectors, in the order in which they are looked for. Clay has `embeddings`, LanceDB's
/// tables `vector`, and all others `embedding`.
const VECTORS: [&str; 3] = ["embedding", "embeddings", "vector"];

/// Keys that are decoded at once, which take some hundred kilobytes.
const KEYS_AT_ONCE: usize = 8192;

/// Column that geometries are kept in as text, and that they are read from.
pub(crate) const GEOMETRY: &str = "geometry";

/// Most columns of an archive (docs/format.md).
pub(crate) const MAX_COLUMNS: usize = 64;

/// Most bytes of a column's name in an archive (docs/format.md).
const MAX_NAME: usize = 64;

/// The columns of one file, as positions among all of its columns.
pub(crate) struct Layout {
    pub(crate) vectors: usize,
    pub(crate) element: Element,
    /// Column of keys. `None`: keys are made of the file's name and the row's number.
    pub(crate) key: Option<usize>,
    /// Column of geometries, and their coordinate system.
    pub(crate) geometry: Option<(usize, Placing)>,
    /// Columns that are kept.
    pub(crate) columns: Vec<KeptColumn>,
    pub(crate) left_out: Vec<LeftOutColumn>,
}

/// A column that is kept.
pub(crate) struct KeptColumn {
    /// Position among all columns of the file.
    pub(crate) at: usize,
    pub(crate) schema: ColumnSchema,
}

impl Layout {
    /// Finds the columns of a file.
    ///
    /// # Errors
    /// [`Error::NoColumn`], [`Error::ColumnKind`] and [`Error::Json`], as
    /// [`VectorFiles::open`](crate::VectorFiles::open) describes.
    pub(crate) fn of(file: &ParquetFile, options: &ReadOptions) -> Result<Self> {
        let fields = file.fields();
        let find = |name: &str| fields.iter().position(|field| field.name() == name);
        let missing = |what, wanted: String| Error::NoColumn {
            path: file.path().into(),
            what,
            wanted,
            present: fields
                .iter()
                .map(|f| format!("{} ({})", f.name(), type_name(f)))
                .collect::<Vec<_>>()
                .join(", "),
        };
        let field = |at: usize| fields.get(at).map(|field| &**field);
        let kind = |at: usize, expected| Error::ColumnKind {
            path: file.path().into(),
            column: field(at).map(|field| field.name().clone()).unwrap_or_default(),
            expected,
            got: field(at).map(type_name).unwrap_or_default(),
        };

        let vectors = match &options.embedding_column {
            Some(name) => find(name).ok_or_else(|| missing("vectors", format!("{name:?}")))?,
            None => VECTORS
                .iter()
                .find_map(|name| find(name))
                .ok_or_else(|| missing("vectors", VECTORS.join(", ")))?,
        };
        let element = field(vectors)
            .and_then(|field| Element::of(field.data_type()))
            .ok_or_else(|| kind(vectors, "vectors are lists of f16, f32, f64 or signed 8-bit numbers"))?;
        let is_key = |at: usize| field(at).is_some_and(|field| values::is_key(field.data_type()));
        let key = match &options.key_column {
            Some(name) => {
                let at = find(name).ok_or_else(|| missing("keys", format!("{name:?}")))?;
                if !is_key(at) {
                    return Err(kind(at, "keys are text or whole numbers"));
                }
                Some(at)
            }
            None => KEYS.iter().filter_map(|name| find(name)).find(|&at| is_key(at)),
        };
        let notes = file.note("geo").map(|text| emb::parse::<Json>(file.path(), "geo", text)).transpose()?;
        let primary = notes.as_ref().and_then(|notes| notes.get("primary_column")?.as_str());
        let is_binary = |&at: &usize| field(at).is_some_and(|field| *field.data_type() == DataType::Binary);
        let geometry = find(primary.unwrap_or(GEOMETRY)).filter(is_binary).map(|at| {
            let crs =
                notes.as_ref().and_then(|notes| notes.get("columns")?.get(field(at)?.name())?.get("crs"));
            (at, Placing::new(crs))
        });

        // The boxes around geometries say nothing new: they help readers to skip rows that are far away.
        let covering = geometry.as_ref().and_then(|(at, _)| {
            let column = notes.as_ref()?.get("columns")?.get(field(*at)?.name())?;
            find(column.get("covering")?.get("bbox")?.get("xmin")?.get(0)?.as_str()?)
        });
        let mut layout = Self { vectors, element, key, geometry, columns: Vec::new(), left_out: Vec::new() };
        let own = layout.geometry.as_ref().map_or(0, |_| Placing::COLUMNS.len());
        for (at, field) in fields.iter().enumerate() {
            let is_used = at == vectors
                || Some(at) == key
                || Some(at) == covering
                || layout.geometry.as_ref().is_some_and(|g| g.0 == at);
            if !is_used {
                layout.keep(at, field, MAX_COLUMNS - own);
            }
        }
        Ok(layout)
    }

    /// Keeps a column, or records why it is left out. At most `most` columns are kept.
    fn keep(&mut self, at: usize, field: &Field, most: usize) {
        let name = field.name();
        let column_type = values::column_type(field.data_type());
        // If the file itself has a column of places, it is kept instead of the one from the geometry, provided that
        // it has the type that archives have under this name.
        let placed = Placing::COLUMNS.iter().find(|column| self.geometry.is_some() && column.0 == name);
        let why = if column_type.is_none() {
            "an archive has no columns of this type"
        } else if placed.is_some_and(|column| Some(column.1) != column_type) {
            "the geometry gives the column of this name"
        } else if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            "an archive's columns have names of 1 to 64 bytes without control characters"
        } else if self.columns.iter().any(|column| column.schema.name == *name) {
            "another column has the same name"
        } else if self.columns.len() >= most {
            "an archive has at most 64 columns"
        } else {
            ""
        };
        match column_type {
            Some(column_type) if why.is_empty() => {
                self.columns.push(KeptColumn { at, schema: ColumnSchema::new(name, column_type) });
            }
            _ => self.left_out.push(LeftOutColumn { name: name.clone(), type_name: type_name(field), why }),
        }
    }

    /// Returns the positions of the columns that are decoded, in the order of the file.
    pub(crate) fn roots(&self) -> Vec<usize> {
        let others = self.key.iter().copied().chain(self.geometry.as_ref().map(|geometry| geometry.0));
        let mut roots: Vec<usize> =
            self.columns.iter().map(|column| column.at).chain([self.vectors]).chain(others).collect();
        roots.sort_unstable();
        roots
    }

    /// Reads the keys of a row group. `name` is the file's name in keys, and `first` the number of the group's
    /// first row in the file. A key is `None` if the row has none.
    pub(crate) fn group_keys<'a>(
        &self,
        file: &ParquetFile,
        name: &'a str,
        group: usize,
        first: u64,
    ) -> Result<Box<dyn Iterator<Item = Result<Option<String>>> + 'a>> {
        let Some(at) = self.key else {
            let rows = file.groups().get(group).copied().unwrap_or_default();
            return Ok(Box::new((first..first + rows).map(move |row| Ok(Some(row_key(name, row))))));
        };
        let batches = file.read(group, &[at], KEYS_AT_ONCE)?;
        Ok(Box::new(batches.flat_map(|batch| match batch {
            Ok(batch) => match batch.columns().first() {
                Some(keys) => (0..keys.len()).map(|row| Ok(values::key(keys, row))).collect::<Vec<_>>(),
                None => Vec::new(),
            },
            Err(error) => vec![Err(error)],
        })))
    }

    /// Returns the names and the types of all columns that rows have: kept ones, and those made from geometries.
    pub(crate) fn schema(&self) -> Vec<ColumnSchema> {
        let mut schema: Vec<ColumnSchema> = self.columns.iter().map(|column| column.schema.clone()).collect();
        if self.geometry.is_some() {
            let placed = Placing::COLUMNS.iter().filter(|(name, _)| !self.has_own(name));
            let placed: Vec<ColumnSchema> =
                placed.map(|&(name, column_type)| ColumnSchema::new(name, column_type)).collect();
            schema.extend(placed);
        }
        schema
    }

    /// Tells whether a column of this name is kept from the file itself.
    pub(crate) fn has_own(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.schema.name == name)
    }
}

/// Makes the key of a row in a file without a column of keys, from the file's name and the row's number.
pub(crate) fn row_key(name: &str, row: u64) -> String {
    format!("{name}#{row}")
}

/// Returns the type of a column as text for people.
pub(crate) fn type_name(field: &Field) -> String {
    field.data_type().to_string()
}
