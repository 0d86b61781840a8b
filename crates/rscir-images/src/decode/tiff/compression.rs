//! From the bytes of a strip or tile in the file to the bytes of its samples.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::ZlibDecoder;
use weezl::{BitOrder, LzwStatus, decode::Decoder as LzwDecoder};

use super::directory::{Directory, tag};
use super::{damaged, photometric, unsupported};
use crate::decode::ImageProblem;
use crate::decode::png::DEFLATE_RATIO;

/// How a file's samples are compressed (TIFF 6.0, sections 3, 9, 13, 22, and Adobe's technical notes for 8 and 7).
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Compression {
    None,
    Lzw,
    Deflate,
    PackBits,
    /// Tables that all strips or tiles share: a JPEG stream without image, or nothing.
    Jpeg {
        tables: Vec<u8>,
        /// Whether colours are stored as they are and not as YCbCr.
        rgb: bool,
    },
}

impl Compression {
    pub(super) fn of(directory: &Directory<'_>, photometric: u64) -> Result<Self, ImageProblem> {
        Ok(match directory.value(tag::COMPRESSION, 1)? {
            1 => Self::None,
            5 => Self::Lzw,
            8 | 32_946 => Self::Deflate,
            32_773 => Self::PackBits,
            7 if matches!(
                photometric,
                photometric::BLACK_IS_ZERO | photometric::RGB | photometric::YCBCR
            ) =>
            {
                let tables = directory.values(tag::JPEG_TABLES)?.unwrap_or_default();
                let tables = tables.into_iter().map(|byte| byte as u8).collect();
                Self::Jpeg { tables, rgb: photometric == photometric::RGB }
            }
            7 => return Err(unsupported(format!("JPEG of photometric interpretation {photometric}"))),
            other => return Err(unsupported(format!("compression {other}"))),
        })
    }

    /// The most bytes that a byte of the file stands for.
    pub(super) fn ratio(&self) -> u64 {
        match self {
            Self::None => 1,
            // The longest string of a table of 4,096 in 12 bits.
            Self::Lzw => 4096 * 8 / 12,
            Self::Deflate => DEFLATE_RATIO,
            // A run of 128 in two bytes.
            Self::PackBits => 64,
            // Six blocks of a bit each for 16 x 16 pixels of three bytes.
            Self::Jpeg { .. } => 1024,
        }
    }

    /// The `length` bytes of a chunk, of rows of `stride` bytes.
    pub(super) fn expand<'a>(
        &self,
        raw: &'a [u8],
        length: usize,
        stride: usize,
    ) -> Result<Cow<'a, [u8]>, ImageProblem> {
        let mut out = match self {
            Self::None => Cow::Borrowed(raw),
            Self::Lzw => Cow::Owned(lzw(raw, length)?),
            Self::Deflate => {
                let mut out = Vec::with_capacity(length);
                ZlibDecoder::new(raw).take(length as u64).read_to_end(&mut out).map_err(damaged)?;
                Cow::Owned(out)
            }
            Self::PackBits => Cow::Owned(pack_bits(raw, length)),
            Self::Jpeg { tables, rgb } => Cow::Owned(jpeg(tables, *rgb, raw, length, stride)?),
        };
        if out.len() < length {
            return Err(damaged(format!("a strip or tile has {} bytes where {length} belong", out.len())));
        }
        match &mut out {
            Cow::Borrowed(bytes) => *bytes = bytes.get(..length).unwrap_or_default(),
            Cow::Owned(bytes) => bytes.truncate(length),
        }
        Ok(out)
    }
}

fn lzw(mut raw: &[u8], length: usize) -> Result<Vec<u8>, ImageProblem> {
    let mut decoder = LzwDecoder::with_tiff_size_switch(BitOrder::Msb, 8);
    let mut out = vec![0; length];
    let mut filled = 0;
    while filled < length {
        let step = decoder.decode_bytes(raw, out.get_mut(filled..).unwrap_or_default());
        raw = raw.get(step.consumed_in..).unwrap_or_default();
        filled += step.consumed_out;
        match step.status.map_err(damaged)? {
            LzwStatus::Ok => {}
            LzwStatus::NoProgress | LzwStatus::Done => break,
        }
    }
    out.truncate(filled);
    Ok(out)
}

/// TIFF 6.0, section 9. Ends early where the data does.
fn pack_bits(mut raw: &[u8], length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(length);
    while let ([code, rest @ ..], true) = (raw, out.len() < length) {
        let code = *code as i8;
        match (code, rest) {
            (0.., _) => {
                let (literal, rest) = rest.split_at(rest.len().min(code as usize + 1));
                out.extend_from_slice(literal);
                raw = rest;
            }
            (-128, rest) => raw = rest,
            (_, [value, rest @ ..]) => {
                out.resize(out.len() + 1 + usize::from(code.unsigned_abs()), *value);
                raw = rest;
            }
            (_, []) => raw = rest,
        }
    }
    out
}

/// A JPEG stream, after the tables that it shares with others. `stride` tells whether three samples a pixel are wanted.
fn jpeg(tables: &[u8], rgb: bool, raw: &[u8], length: usize, stride: usize) -> Result<Vec<u8>, ImageProblem> {
    // The directory, not the stream, says what the components are; Adobe's marker tells the decoder (its technical note
    // 5116: version 100, no flags, and the transform).
    let colors = [&b"\xFF\xD8\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0"[..], &[u8::from(!rgb)]].concat();
    // Both begin with a start-of-image marker, and the tables end with an end-of-image marker.
    let tables = tables.get(2..tables.len().saturating_sub(2)).unwrap_or_default();
    let stream = [&colors, tables, raw.get(2..).unwrap_or_default()].concat();
    let limits = rscir_jpeg::Limits { max_pixels: length as u64 };
    let image = rscir_jpeg::decode(&stream, &limits)?;
    match stride.checked_div(image.width as usize) {
        Some(3) => Ok(image.data),
        Some(1) => Ok(image.data.into_iter().step_by(3).collect()),
        _ => Err(damaged("a strip or tile is a JPEG image of another width")),
    }
}
