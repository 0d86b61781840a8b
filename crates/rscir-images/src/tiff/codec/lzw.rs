//! LZW (TIFF 6.0, section 13).

use weezl::{BitOrder, LzwStatus, decode::Decoder};

use crate::ImageProblem;
use crate::tiff::damaged;

/// Decompresses the first `length` bytes. The result is shorter if the stream ends early.
pub(super) fn expand(mut raw: &[u8], length: usize) -> Result<Vec<u8>, ImageProblem> {
    // Before TIFF 6.0, codes were packed from the low bit up and grew one code later. Such streams are recognized by
    // the code 256 at their beginning, packed in this way (libtiff, tif_lzw.c).
    let mut decoder = match raw {
        [0, second, ..] if second & 1 == 1 => Decoder::new(BitOrder::Lsb, 8),
        _ => Decoder::with_tiff_size_switch(BitOrder::Msb, 8),
    };
    let mut out = vec![0; length];
    let mut filled = 0;
    while filled < length {
        let step = decoder.decode_bytes(raw, out.get_mut(filled..).unwrap_or_default());
        raw = raw.get(step.consumed_in..).unwrap_or_default();
        filled += step.consumed_out;
        match step.status.map_err(damaged)? {
            LzwStatus::Ok => {}
            LzwStatus::NoProgress | LzwStatus::Done => break,
        }
    }
    out.truncate(filled);
    Ok(out)
}
