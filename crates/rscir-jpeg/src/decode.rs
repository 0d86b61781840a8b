//! From the bytes of a file to an image.

use crate::bits::End;
use crate::color;
use crate::error::Error;
use crate::frame::{Frame, Header, Scan};
use crate::idct::{self, Extent};
use crate::markers::Markers;
use crate::progressive::{Coefficients, Known, progressive_scan, sequential_scan};
use crate::scan::walk;
use crate::sequential::Coder;
use crate::smoothing::{self, Smoother};
use crate::upsample::{Plane, Upsampler};

/// The most scans of a file. libjpeg-turbo's own guard against files that are all scans is of this order
/// (`djpeg -maxscans`); the scan scripts of encoders have about ten.
const MAX_SCANS: u32 = 500;

/// What a file may ask of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most pixels, width times height, of an image.
    pub max_pixels: u64,
}

impl Default for Limits {
    /// 178,956,970 pixels, where Pillow raises `DecompressionBombError`: twice its `MAX_IMAGE_PIXELS` of
    /// `1024 * 1024 * 1024 // 4 // 3`.
    fn default() -> Self {
        Self { max_pixels: 178_956_970 }
    }
}

/// A decoded image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbImage {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Red, green and blue of each pixel, row by row from the top: height x width x 3 bytes.
    pub data: Vec<u8>,
}

/// Reads the header, up to the first scan, of which nothing is read.
///
/// # Errors
/// As [`decode`], for what the header shows.
pub fn read_header(bytes: &[u8]) -> Result<Header, Error> {
    let mut markers = Markers::new(bytes)?;
    let (frame, _) = markers.first_scan()?;
    Ok(markers.header(&frame))
}

/// Decodes a file to RGB; gray becomes three equal values, CMYK and YCCK are converted as Pillow does.
///
/// Memory is bounded by the header and by the file: at most about 12 bytes a pixel (4:4:4 progressive; 4.5 for 4:2:0
/// baseline), and no more than some three kilobytes for each byte of the file.
///
/// # Errors
/// [`Error::NotJpeg`], [`Error::Unsupported`] and [`Error::Dimensions`] for what cannot be decoded;
/// [`Error::TooManyPixels`] above `limits`; [`Error::Truncated`] and [`Error::TooLittleData`] for files that are cut
/// short; the others for headers and tables that contradict themselves.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<RgbImage, Error> {
    let mut markers = Markers::new(bytes)?;
    let (mut frame, scan) = markers.first_scan()?;
    let header = markers.header(&frame);
    let (width, height) = (header.width, header.height);
    if u64::from(width) * u64::from(height) > limits.max_pixels {
        return Err(Error::TooManyPixels { width, height, max_pixels: limits.max_pixels });
    }
    // Every block takes at least one bit, so a file with fewer is damaged beyond use, or made to exhaust memory.
    let data = bytes.len() - scan.offset;
    if data.saturating_mul(8) < frame.blocks() {
        return Err(Error::TooLittleData { width, height, bytes: data });
    }
    let upsamplers = frame
        .components
        .iter()
        .map(|component| Upsampler::new(&frame, component, scan.offset))
        .collect::<Result<Vec<_>, _>>()?;

    let planes = if frame.progressive || scan.components.len() < frame.components.len() {
        decode_scans(bytes, &mut markers, &mut frame, scan)?
    } else {
        decode_single_scan(bytes, &mut markers, &mut frame, &scan)?
    };
    Ok(RgbImage { width, height, data: render(&header, &planes, upsamplers) })
}

/// Takes the quantisation tables of the components whose first scan this is (libjpeg, jdinput.c, `latch_quant_tables`).
fn latch_quantisers(markers: &Markers<'_>, frame: &mut Frame, scan: &Scan) -> Result<(), Error> {
    for part in &scan.components {
        let component = &mut frame.components[part.index];
        if component.quant.is_none() {
            let index = component.table;
            component.quant = markers.quant.get(usize::from(index)).copied().flatten();
            if component.quant.is_none() {
                let (table, reason) = ("quantisation", "it is not defined");
                return Err(Error::Table { table, index, offset: scan.offset, reason });
            }
        }
    }
    Ok(())
}

