use std::collections::BTreeSet;
use std::path::Path;

use rscir_core::Archive;

use super::lines::{field_problem, file_name, read_lines};
use super::set_builder::{Rows, SetBuilder};
use super::{DatasetReport, Protocol};
use crate::{Convention, Error, QuerySet, Result};

/// Domain conversion: an image and the name of another domain are the query, and the images of its class in
/// that domain are relevant.
///
/// There is one group for each pair of domains, such as `photo-sketch`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainConversion {
    images: Vec<(u64, [String; 3])>,
    file: String,
}

impl DomainConversion {
    /// Reads a list of `<path> <domain> <class>`, separated by blanks. The path may hold blanks.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Line`] for a line of another form.
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

    fn queries(&self, archive: &dyn Archive) -> Result<(QuerySet, DatasetReport)> {
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
                // A class without images in that domain has no query.
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
