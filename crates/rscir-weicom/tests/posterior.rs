//! Methods by evidence against scores computed in f64 (see data/README.md).

use std::collections::HashMap;

use rscir_core::{
    Archive, ComposedQuery, Embeddings, EncoderSpec, Evidence, Fit, Method, PartKind, fit_list, top_k,
};
use rscir_index::MemoryArchive;
use rscir_weicom::*;
use safetensors::SafeTensors;
use serde_json::Value;

const DIM: usize = 32;

struct Golden {
    tensors: HashMap<String, Vec<f32>>,
    query_rows: Vec<usize>,
    expected: Value,
}

impl Golden {
    fn read() -> Self {
        let path = |file| format!("{}/tests/data/posterior/{file}", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(path("input.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let mut tensors = HashMap::new();
        for name in ["rows", "texts", "vocabulary_mean"] {
            let data = file.tensor(name).unwrap().data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b));
            tensors.insert(name.to_string(), data.collect());
        }
        let query_rows = file.tensor("query_rows").unwrap();
        let query_rows = query_rows.data().as_chunks().0.iter().map(|&b| i32::from_le_bytes(b) as usize);
        let query_rows = query_rows.collect();
        let expected = serde_json::from_slice(&std::fs::read(path("expected.json")).unwrap()).unwrap();
        Self { tensors, query_rows, expected }
    }

    fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.tensors["rows"].chunks_exact(DIM)
    }

    fn image(&self, query: usize) -> Vec<f64> {
        wide(self.rows().nth(self.query_rows[query]).unwrap())
    }

    fn text(&self, query: usize, share: f64) -> Vec<f64> {
        let text = wide(&self.tensors["texts"][query * DIM..(query + 1) * DIM]);
        let mean = wide(&self.tensors["vocabulary_mean"]);
        text.iter().zip(mean).map(|(text, mean)| text - share * mean).collect()
    }

    /// Similarities of all rows in f64.
    fn list(&self, vector: &[f64]) -> Vec<f64> {
        let dot = |row: &[f32]| row.iter().zip(vector).map(|(&x, v)| f64::from(x) * v).sum();
        self.rows().map(dot).collect()
    }

    fn mean(&self) -> Vec<f64> {
        mean(self.rows())
    }

    fn archive(&self) -> MemoryArchive {
        let rows = Embeddings::normalize(DIM, self.tensors["rows"].clone()).unwrap();
        let keys = (0..rows.len()).map(|row| row.to_string()).collect();
        MemoryArchive::new(EncoderSpec::unknown(DIM), keys, rows).unwrap()
    }

    fn query(&self, archive: &MemoryArchive, query: usize) -> ComposedQuery {
        let texts = Embeddings::normalize(DIM, self.tensors["texts"].clone()).unwrap();
        let key = self.query_rows[query].to_string();
        let composed = ComposedQuery::new(EncoderSpec::unknown(DIM));
        let composed = composed.with_image(archive.unit_vector(&key).unwrap()).unwrap();
        composed.with_text(texts.vector(query)).unwrap().with_image_key(key)
    }

    fn vocabulary_mean(&self) -> VocabularyMean {
        let vector = self.tensors["vocabulary_mean"].clone();
        VocabularyMean::new(EncoderSpec::unknown(DIM), 1, vector).unwrap()
    }
}

fn wide(vector: &[f32]) -> Vec<f64> {
    vector.iter().map(|&value| f64::from(value)).collect()
}

fn mean<'a>(rows: impl Iterator<Item = &'a [f32]>) -> Vec<f64> {
    let (mut sum, mut n) = (vec![0.0; DIM], 0.0);
    for row in rows {
        sum.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
        n += 1.0;
    }
    sum.iter().map(|sum| sum / n).collect()
}

fn standardized(list: &[f64]) -> Vec<f64> {
    let n = list.len() as f64;
    let mean = list.iter().sum::<f64>() / n;
    let deviation = (list.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>() / (n - 1.0)).sqrt();
    list.iter().map(|s| (s - mean) / deviation).collect()
}

/// The best twenty, ties by row.
fn best(scores: &[f64]) -> Vec<u64> {
    let mut rows: Vec<u64> = (0..scores.len() as u64).collect();
    rows.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]).then(a.cmp(&b)));
    rows.truncate(20);
    rows
}

