//! Smoothing of progressive images whose AC coefficients are not all known.
//!
//! Where a file ends before its last scans, libjpeg-turbo estimates the first nine AC coefficients of a block from
//! the DC coefficients of the 5 x 5 blocks around it (jdcoefct.c, `decompress_smooth_data`; after T.81, annex K.8).

use crate::frame::{Component, Frame};
use crate::markers::ZIGZAG;
use crate::progressive::{Coefficients, Known};

/// Number of coefficients that smoothing looks at, in zigzag order: DC, and the AC coefficients 1 to 9 that it
/// estimates.
const ESTIMATED: usize = 10;

/// Weights, in 1/256, of the 25 DC coefficients around a block, row by row, for one coefficient.
type Kernel = [i16; 25];

/// Kernels for components with a known DC coefficient only, by zigzag index. The first one is for the DC coefficient
/// itself (jdcoefct.c, `decompress_smooth_data`).
#[rustfmt::skip]
const FROM_DC_ONLY: [Kernel; ESTIMATED] = [
    [-2, -6, -8, -6, -2,   -6, 6, 42, 6, -6,     -8, 42, 152, 42, -8,  -6, 6, 42, 6, -6,       -2, -6, -8, -6, -2],
    [-1, -1, 0, 1, 1,      -3, 13, 0, -13, 3,    -3, 38, 0, -38, 3,    -3, 13, 0, -13, 3,      -1, -1, 0, 1, 1],
    [-1, -3, -3, -3, -1,   -1, 13, 38, 13, -1,   0, 0, 0, 0, 0,        1, -13, -38, -13, 1,    1, 3, 3, 3, 1],
    [0, 0, 1, 0, 0,        0, 2, 7, 2, 0,        0, -5, -14, -5, 0,    0, 2, 7, 2, 0,          0, 0, 1, 0, 0],
    [-1, 0, 0, 0, 1,       0, 9, 0, -9, 0,       0, 0, 0, 0, 0,        0, -9, 0, 9, 0,         1, 0, 0, 0, -1],
    [0, 0, 0, 0, 0,        0, 2, -5, 2, 0,       1, 7, -14, 7, 1,      0, 2, -5, 2, 0,         0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0,        0, 1, 0, -1, 0,       0, 2, 0, -2, 0,       0, 1, 0, -1, 0,         0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0,        0, 1, -3, 1, 0,       0, 0, 0, 0, 0,        0, -1, 3, -1, 0,        0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0,        0, 1, 0, -1, 0,       0, -3, 0, 3, 0,       0, 1, 0, -1, 0,         0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0,        0, 1, 2, 1, 0,        0, 0, 0, 0, 0,        0, -1, -2, -1, 0,       0, 0, 0, 0, 0],
];

/// Kernels for components of which some AC coefficient is known, by zigzag index: 1 to 5. The other coefficients stay
/// (jdcoefct.c, `decompress_smooth_data`).
#[rustfmt::skip]
const BESIDE_AC: [Kernel; 6] = [
    [0; 25],
    [0, 0, 0, 0, 0,        0, 0, 0, 0, 0,        -7, 50, 0, -50, 7,    0, 0, 0, 0, 0,          0, 0, 0, 0, 0],
    [0, 0, -7, 0, 0,       0, 0, 50, 0, 0,       0, 0, 0, 0, 0,        0, 0, -50, 0, 0,        0, 0, 7, 0, 0],
    [0, 0, -1, 0, 0,       0, 0, 13, 0, 0,       0, 0, -24, 0, 0,      0, 0, 13, 0, 0,         0, 0, -1, 0, 0],
    [0, -1, 0, 1, 0,       -1, 10, 0, -10, 1,    0, 0, 0, 0, 0,        1, -10, 0, 10, -1,      0, 1, 0, -1, 0],
    [0, 0, 0, 0, 0,        0, 0, 0, 0, 0,        -1, 13, -24, 13, -1,  0, 0, 0, 0, 0,          0, 0, 0, 0, 0],
];

/// Tells whether to smooth the image: all DC coefficients are known, some of the first AC coefficients are unknown or
/// lack bits, and no quantizer of these coefficients is zero.
pub(crate) fn needed(frame: &Frame, known: &[Known]) -> bool {
    let quantizers = |component: &Component| {
        component.quant.is_some_and(|quant| ZIGZAG[..ESTIMATED].iter().all(|&at| quant[usize::from(at)] != 0))
    };
    frame.components.iter().all(quantizers)
        && known.iter().all(|known| known.now[0] >= 0)
        && known.iter().any(|known| known.now[1..ESTIMATED].iter().any(|&bits| bits != 0))
}

