//! Builds the query sets of protocols that name their relevant images one by one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rscir_core::Archive;

use super::{DatasetReport, Finding};
use crate::queries::Interner;
use crate::{Error, Query, QueryGroup, QueryImage, QuerySet, Result};

/// Collects queries by group, with each image, text and relevant set once.
pub(super) struct SetBuilder<'a> {
    archive: &'a dyn Archive,
    images: Interner<usize>,
    texts: Interner<String>,
    relevant: Interner<Vec<usize>>,
    names: Vec<String>,
    groups: HashMap<String, QueryGroup>,
    pub(super) report: DatasetReport,
}

impl<'a> SetBuilder<'a> {
    pub(super) fn new(archive: &'a dyn Archive) -> Self {
        Self {
            archive,
            images: Interner::new(),
            texts: Interner::new(),
            relevant: Interner::new(),
            names: Vec::new(),
            groups: HashMap::new(),
            report: DatasetReport::default(),
        }
    }

    /// Returns the row of `key`, which line `line` of `file` names. A key that is absent is reported.
    pub(super) fn row(&mut self, key: &str, file: &str, line: u64, value: &str) -> Option<usize> {
        let row = self.archive.find(key).or_else(|| self.archive.find(&other_ending(key)?));
        if row.is_none() {
            let finding = Finding { file: file.into(), line, name: key.into(), value: value.into() };
            self.report.missing.push(finding);
        }
        row
    }

    /// Adds a query of the image in row `image`. `relevant` need not be in order.
    pub(super) fn add(&mut self, group: &str, image: usize, text: &str, relevant: BTreeSet<usize>) {
        let query = Query {
            image: self.images.index(image),
            text: self.texts.index(text.into()),
            relevant: self.relevant.index(relevant.into_iter().collect()),
        };
        self.group(group).queries.push(query);
    }

    /// Limits the gallery of a group to some rows.
    pub(super) fn limit(&mut self, group: &str, gallery: BTreeSet<usize>) {
        self.group(group).gallery = Some(gallery.into_iter().collect());
    }

    fn group(&mut self, name: &str) -> &mut QueryGroup {
        self.groups.entry(name.into()).or_insert_with(|| {
            self.names.push(name.into());
            QueryGroup { name: name.into(), ..QueryGroup::default() }
        })
    }

    /// Returns the set, with its groups in the order of first use, and the report.
    pub(super) fn finish(mut self) -> Result<(QuerySet, DatasetReport)> {
        let groups = self.names.iter().filter_map(|name| self.groups.remove(name));
        let groups = groups.filter(|group| !group.queries.is_empty()).collect();
        let images = self.images.into_values().into_iter();
        let queries = QuerySet {
            images: images.map(|row| QueryImage::in_row(self.archive, row)).collect(),
            texts: self.texts.into_values(),
            relevant: self.relevant.into_values(),
            groups,
        };
        if queries.is_empty() { Err(Error::NoQueries) } else { Ok((queries, self.report)) }
    }
}

/// Returns the key with the other of the two endings under which copies of xView2 are distributed.
fn other_ending(key: &str) -> Option<String> {
    let (stem, ending) = key.rsplit_once('.')?;
    match ending {
        "tif" => Some(format!("{stem}.png")),
        "png" => Some(format!("{stem}.tif")),
        _ => None,
    }
}

/// Rows by what they share, in the order of the shared values.
pub(super) type Rows<K> = BTreeMap<K, BTreeSet<usize>>;
