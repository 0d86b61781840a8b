//! A method of your own: implement two traits, and every engine takes it.

#![allow(clippy::print_stdout, reason = "a program speaks to its user")]

use std::borrow::Cow;

use rscir::core::{Fusion, Modality, ScoreStatistics, score_fusion};
use rscir::prelude::*;

/// The harmonic mean of both similarities, moved from -1..1 to 0..1: high only where both are.
struct Harmonic;

impl Method for Harmonic {
    fn label(&self) -> String {
        "harmonic".into()
    }

    fn score(
        &self,
        query: &ComposedQuery,
        archive: &dyn Archive,
        scores: &mut [f32],
    ) -> rscir::core::Result<()> {
        score_fusion(self, query, archive, scores)
    }

    // Engines then share similarities between queries, and search may be exact without looking at every row.
    fn as_fusion(&self) -> Option<&dyn Fusion> {
        Some(self)
    }
}

impl Fusion for Harmonic {
    fn modality(&self) -> Modality {
        Modality::Both
    }

    fn normalization(&self) -> Cow<'static, str> {
        "unit interval".into()
    }

    fn is_pointwise(&self) -> bool {
        true
    }

    fn normalize(&self, similarities: &[f32], _: &ScoreStatistics, normalized: &mut [f32]) {
        for (v, s) in normalized.iter_mut().zip(similarities) {
            *v = (s + 1.0) / 2.0;
        }
    }

    fn combine(&self, image: &[f32], text: &[f32], scores: &mut [f32]) {
        for ((score, i), t) in scores.iter_mut().zip(image).zip(text) {
            *score = 2.0 * i * t / (i + t).max(f32::MIN_POSITIVE);
        }
    }
}

fn main() -> anyhow::Result<()> {
    let rows = rscir::core::testing::unit_rows(1000, 64, 1);
    let keys = (0..1000).map(|row| format!("tile{row}.png")).collect();
    let archive = MemoryArchive::new(EncoderSpec::unknown(64), keys, rows)?;
    // What every implementor must keep, checked.
    rscir::core::testing::method(&Harmonic, &archive);

    let query = ComposedQuery::new(EncoderSpec::unknown(64))
        .with_image(rscir::core::testing::unit_vector(64, 2))?
        .with_text(rscir::core::testing::unit_vector(64, 3))?;
    for hit in rscir::search(&archive, &Harmonic, &query, 3)? {
        println!("{:.4} {}", hit.score, hit.key);
    }
    Ok(())
}
