use crate::protocol::{base_name, class_of};
use crate::{Convention, Error, Evaluation, GroupOutcome, QuerySet, Result};

/// One value for each query, by group, from which statistics are computed. Average precisions are in percent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample {
    /// Names of the groups.
    pub groups: Vec<String>,
    /// For each group, the values of its queries.
    pub values: Vec<Vec<f64>>,
}

impl Sample {
    /// Takes the average precisions, in percent, of method `method` of an evaluation.
    ///
    /// # Errors
    /// [`Error::BadIndex`] if there is no such method.
    pub fn of(evaluation: &Evaluation, method: usize, convention: Convention) -> Result<Self> {
        let len = evaluation.methods.len();
        let values = evaluation.groups.iter().map(|group| {
            let outcomes = group.queries.iter().map(|outcomes| {
                let outcome = outcomes.get(method).ok_or_else(|| Error::BadIndex {
                    group: group.name.clone(),
                    what: "method",
                    index: method,
                    len,
                })?;
                Ok(100.0 * convention.average_precision(outcome))
            });
            outcomes.collect::<Result<Vec<f64>>>()
        });
        let values = values.collect::<Result<_>>()?;
        Ok(Self { groups: evaluation.groups.iter().map(|group| group.name.clone()).collect(), values })
    }

    /// Computes the differences of two samples, query by query.
    ///
    /// # Errors
    /// [`rscir_core::Error::Length`] if the samples differ in shape.
    pub(super) fn less(&self, other: &Self) -> Result<Self> {
        use rscir_core::Error as CoreError;
        CoreError::check_length("groups of the second sample", self.values.len(), other.values.len())?;
        let mut paired = Self { groups: self.groups.clone(), values: Vec::new() };
        for (first, second) in self.values.iter().zip(&other.values) {
            CoreError::check_length("queries of a group of the second sample", first.len(), second.len())?;
            paired.values.push(first.iter().zip(second).map(|(a, b)| a - b).collect());
        }
        Ok(paired)
    }

    /// Computes the mean of the groups' means, as the protocol does. Groups without values do not count. 0 if
    /// there are no values.
    pub fn mean(&self) -> f64 {
        let asked = self.values.iter().filter(|values| !values.is_empty());
        let (sum, groups) = asked.fold((0.0, 0), |(sum, groups), values| (sum + mean(values), groups + 1));
        sum / f64::from(groups.max(1))
    }
}

/// Computes the mean, or 0 without values.
pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The names in a query, by which an evaluation can be regrouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryNames<'a> {
    /// Name of the group: an attribute.
    pub group: &'a str,
    /// Key of the image.
    pub image: &'a str,
    /// Text of the query: a value.
    pub text: &'a str,
}

/// Returns the class of a PatternNet tile: the file name of its key up to the first digit.
pub fn tile_class(key: &str) -> &str {
    class_of(base_name(key))
}

impl Evaluation {
    /// Puts the same outcomes into other groups, in the order of first use. A [`Table`](crate::Table) of the
    /// result has a column for each value or class, and the macro average over them.
    ///
    /// Groups by value: `|q| format!("{}: {}", q.group, q.text)`. Groups by class: `|q|
    /// tile_class(q.image).into()`.
    ///
    /// # Errors
    /// [`Error::BadIndex`] if `queries` are not those that were evaluated.
    pub fn regrouped(
        &self,
        queries: &QuerySet,
        mut name: impl FnMut(QueryNames<'_>) -> String,
    ) -> Result<Self> {
        let mut groups: Vec<GroupOutcome> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for (group, outcomes) in self.with_queries(queries)? {
            for (query, outcomes) in group.queries.iter().zip(&outcomes.queries) {
                let name = name(queries.names(group, *query)?);
                let place = *places.entry(name).or_insert_with_key(|name| {
                    groups.push(GroupOutcome { name: name.clone(), queries: Vec::new() });
                    groups.len() - 1
                });
                groups[place].queries.push(outcomes.clone());
            }
        }
        Ok(Self { methods: self.methods.clone(), groups })
    }

    /// Pairs each group of `queries` with its outcomes.
    pub(crate) fn with_queries<'a>(
        &'a self,
        queries: &'a QuerySet,
    ) -> Result<impl Iterator<Item = (&'a crate::QueryGroup, &'a GroupOutcome)>> {
        let differ =
            |group: &str, what, index, len| Error::BadIndex { group: group.into(), what, index, len };
        if self.groups.len() != queries.groups.len() {
            return Err(differ("the outcomes", "group", queries.groups.len(), self.groups.len()));
        }
        let pairs = queries.groups.iter().zip(&self.groups);
        for (group, outcomes) in pairs.clone() {
            if group.queries.len() != outcomes.queries.len() {
                return Err(differ(&group.name, "query", group.queries.len(), outcomes.queries.len()));
            }
        }
        Ok(pairs)
    }
}
