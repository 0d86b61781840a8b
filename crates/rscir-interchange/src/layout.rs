//! What the columns of a file are.

use arrow_array::Array;
use arrow_schema::{DataType, Field};
use rscir_core::ColumnSchema;
use serde_json::Value as Json;

use crate::geometry::Placing;
use crate::parquet_file::ParquetFile;
use crate::vectors::Element;
use crate::{Error, LeftOutColumn, ReadOptions, Result, emb, values};

/// Names of the column of keys, in the order in which they are looked for: Major TOM has `unique_id`, Earth Index `id`,
/// GeoVibes `tile_id`, and our own files `key`.
const KEYS: [&str; 4] = ["key", "unique_id", "id", "tile_id"];

/// Names of the column of vectors: Clay has `embeddings`, LanceDB's tables `vector`, all others `embedding`.
const VECTORS: [&str; 3] = ["embedding", "embeddings", "vector"];

/// Keys that are decoded at once: some hundred kilobytes.
const KEYS_AT_ONCE: usize = 8192;

/// The column in which a geometry is kept as text, and in which it is looked for.
pub(crate) const GEOMETRY: &str = "geometry";

/// Most columns of an archive (docs/format.md).
pub(crate) const MAX_COLUMNS: usize = 64;

/// Most bytes of the name of one.
const MAX_NAME: usize = 64;

/// What the columns of one file are, by their places among all.
pub(crate) struct Layout {
    pub(crate) vectors: usize,
    pub(crate) element: Element,
    /// The column of keys; without one, keys are the file's name and the row's number.
    pub(crate) key: Option<usize>,
    pub(crate) geometry: Option<(usize, Placing)>,
    /// Columns that are kept.
    pub(crate) columns: Vec<KeptColumn>,
    pub(crate) left_out: Vec<LeftOutColumn>,
}

/// A column that an archive can keep.
pub(crate) struct KeptColumn {
    pub(crate) at: usize,
    pub(crate) schema: ColumnSchema,
}

impl Layout {
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

        // Boxes around geometries are there for readers who skip what is far away.
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

    /// Keeps a column, or says why it is left out.
    fn keep(&mut self, at: usize, field: &Field, most: usize) {
        let name = field.name();
        let column_type = values::column_type(field.data_type());
        // What the file itself says of a place is kept, if it is what archives have under that name.
        let placed = Placing::COLUMNS.iter().find(|column| self.geometry.is_some() && column.0 == name);
        let why = if column_type.is_none() {
            "an archive has no columns of this type"
        } else if placed.is_some_and(|column| Some(column.1) != column_type) {
            "the geometry gives the column of this name"
        } else if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            "an archive's columns have names of 1 to 64 bytes without control characters"
        } else if self.columns.iter().any(|column| column.schema.name == *name) {
            "another column has its name"
        } else if self.columns.len() >= most {
            "an archive has 64 columns"
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

    /// Columns that are to be decoded.
    pub(crate) fn roots(&self) -> Vec<usize> {
        let others = self.key.iter().copied().chain(self.geometry.as_ref().map(|geometry| geometry.0));
        let mut roots: Vec<usize> =
            self.columns.iter().map(|column| column.at).chain([self.vectors]).chain(others).collect();
        roots.sort_unstable();
        roots
    }

    /// The keys of a row group, whose first row is the file's row `first`.
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

    /// Names and types of all columns that rows have.
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

    /// Tells whether the file has such a column itself.
    pub(crate) fn has_own(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.schema.name == name)
    }
}

/// The key of a row without one: where it stands.
pub(crate) fn row_key(name: &str, row: u64) -> String {
    format!("{name}#{row}")
}

/// A type as people write it.
pub(crate) fn type_name(field: &Field) -> String {
    field.data_type().to_string()
}
