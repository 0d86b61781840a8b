//! Planes of samples, and upsampling of planes to the size of the image.
//!
//! The method is libjpeg-turbo's "fancy upsampling" (jdsample.c): a triangle filter for ratios of 2, whose rounding
//! alternates between neighboring pixels, and replication for all other ratios. For IJG's libjpeg, whose inverse
//! transform doubles samples, replication makes the remaining ratio.

use crate::error::{Error, Refused};
use crate::frame::{Component, Frame};
use crate::library::{Library, Scale};

/// Latest samples of one component, less 128: a ring of two MCU rows, in which the newer one has replaced the one
/// before last.
///
/// Rows are padded to whole blocks. Where the inverse transform doubles, all sizes are those after the doubling.
pub(crate) struct Plane {
    samples: Vec<i8>,
    stride: usize,
    /// Number of rows in the ring.
    ring: usize,
    scale: Scale,
    /// Number of rows of blocks in an MCU row.
    v: usize,
    /// Index of the MCU row that is being filled.
    mcu_row: usize,
    /// Size of the component in samples, without the padding.
    width: usize,
    height: usize,
}

impl Plane {
    pub(crate) fn new(frame: &Frame, component: &Component, scale: Scale) -> Self {
        let stride = 8 * scale.cols * component.block_cols;
        let ring = 2 * 8 * scale.rows * component.v;
        Self {
            samples: vec![0; stride * ring],
            stride,
            ring,
            scale,
            v: component.v,
            mcu_row: 0,
            width: (frame.width * component.h * scale.cols).div_ceil(frame.h_max),
            height: (frame.height * component.v * scale.rows).div_ceil(frame.v_max),
        }
    }

    pub(crate) fn scale(&self) -> Scale {
        self.scale
    }

    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// Returns the samples from the first one of a block on. The block must lie in the MCU row that is being filled.
    #[inline(always)]
    pub(crate) fn block_mut(&mut self, row: usize, col: usize) -> &mut [i8] {
        let row = row - self.mcu_row * self.v + self.mcu_row % 2 * self.v;
        &mut self.samples[8 * (self.scale.rows * row * self.stride + self.scale.cols * col)..]
    }

    /// Begins to fill the next MCU row. Samples that stay unfilled are mid-gray.
    pub(crate) fn next_mcu_row(&mut self) {
        self.mcu_row += 1;
        let half = self.samples.len() / 2;
        self.samples[self.mcu_row % 2 * half..][..half].fill(0);
    }

    /// Returns row `y`, or the last row if `y` is beyond it.
    fn row(&self, y: usize) -> &[i8] {
        let start = y.min(self.height - 1) % self.ring * self.stride;
        &self.samples[start..start + self.width]
    }
}

/// Way of upsampling a component.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    /// Copies every sample to this many columns and rows.
    Replicate { cols: usize, rows: usize },
    /// Doubles the columns by a triangle filter.
    Columns,
    /// Doubles the rows by a triangle filter.
    Rows,
    /// Doubles columns and rows by triangle filters.
    ColumnsAndRows,
}

/// Makes rows of full width from a component's plane.
pub(crate) struct Upsampler {
    method: Method,
    /// Weighted sums of two rows, with one more sum at either end.
    sums: Vec<i16>,
    out: Vec<i8>,
}

impl Upsampler {
    /// Chooses the method that `library` chooses (jdsample.c, `jinit_upsampler`).
    ///
    /// # Errors
    /// [`Error::Unsupported`] at `offset` if the ratio of the sampling factors is not a whole number.
    pub(crate) fn new(
        library: Library,
        frame: &Frame,
        component: &Component,
        offset: usize,
    ) -> Result<Self, Error> {
        if !frame.h_max.is_multiple_of(component.h) || !frame.v_max.is_multiple_of(component.v) {
            return Err(Error::Unsupported { kind: Refused::FractionalSampling, offset });
        }
        let scale = Scale::of(library, frame, component);
        let (cols, rows) = (frame.h_max / component.h / scale.cols, frame.v_max / component.v / scale.rows);
        let method = match (cols, rows) {
            _ if library == Library::Ijg => Method::Replicate { cols, rows },
            (2, 1) if component.width > 2 => Method::Columns,
            (1, 2) => Method::Rows,
            (2, 2) if component.width > 2 => Method::ColumnsAndRows,
            _ => Method::Replicate { cols, rows },
        };
        let sums = if method == Method::ColumnsAndRows { component.width + 2 } else { 0 };
        let out = match method {
            Method::Replicate { cols: 1, .. } => 0,
            // The row may be one sample longer than the image, because the inverse transform doubles an odd width to
            // an even one.
            Method::Replicate { .. } => (component.width * scale.cols) * cols,
            _ => component.width * cols,
        };
        Ok(Self { method, sums: vec![0; sums], out: vec![0; out] })
    }

