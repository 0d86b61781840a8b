//! Methods by evidence have one answer, whichever way it is found.

use proptest::prelude::*;
use rayon::ThreadPoolBuilder;
use rscir_core::testing::{unit_rows, unit_vector};
use rscir_core::{Archive, ComposedQuery, Embeddings, EncoderSpec, Evidence, Method, PartKind, top_k};
use rscir_index::{
    Answer, Filter, Int8Index, MemoryArchive, SearchOptions, ShardedArchive, Statistics, answer_batch,
    search_batch, search_with,
};
use rscir_weicom::{Conjunction, Neighbors, Posterior, PosteriorConfig, VocabularyMean, WeiComByParts};

const DIM: usize = 12;

/// Makes rows in four groups, so that parts of a query match some rows better than others.
fn grouped(rows: usize, seed: u64) -> Embeddings {
    let (noise, centers) = (unit_rows(rows, DIM, seed), unit_rows(4, DIM, seed + 1));
    let value = |(row, value): (usize, f32), column: usize| value + 1.5 * centers.row(row % 4)[column];
    let values = noise.rows().enumerate().flat_map(|(row, values)| {
        values.iter().enumerate().map(move |(column, &v)| value((row, v), column)).collect::<Vec<_>>()
    });
    Embeddings::normalize(DIM, values.collect()).unwrap()
}

fn keys(rows: std::ops::Range<usize>) -> Vec<String> {
    rows.map(|row| format!("{row:05}")).collect()
}

fn archive(rows: usize, seed: u64) -> MemoryArchive {
    MemoryArchive::new(EncoderSpec::unknown(DIM), keys(0..rows), grouped(rows, seed)).unwrap()
}

fn query(archive: &dyn Archive, row: usize) -> ComposedQuery {
    let key = archive.key(row).to_string();
    ComposedQuery::new(EncoderSpec::unknown(DIM))
        .with_image(archive.unit_vector(&key).unwrap())
        .and_then(|q| q.with_text(unit_vector(DIM, row as u64 + 70)))
        .unwrap()
        .with_image_key(key)
}

/// Makes a query of more than two parts, some of them with negative weights.
fn wide_query(archive: &dyn Archive, row: usize) -> ComposedQuery {
    query(archive, row)
        .and_image(archive.unit_vector(archive.key(row + 1)).unwrap(), 0.5)
        .and_then(|q| q.and_image(unit_vector(DIM, 3), 1.0))
        .and_then(|q| q.and_text(unit_vector(DIM, 4), -0.75))
        .unwrap()
}

fn methods() -> Vec<Box<dyn Evidence>> {
    let mean = VocabularyMean::new(EncoderSpec::unknown(DIM), 9, unit_vector(DIM, 5).to_vec()).unwrap();
    let auto = PosteriorConfig::default().neighbors(Neighbors::Auto).order(0.0);
    vec![
        Box::new(WeiComByParts::auto()),
        Box::new(WeiComByParts::new(0.3).unwrap()),
        Box::new(Conjunction::default()),
        Box::new(Conjunction::new(0.3).unwrap()),
        Box::new(Posterior::default()),
        Box::new(Posterior::new(auto, Some(mean)).unwrap()),
    ]
}

fn both_queries(archive: &dyn Archive) -> Vec<ComposedQuery> {
    (0..6).flat_map(|row| [query(archive, row), wide_query(archive, row)]).collect()
}

fn moments(k: usize) -> SearchOptions<'static> {
    SearchOptions::top(k).statistics(Statistics::Moments)
}

#[test]
fn eight_bit_bounds_find_what_a_scan_finds() {
    // Above 32,768 rows, methods learn from a part of them.
    for rows in [700, 40_000] {
        let archive = archive(rows, 1);
        let index = Int8Index::new(&archive).unwrap();
        let queries = both_queries(&archive);
        for method in methods() {
            let scanned = answer_batch(&archive, &*method, &queries, &moments(10)).unwrap();
            let bounded = index.answer_batch(&*method, &queries, &moments(10)).unwrap();
            assert_eq!(bounded, scanned, "{} on {rows} rows", method.label());
        }
    }
}

