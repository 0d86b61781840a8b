use std::path::Path;

use rscir_core::Archive;

use super::lines::{field_problem, file_name, read_csv};
use super::set_builder::{Rows, SetBuilder};
use super::{DatasetReport, Protocol};
use crate::{Convention, Error, QuerySet, Result};

/// i-CIR: an image of an instance and a text are the query, and the images in that instance's gallery that
/// show the text are relevant (arXiv 2510.25387).
///
/// There is one group for each instance, with its own gallery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Icir {
    queries: Vec<(u64, [String; 3])>,
    gallery: Vec<(u64, [String; 3])>,
    files: [String; 2],
}

impl Icir {
    /// Reads the list of queries and the list of the gallery, both with rows `path,text,instance`. A gallery
    /// image with an empty text is relevant for no query.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read; [`Error::Line`] for a row of another form.
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

    fn queries(&self, archive: &dyn Archive) -> Result<(QuerySet, DatasetReport)> {
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
