//! Checks that an engine that rounds in another way gives the library's answers: rows, order and scores.

mod common;

use std::cell::RefCell;

use common::{DIM, ROWS, archive, query};
use rscir_core::{Archive, ErrorKind};
use rscir_index::{Filter, SearchOptions, Statistics, search_with};
use rscir_spark::{Ask, Candidate, Engine, Error, OwnedValue, TableFacts, TableSearch, TableVersion, answer};
use rscir_weicom::{MethodSpec, Resources};

const METHODS: [&str; 15] = [
    "image",
    "text",
    "sum",
    "product",
    "product:raw",
    "weicom:0.6",
    "weicom:0",
    "weicom:0.3,norm=zscore",
    "weicom:0.3,norm=minmax",
    "weicom:0.3,norm=none",
    "weicom:0.3,norm=reference",
    "min",
    "min:norm=minmax",
    "dbsf",
    "stouffer",
];

/// An engine whose similarities have errors as large as those of `f32` sums in another order.
struct Sloppy<'a> {
    archive: &'a dyn Archive,
    /// Largest error of a similarity.
    error: f64,
    asked: RefCell<Vec<usize>>,
}

impl<'a> Sloppy<'a> {
    fn new(archive: &'a dyn Archive, error: f64) -> Self {
        Self { archive, error, asked: RefCell::default() }
    }

    fn similarity(&self, row: usize, vector: Option<&[f32]>, salt: u64) -> f64 {
        let Some(vector) = vector else { return 0.0 };
        let exact: f64 =
            self.archive.vector(row).iter().zip(vector).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        // SplitMix64's finalizer (Steele, Lea, Flood 2014) makes the same errors in every run.
        let mut z = (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        exact + self.error * ((z >> 11) as f64 / (1u64 << 52) as f64 - 1.0)
    }
}

impl Engine for Sloppy<'_> {
    fn best(&self, asks: &[Ask<'_>]) -> rscir_spark::Result<Vec<Vec<Candidate>>> {
        let answer = |ask: &Ask<'_>| {
            self.asked.borrow_mut().push(ask.limit);
            let selected = ask.filter.map(|filter| filter.select(self.archive).unwrap());
            let mut rows: Vec<(f64, usize)> = (0..self.archive.len())
                .filter(|&row| selected.as_ref().is_none_or(|selected| selected.contains(row)))
                .map(|row| {
                    let image = self.similarity(row, ask.image, 1);
                    (ask.bound.of(image, self.similarity(row, ask.text, 2)), row)
                })
                .collect();
            rows.sort_by(|a, b| b.0.total_cmp(&a.0));
            rows.truncate(ask.limit);
            let candidate = |(bound, row): (f64, usize)| Candidate {
                key: self.archive.key(row).into(),
                bound,
                vector: self.archive.vector(row).into_owned(),
                values: self
                    .archive
                    .columns()
                    .iter()
                    .map(|(name, _)| self.archive.value(name, row).map(owned))
                    .collect(),
            };
            rows.into_iter().map(candidate).collect()
        };
        Ok(asks.iter().map(answer).collect())
    }
}

fn owned(value: rscir_core::Value<'_>) -> OwnedValue {
    match value {
        rscir_core::Value::Text(v) => OwnedValue::Text(v.into()),
        rscir_core::Value::Float(v) => OwnedValue::Float(v),
        other => panic!("no column of the test holds {other:?}"),
    }
}

/// Returns the largest difference between two sums of `DIM` products in `f32` (Higham 2002, section 3.1).
fn rounding() -> f64 {
    2.0 * DIM as f64 * f64::from(f32::EPSILON) / 2.0
}

fn facts(archive: &dyn Archive) -> TableFacts {
    let folder = tempfile::tempdir().unwrap();
    rscir_spark::export_parquet(archive, folder.path(), &rscir_spark::ExportOptions::default()).unwrap();
    TableFacts::from(&TableVersion::open(folder.path()).unwrap())
}

