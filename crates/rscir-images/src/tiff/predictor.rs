//! Conversion of the decompressed bytes of a strip or tile to samples.

use bytemuck::cast_vec;
use half::f16;

use super::layout::{Layout, Predictor};
use super::samples::{SampleFormat, Samples};

/// Gives numbers the operations that differences in a row need.
trait Number: Copy {
    fn plus(self, other: Self) -> Self;

    fn swapped(self) -> Self;
}

macro_rules! number {
    ($($kind:ty),*) => {$(
        impl Number for $kind {
            #[inline]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            #[inline]
            fn swapped(self) -> Self {
                self.swap_bytes()
            }
        }
    )*};
}
number!(u8, u16, u32, u64);

/// Converts the bytes of a block to samples. `shape` is that of its rows.
pub(super) fn samples(layout: &Layout, mut bytes: Vec<u8>, shape: Row) -> Samples {
    if layout.predictor == Predictor::Float {
        for row in bytes.chunks_exact_mut(shape.stride) {
            undo_float(row, shape.step, layout.bits / 8);
        }
    }
    let signed = layout.format == SampleFormat::Signed;
    match (layout.format, layout.bits) {
        (SampleFormat::Float, 16) => {
            let halves: Vec<u16> = whole(layout, &bytes, shape, u16::from_ne_bytes);
            Samples::F32(halves.into_iter().map(|bits| f16::from_bits(bits).to_f32()).collect())
        }
        (SampleFormat::Float, 32) => Samples::F32(cast_vec(whole(layout, &bytes, shape, u32::from_ne_bytes))),
        (SampleFormat::Float, _) => Samples::F64(cast_vec(whole(layout, &bytes, shape, u64::from_ne_bytes))),
        (_, 8) => {
            if layout.predictor == Predictor::Horizontal {
                bytes.chunks_exact_mut(shape.stride).for_each(|row| accumulate(row, shape.step));
            }
            if signed { Samples::I8(cast_vec(bytes)) } else { Samples::U8(bytes) }
        }
        (_, 16) => {
            let values = whole(layout, &bytes, shape, u16::from_ne_bytes);
            if signed { Samples::I16(cast_vec(values)) } else { Samples::U16(values) }
        }
        (_, 32) => {
            let values = whole(layout, &bytes, shape, u32::from_ne_bytes);
            if signed { Samples::I32(cast_vec(values)) } else { Samples::U32(values) }
        }
        (_, 64) => {
            let values = whole(layout, &bytes, shape, u64::from_ne_bytes);
            if signed { Samples::I64(cast_vec(values)) } else { Samples::U64(values) }
        }
        (_, bits) => unpacked(&bytes, shape, bits, signed),
    }
}

/// The shape of a row of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// Number of bytes of a row.
    pub(super) stride: usize,
    /// Number of samples of a row.
    pub(super) samples: usize,
    /// Number of samples of a pixel.
    pub(super) step: usize,
}

/// Converts bytes to numbers of whole bytes. Differences, if that is what is stored, are summed. `join` makes a number
/// of bytes in this machine's order.
fn whole<T: Number, const N: usize>(
    layout: &Layout,
    bytes: &[u8],
    shape: Row,
    join: impl Fn([u8; N]) -> T,
) -> Vec<T> {
    // Bytes are first copied, and swapped in a second pass if the orders differ: loops without branches become vector
    // code.
    let mut values: Vec<T> = bytes.as_chunks().0.iter().map(|digits| join(*digits)).collect();
    // After the predictor of floats the most significant byte comes first, in files of either order.
    let little = layout.little && layout.predictor != Predictor::Float;
    if little != cfg!(target_endian = "little") {
        values.iter_mut().for_each(|value| *value = value.swapped());
    }
    if layout.predictor == Predictor::Horizontal {
        values.chunks_exact_mut(shape.samples).for_each(|row| accumulate(row, shape.step));
    }
    values
}