fn check(expected: &Value, query: usize, scores: &[f64], tolerance: f64) {
    for (row, want) in expected["scores_of_first_10_rows"][query].as_array().unwrap().iter().enumerate() {
        let (got, want) = (scores[row], want.as_f64().unwrap());
        assert!((got - want).abs() <= tolerance, "query {query}, row {row}: {got} for {want}");
    }
    let top: Vec<u64> =
        expected["top20"][query].as_array().unwrap().iter().filter_map(Value::as_u64).collect();
    assert_eq!(best(scores), top, "query {query}");
}

/// The method's scores in f32, as an archive is asked, are those in f64 but for the rounding of f32.
fn check_method(golden: &Golden, name: &str, method: &dyn Evidence) {
    let archive = golden.archive();
    for query in 0..6 {
        let mut scores = vec![0.0; archive.len()];
        method.score(&golden.query(&archive, query), &archive, &mut scores).unwrap();
        let scores: Vec<f64> = scores.iter().map(|&s| f64::from(method.display_score(s))).collect();
        check(&golden.expected[name], query, &scores, 2e-5);
    }
}

#[test]
fn conjunction_has_the_golden_scores() {
    let (golden, name) = (Golden::read(), "conjunction(slope=1.5,threshold=2.5)");
    for query in 0..6 {
        let image = standardized(&golden.list(&golden.image(query)));
        let text = standardized(&golden.list(&golden.text(query, 0.0)));
        let score =
            |(&i, &t): (&f64, &f64)| Conjunction::log_probability(i) + Conjunction::log_probability(t);
        let scores: Vec<f64> = image.iter().zip(&text).map(score).collect();
        check(&golden.expected[name], query, &scores, 1e-9);
    }
    check_method(&golden, name, &Conjunction::default());
}

#[test]
fn weicom_auto_has_the_golden_lambdas_and_scores() {
    let golden = Golden::read();
    let expected = &golden.expected["weicom:auto"];
    let archive = golden.archive();
    for query in 0..6 {
        let image = nats(&golden.list(&golden.image(query))).unwrap();
        let text = nats(&golden.list(&golden.text(query, 0.0))).unwrap();
        let lambda = text / (image + text);
        for (name, got) in [("nats_image", image), ("nats_text", text), ("lambda", lambda)] {
            let want = expected[name][query].as_f64().unwrap();
            assert!((got - want).abs() < 1e-9, "{name} of query {query}: {got} for {want}");
        }
        // With that lambda it is WeiCom.
        let composed = golden.query(&archive, query);
        let (mut auto, mut fixed) = (vec![0.0; archive.len()], vec![0.0; archive.len()]);
        WeiComByParts::auto().score(&composed, &archive, &mut auto).unwrap();
        WeiCom::new(lambda).unwrap().score(&composed, &archive, &mut fixed).unwrap();
        let order = |scores: &[f32]| top_k(scores, 50).iter().map(|s| s.row).collect::<Vec<_>>();
        assert_eq!(order(&auto), order(&fixed), "query {query}");
    }
    check_method(&golden, "weicom:auto", &WeiComByParts::auto());
}

#[test]
fn posterior_has_the_golden_fits_and_scores() {
    let golden = Golden::read();
    let center = golden.mean();
    for (name, k, share) in
        [("k=20,vocabulary=0.5", 20, 0.5), ("k=20,vocabulary=off", 20, 0.0), ("k=0,vocabulary=off", 0, 0.0)]
    {
        let expected = &golden.expected[name];
        let config = PosteriorConfig::default().neighbors(Neighbors::Fixed(k)).vocabulary(share);
        let method = Posterior::new(config, Some(golden.vocabulary_mean())).unwrap();
        for query in 0..6 {
            let centered: Vec<f64> = golden.image(query).iter().zip(&center).map(|(i, m)| i - m).collect();
            let image = if k == 0 {
                centered
            } else {
                let near = best(&golden.list(&centered));
                let near = near.iter().map(|&row| golden.rows().nth(row as usize).unwrap());
                mean(near).iter().zip(&center).map(|(n, m)| n - m).collect()
            };
            let lists = [golden.list(&image), golden.list(&golden.text(query, share))];
            let mut scores = vec![0.0; lists[0].len()];
            for (kind, part, list) in
                [(PartKind::Image, "fit_image", &lists[0]), (PartKind::Text, "fit_text", &lists[1])]
            {
                let mixture = Mixture::of(list).unwrap();
                for (number, got) in
                    [("slope", mixture.slope), ("threshold", mixture.threshold), ("share", mixture.share)]
                {
                    let want = expected[part][query][number].as_f64().unwrap();
                    assert!(
                        (got - want).abs() < 1e-6,
                        "{name}, {part} {query}: {number} is {got} for {want}"
                    );
                }
                let z = standardized(list);
                scores.iter_mut().zip(z).for_each(|(s, z)| *s += method.log_evidence(kind, &mixture, z));
            }
            check(expected, query, &scores, 1e-6);
        }
        check_method(&golden, name, &method);
    }
}

