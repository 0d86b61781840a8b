//! A searcher gives the same answer on every path.

use std::sync::Arc;

use rscir_core::testing::{unit_rows, unit_vector};
use rscir_core::{Archive, ComposedQuery, EncoderSpec, Method};
use rscir_index::{MemoryArchive, SearchOptions, SearchPath, Searcher, Statistics, search_with};
use rscir_weicom::{Rrf, Sum, WeiCom};

const DIM: usize = 24;

fn archive(rows: usize) -> Arc<dyn Archive> {
    let keys = (0..rows).map(|row| row.to_string()).collect();
    Arc::new(MemoryArchive::new(EncoderSpec::unknown(DIM), keys, unit_rows(rows, DIM, 1)).unwrap())
}

fn query(seed: u64) -> ComposedQuery {
    let query = ComposedQuery::new(EncoderSpec::unknown(DIM)).with_image(unit_vector(DIM, seed)).unwrap();
    query.with_text(unit_vector(DIM, seed + 1000)).unwrap()
}

#[test]
fn every_way_gives_the_same_answer_and_says_which_it_was() {
    let archive = archive(12_000);
    let searcher = Searcher::new(Arc::clone(&archive));
    let options = SearchOptions::top(10).statistics(Statistics::Moments);
    let mut ways = Vec::new();
    for seed in 0..80 {
        let (hits, way) = searcher.search(&WeiCom::default(), &query(seed), &options).unwrap();
        assert_eq!(hits, search_with(&archive, &WeiCom::default(), &query(seed), &options).unwrap());
        ways.push(way);
    }
    assert_eq!((ways[0], ways[79]), (SearchPath::Scan, SearchPath::Int8));
    // Bounds cannot answer the first of these searches, and would not answer the second faster.
    let (_, way) = searcher.search(&Rrf::default(), &query(1), &options).unwrap();
    assert_eq!(way, SearchPath::Scores);
    let (hits, way) = searcher.search(&Sum, &query(1), &SearchOptions::top(12_000)).unwrap();
    assert_eq!((hits.len(), way), (12_000, SearchPath::Scan));
}

#[test]
fn eight_bit_rows_are_made_beforehand_on_request_and_not_for_small_archives() {
    let methods: [&dyn Method; 2] = [&WeiCom::default(), &Sum];
    for (rows, expected) in [(12_000, SearchPath::Int8), (500, SearchPath::Scan)] {
        let searcher = Searcher::new(archive(rows));
        searcher.prepare().unwrap();
        for method in methods {
            let queries: Vec<_> = (0..5).map(query).collect();
            let (answers, way) = searcher.search_batch(method, &queries, &SearchOptions::top(3)).unwrap();
            assert_eq!((answers.len(), way), (5, expected));
        }
    }
}

#[test]
fn threads_share_one() {
    let searcher = Searcher::new(archive(11_000));
    let expected = searcher.search(&Sum, &query(3), &SearchOptions::top(5)).unwrap().0;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..30 {
                    let hits = searcher.search(&Sum, &query(3), &SearchOptions::top(5)).unwrap().0;
                    assert_eq!(hits, expected);
                }
            });
        }
    });
}