/// The quantisation table in the 16-bit numbers that the transform multiplies with; zeros for a component without scan.
fn multipliers(frame: &Frame, index: usize) -> [i16; 64] {
    frame.components[index].quant.map_or([0; 64], |quant| quant.map(|q| q as i16))
}

/// Decodes a sequential file that has all components in one scan: straight from coefficients to samples.
fn decode_single_scan<'a>(
    bytes: &'a [u8],
    markers: &mut Markers<'a>,
    frame: &mut Frame,
    scan: &Scan,
) -> Result<Vec<Plane>, Error> {
    latch_quantisers(markers, frame, scan)?;
    markers.assume_standard_tables();
    let coder = Coder::new(markers, scan)?;
    let quant: Vec<_> = scan.components.iter().map(|part| multipliers(frame, part.index)).collect();
    let mut planes: Vec<_> = frame.components.iter().map(Plane::new).collect();
    let walked = walk(bytes, frame, scan, markers.restart_interval, |entropy, place| {
        let mut block = [0; 64];
        let last = coder.decode_block(entropy, place.component, &mut block);
        let index = scan.components[place.component].index;
        let component = &frame.components[index];
        if place.row < component.block_rows && place.col < component.block_cols {
            let plane = &mut planes[index];
            let out = &mut plane.samples[8 * (place.row * plane.stride + place.col)..];
            idct::inverse(&block, &quant[place.component], Extent::of_last(last), out, plane.stride);
        }
    })?;
    // libjpeg wants up to 57 bits beyond the image or a marker, and Pillow calls a file without them truncated.
    let reader = walked.reader.refill_bytewise();
    if reader.end() == End::File {
        return Err(Error::Truncated { offset: bytes.len() });
    }
    markers.resume(&reader);
    match markers.next_scan(frame) {
        Ok(None) | Err(Error::Truncated { .. }) => Ok(planes),
        Ok(Some(scan)) => Err(Error::Marker {
            marker: 0xDA,
            offset: scan.offset,
            reason: "a further scan after one with all components",
        }),
        Err(error) => Err(error),
    }
}

/// Decodes a file of several scans: all coefficients first.
fn decode_scans<'a>(
    bytes: &'a [u8],
    markers: &mut Markers<'a>,
    frame: &mut Frame,
    first: Scan,
) -> Result<Vec<Plane>, Error> {
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
        latch_quantisers(markers, frame, &scan)?;
        let walked = if frame.progressive {
            progressive_scan(bytes, markers, frame, &scan, number, &mut coefficients, &mut known)?
        } else {
            sequential_scan(bytes, markers, frame, &scan, &mut coefficients)?
        };
        last_good_row = walked.last_good_row;
        markers.resume(&walked.reader);
        next = markers.next_scan(frame)?;
    }

    let smooth = frame.progressive && smoothing::needed(frame, &known);
    let mut planes = Vec::with_capacity(coefficients.len());
    for (index, coefficients) in coefficients.into_iter().enumerate() {
        let component = &frame.components[index];
        let quant = multipliers(frame, index);
        let smoother = smooth
            .then(|| Smoother::new(frame, component, &coefficients, &known[index], number, last_good_row));
        let mut plane = Plane::new(component);
        for row in 0..component.block_rows {
            for col in 0..component.block_cols {
                let block = match &smoother {
                    Some(smoother) => &smoother.block(row, col),
                    None => &coefficients.blocks[row * coefficients.stride + col],
                };
                let out = &mut plane.samples[8 * (row * plane.stride + col)..];
                idct::inverse(block, &quant, Extent::of_block(block), out, plane.stride);
            }
        }
        planes.push(plane);
    }
    Ok(planes)
}

/// Makes the image of the planes.
fn render(header: &Header, planes: &[Plane], mut upsamplers: Vec<Upsampler>) -> Vec<u8> {
    let stride = 3 * header.width as usize;
    let mut data = vec![0; stride * header.height as usize];
    for (y, out) in data.chunks_exact_mut(stride).enumerate() {
        let mut rows: [&[i8]; 4] = [&[]; 4];
        for ((row, upsampler), plane) in rows.iter_mut().zip(&mut upsamplers).zip(planes) {
            *row = upsampler.row(plane, y);
        }
        color::convert(header.color_space, &rows, out);
    }
    data
}
