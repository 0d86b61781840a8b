//! The two passes of Pillow's resize, for the pixels that are kept.
//!
//! Both passes are weighted sums of rows: down the image directly, across the image after blocks of rows were turned
//! into columns. Sums of integers do not depend on their order, so that vector code of any width gives Pillow's bytes.

use std::ops::Range;

use rscir_core::RgbView;

use super::Preprocessing;
use super::filter::Taps;
use super::geometry::{Axis, axes};
use super::weigh::{Rows, RowsMut, sum_rows};

/// Bytes of an RGB pixel.
const PIXEL: usize = 3;
/// Number of rows that the pass across the image takes at once: a column of so many pixels fills 64 bytes, the widest
/// chunk of a sum.
const BLOCK: usize = 16;
/// Bytes of a pixel in a block. With a fourth byte, which is not used, a pixel is moved by one instruction.
const LANE: usize = 4;
/// Bytes of a column of a block, which is a row of the turned block.
const COLUMN: usize = BLOCK * LANE;
/// Number of columns that are turned in one step. Four pixels of three bytes are three words.
const STEP: usize = 4;

/// A plan by which images of one size are resized.
#[derive(Debug)]
pub(super) struct Plan {
    across: Taps,
    down: Taps,
    /// True if the pass down the image comes first.
    down_first: bool,
    /// The axes across and down.
    axes: [Axis; 2],
    size: usize,
    fill: u8,
}

impl Plan {
    pub(super) fn new(width: usize, height: usize, preprocessing: &Preprocessing) -> Self {
        let axes = axes(width, height, preprocessing);
        // Pillow 13's `ImagingResampleInner`: "If height is being scaled down more than twice the amount the width is,
        // run the vertical pass first". The bytes between the passes are rounded, so the order is visible.
        let [x, y] = axes.map(|axis| axis.input as i128 - axis.resized as i128);
        let down_first = y > 0 && y > 2 * x;
        let [across, down] = axes.map(|axis| Taps::new(&axis, preprocessing.interpolation));
        Self { across, down, down_first, axes, size: preprocessing.size, fill: preprocessing.fill }
    }

    /// Resizes `image`, which has the plan's size, into `out`, which is `[size, size, 3]`.
    pub(super) fn run(&self, image: RgbView<'_>, out: &mut [u8]) {
        let [x, y] = self.axes;
        if x.kept < self.size || y.kept < self.size {
            out.fill(self.fill);
        }
        let (columns, rows) = (self.across.span(), self.down.span());
        let pixels = Rows { data: image.data(), stride: image.width() * PIXEL };
        let pixels = pixels.from(rows.start, columns.start * PIXEL);
        let kept = x.kept * PIXEL;
        let stride = self.size * PIXEL;
        let (corner, last_row) = (y.pad * stride + x.pad * PIXEL, (y.kept - 1) * stride);
        let square = RowsMut { data: &mut out[corner..corner + last_row + kept], stride, width: kept };

        // Width of the rows between the passes.
        let width = if self.down_first { columns.len() * PIXEL } else { kept };
        let height = if self.down_first { y.kept } else { rows.len() };
        let mut data = vec![0; height * width];
        let between = RowsMut { data: &mut data, stride: width, width };
        if self.down_first {
            sum_rows(pixels, &self.down, rows.start, between);
            sum_columns(Rows { data: &data, stride: width }, y.kept, &self.across, columns, square);
        } else {
            sum_columns(pixels, rows.len(), &self.across, columns, between);
            sum_rows(Rows { data: &data, stride: width }, &self.down, rows.start, square);
        }
    }
}

/// Writes into each pixel of the `height` rows of `out` the sum of its window in the same row of `input`. The pixels of
/// `input` are those with the numbers `columns` in the taps.
fn sum_columns(input: Rows<'_>, height: usize, taps: &Taps, columns: Range<usize>, out: RowsMut<'_>) {
    let width = columns.len() * PIXEL;
    let mut turned = vec![0; columns.len() * COLUMN];
    let mut sums = vec![0; taps.starts.len() * COLUMN];
    let blocks = input.data.chunks(input.stride * BLOCK).zip(out.data.chunks_mut(out.stride * BLOCK));
    for (input_block, out_block) in blocks.take(height.div_ceil(BLOCK)) {
        for (row, pixels) in input_block.chunks(input.stride).enumerate() {
            turn(&pixels[..width], row, &mut turned);
        }
        let sums_of_block = RowsMut { data: &mut sums, stride: COLUMN, width: COLUMN };
        sum_rows(Rows { data: &turned, stride: COLUMN }, taps, columns.start, sums_of_block);
        for (row, pixels) in out_block.chunks_mut(out.stride).enumerate() {
            turn_back(&sums, row, &mut pixels[..out.width]);
        }
    }
}

/// Writes row `row` of pixels into its lane of every column of a turned block.
fn turn(pixels: &[u8], row: usize, turned: &mut [u8]) {
    let lane = row % BLOCK * LANE;
    // A move of four bytes reads one byte beyond its pixel, so that the last pixels are moved by themselves.
    let steps = pixels.len().saturating_sub(1) / (STEP * PIXEL);
    let (step_columns, last_columns) = turned.split_at_mut(steps * STEP * COLUMN);
    let (columns, _) = step_columns.as_chunks_mut::<{ STEP * COLUMN }>();
    for (columns, step) in columns.iter_mut().zip(pixels.windows(STEP * PIXEL + 1).step_by(STEP * PIXEL)) {
        for i in 0..STEP {
            columns[i * COLUMN + lane..][..LANE].copy_from_slice(&step[i * PIXEL..][..LANE]);
        }
    }
    let last_pixels = pixels[steps * STEP * PIXEL..].chunks_exact(PIXEL);
    for (column, pixel) in last_columns.chunks_exact_mut(COLUMN).zip(last_pixels) {
        column[lane..][..PIXEL].copy_from_slice(pixel);
    }
}

/// Reads row `row` of pixels from its lane of every column of a turned block.
fn turn_back(turned: &[u8], row: usize, pixels: &mut [u8]) {
    let lane = row % BLOCK * LANE;
    let (columns, last_columns) = turned.as_chunks::<{ STEP * COLUMN }>();
    let (steps, last_pixels) = pixels.as_chunks_mut::<{ STEP * PIXEL }>();
    for (step, columns) in steps.iter_mut().zip(columns) {
        // Four pixels of four bytes become three words.
        let [a, b, c, d] = std::array::from_fn(|i| {
            let at = i * COLUMN + lane;
            u32::from_le_bytes([columns[at], columns[at + 1], columns[at + 2], 0])
        });
        let words = [a | b << 24, b >> 8 | c << 16, c >> 16 | d << 8];
        for (bytes, word) in step.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
    }
    for (pixel, column) in last_pixels.chunks_exact_mut(PIXEL).zip(last_columns.chunks_exact(COLUMN)) {
        pixel.copy_from_slice(&column[lane..][..PIXEL]);
    }
}
