//! Sixteen lanes of f32 or of 32 bits, in whatever registers the machine has.
//!
//! Every instruction set offers the same sixteen lanes (one AVX-512 register, two of AVX2, four of NEON, an array), fuses its
//! multiply-adds and adds up lanes in the same tree. So a kernel written over [`Simd`] gives the same bits on
//! every machine, and the tests ask for just that.

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

/// Lanes of a vector.
pub(crate) const LANES: usize = 16;

/// Lanes of a vector of f64.
pub(crate) const F64_LANES: usize = 8;

/// A token of an instruction set: who holds one is on a CPU that has it, which makes the operations safe.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// Registers enough for tiles of 24 accumulators.
    const WIDE: bool;

    /// Sixteen f32.
    type F: Copy;
    /// Sixteen lanes of 32 bits: an i32, two bf16 or four bytes each.
    type I: Copy;
    /// Eight f64.
    type D: Copy;

    fn splat(self, x: f32) -> Self::F;
    fn load(self, x: &[f32; LANES]) -> Self::F;
    /// The first lanes from `x`, at most sixteen; zeros in the rest.
    fn load_partial(self, x: &[f32]) -> Self::F;
    fn store(self, x: Self::F, to: &mut [f32; LANES]);
    /// The first lanes into `to`, at most sixteen.
    fn store_partial(self, x: Self::F, to: &mut [f32]);

    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, rounded once.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The same of single f64, for loops that compilers turn into vectors by themselves.
    #[inline(always)]
    fn mul_add_f64(self, a: f64, b: f64, c: f64) -> f64 {
        a.mul_add(b, c)
    }
    /// The larger of each two lanes, `b` where either is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// The smaller of each two lanes, `b` where either is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// The nearest integer, halves to even.
    fn round(self, x: Self::F) -> Self::F;
    /// `2^n` for integral lanes from -126 to 127.
    fn exp2_integral(self, n: Self::F) -> Self::F;

    /// The sum of the lanes: halves are added until one lane is left.
    fn sum(self, x: Self::F) -> f32;
    /// The sums of four vectors, each as [`Simd::sum`] has it.
    #[inline(always)]
    fn sum4(self, x: [Self::F; 4]) -> [f32; 4] {
        [self.sum(x[0]), self.sum(x[1]), self.sum(x[2]), self.sum(x[3])]
    }

    /// Sixteen f16, widened.
    fn load_f16(self, x: &[u16; LANES]) -> Self::F;
    /// Sixteen bf16, widened.
    fn load_bf16(self, x: &[u16; LANES]) -> Self::F;

    fn splat_bits(self, x: u32) -> Self::I;
    fn load_bits(self, x: &[u32; LANES]) -> Self::I;
    fn load_bytes(self, x: &[i8; 4 * LANES]) -> Self::I;
    fn as_f32(self, x: Self::I) -> Self::F;
    /// The bits of the lanes.
    fn as_bits(self, x: Self::F) -> Self::I;
    /// The lanes.
    fn bits(self, x: Self::I) -> [u32; LANES];
    /// Each lane an i32, converted.
    fn to_f32(self, x: Self::I) -> Self::F;
    /// Each byte with its highest bit flipped: an i8 becomes the u8 that is larger by 128.
    fn flip_signs(self, x: Self::I) -> Self::I;

    /// Transposes four rows of sixteen in squares of four: result `j` has, in each quarter `q` of its lanes, the lanes
    /// `4 q + j` of the four rows.
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

    /// Thirty-two numbers rounded to bf16, halves to even, two a lane in their order. NaN stays NaN; subnormal numbers
    /// may become zeros.
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
    /// Each two numbers of a lane rounded as by [`Simd::to_bf16`], `even` in the low half.
    #[inline(always)]
    fn zip_bf16(self, even: Self::F, odd: Self::F) -> Self::I {
        let [even, odd] = [even, odd].map(|x| self.bits(self.as_bits(x)));
        let mut words = [0; LANES];
        for i in 0..LANES {
            words[i] = bf16_pair(even[i], odd[i]);
        }
        self.load_bits(&words)
    }
    /// Sixty-four integral numbers as bytes in their order, those below 0 or above 255 as these.
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
    /// `a * b + c`, the product rounded before the sum: the same bits as without vectors.
    fn mul_then_add_f64(self, a: Self::D, b: Self::D, c: Self::D) -> Self::D;

    /// Asks for the cache line at an address, which need not be readable, in the second-level cache.
    fn prefetch(self, at: *const f32);

    /// Adds to each lane the products of its two bf16, the second product first, each rounded once.
    fn dot_bf16(self, sum: Self::F, a: Self::I, b: Self::I) -> Self::F;
    /// Adds to each lane, an i32, the products of its four bytes: those of `a` unsigned, those of `b` signed.
    fn dot_u8_i8(self, sum: Self::I, a: Self::I, b: Self::I) -> Self::I;

    /// The two bf16 of each lane as f32, the second one first, as [`Simd::dot_bf16`] adds up their products.
    #[inline(always)]
    fn unfold_bf16(self, x: Self::I) -> [Self::I; 2] {
        let x = self.bits(x);
        [self.load_bits(&x.map(|x| x & 0xffff_0000)), self.load_bits(&x.map(|x| x << 16))]
    }
    /// The unsigned bytes of each lane as two of 16 bits: those at even places, then those at odd ones.
    #[inline(always)]
    fn unfold_u8(self, x: Self::I) -> [Self::I; 2] {
        let x = self.bits(x);
        [self.load_bits(&x.map(|x| x & 0x00ff_00ff)), self.load_bits(&x.map(|x| x >> 8 & 0x00ff_00ff))]
    }
    /// The same of signed bytes.
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

/// Two f32, given by their bits, rounded to bf16 and put into one word. NaN stays NaN.
#[inline(always)]
fn bf16_pair(low: u32, high: u32) -> u32 {
    let round = |bits: u32| {
        let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
        let quiet = bits | 0x0040_0000;
        if f32::from_bits(bits).is_nan() { quiet } else { rounded }
    };
    round(high) & 0xffff_0000 | round(low) >> 16
}