/// Replaces a row's differences from the pixel before by values (TIFF 6.0, section 14).
fn accumulate<T: Number>(row: &mut [T], step: usize) {
    // For usual numbers of samples there is code of its own, in which the compiler keeps the pixel before in registers.
    match step {
        1 => sums::<T, 1>(row),
        2 => sums::<T, 2>(row),
        3 => sums::<T, 3>(row),
        4 => sums::<T, 4>(row),
        _ => {
            let mut rest = row;
            while rest.len() > step {
                let (before, after) = rest.split_at_mut(step);
                after.iter_mut().zip(before).for_each(|(value, before)| *value = value.plus(*before));
                rest = after;
            }
        }
    }
}

fn sums<T: Number, const STEP: usize>(row: &mut [T]) {
    let (pixels, _) = row.as_chunks_mut::<STEP>();
    let Some((first, others)) = pixels.split_first_mut() else { return };
    let mut sum = *first;
    for pixel in others {
        sum.iter_mut().zip(&*pixel).for_each(|(sum, value)| *sum = sum.plus(*value));
        *pixel = sum;
    }
}

/// Restores a row's floats, with the most significant byte first, from differences of their bytes, which are ordered by
/// significance (Adobe's technical note 3).
fn undo_float(row: &mut [u8], step: usize, bytes: usize) {
    accumulate(row, step);
    let shuffled = row.to_vec();
    let count = (row.len() / bytes).max(1);
    for (significance, plane) in shuffled.chunks_exact(count).take(bytes).enumerate() {
        row.iter_mut().skip(significance).step_by(bytes).zip(plane).for_each(|(to, byte)| *to = *byte);
    }
}

/// Unpacks samples whose bits are no whole bytes. They are packed from the high bit down.
fn unpacked(bytes: &[u8], shape: Row, bits: usize, signed: bool) -> Samples {
    /// Unpacks and converts the numbers of all rows.
    fn all<T>(bytes: &[u8], shape: Row, bits: usize, convert: impl Fn(u64) -> T) -> Vec<T> {
        let rows = bytes.chunks_exact(shape.stride);
        let mut out = Vec::with_capacity(rows.len() * shape.samples);
        for row in rows {
            let numbers = Bits { bytes: row.iter(), held: 0, count: 0, bits };
            out.extend(numbers.take(shape.samples).map(&convert));
        }
        out
    }
    let extended = |value: u64| ((value << (64 - bits)) as i64) >> (64 - bits);
    match (bits, signed) {
        (..=8, false) => Samples::U8(all(bytes, shape, bits, |value| value as u8)),
        (..=16, false) => Samples::U16(all(bytes, shape, bits, |value| value as u16)),
        (..=32, false) => Samples::U32(all(bytes, shape, bits, |value| value as u32)),
        (_, false) => Samples::U64(all(bytes, shape, bits, |value| value)),
        (..=8, true) => Samples::I8(all(bytes, shape, bits, |value| extended(value) as i8)),
        (..=16, true) => Samples::I16(all(bytes, shape, bits, |value| extended(value) as i16)),
        (..=32, true) => Samples::I32(all(bytes, shape, bits, |value| extended(value) as i32)),
        (_, true) => Samples::I64(all(bytes, shape, bits, extended)),
    }
}

/// Iterates over the numbers in a row of bits.
struct Bits<'a> {
    bytes: std::slice::Iter<'a, u8>,
    /// The bits that were read and not yet returned, as the lowest ones.
    held: u128,
    /// Number of bits in `held`.
    count: usize,
    /// Number of bits of a number, at most 64.
    bits: usize,
}

impl Iterator for Bits<'_> {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        while self.count < self.bits {
            self.held = self.held << 8 | u128::from(*self.bytes.next()?);
            self.count += 8;
        }
        self.count -= self.bits;
        Some((self.held >> self.count) as u64 & (u64::MAX >> (64 - self.bits)))
    }
}