/// The fits that a method makes of an archive.
fn fits(method: &dyn Evidence, query: &ComposedQuery, archive: &MemoryArchive) -> Vec<Fit> {
    let parts = method.ask(&method.parts(query).unwrap(), archive).unwrap();
    let fit = |part: &rscir_core::AskedPart| {
        let mut list = vec![0.0; archive.len()];
        archive.similarities(rscir_core::Queries::new(DIM, &part.vector).unwrap(), &mut list).unwrap();
        fit_list(method, part, &list)
    };
    parts.iter().map(fit).collect()
}

#[test]
fn neighbors_are_no_more_than_are_nearer_than_chance_allows() {
    use rscir_core::testing::{unit_rows, unit_vector};
    // Seven of 400 tiles are near to the first.
    let (near, mut rows) = (unit_vector(DIM, 3), unit_rows(400, DIM, 4).as_slice().to_vec());
    for (row, values) in rows.chunks_exact_mut(DIM).take(7).enumerate() {
        let noise = if row == 0 { 0.0 } else { 0.3 };
        values.iter_mut().zip(near.iter()).for_each(|(value, near)| *value = near + noise * *value);
    }
    let rows = Embeddings::normalize(DIM, rows).unwrap();
    let keys = (0..400).map(|row| row.to_string()).collect();
    let archive = MemoryArchive::new(EncoderSpec::unknown(DIM), keys, rows).unwrap();
    let query = ComposedQuery::new(EncoderSpec::unknown(DIM)).with_image(near).unwrap().with_image_key("0");
    let neighbors = |k: Neighbors| {
        let method = Posterior::new(PosteriorConfig::default().neighbors(k), None).unwrap();
        method.ask(&method.parts(&query).unwrap(), &archive).unwrap().remove(0).neighbors
    };
    let auto = neighbors(Neighbors::Auto);
    assert!((7..=8).contains(&auto.len()), "{auto:?}");
    let mut nearest = auto[..7].to_vec();
    nearest.sort_unstable();
    assert_eq!(nearest, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(neighbors(Neighbors::Fixed(20)).len(), 20);
    assert_eq!(neighbors(Neighbors::Fixed(20))[..7], auto[..7]);
    assert!(neighbors(Neighbors::Fixed(0)).is_empty());
}

#[test]
fn a_part_against_has_the_fit_of_the_part_and_one_minus_its_probability() {
    let golden = Golden::read();
    let archive = golden.archive();
    let text = golden.query(&archive, 1).text().unwrap().clone();
    let posterior = Posterior::default();
    for method in [&posterior as &dyn Evidence, &Conjunction::default(), &WeiComByParts::auto()] {
        let asked = |weight: f32| {
            let query = ComposedQuery::new(EncoderSpec::unknown(DIM)).and_text(text.clone(), weight).unwrap();
            let part = method.ask(&method.parts(&query).unwrap(), &archive).unwrap().remove(0);
            (part, fits(method, &query, &archive)[0])
        };
        let ((with, fit), (without, fit_without)) = (asked(1.0), asked(-1.0));
        let close = |a: Option<f64>, b: Option<f64>| a.zip(b).is_none_or(|(a, b)| (a - b).abs() < 1e-9);
        assert!(close(fit.slope, fit_without.slope) && close(fit.share, fit_without.share));
        assert!(close(fit.nats, fit_without.nats) && without.against && !with.against);
        for similarity in [-0.2, 0.0, 0.1, 0.4] {
            let p = method.probability(&with, &fit, similarity);
            let q = method.probability(&without, &fit_without, -similarity);
            assert!((p + q - 1.0).abs() < 1e-6, "{}: {p} and {q}", method.label());
        }
    }
}
