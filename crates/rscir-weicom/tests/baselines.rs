//! Baselines against their equations, computed naively in f64.

use std::sync::Arc;

use rscir_core::testing::{self, unit_rows, unit_vector};
use rscir_core::{Archive, ComposedQuery, EncoderSpec, Method, top_k};
use rscir_index::MemoryArchive;
use rscir_weicom::*;

const ROWS: usize = 60;
const DIM: usize = 8;

fn archive() -> MemoryArchive {
    let keys = (0..ROWS).map(|row| format!("{row}.jpg")).collect();
    MemoryArchive::new(EncoderSpec::unknown(DIM), keys, unit_rows(ROWS, DIM, 1)).unwrap()
}

fn query() -> ComposedQuery {
    let query = ComposedQuery::new(EncoderSpec::unknown(DIM)).with_image(unit_vector(DIM, 2)).unwrap();
    query.with_text(unit_vector(DIM, 3)).unwrap()
}

fn scores(method: &dyn Method) -> Vec<f32> {
    let mut scores = vec![0.0; ROWS];
    method.score(&query(), &archive(), &mut scores).unwrap();
    scores
}

fn ranking(method: &dyn Method) -> Vec<usize> {
    top_k(&scores(method), ROWS).iter().map(|scored| scored.row).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// Both similarities of every row.
fn lists() -> [Vec<f64>; 2] {
    let (archive, query) = (archive(), query());
    [query.image().unwrap().to_vec(), query.text().unwrap().to_vec()]
        .map(|vector| archive.embeddings().rows().map(|row| dot(row, &vector)).collect())
}

fn vocabulary() -> Arc<Vocabulary> {
    let words = (0..12).map(|word| word.to_string()).collect();
    Arc::new(Vocabulary::new(words, unit_rows(12, DIM, 5)).unwrap())
}

fn assert_close(got: &[f32], want: impl Iterator<Item = f64>) {
    for (row, (&got, want)) in got.iter().zip(want).enumerate() {
        assert!((f64::from(got) - want).abs() < 1e-5, "row {row}: {got} for {want}");
    }
}

#[test]
fn one_vector_ranks_as_the_sum_of_z_scores() {
    assert_eq!(ranking(&ZScoreVector), ranking(&Stouffer));
    let [image, text] = lists();
    let standardized = |list: &[f64]| {
        let mean = list.iter().sum::<f64>() / ROWS as f64;
        let deviation = (list.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (ROWS - 1) as f64).sqrt();
        list.iter().map(move |s| (s - mean) / deviation).collect::<Vec<_>>()
    };
    let (image, text) = (standardized(&image), standardized(&text));
    assert_close(&scores(&Stouffer), image.iter().zip(&text).map(|(i, t)| (i + t) / 2f64.sqrt()));
}

#[test]
fn a_grid_on_the_great_circle_ranks_as_the_point_half_way() {
    assert_eq!(ranking(&SlerpGrid::default()), ranking(&Slerp::default()));
    assert!(SlerpGrid::new(0).is_err());
}

#[test]
fn harris_is_the_product_less_the_squared_sum() {
    let [image, text] = lists();
    let value = |(i, t): (&f64, &f64)| {
        let (i, t) = (i.max(0.0), t.max(0.0));
        i * t - 0.1 * (i + t).powi(2)
    };
    assert_close(&scores(&Harris::default()), image.iter().zip(&text).map(value));
}

#[test]
fn gr_clip_is_the_cosine_of_centered_vectors() {
    let (archive, query) = (archive(), query());
    let mean = VocabularyMean::of(&vocabulary(), EncoderSpec::unknown(DIM)).unwrap();
    let method = GrClip::new(0.3, mean.clone()).unwrap();
    testing::method(&method, &archive);
    let (image, text) = (query.image().unwrap(), query.text().unwrap());
    let of_images = archive.moments().mean();
    let mixed: Vec<f64> = (0..DIM)
        .map(|d| {
            let (text, image) =
                (f64::from(text[d]) - f64::from(mean.vector()[d]), f64::from(image[d]) - of_images[d]);
            0.3 * text + 0.7 * image
        })
        .collect();
    let cosine = |row: &[f32]| {
        let row: Vec<f64> = row.iter().zip(of_images).map(|(&x, m)| f64::from(x) - m).collect();
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        product(&row, &mixed) / (product(&row, &row) * product(&mixed, &mixed)).sqrt()
    };
    assert_close(&scores(&method), archive.embeddings().rows().map(cosine));
}

#[test]
fn inverted_softmax_takes_off_what_a_row_shares_with_the_banks() {
    let archive = archive();
    let method = InvertedSoftmax::new(10.0, vocabulary()).unwrap();
    testing::method(&method, &archive);
    let common = |row: &[f32], bank: &[f32]| {
        let sum: f64 = bank.chunks_exact(DIM).map(|query| (10.0 * dot(query, row)).exp()).sum();
        (sum / (bank.len() / DIM) as f64).ln() / 10.0
    };
    let [image, text] = lists();
    let rows = archive.embeddings().rows().map(|row| {
        common(row, archive.embeddings().as_slice()) + common(row, vocabulary().features().as_slice())
    });
    assert_close(&scores(&method), image.iter().zip(&text).zip(rows).map(|((i, t), common)| i + t - common));
    // Another archive has other hubs.
    let other =
        MemoryArchive::new(EncoderSpec::unknown(DIM), vec!["a".into()], unit_rows(1, DIM, 9)).unwrap();
    let mut score = [0.0];
    method.score(&query(), &other, &mut score).unwrap();
    assert!(score[0].is_finite());
    assert!(InvertedSoftmax::new(0.0, vocabulary()).is_err());
}

#[test]
fn entropy_weights_keep_the_promises_of_a_method() {
    testing::method(&EntropyWeights::default(), &archive());
    assert!(EntropyWeights::new(1).is_err());
}

#[test]
fn fisher_asks_for_either_part() {
    // A tile far out in one list is before one that is good in both.
    let fusion = Fisher;
    use rscir_core::{Fusion, ScoreStatistics};
    let statistics = ScoreStatistics { count: 9, mean: 0.0, std_dev: 1.0 };
    let (mut image, mut text, mut scores) = ([0.0; 2], [0.0; 2], [0.0; 2]);
    fusion.normalize(&[6.0, 3.0], &statistics, &mut image);
    fusion.normalize(&[0.0, 3.0], &statistics, &mut text);
    fusion.combine(&image, &text, &mut scores);
    assert!(scores[0] > scores[1]);
    Stouffer.combine(&[6.0, 3.0], &[0.0, 3.1], &mut scores);
    assert!(scores[0] < scores[1]);
}
