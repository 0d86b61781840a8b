//! The scatter matrix of a block of vectors, in f64, from which the moments of an archive are computed.

use std::cell::RefCell;

use crate::isa::{Isa, Kernel};
use crate::simd::{F64_LANES, Simd};

/// Columns of a panel: two vectors of f64.
const PANEL: usize = 2 * F64_LANES;

/// Number of vectors that are multiplied at a time. A panel of them takes 16 kB, half of a first-level cache;
/// at 768 wide, all panels take 786 kB, which a second-level cache holds.
const DEPTH: usize = 128;

/// Adds `sum x x'` over the vectors `x` of `rows`, `[n, dim]`, to the upper triangle of `scatter`, `[dim,
/// dim]`. Both are row-major. The values below the diagonal are undefined afterwards; the matrix is
/// symmetric.
///
/// Each element adds its products in the order of the vectors, and every product and every sum is rounded, on
/// every instruction set. The bits are those of three nested loops. The calling thread computes it.
///
/// # Panics
/// Panics if `rows` is not a whole number of vectors, or if `scatter` does not have `dim * dim` elements.
pub fn add_scatter(dim: usize, rows: &[f64], scatter: &mut [f64]) {
    assert_eq!(scatter.len(), dim * dim, "a scatter matrix is dim x dim");
    if dim == 0 {
        return;
    }
    assert!(rows.len().is_multiple_of(dim), "a whole number of vectors");
    thread_local! {
        static PANELS: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
    }
    PANELS.with_borrow_mut(|panels| {
        for rows in rows.chunks(DEPTH * dim) {
            pack(dim, rows, panels);
            Isa::current().run(Scatter { dim, depth: rows.len() / dim, panels, scatter });
        }
    });
}

/// Lays vectors out in panels of columns: `panels[p][vector][column]`, with zeros for missing columns.
fn pack(dim: usize, rows: &[f64], panels: &mut Vec<f64>) {
    let depth = rows.len() / dim;
    panels.clear();
    panels.resize(dim.div_ceil(PANEL) * depth * PANEL, 0.0);
    for (r, row) in rows.chunks_exact(dim).enumerate() {
        for (p, columns) in row.chunks(PANEL).enumerate() {
            panels[(p * depth + r) * PANEL..][..columns.len()].copy_from_slice(columns);
        }
    }
}

struct Scatter<'a> {
    dim: usize,
    depth: usize,
    panels: &'a [f64],
    scatter: &'a mut [f64],
}

impl Kernel for Scatter<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        // There are as many accumulators as leave registers for the factors: sixteen out of 32 registers, or
        // eight out of 16 that are half as wide.
        if S::WIDE { self.tiles::<S, 8, 2>(simd) } else { self.tiles::<S, 4, 1>(simd) }
    }
}

impl Scatter<'_> {
    /// Computes all tiles of `ROWS` rows and `VECTORS` vectors of columns that reach the upper triangle.
    #[inline(always)]
    fn tiles<S: Simd, const ROWS: usize, const VECTORS: usize>(&mut self, simd: S) {
        let panel_len = self.depth * PANEL;
        for (p, columns) in self.panels.chunks_exact(panel_len).enumerate() {
            for (q, rows) in self.panels.chunks_exact(panel_len).enumerate().take(p + 1) {
                for left in (0..PANEL).step_by(VECTORS * F64_LANES) {
                    for top in (0..PANEL).step_by(ROWS) {
                        let (row, column) = (q * PANEL + top, p * PANEL + left);
                        let reaches = row < column + VECTORS * F64_LANES;
                        if reaches && row < self.dim && column < self.dim {
                            self.tile::<S, ROWS, VECTORS>(simd, [rows, columns], [top, left], [row, column]);
                        }
                    }
                }
            }
        }
    }

    /// Computes one tile: the rows from `within[0]` of one panel, and the columns from `within[1]` of
    /// another. `at` is its position in the scatter matrix.
    #[inline(always)]
    fn tile<S: Simd, const ROWS: usize, const VECTORS: usize>(
        &mut self,
        simd: S,
        panels: [&[f64]; 2],
        within: [usize; 2],
        at: [usize; 2],
    ) {
        let [row_panel, column_panel] = panels.map(|panel| panel.as_chunks::<PANEL>().0);
        let mut sums = [[simd.splat_f64(0.0); VECTORS]; ROWS];
        // The tile ends at the edges of the matrix. Values beyond them are computed and dropped.
        let height = ROWS.min(self.dim - at[0]);
        let mut edge = [[[0.0; F64_LANES]; VECTORS]; ROWS];
        for (i, edge) in edge.iter_mut().enumerate().take(height) {
            let line = &self.scatter[(at[0] + i) * self.dim..][at[1]..self.dim];
            for (edge, line) in edge.iter_mut().zip(line.chunks(F64_LANES)) {
                edge[..line.len()].copy_from_slice(line);
            }
        }
        for (sums, edge) in sums.iter_mut().zip(&edge) {
            for (sum, edge) in sums.iter_mut().zip(edge) {
                *sum = simd.load_f64(edge);
            }
        }
        for (rows, columns) in row_panel.iter().zip(column_panel) {
            let (columns, _) = columns[within[1]..].as_chunks::<F64_LANES>();
            let mut factors = [simd.splat_f64(0.0); VECTORS];
            for (factor, columns) in factors.iter_mut().zip(columns) {
                *factor = simd.load_f64(columns);
            }
            let rows: &[f64; ROWS] = rows[within[0]..].first_chunk().unwrap_or(&[0.0; ROWS]);
            for (sums, &row) in sums.iter_mut().zip(rows) {
                let row = simd.splat_f64(row);
                for (sum, &factor) in sums.iter_mut().zip(&factors) {
                    *sum = simd.mul_then_add_f64(row, factor, *sum);
                }
            }
        }
        for (sums, edge) in sums.iter().zip(&mut edge) {
            for (&sum, edge) in sums.iter().zip(edge) {
                simd.store_f64(sum, edge);
            }
        }
        for (i, edge) in edge.iter().enumerate().take(height) {
            let line = &mut self.scatter[(at[0] + i) * self.dim..][at[1]..self.dim];
            for (edge, line) in edge.iter().zip(line.chunks_mut(F64_LANES)) {
                line.copy_from_slice(&edge[..line.len()]);
            }
        }
    }
}
