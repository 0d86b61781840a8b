use crate::{Error, QueryImage, QueryNames, Result};

/// Composed queries with their relevant archive rows, of any benchmark.
///
/// Images, texts and relevant sets are stored once and referred to by index: the 21,000 queries of PatternCom
/// share 9,400 images, 40 texts and some hundred relevant sets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QuerySet {
    /// Distinct query images.
    pub images: Vec<QueryImage>,
    /// Distinct query texts.
    pub texts: Vec<String>,
    /// Distinct sets of relevant archive rows, each ascending.
    pub relevant: Vec<Vec<usize>>,
    /// The queries in groups, for each of which a figure is reported, such as an attribute or an event.
    pub groups: Vec<QueryGroup>,
}

/// The queries for which one figure is reported.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QueryGroup {
    /// Name of the group in tables.
    pub name: String,
    /// Queries of the group.
    pub queries: Vec<Query>,
    /// Archive rows that the group is evaluated on, ascending. `None`: all rows.
    pub gallery: Option<Vec<usize>>,
}

/// One query, as indices into the [`QuerySet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// Index into [`QuerySet::images`].
    pub image: usize,
    /// Index into [`QuerySet::texts`].
    pub text: usize,
    /// Index into [`QuerySet::relevant`].
    pub relevant: usize,
}

impl QuerySet {
    /// Returns the number of queries in all groups.
    pub fn len(&self) -> usize {
        self.groups.iter().map(|group| group.queries.len()).sum()
    }

    /// Tells whether there are no queries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the names of a query of `group`.
    pub(crate) fn names<'a>(&'a self, group: &'a QueryGroup, query: Query) -> Result<QueryNames<'a>> {
        let (images, texts) = (self.images.len(), self.texts.len());
        let bad = |what, index, len| Error::BadIndex { group: group.name.clone(), what, index, len };
        Ok(QueryNames {
            group: &group.name,
            image: self.images.get(query.image).ok_or_else(|| bad("image", query.image, images))?.key(),
            text: self.texts.get(query.text).ok_or_else(|| bad("text", query.text, texts))?,
        })
    }

    /// Checks that every query refers to an image, a text and a relevant set of this set, and that every row
    /// is below `rows`, the number of the archive's rows.
    pub(crate) fn check(&self, rows: usize) -> Result<()> {
        let check = |group: &str, what, index, len| {
            if index < len { Ok(()) } else { Err(Error::BadIndex { group: group.into(), what, index, len }) }
        };
        for group in &self.groups {
            let galleries = group.gallery.iter().flatten();
            galleries.copied().try_for_each(|row| check(&group.name, "row of the gallery", row, rows))?;
            for query in &group.queries {
                check(&group.name, "image", query.image, self.images.len())?;
                check(&group.name, "text", query.text, self.texts.len())?;
                check(&group.name, "relevant set", query.relevant, self.relevant.len())?;
            }
        }
        let relevant = self.relevant.iter().flatten();
        relevant.copied().try_for_each(|row| check("the relevant sets", "row", row, rows))
    }

    /// Returns the name of the first group with a query of text `text`.
    pub(crate) fn first_group_with_text(&self, text: usize) -> Option<&str> {
        let asks = |group: &&QueryGroup| group.queries.iter().any(|query| query.text == text);
        self.groups.iter().find(asks).map(|group| group.name.as_str())
    }
}

/// Gives each distinct value an index, in the order of first use.
#[derive(Debug)]
pub(crate) struct Interner<T> {
    values: Vec<T>,
    indices: std::collections::HashMap<T, usize>,
}

impl<T: Clone + Eq + std::hash::Hash> Interner<T> {
    pub(crate) fn new() -> Self {
        Self { values: Vec::new(), indices: std::collections::HashMap::new() }
    }

    pub(crate) fn index(&mut self, value: T) -> usize {
        *self.indices.entry(value.clone()).or_insert_with(|| {
            self.values.push(value);
            self.values.len() - 1
        })
    }

    pub(crate) fn into_values(self) -> Vec<T> {
        self.values
    }
}
