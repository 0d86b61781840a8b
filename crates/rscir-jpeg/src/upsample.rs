//! Planes of samples, and how a subsampled one is brought to the size of the image.
//!
//! libjpeg's "fancy upsampling" (jdsample.c): a triangle filter for ratios of 2, whose rounding alternates between
//! neighbouring pixels; replication for all other ratios.

use crate::error::{Error, Refused};
use crate::frame::{Component, Frame};

/// The latest samples of one component, less 128: two MCU rows, the later in the place of the one before the earlier.
/// Rows are padded to whole blocks.
pub(crate) struct Plane {
    samples: Vec<i8>,
    stride: usize,
    /// Rows held.
    ring: usize,
    /// Rows of blocks in an MCU row, and the MCU row that is being filled.
    v: usize,
    mcu_row: usize,
    /// Size of the component in samples, without the padding.
    width: usize,
    height: usize,
}

impl Plane {
    pub(crate) fn new(component: &Component) -> Self {
        let (stride, ring) = (8 * component.block_cols, 2 * 8 * component.v);
        Self {
            samples: vec![0; stride * ring],
            stride,
            ring,
            v: component.v,
            mcu_row: 0,
            width: component.width,
            height: component.height,
        }
    }

    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// The samples from the first one of a block on, which must lie in the MCU row that is being filled.
    #[inline(always)]
    pub(crate) fn block_mut(&mut self, row: usize, col: usize) -> &mut [i8] {
        let row = row - self.mcu_row * self.v + self.mcu_row % 2 * self.v;
        &mut self.samples[8 * (row * self.stride + col)..]
    }

    /// Makes the next MCU row the one to be filled. What is not filled is mid-gray.
    pub(crate) fn next_mcu_row(&mut self) {
        self.mcu_row += 1;
        let half = self.samples.len() / 2;
        self.samples[self.mcu_row % 2 * half..][..half].fill(0);
    }

    /// A row; the rows beyond the last are the last.
    fn row(&self, y: usize) -> &[i8] {
        let start = y.min(self.height - 1) % self.ring * self.stride;
        &self.samples[start..start + self.width]
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    /// Every sample becomes this many columns and rows.
    Replicate {
        cols: usize,
        rows: usize,
    },
    /// Triangle filters.
    Columns,
    Rows,
    ColumnsAndRows,
}

/// Makes rows of full width from a component's plane.
pub(crate) struct Upsampler {
    method: Method,
    /// Weighted sums of two rows, with one more at either end.
    sums: Vec<i16>,
    out: Vec<i8>,
}

impl Upsampler {
    /// Chooses the method as libjpeg-turbo does (jdsample.c, `jinit_upsampler`). `offset` is for the error.
    pub(crate) fn new(frame: &Frame, component: &Component, offset: usize) -> Result<Self, Error> {
        if frame.h_max % component.h != 0 || frame.v_max % component.v != 0 {
            return Err(Error::Unsupported { kind: Refused::FractionalSampling, offset });
        }
        let (cols, rows) = (frame.h_max / component.h, frame.v_max / component.v);
        let method = match (cols, rows) {
            (2, 1) if component.width > 2 => Method::Columns,
            (1, 2) => Method::Rows,
            (2, 2) if component.width > 2 => Method::ColumnsAndRows,
            _ => Method::Replicate { cols, rows },
        };
        let sums = if method == Method::ColumnsAndRows { component.width + 2 } else { 0 };
        let out = if method == (Method::Replicate { cols: 1, rows: 1 }) { 0 } else { component.width * cols };
        Ok(Self { method, sums: vec![0; sums], out: vec![0; out] })
    }

    /// Row `y` of the image, at least as wide as the image.
    pub(crate) fn row<'s>(&'s mut self, plane: &'s Plane, y: usize) -> &'s [i8] {
        // With two rows from one: the nearer row, and the one above for the upper, below for the lower.
        let near = plane.row(y / 2);
        let far = plane.row(if y % 2 == 1 { y / 2 + 1 } else { (y / 2).saturating_sub(1) });
        match self.method {
            Method::Replicate { cols: 1, rows } => return plane.row(y / rows),
            Method::Replicate { cols, rows } => {
                for (out, &sample) in self.out.chunks_exact_mut(cols).zip(plane.row(y / rows)) {
                    out.fill(sample);
                }
            }
            Method::Columns => double(plane.row(y), &mut self.out),
            Method::Rows => {
                let bias = 1 + (y % 2) as i16;
                for ((out, &near), &far) in self.out.iter_mut().zip(near).zip(far) {
                    *out = ((3 * i16::from(near) + i16::from(far) + bias) >> 2) as i8;
                }
            }
            Method::ColumnsAndRows => {
                let width = near.len();
                for ((sum, &near), &far) in self.sums[1..].iter_mut().zip(near).zip(far) {
                    *sum = 3 * i16::from(near) + i16::from(far);
                }
                self.sums[0] = self.sums[1];
                self.sums[width + 1] = self.sums[width];
                let (before, here, after) = (&self.sums[..width], &self.sums[1..], &self.sums[2..]);
                for (((out, &before), &here), &after) in
                    self.out.chunks_exact_mut(2).zip(before).zip(here).zip(after)
                {
                    out[0] = ((3 * here + before + 8) >> 4) as i8;
                    out[1] = ((3 * here + after + 7) >> 4) as i8;
                }
            }
        }
        &self.out
    }
}

/// Doubles the columns of a row of at least two samples.
fn double(row: &[i8], out: &mut [i8]) {
    let left = |here: i8, before: i8| ((3 * i16::from(here) + i16::from(before) + 1) >> 2) as i8;
    let right = |here: i8, after: i8| ((3 * i16::from(here) + i16::from(after) + 2) >> 2) as i8;
    let last = row.len() - 1;
    out[0] = row[0];
    out[1] = right(row[0], row[1]);
    out[2 * last] = left(row[last], row[last - 1]);
    out[2 * last + 1] = row[last];
    for (out, window) in out[2..].chunks_exact_mut(2).zip(row.windows(3)) {
        out[0] = left(window[1], window[0]);
        out[1] = right(window[1], window[2]);
    }
}
