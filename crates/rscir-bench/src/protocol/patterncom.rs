use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use rscir_core::Archive;

use super::classes::{category, class_of, merged};
use super::lines::{field_problem, read_csv, read_lines, shortened};
use super::{DatasetReport, Finding, Mode, Protocol};
use crate::queries::Interner;
use crate::{Error, Query, QueryGroup, QueryImage, QuerySet, Result, Rounding};

/// The attributes of PatternCom, in the order of the published tables.
pub const ATTRIBUTES: [&str; 6] = ["color", "context", "density", "existence", "quantity", "shape"];

/// One row of an attribute's CSV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelRow {
    /// Line in the file, from 1.
    pub line: u64,
    /// Base name of the tile.
    pub name: String,
    /// The attribute column.
    pub attribute: String,
    /// The value, which is also the text of queries for it.
    pub value: String,
}

/// The labels of one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Name of the attribute, which is the stem of the file.
    pub name: String,
    /// Path of the file.
    pub path: PathBuf,
    /// Rows of the file, in order.
    pub rows: Vec<LabelRow>,
    /// Line of a header that was recognized and skipped.
    pub header: Option<u64>,
}

/// A row of `patternnet.csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// Path of the image relative to the dataset, which is its key.
    pub path: String,
    /// Label of the image, such as `wastewater_treatment_plant`.
    pub label: String,
}

/// PatternCom: its label files, and the [`Mode`] in which they are evaluated.
///
/// ```no_run
/// # fn main() -> rscir_bench::Result<()> {
/// use rscir_bench::{Mode, PatternCom};
///
/// let benchmark = PatternCom::read("PatternNet")?.mode(Mode::Reference);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PatternCom {
    /// The attributes whose files exist, in the order of [`ATTRIBUTES`].
    pub attributes: Vec<Attribute>,
    /// Mode, which decides queries, relevance, rounding and the computation of WeiCom.
    pub mode: Mode,
}

impl PatternCom {
    /// Reads `<folder>/PatternCom/<attribute>.csv` for every attribute whose file exists. The mode is
    /// [`Mode::Corrected`].
    ///
    /// # Errors
    /// [`Error::NoAttributes`] if no file exists; [`Error::Io`] if a file cannot be read; [`Error::Line`] for
    /// a row without three columns.
    pub fn read(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref().join("PatternCom");
        let mut attributes = Vec::new();
        for name in ATTRIBUTES {
            let path = folder.join(format!("{name}.csv"));
            // A pipe or a folder with this name counts as present, so that reading it says what it is.
            if path.symlink_metadata().is_ok() {
                attributes.push(Attribute::read(name, &path)?);
            }
        }
        if attributes.is_empty() {
            let expected = ATTRIBUTES.map(|name| format!("{name}.csv")).join(", ");
            return Err(Error::NoAttributes { path: folder, expected });
        }
        Ok(Self { attributes, mode: Mode::default() })
    }

    /// Reads `<folder>/patternnet.csv`, the images of the archive in order.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Line`] for a line without three parts.
    pub fn read_tiles(folder: impl AsRef<Path>) -> Result<Vec<Tile>> {
        let path = folder.as_ref().join("patternnet.csv");
        read_lines(&path)?
            .map(|line| {
                let (line, text) = line?;
                // The line is split from the right, because only the path may hold spaces.
                let mut parts = text.trim_end().rsplitn(3, ' ');
                let bad = |problem| Err(Error::Line { path: path.clone(), line, problem });
                let (Some(label), Some(_), Some(tile)) = (parts.next(), parts.next(), parts.next()) else {
                    return bad(format!("expected `<path> <number> <label>`, got {:?}", shortened(&text)));
                };
                for (what, field) in [("path", tile), ("label", label)] {
                    if let Some(problem) = field_problem(what, field) {
                        return bad(problem);
                    }
                }
                Ok(Tile { path: tile.into(), label: label.into() })
            })
            .collect()
    }

    /// Sets the mode. Default: [`Mode::Corrected`].
    #[must_use]
    pub fn mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }
}

impl Protocol for PatternCom {
    fn name(&self) -> &'static str {
        "PatternCom"
    }

    /// Makes the queries, with one group for each attribute.
    ///
    /// # Errors
    /// [`Error::AmbiguousName`] in [`Mode::Corrected`] if two rows have one base name; [`Error::NoQueries`]
    /// if no query is left.
    fn queries(&self, archive: &dyn Archive) -> Result<(QuerySet, DatasetReport)> {
        let mut report = DatasetReport::default();
        let names = Names::of(archive, self.mode, &mut report)?;
        let mut builder = Builder::new(archive);
        for attribute in &self.attributes {
            attribute.report(&names, &mut report);
            let queries = match self.mode {
                Mode::Corrected => attribute.corrected_queries(&names, &mut builder, &mut report),
                Mode::Reference => attribute.reference_queries(&names, &mut builder),
            };
            builder.groups.push(QueryGroup { name: attribute.name.clone(), queries, gallery: None });
        }
        let queries = builder.finish();
        if queries.is_empty() { Err(Error::NoQueries) } else { Ok((queries, report)) }
    }

    fn rounding(&self) -> Rounding {
        match self.mode {
            Mode::Corrected => Rounding::None,
            Mode::Reference => Rounding::PerQuery,
        }
    }

    fn follows_reference(&self) -> bool {
        self.mode == Mode::Reference
    }
}

