//! Reads the vectors of a query from a file.

use std::path::Path;

use anyhow::Context;
use rscir::core::files::read_text;
use rscir::prelude::*;
use serde_json::Value;

/// Most bytes of the file. Two vectors of 16,384 numbers in decimals take less than a megabyte.
const MAX_BYTES: u64 = 4 << 20;

/// The vectors of a query that was encoded elsewhere.
pub(crate) struct QueryVectors {
    /// Name of the file.
    pub(crate) name: String,
    pub(crate) image: Option<UnitVector>,
    pub(crate) text: Option<UnitVector>,
}

impl QueryVectors {
    /// Reads `{"query": [[...], [...]]}`. The first vector is the image's, the second the text's.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = read_text(path, MAX_BYTES)?;
        let parse = || {
            let json: Value = serde_json::from_str(&text)?;
            let form = "expected {\"query\": [[...], [...]]}, one or two vectors";
            let vectors = json.get("query").and_then(Value::as_array).context(form)?;
            anyhow::ensure!((1..=2).contains(&vectors.len()), "there are {} vectors: {form}", vectors.len());
            let vector = |at: usize| vectors.get(at).map_or(Ok(None), |value| vector(at, value));
            let (image, text) = (vector(0)?, vector(1)?);
            anyhow::ensure!(image.is_some() || text.is_some(), "there is no vector: {form}");
            Ok((image, text))
        };
        let (image, text) = parse().with_context(|| format!("--query-vectors {}", path.display()))?;
        let name = path.file_name().unwrap_or(path.as_os_str()).display().to_string();
        Ok(Self { name, image, text })
    }

    /// Checks that the vectors have the width of an archive's.
    pub(crate) fn check(&self, dim: usize) -> anyhow::Result<()> {
        for (at, vector) in [&self.image, &self.text].into_iter().enumerate() {
            let width = vector.as_ref().map_or(dim, |vector| vector.len());
            anyhow::ensure!(
                width == dim,
                "--query-vectors {}: vector {at} (from 0) has {width} numbers, and the archive's have {dim}: another model made \
                 them",
                self.name
            );
        }
        Ok(())
    }
}

/// Parses a vector. Returns `None` for `null`.
fn vector(at: usize, value: &Value) -> anyhow::Result<Option<UnitVector>> {
    if value.is_null() {
        return Ok(None);
    }
    let numbers = value.as_array().map(|numbers| numbers.iter().map(|n| Some(n.as_f64()? as f32)).collect());
    let numbers: Vec<f32> =
        numbers.flatten().with_context(|| format!("vector {at} (from 0) is no list of numbers"))?;
    let vector = UnitVector::normalize(numbers).with_context(|| format!("vector {at} (from 0)"))?;
    Ok(Some(vector))
}
