//! Weighted sums of rows of bytes: all the arithmetic of a resize.

use pulp::{Arch, Simd, WithSimd};

use super::filter::{PRECISION_BITS, Taps};

/// Half a unit of the result. A sum begins with it, so that the shift at the end rounds.
const HALF: i32 = 1 << (PRECISION_BITS - 1);

/// Rows of bytes, `stride` bytes apart. The last row may be shorter than the stride.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) data: &'a [u8],
    pub(super) stride: usize,
}

impl<'a> Rows<'a> {
    /// Returns the rows from number `row` on, without the first `byte` bytes of each.
    pub(super) fn from(self, row: usize, byte: usize) -> Self {
        Self { data: &self.data[row * self.stride + byte..], ..self }
    }
}

/// Rows of `width` bytes to write, `stride` bytes apart.
pub(super) struct RowsMut<'a> {
    pub(super) data: &'a mut [u8],
    pub(super) stride: usize,
    pub(super) width: usize,
}

/// Writes into each row of `out` the weighted sum of its window of rows of `input`, whose first row has the number
/// `first` in the taps.
pub(super) fn sum_rows(input: Rows<'_>, taps: &Taps, first: usize, out: RowsMut<'_>) {
    Arch::new().dispatch(SumRows { input, taps, first, out });
}

struct SumRows<'a> {
    input: Rows<'a>,
    taps: &'a Taps,
    first: usize,
    out: RowsMut<'a>,
}

/// The compiler vectorizes this code once for each instruction set. Only functions that are inlined into it are
/// compiled so.
impl WithSimd for SumRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { input, taps, first, out } = self;
        let windows = taps.starts.iter().zip(taps.weights.chunks_exact(taps.count));
        for (row, (start, weights)) in out.data.chunks_mut(out.stride).zip(windows) {
            let window = input.from(start - first, 0);
            // Chunks of 64 and 16 bytes fill the registers of every instruction set. The remaining bytes are summed one
            // by one.
            let row = &mut row[..out.width];
            let done = sum_chunks::<64>(window, weights, row);
            let done = done + sum_chunks::<16>(window.from(0, done), weights, &mut row[done..]);
            sum_chunks::<1>(window.from(0, done), weights, &mut row[done..]);
        }
    }
}

/// Sums as many chunks of `N` bytes as `out` holds, and returns how many bytes these are.
#[inline(always)]
fn sum_chunks<const N: usize>(window: Rows<'_>, weights: &[i32], out: &mut [u8]) -> usize {
    let (chunks, _) = out.as_chunks_mut::<N>();
    let done = chunks.len() * N;
    for (chunk, out) in chunks.iter_mut().enumerate() {
        let mut sums = [HALF; N];
        // Every row of the window is whole, but the compiler does not know it, and a check that may panic would keep
        // the sums out of registers: hence `get` and `first_chunk` in place of indices.
        let columns = window.data.get(chunk * N..).unwrap_or_default();
        for (row, weight) in columns.chunks(window.stride).zip(weights) {
            let Some(bytes) = row.first_chunk::<N>() else { break };
            sums = std::array::from_fn(|i| sums[i] + i32::from(bytes[i]) * weight);
        }
        *out = sums.map(|sum| (sum >> PRECISION_BITS).clamp(0, 255) as u8);
    }
    done
}
