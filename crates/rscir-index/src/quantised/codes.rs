use std::ops::Range;

use rayon::prelude::*;
use rscir_core::{Archive, Error as CoreError};

use crate::Result;

/// Integers lie within -127 and 127, so that negating one never overflows.
const LARGEST: f64 = 127.0;

/// Rows of so many values have products that fit an `i32`, whatever the kernel adds to its bytes on the way.
const MAX_DIM: usize = 131_071;

/// Rows that one task quantises.
const RANGE: usize = 1024;

/// Rows as integers, with what is needed to bound the error of a similarity computed from them.
pub(super) struct RowCodes {
    dim: usize,
    /// Subtracted from every row, `[dim]`.
    centre: Vec<f32>,
    /// `[n, dim]`.
    codes: Vec<i8>,
    /// `[n]`.
    scales: Vec<f32>,
    /// At least the length of what rounding left of each row, `[n]`.
    residuals: Vec<f32>,
    /// At least the length of the longest row.
    longest_row: f64,
    /// At least the length of the longest row of integers, scaled.
    longest_code: f64,
}

impl RowCodes {
    pub(super) fn of(archive: &dyn Archive) -> Result<Self> {
        let (n, dim) = (archive.len(), archive.dim());
        if dim > MAX_DIM {
            return Err(CoreError::Parameter {
                name: "width of the rows",
                value: dim.to_string(),
                expected: "at most 131071, so that 8-bit products fit 32 bits",
            }
            .into());
        }
        let centre: Vec<f32> = archive.moments().mean().iter().map(|&m| m as f32).collect();
        let mut codes = vec![0; n * dim];
        let (mut scales, mut residuals) = (vec![0.0; n], vec![0.0; n]);
        let parts = codes
            .par_chunks_mut(RANGE * dim.max(1))
            .zip(scales.par_chunks_mut(RANGE))
            .zip(residuals.par_chunks_mut(RANGE))
            .enumerate();
        let longest = parts.map(|(part, ((codes, scales), residuals))| {
            let mut longest = (0.0f64, 0.0f64);
            let rows = codes.chunks_exact_mut(dim.max(1)).zip(scales).zip(residuals).enumerate();
            for (i, ((codes, scale), residual)) in rows {
                let row = archive.vector(part * RANGE + i);
                let centred = row.iter().zip(&centre).map(|(&x, &m)| f64::from(x) - f64::from(m));
                let (step, left) = quantise(centred, codes);
                *scale = step;
                // Up, whatever the conversion did.
                *residual = (left * (1.0 + SLACK)) as f32;
                *residual = residual.next_up();
                let code = length(codes.iter().map(|&c| f64::from(c))) * f64::from(step);
                longest = (longest.0.max(length(row.iter().map(|&x| f64::from(x)))), longest.1.max(code));
            }
            longest
        });
        let (longest_row, longest_code) = longest.reduce(|| (0.0, 0.0), |a, b| (a.0.max(b.0), a.1.max(b.1)));
        Ok(Self { dim, centre, codes, scales, residuals, longest_row, longest_code })
    }

    /// Integer products of the rows `rows` with some codes, `[codes, rows]`, exact.
    pub(super) fn products(&self, codes: &[i8], rows: Range<usize>, out: &mut Vec<i32>) {
        let (m, n, k) = (codes.len() / self.dim.max(1), rows.len(), self.dim);
        out.resize(m * n, 0);
        rscir_kernels::matmul_nt_i8(codes, &self.codes[rows.start * k..rows.end * k], m, n, k, out);
    }

    /// Upper ends of the similarities of the rows from `first` on, given their products with a query's codes, `[2, n]`.
    pub(super) fn upper_ends(
        &self,
        query: &QueryCodes,
        first: usize,
        products: &[i32],
    ) -> impl Iterator<Item = f32> {
        let (coarse, fine) = products.split_at(products.len() / 2);
        let rows = first..first + coarse.len();
        let stored = self.scales[rows.clone()].iter().zip(&self.residuals[rows]);
        let products = coarse.iter().zip(fine);
        products.zip(stored).map(|((&c, &f), (&s, &r))| query.interval([c, f], s, r).1)
    }

    /// The lower end of the `i`th of them.
    pub(super) fn lower_end(&self, query: &QueryCodes, first: usize, products: &[i32], i: usize) -> f32 {
        let (coarse, fine) = products.split_at(products.len() / 2);
        let row = first + i;
        query.interval([coarse[i], fine[i]], self.scales[row], self.residuals[row]).0
    }
}

/// More than all rounding errors of `f64` in sums of [`MAX_DIM`] products, relative to their size.
const SLACK: f64 = 1e-9;

/// A query as integers.
pub(super) struct QueryCodes {
    /// The query, then what that leaves, `[2, dim]`.
    pub(super) codes: Vec<i8>,
    scales: [f64; 2],
    /// The product with the centre of the rows.
    offset: f64,
    length: f64,
    /// The part of the error that is the same for all rows.
    error: f64,
}

impl QueryCodes {
    pub(super) fn of(query: &[f32], rows: &RowCodes) -> Self {
        let wide: Vec<f64> = query.iter().map(|&q| f64::from(q)).collect();
        let mut codes = vec![0; 2 * query.len()];
        let (coarse, fine) = codes.split_at_mut(query.len());
        let (coarse_scale, _) = quantise(wide.iter().copied(), coarse);
        let coarse_scale = f64::from(coarse_scale);
        let left = wide.iter().zip(&*coarse).map(|(q, &c)| q - coarse_scale * f64::from(c));
        let (fine_scale, left) = quantise(left, fine);

        let length = length(wide.iter().copied());
        let terms = query.len() as f64 * f64::from(f32::EPSILON) / 2.0;
        let product = length * rows.longest_row;
        // The scan's rounding; that of the ends of the interval to f32, each within an epsilon of a number of that
        // size; that of f64.
        let error = left * rows.longest_code
            + product * terms / (1.0 - terms)
            + (1.0 + 3.0 * product) * (f64::from(f32::EPSILON) + SLACK);
        Self {
            codes,
            scales: [coarse_scale, f64::from(fine_scale)],
            offset: wide.iter().zip(&rows.centre).map(|(q, &m)| q * f64::from(m)).sum(),
            length,
            error,
        }
    }