/// The archive's rows by base name.
struct Names<'a> {
    rows: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Names<'a> {
    fn of(archive: &'a dyn Archive, mode: Mode, report: &mut DatasetReport) -> Result<Self> {
        let mut rows: HashMap<&str, Vec<usize>> = HashMap::with_capacity(archive.len());
        for row in 0..archive.len() {
            let name = base_name(archive.key(row));
            let rows = rows.entry(name).or_default();
            if let Some(&first) = rows.first() {
                if mode == Mode::Corrected {
                    let (first, second) = (archive.key(first).into(), archive.key(row).into());
                    return Err(Error::AmbiguousName { first, second });
                }
                if rows.len() == 1 {
                    report.ambiguous.push(name.into());
                }
            }
            rows.push(row);
        }
        Ok(Self { rows })
    }

    /// Returns the row of the query image with this name: the last one, which a Python dictionary would keep.
    fn query_row(&self, name: &str) -> Option<usize> {
        self.rows(name).last().copied()
    }

    fn rows(&self, name: &str) -> &[usize] {
        self.rows.get(name).map_or(&[], Vec::as_slice)
    }
}

/// Returns the part of a path after the last separator.
pub(crate) fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// Collects queries over all attributes, with each image, text and relevant set once.
struct Builder<'a> {
    archive: &'a dyn Archive,
    images: Interner<usize>,
    texts: Interner<String>,
    relevant: Interner<Vec<usize>>,
    groups: Vec<QueryGroup>,
}

impl<'a> Builder<'a> {
    fn new(archive: &'a dyn Archive) -> Self {
        let (images, texts, relevant) = (Interner::new(), Interner::new(), Interner::new());
        Self { archive, images, texts, relevant, groups: Vec::new() }
    }

    fn finish(self) -> QuerySet {
        let images = self.images.into_values().into_iter();
        QuerySet {
            images: images.map(|row| QueryImage::in_row(self.archive, row)).collect(),
            texts: self.texts.into_values(),
            relevant: self.relevant.into_values(),
            groups: self.groups,
        }
    }
}

/// The relevant sets of one attribute by merged class and value. Each is built once.
struct Relevance<'a> {
    rows: HashMap<(&'a str, &'a str), Vec<usize>>,
    known: HashMap<(&'a str, &'a str), usize>,
}

impl<'a> Relevance<'a> {
    fn new() -> Self {
        Self { rows: HashMap::new(), known: HashMap::new() }
    }

    fn add(&mut self, class: &'a str, value: &'a str, rows: &[usize]) {
        self.rows.entry((merged(class), value)).or_default().extend_from_slice(rows);
    }

    fn index(&mut self, class: &'a str, value: &'a str, sets: &mut Interner<Vec<usize>>) -> usize {
        let key = (merged(class), value);
        *self.known.entry(key).or_insert_with(|| {
            let mut rows = self.rows.get(&key).cloned().unwrap_or_default();
            rows.sort_unstable();
            rows.dedup();
            sets.index(rows)
        })
    }
}

impl Attribute {
    fn read(name: &str, path: &Path) -> Result<Self> {
        let mut attribute = Self { name: name.into(), path: path.into(), rows: Vec::new(), header: None };
        for record in read_csv(path)? {
            let record = record?;
            let line = record.line;
            let bad = |problem| Err(Error::Line { path: path.into(), line, problem });
            let [file, column, value] = record.fields.as_slice() else {
                let got = record.count;
                let hint = match record.fields.first() {
                    Some(field) if got == 1 && field.contains([';', '\t']) => ": separate them by commas",
                    _ => ": quote a value that holds a comma, delete what is no row",
                };
                return bad(format!("expected 3 columns (filename,attribute,value), got {got}{hint}"));
            };
            if attribute.rows.is_empty() && attribute.header.is_none() && is_header(file, column, value) {
                attribute.header = Some(line);
                continue;
            }
            for (what, field) in [("filename", file), ("attribute", column), ("value", value)] {
                if let Some(problem) = field_problem(what, field) {
                    return bad(problem);
                }
            }
            if base_name(file) != file || file == ".." {
                return bad(format!("the filename {file:?} names a folder: give the tile's base name alone"));
            }
            attribute.rows.push(LabelRow {
                line,
                name: file.clone(),
                attribute: column.clone(),
                value: value.clone(),
            });
        }
        Ok(attribute)
    }

