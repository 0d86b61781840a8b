//! Benchmarks that are lists of labelled images, and a user's own.

use std::collections::BTreeSet;
use std::path::Path;

use rscir_core::Archive;

use super::csv_file::read_csv;
use super::lines::{field_problem, file_name, read_lines};
use super::set_builder::{Rows, SetBuilder};
use super::{Finding, Protocol};
use crate::{Convention, Error, QuerySet, Result};

/// Domain conversion: an image and the name of another domain ask for the images of its class there.
///
/// One group a pair of domains, `photo-sketch`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainConversion {
    images: Vec<(u64, [String; 3])>,
    file: String,
}

impl DomainConversion {
    /// Reads a list of `<path> <domain> <class>`, between blanks. The path may hold blanks.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Line`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut images = Vec::new();
        for line in read_lines(path)? {
            let (line, text) = line?;
            let parts: Vec<&str> = text.trim_end().rsplitn(3, ' ').collect();
            let [class, domain, image] = parts[..] else {
                let problem = format!("expected `<path> <domain> <class>`, got {} parts", parts.len());
                return Err(Error::Line { path: path.into(), line, problem });
            };
            for (what, field) in [("path", image), ("domain", domain), ("class", class)] {
                if let Some(problem) = field_problem(what, field) {
                    return Err(Error::Line { path: path.into(), line, problem });
                }
            }
            images.push((line, [image, domain, class].map(String::from)));
        }
        Ok(Self { images, file: file_name(path) })
    }
}

impl Protocol for DomainConversion {
    fn name(&self) -> &'static str {
        "domain conversion"
    }

    fn queries(&self, archive: &dyn Archive) -> Result<(QuerySet, Vec<Finding>)> {
        let mut builder = SetBuilder::new(archive);
        let (mut present, mut rows) = (Vec::new(), Rows::new());
        for (line, [image, domain, class]) in &self.images {
            if let Some(row) = builder.row(image, &self.file, *line, domain) {
                present.push((row, domain.as_str(), class.as_str()));
                rows.entry((domain.as_str(), class.as_str())).or_default().insert(row);
            }
        }
        let domains: BTreeSet<&str> = present.iter().map(|(_, domain, _)| *domain).collect();
        for &(row, own, class) in &present {
            for &domain in domains.iter().filter(|domain| **domain != own) {
                // A class without images there cannot be asked for.
                if let Some(relevant) = rows.get(&(domain, class)) {
                    builder.add(&format!("{own}-{domain}"), row, domain, relevant.clone());
                }
            }
        }
        builder.finish()
    }

    fn convention(&self) -> Convention {
        Convention::Trapezoid
    }
}

/// i-CIR: an image of an instance and a text ask, among that instance's gallery, for its images that show the text
/// (arXiv 2510.25387).
///
/// One group an instance, each with its own gallery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Icir {
    queries: Vec<(u64, [String; 3])>,
    gallery: Vec<(u64, [String; 3])>,
    files: [String; 2],
}

impl Icir {
    /// Reads the queries' list and the gallery's, each of rows `path,text,instance`. A gallery image may have an empty text:
    /// it answers nothing.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Line`].
    pub fn read(queries: impl AsRef<Path>, gallery: impl AsRef<Path>) -> Result<Self> {
        let (queries, gallery) = (queries.as_ref(), gallery.as_ref());
        Ok(Self {
            queries: instance_rows(queries, true)?,
            gallery: instance_rows(gallery, false)?,
            files: [file_name(queries), file_name(gallery)],
        })
    }
}

fn instance_rows(path: &Path, needs_text: bool) -> Result<Vec<(u64, [String; 3])>> {
    let rows = read_csv(path)?.map(|record| {
        let record = record?;
        let bad = |problem| Error::Line { path: path.into(), line: record.line, problem };
        let got = record.count;
        let fields: [String; 3] = record
            .fields
            .try_into()
            .map_err(|_| bad(format!("expected 3 columns (path,text,instance), got {got}")))?;
        for (what, field) in ["path", "text", "instance"].into_iter().zip(&fields) {
            let optional = what == "text" && !needs_text && field.is_empty();
            if let Some(problem) = field_problem(what, field).filter(|_| !optional) {
                return Err(bad(problem));
            }
        }
        Ok((record.line, fields))
    });
    rows.collect()
}

impl Protocol for Icir {
    fn name(&self) -> &'static str {
        "i-CIR"
    }

    fn queries(&self, archive: &dyn Archive) -> Result<(QuerySet, Vec<Finding>)> {
        let mut builder = SetBuilder::new(archive);
        let (mut galleries, mut answers) = (Rows::new(), Rows::new());
        for (line, [image, text, instance]) in &self.gallery {
            if let Some(row) = builder.row(image, &self.files[1], *line, text) {
                galleries.entry(instance.as_str()).or_default().insert(row);
                if !text.is_empty() {
                    answers.entry((instance.as_str(), text.as_str())).or_default().insert(row);
                }
            }
        }
        for (line, [image, text, instance]) in &self.queries {
            if let Some(row) = builder.row(image, &self.files[0], *line, text) {
                let relevant = answers.get(&(instance.as_str(), text.as_str()));
                builder.add(instance, row, text, relevant.cloned().unwrap_or_default());
                builder.limit(instance, galleries.get(instance.as_str()).cloned().unwrap_or_default());
            }
        }
        builder.finish()
    }

    fn convention(&self) -> Convention {
        Convention::Trapezoid
    }
}

/// A user's own queries: a csv file of query image, text and the relevant images' keys between `|` or `;`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnQueries {
    rows: Vec<(u64, [String; 3])>,
    file: String,
}

impl OwnQueries {
    /// Reads rows `image,text,relevant`. A first row of these names is a header.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Line`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        const COLUMNS: [&str; 3] = ["image", "text", "relevant"];
        let path = path.as_ref();
        let mut rows = Vec::new();
        for (place, record) in read_csv(path)?.enumerate() {
            let record = record?;
            let bad = |problem| Error::Line { path: path.into(), line: record.line, problem };
            if place == 0 && record.fields == COLUMNS {
                continue;
            }
            let got = record.count;
            let fields: [String; 3] = record.fields.try_into().map_err(|_| {
                bad(format!("expected 3 columns (image,text,relevant keys between | or ;), got {got}"))
            })?;
            for (what, field) in COLUMNS.into_iter().take(2).zip(&fields) {
                if let Some(problem) = field_problem(what, field) {
                    return Err(bad(problem));
                }
            }
            if fields[2].split(['|', ';']).any(|key| key.trim().is_empty()) {
                return Err(bad("a relevant key is empty: fill it in, or take its | or ; away".into()));
            }
            rows.push((record.line, fields));
        }
        Ok(Self { rows, file: file_name(path) })
    }
}

impl Protocol for OwnQueries {
    fn name(&self) -> &'static str {
        "own queries"
    }

    /// Relevant images that the archive lacks are reported, and the query asks for the others.
    fn queries(&self, archive: &dyn Archive) -> Result<(QuerySet, Vec<Finding>)> {
        let mut builder = SetBuilder::new(archive);
        for (line, [image, text, relevant]) in &self.rows {
            let keys = relevant.split(['|', ';']).map(str::trim);
            let rows: BTreeSet<usize> =
                keys.filter_map(|key| builder.row(key, &self.file, *line, text)).collect();
            if let Some(image) = builder.row(image, &self.file, *line, text) {
                builder.add("all", image, text, rows);
            }
        }
        builder.finish()
    }
}