    /// The interval in which the similarity of a row lies, as a scan computes it, given its products with both codes.
    #[inline]
    fn interval(&self, [coarse, fine]: [i32; 2], scale: f32, residual: f32) -> (f32, f32) {
        let product = self.scales[0] * f64::from(coarse) + self.scales[1] * f64::from(fine);
        let estimate = self.offset + f64::from(scale) * product;
        let error = f64::from(residual) * self.length + self.error;
        ((estimate - error) as f32, (estimate + error) as f32)
    }
}

/// Rounds values to multiples of the returned scale; gives the length of what is left too.
fn quantise(values: impl Iterator<Item = f64> + Clone, codes: &mut [i8]) -> (f32, f64) {
    let largest = values.clone().fold(0.0f64, |largest, v| largest.max(v.abs()));
    let scale = (largest / LARGEST) as f32;
    let step = f64::from(scale);
    let mut left = 0.0;
    for (code, v) in codes.iter_mut().zip(values) {
        // Without a scale there is nothing but zeros, or values too small for one: all of them are left.
        let rounded = if step > 0.0 { (v / step).round_ties_even().clamp(-LARGEST, LARGEST) } else { 0.0 };
        *code = rounded as i8;
        left += (v - step * rounded).powi(2);
    }
    (scale, left.sqrt())
}

fn length(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt() * (1.0 + SLACK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryArchive;
    use proptest::prelude::*;
    use rscir_core::testing::unit_rows;
    use rscir_core::{Embeddings, EncoderSpec, Queries};

    fn archive(rows: Embeddings) -> MemoryArchive {
        let keys = (0..rows.len()).map(|row| row.to_string()).collect();
        MemoryArchive::new(EncoderSpec::unknown(rows.dim()), keys, rows).unwrap()
    }

    /// Lower and upper ends.
    fn intervals(archive: &MemoryArchive, query: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let rows = RowCodes::of(archive).unwrap();
        let codes = QueryCodes::of(query, &rows);
        let mut products = Vec::new();
        rows.products(&codes.codes, 0..archive.len(), &mut products);
        let lower = (0..archive.len()).map(|i| rows.lower_end(&codes, 0, &products, i));
        (lower.collect(), rows.upper_ends(&codes, 0, &products).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn the_scans_similarity_lies_in_the_interval(
            n in 1usize..60,
            dim in 1usize..200,
            seed in any::<u64>(),
            peak in 0.0f32..4.0,
            length in 1e-3f32..1e3,
        ) {
            // Rows with one large coordinate, and all near each other where it is largest.
            let mut values = unit_rows(n, dim, seed).as_slice().to_vec();
            values.chunks_exact_mut(dim).for_each(|row| row[dim / 2] += peak.exp() - 1.0);
            let archive = archive(Embeddings::normalize(dim, values).unwrap());
            let mut queries = unit_rows(2, dim, seed ^ 1).as_slice().to_vec();
            queries[..dim].copy_from_slice(archive.embeddings().row(0));
            queries.iter_mut().for_each(|q| *q *= length);
            let mut scanned = vec![0.0; 2 * n];
            archive.similarities(Queries::new(dim, &queries).unwrap(), &mut scanned).unwrap();
            for (query, scanned) in queries.chunks_exact(dim).zip(scanned.chunks_exact(n)) {
                let (lower, upper) = intervals(&archive, query);
                for ((s, lower), upper) in scanned.iter().zip(lower).zip(upper) {
                    prop_assert!((lower..=upper).contains(s), "{} is not within {} and {}", s, lower, upper);
                }
            }
        }
    }

    /// Rows along the axes are stored without an error, so nothing hides that of the query.
    #[test]
    fn what_rounding_leaves_of_the_query_counts() {
        let axes = (0..8)
            .flat_map(|row| (0..4).map(move |j| if row / 2 == j { 1.0 - (row % 2 * 2) as f32 } else { 0.0 }));
        let archive = archive(Embeddings::normalize(4, axes.collect()).unwrap());
        for query in unit_rows(200, 4, 3).rows() {
            let mut scanned = [0.0; 8];
            archive.similarities(Queries::new(4, query).unwrap(), &mut scanned).unwrap();
            let (lower, upper) = intervals(&archive, query);
            assert!((0..8).all(|row| (lower[row]..=upper[row]).contains(&scanned[row])));
        }
    }

    #[test]
    fn intervals_are_narrow_and_centring_keeps_them_so() {
        let (n, dim) = (200, 768);
        let mut values = unit_rows(n, dim, 1).as_slice().to_vec();
        let query = unit_rows(1, dim, 2);
        for shift in [0.0, 3.0] {
            values.chunks_exact_mut(dim).for_each(|row| row[7] += shift);
            let archive = archive(Embeddings::normalize(dim, values.clone()).unwrap());
            let (lower, upper) = intervals(&archive, query.row(0));
            let widest = lower.iter().zip(upper).map(|(l, u)| u - l).fold(0.0, f32::max);
            // Uniform values within 1.7 / sqrt(768): steps of 5e-4 leave 4e-3 of a row.
            assert!(widest < 0.01, "{widest}");
        }
    }
}
