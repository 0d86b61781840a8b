//! `evaluate` against a program that only scores, sorts and counts.

use proptest::prelude::*;
use rscir_bench::{
    CUTOFFS, EvaluateOptions, Evaluation, Query, QueryGroup, QuerySet, QueryVectors, evaluate,
};
use rscir_core::{Archive, ComposedQuery, Embeddings, EncoderSpec, Method};
use rscir_index::MemoryArchive;
use rscir_weicom::{Dbsf, ImageOnly, Min, Product, Rrf, Slerp, Sum, TextOnly, WeiCom};

const DIM: usize = 16;

/// A unit vector whose products with its like are exact in any order of summation: entries of a quarter, or four of a half.
fn exact_vector() -> impl Strategy<Value = Vec<f32>> {
    let dense = prop::collection::vec(prop_oneof![Just(1.0f32), Just(-1.0)], DIM);
    let sparse = (0usize..4, prop::collection::vec(prop_oneof![Just(1.0f32), Just(-1.0)], 4));
    prop_oneof![
        dense,
        sparse.prop_map(|(quarter, signs)| {
            let mut vector = vec![0.0; DIM];
            vector[4 * quarter..4 * quarter + 4].copy_from_slice(&signs);
            vector
        })
    ]
}

fn exact_rows(count: std::ops::Range<usize>) -> impl Strategy<Value = Embeddings> {
    prop::collection::vec(exact_vector(), count)
        .prop_map(|rows| Embeddings::normalize(DIM, rows.concat()).unwrap())
}

/// Vectors of texts, exact as well. None is the opposite of a row, between which [`Slerp`] has no way.
fn exact_texts() -> impl Strategy<Value = Embeddings> {
    let signs = prop::collection::vec(prop_oneof![Just(1.0f32), Just(-1.0)], 4);
    let across = (0usize..3, signs).prop_map(|(quarter, signs)| {
        let mut vector = vec![0.0; DIM];
        vector[4 * quarter + 2..4 * quarter + 6].copy_from_slice(&signs);
        vector
    });
    prop::collection::vec(across, 1..5).prop_map(|rows| Embeddings::normalize(DIM, rows.concat()).unwrap())
}

/// An archive, queries on it (their images are its rows) and the vectors of the texts.
fn cases() -> impl Strategy<Value = (Embeddings, QuerySet, Embeddings)> {
    let parts = (
        exact_rows(1..150),
        exact_texts(),
        prop::collection::vec(prop::collection::btree_set(0usize..150, 0..60), 1..5),
        prop::collection::vec((0usize..2, 0usize..100, 0usize..100, 0usize..100), 1..25),
    );
    parts.prop_map(|(rows, texts, relevant, asked)| {
        let n = rows.len();
        let mut groups = ["a", "b"].map(|name| QueryGroup { name: name.into(), ..QueryGroup::default() });
        // Every other row is one that no query asks with.
        let images: Vec<usize> = (0..n).step_by(2).collect();
        for (group, image, text, set) in asked {
            groups[group].queries.push(Query {
                image: image % images.len(),
                text: text % texts.len(),
                relevant: set % relevant.len(),
            });
        }
        let queries = QuerySet {
            images: images.iter().map(|row| format!("{row}.jpg").into()).collect(),
            texts: (0..texts.len()).map(|t| format!("text {t}")).collect(),
            relevant: relevant
                .into_iter()
                .map(|set| set.into_iter().filter(|row| *row < n).collect())
                .collect(),
            groups: groups.into(),
        };
        (rows, queries, texts)
    })
}

/// All rows, best first.
fn sorted(scores: &[f64]) -> Vec<usize> {
    let mut ranking: Vec<usize> = (0..scores.len()).collect();
    // Adding zero makes the two zeros one, as rankings have it.
    ranking.sort_by(|a, b| (scores[*b] + 0.0).total_cmp(&(scores[*a] + 0.0)).then(a.cmp(b)));
    ranking
}

/// Average precision, hits at the cutoffs and number of relevant rows, by sorting the whole archive.
fn by_sorting(scores: &[f64], relevant: &[usize]) -> (f64, Vec<usize>, usize) {
    let ranking = sorted(scores);
    let (mut found, mut sum) = (0, 0.0);
    for (place, row) in ranking.iter().enumerate() {
        if relevant.contains(row) {
            found += 1;
            sum += found as f64 / (place + 1) as f64;
        }
    }
    let within = |k: usize| ranking.iter().take(k).filter(|row| relevant.contains(row)).count();
    let ap = if found == 0 { 0.0 } else { sum / found as f64 };
    (ap, CUTOFFS.iter().map(|k| within(*k)).collect(), relevant.len())
}

