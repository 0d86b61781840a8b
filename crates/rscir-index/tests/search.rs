//! Exact search gives the ranking of a naive `f64` oracle and the scores of the method, whatever the path and the
//! number of threads.

mod oracle;

use std::sync::Arc;

use oracle::{Case, Composition, archive, cases, query};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rayon::{ThreadPool, ThreadPoolBuilder};
use rscir_core::testing::{unit_rows, unit_vector};
use rscir_core::{Archive, ComposedQuery, EncoderSpec, Error as CoreError, Method, MethodInfo, top_k};
use rscir_index::{
    Columns, Error, Filter, Hit, Int8Index, MemoryArchive, SearchOptions, Statistics, search, search_batch,
    search_with,
};
use rscir_weicom::{Dbsf, ImageOnly, Normalization, Product, Rrf, Slerp, Sum, WeiCom};

fn pools() -> Vec<ThreadPool> {
    [1, 2, 7].map(|threads| ThreadPoolBuilder::new().num_threads(threads).build().unwrap()).into()
}

/// Returns the hits by the method's own scores, without the shortcuts of a search.
fn by_the_method(archive: &dyn Archive, method: &dyn Method, query: &ComposedQuery, k: usize) -> Vec<Hit> {
    let mut scores = vec![0.0; archive.len()];
    method.score(query, archive, &mut scores).unwrap();
    let hit = |s: &rscir_core::Scored| Hit {
        row: s.row,
        key: archive.key(s.row).into(),
        score: method.display_score(s.score),
        image: None,
        text: None,
    };
    top_k(&scores, k).iter().map(hit).collect()
}

/// Removes the contributions of the query's parts from hits.
fn without_parts(hits: Vec<Hit>) -> Vec<Hit> {
    hits.into_iter().map(|hit| Hit { image: None, text: None, ..hit }).collect()
}

fn rankings_are_the_oracles(cases_to_run: u32) {
    let pools = pools();
    let config = Config { cases: cases_to_run, failure_persistence: None, ..Config::default() };
    let check = |case: Case| {
        let (archive, query, method) = (case.archive(), case.query(), case.composition.method());
        let expected = by_the_method(&archive, &*method, &query, case.k);
        for pool in &pools {
            let hits = pool.install(|| search(&archive, &*method, &query, case.k)).unwrap();
            let hits = without_parts(hits);
            prop_assert_eq!(&hits, &expected, "{} threads", pool.current_num_threads());
        }
        case.check(&expected, 2e-6)?;
        let options = SearchOptions::top(case.k).statistics(Statistics::Moments);
        let hits = search_with(&archive, &*method, &query, &options).unwrap();
        case.check(&hits, 2e-6)
    };
    TestRunner::new(config).run(&cases(), check).unwrap();
}

#[test]
fn rankings_are_the_oracles_up_to_ties() {
    rankings_are_the_oracles(5_000);
}

/// cargo test -p rscir-index --release --test search -- --ignored hundred_thousand
#[test]
#[ignore = "takes minutes"]
fn rankings_are_the_oracles_in_a_hundred_thousand_cases() {
    rankings_are_the_oracles(100_000);
}

#[test]
fn many_rows_are_ranked_in_parts_without_a_trace() {
    let (n, dim) = (50_000, 8);
    let archive = archive(unit_rows(n, dim, 1));
    let query = query(&unit_vector(dim, 2), &unit_vector(dim, 3));
    for method in [&WeiCom::default() as &dyn Method, &Sum, &ImageOnly] {
        for k in [1, 100, n, n + 1] {
            let expected = by_the_method(&archive, method, &query, k);
            for pool in pools() {
                let hits = pool.install(|| search(&archive, method, &query, k)).unwrap();
                assert_eq!(without_parts(hits), expected);
            }
        }
    }
}

#[test]
fn every_other_method_is_ranked_by_its_own_scores() {
    let archive = archive(unit_rows(300, 12, 1));
    let query = query(&unit_vector(12, 2), &unit_vector(12, 3));
    let min_max = WeiCom::default().with_normalization(Normalization::MinMax);
    let methods: [&dyn Method; 5] =
        [&Product { raw: true }, &min_max, &Rrf::default(), &Dbsf, &Slerp::default()];
    for method in methods {
        let hits = without_parts(search(&archive, method, &query, 20).unwrap());
        assert_eq!(hits, by_the_method(&archive, method, &query, 20), "{}", method.label());
    }
}

