use std::ops::Range;

use crate::{Error, Result, ScoreStatistics};

/// Returns the dot product. It is summed in eight lanes, so that the compiler may use vector instructions
/// without changing the order.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0f64; 8];
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a.iter().zip(b) {
        for i in 0..8 {
            lanes[i] += a[i] * b[i];
        }
    }
    let tail: f64 = a_tail.iter().zip(b_tail).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f64>() + tail
}

/// Count, mean and scatter of a set of vectors, in `f64`.
///
/// The scatter is `sum (x - mean)(x - mean)'`, `[dim, dim]`, symmetric, row-major. The mean and the standard
/// deviation of the similarities of *any* query follow from the moments without a scan of the vectors: `mean
/// = mu . q`, `variance = q' S q / (n - 1)`. Moments of parts merge into those of the whole (Chan, Golub and
/// LeVeque, *Updating Formulae and a Pairwise Algorithm for Computing Sample Variances*, 1979).
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    count: u64,
    mean: Vec<f64>,
    scatter: Vec<f64>,
}

impl Moments {
    /// Makes the moments of no vectors, of width `dim`.
    pub fn empty(dim: usize) -> Self {
        Self { count: 0, mean: vec![0.0; dim], scatter: vec![0.0; dim * dim] }
    }

    /// Makes moments from stored values.
    ///
    /// # Errors
    /// [`Error::Length`] if `scatter` is not `[dim, dim]` for a mean of width `dim`.
    pub fn from_parts(count: u64, mean: Vec<f64>, scatter: Vec<f64>) -> Result<Self> {
        Error::check_length("scatter (dim x dim)", mean.len() * mean.len(), scatter.len())?;
        Ok(Self { count, mean, scatter })
    }

    /// Computes the moments of a row-major matrix of vectors `[n, dim]` in two passes.
    ///
    /// # Errors
    /// [`Error::Length`] if `rows` is not a whole number of rows.
    pub fn of(dim: usize, rows: &[f32]) -> Result<Self> {
        let count = crate::Queries::new(dim, rows)?.len();
        Ok(Self::of_blocks(dim, count, |range, out| {
            out.copy_from_slice(&rows[range.start * dim..range.end * dim]);
        }))
    }

    /// Computes the moments of the vectors `0..count` in blocks of 128 rows, with no memory beyond a block.
    /// `fill` writes the vectors of a range, `[n, dim]`, and is called twice for each range.
    pub fn of_blocks(dim: usize, count: usize, fill: impl Fn(Range<usize>, &mut [f32])) -> Self {
        Self::of_blocks_by(dim, count, fill, |centered, scatter| add_products(dim, centered, scatter))
    }

    /// Computes [`Moments::of_blocks`] by a matrix product of the caller's. `add_products` adds `sum c c'`
    /// over the centered vectors `c` of a block, `[n, dim]`, to the upper triangle of the scatter, `[dim,
    /// dim]`.
    pub fn of_blocks_by(
        dim: usize,
        count: usize,
        fill: impl Fn(Range<usize>, &mut [f32]),
        add_products: impl Fn(&[f64], &mut [f64]),
    ) -> Self {
        let mut moments = Self::empty(dim);
        if count == 0 || dim == 0 {
            return Self { count: count as u64, ..moments };
        }
        moments.count = count as u64;
        let blocks = || (0..count).step_by(BLOCK_ROWS).map(|start| start..count.min(start + BLOCK_ROWS));
        let mut rows = vec![0.0f32; BLOCK_ROWS.min(count) * dim];
        for block in blocks() {
            let rows = &mut rows[..block.len() * dim];
            fill(block, rows);
            for row in rows.chunks_exact(dim) {
                for (m, &x) in moments.mean.iter_mut().zip(row) {
                    *m += f64::from(x);
                }
            }
        }
        moments.mean.iter_mut().for_each(|m| *m /= count as f64);
        // The centered values of a block stay in the cache while the scatter is walked once for the whole
        // block.
        let mut centered = vec![0.0f64; rows.len()];
        for block in blocks() {
            let rows = &mut rows[..block.len() * dim];
            let centered = &mut centered[..rows.len()];
            fill(block, rows);
            for (c, x) in centered.chunks_exact_mut(dim).zip(rows.chunks_exact(dim)) {
                for ((c, &x), m) in c.iter_mut().zip(x).zip(&moments.mean) {
                    *c = f64::from(x) - m;
                }
            }
            add_products(centered, &mut moments.scatter);
        }
        // Only the upper triangle was computed. The lower one mirrors it.
        for i in 0..dim {
            for j in 0..i {
                moments.scatter[i * dim + j] = moments.scatter[j * dim + i];
            }
        }
        moments
    }

