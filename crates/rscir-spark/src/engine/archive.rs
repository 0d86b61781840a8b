use std::collections::{BTreeMap, HashMap};

use rscir_core::ComposedQuery;
use rscir_weicom::MethodSpec;

use super::rows::{Answered, Reached, answered, counted, reached};
use super::schema::TableColumns;
use super::session::Session;
use super::whole::Whole;
use crate::search::{Ask, Candidate, Engine, Found, FoundRows, TableFacts, TableSearch, answer};
use crate::sql::{Batch, Sql, TableName, rows_under, statement};
use crate::table::{PartEntry, TableVersion};
use crate::{Error, Location, PartProblem, Result};

/// Least number of questions that are answered together: one or two are answered in as many passes one by one.
const TOGETHER: usize = 3;

/// Most rows that are read together, as a multiple of those that are asked for.
const CROWD: usize = 16;

/// A table that an engine reads.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Table {
    /// The version of a published table that is the newest when it is connected to: this program and the engine both see it under
    /// this path or URL.
    Published(Location),
    /// Any table with a column `key` of text and a column `embedding` of `ARRAY<FLOAT>`: what a search needs to know of all
    /// vectors is read from them once, when it is connected to.
    Plain(TableName),
    /// A table of which that is known already, by [`SparkArchive::facts`] of an earlier connection. It is the caller's to know that
    /// its rows are still the same.
    Known(TableName, Box<TableFacts>),
}

impl Table {
    /// Names a table that [`export_parquet`](crate::export_parquet) published.
    pub fn published(table: impl Into<Location>) -> Self {
        Self::Published(table.into())
    }
}

/// A table on an engine that speaks Spark Connect, such as Sail or Apache Spark from 4.2 on, asked like an archive: answers are those of
/// the library, rows and order.
///
/// ```no_run
/// use rscir_core::{ComposedQuery, EncoderSpec, UnitVector};
/// use rscir_spark::{SparkArchive, Table, TableSearch};
///
/// let table = SparkArchive::connect("sc://127.0.0.1:50051", Table::published("/shared/tiles"))?;
/// let query = ComposedQuery::new(table.facts().spec.clone())
///     .with_image(UnitVector::normalize(vec![0.6; 768])?)?
///     .with_text(UnitVector::normalize(vec![0.8; 768])?)?;
/// let found = table.search(&"weicom:0.6".parse()?, &[query], &TableSearch::top(20))?;
/// for hit in &found[0].hits {
///     println!("{:.4} {}", hit.score, hit.key);
/// }
/// # Ok::<(), rscir_spark::Error>(())
/// ```
#[derive(Debug)]
pub struct SparkArchive {
    session: Session,
    table: TableName,
    facts: TableFacts,
    /// What was published, by the parts' marks; empty of a table that nobody described.
    parts: HashMap<String, PartEntry>,
}

impl SparkArchive {
    /// Connects to an engine at an address such as `sc://host:port`, and looks at the table there.
    ///
    /// # Errors
    /// [`Error::Unreachable`]; [`Error::NotPublished`], [`Error::Description`]; [`Error::NoColumn`] and [`Error::ColumnType`] if
    /// the table is not as it should be; [`Error::Engine`] with the engine's own words.
    pub fn connect(address: &str, table: Table) -> Result<Self> {
        let session = Session::open(address)?;
        let (name, version) = match &table {
            Table::Published(table) => {
                let version = TableVersion::open(absolute(table)?)?;
                (TableName::Parquet(version.folder.to_string()), Some(version))
            }
            Table::Plain(name) | Table::Known(name, _) => (name.clone(), None),
        };
        let said = name.to_string();
        let mut all = Sql::default();
        all.push("SELECT * FROM ").push(&name.sql()).push(" LIMIT 0");
        let columns = TableColumns::new(&said, session.schema(&said, &all)?)?;
        let mut parts = HashMap::new();
        let facts = match (table, version) {
            (_, Some(version)) => {
                columns.check_published(&version.columns)?;
                let facts = TableFacts::from(&version);
                parts.extend(version.parts.into_iter().map(|part| (part.mark.clone(), part)));
                facts
            }
            (Table::Known(_, facts), None) => {
                columns.check_own()?;
                columns.check_columns(&facts.columns)?;
                *facts
            }
            (_, None) => {
                columns.check_own()?;
                let Whole { spec, longest, moments } = Whole::read(&session, &name)?;
                TableFacts { spec, longest, moments, columns: columns.known() }
            }
        };
        Ok(Self { session, table: name, facts, parts })
    }

    /// Returns what is known of the table beside its rows.
    pub fn facts(&self) -> &TableFacts {
        &self.facts
    }

    /// Returns the number of rows.
    pub fn len(&self) -> u64 {
        self.facts.moments.count()
    }