    fn finding(&self, line: u64, name: &str, value: &str) -> Finding {
        let file = format!("{}.csv", self.name);
        Finding { file, line, name: name.into(), value: value.into() }
    }

    /// Reports rows of absent tiles and repeated tiles.
    fn report(&self, names: &Names<'_>, report: &mut DatasetReport) {
        report.headers.extend(self.header.map(|line| self.finding(line, "", "")));
        let mut seen = BTreeSet::new();
        for row in &self.rows {
            let finding = || self.finding(row.line, &row.name, &row.value);
            if !seen.insert(&row.name) {
                report.duplicates.push(finding());
            }
            if names.rows(&row.name).is_empty() {
                report.missing.push(finding());
            }
        }
    }

    /// Returns the category of a row: the attribute column and the class, merged for the attribute of this
    /// file.
    fn category_of<'r>(&self, row: &'r LabelRow) -> (&'r str, &'r str) {
        (&row.attribute, category(&self.name, class_of(&row.name)))
    }

    /// Collects the values by category, in the order of first use.
    fn values<'r>(
        &self,
        rows: impl Iterator<Item = &'r LabelRow>,
    ) -> HashMap<(&'r str, &'r str), Vec<&'r str>> {
        let mut values: HashMap<_, Vec<&str>> = HashMap::new();
        for row in rows {
            let values = values.entry(self.category_of(row)).or_default();
            if !values.contains(&row.value.as_str()) {
                values.push(&row.value);
            }
        }
        values
    }

    /// Makes the queries of [`Mode::Corrected`]. An image may have several values; its queries are for the
    /// values of its category that it does not have.
    #[expect(clippy::indexing_slicing, reason = "both maps were made of the same rows")]
    fn corrected_queries(
        &self,
        names: &Names<'_>,
        builder: &mut Builder<'_>,
        report: &mut DatasetReport,
    ) -> Vec<Query> {
        let present = || self.rows.iter().filter(|row| names.query_row(&row.name).is_some());
        let values = self.values(present());
        let mut relevance = Relevance::new();
        let mut own: HashMap<&str, Vec<&str>> = HashMap::new();
        for row in present() {
            relevance.add(class_of(&row.name), &row.value, names.rows(&row.name));
            own.entry(&row.name).or_default().push(&row.value);
        }
        let mut asked = BTreeSet::new();
        let mut queries = Vec::new();
        for row in present() {
            let others = &values[&self.category_of(row)];
            let texts = others.iter().filter(|value| !own[row.name.as_str()].contains(value));
            let Some(image) = names.query_row(&row.name) else { continue };
            if !asked.insert(image) {
                continue;
            }
            let before = queries.len();
            for &text in texts {
                queries.push(Query {
                    image: builder.images.index(image),
                    text: builder.texts.index(text.into()),
                    relevant: relevance.index(class_of(&row.name), text, &mut builder.relevant),
                });
            }
            if queries.len() == before {
                report.without_queries.push(self.finding(row.line, &row.name, &row.value));
            }
        }
        queries
    }

    /// Makes the queries of [`Mode::Reference`] as the reference program pairs them. Tiles that the archive
    /// lacks are missing only from the list of positions, so after one every tile has the class and the texts
    /// of an earlier row. The last row of a tile decides its value.
    #[expect(clippy::indexing_slicing, reason = "the map was made of the same rows")]
    fn reference_queries(&self, names: &Names<'_>, builder: &mut Builder<'_>) -> Vec<Query> {
        let values = self.values(self.rows.iter());
        let last: HashMap<&str, &LabelRow> = self.rows.iter().map(|row| (row.name.as_str(), row)).collect();
        let mut relevance = Relevance::new();
        for row in last.values() {
            relevance.add(class_of(&row.name), &row.value, names.rows(&row.name));
        }
        let positions = self.rows.iter().filter_map(|row| names.query_row(&row.name));
        let mut queries = Vec::new();
        for (image, row) in positions.zip(&self.rows) {
            for &text in values[&self.category_of(row)].iter().filter(|value| **value != row.value) {
                queries.push(Query {
                    image: builder.images.index(image),
                    text: builder.texts.index(text.into()),
                    relevant: relevance.index(class_of(&row.name), text, &mut builder.relevant),
                });
            }
        }
        queries
    }
}

/// Tells whether a first row names columns instead of a tile.
fn is_header(file: &str, attribute: &str, value: &str) -> bool {
    let is = |field: &str, names: &[&str]| names.contains(&field.trim().to_ascii_lowercase().as_str());
    is(file, &["filename", "file", "image", "name", "path"])
        && (is(attribute, &["attribute"]) || is(value, &["value", "attribute value", "attribute_value"]))
}