/// Smooths the blocks of one component.
pub(crate) struct Smoother<'a> {
    coefficients: &'a Coefficients,
    component: &'a Component,
    quant: [i64; ESTIMATED],
    mcu_rows: usize,
    /// Precision of the coefficients, as in [`Known`], in the MCU rows up to `last_good_row`.
    good: [i8; ESTIMATED],
    /// Precision of the coefficients in the MCU rows below `last_good_row`.
    below: [i8; ESTIMATED],
    last_good_row: usize,
}

impl<'a> Smoother<'a> {
    /// Makes a smoother for one component of a file with `scans` scans.
    pub(crate) fn new(
        frame: &Frame,
        component: &'a Component,
        coefficients: &'a Coefficients,
        known: &Known,
        scans: u32,
        last_good_row: usize,
    ) -> Self {
        let quant = component.quant.unwrap_or([1; 64]);
        Self {
            coefficients,
            component,
            quant: std::array::from_fn(|k| quant[usize::from(ZIGZAG[k])].into()),
            mcu_rows: frame.mcu_rows,
            good: std::array::from_fn(|k| known.now[k]),
            below: std::array::from_fn(|k| if scans > 1 { known.before[k] } else { -1 }),
            last_good_row,
        }
    }

    /// Returns a smoothed copy of the block in this row and column of blocks.
    pub(crate) fn block(&self, row: usize, col: usize) -> [i16; 64] {
        let mut block = self.coefficients.blocks[row * self.coefficients.stride + col];
        let bits = if row / self.component.v > self.last_good_row { &self.below } else { &self.good };
        let dc_only = bits[1..].iter().all(|&b| b == -1);
        let kernels: &[Kernel] = if dc_only { &FROM_DC_ONLY } else { &BESIDE_AC };
        let dc = self.neighbors(row, col);
        for (k, kernel) in kernels.iter().enumerate().skip(1) {
            let coefficient = &mut block[usize::from(ZIGZAG[k])];
            if bits[k] != 0 && *coefficient == 0 {
                *coefficient = self.estimate(&dc, kernel, k, bits[k]);
            }
        }
        if dc_only {
            block[0] = self.estimate(&dc, &kernels[0], 0, 0);
        }
        block
    }

    /// Estimates a coefficient: the weighted sum of DC values in units of the coefficient's quantizer, rounded half
    /// away from zero. The magnitude stays below the lowest known bit of the coefficient.
    fn estimate(&self, dc: &[i32; 25], kernel: &Kernel, k: usize, bits: i8) -> i16 {
        let sum: i64 = dc.iter().zip(kernel).map(|(&dc, &weight)| i64::from(dc) * i64::from(weight)).sum();
        let scaled = self.quant[0] * sum;
        let quantizer = self.quant[k];
        let mut magnitude = ((quantizer << 7) + scaled.abs()) / (quantizer << 8);
        if bits > 0 {
            magnitude = magnitude.min((1 << bits) - 1);
        }
        (magnitude * scaled.signum()) as i16
    }

    /// Returns the DC coefficients of the 5 x 5 blocks around a block. Beyond an edge they are those at the edge.
    fn neighbors(&self, row: usize, col: usize) -> [i32; 25] {
        let Component { v, block_rows, block_cols, padded_rows, .. } = *self.component;
        let above = (self.mcu_rows - 1) * v;
        // libjpeg counts the padding below the image among the rows, except in the last MCU row. There it numbers the
        // rows as if all MCU rows were as short as that one, and so finds the upper edge too early.
        let (first, end) = if row < above {
            (0, padded_rows)
        } else {
            ((self.mcu_rows - 1) * (padded_rows - block_rows), block_rows)
        };
        let row_at = |step: usize| (row + step).saturating_sub(2).clamp(first, end - 1);
        let col_at = |step: usize| (col + step).saturating_sub(2).min(block_cols - 1);
        std::array::from_fn(|i| {
            let at = row_at(i / 5) * self.coefficients.stride + col_at(i % 5);
            self.coefficients.blocks[at][0].into()
        })
    }
}