    /// Tells whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the rows under these keys as an archive, to ask with or to look at; a key without a row is passed over.
    ///
    /// # Errors
    /// Those of the engine, and [`Error::Part`] as [`SparkArchive::search`].
    pub fn rows(&self, keys: &[&str]) -> Result<FoundRows> {
        let sql = rows_under(&self.table, &self.facts.columns, keys, self.is_published());
        let mut rows = self.answers(&sql, 1)?;
        FoundRows::new(
            &self.facts.spec,
            &self.facts.columns,
            &self.facts.moments,
            rows.pop().unwrap_or_default(),
        )
    }

    /// Answers queries: [`answer`] says how. Three or more queries are read together, in two passes over the table whatever their
    /// number; one or two in a pass each.
    ///
    /// # Errors
    /// The errors of [`answer`]; [`Error::Part`] if a part of a published table is missing or another's.
    pub fn search(
        &self,
        method: &MethodSpec,
        queries: &[ComposedQuery],
        search: &TableSearch<'_>,
    ) -> Result<Vec<Found>> {
        answer(self, &self.facts, method, queries, search)
    }

    /// Tells whether it is known which parts there are.
    fn is_published(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Runs a statement for so many questions, and gives the rows for each.
    fn answers(&self, sql: &Sql, questions: usize) -> Result<Vec<Vec<Candidate>>> {
        let said = self.table.to_string();
        let mut answers: Vec<Vec<Candidate>> = (0..questions).map(|_| Vec::new()).collect();
        let mut counts = HashMap::new();
        for batch in self.session.rows(&said, sql)? {
            for row in answered(&said, &batch, self.facts.spec.dim, &self.facts.columns)? {
                match row {
                    Answered::Candidate(question, candidate) => {
                        let odd = || Error::Answer {
                            table: said.clone(),
                            what: "an answer to a question that was not asked".into(),
                        };
                        answers.get_mut(question).ok_or_else(odd)?.push(candidate);
                    }
                    Answered::Count(mark, rows) => {
                        counts.insert(mark, rows);
                    }
                }
            }
        }
        self.check_parts(&counts)?;
        Ok(answers)
    }

    /// Reads the best rows of each question by a statement that has a pass over the table for each.
    fn best_one_by_one(&self, asks: &[Ask<'_>]) -> Result<Vec<Vec<Candidate>>> {
        self.answers(&statement(&self.table, &self.facts.columns, asks, self.is_published()), asks.len())
    }

    /// Reads the best rows of each question, all of which have one filter, in two passes over the table whatever their number: the
    /// first counts rows by the steps in which their bounds are, and the second reads those from the step on that has enough.
    fn best_together(&self, asks: &[Ask<'_>]) -> Result<Vec<Vec<Candidate>>> {
        let batch = |asks| Batch {
            table: &self.table,
            columns: &self.facts.columns,
            asks,
            counts_parts: self.is_published(),
        };
        let steps = self.steps(&batch(asks))?;
        let reaches: Vec<Option<Reach>> =
            steps.iter().zip(asks).map(|(steps, ask)| Reach::of(steps, ask.limit)).collect();
        let together: Vec<usize> = (0..asks.len()).filter(|&i| reaches[i].is_some()).collect();
        let mut answers: Vec<Option<Vec<Candidate>>> = asks.iter().map(|_| None).collect();
        if !together.is_empty() {
            let open: Vec<Ask<'_>> = together.iter().map(|&i| asks[i]).collect();
            let from: Vec<Reach> = reaches.into_iter().flatten().collect();
            let rows = self.rows_from(&batch(&open), &from)?;
            for (((&i, ask), reach), mut rows) in together.iter().zip(&open).zip(&from).zip(rows) {
                rows.sort_by(|a, b| b.bound.total_cmp(&a.bound).then_with(|| a.key.cmp(&b.key)));
                // An engine whose machines round in different ways may have counted other rows. Those that came have higher bounds
                // than all others, but they may be too few.
                if rows.len() >= reach.rows.min(ask.limit) {
                    rows.truncate(ask.limit);
                    answers[i] = Some(rows);
                }
            }
        }
        // A pass for each question, and a few questions to a job: an engine has task slots for so many.
        let left: Vec<usize> = (0..asks.len()).filter(|&i| answers[i].is_none()).collect();
        for few in left.chunks(TOGETHER - 1) {
            let open: Vec<Ask<'_>> = few.iter().map(|&i| asks[i]).collect();
            for (&i, rows) in few.iter().zip(self.best_one_by_one(&open)?) {
                answers[i] = Some(rows);
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// Counts the rows of each question by step.
    fn steps(&self, batch: &Batch<'_>) -> Result<Vec<BTreeMap<i64, usize>>> {
        let said = self.table.to_string();
        let questions = batch.asks.len();
        let mut steps: Vec<BTreeMap<i64, usize>> = (0..questions).map(|_| BTreeMap::new()).collect();
        let mut parts = HashMap::new();
        for batch in self.session.rows(&said, &batch.counts())? {
            for (part, step, rows) in counted(&said, &batch)? {
                match part {
                    Some(mark) => {
                        parts.insert(mark, rows);
                    }
                    None => {
                        let question = step.rem_euclid(questions as i64) as usize;
                        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
                        *steps[question].entry(step.div_euclid(questions as i64)).or_default() += rows;
                    }
                }
            }
        }
        self.check_parts(&parts)?;
        Ok(steps)
    }

    /// Reads the rows of each question from its step on.
    fn rows_from(&self, batch: &Batch<'_>, from: &[Reach]) -> Result<Vec<Vec<Candidate>>> {
        let said = self.table.to_string();
        let questions = batch.asks.len();
        let mut answers: Vec<Vec<Candidate>> = (0..questions).map(|_| Vec::new()).collect();
        let mut parts = HashMap::new();
        let from: Vec<i64> = from.iter().map(|reach| reach.step).collect();
        for batch in self.session.rows(&said, &batch.rows(&from))? {
            for row in reached(&said, &batch, questions, self.facts.spec.dim, &self.facts.columns)? {
                match row {
                    Reached::Row(bounds, candidate) => {
                        for (answer, bound) in answers.iter_mut().zip(bounds) {
                            if let Some(bound) = bound {
                                answer.push(Candidate { bound, ..candidate.clone() });
                            }
                        }
                    }
                    Reached::Count(mark, rows) => {
                        parts.insert(mark, rows);
                    }
                }
            }
        }
        self.check_parts(&parts)?;
        Ok(answers)
    }

    /// Holds the rows that the engine saw of each part against those that were published.
    fn check_parts(&self, counts: &HashMap<String, u64>) -> Result<()> {
        if !self.is_published() {
            return Ok(());
        }
        let table = self.table.to_string();
        let mut marks: Vec<&String> = counts.keys().chain(self.parts.keys()).collect();
        marks.sort_unstable();
        for mark in marks {
            let problem = match (self.parts.get(mark), counts.get(mark)) {
                (Some(part), Some(&got)) if part.rows == got => continue,
                (Some(part), Some(&got)) => PartProblem::Rows { expected: part.rows, got },
                (Some(_), None) => PartProblem::Missing,
                (None, _) => PartProblem::Foreign,
            };
            return Err(Error::Part { table, part: mark.clone(), problem });
        }
        Ok(())
    }
}

/// From which step on a question reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reach {
    step: i64,
    /// Number of rows that were counted from there on.
    rows: usize,
}

impl Reach {
    /// Returns the highest step from which on there are `limit` rows, or the lowest if there are fewer. Returns `None` if that
    /// would read many more, because a great many rows are in the last step.
    fn of(steps: &BTreeMap<i64, usize>, limit: usize) -> Option<Self> {
        let mut reach = Self { step: 0, rows: 0 };
        for (&step, &rows) in steps.iter().rev() {
            reach = Self { step, rows: reach.rows.saturating_add(rows) };
            if reach.rows >= limit {
                break;
            }
        }
        (reach.rows <= limit.saturating_mul(CROWD)).then_some(reach)
    }
}

/// Returns the place under a name that does not depend on where this program runs.
fn absolute(table: &Location) -> Result<Location> {
    let Some(folder) = table.folder() else { return Ok(table.clone()) };
    let whole = folder.canonicalize().map_err(|_| Error::NotPublished { table: table.clone() })?;
    Ok(whole.into())
}

impl Engine for SparkArchive {
    fn best(&self, asks: &[Ask<'_>]) -> Result<Vec<Vec<Candidate>>> {
        let together = asks.len() >= TOGETHER && asks.iter().all(|ask| ask.filter == asks[0].filter);
        if together { self.best_together(asks) } else { self.best_one_by_one(asks) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_reads_from_the_highest_step_that_has_enough_rows() {
        let steps = BTreeMap::from([(-2, 500), (3, 4), (9, 2), (10, 1)]);
        let of = |limit| Reach::of(&steps, limit).map(|reach| (reach.step, reach.rows));
        assert_eq!(of(1), Some((10, 1)));
        assert_eq!(of(2), Some((9, 3)));
        assert_eq!(of(7), Some((3, 7)));
        assert_eq!(of(8), None, "507 rows for 8 are too many");
        assert_eq!(of(200), Some((-2, 507)));
        assert_eq!(of(1000), Some((-2, 507)), "all rows");
        assert_eq!(Reach::of(&BTreeMap::new(), 5).map(|reach| reach.rows), Some(0));
    }
}
