//! The oracle for searches: the textbook formulas in `f64`, row by row, and archives that are hard to rank.

use proptest::prelude::*;
use rscir_core::testing::unit_rows;
use rscir_core::{ComposedQuery, Embeddings, EncoderSpec, Method, UnitVector};
use rscir_index::{Hit, MemoryArchive};
use rscir_weicom::{ImageOnly, Product, Sum, TextOnly, WeiCom};

/// The monotone fusions that the oracle knows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Composition {
    Image,
    Text,
    Sum,
    Product,
    WeiCom(f64),
}

impl Composition {
    pub(crate) fn method(self) -> Box<dyn Method> {
        match self {
            Self::Image => Box::new(ImageOnly),
            Self::Text => Box::new(TextOnly),
            Self::Sum => Box::new(Sum),
            Self::Product => Box::new(Product::default()),
            Self::WeiCom(lambda) => Box::new(WeiCom::new(lambda).unwrap()),
        }
    }

    /// Computes the scores of all rows.
    fn scores(self, rows: &Embeddings, image: &[f32], text: &[f32]) -> Vec<f64> {
        let similarities = |q: &[f32]| -> Vec<f64> {
            rows.rows()
                .map(|row| row.iter().zip(q).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum())
                .collect()
        };
        let (i, t) = (similarities(image), similarities(text));
        let both = |f: &dyn Fn(f64, f64) -> f64| i.iter().zip(&t).map(|(&i, &t)| f(i, t)).collect();
        match self {
            Self::Image => i,
            Self::Text => t,
            Self::Sum => both(&|i, t| i + t),
            Self::Product => both(&|i, t| i.max(0.0) * t.max(0.0)),
            Self::WeiCom(0.0) => i,
            Self::WeiCom(1.0) => t,
            Self::WeiCom(lambda) => {
                let (ci, ct) = (cdf_of_z_scores(&i), cdf_of_z_scores(&t));
                ci.iter().zip(ct).map(|(i, t)| (1.0 - lambda) * i + lambda * t).collect()
            }
        }
    }
}

fn cdf_of_z_scores(s: &[f64]) -> Vec<f64> {
    let n = s.len() as f64;
    let mean = s.iter().sum::<f64>() / n;
    let deviation = (s.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    s.iter()
        .map(|s| if deviation > 0.0 { 0.5 * erfc((mean - s) / deviation / 2f64.sqrt()) } else { 0.5 })
        .collect()
}

/// Computes the complementary error function: its Maclaurin series near 0, its continued fraction beyond
/// (Abramowitz and Stegun, 7.1.5 and 7.1.14).
fn erfc(x: f64) -> f64 {
    let scale = 2.0 / std::f64::consts::PI.sqrt();
    if x.abs() < 2.5 {
        let (mut term, mut sum) = (x, x);
        for n in 1..60 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        1.0 - scale * sum
    } else if x < 0.0 {
        2.0 - erfc(-x)
    } else {
        let fraction = (1..60).rev().fold(x, |f, n| x + f64::from(n) / 2.0 / f);
        (-x * x).exp() / fraction * scale / 2.0
    }
}

#[test]
fn erfc_has_its_tabulated_values() {
    // The values are from Abramowitz and Stegun, tables 7.1 and 7.3.
    for (x, expected) in [(0.0, 1.0), (0.5, 0.479_500_122_2), (2.0, 0.004_677_734_98), (3.0, 2.209_049_7e-5)]
    {
        assert!((erfc(x) - expected).abs() < 1e-9 && (erfc(-x) - (2.0 - expected)).abs() < 1e-9, "{x}");
    }
}

/// An archive, a query and the options of a search.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) rows: Embeddings,
    pub(crate) image: UnitVector,
    pub(crate) text: UnitVector,
    pub(crate) composition: Composition,
    pub(crate) k: usize,
}

impl Case {
    pub(crate) fn archive(&self) -> MemoryArchive {
        archive(self.rows.clone())
    }

    pub(crate) fn query(&self) -> ComposedQuery {
        query(&self.image, &self.text)
    }

    /// Checks that the ranking is the oracle's. Rows whose scores differ by at most `tie` may change places.
    pub(crate) fn check(&self, hits: &[Hit], tie: f64) -> Result<(), TestCaseError> {
        let scores = self.composition.scores(&self.rows, &self.image, &self.text);
        let mut sorted = scores.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        prop_assert_eq!(hits.len(), self.k.min(scores.len()));
        for (place, (hit, expected)) in hits.iter().zip(sorted).enumerate() {
            let got = scores[hit.row];
            prop_assert!((got - expected).abs() <= tie, "place {}: {} instead of {}", place, got, expected);
        }
        Ok(())
    }
}

pub(crate) fn archive(rows: Embeddings) -> MemoryArchive {
    let keys = (0..rows.len()).map(|row| format!("tile {row}")).collect();
    MemoryArchive::new(EncoderSpec::unknown(rows.dim()), keys, rows).unwrap()
}

pub(crate) fn query(image: &UnitVector, text: &UnitVector) -> ComposedQuery {
    let query = ComposedQuery::new(EncoderSpec::unknown(image.len()));
    query.with_image(image.clone()).unwrap().with_text(text.clone()).unwrap()
}

/// Generates cases of all kinds: random rows, rows in a narrow cone like those of CLIP, a few directions with
/// many rows each, and rows that differ from the query by so little that their scores are nearly equal.
pub(crate) fn cases() -> impl Strategy<Value = Case> {
    let shape = (1usize..150, 1usize..40, any::<u64>(), 0..4u8);
    let composition = prop_oneof![
        Just(Composition::Image),
        Just(Composition::Text),
        Just(Composition::Sum),
        Just(Composition::Product),
        (0..=10u8).prop_map(|tenths| Composition::WeiCom(f64::from(tenths) / 10.0)),
    ];
    (shape, composition, 0usize..20).prop_map(|((n, dim, seed, kind), composition, k)| {
        let noise = unit_rows(n, dim, seed);
        let queries = unit_rows(2, dim, seed ^ 1);
        let values = (0..n).flat_map(|row| {
            let noise = noise.row(match kind {
                2 => row % 3,
                _ => row,
            });
            let (towards, spread) = match kind {
                1 => (0, 0.7),
                3 if row % 2 == 0 => (row / 2 % 2, 1e-5),
                _ => return noise.to_vec(),
            };
            queries.row(towards).iter().zip(noise).map(|(q, x)| q + spread * x).collect()
        });
        let values = values.collect();
        Case {
            rows: Embeddings::normalize(dim, values).unwrap(),
            image: queries.vector(0),
            text: queries.vector(1),
            composition,
            k,
        }
    })
}
