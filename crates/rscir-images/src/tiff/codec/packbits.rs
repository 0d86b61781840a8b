//! PackBits (TIFF 6.0, section 9).

/// Decompresses the first `length` bytes. The result is longer if its last run is, and shorter if the data end early.
pub(super) fn expand(mut raw: &[u8], length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(length);
    while let ([code, rest @ ..], true) = (raw, out.len() < length) {
        let code = *code as i8;
        match (code, rest) {
            (0.., _) => {
                let (literal, rest) = rest.split_at(rest.len().min(code as usize + 1));
                out.extend_from_slice(literal);
                raw = rest;
            }
            (-128, rest) => raw = rest,
            (_, [value, rest @ ..]) => {
                out.resize(out.len() + 1 + usize::from(code.unsigned_abs()), *value);
                raw = rest;
            }
            (_, []) => raw = rest,
        }
    }
    out
}
