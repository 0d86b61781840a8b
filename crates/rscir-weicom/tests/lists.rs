//! Fusions of lists that do not come from one archive.

use rscir_core::testing::{self, unit_rows, unit_vector};
use rscir_core::{ComposedQuery, Embeddings, EncoderSpec, Error as CoreError, Method, fuse_lists};
use rscir_index::MemoryArchive;
use rscir_weicom::{
    Conjunction, Error, ImageOnly, Normalization, Posterior, Rrf, Sum, TwoArchives, WeiCom, WeiComByParts,
    pointwise,
};

const ROWS: usize = 40;

fn keys() -> Vec<String> {
    (0..ROWS).map(|row| format!("{row}.jpg")).collect()
}

fn archive(dim: usize, keys: Vec<String>, rows: Embeddings) -> MemoryArchive {
    MemoryArchive::new(EncoderSpec::unknown(dim), keys, rows).unwrap()
}

fn query(dim: usize, seed: u64) -> ComposedQuery {
    let query = ComposedQuery::new(EncoderSpec::unknown(dim));
    query.with_image(unit_vector(dim, seed)).unwrap().with_text(unit_vector(dim, seed + 1)).unwrap()
}

#[test]
fn two_lists_of_one_archive_are_what_the_method_scores() {
    let archive = archive(6, keys(), unit_rows(ROWS, 6, 1));
    let query = query(6, 5);
    let fusions: [&dyn rscir_core::Fusion; 4] =
        [&WeiCom::new(0.3).unwrap(), &Sum, &ImageOnly, &Rrf::default()];
    let both = TwoArchives::new(&archive, &archive).unwrap();
    for fusion in fusions {
        let mut expected = vec![0.0; ROWS];
        fusion.score(&query, &archive, &mut expected).unwrap();
        assert_eq!(both.score(fusion, &query, &query).unwrap(), expected, "{}", fusion.label());
    }
}

#[test]
fn evidence_of_two_archives_is_that_of_each_matched_by_key() {
    let by_image = archive(6, keys(), unit_rows(ROWS, 6, 1));
    let methods: [&dyn rscir_core::Evidence; 3] =
        [&Posterior::default(), &Conjunction::default(), &WeiComByParts::auto()];
    let both = TwoArchives::new(&by_image, &by_image).unwrap();
    let asked = query(6, 5).and_text(unit_vector(6, 9), -0.5).unwrap();
    let turned: Vec<usize> = (0..ROWS).rev().collect();
    let texts = unit_rows(ROWS, 9, 2);
    let rows = turned.iter().flat_map(|&row| texts.row(row).to_vec()).collect();
    let by_text = archive(9, keys().into_iter().rev().collect(), Embeddings::normalize(9, rows).unwrap());
    let straight = archive(9, keys(), texts);
    for method in methods {
        let mut expected = vec![0.0; ROWS];
        method.score(&asked, &by_image, &mut expected).unwrap();
        assert_eq!(both.score_evidence(method, &asked, &asked).unwrap(), expected, "{}", method.label());
        // The order of the texts' archive changes nothing but the rounding of its statistics.
        let by =
            |texts| TwoArchives::new(&by_image, texts).unwrap().score_evidence(method, &asked, &query(9, 7));
        for (a, b) in by(&by_text).unwrap().iter().zip(by(&straight).unwrap()) {
            assert!((a - b).abs() < 1e-5, "{}: {a} and {b}", method.label());
        }
        let none = ComposedQuery::new(EncoderSpec::unknown(6));
        let error = both.score_evidence(method, &none, &none).unwrap_err();
        assert!(matches!(error, CoreError::MissingPart { .. }), "{error}");
    }
}

