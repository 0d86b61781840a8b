use std::fmt;

use half::{bf16, f16};

/// Element type of a checkpoint's tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dtype {
    /// 64-bit float.
    F64,
    /// 32-bit float.
    F32,
    /// IEEE half precision.
    F16,
    /// bfloat16: the upper half of a 32-bit float.
    Bf16,
    /// 64-bit integer.
    I64,
    /// 32-bit integer.
    I32,
    /// 16-bit integer.
    I16,
    /// 8-bit integer.
    I8,
    /// Unsigned 8-bit integer.
    U8,
    /// One byte that is zero or one.
    Bool,
}

impl Dtype {
    /// Returns the size of an element in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// Appends little-endian elements as 32-bit floats. f64 and integers beyond 24 bits are rounded; all
    /// other values are exact. Bytes that do not fill an element are ignored.
    pub(crate) fn widen(self, bytes: &[u8], values: &mut Vec<f32>) {
        fn each<const N: usize>(bytes: &[u8], values: &mut Vec<f32>, widen: impl Fn([u8; N]) -> f32) {
            values.extend(bytes.as_chunks().0.iter().map(|&element| widen(element)));
        }
        match self {
            Self::F64 => each(bytes, values, |element| f64::from_le_bytes(element) as f32),
            Self::F32 => each(bytes, values, f32::from_le_bytes),
            Self::F16 => each(bytes, values, |element| f16::from_le_bytes(element).to_f32()),
            Self::Bf16 => each(bytes, values, |element| bf16::from_le_bytes(element).to_f32()),
            Self::I64 => each(bytes, values, |element| i64::from_le_bytes(element) as f32),
            Self::I32 => each(bytes, values, |element| i32::from_le_bytes(element) as f32),
            Self::I16 => each(bytes, values, |element| i16::from_le_bytes(element).into()),
            Self::I8 => each(bytes, values, |element| i8::from_le_bytes(element).into()),
            Self::U8 | Self::Bool => each(bytes, values, |[element]| element.into()),
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F64 => "f64",
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::I64 => "i64",
            Self::I32 => "i32",
            Self::I16 => "i16",
            Self::I8 => "i8",
            Self::U8 => "u8",
            Self::Bool => "bool",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widened(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
        let mut values = Vec::new();
        dtype.widen(bytes, &mut values);
        values
    }

    #[test]
    fn every_type_is_widened() {
        assert_eq!(widened(Dtype::F64, &(-1.5f64).to_le_bytes()), [-1.5]);
        assert_eq!(widened(Dtype::F32, &1e-40f32.to_le_bytes()), [1e-40]);
        assert_eq!(widened(Dtype::I64, &(-3i64).to_le_bytes()), [-3.0]);
        assert_eq!(widened(Dtype::I32, &7i32.to_le_bytes()), [7.0]);
        assert_eq!(widened(Dtype::I16, &(-7i16).to_le_bytes()), [-7.0]);
        assert_eq!(widened(Dtype::I8, &[0xff]), [-1.0]);
        assert_eq!(widened(Dtype::U8, &[0xff]), [255.0]);
        assert_eq!(widened(Dtype::Bool, &[1, 0]), [1.0, 0.0]);
    }

    /// Compares every half-precision number, including the subnormal ones, with the definition of the format.
    #[test]
    fn half_precision_is_widened_exactly() {
        for bits in 0..=u16::MAX {
            let (sign, exponent, fraction) = (bits >> 15, (bits >> 10) & 31, f64::from(bits & 1023));
            let magnitude = match exponent {
                0 => fraction * 2f64.powi(-24),
                31 => continue,
                _ => (1024.0 + fraction) * 2f64.powi(i32::from(exponent) - 25),
            };
            let expected = if sign == 1 { -magnitude } else { magnitude } as f32;
            assert_eq!(widened(Dtype::F16, &bits.to_le_bytes())[0].to_bits(), expected.to_bits());
        }
        let bits = 0x1234u16;
        assert_eq!(widened(Dtype::Bf16, &bits.to_le_bytes())[0].to_bits(), u32::from(bits) << 16);
    }
}