    /// Makes the samples of row `y` of the image. The result is at least as long as the row.
    pub(crate) fn row<'s>(&'s mut self, plane: &'s Plane, y: usize) -> &'s [i8] {
        // If a row of samples becomes two rows, the farther row is the one above for the upper, and the one below for
        // the lower.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(width: u16, height: u16, luma: u8, chroma: u8) -> Frame {
        let (w, h) = (width.to_be_bytes(), height.to_be_bytes());
        let contents = [8, h[0], h[1], w[0], w[1], 3, 1, luma, 0, 2, chroma, 0, 3, chroma, 0];
        Frame::parse(&contents, 0, false, &[1, 3, 4]).unwrap()
    }

    /// Upsamples the rows of a chroma plane. Samples before and after are 0 to 255.
    fn upsampled(frame: &Frame, rows: &[&[u8]]) -> Vec<Vec<u8>> {
        let component = &frame.components[1];
        let mut plane = Plane::new(frame, component, Scale { cols: 1, rows: 1 });
        for (y, row) in rows.iter().enumerate() {
            for (x, sample) in row.iter().enumerate() {
                plane.samples[y * plane.stride + x] = (sample ^ 0x80) as i8;
            }
        }
        let mut upsampler = Upsampler::new(Library::Turbo, frame, component, 0).unwrap();
        (0..frame.height)
            .map(|y| upsampler.row(&plane, y)[..frame.width].iter().map(|&s| s as u8 ^ 0x80).collect())
            .collect()
    }

    // The expected rows are worked out by hand from jdsample.c.

    #[test]
    fn columns_are_doubled_by_a_triangle_filter() {
        let got = upsampled(&frame(6, 1, 0x21, 0x11), &[&[0, 100, 203]]);
        assert_eq!(got, [[0, 25, 75, 126, 177, 203]]);
    }

    #[test]
    fn rows_are_doubled_by_a_triangle_filter() {
        let got = upsampled(&frame(1, 4, 0x12, 0x11), &[&[10], &[21]]);
        assert_eq!(got, [[10], [13], [18], [21]]);
    }

    #[test]
    fn both_are_doubled_by_a_triangle_filter() {
        let got = upsampled(&frame(6, 3, 0x22, 0x11), &[&[0, 100, 203], &[50, 60, 255]]);
        assert_eq!(
            got,
            [[0, 25, 75, 126, 177, 203], [13, 32, 71, 121, 185, 216], [38, 46, 62, 113, 199, 242]]
        );
    }

    #[test]
    fn two_samples_are_too_few_for_the_filter() {
        let got = upsampled(&frame(3, 2, 0x22, 0x11), &[&[7, 90]]);
        assert_eq!(got, [[7, 7, 90], [7, 7, 90]]);
    }

    #[test]
    fn other_ratios_are_replicated() {
        assert_eq!(upsampled(&frame(7, 1, 0x41, 0x11), &[&[7, 90]]), [[7, 7, 7, 7, 90, 90, 90]]);
        assert_eq!(upsampled(&frame(1, 4, 0x13, 0x11), &[&[7], &[90]]), [[7], [7], [7], [90]]);
    }

    #[test]
    fn fractional_ratios_are_refused() {
        let frame = frame(9, 9, 0x31, 0x21);
        let kind = Refused::FractionalSampling;
        let error = Upsampler::new(Library::Turbo, &frame, &frame.components[1], 5).err();
        assert_eq!(error, Some(Error::Unsupported { kind, offset: 5 }));
    }
}
