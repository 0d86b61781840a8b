//! Rotary positions of queries and keys.

use rayon::prelude::*;

use crate::isa::{Isa, Kernel};
use crate::simd::{LANES, Simd};

/// Rows in a task: some microseconds of work.
const ROWS: usize = 16;

/// The angles by which [`rotate`] turns, and the division of the rows into heads.
#[derive(Debug, Clone, Copy)]
pub struct Rotation<'a> {
    /// Cosines of the angles, `[tokens, half]`.
    pub cos: &'a [f32],
    /// Sines of the same angles, `[tokens, half]`.
    pub sin: &'a [f32],
    /// Number of pairs in a head, which is half its width.
    pub half: usize,
    /// Number of heads of the queries, equal to that of the keys.
    pub heads: usize,
}

/// Turns the queries and keys of `qkv[batch, tokens, 3 width]` in place, each pair of values by the angle of
/// its token (Su et al., RoFormer, 2021): `(a, b)` becomes `(a cos - b sin, b cos + a sin)`. A pair is a
/// value of the first half of a head and the value at the same place in the second half. The values after the
/// keys stay.
///
/// # Panics
/// Panics if `sin` is not as long as `cos`, or if `qkv` is not a whole number of items with as many tokens.
pub fn rotate(rotation: Rotation<'_>, qkv: &mut [f32]) {
    let Rotation { cos, sin, half, heads } = rotation;
    assert_eq!(cos.len(), sin.len(), "a sine for each cosine");
    if qkv.is_empty() {
        return;
    }
    assert!(half > 0 && heads > 0 && cos.len().is_multiple_of(half), "whole rows of {half} angles");
    let (tokens, row) = (cos.len() / half, 3 * heads * 2 * half);
    assert!(tokens > 0 && qkv.len().is_multiple_of(tokens * row), "whole batches of {tokens} x {row}");
    let isa = Isa::current();
    qkv.par_chunks_mut(ROWS * row).enumerate().for_each(|(task, rows)| {
        isa.run(Rotate { rotation, rows, first: task * ROWS, tokens });
    });
}

struct Rotate<'a> {
    rotation: Rotation<'a>,
    rows: &'a mut [f32],
    /// Number of the first row.
    first: usize,
    tokens: usize,
}

impl Kernel for Rotate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Rotation { cos, sin, half, heads } = self.rotation;
        let head = 2 * half;
        for (at, row) in self.rows.chunks_exact_mut(3 * heads * head).enumerate() {
            let angles = (self.first + at) % self.tokens * half;
            let (cos, last_cos) = cos[angles..][..half].as_chunks::<LANES>();
            let (sin, last_sin) = sin[angles..][..half].as_chunks::<LANES>();
            for pairs in row[..2 * heads * head].chunks_exact_mut(head) {
                let (a, b) = pairs.split_at_mut(half);
                let (a, last_a) = a.as_chunks_mut::<LANES>();
                let (b, last_b) = b.as_chunks_mut::<LANES>();
                for i in 0..a.len() {
                    let (x, y) = (simd.load(&a[i]), simd.load(&b[i]));
                    let (cos, sin) = (simd.load(&cos[i]), simd.load(&sin[i]));
                    simd.store(simd.sub(simd.mul(x, cos), simd.mul(y, sin)), &mut a[i]);
                    simd.store(simd.mul_add(x, sin, simd.mul(y, cos)), &mut b[i]);
                }
                let (x, y) = (simd.load_partial(last_a), simd.load_partial(last_b));
                let (cos, sin) = (simd.load_partial(last_cos), simd.load_partial(last_sin));
                simd.store_partial(simd.sub(simd.mul(x, cos), simd.mul(y, sin)), last_a);
                simd.store_partial(simd.mul_add(x, sin, simd.mul(y, cos)), last_b);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_turned_by_their_tokens_angles_and_values_stay() {
        // Widths below, at and above a register.
        for half in [1, 8, 19, 2 * LANES] {
            let (tokens, heads) = (5, 3);
            let angle = |token: usize, pair: usize| (token * 7 + pair) as f32 * 0.3;
            let table = |f: fn(f32) -> f32| -> Vec<f32> {
                (0..tokens * half).map(|at| f(angle(at / half, at % half))).collect()
            };
            let (cos, sin) = (table(f32::cos), table(f32::sin));
            let width = heads * 2 * half;
            // More rows than a task has.
            let rows = 4 * tokens;
            let before: Vec<f32> =
                (0..rows * 3 * width).map(|at| ((at * 31) % 97) as f32 / 50.0 - 1.0).collect();
            let mut after = before.clone();
            rotate(Rotation { cos: &cos, sin: &sin, half, heads }, &mut after);
            for row in 0..rows {
                for at in 0..3 * width {
                    let (place, within) = (row * 3 * width + at, at % (2 * half));
                    let (sin, cos) = angle(row % tokens, within % half).sin_cos();
                    let expected = match within < half {
                        _ if at >= 2 * width => before[place],
                        true => before[place] * cos - before[place + half] * sin,
                        false => before[place] * cos + before[place - half] * sin,
                    };
                    assert!((after[place] - expected).abs() < 1e-6, "{half}: row {row}, {at}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "whole batches")]
    fn a_part_of_a_batch_is_refused() {
        rotate(Rotation { cos: &[1.0; 4], sin: &[0.0; 4], half: 2, heads: 1 }, &mut [0.0; 12]);
    }
}
