//! Decoding of a file to an image.

use crate::bits::End;
use crate::color::Target;
use crate::error::Error;
use crate::frame::{Frame, Header, Scan};
use crate::idct::Extent;
use crate::library::Library;
use crate::markers::Markers;
use crate::progressive::{Coefficients, Known, progressive_scan, sequential_scan};
use crate::render::Renderer;
use crate::scan::{BlockSink, Entropy, Place, walk};
use crate::sequential::Coder;
use crate::smoothing::{self, Smoother};

/// Largest number of scans of a file. The scan scripts of encoders have about ten; libjpeg-turbo's fuzz targets stop
/// at 100 (fuzz/decompress.cc). 500 leaves room, and bounds the time that a file made of tiny scans takes.
const MAX_SCANS: u32 = 500;

/// Number of 8 x 8 blocks that any file may have. Beyond it every block must have at least one bit in the file, which
/// the entropy coding needs; a file with fewer is damaged beyond use, or made to exhaust memory.
const FREE_BLOCKS: usize = 1 << 14;

/// Limits on the files that are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Largest number of pixels of an image, width times height. Default: 178,956,970.
    pub max_pixels: u64,
}

impl Default for Limits {
    /// Allows 178,956,970 pixels. Above that number Pillow raises `DecompressionBombError`: it is twice Pillow's
    /// `MAX_IMAGE_PIXELS` of `1024 * 1024 * 1024 // 4 // 3`.
    fn default() -> Self {
        Self { max_pixels: 178_956_970 }
    }
}

impl Limits {
    /// Sets the largest number of pixels of an image, width times height. Default: 178,956,970.
    #[must_use]
    pub fn max_pixels(mut self, max_pixels: u64) -> Self {
        self.max_pixels = max_pixels;
        self
    }
}

/// A decoded image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RgbImage {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Red, green and blue of each pixel, `[height, width, 3]`, row by row from the top.
    pub data: Vec<u8>,
}

/// Reads the header of a file: everything before the data of the first scan.
///
/// # Errors
/// The errors of [`decode`] that are about the header: [`Error::NotJpeg`], [`Error::Truncated`],
/// [`Error::Dimensions`], [`Error::Unsupported`], [`Error::Segment`] and [`Error::Marker`].
pub fn read_header(bytes: &[u8]) -> Result<Header, Error> {
    let mut markers = Markers::new(bytes)?;
    let (frame, _) = markers.first_scan()?;
    Ok(markers.header(&frame))
}

/// Decodes a file to the RGB pixels of libjpeg-turbo. Gray becomes three equal values; CMYK and YCCK are converted as
/// Pillow converts them.
///
/// Memory is bounded by the header and by the length of the file. It is three bytes a pixel for files of one scan.
/// Files of several scans, such as progressive ones, take two more bytes for each sample: 6 (4:2:0) to 11 (CMYK)
/// bytes a pixel. Above a million pixels, memory is also at most about three kilobytes for each byte of the file.
///
/// # Errors
/// [`Error::NotJpeg`], [`Error::Unsupported`] or [`Error::Dimensions`] if the file is not of a kind that is decoded;
/// [`Error::TooManyPixels`] if the image exceeds `limits`; [`Error::Truncated`] or [`Error::TooLittleData`] if the
/// file is cut short; [`Error::Segment`], [`Error::Marker`] or [`Error::Table`] if headers or tables contradict
/// themselves or each other; [`Error::TooManyScans`] if there are more than 500 scans.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<RgbImage, Error> {
    let mut image = RgbImage::default();
    decode_into(bytes, limits, &mut image)?;
    Ok(image)
}

/// Decodes a file like [`decode`], to the pixels of `library`.
///
/// # Errors
/// The errors of [`decode`].
pub fn decode_as(bytes: &[u8], limits: &Limits, library: Library) -> Result<RgbImage, Error> {
    let mut image = RgbImage::default();
    decode_rgb(bytes, limits, library, &mut image)?;
    Ok(image)
}

/// Decodes a file like [`decode`], into an image whose memory is used again. After an error the contents of `image`
/// are not specified.
///
/// # Errors
/// The errors of [`decode`].
pub fn decode_into(bytes: &[u8], limits: &Limits, image: &mut RgbImage) -> Result<(), Error> {
    decode_rgb(bytes, limits, Library::Turbo, image)
}

