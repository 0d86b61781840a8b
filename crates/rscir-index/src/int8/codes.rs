use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;
use rscir_core::{Archive, Error as CoreError, QuantizedPart, QuantizedRun};
use rscir_kernels::{CodedQuery, CodedRows};

use crate::Result;
use crate::storage::Pages;

/// Largest magnitude of an integer. The range is symmetric, so that a row and its negative have the same error.
const LARGEST: f64 = 127.0;

/// Largest width of a row whose products fit an `i32`, including what the kernel adds to its bytes on the way.
const MAX_DIM: usize = 131_071;

/// Rows that one task quantizes: a multiple of the block.
const RANGE: usize = 32 * CodedRows::BLOCK;

/// Rows as integers, with the values that bound the error of similarities computed from them.
pub(crate) struct RowCodes {
    /// The vector that is subtracted from every row, `[dim]`.
    center: Vec<f32>,
    /// The integers, in blocks of rows as [`CodedRows`] lays them out.
    codes: Pages,
    /// Scale of each row, `[n]`.
    scales: Vec<f32>,
    /// Upper bound of the length of each row's rest after rounding, `[n]`.
    residuals: Vec<f32>,
    longest: Lengths,
}

/// Upper bounds of the lengths of the longest vectors of three kinds.
#[derive(Clone, Copy, Default)]
struct Lengths {
    row: f64,
    /// The integers of a row times their scale.
    code: f64,
    residual: f64,
}

impl Lengths {
    fn max(self, other: Self) -> Self {
        Self {
            row: self.row.max(other.row),
            code: self.code.max(other.code),
            residual: self.residual.max(other.residual),
        }
    }
}

impl RowCodes {
    /// Quantizes all rows of an archive, after subtracting their mean.
    ///
    /// # Errors
    /// [`CoreError::Parameter`] if the rows are too wide.
    pub(super) fn of(archive: &dyn Archive) -> Result<Self> {
        check_width(archive.dim())?;
        let center = archive.moments().mean().iter().map(|&m| m as f32).collect();
        Self::of_rows(archive.len(), center, &|row| archive.vector(row))
    }

    /// Quantizes the rows `0..n`, after subtracting `center`. `row` returns a row.
    ///
    /// # Errors
    /// [`CoreError::Parameter`] if the rows are too wide.
    pub(crate) fn of_rows<'a>(
        n: usize,
        center: Vec<f32>,
        row: &(impl Fn(usize) -> Cow<'a, [f32]> + Sync),
    ) -> Result<Self> {
        let dim = center.len();
        check_width(dim)?;
        let block_bytes = CodedRows::block_bytes(dim);
        let mut codes = Pages::zeroed(n.div_ceil(CodedRows::BLOCK) * block_bytes);
        let (mut scales, mut residuals) = (vec![0.0; n], vec![0.0; n]);
        let parts = codes
            .par_chunks_mut((RANGE / CodedRows::BLOCK * block_bytes).max(1))
            .zip(scales.par_chunks_mut(RANGE))
            .zip(residuals.par_chunks_mut(RANGE))
            .enumerate();
        let longest = parts.map(|(part, ((blocks, scales), residuals))| {
            let mut longest = Lengths::default();
            let (mut centered, mut codes) = (vec![0.0; dim], vec![0; dim]);
            for (i, (scale, residual)) in scales.iter_mut().zip(residuals).enumerate() {
                let row = row(part * RANGE + i);
                for ((centered, &x), &m) in centered.iter_mut().zip(&*row).zip(&center) {
                    *centered = f64::from(x) - f64::from(m);
                }
                let (step, left) = quantize(&centered, &mut codes);
                let block = &mut blocks[i / CodedRows::BLOCK * block_bytes..][..block_bytes];
                CodedRows::write(&codes, i % CodedRows::BLOCK, block);
                *scale = step;
                *residual = up(left);
                longest = longest.max(Lengths {
                    row: length(row.iter().map(|&x| f64::from(x))),
                    code: length(codes.iter().map(|&c| f64::from(c))) * f64::from(step),
                    residual: f64::from(*residual),
                });
            }
            longest
        });
        let longest = longest.reduce(Lengths::default, Lengths::max);
        Ok(Self { center, codes, scales, residuals, longest })
    }