fn dots(rows: &Embeddings, vector: &[f32]) -> Vec<f64> {
    (0..rows.len())
        .map(|row| rows.row(row).iter().zip(vector).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum())
        .collect()
}

fn in_threads(threads: usize, run: impl Fn() -> Evaluation + Send + Sync) -> Evaluation {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn equals_sorting_every_archive((rows, queries, texts) in cases(), exclude_query: bool) {
        let keys = (0..rows.len()).map(|row| format!("{row}.jpg")).collect();
        let archive = MemoryArchive::new(EncoderSpec::unknown(DIM), keys, rows.clone()).unwrap();
        let images = QueryVectors::images_of(&queries, &archive).unwrap();
        let vectors = QueryVectors { images, texts };
        let weicoms = [0.0, 0.3, 0.5, 1.0].map(|lambda| WeiCom::new(lambda).unwrap());
        let (product, rrf, dbsf, min, slerp) =
            (Product::default(), Rrf::default(), Dbsf, Min::default(), Slerp::default());
        let mut methods: Vec<&dyn Method> = vec![&ImageOnly, &TextOnly, &Sum, &slerp, &product, &rrf, &dbsf, &min];
        methods.extend(weicoms.iter().map(|m| m as &dyn Method));
        prop_assert!(methods[3].kind().composition().is_some(), "one method that makes a vector of the query");

        let options = EvaluateOptions::default().exclude_query(exclude_query);
        let run = || evaluate(&archive, &queries, &vectors, &methods, options).unwrap();
        let evaluation = in_threads(1, run);
        prop_assert_eq!(&evaluation, &in_threads(2, run));
        let with_top = evaluate(&archive, &queries, &vectors, &methods, options.top(7)).unwrap();

        for (group, outcomes) in queries.groups.iter().zip(&evaluation.groups) {
            prop_assert_eq!(group.queries.len(), outcomes.queries.len());
            let tops = with_top.groups.iter().find(|other| other.name == group.name).unwrap();
            for (q, (query, outcomes)) in group.queries.iter().zip(&outcomes.queries).enumerate() {
                let (image, text) = (vectors.images.row(query.image), vectors.texts.row(query.text));
                let (image_dots, text_dots) = (dots(&rows, image), dots(&rows, text));
                let composed = ComposedQuery::new(archive.spec().clone())
                    .with_image(vectors.images.vector(query.image)).unwrap()
                    .with_text(vectors.texts.vector(query.text)).unwrap();
                let own = archive.find(queries.images[query.image].key()).filter(|_| exclude_query);
                let relevant: Vec<usize> = queries.relevant[query.relevant]
                    .iter().copied().filter(|row| Some(*row) != own).collect();
                for (m, (method, outcome)) in methods.iter().zip(outcomes).enumerate() {
                    let mut scores = match m {
                        0 => image_dots.clone(),
                        1 => text_dots.clone(),
                        2 => image_dots.iter().zip(&text_dots).map(|(i, t)| i + t).collect(),
                        _ => {
                            let mut scores = vec![0.0; rows.len()];
                            method.score(&composed, &archive, &mut scores).unwrap();
                            scores.into_iter().map(f64::from).collect()
                        }
                    };
                    if let Some(own) = own {
                        scores[own] = f64::NEG_INFINITY;
                    }
                    let kept: Vec<usize> = tops.queries[q][m].top.iter().map(|scored| scored.row).collect();
                    let mut best = sorted(&scores);
                    best.truncate(7.min(rows.len() - usize::from(own.is_some())));
                    prop_assert_eq!(kept, best, "{}", method.label());
                    let (ap, hits, count) = by_sorting(&scores, &relevant);
                    let label = method.label();
                    prop_assert!((outcome.average_precision - ap).abs() < 1e-12, "{}: {:?}, sorted {}", label, outcome, ap);
                    prop_assert_eq!((&outcome.hits[..], outcome.relevant), (&hits[..], count), "{}", label);
                }
            }
        }
    }
}