proptest! {
    #![proptest_config(Config { cases: 500, failure_persistence: None, ..Config::default() })]

    /// The answer is the whole ranking without the excluded rows, and no score changes.
    #[test]
    fn filters_act_on_the_ranking_alone(case in cases(), kept in any::<u64>(), own in 0usize..150) {
        let archive = case.archive();
        let own = own % archive.len();
        let query = case.query().with_image_key(archive.key(own));
        let method = case.composition.method();
        let filter = |row: usize| kept >> (row % 64) & 1 == 1;
        let options = SearchOptions::top(case.k).filter(&filter).exclude_query(true);
        let mut expected = by_the_method(&archive, &*method, &query, archive.len());
        expected.retain(|hit| filter(hit.row) && hit.row != own);
        expected.truncate(case.k);
        let hits = search_with(&archive, &*method, &query, &options).unwrap();
        prop_assert_eq!(without_parts(hits), expected);
    }

    #[test]
    fn a_batch_gives_each_query_its_own_answer(case in cases(), queries in 0usize..9, seed in any::<u64>()) {
        let archive = case.archive();
        let (images, texts) = (unit_rows(9, archive.dim(), seed), unit_rows(9, archive.dim(), seed ^ 7));
        let queries: Vec<_> = (0..queries).map(|i| query(&images.vector(i), &texts.vector(i))).collect();
        let method = case.composition.method();
        let alone: Vec<_> =
            queries.iter().map(|query| search(&archive, &*method, query, case.k).unwrap()).collect();
        for pool in pools() {
            let batch =
                pool.install(|| search_batch(&archive, &*method, &queries, &SearchOptions::top(case.k)));
            prop_assert_eq!(&batch.unwrap(), &alone);
        }
    }
}

#[test]
fn a_hit_says_what_each_part_contributes() {
    let archive = archive(unit_rows(400, 12, 1));
    let (image, text) = (unit_vector(12, 2), unit_vector(12, 3));
    let query = query(&image, &text);
    let dots = |part: &[f32]| -> Vec<f32> {
        (0..400).map(|row| archive.vector(row).iter().zip(part).map(|(a, b)| a * b).sum()).collect()
    };
    let (images, texts) = (dots(&image), dots(&text));
    // The normal CDF of the z-score, by integration of the density.
    let cdf = |list: &[f32], similarity: f32| {
        let z = rscir_core::ScoreStatistics::of(list).z_score(similarity);
        1.0 - f64::from(normal_tail(z as f32))
    };
    let hits = search(&archive, &WeiCom::new(0.3).unwrap(), &query, 20).unwrap();
    for hit in &hits {
        let (by_image, by_text) = (hit.image.unwrap(), hit.text.unwrap());
        assert!((by_image.similarity - images[hit.row]).abs() < 1e-6);
        assert!((by_text.similarity - texts[hit.row]).abs() < 1e-6);
        let (p, q) = (by_image.normalized.unwrap(), by_text.normalized.unwrap());
        assert!((f64::from(p) - cdf(&images, images[hit.row])).abs() < 1e-5);
        assert!((f64::from(q) - cdf(&texts, texts[hit.row])).abs() < 1e-5);
        assert!((hit.score - (0.7 * p + 0.3 * q)).abs() < 1e-6, "the score is their mixture");
    }
    // A part that the method does not read still has a similarity. A part that the query lacks has none.
    let hit = &search(&archive, &ImageOnly, &query, 1).unwrap()[0];
    assert_eq!((hit.image.unwrap().normalized.is_some(), hit.text.unwrap().normalized), (true, None));
    let image_alone = ComposedQuery::new(archive.spec().clone()).with_image(image).unwrap();
    assert_eq!(search(&archive, &ImageOnly, &image_alone, 1).unwrap()[0].text, None);
    assert!(search(&archive, &Rrf::default(), &query, 1).unwrap()[0].image.unwrap().normalized.is_none());
}

/// Computes the normal tail by integration of the density in `f64`.
fn normal_tail(z: f32) -> f32 {
    let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let (from, steps) = (f64::from(z), 40_000);
    let step = (from.abs() + 10.0 - from) / f64::from(steps);
    let inner: f64 = (1..steps).map(|i| density(from + f64::from(i) * step)).sum();
    ((inner + 0.5 * density(from)) * step) as f32
}