    /// Returns the rows in the form in which an archive keeps them.
    pub(crate) fn part<'a>(&'a self, runs: &'a [QuantizedRun]) -> QuantizedPart<'a> {
        let Lengths { row, code, residual } = self.longest;
        QuantizedPart {
            center: &self.center,
            codes: &self.codes,
            scales: &self.scales,
            residuals: &self.residuals,
            longest: [row, code, residual],
            runs,
            first_row: 0,
        }
    }
}

/// Checks that products of rows of this width fit an `i32`.
fn check_width(dim: usize) -> Result<()> {
    if dim <= MAX_DIM {
        return Ok(());
    }
    Err(CoreError::Parameter {
        name: "width of the rows",
        value: dim.to_string(),
        expected: "at most 131071, so that 8-bit products fit 32 bits",
    }
    .into())
}

/// Computes the upper ends of the similarities of `rows` of a part to each query, `[queries, rows]`. `rows`
/// begins with a block.
pub(super) fn upper_ends(
    part: &QuantizedPart<'_>,
    queries: &[CodedQuery],
    rows: Range<usize>,
    out: &mut Vec<f32>,
) {
    let dim = part.center.len();
    let block_bytes = CodedRows::block_bytes(dim);
    let blocks = rows.start / CodedRows::BLOCK..rows.end.div_ceil(CodedRows::BLOCK);
    let codes = &part.codes[blocks.start * block_bytes..blocks.end * block_bytes];
    out.resize(queries.len() * rows.len(), 0.0);
    let (scales, residuals) = (&part.scales[rows.clone()], &part.residuals[rows]);
    CodedRows::new(codes, scales, residuals, dim).values(queries, out);
}

/// Distance between the lower and the upper end of a similarity.
pub(super) struct Margin {
    /// Twice what was added to the estimate, without the row's residual.
    constant: f64,
    /// Twice the factor of the row's residual.
    of_residual: f64,
}

impl Margin {
    /// Computes the lower end of a row's similarity from its upper end and its residual.
    pub(super) fn lower_end(&self, upper_end: f32, residual: f32) -> f32 {
        let end = f64::from(upper_end) - self.constant - self.of_residual * f64::from(residual);
        (end as f32).next_down()
    }
}

/// Quantizes a query for [`upper_ends`], and computes the margin of its lower ends.
pub(super) fn coded_query(part: &QuantizedPart<'_>, query: &[f32]) -> (CodedQuery, Margin) {
    let wide: Vec<f64> = query.iter().map(|&q| f64::from(q)).collect();
    let (mut coarse, mut fine) = (vec![0; query.len()], vec![0; query.len()]);
    let (coarse_scale, _) = quantize(&wide, &mut coarse);
    let step = f64::from(coarse_scale);
    let left: Vec<f64> = wide.iter().zip(&coarse).map(|(q, &c)| q - step * f64::from(c)).collect();
    let (fine_scale, unsaid) = quantize(&left, &mut fine);

    let [row, code, residual] = part.longest;
    let (length, left) = (length(wide.iter().copied()), length(left.into_iter()));
    let offset: f64 = wide.iter().zip(part.center).map(|(q, &m)| q * f64::from(m)).sum();
    let terms = query.len() as f64 * f64::from(f32::EPSILON) / 2.0;
    let error = unsaid * code + length * row * terms / (1.0 - terms);
    // The sum of the magnitudes that the upper end is added up from. It is rounded six times in all, each time by
    // half an epsilon of a number of at most that size. Where numbers are too small for this rule, the error is
    // below the smallest normal number.
    let magnitude = offset.abs() + error + code * (length + 3.0 * left) + residual * length;
    let rounding = 4.0 * f64::from(f32::EPSILON) * magnitude + 4.0 * f64::from(f32::MIN_POSITIVE);
    let constant = (offset + error + rounding) as f32;
    let weight = up(length);
    let margin = Margin { constant: 2.0 * (error + rounding), of_residual: 2.0 * f64::from(weight) };
    (CodedQuery::new(&coarse, &fine, [coarse_scale, fine_scale], constant, weight), margin)
}

/// A bound of the relative error of `f64` sums of [`MAX_DIM`] products.
const SLACK: f64 = 1e-9;

/// Returns an `f32` that is at least `x`.
fn up(x: f64) -> f32 {
    ((x * (1.0 + SLACK)) as f32).next_up()
}