#[test]
fn batches_threads_and_shards_change_nothing() {
    let (archive, rows) = (archive(900, 2), grouped(900, 2));
    let queries = both_queries(&archive);
    let shard = |range: std::ops::Range<usize>| {
        let values = rows.as_slice()[range.start * DIM..range.end * DIM].to_vec();
        let rows = Embeddings::normalize(DIM, values).unwrap();
        Box::new(MemoryArchive::new(EncoderSpec::unknown(DIM), keys(range), rows).unwrap())
            as Box<dyn Archive>
    };
    let shards = ShardedArchive::new(vec![shard(0..100), shard(100..101), shard(101..900)]).unwrap();
    for method in methods() {
        let options = SearchOptions::top(20);
        let batch = search_batch(&archive, &*method, &queries, &options).unwrap();
        assert_eq!(search_batch(&shards, &*method, &queries, &options).unwrap(), batch, "{}", method.label());
        for (query, expected) in queries.iter().zip(&batch) {
            for threads in [1, 3] {
                let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let hits = pool.install(|| search_with(&archive, &*method, query, &options)).unwrap();
                assert_eq!(&hits, expected, "{} on {threads} threads", method.label());
            }
            let mut scores = vec![0.0; archive.len()];
            method.score(query, &archive, &mut scores).unwrap();
            let ranking = top_k(&scores, 20);
            let found = expected.iter().map(|hit| (hit.row, hit.score));
            assert!(ranking.iter().map(|s| (s.row, method.display_score(s.score))).eq(found));
        }
    }
}

#[test]
fn a_filter_leaves_out_rows_and_changes_no_score() {
    let archive = archive(800, 3);
    let queries = both_queries(&archive);
    let index = Int8Index::new(&archive).unwrap();
    let even = |row: usize| row.is_multiple_of(2);
    for method in methods() {
        let all = search_batch(&archive, &*method, &queries, &moments(800)).unwrap();
        let options = moments(7).filter(&even).exclude_query(true);
        for found in [
            search_batch(&archive, &*method, &queries, &options).unwrap(),
            index.search_batch(&*method, &queries, &options).unwrap(),
        ] {
            for ((found, all), query) in found.iter().zip(&all).zip(&queries) {
                let allowed = |hit: &&rscir_index::Hit| {
                    hit.row.is_multiple_of(2) && Some(hit.key.as_str()) != query.image_key()
                };
                let expected: Vec<_> = all.iter().filter(allowed).take(7).cloned().collect();
                assert_eq!(found, &expected, "{}", method.label());
            }
        }
    }
    let nothing = Filter::lt("cloud", 0.2);
    let options = SearchOptions::top(3);
    assert!(search_batch(&archive, &Posterior::default(), &queries, &options.matching(&nothing)).is_err());
}

#[test]
fn an_answer_says_what_it_was_made_of() {
    let archive = archive(800, 4);
    let (hits_wanted, query) = (5, wide_query(&archive, 8));
    let answer = |method: &dyn Method| -> Answer {
        answer_batch(&archive, method, std::slice::from_ref(&query), &SearchOptions::top(hits_wanted))
            .unwrap()
            .remove(0)
    };
    let posterior = answer(&Posterior::default());
    let explanation = posterior.explanation.unwrap();
    let kinds: Vec<_> = explanation.parts.iter().map(|part| (part.kind, part.against)).collect();
    use PartKind::{Image, Text};
    assert_eq!(kinds, [(Image, false), (Image, false), (Image, false), (Text, false), (Text, true)]);
    let neighbors: Vec<_> = explanation.parts.iter().map(|part| part.neighbors.len()).collect();
    // The third image is not a row of the archive, so it takes a place among its own twenty neighbors.
    assert_eq!(neighbors, [20, 20, 19, 0, 0]);
    assert!(explanation.parts[0].neighbors.contains(&8));
    assert!(explanation.parts.iter().all(|part| part.fit.slope.is_some_and(|slope| slope > 0.0)));
    assert_eq!(posterior.probabilities.len(), hits_wanted);
    let is_probability = |p: &f32| (0.0..=1.0).contains(p);
    assert!(posterior.probabilities.iter().all(|ps| ps.len() == 5 && ps.iter().all(is_probability)));

    let auto = answer(&WeiComByParts::auto()).explanation.unwrap();
    let total: f32 = auto.parts.iter().map(|part| part.weight).sum();
    assert!((total - 1.0).abs() < 1e-6 && auto.lambda().is_some_and(|lambda| lambda > 0.0 && lambda < 1.0));
    let fusion = answer(&rscir_weicom::WeiCom::default());
    assert_eq!((fusion.explanation, fusion.probabilities), (None, Vec::new()));
}