#[test]
fn a_sloppy_engines_answers_are_the_librarys_rows_order_and_scores() {
    let archive = archive();
    let facts = facts(&archive);
    let filters = [None, Some(Filter::eq("label", "sea")), Some(!Filter::lt("cloud", 0.4))];
    let queries: Vec<_> = (0..6).map(query).collect();
    let mut swapped = 0;
    for name in METHODS {
        let spec: MethodSpec = name.parse().unwrap();
        let method = spec.build(&Resources::default()).unwrap();
        for filter in &filters {
            let engine = Sloppy::new(&archive, rounding());
            let mut search = TableSearch::top(20).exclude_query(true);
            search.matching = filter.as_ref();
            let found = answer(&engine, &facts, &spec, &queries, &search).unwrap();
            for (query, found) in queries.iter().zip(&found) {
                let mut options = SearchOptions::top(20).exclude_query(true).statistics(Statistics::Moments);
                options.matching = filter.as_ref();
                let expected = search_with(&archive, &*method, query, &options).unwrap();
                let keys: Vec<_> = expected.iter().map(|hit| &hit.key).collect();
                assert_eq!(
                    found.hits.iter().map(|hit| &hit.key).collect::<Vec<_>>(),
                    keys,
                    "{name} {filter:?}"
                );
                for (hit, expected) in found.hits.iter().zip(&expected) {
                    assert_eq!(hit.score.to_bits(), expected.score.to_bits(), "{name}: {}", hit.key);
                    assert_eq!(hit.image, expected.image);
                    use rscir_core::Archive;
                    assert_eq!(found.rows.value("label", hit.row), archive.value("label", expected.row));
                }
                swapped += usize::from(is_swapped(&engine, &found.hits, query));
            }
        }
    }
    // If the answers had the engine's own order, this test would fail.
    assert!(swapped > 20, "the engine's order differs for {swapped} answers alone: the test sees no swap");
}

/// Tells whether the engine's order of an answer's rows, by the sum of its similarities, differs from that by exact
/// ones.
fn is_swapped(engine: &Sloppy<'_>, hits: &[rscir_index::Hit], query: &rscir_core::ComposedQuery) -> bool {
    let order = |engine: &Sloppy<'_>| {
        let score = |hit: &rscir_index::Hit| {
            let row = engine.archive.find(&hit.key).unwrap();
            let image = engine.similarity(row, query.image().map(|vector| &**vector), 1);
            image + engine.similarity(row, query.text().map(|vector| &**vector), 2)
        };
        let mut rows: Vec<_> = hits.iter().map(|hit| (score(hit), hit.key.clone())).collect();
        rows.sort_by(|a, b| b.0.total_cmp(&a.0));
        rows.into_iter().map(|(_, key)| key).collect::<Vec<_>>()
    };
    order(engine) != order(&Sloppy::new(engine.archive, 0.0))
}

#[test]
fn equal_rows_that_an_engine_tells_apart_are_all_read_and_go_by_key() {
    // Seventeen rows are read at first, and any of the forty may be missing.
    let archive = common::with_copies(40);
    let facts = facts(&archive);
    let engine = Sloppy::new(&archive, rounding());
    let query = query(3);
    let found = answer(&engine, &facts, &"image".parse().unwrap(), &[query], &TableSearch::top(1)).unwrap();
    let keys: Vec<_> = found[0].hits.iter().map(|hit| hit.key.as_str()).collect();
    assert_eq!(keys, ["a copy 000"], "ties go by key");
    assert!(found[0].asked > 1 && engine.asked.borrow().last() > engine.asked.borrow().first());
}

#[test]
fn a_test_beside_the_filter_is_passed_by_every_row_of_the_answer() {
    let archive = archive();
    let facts = facts(&archive);
    let keep = |rows: &dyn Archive, row: usize| rows.key(row).ends_with('7');
    let engine = Sloppy::new(&archive, rounding());
    let spec: MethodSpec = "weicom:0.5".parse().unwrap();
    let found = answer(&engine, &facts, &spec, &[query(1)], &TableSearch::top(10).keep(&keep)).unwrap();
    let method = spec.build(&Resources::default()).unwrap();
    let may = |row: usize| archive.key(row).ends_with('7');
    let options = SearchOptions::top(10).filter(&may).statistics(Statistics::Moments);
    let expected = search_with(&archive, &*method, &query(1), &options).unwrap();
    let keys = |hits: &[rscir_index::Hit]| hits.iter().map(|hit| hit.key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&found[0].hits), keys(&expected));
    assert!(found[0].hits.len() == 10 && ROWS > 100);
}