/// Rounds values to multiples of a scale. Returns the scale, and the length of the rest.
fn quantize(values: &[f64], codes: &mut [i8]) -> (f32, f64) {
    // 1.5 * 2^52. A sum with it has no bits for a fraction, and the low bits of its significand are the integer.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let largest = values.iter().fold(0.0f64, |largest, v| largest.max(v.abs()));
    let scale = (largest / LARGEST) as f32;
    let step = f64::from(scale);
    // A scale of 0 means that all values are zero or too small for a scale. All of them remain in the rest.
    let inverse = if step > 0.0 { step.recip() } else { 0.0 };
    let mut left = [0.0; 8];
    for (codes, values) in codes.chunks_mut(left.len()).zip(values.chunks(left.len())) {
        for ((code, &v), left) in codes.iter_mut().zip(values).zip(&mut left) {
            let shifted = (v * inverse).clamp(-LARGEST, LARGEST) + ROUND;
            *code = shifted.to_bits() as i8;
            let rounded = shifted - ROUND;
            let rest = v - step * rounded;
            *left += rest * rest;
        }
    }
    (scale, left.iter().sum::<f64>().sqrt())
}

/// Returns an upper bound of the length of a vector.
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

    fn upper_ends(archive: &MemoryArchive, query: &[f32]) -> Vec<f32> {
        ends(archive, query).into_iter().map(|(_, upper_end)| upper_end).collect()
    }

    /// Returns the lower and the upper end of each similarity.
    fn ends(archive: &MemoryArchive, query: &[f32]) -> Vec<(f32, f32)> {
        let rows = RowCodes::of(archive).unwrap();
        let (part, mut out) = (rows.part(&[]), Vec::new());
        let (coded, margin) = coded_query(&part, query);
        super::upper_ends(&part, &[coded], 0..archive.len(), &mut out);
        let ends = out.into_iter().zip(part.residuals);
        ends.map(|(end, &residual)| (margin.lower_end(end, residual), end)).collect()
    }

    fn scanned(archive: &MemoryArchive, query: &[f32]) -> Vec<f32> {
        let mut scores = vec![0.0; archive.len()];
        archive.similarities(Queries::new(archive.dim(), query).unwrap(), &mut scores).unwrap();
        scores
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn no_similarity_of_a_scan_is_beyond_its_ends(
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
            for query in queries.chunks_exact(dim) {
                for (similarity, (lower_end, upper_end)) in scanned(&archive, query).into_iter().zip(ends(&archive, query)) {
                    prop_assert!(similarity <= upper_end, "{} is above {}", similarity, upper_end);
                    prop_assert!(lower_end <= similarity, "{} is below {}", similarity, lower_end);
                }
            }
        }
    }

    // Rows along the axes are stored without an error, which could hide that of the query.
    #[test]
    fn what_rounding_leaves_of_the_query_counts() {
        let axes = (0..8)
            .flat_map(|row| (0..4).map(move |j| if row / 2 == j { 1.0 - (row % 2 * 2) as f32 } else { 0.0 }));
        let archive = archive(Embeddings::normalize(4, axes.collect()).unwrap());
        for query in unit_rows(200, 4, 3).rows() {
            let (similarities, ends) = (scanned(&archive, query), ends(&archive, query));
            assert!((0..8).all(|row| (ends[row].0..=ends[row].1).contains(&similarities[row])));
        }
    }

    #[test]
    fn upper_ends_are_near_and_centering_keeps_them_so() {
        let (n, dim) = (200, 768);
        let mut values = unit_rows(n, dim, 1).as_slice().to_vec();
        let query = unit_rows(1, dim, 2);
        for shift in [0.0, 3.0] {
            values.chunks_exact_mut(dim).for_each(|row| row[7] += shift);
            let archive = archive(Embeddings::normalize(dim, values.clone()).unwrap());
            let (similarities, upper_ends) =
                (scanned(&archive, query.row(0)), upper_ends(&archive, query.row(0)));
            let farthest = similarities.iter().zip(upper_ends).map(|(s, u)| u - s).fold(0.0, f32::max);
            // Uniform values within 1.7 / sqrt(768): steps of 5e-4 leave 4e-3 of a row, on either side.
            assert!(farthest < 0.01, "{farthest}");
            let widest =
                ends(&archive, query.row(0)).into_iter().map(|(low, high)| high - low).fold(0.0, f32::max);
            assert!(widest < 0.01, "{widest}");
        }
    }
}
