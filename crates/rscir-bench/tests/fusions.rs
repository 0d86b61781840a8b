//! Fusions of one's own beside those of the house: what they share and what they do not.

use rscir_bench::{EvaluateOptions, Query, QueryGroup, QuerySet, QueryVectors, evaluate};
use rscir_core::testing::unit_rows;
use rscir_core::{
    Archive, ComposedQuery, EncoderSpec, Fusion, Kind, Method, MethodInfo, Modality, NormalizationKey,
    ScoreStatistics, score_fusion,
};
use rscir_index::MemoryArchive;
use rscir_weicom::{Min, Normalization, WeiCom, pointwise};

const ROWS: usize = 60;
const DIM: usize = 8;

/// Sums the similarities as they are, and calls itself what anyone would call a z-score.
struct Zscore;

impl Method for Zscore {
    fn info(&self) -> MethodInfo {
        MethodInfo::new("zscore")
    }

    fn score(
        &self,
        query: &ComposedQuery,
        archive: &dyn Archive,
        scores: &mut [f32],
    ) -> rscir_core::Result<()> {
        score_fusion(self, query, archive, scores)
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Fusion(self)
    }
}

impl Fusion for Zscore {
    fn modality(&self) -> Modality {
        Modality::Both
    }

    fn normalization(&self) -> NormalizationKey {
        NormalizationKey::of::<Self>()
    }

    fn is_monotone(&self) -> bool {
        true
    }

    fn normalize(&self, similarities: &[f32], _: &ScoreStatistics, normalized: &mut [f32]) {
        normalized.copy_from_slice(similarities);
    }

    fn combine(&self, image: &[f32], text: &[f32], scores: &mut [f32]) {
        for ((score, i), t) in scores.iter_mut().zip(image).zip(text) {
            *score = i + t;
        }
    }
}

/// Average precisions of each method by its label, whatever the order.
fn figures(methods: &[&dyn Method]) -> Vec<(String, Vec<f64>)> {
    let keys = (0..ROWS).map(|row| format!("{row}.jpg")).collect();
    let archive = MemoryArchive::new(EncoderSpec::unknown(DIM), keys, unit_rows(ROWS, DIM, 1)).unwrap();
    let asked = (0..12).map(|i| Query { image: i, text: i % 3, relevant: i % 4 }).collect();
    let queries = QuerySet {
        images: (0..12).map(|i| format!("{i}.jpg").into()).collect(),
        texts: (0..3).map(|t| format!("text {t}")).collect(),
        relevant: (0..4).map(|set| (set..ROWS).step_by(7).collect()).collect(),
        groups: vec![QueryGroup { name: "all".into(), queries: asked, gallery: None }],
    };
    let images = QueryVectors::images_of(&queries, &archive).unwrap();
    let vectors = QueryVectors { images, texts: unit_rows(3, DIM, 2) };
    let outcome = evaluate(&archive, &queries, &vectors, methods, EvaluateOptions::default()).unwrap();
    let aps = |m: usize| outcome.groups[0].queries.iter().map(|of| of[m].average_precision).collect();
    let mut figures: Vec<_> =
        outcome.methods.iter().enumerate().map(|(m, method)| (method.label.clone(), aps(m))).collect();
    figures.sort_by(|a, b| a.0.cmp(&b.0));
    figures
}

#[test]
fn figures_do_not_depend_on_the_order_of_methods_that_are_named_alike() {
    let weicom = WeiCom::new(0.3).unwrap().with_normalization(Normalization::ZScore);
    let pair = |a: &dyn Method, b: &dyn Method| figures(&[a, b]);
    let first = pair(&Zscore, &weicom);
    assert_eq!(first, pair(&weicom, &Zscore));
    let alone = [figures(&[&weicom]), figures(&[&Zscore])].concat();
    assert_eq!(first, alone);
    assert_ne!(first[0].1, first[1].1, "the two rank differently, or nothing is shown");
}

#[test]
fn a_fusion_that_hands_back_a_key_of_the_house_shares_its_lists() {
    let min = Min { normalization: Normalization::ZScore };
    let own = pointwise("lesser", f32::min).normalization(Normalization::ZScore).monotone();
    assert_eq!(own.kind().fusion().unwrap().normalization(), Fusion::normalization(&min));
    let both = figures(&[&min, &own]);
    assert_eq!(both[0].1, both[1].1);
    assert_eq!((both[0].0.as_str(), both[1].0.as_str()), ("lesser(norm=zscore)", "min(norm=zscore)"));
    // All normalizations differ from one another, and a key of one's own from all of them.
    let mut keys: Vec<NormalizationKey> = [
        Normalization::Cdf,
        Normalization::ReferenceCdf,
        Normalization::ZScore,
        Normalization::MinMax,
        Normalization::None,
    ]
    .map(Normalization::key)
    .into();
    keys.push(Zscore.normalization());
    for (i, key) in keys.iter().enumerate() {
        assert!(keys[..i].iter().all(|other| other != key), "{key:?}");
    }
}