#[test]
fn an_archive_for_images_and_one_for_texts_are_matched_by_key() {
    let (images, texts) = (unit_rows(ROWS, 6, 1), unit_rows(ROWS, 9, 2));
    let by_image = archive(6, keys(), images.clone());
    // The texts' archive has its rows the other way round.
    let mut turned = Embeddings::empty(9);
    for row in (0..ROWS).rev() {
        turned.append(&Embeddings::normalize(9, texts.row(row).to_vec()).unwrap()).unwrap();
    }
    let by_text = archive(9, keys().into_iter().rev().collect(), turned);
    let (image, text) = (query(6, 5), query(9, 7));
    let dots = |rows: &Embeddings, vector: &[f32]| -> Vec<f32> {
        let dot =
            |row: &[f32]| -> f64 { row.iter().zip(vector).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
        rows.rows().map(|row| dot(row) as f32).collect()
    };
    let weicom = WeiCom::new(0.4).unwrap();
    let mut expected = vec![0.0; ROWS];
    let lists = (dots(&images, image.image().unwrap()), dots(&texts, text.text().unwrap()));
    fuse_lists(&weicom, &lists.0, &lists.1, &mut expected).unwrap();
    let scores = TwoArchives::new(&by_image, &by_text).unwrap().score(&weicom, &image, &text).unwrap();
    for (row, (got, want)) in scores.iter().zip(&expected).enumerate() {
        assert!((got - want).abs() < 1e-5, "row {row}: {got}, {want}");
    }
}

#[test]
fn archives_of_other_images_and_queries_of_other_encoders_are_refused() {
    let first = archive(6, keys(), unit_rows(ROWS, 6, 1));
    let mut other = keys();
    other[3] = "elsewhere.jpg".into();
    let second = archive(6, other, unit_rows(ROWS, 6, 2));
    match TwoArchives::new(&first, &second) {
        Err(Error::DifferentKeys { key, part: "texts" }) => assert_eq!(key, "3.jpg"),
        other => panic!("{other:?}"),
    }
    let fewer = archive(6, keys().into_iter().skip(1).collect(), unit_rows(ROWS - 1, 6, 2));
    match TwoArchives::new(&fewer, &first) {
        Err(Error::DifferentKeys { key, part: "images" }) => assert_eq!(key, "0.jpg"),
        other => panic!("{other:?}"),
    }
    let both = TwoArchives::new(&first, &first).unwrap();
    let error = both.score(&Sum, &query(6, 1), &query(9, 1)).unwrap_err();
    assert!(matches!(error, CoreError::Spec(_)), "{error}");
    let bare = ComposedQuery::new(EncoderSpec::unknown(6));
    let error = both.score(&Sum, &query(6, 1), &bare).unwrap_err();
    assert!(matches!(error, CoreError::MissingPart { part: "text", .. }), "{error}");
    let error = fuse_lists(&Sum, &[0.0; 3], &[0.0; 2], &mut [0.0; 3]).unwrap_err();
    assert!(matches!(error, CoreError::Length { .. }), "{error}");
    fuse_lists(&ImageOnly, &[0.0; 3], &[], &mut [0.0; 3]).unwrap();
}

#[test]
fn a_pointwise_fusion_keeps_the_promises_of_the_trait() {
    let archive = archive(6, keys(), unit_rows(ROWS, 6, 1));
    let query = query(6, 5);
    for normalization in [Normalization::None, Normalization::Cdf, Normalization::MinMax] {
        let sum = pointwise("total", |image, text| image + text).normalization(normalization).monotone();
        testing::method(&sum, &archive);
        assert_eq!(sum.kind().fusion().unwrap().is_monotone(), normalization != Normalization::MinMax);
    }
    let (mut own, mut house) = (vec![0.0; ROWS], vec![0.0; ROWS]);
    pointwise("total", |image, text| image + text).score(&query, &archive, &mut own).unwrap();
    Sum.score(&query, &archive, &mut house).unwrap();
    assert_eq!(own, house);
    // Nothing is promised that was not said.
    let falls = pointwise("falls", |image: f32, text: f32| text - image);
    assert!(!falls.kind().fusion().unwrap().is_monotone());
    testing::method(&falls, &archive);
}