#[test]
fn a_tile_that_defines_an_image_can_be_left_out() {
    let archive = archive(400, 5);
    let query = query(&archive, 8);
    let neighbors = |leave_out: Vec<String>| -> Vec<usize> {
        let config = PosteriorConfig::default().leave_out(leave_out);
        let posterior = Posterior::new(config, None).unwrap();
        let answers =
            answer_batch(&archive, &posterior, std::slice::from_ref(&query), &SearchOptions::top(1));
        answers.unwrap().remove(0).explanation.unwrap().parts[0].neighbors.clone()
    };
    let all = neighbors(Vec::new());
    let second = all[1];
    let fewer = neighbors(vec![archive.key(second).into()]);
    assert_eq!(fewer.len(), 20);
    assert_eq!(fewer[..19], all.iter().copied().filter(|&row| row != second).collect::<Vec<_>>()[..]);
}

#[test]
fn constant_tiny_and_odd_archives_give_finite_scores() {
    let same = Embeddings::normalize(DIM, [1.0, 2.0, 0.5, 0.0, 1.0, 1.0].repeat(2 * 30)).unwrap();
    let mut one_apart = same.as_slice().to_vec();
    one_apart[..DIM].copy_from_slice(unit_rows(1, DIM, 9).as_slice());
    let odd = [
        same.clone(),
        Embeddings::normalize(DIM, one_apart).unwrap(),
        unit_rows(1, DIM, 1),
        unit_rows(2, DIM, 1),
        unit_rows(9, DIM, 1),
        unit_rows(10, DIM, 1),
    ];
    for rows in odd {
        let archive =
            MemoryArchive::new(EncoderSpec::unknown(DIM), keys(0..rows.len()), rows.clone()).unwrap();
        for method in methods() {
            let query = query(&archive, 0).and_text(unit_vector(DIM, 4), -0.5).unwrap();
            let answers =
                answer_batch(&archive, &*method, std::slice::from_ref(&query), &SearchOptions::top(30))
                    .unwrap();
            let (hits, learned) = (&answers[0].hits, answers[0].explanation.as_ref().unwrap());
            assert_eq!(hits.len(), rows.len().min(30), "{}", method.label());
            assert!(hits.iter().all(|hit| hit.score.is_finite()), "{}: {hits:?}", method.label());
            if rows.len() < 3 && method.reads_rows() {
                assert!(learned.parts.iter().all(|part| part.fit.fallback.is_some()), "{}", method.label());
                assert!(learned.parts[0].fit.doubts().count() > 0);
            }
            if rows == same {
                let first: Vec<usize> = hits.iter().map(|hit| hit.row).collect();
                assert!(first.is_sorted(), "ties by row: {first:?}");
            }
        }
    }
    let empty = MemoryArchive::new(EncoderSpec::unknown(DIM), Vec::new(), Embeddings::empty(DIM)).unwrap();
    let query = ComposedQuery::new(EncoderSpec::unknown(DIM)).with_text(unit_vector(DIM, 4)).unwrap();
    for method in methods() {
        assert!(search_with(&empty, &*method, &query, &SearchOptions::top(3)).unwrap().is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn scores_rise_with_every_similarity_once_fitted(seed in 0u64..1000, against in any::<bool>()) {
        let archive = archive(300, seed);
        let weight = if against { -1.0 } else { 1.0 };
        let rising: Vec<f32> = (0..4000).map(|i| (i as f32 - 2000.0) / 1500.0).collect();
        let vector = unit_vector(DIM, seed);
        for method in methods() {
            for is_image in [true, false] {
                let query = ComposedQuery::new(EncoderSpec::unknown(DIM));
                let query = if is_image {
                    query.and_image(vector.clone(), weight).unwrap()
                } else {
                    query.and_text(vector.clone(), weight).unwrap()
                };
                let part = method.ask(&method.parts(&query).unwrap(), &archive).unwrap().remove(0);
                let mut list = vec![0.0; archive.len()];
                let asked = rscir_core::Queries::new(DIM, &part.vector).unwrap();
                archive.similarities(asked, &mut list).unwrap();
                let fit = rscir_core::fit_list(&*method, &part, &list);
                let mut evidence = vec![0.0; rising.len()];
                method.evidence(&part, &fit, &rising, &mut evidence);
                prop_assert!(evidence.is_sorted(), "{}", method.label());
                prop_assert!(method.weights(&[part], &[fit])[0] >= 0.0);
            }
        }
    }

    #[test]
    fn a_list_shifted_and_scaled_gives_the_same_evidence(
        seed in 0u64..1000,
        // Powers of two scale without rounding.
        exponent in -3i32..4,
        shift in -2i32..3,
    ) {
        let archive = archive(200, seed);
        let scale = (exponent as f32).exp2();
        let query = query(&archive, 1);
        for method in methods() {
            for part in method.ask(&method.parts(&query).unwrap(), &archive).unwrap() {
                let mut list = vec![0.0; archive.len()];
                let asked = rscir_core::Queries::new(DIM, &part.vector).unwrap();
                archive.similarities(asked, &mut list).unwrap();
                let moved: Vec<f32> = list.iter().map(|s| s * scale + shift as f32 * scale).collect();
                // Undoes the shift, so that both lists have lost the same digits by rounding.
                let back: Vec<f32> = moved.iter().map(|m| m / scale - shift as f32).collect();
                let evidence = |list: &[f32]| {
                    let fit = rscir_core::fit_list(&*method, &part, list);
                    let mut evidence = vec![0.0; list.len()];
                    method.evidence(&part, &fit, list, &mut evidence);
                    evidence
                };
                for (a, b) in evidence(&moved).iter().zip(evidence(&back)) {
                    prop_assert!((a - b).abs() <= 1e-4 * (1.0 + b.abs()), "{}: {a} and {b}", method.label());
                }
            }
        }
    }

    #[test]
    fn the_order_of_parts_and_parts_of_weight_zero_are_nothing(seed in 0u64..1000) {
        let archive = archive(200, seed);
        let parts: Vec<_> = (0..3).map(|i| (unit_vector(DIM, seed + i), [1.0, -0.5, 0.3][i as usize])).collect();
        let asked = |order: [usize; 3], more: bool| {
            let mut query = ComposedQuery::new(EncoderSpec::unknown(DIM));
            for part in order {
                let (vector, weight) = parts[part].clone();
                query = query.and_image(vector.clone(), weight).unwrap().and_text(vector, weight).unwrap();
                if more {
                    query = query.and_image(unit_vector(DIM, 77), 0.0).unwrap();
                    query = query.and_text(unit_vector(DIM, 78), 0.0).unwrap();
                }
            }
            query
        };
        for method in methods() {
            let hits = |query| search_with(&archive, &*method, &query, &SearchOptions::top(50)).unwrap();
            let expected: Vec<_> = hits(asked([0, 1, 2], false)).iter().map(|h| (h.row, h.score)).collect();
            for query in [asked([2, 0, 1], false), asked([1, 2, 0], false), asked([0, 1, 2], true)] {
                let found: Vec<_> = hits(query).iter().map(|h| (h.row, h.score)).collect();
                prop_assert_eq!(&found, &expected, "{}", method.label());
            }
        }
    }
}
