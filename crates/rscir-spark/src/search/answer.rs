use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use rscir_core::{Archive, ColumnType, ComposedQuery, EncoderSpec, Moments, ScoreStatistics, top_k};
use rscir_index::{Filter, SearchOptions, Statistics, search_with};
use rscir_weicom::{MethodSpec, Resources};

use super::method_bound::{Form, ListFacts, largest_similarity, similarity_bound, similarity_error};
use super::{Ask, Bound, Candidate, Engine, Found, FoundRows, raw};
use crate::sql::check_types;
use crate::table::TableVersion;
use crate::{Error, Result};

/// What a search has to know about a table beside its rows.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TableFacts {
    /// Spec of the encoder of the vectors.
    pub spec: EncoderSpec,
    /// Upper bound of the lengths of all vectors.
    pub longest: f64,
    /// Count, mean and scatter of all vectors.
    pub moments: Moments,
    /// Names and types of the columns that the rows of an answer have.
    pub columns: BTreeMap<String, ColumnType>,
}

impl From<&TableVersion> for TableFacts {
    fn from(version: &TableVersion) -> Self {
        Self {
            spec: version.spec.clone(),
            longest: version.longest,
            moments: version.moments.clone(),
            columns: version.columns.clone(),
        }
    }
}

/// A test of a row, by its number in an archive of the rows that the engine returned: `true` if the row may be in
/// an answer.
pub type RowTest<'a> = dyn Fn(&dyn Archive, usize) -> bool + Sync + 'a;

/// What to search for in a table, beside the query.
///
/// ```
/// use rscir_index::Filter;
/// use rscir_spark::TableSearch;
///
/// let clear = Filter::lt("cloud", 0.2);
/// assert_eq!(TableSearch::top(10).matching(&clear).k, 10);
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct TableSearch<'a> {
    /// Largest number of rows in an answer.
    pub k: usize,
    /// Filter that every row of an answer matches, applied by the engine. Default: `None`, which admits all rows.
    pub matching: Option<&'a Filter>,
    /// Test that every row of an answer passes, such as that it is within a polygon. Default: `None`, which admits
    /// all rows. Only rows that the engine has returned are tested, so a filter that leaves few rows which fail the
    /// test, such as one for the polygon's bounds, saves time.
    pub keep: Option<&'a RowTest<'a>>,
    /// If `true`, the row with the query's [`image_key`](ComposedQuery::image_key) is left out. Default: `false`.
    pub exclude_query: bool,
}

impl<'a> TableSearch<'a> {
    /// Asks for the `k` best rows of the whole table.
    pub fn top(k: usize) -> Self {
        Self { k, matching: None, keep: None, exclude_query: false }
    }

    /// Sets the filter that every row of an answer matches. Default: none.
    #[must_use]
    pub fn matching(mut self, filter: &'a Filter) -> Self {
        self.matching = Some(filter);
        self
    }

    /// Sets the test that every row of an answer passes. Default: none.
    #[must_use]
    pub fn keep(mut self, test: &'a RowTest<'a>) -> Self {
        self.keep = Some(test);
        self
    }

    /// Sets whether the row with the query's image key is left out. Default: `false`.
    #[must_use]
    pub fn exclude_query(mut self, exclude: bool) -> Self {
        self.exclude_query = exclude;
        self
    }
}

impl fmt::Debug for TableSearch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableSearch")
            .field("k", &self.k)
            .field("matching", &self.matching)
            .field("keep", &self.keep.is_some())
            .field("exclude_query", &self.exclude_query)
            .finish()
    }
}

/// Rows that are read beyond the `k` of an answer in the first job. Most answers are proven with a few rows more
/// than `k`.
const SLACK: usize = 16;

/// Factor by which the number of rows grows from job to job while the answer is not proven.
const WIDER: usize = 4;

