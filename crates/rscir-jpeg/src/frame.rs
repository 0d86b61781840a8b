//! The frame and scan headers, and the sizes that follow from them.

use crate::error::{Error, Refused};

/// Largest width and height in pixels (libjpeg-turbo, jmorecfg.h, `JPEG_MAX_DIMENSION`).
const MAX_SIDE: u32 = 65_500;

/// Largest number of 8 x 8 blocks in an MCU of an interleaved scan (T.81, B.2.3).
const MAX_BLOCKS_IN_MCU: usize = 10;

/// Meaning of the components of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColorSpace {
    /// One component: lightness.
    Gray,
    /// Three components: luminance and two color differences.
    YCbCr,
    /// Three components: red, green, blue.
    Rgb,
    /// Four components: cyan, magenta, yellow, black.
    Cmyk,
    /// Four components: CMY as YCbCr, and black.
    Ycck,
}

/// Properties of an image that a file gives before the first scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Number of components: 1, 3 or 4.
    pub components: u8,
    /// Meaning of the components.
    pub color_space: ColorSpace,
    /// True for a progressive file (SOF2).
    pub progressive: bool,
}

/// A component: its part of the frame header, and its size.
pub(crate) struct Component {
    pub(crate) id: u8,
    /// Horizontal and vertical sampling factors, 1 to 4.
    pub(crate) h: usize,
    pub(crate) v: usize,
    /// Number of the quantization table.
    pub(crate) table: u8,
    /// Quantization table in natural order. `None` until the component's first scan begins.
    pub(crate) quant: Option<[u16; 64]>,
    /// Width in samples.
    pub(crate) width: usize,
    /// Size in blocks, and the size in blocks after rounding up to whole MCUs of an interleaved scan.
    pub(crate) block_cols: usize,
    pub(crate) block_rows: usize,
    pub(crate) padded_cols: usize,
    pub(crate) padded_rows: usize,
}

/// A frame header.
pub(crate) struct Frame {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) progressive: bool,
    pub(crate) components: Vec<Component>,
    /// Largest sampling factors of the components.
    pub(crate) h_max: usize,
    pub(crate) v_max: usize,
    /// Size in MCUs of an interleaved scan.
    pub(crate) mcu_cols: usize,
    pub(crate) mcu_rows: usize,
}

impl Frame {
    /// Reads the contents of a start-of-frame segment (T.81, B.2.2), which begin at `offset` in the file. `counts`
    /// are the allowed numbers of components.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if samples do not have 8 bits or the number of components is not in `counts`;
    /// [`Error::Dimensions`] if a side is not 1 to [`MAX_SIDE`]; [`Error::Segment`] if the segment contradicts itself.
    pub(crate) fn parse(
        contents: &[u8],
        offset: usize,
        progressive: bool,
        counts: &[u8],
    ) -> Result<Self, Error> {
        let bad = |reason| Error::Segment { segment: "SOF", offset, reason };
        let (&[precision, h0, h1, w0, w1, count], rest) =
            contents.split_first_chunk::<6>().ok_or_else(|| bad("it is too short"))?;
        if precision != 8 {
            return Err(Error::Unsupported { kind: Refused::Precision(precision), offset });
        }
        let (width, height) =
            (u32::from(u16::from_be_bytes([w0, w1])), u32::from(u16::from_be_bytes([h0, h1])));
        if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
            return Err(Error::Dimensions { width, height });
        }
        if !counts.contains(&count) {
            return Err(Error::Unsupported { kind: Refused::Components(count), offset });
        }
        if rest.len() != 3 * usize::from(count) {
            return Err(bad("its length does not fit the number of components"));
        }
        let factors = |packed: u8| (usize::from(packed >> 4), usize::from(packed & 15));
        let (mut h_max, mut v_max) = (1, 1);
        for spec in rest.chunks_exact(3) {
            let (h, v) = factors(spec[1]);
            if !(1..=4).contains(&h) || !(1..=4).contains(&v) {
                return Err(bad("a sampling factor is not 1 to 4"));
            }
            h_max = h_max.max(h);
            v_max = v_max.max(v);
        }
        let (width, height) = (width as usize, height as usize);
        let mcu_cols = width.div_ceil(8 * h_max);
        let mcu_rows = height.div_ceil(8 * v_max);
        let components = rest
            .chunks_exact(3)
            .map(|spec| {
                let (h, v) = factors(spec[1]);
                Component {
                    id: spec[0],
                    h,
                    v,
                    table: spec[2],
                    quant: None,
                    width: (width * h).div_ceil(h_max),
                    block_cols: (width * h).div_ceil(8 * h_max),
                    block_rows: (height * v).div_ceil(8 * v_max),
                    padded_cols: mcu_cols * h,
                    padded_rows: mcu_rows * v,
                }
            })
            .collect();
        Ok(Self { width, height, progressive, components, h_max, v_max, mcu_cols, mcu_rows })
    }

    /// Returns the number of blocks of all components that touch the image.
    pub(crate) fn blocks(&self) -> usize {
        self.components.iter().map(|c| c.block_cols * c.block_rows).sum()
    }
}

