use std::io::{self, Write};

/// Writes numbers as little-endian `f32`.
pub(super) fn write_values(out: &mut dyn Write, values: &[f32]) -> io::Result<()> {
    /// Numbers that are converted to bytes at once: a page's worth.
    const CHUNK: usize = 1024;
    let mut bytes = Vec::with_capacity(4 * CHUNK);
    for chunk in values.chunks(CHUNK) {
        bytes.clear();
        bytes.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
        out.write_all(&bytes)?;
    }
    Ok(())
}