fn decode_rgb(bytes: &[u8], limits: &Limits, library: Library, image: &mut RgbImage) -> Result<(), Error> {
    let mut markers = Markers::new(bytes)?;
    let (frame, scan) = markers.first_scan()?;
    let target = Target::Rgb(markers.color_space(&frame));
    (image.width, image.height) = (frame.width as u32, frame.height as u32);
    decode_pixels(bytes, limits, markers, (frame, scan), (target, library), &mut image.data)
}

/// A decoded image with the components that the file has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Components {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Number of components: 1 to 4.
    pub count: usize,
    /// The components of each pixel, `[height, width, count]`, row by row from the top.
    pub data: Vec<u8>,
}

/// Decodes a file of one to four components without a conversion of colors. This is for files in a container that says
/// what the components mean, such as the directory of a TIFF file.
///
/// The bytes are those of libjpeg-turbo with an unknown color space (`JCS_UNKNOWN`). Memory is bounded as by
/// [`decode`], with one byte for each component of a pixel in place of three.
///
/// # Errors
/// The errors of [`decode`].
pub fn decode_components(bytes: &[u8], limits: &Limits) -> Result<Components, Error> {
    decode_components_as(bytes, limits, Library::Turbo)
}

/// Decodes a file like [`decode_components`], to the samples of `library`.
///
/// # Errors
/// The errors of [`decode`].
pub fn decode_components_as(bytes: &[u8], limits: &Limits, library: Library) -> Result<Components, Error> {
    let mut markers = Markers::of_counts(bytes, &[1, 2, 3, 4])?;
    let (frame, scan) = markers.first_scan()?;
    let (width, height, count) = (frame.width as u32, frame.height as u32, frame.components.len());
    let mut data = Vec::new();
    decode_pixels(bytes, limits, markers, (frame, scan), (Target::Components(count), library), &mut data)?;
    Ok(Components { width, height, count, data })
}

/// Decodes the scans that follow the headers into `data`, whose memory is used again.
fn decode_pixels<'a>(
    bytes: &'a [u8],
    limits: &Limits,
    mut markers: Markers<'a>,
    (mut frame, scan): (Frame, Scan),
    (target, library): (Target, Library),
    data: &mut Vec<u8>,
) -> Result<(), Error> {
    let (width, height) = (frame.width as u32, frame.height as u32);
    let pixels = u64::from(width) * u64::from(height);
    let size = match usize::try_from(target.bytes() as u64 * pixels) {
        Ok(size) if pixels <= limits.max_pixels => size,
        _ => return Err(Error::TooManyPixels { width, height, max_pixels: limits.max_pixels }),
    };
    let content = bytes.len() - scan.offset;
    if frame.blocks().saturating_sub(FREE_BLOCKS) / 8 > content {
        return Err(Error::TooLittleData { width, height, bytes: content });
    }
    if data.capacity() < size {
        *data = Vec::new();
        *data = vec![0; size];
    }
    data.resize(size, 0);

    let renderer = Renderer::new(&frame, target, library, data, scan.offset)?;
    if frame.progressive || scan.components.len() < frame.components.len() {
        decode_scans(bytes, &mut markers, &mut frame, scan, renderer)
    } else {
        decode_single_scan(bytes, &mut markers, &mut frame, &scan, renderer)
    }
}

/// Sets the quantization table of each component that has its first scan now, to the table that the file defines at
/// this place (libjpeg, jdinput.c, `latch_quant_tables`).
fn latch_quantizers(markers: &Markers<'_>, frame: &mut Frame, scan: &Scan) -> Result<(), Error> {
    for part in &scan.components {
        let component = &mut frame.components[part.index];
        if component.quant.is_none() {
            let index = component.table;
            component.quant = markers.quant.get(usize::from(index)).copied().flatten();
            if component.quant.is_none() {
                let (table, reason) = ("quantization", "it is not defined");
                return Err(Error::Table { table, index, offset: scan.offset, reason });
            }
        }
    }
    Ok(())
}

/// Decodes the blocks of a sequential scan and renders each of them at once.
struct SingleScan<'s, 'd> {
    frame: &'s Frame,
    scan: &'s Scan,
    coder: Coder,
    renderer: Renderer<'d>,
}

