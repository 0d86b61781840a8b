//! A search over 8-bit rows gives the answer of the search over the rows themselves, to the bit.

mod oracle;

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

use oracle::{archive, cases, query};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rayon::ThreadPoolBuilder;
use rscir_core::testing::{unit_rows, unit_vector};
use rscir_core::{Archive, Embeddings, EncoderSpec, Method, Moments, Queries};
use rscir_index::{Int8Index, MemoryArchive, SearchOptions, Statistics, search_with};
use rscir_weicom::{Product, Rrf, Sum};

fn answers_are_the_scans(cases_to_run: u32) {
    let config = Config { cases: cases_to_run, failure_persistence: None, ..Config::default() };
    let strategy = (cases(), any::<u64>());
    let check = |(case, kept): (oracle::Case, u64)| {
        let (archive, method) = (case.archive(), case.composition.method());
        let query = case.query().with_image_key(archive.key(0));
        let index = Int8Index::new(&archive).unwrap();
        let options = SearchOptions::top(case.k).statistics(Statistics::Moments);
        let hits = index.search(&*method, &query, &options).unwrap();
        prop_assert_eq!(&hits, &search_with(&archive, &*method, &query, &options).unwrap());
        case.check(&hits, 2e-6)?;
        let filter = |row: usize| kept >> (row % 64) & 1 == 1;
        let options = options.filter(&filter).exclude_query(true);
        let hits = index.search(&*method, &query, &options).unwrap();
        prop_assert_eq!(hits, search_with(&archive, &*method, &query, &options).unwrap());
        Ok(())
    };
    TestRunner::new(config).run(&strategy, check).unwrap();
}

#[test]
fn answers_are_the_scans_to_the_bit() {
    answers_are_the_scans(5_000);
}

/// cargo test -p rscir-index --release --test quantized -- --ignored hundred_thousand
#[test]
#[ignore = "takes minutes"]
fn answers_are_the_scans_in_a_hundred_thousand_cases() {
    answers_are_the_scans(100_000);
}

fn methods() -> [Box<dyn Method>; 5] {
    use oracle::Composition::{Image, Product, Sum, Text, WeiCom};
    [Image, Text, Sum, Product, WeiCom(0.3)].map(oracle::Composition::method)
}

/// The rows differ from each other by less than an 8-bit step, or not at all.
#[test]
fn rows_that_eight_bits_cannot_tell_apart_are_ranked_by_their_true_scores() {
    let (n, dim) = (20_000, 24);
    let noise = unit_rows(n, dim, 1);
    let center = unit_vector(dim, 2);
    let values = noise.rows().enumerate().flat_map(|(row, noise)| {
        let spread = [1e-3, 1e-5, 0.0][row % 3];
        center.iter().zip(noise).map(move |(c, x)| c + spread * x).collect::<Vec<_>>()
    });
    let archive = archive(Embeddings::normalize(dim, values.collect()).unwrap());
    let index = Int8Index::new(&archive).unwrap();
    let query = query(&unit_vector(dim, 3), &unit_vector(dim, 4));
    for method in &methods() {
        for k in [1, 10, 300, 7_000, n] {
            let options = SearchOptions::top(k).statistics(Statistics::Moments);
            let expected = search_with(&archive, &**method, &query, &options).unwrap();
            for threads in [1, 2, 7] {
                let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let hits = pool.install(|| index.search(&**method, &query, &options)).unwrap();
                assert_eq!(hits, expected, "{} top {k} on {threads} threads", method.label());
            }
        }
    }
}

#[test]
fn many_random_rows_lose_none() {
    let (n, dim) = (40_000, 64);
    let archive = archive(unit_rows(n, dim, 1));
    let index = Int8Index::new(&archive).unwrap();
    for seed in 0..10 {
        let query = query(&unit_vector(dim, 100 + seed), &unit_vector(dim, 200 + seed));
        for method in &methods() {
            let options = SearchOptions::top(10).statistics(Statistics::Moments);
            let expected = search_with(&archive, &**method, &query, &options).unwrap();
            assert_eq!(index.search(&**method, &query, &options).unwrap(), expected);
        }
    }
}

#[test]
fn many_queries_at_once_are_answered_as_one_by_one() {
    let dim = 48;
    let archive = archive(unit_rows(9_000, dim, 1));
    let index = Int8Index::new(&archive).unwrap();
    let queries: Vec<_> =
        (0..70).map(|seed| query(&unit_vector(dim, 100 + seed), &unit_vector(dim, 200 + seed))).collect();
    let options = SearchOptions::top(10).statistics(Statistics::Moments);
    for method in methods().iter().map(|method| &**method).chain([&Rrf::default() as &dyn Method]) {
        let one_by_one: Vec<_> =
            queries.iter().map(|query| search_with(&archive, method, query, &options).unwrap()).collect();
        assert_eq!(index.search_batch(method, &queries, &options).unwrap(), one_by_one, "{}", method.label());
    }
    assert!(index.search_batch(&Sum, &[], &options).unwrap().is_empty());
}

#[test]
fn other_methods_empty_archives_and_bad_queries_are_as_without_it() {
    let rows = archive(unit_rows(30, 6, 1));
    let index = Int8Index::new(&rows).unwrap();
    let whole = query(&unit_vector(6, 2), &unit_vector(6, 3));
    let options = SearchOptions::top(5);
    let raw = Product { raw: true };
    for method in [&Rrf::default() as &dyn Method, &raw] {
        assert_eq!(
            index.search(method, &whole, &options).unwrap(),
            search_with(&rows, method, &whole, &options).unwrap()
        );
    }
    let empty = archive(unit_rows(0, 6, 1));
    assert!(Int8Index::new(&empty).unwrap().search(&Sum, &whole, &options).unwrap().is_empty());
    let wide = query(&unit_vector(7, 2), &unit_vector(7, 3));
    assert!(index.search(&Sum, &wide, &options).is_err());
}

/// An archive that counts the rows that are read one by one.
struct Counted(MemoryArchive, AtomicUsize);

impl Archive for Counted {
    fn spec(&self) -> &EncoderSpec {
        self.0.spec()
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn key(&self, row: usize) -> &str {
        self.0.key(row)
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.0.find(key)
    }

    fn vector(&self, row: usize) -> Cow<'_, [f32]> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.vector(row)
    }

    fn similarities(&self, queries: Queries<'_>, scores: &mut [f32]) -> rscir_core::Result<()> {
        self.0.similarities(queries, scores)
    }

    fn moments(&self) -> &Moments {
        self.0.moments()
    }
}

/// Rows may lie on a disk and are read page by page, so only few may be read.
#[test]
fn a_search_reads_few_rows_beside_the_integers() {
    let (n, dim) = (100_000, 128);
    let archive = Counted(archive(unit_rows(n, dim, 1)), AtomicUsize::new(0));
    let index = Int8Index::new(&archive).unwrap();
    for seed in 0..10 {
        let query = query(&unit_vector(dim, 100 + seed), &unit_vector(dim, 200 + seed));
        let read_before = archive.1.load(Ordering::Relaxed);
        let hits = index.search(&Product { raw: false }, &query, &SearchOptions::top(10)).unwrap();
        let read = archive.1.load(Ordering::Relaxed) - read_before;
        assert_eq!(hits.len(), 10);
        // The answer reads its ten rows again, and the search one row in a thousand.
        assert!(read <= 10 + n / 1000, "{read} rows were read for query {seed}");
    }
}
