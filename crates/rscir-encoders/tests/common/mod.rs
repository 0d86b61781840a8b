//! What several tests of the encoders need: the small models, what their authors' code makes of them, and a sink.

#![allow(dead_code, unreachable_pub, reason = "shared by tests, each of which uses its part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rscir_core::{EmbeddingSink, Embeddings, Fingerprint, SinkRow};
use safetensors::SafeTensors;

/// Largest difference of an element of a unit vector: f32 sums in another order.
pub const TOLERANCE: f32 = 2e-5;

/// Returns the path of a small model's folder, or of a file beside the models.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/encoders").join(name)
}

/// Reads the shape and the bytes of a tensor of the expectations.
pub fn tensor(name: &str) -> (Vec<usize>, Vec<u8>) {
    let bytes = std::fs::read(folder("expected.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor(name).unwrap();
    (tensor.shape().to_vec(), tensor.data().to_vec())
}

/// Returns the largest difference between two vectors of one length.
pub fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Keeps the rows by their keys.
#[derive(Default)]
pub struct Rows(pub BTreeMap<String, Vec<f32>>);

impl EmbeddingSink for Rows {
    fn fingerprint(&self, _: &str) -> Option<Fingerprint> {
        None
    }

    fn commit(&mut self, keys: &[SinkRow<'_>], rows: &Embeddings) -> rscir_core::Result<()> {
        let keys = keys.iter().map(|row| row.key.to_owned());
        self.0.extend(keys.zip(rows.rows().map(<[f32]>::to_vec)));
        Ok(())
    }
}
