use std::ops::Range;

use rscir_core::Moments;
use rscir_kernels::add_scatter;

/// Number of rows whose moments one task computes. With fewer rows, merging another scatter matrix takes longer
/// than a second thread saves.
const LEAF_ROWS: usize = 4096;

/// Computes the moments of the rows `range` of width `dim` on all cores; `fill` writes rows as `f32`, `[n, dim]`.
///
/// Halves are merged in a fixed order, so the result does not depend on the number of threads.
pub(crate) fn moments_of<F>(dim: usize, range: Range<usize>, fill: &F) -> Moments
where
    F: Fn(Range<usize>, &mut [f32]) + Sync,
{
    if range.len() <= LEAF_ROWS {
        return leaf(dim, range, fill);
    }
    let middle = range.start + range.len() / 2;
    let (mut whole, right) = rayon::join(
        || moments_of(dim, range.start..middle, fill),
        || moments_of(dim, middle..range.end, fill),
    );
    add(&mut whole, &right);
    whole
}

/// Computes moments on the calling thread. They equal those of [`Moments::of_blocks`] to the bit; a kernel
/// computes the scatter.
fn leaf<F>(dim: usize, range: Range<usize>, fill: &F) -> Moments
where
    F: Fn(Range<usize>, &mut [f32]) + Sync,
{
    Moments::of_blocks_by(
        dim,
        range.len(),
        |block, rows| fill(range.start + block.start..range.start + block.end, rows),
        |centered, scatter| add_scatter(dim, centered, scatter),
    )
}

/// Merges the moments `part` into `whole`; both have the same width.
pub(crate) fn add(whole: &mut Moments, part: &Moments) {
    // Merging fails only if the widths differ.
    let merged = whole.merge(part);
    debug_assert!(merged.is_ok(), "moments of one archive have one width");
}

/// Computes the moments of the vectors of `whole` without those of `part`, which are among them: the inverse of
/// [`Moments::merge`].
pub(crate) fn without(whole: &Moments, part: &Moments) -> Moments {
    let dim = whole.dim();
    let count = whole.count() - part.count();
    if part.count() == 0 || count == 0 {
        return if count == 0 { Moments::empty(dim) } else { whole.clone() };
    }
    let (n, removed, left) = (whole.count() as f64, part.count() as f64, count as f64);
    let mean: Vec<f64> =
        whole.mean().iter().zip(part.mean()).map(|(w, p)| (n * w - removed * p) / left).collect();
    let delta: Vec<f64> = part.mean().iter().zip(&mean).map(|(p, m)| p - m).collect();
    let weight = left * removed / n;
    let mut scatter = Vec::with_capacity(dim * dim);
    let rows = whole.scatter().chunks_exact(dim.max(1)).zip(part.scatter().chunks_exact(dim.max(1)));
    for ((whole, part), d) in rows.zip(&delta) {
        scatter.extend(whole.iter().zip(part).zip(&delta).map(|((w, p), e)| w - p - d * e * weight));
    }
    Moments::from_parts(count, mean, scatter).unwrap_or_else(|_| Moments::empty(dim))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rscir_core::testing::unit_rows;

    const DIM: usize = 5;

    fn assert_close(a: &Moments, b: &Moments) {
        assert_eq!(a.count(), b.count());
        for (x, y) in a.mean().iter().chain(a.scatter()).zip(b.mean().iter().chain(b.scatter())) {
            assert!((x - y).abs() <= 1e-12 * a.count() as f64, "{x} and {y}");
        }
    }

    #[test]
    fn parts_on_all_cores_give_the_moments_of_the_whole() {
        let rows = unit_rows(2 * LEAF_ROWS + 77, DIM, 1);
        let fill = |range: Range<usize>, out: &mut [f32]| {
            out.copy_from_slice(&rows.as_slice()[range.start * DIM..range.end * DIM]);
        };
        let parallel = moments_of(DIM, 0..rows.len(), &fill);
        assert_close(&parallel, &Moments::of(DIM, rows.as_slice()).unwrap());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(parallel, pool.install(|| moments_of(DIM, 0..rows.len(), &fill)));
    }

    #[test]
    fn a_leaf_has_the_bits_of_the_plain_computation() {
        for (n, dim) in [(0, 3), (1, 5), (127, 17), (300, 40), (1000, 16)] {
            let rows = unit_rows(n, dim, 3);
            let fill = |range: Range<usize>, out: &mut [f32]| {
                out.copy_from_slice(&rows.as_slice()[range.start * dim..range.end * dim]);
            };
            assert_eq!(leaf(dim, 0..n, &fill), Moments::of(dim, rows.as_slice()).unwrap());
        }
    }

    #[test]
    fn without_undoes_add() {
        let rows = unit_rows(300, DIM, 2);
        for cut in [0, 1, 40, 299, 300] {
            let (a, b) = rows.as_slice().split_at(cut * DIM);
            let (a, b) = (Moments::of(DIM, a).unwrap(), Moments::of(DIM, b).unwrap());
            let mut whole = a.clone();
            add(&mut whole, &b);
            assert_close(&without(&whole, &b), &a);
        }
    }
}