#[test]
fn columns_choose_what_may_answer_beside_any_function() {
    let columns = Columns::new(100).with("n", (0..100i64).collect::<Vec<_>>()).unwrap();
    let keys = (0..100).map(|row| row.to_string()).collect();
    let spec = EncoderSpec::unknown(4);
    let archive =
        MemoryArchive::new(spec, keys, unit_rows(100, 4, 1)).unwrap().with_columns(columns).unwrap();
    let query = query(&unit_vector(4, 2), &unit_vector(4, 3));
    let (low, even) = (Filter::lt("n", 30i64), |row: usize| row.is_multiple_of(2));
    let mut expected = search(&archive, &Sum, &query, 100).unwrap();
    expected.retain(|hit| hit.row < 30 && even(hit.row));
    let options = SearchOptions::top(100).matching(&low).filter(&even);
    assert_eq!(search_with(&archive, &Sum, &query, &options).unwrap(), expected);
    assert_eq!(search_with(&archive, &Rrf::default(), &query, &options).unwrap().len(), 15);
    let options = SearchOptions::top(20).matching(&low).filter(&even).statistics(Statistics::Moments);
    let index = Int8Index::new(Arc::new(archive)).unwrap();
    let expected = search_with(index.archive(), &Sum, &query, &options).unwrap();
    assert_eq!(index.search(&Sum, &query, &options).unwrap(), expected);
    let missing = Filter::lt("cloud", 0.5);
    let options = SearchOptions::top(3).matching(&missing);
    assert!(index.search(&Sum, &query, &options).unwrap_err().to_string().contains("cloud"));
}

#[test]
fn a_key_that_is_not_in_the_archive_excludes_nothing() {
    let archive = archive(unit_rows(5, 4, 1));
    let query = query(&unit_vector(4, 2), &unit_vector(4, 3)).with_image_key("elsewhere");
    let hits = search_with(&archive, &Sum, &query, &SearchOptions::top(9).exclude_query(true)).unwrap();
    assert_eq!(hits.len(), 5);
}

/// Gives odd rows the score NaN.
struct HalfBlind;

impl Method for HalfBlind {
    fn info(&self) -> MethodInfo {
        MethodInfo::new("half blind")
    }

    fn score(&self, _: &ComposedQuery, _: &dyn Archive, scores: &mut [f32]) -> rscir_core::Result<()> {
        for (row, score) in scores.iter_mut().enumerate() {
            *score = if row % 2 == 0 { -(row as f32) } else { f32::NAN };
        }
        Ok(())
    }
}

#[test]
fn what_is_not_a_number_ranks_last_and_is_not_lost() {
    let archive = archive(unit_rows(5, 4, 1));
    let query = query(&unit_vector(4, 2), &unit_vector(4, 3));
    let rows = |k| search(&archive, &HalfBlind, &query, k).unwrap().iter().map(|h| h.row).collect::<Vec<_>>();
    assert_eq!(rows(5), [0, 2, 4, 1, 3]);
    assert_eq!(rows(4), [0, 2, 4, 1]);
    assert_eq!(rows(2), [0, 2]);
}

#[test]
fn an_empty_archive_and_no_wish_give_no_hits() {
    let empty = archive(unit_rows(0, 4, 1));
    let query = query(&unit_vector(4, 2), &unit_vector(4, 3));
    for composition in [Composition::Image, Composition::WeiCom(0.5)] {
        let method = composition.method();
        assert!(search(&empty, &*method, &query, 3).unwrap().is_empty());
        assert!(search(&archive(unit_rows(3, 4, 1)), &*method, &query, 0).unwrap().is_empty());
        assert!(search_batch(&empty, &*method, &[], &SearchOptions::top(1)).unwrap().is_empty());
    }
}

#[test]
fn a_query_that_does_not_fit_is_an_error() {
    let archive = archive(unit_rows(5, 4, 1));
    let bare = ComposedQuery::new(EncoderSpec::unknown(4));
    let error = search(&archive, &WeiCom::default(), &bare, 3).unwrap_err();
    assert!(matches!(error, Error::Core(CoreError::MissingPart { part: "image", .. })), "{error}");
    let wide = query(&unit_vector(5, 2), &unit_vector(5, 3));
    let error = search(&archive, &ImageOnly, &wide, 3).unwrap_err();
    assert!(error.to_string().contains("dim is \"4\" in the archive and \"5\" in the query"), "{error}");
    let whole = query(&unit_vector(4, 2), &unit_vector(4, 3));
    assert!(search_batch(&archive, &Sum, &[whole, bare], &SearchOptions::top(1)).is_err());
}
