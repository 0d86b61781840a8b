//! Rendering of coefficients to pixels, one MCU row after the other.

use crate::color::{Converter, Target};
use crate::error::Error;
use crate::frame::Frame;
use crate::idct::{self, Extent};
use crate::idct_double;
use crate::library::{Library, Scale};
use crate::upsample::{Plane, Upsampler};

/// Takes the blocks of an image from the top, and writes pixels as soon as the samples that they need are there.
pub(crate) struct Renderer<'d> {
    planes: Vec<Plane>,
    upsamplers: Vec<Upsampler>,
    converter: Converter,
    /// Quantization tables in the 16-bit numbers that the transform multiplies with.
    quant: Vec<[i16; 64]>,
    /// Number of pixel rows in an MCU row.
    mcu_height: usize,
    /// Number of pixel rows for a sample of the component with the fewest samples.
    context: usize,
    /// Number of bytes in a pixel row.
    stride: usize,
    /// The pixels, row by row from the top.
    data: &'d mut [u8],
    /// Number of pixel rows written.
    written: usize,
}

impl<'d> Renderer<'d> {
    /// Makes a renderer that writes to `data`, which has `[height, width, target.bytes()]` bytes.
    ///
    /// # Errors
    /// [`Error::Unsupported`] at `offset` if a component's sampling factors have no whole ratio.
    pub(crate) fn new(
        frame: &Frame,
        target: Target,
        library: Library,
        data: &'d mut [u8],
        offset: usize,
    ) -> Result<Self, Error> {
        let upsamplers =
            frame.components.iter().map(|component| Upsampler::new(library, frame, component, offset));
        let plane = |component| Plane::new(frame, component, Scale::of(library, frame, component));
        Ok(Self {
            planes: frame.components.iter().map(plane).collect(),
            upsamplers: upsamplers.collect::<Result<_, _>>()?,
            converter: Converter::new(target, library, frame.width),
            quant: vec![[0; 64]; frame.components.len()],
            mcu_height: 8 * frame.v_max,
            context: frame.v_max,
            stride: target.bytes() * frame.width,
            data,
            written: 0,
        })
    }

    /// Sets the quantization tables. A component without one had no scan, and stays mid-gray.
    pub(crate) fn set_quantizers(&mut self, frame: &Frame) {
        for (quant, component) in self.quant.iter_mut().zip(&frame.components) {
            *quant = component.quant.map_or([0; 64], |table| table.map(|q| q as i16));
        }
    }

    /// Transforms a block that lies within the image.
    #[inline(always)]
    pub(crate) fn block(
        &mut self,
        component: usize,
        row: usize,
        col: usize,
        block: &[i16; 64],
        extent: Extent,
    ) {
        let plane = &mut self.planes[component];
        let (stride, scale, quant) = (plane.stride(), plane.scale(), &self.quant[component]);
        match scale {
            Scale { cols: 1, rows: 1 } => {
                idct::inverse(block, quant, extent, plane.block_mut(row, col), stride);
            }
            scale => idct_double::inverse(block, quant, scale, plane.block_mut(row, col), stride),
        }
    }

    /// Writes the pixel rows that an MCU row completes: all but the last ones, which need the samples below. Then
    /// begins the next MCU row.
    pub(crate) fn mcu_row_done(&mut self, mcu_row: usize) {
        self.write_rows((mcu_row + 1) * self.mcu_height - self.context);
        for plane in &mut self.planes {
            plane.next_mcu_row();
        }
    }

    /// Writes the last pixel rows.
    pub(crate) fn finish(&mut self) {
        self.write_rows(usize::MAX);
    }

    fn write_rows(&mut self, end: usize) {
        let end = end.min(self.data.len() / self.stride);
        for y in self.written..end {
            let mut rows: [&[i8]; 4] = [&[]; 4];
            for ((row, upsampler), plane) in rows.iter_mut().zip(&mut self.upsamplers).zip(&self.planes) {
                *row = upsampler.row(plane, y);
            }
            self.converter.row(&rows, &mut self.data[y * self.stride..][..self.stride]);
        }
        self.written = self.written.max(end);
    }
}