/// Answers queries to a table. Returns an answer for each query, in their order. Its rows, their order and their
/// scores are those of a [`Searcher`](rscir_index::Searcher) over an archive of the same rows, sorted by key.
///
/// An engine computes with other roundings than this library, so it only chooses candidates. For each row it
/// computes a [`Bound`], which is at least the row's score, and returns the rows with the highest bounds. The
/// library then scores these rows. If the score of the answer's last row is above the lowest bound of the
/// candidates, no other row can be in the answer. Otherwise the engine is asked for more rows, until that is so or
/// all rows are read. Each time, the engine is asked once for all queries that are not yet answered.
///
/// # Errors
/// - [`Error::MethodNotOffered`] if no bound of the method's scores is known.
/// - [`Error::Method`] if the method cannot be built.
/// - [`Error::Index`] if the filter names a column that the table does not have, or compares one with a value of
///   another type.
/// - [`Error::Core`] if a query lacks a part that the method reads, or is of another encoder than the table.
/// - The errors of [`Engine::best`].
pub fn answer(
    engine: &dyn Engine,
    table: &TableFacts,
    method: &MethodSpec,
    queries: &[ComposedQuery],
    search: &TableSearch<'_>,
) -> Result<Vec<Found>> {
    let built = method.build(&Resources::default())?;
    let form = Form::of(method, &*built)?;
    let fusion = built.kind().fusion().ok_or_else(|| Error::MethodNotOffered { label: built.label() })?;
    if let Some(filter) = search.matching {
        // A filter fails as in a search of an archive, and before the engine is asked.
        filter.select(&FoundRows::new(&table.spec, &table.columns, &table.moments, Vec::new())?)?;
        check_types(filter, &table.columns)?;
    }
    let mut asked = queries
        .iter()
        .map(|query| Asked::new(table, &form, query, &built.label()))
        .collect::<Result<Vec<_>>>()?;
    let before = if form.reads_extremes() { find_extremes(engine, table, &mut asked)? } else { 0 };
    let questions: Vec<Question<'_>> = asked
        .iter()
        .zip(queries)
        .map(|(asked, query)| Question {
            bound: form.bound(asked.facts),
            vectors: asked.vectors,
            errors: asked.facts.map(|facts| facts.map_or(0.0, |facts| facts.error)),
            filter: search.matching,
            k: search.k,
            extra: &asked.extremes,
            may: Box::new(move |rows: &FoundRows, row: usize| {
                let is_query = search.exclude_query && query.image_key() == Some(rows.key(row));
                !is_query && search.keep.is_none_or(|test| test(rows, row))
            }),
            score: Box::new(move |rows: &FoundRows| {
                raw::scores(fusion, rows, asked.vectors, asked.statistics())
            }),
        })
        .collect();
    let proven = prove(engine, table, &questions)?;
    let mut found = Vec::with_capacity(queries.len());
    for ((query, question), Proven { rows, own, times }) in queries.iter().zip(&questions).zip(proven) {
        let may = |row: usize| own.contains(rows.key(row)) && (question.may)(&rows, row);
        let options = SearchOptions::top(search.k).filter(&may).statistics(Statistics::Moments);
        let hits = search_with(&rows, &*built, query, &options)?;
        found.push(Found { hits, rows, asked: before + times });
    }
    Ok(found)
}

/// What the bounds of one query are made of.
struct Asked<'a> {
    /// Vectors of image and text; `None` for one that the method does not read.
    vectors: [Option<&'a [f32]>; 2],
    facts: [Option<ListFacts>; 2],
    /// Rows with the smallest and the largest similarities, if the method reads these.
    extremes: Vec<Candidate>,
}

impl<'a> Asked<'a> {
    fn new(table: &TableFacts, form: &Form, query: &'a ComposedQuery, label: &str) -> Result<Self> {
        table.spec.check(query.spec()).map_err(rscir_core::Error::from)?;
        let [reads_image, reads_text] = form.reads();
        let image = if reads_image { Some(&**query.require_image(label)?) } else { None };
        let text = if reads_text { Some(&**query.require_text(label)?) } else { None };
        let mut facts = [None, None];
        for (facts, vector) in facts.iter_mut().zip([image, text]) {
            if let Some(vector) = vector {
                let largest = largest_similarity(vector, table.longest);
                let error = similarity_error(table.spec.dim, largest);
                let statistics = table.moments.statistics(vector)?;
                *facts = Some(ListFacts { statistics, error, largest, extremes: None });
            }
        }
        Ok(Self { vectors: [image, text], facts, extremes: Vec::new() })
    }

