//! Measures which of two instructions is faster.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::{Isa, Kernel};
use crate::layout::Line;
use crate::simd::Simd;
use crate::tile::{Bf16, Product, Single, TALL, tile};

/// Vectors of a tile, as in the linear layers.
const VECTORS: usize = 2;

/// Groups of bf16 in a tile; there are twice as many in f32. Together they take 24 KB, which the first-level
/// cache holds.
const DEPTH: usize = 64;

/// Tiles in a measurement: some tens of microseconds.
const TILES: usize = 50;

/// Measurements of each instruction, in turn. The fastest counts, because disturbances can only make a loop
/// slower.
const ROUNDS: usize = 8;

/// Tells whether multiplying pairs of bf16 by the instructions of `newer` takes less time than multiplying
/// their elements one by one in f32 by those of `older`.
pub(super) fn bf16_instructions_pay(newer: Isa, older: Isa) -> bool {
    let mut least = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        least[0] = least[0].min(time::<Bf16>(newer, DEPTH));
        least[1] = least[1].min(time::<Single>(older, 2 * DEPTH));
    }
    least[0] < least[1]
}

fn time<P: Product>(isa: Isa, depth: usize) -> Duration {
    // The word is 1 and 1 as two bf16, and close to 1 as one f32.
    let one = 0x3f80_3f80;
    let (x, y) = (vec![[one; TALL]; depth], vec![[Line([one; 16]); VECTORS]; depth]);
    let tiles = Tiles::<P> { x: &x, y: &y, product: std::marker::PhantomData };
    let start = Instant::now();
    isa.run_exact(tiles);
    start.elapsed()
}

struct Tiles<'a, P> {
    x: &'a [[u32; TALL]],
    y: &'a [[Line; VECTORS]],
    product: std::marker::PhantomData<P>,
}

impl<P: Product> Kernel for Tiles<'_, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut sums = [[P::zero(simd); VECTORS]; TALL];
        for _ in 0..TILES {
            tile::<S, P, VECTORS>(simd, black_box(self.x), black_box(self.y), TALL, &[], &mut sums);
            black_box(&sums);
        }
    }
}