    /// Adds the moments of other vectors.
    ///
    /// # Errors
    /// [`Error::Length`] if the widths differ.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        Error::check_length("width of the merged moments", self.dim(), other.dim())?;
        if other.count == 0 {
            return Ok(());
        }
        let (a, b) = (self.count as f64, other.count as f64);
        let total = a + b;
        let dim = self.dim();
        let delta: Vec<f64> = other.mean.iter().zip(&self.mean).map(|(o, s)| o - s).collect();
        let weight = a * b / total;
        for (i, (out, added)) in
            self.scatter.chunks_exact_mut(dim.max(1)).zip(other.scatter.chunks_exact(dim.max(1))).enumerate()
        {
            let factor = delta[i] * weight;
            for ((o, &s), d) in out.iter_mut().zip(added).zip(&delta) {
                *o += s + factor * d;
            }
        }
        for (m, d) in self.mean.iter_mut().zip(&delta) {
            *m += d * b / total;
        }
        self.count += other.count;
        Ok(())
    }

    /// Returns the number of vectors.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the width of the vectors.
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// Returns the mean vector, `[dim]`.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Returns the scatter matrix, `[dim, dim]`, row-major.
    pub fn scatter(&self) -> &[f64] {
        &self.scatter
    }

    /// Computes the mean and the standard deviation of the similarities of `query` to all vectors, without a scan.
    ///
    /// # Errors
    /// [`Error::Length`] if the width differs.
    pub fn statistics(&self, query: &[f32]) -> Result<ScoreStatistics> {
        Error::check_length("width of the query", self.dim(), query.len())?;
        let wide: Vec<f64> = query.iter().map(|&q| f64::from(q)).collect();
        let mean = dot(&self.mean, &wide);
        // The scatter is symmetric: the sum takes the diagonal once and everything above it twice.
        let rows = self.scatter.chunks_exact(self.dim().max(1)).enumerate();
        let above = |i: usize, row: &[f64]| 2.0 * dot(&row[i + 1..], &wide[i + 1..]);
        let quadratic: f64 = rows.map(|(i, row)| wide[i] * (row[i] * wide[i] + above(i, row))).sum();
        // Rounding can leave a tiny negative number where all similarities are equal.
        let std_dev =
            if self.count < 2 { 0.0 } else { (quadratic.max(0.0) / (self.count - 1) as f64).sqrt() };
        Ok(ScoreStatistics { count: self.count as usize, mean, std_dev })
    }
}

/// Number of rows whose centered values are held at once. At 768 wide, 128 rows of `f64` fill 786 kB, which
/// fit into a second-level cache.
const BLOCK_ROWS: usize = 128;

/// Adds `sum c c'` over the rows `c` of `centered` to the upper triangle of `scatter`, row after row.
fn add_products(dim: usize, centered: &[f64], scatter: &mut [f64]) {
    for (i, out) in scatter.chunks_exact_mut(dim).enumerate() {
        for c in centered.chunks_exact(dim) {
            let factor = c[i];
            for (o, &v) in out[i..].iter_mut().zip(&c[i..]) {
                *o += factor * v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dots(rows: &[f32], q: &[f32]) -> Vec<f32> {
        rows.chunks_exact(q.len()).map(|r| r.iter().zip(q).map(|(a, b)| a * b).sum()).collect()
    }

    proptest! {
        #[test]
        fn moments_give_the_scans_statistics_and_parts_merge(
            values in prop::collection::vec(-1.0f32..1.0, 6 * 40),
            query in prop::collection::vec(-1.0f32..1.0, 6),
            cut in 0usize..=40,
        ) {
            let whole = Moments::of(6, &values).unwrap();
            let (a, b) = values.split_at(cut * 6);
            let mut merged = Moments::of(6, a).unwrap();
            merged.merge(&Moments::of(6, b).unwrap()).unwrap();
            let scan = ScoreStatistics::of(&dots(&values, &query));
            for m in [&whole, &merged] {
                let s = m.statistics(&query).unwrap();
                prop_assert_eq!(s.count, 40);
                prop_assert!((s.mean - scan.mean).abs() < 1e-6);
                prop_assert!((s.std_dev - scan.std_dev).abs() < 1e-6 * scan.std_dev.max(1e-1));
            }
        }
    }

    #[test]
    fn widths_must_agree() {
        assert!(Moments::empty(3).merge(&Moments::empty(4)).is_err());
        assert!(Moments::empty(3).statistics(&[0.0; 4]).is_err());
        assert!(Moments::from_parts(1, vec![0.0; 2], vec![0.0; 3]).is_err());
    }
}
