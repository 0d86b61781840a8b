use crate::{Error, QueryImage, QueryNames, Result};

/// Composed queries with their relevant archive rows, whatever benchmark they come from.
///
/// Images, texts and relevant sets stand once and are referred to by index: PatternCom's 21,000 queries share 9,400
/// images, 40 texts and some hundred relevant sets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QuerySet {
    /// Distinct query images.
    pub images: Vec<QueryImage>,
    /// Distinct query texts.
    pub texts: Vec<String>,
    /// Distinct sets of relevant archive rows, each ascending.
    pub relevant: Vec<Vec<usize>>,
    /// The queries, by what is reported: an attribute, an event.
    pub groups: Vec<QueryGroup>,
}

/// The queries that one figure is reported for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QueryGroup {
    /// Its name in tables.
    pub name: String,
    /// Its queries.
    pub queries: Vec<Query>,
    /// The archive rows it is asked on, ascending; all of them if `None`.
    pub gallery: Option<Vec<usize>>,
}

/// One query: indices into the [`QuerySet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// Into [`QuerySet::images`].
    pub image: usize,
    /// Into [`QuerySet::texts`].
    pub text: usize,
    /// Into [`QuerySet::relevant`].
    pub relevant: usize,
}

impl QuerySet {
    /// Returns the number of queries in all groups.
    pub fn len(&self) -> usize {
        self.groups.iter().map(|group| group.queries.len()).sum()
    }

    /// Returns `true` without queries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names in a query of `group`.
    pub(crate) fn names<'a>(&'a self, group: &'a QueryGroup, query: Query) -> Result<QueryNames<'a>> {
        let (images, texts) = (self.images.len(), self.texts.len());
        let bad = |what, index, len| Error::BadIndex { group: group.name.clone(), what, index, len };
        Ok(QueryNames {
            group: &group.name,
            image: self.images.get(query.image).ok_or_else(|| bad("image", query.image, images))?.key(),
            text: self.texts.get(query.text).ok_or_else(|| bad("text", query.text, texts))?,
        })
    }

    /// Checks that every query asks with an image, a text and a relevant set of this set, and every row is one of an
    /// archive of `rows` rows.
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

    /// The first group that asks with text `text`.
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
