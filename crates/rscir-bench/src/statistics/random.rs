/// SplitMix64 (Steele, Lea, Flood 2014). Published figures must not depend on the version of a crate.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    /// Makes the random stream `stream` under a seed. Streams are independent of the order in which they are
    /// drawn from.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut start = Self(seed);
        let key = start.next();
        Self(key ^ Self(stream).next())
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `n`, by the high half of a product (Lemire 2019). Its bias, below `n` in 2^64,
    /// is negligible.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }
}