#[test]
fn methods_that_read_more_than_a_rows_similarities_are_refused_by_name() {
    let archive = archive();
    let facts = facts(&archive);
    let engine = Sloppy::new(&archive, 0.0);
    for name in ["rrf", "weicom:auto", "posterior", "slerp", "zscore"] {
        let spec = name.parse().unwrap();
        let error = answer(&engine, &facts, &spec, &[query(1)], &TableSearch::top(3)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error}");
    }
    // An archive compares a year with text that is a time; a statement would compare a number with text.
    let year = Filter::ge("label", 2021);
    let search = TableSearch::top(3).matching(&year);
    let error = answer(&engine, &facts, &"sum".parse().unwrap(), &[query(1)], &search).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    let filter = Filter::eq("no such column", 1);
    let search = TableSearch::top(3).matching(&filter);
    let error = answer(&engine, &facts, &"sum".parse().unwrap(), &[query(1)], &search).unwrap_err();
    assert!(error.to_string().contains("no such column") && engine.asked.borrow().is_empty());
}

/// An engine with a fault: what it does to the answers of a sound one.
struct Faulty<'a, F>(Sloppy<'a>, F);

impl<F: Fn(&mut Vec<Vec<Candidate>>)> Engine for Faulty<'_, F> {
    fn best(&self, asks: &[Ask<'_>]) -> rscir_spark::Result<Vec<Vec<Candidate>>> {
        let mut answers = self.0.best(asks)?;
        (self.1)(&mut answers);
        Ok(answers)
    }
}

/// Asks an engine with a fault two questions by each method, and returns the errors.
fn errors(fault: impl Fn(&mut Vec<Vec<Candidate>>) + Copy) -> Vec<(&'static str, Error)> {
    let archive = archive();
    let facts = facts(&archive);
    let queries = [query(0), query(1)];
    let ask = |name: &'static str| {
        let engine = Faulty(Sloppy::new(&archive, rounding()), fault);
        let found = answer(&engine, &facts, &name.parse().unwrap(), &queries, &TableSearch::top(5));
        (name, found.map(drop).expect_err(name))
    };
    METHODS.map(ask).into()
}

#[test]
fn a_bound_that_is_not_the_rows_is_an_error_with_the_key() {
    // One part in ten thousand is more than the roundings of these vectors.
    for factor in [1.0 - 1e-4, 1.0 + 1e-4] {
        let moved = |answers: &mut Vec<Vec<Candidate>>| {
            answers.iter_mut().flatten().for_each(|candidate| candidate.bound *= factor);
        };
        for (name, error) in errors(moved) {
            assert!(matches!(&error, Error::Bound { key, .. } if !key.is_empty()), "{name}: {error}");
        }
    }
}

#[test]
fn an_engine_that_mixes_up_questions_is_found_out() {
    for (name, error) in errors(|answers| answers.reverse()) {
        assert!(matches!(error, Error::Bound { .. }), "{name}: {error}");
    }
    // A question's own rows, each under another one's bound.
    let shifted = |answers: &mut Vec<Vec<Candidate>>| {
        for rows in answers {
            let first = rows[0].bound;
            for i in 1..rows.len() {
                rows[i - 1].bound = rows[i].bound;
            }
            rows.last_mut().unwrap().bound = first;
        }
    };
    for (name, error) in errors(shifted) {
        assert!(matches!(error, Error::Bound { .. }), "{name}: {error}");
    }
}

#[test]
fn an_answer_that_lacks_rows_without_a_reason_is_an_error() {
    for (name, error) in errors(|answers| answers[1].truncate(3)) {
        assert!(matches!(error, Error::Rows { got: 3, rows } if rows == ROWS as u64), "{name}: {error}");
    }
    for (name, error) in errors(|answers| answers[0].clear()) {
        assert!(matches!(error, Error::Rows { got: 0, .. }), "{name}: {error}");
    }
}
