//! Exact search gives the ranking of a naive `f64` oracle and the scores of the method, whatever the path and the
//! number of threads.

mod oracle;

use oracle::{Case, Composition, archive, cases, query};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rayon::{ThreadPool, ThreadPoolBuilder};
use rscir_core::testing::{unit_rows, unit_vector};
use rscir_core::{Archive, ComposedQuery, EncoderSpec, Error as CoreError, Method, top_k};
use rscir_index::{Error, Hit, SearchOptions, Statistics, search, search_batch, search_with};
use rscir_weicom::{Dbsf, ImageOnly, Normalization, Product, Rrf, Slerp, Sum, WeiCom};

fn pools() -> Vec<ThreadPool> {
    [1, 2, 7].map(|threads| ThreadPoolBuilder::new().num_threads(threads).build().unwrap()).into()
}

/// What the method itself gives, without any of the search's shortcuts.
fn by_the_method(archive: &dyn Archive, method: &dyn Method, query: &ComposedQuery, k: usize) -> Vec<Hit> {
    let mut scores = vec![0.0; archive.len()];
    method.score(query, archive, &mut scores).unwrap();
    let hit = |s: &rscir_core::Scored| Hit {
        row: s.row,
        key: archive.key(s.row).into(),
        score: method.present(s.score),
    };
    top_k(&scores, k).iter().map(hit).collect()
}

fn rankings_are_the_oracles(cases_to_run: u32) {
    let pools = pools();
    let config = Config { cases: cases_to_run, failure_persistence: None, ..Config::default() };
    let check = |case: Case| {
        let (archive, query, method) = (case.archive(), case.query(), case.composition.method());
        let expected = by_the_method(&archive, &*method, &query, case.k);
        for pool in &pools {
            let hits = pool.install(|| search(&archive, &*method, &query, case.k)).unwrap();
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
                assert_eq!(pool.install(|| search(&archive, method, &query, k)).unwrap(), expected);
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
        let hits = search(&archive, method, &query, 20).unwrap();
        assert_eq!(hits, by_the_method(&archive, method, &query, 20), "{}", method.label());
    }
}

proptest! {
    #![proptest_config(Config { cases: 500, failure_persistence: None, ..Config::default() })]

    /// The answer is the whole ranking without the rows that may not be in it: no score moves.
    #[test]
    fn filters_act_on_the_ranking_alone(case in cases(), kept in any::<u64>(), own in 0usize..150) {
        let archive = case.archive();
        let own = own % archive.len();
        let query = case.query().with_image_key(archive.key(own));
        let method = case.composition.method();
        let filter = |row: usize| kept >> (row % 64) & 1 == 1;
        let options = SearchOptions::top(case.k).filter(&filter).without_query();
        let mut expected = by_the_method(&archive, &*method, &query, archive.len());
        expected.retain(|hit| filter(hit.row) && hit.row != own);
        expected.truncate(case.k);
        prop_assert_eq!(search_with(&archive, &*method, &query, &options).unwrap(), expected);
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
fn a_key_that_is_not_in_the_archive_excludes_nothing() {
    let archive = archive(unit_rows(5, 4, 1));
    let query = query(&unit_vector(4, 2), &unit_vector(4, 3)).with_image_key("elsewhere");
    let hits = search_with(&archive, &Sum, &query, &SearchOptions::top(9).without_query()).unwrap();
    assert_eq!(hits.len(), 5);
}

/// Scores odd rows NaN.
struct HalfBlind;

impl Method for HalfBlind {
    fn label(&self) -> String {
        "half blind".into()
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
