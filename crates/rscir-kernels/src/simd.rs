//! Sixteen lanes of f32 or of 32 bits, in the registers that the machine has.
//!
//! Every instruction set offers the same sixteen lanes (one AVX-512 register, two of AVX2, four of NEON, an
//! array), fuses multiply-adds, and adds up lanes in the same tree. So a kernel written over [`Simd`] gives
//! the same bits on every machine, and the tests check that.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use portable::Portable;

/// Number of lanes in a vector.
pub(crate) const LANES: usize = 16;

/// Number of lanes in a vector of f64.
pub(crate) const F64_LANES: usize = 8;

/// A token of an instruction set. A value exists only on a CPU that has the instructions, which makes the
/// operations safe.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// Tells whether there are enough registers for tiles of 24 accumulators.
    const WIDE: bool;
    /// Tells whether [`Simd::dot_bytes`] takes signed bytes on both sides.
    const SIGNED_BYTES: bool = false;

    /// Sixteen f32.
    type F: Copy;
    /// Sixteen lanes of 32 bits: an i32, two bf16 or four bytes each.
    type I: Copy;
    /// Eight f64.
    type D: Copy;

    fn splat(self, x: f32) -> Self::F;
    fn load(self, x: &[f32; LANES]) -> Self::F;
    /// Loads at most sixteen values into the first lanes, and zeros into the rest.
    fn load_partial(self, x: &[f32]) -> Self::F;
    fn store(self, x: Self::F, to: &mut [f32; LANES]);
    /// Stores the first lanes, at most sixteen.
    fn store_partial(self, x: Self::F, to: &mut [f32]);

    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// Computes `a * b + c`, rounded once.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// Computes `a * b + c` of single f64, rounded once, for loops that compilers turn into vector
    /// instructions.
    #[inline(always)]
    fn mul_add_f64(self, a: f64, b: f64, c: f64) -> f64 {
        a.mul_add(b, c)
    }
    /// Returns the larger of each two lanes, or `b` if either is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// Returns the smaller of each two lanes, or `b` if either is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// Rounds to the nearest integer, halves to even.
    fn round(self, x: Self::F) -> Self::F;
    /// Computes `2^n` for integral lanes from -126 to 127.
    fn exp2_integral(self, n: Self::F) -> Self::F;

    /// Sums the lanes: halves are added until one lane is left.
    fn sum(self, x: Self::F) -> f32;
    /// Sums each of four rows of six vectors, each as [`Simd::sum`] does.
    #[inline(always)]
    fn sum_rows(self, x: [[Self::F; 6]; 4]) -> [[f32; 6]; 4] {
        x.map(|row| row.map(|x| self.sum(x)))
    }

    /// Loads sixteen f16 and widens them.
    fn load_f16(self, x: &[u16; LANES]) -> Self::F;
    /// Loads sixteen bf16 and widens them.
    fn load_bf16(self, x: &[u16; LANES]) -> Self::F;

    fn splat_bits(self, x: u32) -> Self::I;
    fn load_bits(self, x: &[u32; LANES]) -> Self::I;
    fn load_bytes(self, x: &[i8; 4 * LANES]) -> Self::I;
    fn as_f32(self, x: Self::I) -> Self::F;
    /// Returns the bits of the lanes as 32-bit lanes.
    fn as_bits(self, x: Self::F) -> Self::I;
    /// Returns the lanes as an array.
    fn bits(self, x: Self::I) -> [u32; LANES];
    /// Adds integers of 32 bits.
    fn add_bits(self, a: Self::I, b: Self::I) -> Self::I;
    /// Converts each lane, an i32, to f32.
    fn to_f32(self, x: Self::I) -> Self::F;
    /// Flips the highest bit of each byte: an i8 becomes the u8 that is larger by 128.
    fn flip_signs(self, x: Self::I) -> Self::I;

    /// Transposes four rows of sixteen in squares of four: result `j` has in each quarter `q` of its lanes
    /// the lanes `4 q + j` of the four rows.
    #[inline(always)]
    fn transpose4(self, rows: [Self::I; 4]) -> [Self::I; 4] {
        let rows = rows.map(|row| self.bits(row));
        let mut columns = [[0; LANES]; 4];
        for (j, column) in columns.iter_mut().enumerate() {
            for i in 0..LANES {
                column[i] = rows[i % 4][i / 4 * 4 + j];
            }
        }
        columns.map(|column| self.load_bits(&column))
    }
    /// Writes the quarters of the lanes to the starts of four rows, `stride` apart.
    #[inline(always)]
    fn store_quarters(self, x: Self::I, to: &mut [u32], stride: usize) {
        for (q, quarter) in self.bits(x).as_chunks::<4>().0.iter().enumerate() {
            to[q * stride..q * stride + 4].copy_from_slice(quarter);
        }
    }

    /// Rounds thirty-two numbers to bf16, halves to even, two to a lane, in order. NaN stays NaN; subnormal
    /// numbers may become zeros.
    #[inline(always)]
    fn to_bf16(self, low: Self::F, high: Self::F) -> Self::I {
        let [low, high] = [low, high].map(|x| self.bits(self.as_bits(x)));
        let mut words = [0; LANES];
        for i in 0..LANES / 2 {
            words[i] = bf16_pair(low[2 * i], low[2 * i + 1]);
            words[LANES / 2 + i] = bf16_pair(high[2 * i], high[2 * i + 1]);
        }
        self.load_bits(&words)
    }
    /// Rounds the two numbers of each lane like [`Simd::to_bf16`], with `even` in the low half.
    #[inline(always)]
    fn zip_bf16(self, even: Self::F, odd: Self::F) -> Self::I {
        let [even, odd] = [even, odd].map(|x| self.bits(self.as_bits(x)));
        let mut words = [0; LANES];
        for i in 0..LANES {
            words[i] = bf16_pair(even[i], odd[i]);
        }
        self.load_bits(&words)
    }
    /// Converts sixty-four integral numbers to bytes, in order. Numbers below 0 or above 255 become 0 or 255.
    #[inline(always)]
    fn to_bytes(self, x: [Self::F; 4]) -> Self::I {
        let x = x.map(|x| self.bits(self.as_bits(x)));
        let mut words = [0; LANES];
        for (word, x) in words.iter_mut().zip(x.as_flattened().as_chunks::<4>().0) {
            *word = u32::from_le_bytes(x.map(|x| f32::from_bits(x) as u8));
        }
        self.load_bits(&words)
    }

    fn splat_f64(self, x: f64) -> Self::D;
    fn load_f64(self, x: &[f64; F64_LANES]) -> Self::D;
    fn store_f64(self, x: Self::D, to: &mut [f64; F64_LANES]);
    /// Computes `a * b + c` with the product rounded before the sum, which gives the same bits as code
    /// without vectors.
    fn mul_then_add_f64(self, a: Self::D, b: Self::D, c: Self::D) -> Self::D;

    /// Prefetches the cache line at an address into the second-level cache. The address need not be readable.
    fn prefetch(self, at: *const f32);

    /// Adds to each lane the products of its two bf16, the second product first, each rounded once.
    fn dot_bf16(self, sum: Self::F, a: Self::I, b: Self::I) -> Self::F;
    /// Adds to each lane, an i32, the products of its four bytes: those of `a` unsigned, or signed with
    /// [`Simd::SIGNED_BYTES`], those of `b` signed and not -128.
    fn dot_bytes(self, sum: Self::I, a: Self::I, b: Self::I) -> Self::I;

    /// Returns the two bf16 of each lane as f32, the second one first, which is the order of
    /// [`Simd::dot_bf16`].
    #[inline(always)]
    fn unfold_bf16(self, x: Self::I) -> [Self::I; 2] {
        let x = self.bits(x);
        [self.load_bits(&x.map(|x| x & 0xffff_0000)), self.load_bits(&x.map(|x| x << 16))]
    }
    /// Returns the unsigned bytes of each lane as two numbers of 16 bits: the bytes at even places, then
    /// those at odd places.
    #[inline(always)]
    fn unfold_u8(self, x: Self::I) -> [Self::I; 2] {
        let x = self.bits(x);
        [self.load_bits(&x.map(|x| x & 0x00ff_00ff)), self.load_bits(&x.map(|x| x >> 8 & 0x00ff_00ff))]
    }
    /// Returns the signed bytes of each lane as two numbers of 16 bits, in the order of [`Simd::unfold_u8`].
    #[inline(always)]
    fn unfold_i8(self, x: Self::I) -> [Self::I; 2] {
        let pair = |low: u8, high: u8| {
            let [low, high] = [low, high].map(|byte| u32::from(i16::from(byte as i8) as u16));
            high << 16 | low
        };
        let x = self.bits(x).map(u32::to_le_bytes);
        [self.load_bits(&x.map(|x| pair(x[0], x[2]))), self.load_bits(&x.map(|x| pair(x[1], x[3])))]
    }
    /// Adds to each lane, an i32, the products of its two i16.
    #[inline(always)]
    fn dot_i16(self, sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        let (mut sums, a, b) = (self.bits(sum), self.bits(a), self.bits(b));
        for i in 0..LANES {
            for shift in [0, 16] {
                let [a, b] = [a[i], b[i]].map(|x| i32::from((x >> shift) as i16));
                sums[i] = sums[i].wrapping_add((a * b) as u32);
            }
        }
        self.load_bits(&sums)
    }
}

/// Rounds two f32, given by their bits, to bf16 and puts them into one word. NaN stays NaN.
#[inline(always)]
fn bf16_pair(low: u32, high: u32) -> u32 {
    let round = |bits: u32| {
        let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
        let quiet = bits | 0x0040_0000;
        if f32::from_bits(bits).is_nan() { quiet } else { rounded }
    };
    round(high) & 0xffff_0000 | round(low) >> 16
}