/// One component of a scan.
#[derive(Clone, Copy)]
pub(crate) struct ScanComponent {
    /// Index into the frame's components.
    pub(crate) index: usize,
    /// Numbers of the Huffman tables in the file, 0 to 15.
    pub(crate) dc_table: u8,
    pub(crate) ac_table: u8,
}

/// A scan header.
pub(crate) struct Scan {
    pub(crate) components: Vec<ScanComponent>,
    /// Zigzag indices of the first and of the last coefficient.
    pub(crate) first: u8,
    pub(crate) last: u8,
    /// Successive approximation: the bit position of the scan before, and of this one.
    pub(crate) high: u8,
    pub(crate) low: u8,
    /// Offset in the file at which the entropy-coded data begins.
    pub(crate) offset: usize,
}

impl Scan {
    /// Reads the contents of a start-of-scan segment (T.81, B.2.3). The data of the scan begins at `data` in the file.
    ///
    /// # Errors
    /// [`Error::Segment`] if the contents contradict themselves or the frame.
    pub(crate) fn parse(contents: &[u8], data: usize, frame: &Frame) -> Result<Self, Error> {
        let bad = |reason| Error::Segment { segment: "SOS", offset: data - contents.len(), reason };
        let (&count, rest) = contents.split_first().ok_or_else(|| bad("it is empty"))?;
        if !(1..=4).contains(&count) || rest.len() != 2 * usize::from(count) + 3 {
            return Err(bad("its length does not fit the number of components"));
        }
        let (specs, parameters) = rest.split_at(2 * usize::from(count));
        let mut components: Vec<ScanComponent> = Vec::with_capacity(specs.len() / 2);
        for spec in specs.chunks_exact(2) {
            // Like libjpeg: the first component with this identifier whose index is at least the place in the scan.
            let index = (0..frame.components.len())
                .find(|&i| frame.components[i].id == spec[0] && i >= components.len())
                .filter(|&i| components.iter().all(|c| c.index != i))
                .ok_or_else(|| {
                    bad("it names components that the frame lacks, or names them twice or out of order")
                })?;
            components.push(ScanComponent { index, dc_table: spec[1] >> 4, ac_table: spec[1] & 15 });
        }
        let blocks: usize =
            components.iter().map(|c| frame.components[c.index].h * frame.components[c.index].v).sum();
        if components.len() > 1 && blocks > MAX_BLOCKS_IN_MCU {
            return Err(bad("its MCU has more than ten blocks"));
        }
        let (first, last, approximation) = (parameters[0], parameters[1], parameters[2]);
        Ok(Self { components, first, last, high: approximation >> 4, low: approximation & 15, offset: data })
    }

    /// Tells whether the scan has a single component. Its blocks then follow each other row by row, not in MCUs.
    pub(crate) fn single(&self) -> bool {
        self.components.len() == 1
    }
}