impl<'a> BlockSink<'a> for SingleScan<'_, '_> {
    #[inline(always)]
    fn block(&mut self, entropy: &mut Entropy<'a>, place: Place) {
        let mut block = [0; 64];
        let last = self.coder.decode_block(entropy, place.component, &mut block);
        let index = self.scan.components[place.component].index;
        let component = &self.frame.components[index];
        if place.row < component.block_rows && place.col < component.block_cols {
            self.renderer.block(index, place.row, place.col, &block, Extent::of_last(last));
        }
    }

    fn row_done(&mut self, row: usize) {
        let rows_in_mcu_row = if self.scan.single() { self.frame.components[0].v } else { 1 };
        if (row + 1).is_multiple_of(rows_in_mcu_row) {
            self.renderer.mcu_row_done(row / rows_in_mcu_row);
        }
    }
}

/// Decodes a sequential file with all components in one scan, without a copy of its coefficients.
fn decode_single_scan<'a>(
    bytes: &'a [u8],
    markers: &mut Markers<'a>,
    frame: &mut Frame,
    scan: &Scan,
    mut renderer: Renderer<'_>,
) -> Result<(), Error> {
    latch_quantizers(markers, frame, scan)?;
    renderer.set_quantizers(frame);
    markers.assume_standard_tables();
    let mut sink = SingleScan { frame, scan, coder: Coder::new(markers, scan)?, renderer };
    let mut entropy = walk(bytes, frame, scan, markers.restart_interval, &mut sink)?.entropy;
    sink.renderer.finish();
    // Without a marker after the image, libjpeg reads ahead by up to 57 bits. If the file ends in these, Pillow calls
    // it truncated. How far libjpeg reads depends on how the bits fall; half of the files with four more bytes pass.
    entropy.bits = entropy.source.refill_bytewise(entropy.bits);
    if entropy.source.end() == End::File && entropy.source.left(entropy.bits) < 32 {
        return Err(Error::Truncated { offset: bytes.len() });
    }
    markers.resume(&entropy);
    match markers.next_scan(frame) {
        Ok(None) | Err(Error::Truncated { .. }) => Ok(()),
        Ok(Some(scan)) => Err(Error::Marker {
            marker: 0xDA,
            offset: scan.offset,
            reason: "a further scan after one with all components",
        }),
        Err(error) => Err(error),
    }
}

/// Decodes a file of several scans: first the coefficients of all scans, then the pixels.
fn decode_scans<'a>(
    bytes: &'a [u8],
    markers: &mut Markers<'a>,
    frame: &mut Frame,
    first: Scan,
    mut renderer: Renderer<'_>,
) -> Result<(), Error> {
    if !frame.progressive {
        markers.assume_standard_tables();
    }
    let mut coefficients: Vec<_> = frame.components.iter().map(Coefficients::new).collect();
    let mut known = vec![Known::NOTHING; frame.components.len()];
    let mut next = Some(first);
    let (mut number, mut last_good_row) = (0, 0);
    while let Some(scan) = next {
        number += 1;
        if number > MAX_SCANS {
            return Err(Error::TooManyScans { max: MAX_SCANS, offset: scan.offset });
        }
        latch_quantizers(markers, frame, &scan)?;
        let walked = if frame.progressive {
            progressive_scan(bytes, markers, frame, &scan, number, &mut coefficients, &mut known)?
        } else {
            sequential_scan(bytes, markers, frame, &scan, &mut coefficients)?
        };
        last_good_row = walked.last_good_row;
        markers.resume(&walked.entropy);
        next = markers.next_scan(frame)?;
    }

    renderer.set_quantizers(frame);
    let smooth = frame.progressive && smoothing::needed(frame, &known);
    for mcu_row in 0..frame.mcu_rows {
        for (index, component) in frame.components.iter().enumerate() {
            let coefficients = &coefficients[index];
            let smoother = smooth
                .then(|| Smoother::new(frame, component, coefficients, &known[index], number, last_good_row));
            for row in mcu_row * component.v..((mcu_row + 1) * component.v).min(component.block_rows) {
                for col in 0..component.block_cols {
                    let block = match &smoother {
                        Some(smoother) => &smoother.block(row, col),
                        None => &coefficients.blocks[row * coefficients.stride + col],
                    };
                    renderer.block(index, row, col, block, Extent::of_block(block));
                }
            }
        }
        renderer.mcu_row_done(mcu_row);
    }
    renderer.finish();
    Ok(())
}