    fn statistics(&self) -> [Option<ScoreStatistics>; 2] {
        self.facts.map(|facts| facts.map(|facts| facts.statistics))
    }
}

/// Finds the smallest and the largest similarity of each list over the whole table, bit for bit as the library
/// computes them. Returns how many times the engine was asked for it.
fn find_extremes(engine: &dyn Engine, table: &TableFacts, asked: &mut [Asked<'_>]) -> Result<usize> {
    let mut places = Vec::new();
    let mut questions = Vec::new();
    for (i, query) in asked.iter().enumerate() {
        for list in 0..2 {
            let (Some(vector), Some(facts)) = (query.vectors[list], query.facts[list]) else { continue };
            for falls in [true, false] {
                let mut vectors = [None, None];
                vectors[list] = Some(vector);
                places.push((i, list, falls));
                questions.push(Question {
                    bound: similarity_bound(list == 1, facts.error, facts.statistics.std_dev, falls),
                    vectors,
                    errors: [facts.error; 2],
                    filter: None,
                    k: 1,
                    extra: &[],
                    may: Box::new(|_, _| true),
                    score: Box::new(move |rows| similarities(rows, vector, falls)),
                });
            }
        }
    }
    let proven = prove(engine, table, &questions)?;
    let times = proven.iter().map(|proven| proven.times).max().unwrap_or_default();
    let mut ends = Vec::new();
    for ((place, question), proven) in places.into_iter().zip(&questions).zip(proven) {
        let scores = (question.score)(&proven.rows)?;
        let best = top_k(&scores, 1);
        let Some(best) = best.first() else { continue };
        let (_, _, falls) = place;
        let value = if falls { -best.score } else { best.score };
        let row = Candidate {
            key: proven.rows.key(best.row).into(),
            bound: f64::from(best.score),
            vector: proven.rows.vector(best.row).into_owned(),
            values: Vec::new(),
        };
        ends.push((place, value, row));
    }
    drop(questions);
    for ((i, list, falls), value, row) in ends {
        asked[i].extremes.push(row);
        if let Some(facts) = &mut asked[i].facts[list] {
            let extremes = facts.extremes.get_or_insert([value; 2]);
            extremes[usize::from(!falls)] = value;
        }
    }
    Ok(times)
}

/// Computes the similarities of rows, or their negatives if `falls`.
fn similarities(rows: &FoundRows, vector: &[f32], falls: bool) -> Result<Vec<f32>> {
    let mut scores = vec![0.0; rows.len()];
    rows.similarities(rscir_core::Queries::new(rows.dim(), vector)?, &mut scores)?;
    if falls {
        scores.iter_mut().for_each(|score| *score = -*score);
    }
    Ok(scores)
}

/// Tells whether a row may be in the answer.
type May<'a> = dyn Fn(&FoundRows, usize) -> bool + Sync + 'a;

/// Scores all rows that the engine returned.
type Score<'a> = dyn Fn(&FoundRows) -> Result<Vec<f32>> + Sync + 'a;

/// A question for the best rows by a score that has a bound.
struct Question<'a> {
    bound: Bound,
    vectors: [Option<&'a [f32]>; 2],
    /// Largest difference between a similarity that an engine computes and the exact one, for each list.
    errors: [f64; 2],
    filter: Option<&'a Filter>,
    k: usize,
    /// Rows that are scored too, so that a list's smallest and largest similarities are there. They are in the
    /// answer only if the engine also returns them.
    extra: &'a [Candidate],
    may: Box<May<'a>>,
    score: Box<Score<'a>>,
}

/// Rows that are proven to include the best ones of the whole table.
struct Proven {
    rows: FoundRows,
    /// Keys of the rows that the engine returned for the question; the others are its `extra` rows.
    own: HashSet<String>,
    /// Number of times that the engine was asked.
    times: usize,
}

/// Asks the engine for more and more rows, until the best ones of each question are proven.
fn prove(engine: &dyn Engine, table: &TableFacts, questions: &[Question<'_>]) -> Result<Vec<Proven>> {
    let most = usize::try_from(table.moments.count()).unwrap_or(usize::MAX).saturating_add(1);
    let mut proven: Vec<Option<Proven>> = questions.iter().map(|_| None).collect();
    let mut limits: Vec<usize> =
        questions.iter().map(|question| question.k.saturating_add(SLACK).min(most)).collect();
    let mut times = 0;
    loop {
        let open: Vec<usize> = (0..questions.len()).filter(|&i| proven[i].is_none()).collect();
        if open.is_empty() {
            return Ok(proven.into_iter().flatten().collect());
        }
        let asks: Vec<Ask<'_>> = open
            .iter()
            .map(|&i| {
                let Question { bound, vectors: [image, text], filter, .. } = &questions[i];
                Ask { bound, image: *image, text: *text, filter: *filter, limit: limits[i] }
            })
            .collect();
        times += 1;
        for (&i, candidates) in open.iter().zip(engine.best(&asks)?) {
            let question = &questions[i];
            check_candidates(question, &candidates, limits[i], table)?;
            let lowest = candidates.iter().map(|candidate| candidate.bound).fold(f64::INFINITY, f64::min);
            let all = candidates.len() < limits[i];
            let bounds: HashMap<String, f64> =
                candidates.iter().map(|candidate| (candidate.key.clone(), candidate.bound)).collect();
            let mut here = candidates;
            here.extend(question.extra.iter().filter(|row| !bounds.contains_key(&row.key)).cloned());
            let rows = FoundRows::new(&table.spec, &table.columns, &table.moments, here)?;
            let scores = (question.score)(&rows)?;
            if all || is_decided(question, &rows, &scores, &bounds, lowest) {
                proven[i] = Some(Proven { rows, own: bounds.into_keys().collect(), times });
            } else {
                limits[i] = limits[i].saturating_mul(WIDER).min(most);
            }
        }
    }
}

/// Checks that the engine has computed what it was asked for: each bound is what the question's bound can be of this row,
/// and an answer with fewer rows than its limit has the whole table. An engine that mixes up questions, values or rows shows
/// by such a row.
///
/// # Errors
/// [`Error::Bound`] with the first row whose bound is another; [`Error::Rows`] if rows are left out.
fn check_candidates(
    question: &Question<'_>,
    candidates: &[Candidate],
    limit: usize,
    table: &TableFacts,
) -> Result<()> {
    for Candidate { key, bound, vector, .. } in candidates {
        let [image, text] = [0, 1].map(|list| {
            let similarity = question.vectors[list].map_or(0.0, |query| product(query, vector));
            [similarity - question.errors[list], similarity + question.errors[list]]
        });
        let [least, greatest] = question.bound.range(image, text);
        if !(least..=greatest).contains(bound) {
            return Err(Error::Bound { key: key.clone(), bound: *bound, least, greatest });
        }
    }
    let (rows, got) = (table.moments.count(), candidates.len() as u64);
    if got > rows || question.filter.is_none() && candidates.len() < limit && got < rows {
        return Err(Error::Rows { rows, got });
    }
    Ok(())
}

/// Computes an inner product in `f64`, in which the products of `f32` are exact.
fn product(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// Tells whether the score of the answer's last row is above `lowest`. No row that the engine left out has a bound above
/// `lowest`, so that none of them can then be in the answer. The rows of the answer are among those with bounds.
fn is_decided(
    question: &Question<'_>,
    rows: &FoundRows,
    scores: &[f32],
    bounds: &HashMap<String, f64>,
    lowest: f64,
) -> bool {
    let mut best: Vec<f32> = (0..rows.len())
        .filter(|&row| bounds.contains_key(rows.key(row)) && (question.may)(rows, row))
        .map(|row| scores[row])
        .collect();
    best.sort_by(|a, b| b.total_cmp(a));
    match question.k.checked_sub(1) {
        None => true,
        Some(last) => best.get(last).is_some_and(|&last| f64::from(last) > lowest),
    }
}
