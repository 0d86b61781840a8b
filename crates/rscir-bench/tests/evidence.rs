//! Methods by evidence are evaluated by lists that queries share, and their outcomes are those of their own scores.

use rscir_bench::{EvaluateOptions, Query, QueryGroup, QuerySet, QueryVectors, evaluate};
use rscir_core::testing::unit_rows;
use rscir_core::{Archive, ComposedQuery, EncoderSpec, Method, MethodInfo};
use rscir_index::MemoryArchive;
use rscir_weicom::{Conjunction, Neighbors, Posterior, PosteriorConfig, VocabularyMean, WeiComByParts};

const ROWS: usize = 90;
const DIM: usize = 8;

/// A method of which engines know nothing but its scores.
struct ByScores<'a>(&'a dyn Method);

impl Method for ByScores<'_> {
    fn info(&self) -> MethodInfo {
        self.0.info()
    }

    fn score(
        &self,
        query: &ComposedQuery,
        archive: &dyn Archive,
        scores: &mut [f32],
    ) -> rscir_core::Result<()> {
        self.0.score(query, archive, scores)
    }
}

/// Every tile asks with two texts, in two groups; the second is asked on a third of the tiles.
fn queries(archive: &dyn Archive) -> QuerySet {
    let gallery: Vec<usize> = (0..ROWS).step_by(3).collect();
    let relevant = (0..5).map(|class| (0..ROWS).filter(|row| row % 15 == 3 * class).collect()).collect();
    let asked =
        |image: usize| [0, 1].map(|text| Query { image, text: (image + text) % 5, relevant: image % 5 });
    let group = |name: &str, images: &[usize], gallery| QueryGroup {
        name: name.into(),
        queries: images.iter().copied().flat_map(asked).collect(),
        gallery,
    };
    let all: Vec<usize> = (0..ROWS).collect();
    QuerySet {
        images: (0..ROWS).map(|row| archive.key(row).into()).collect(),
        texts: (0..5).map(|text| format!("text {text}")).collect(),
        relevant,
        groups: vec![group("all", &all, None), group("some", &gallery, Some(gallery.clone()))],
    }
}

#[test]
fn outcomes_are_those_of_the_methods_own_scores() {
    let rows = unit_rows(ROWS, DIM, 1);
    let keys = (0..ROWS).map(|row| format!("{row:03}.png")).collect();
    let archive = MemoryArchive::new(EncoderSpec::unknown(DIM), keys, rows.clone()).unwrap();
    let queries = queries(&archive);
    let vectors = QueryVectors { images: rows, texts: unit_rows(5, DIM, 2) };
    let mean = VocabularyMean::new(EncoderSpec::unknown(DIM), 7, vectors.texts.row(0).to_vec()).unwrap();
    let config = |change: fn(&mut PosteriorConfig)| {
        let mut config = PosteriorConfig::default();
        change(&mut config);
        Posterior::new(config, Some(mean.clone())).unwrap()
    };
    let methods: [&dyn Method; 8] = [
        &Posterior::default(),
        &config(|_| {}),
        &config(|c| (c.neighbors, c.order) = (Neighbors::Auto, 0.0)),
        &config(|c| c.lambda = 0.75),
        &Conjunction::default(),
        &Conjunction::new(0.0).unwrap(),
        &Conjunction::new(1.0).unwrap(),
        &WeiComByParts::auto(),
    ];
    let by_scores = methods.map(ByScores);
    let by_scores = by_scores.each_ref().map(|method| method as &dyn Method);
    for options in [EvaluateOptions::default().top(7), EvaluateOptions::default().exclude_query(true).top(7)]
    {
        let shared = evaluate(&archive, &queries, &vectors, &methods, options).unwrap();
        let alone = evaluate(&archive, &queries, &vectors, &by_scores, options).unwrap();
        assert_eq!(shared, alone);
    }
}
