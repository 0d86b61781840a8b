//! Weighted sums of rows of bytes: all the arithmetic of a resize.

use pulp::{Arch, Simd, WithSimd};

use super::filter::{PRECISION_BITS, Taps};

/// Half a unit of the result: sums are rounded, not cut.
const HALF: i32 = 1 << (PRECISION_BITS - 1);

/// Rows of bytes, `stride` apart; the last one may end before its stride does.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) data: &'a [u8],
    pub(super) stride: usize,
}

impl<'a> Rows<'a> {
    /// The rows from number `row` on, without their first bytes.
    pub(super) fn from(self, row: usize, byte: usize) -> Self {
        Self { data: &self.data[row * self.stride + byte..], ..self }
    }
}

/// Rows of bytes to be written, `stride` apart, `width` bytes in each.
pub(super) struct RowsMut<'a> {
    pub(super) data: &'a mut [u8],
    pub(super) stride: usize,
    pub(super) width: usize,
}

/// Makes each row of `out` the sum of its window of `input`, whose first row is number `first` of the taps.
pub(super) fn sum_rows(input: Rows<'_>, taps: &Taps, first: usize, out: RowsMut<'_>) {
    Arch::new().dispatch(SumRows { input, taps, first, out });
}

struct SumRows<'a> {
    input: Rows<'a>,
    taps: &'a Taps,
    first: usize,
    out: RowsMut<'a>,
}

/// The code below is written for the compiler to vectorize, and compiled once for each instruction set; only what is
/// inlined here is.
impl WithSimd for SumRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { input, taps, first, out } = self;
        let windows = taps.starts.iter().zip(taps.weights.chunks_exact(taps.count));
        for (row, (start, weights)) in out.data.chunks_mut(out.stride).zip(windows) {
            let window = input.from(start - first, 0);
            // Chunks of 64 and 16 bytes fill the registers of every instruction set; the rest goes one by one.
            let row = &mut row[..out.width];
            let done = sum_chunks::<64>(window, weights, row);
            let done = done + sum_chunks::<16>(window.from(0, done), weights, &mut row[done..]);
            sum_chunks::<1>(window.from(0, done), weights, &mut row[done..]);
        }
    }
}

/// Sums as many chunks of `N` bytes as `out` holds, and tells how many bytes that was.
#[inline(always)]
fn sum_chunks<const N: usize>(window: Rows<'_>, weights: &[i32], out: &mut [u8]) -> usize {
    let (chunks, _) = out.as_chunks_mut::<N>();
    let done = chunks.len() * N;
    for (chunk, out) in chunks.iter_mut().enumerate() {
        let mut sums = [HALF; N];
        // Every row of the window is whole, but the compiler cannot know, and a check that may panic in this loop keeps
        // the sums out of registers.
        let columns = window.data.get(chunk * N..).unwrap_or_default();
        for (row, weight) in columns.chunks(window.stride).zip(weights) {
            let Some(bytes) = row.first_chunk::<N>() else { break };
            sums = std::array::from_fn(|i| sums[i] + i32::from(bytes[i]) * weight);
        }
        *out = sums.map(|sum| (sum >> PRECISION_BITS).clamp(0, 255) as u8);
    }
    done
}
