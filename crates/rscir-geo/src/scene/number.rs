//! Samples of any type as numbers: their values, and integers of 32 bits in the same order.

/// Gives samples of a type values and ranks.
pub(super) trait Number: Copy + PartialEq + Send + Sync {
    /// True if the upper 16 bits of a rank tell all values apart, so that histograms need one pass.
    const IS_SHORT: bool;

    fn value(self) -> f64;

    /// Returns an integer that rises with the value. Types of 64 bits keep the upper 32 bits, by which floats that
    /// differ by a millionth have different ranks.
    fn rank(self) -> u32;

    /// Returns the value with a rank, or the one at the lower end of the rank's bits for a type of 64 bits.
    fn of_rank(rank: u32) -> f64;

    /// Converts a no-data value, which files declare as text, to a sample. A float of 32 bits is the nearest one.
    /// Returns `None` if an integer type does not have the value.
    fn declared(value: f64) -> Option<Self>;

    fn is_nan(self) -> bool {
        false
    }

    fn is_infinite(self) -> bool {
        false
    }
}

macro_rules! integers {
    ($($kind:ty, $unsigned:ty, $sign:expr, $shift:expr;)*) => {$(
        impl Number for $kind {
            const IS_SHORT: bool = <$kind>::BITS <= 16;

            fn value(self) -> f64 {
                self as f64
            }

            fn declared(value: f64) -> Option<Self> {
                let sample = value as Self;
                (sample as f64 == value).then_some(sample)
            }

            fn rank(self) -> u32 {
                let bits = (self as $unsigned) ^ $sign;
                if <$kind>::BITS <= 32 { (bits as u32) << $shift } else { (bits as u64 >> 32) as u32 }
            }

            fn of_rank(rank: u32) -> f64 {
                if <$kind>::BITS <= 32 {
                    (((rank >> $shift) as $unsigned) ^ $sign) as $kind as f64
                } else {
                    ((((rank as u64) << 32) as $unsigned) ^ $sign) as $kind as f64
                }
            }
        }
    )*};
}
integers! {
    u8, u8, 0, 16;
    i8, u8, 0x80, 16;
    u16, u16, 0, 16;
    i16, u16, 0x8000, 16;
    u32, u32, 0, 0;
    i32, u32, 0x8000_0000, 0;
    u64, u64, 0, 0;
    i64, u64, 0x8000_0000_0000_0000, 0;
}

/// The sign of a float. The bits of floats are in the order of the values once the sign is flipped and those of
/// negative floats are inverted (as `f32::total_cmp` does).
const SIGN: u32 = 1 << 31;

impl Number for f32 {
    const IS_SHORT: bool = false;

    fn value(self) -> f64 {
        self.into()
    }

    fn rank(self) -> u32 {
        let bits = self.to_bits();
        if bits & SIGN == 0 { bits | SIGN } else { !bits }
    }

    fn of_rank(rank: u32) -> f64 {
        f32::from_bits(if rank & SIGN == 0 { !rank } else { rank & !SIGN }).into()
    }

    fn declared(value: f64) -> Option<Self> {
        Some(value as f32)
    }

    fn is_nan(self) -> bool {
        self.is_nan()
    }

    fn is_infinite(self) -> bool {
        self.is_infinite()
    }
}

impl Number for f64 {
    const IS_SHORT: bool = false;

    fn value(self) -> f64 {
        self
    }

    fn rank(self) -> u32 {
        let upper = (self.to_bits() >> 32) as u32;
        if upper & SIGN == 0 { upper | SIGN } else { !upper }
    }

    fn of_rank(rank: u32) -> f64 {
        let upper = if rank & SIGN == 0 { !rank } else { rank & !SIGN };
        f64::from_bits(u64::from(upper) << 32)
    }

    fn declared(value: f64) -> Option<Self> {
        Some(value)
    }

    fn is_nan(self) -> bool {
        self.is_nan()
    }

    fn is_infinite(self) -> bool {
        self.is_infinite()
    }
}

/// Evaluates an expression with the list of samples, whatever its type. For a type that `Samples` may have in a later
/// version the list is empty.
macro_rules! each_type {
    ($samples:expr, $values:ident => $do:expr) => {
        match $samples {
            rscir_images::tiff::Samples::U8($values) => $do,
            rscir_images::tiff::Samples::I8($values) => $do,
            rscir_images::tiff::Samples::U16($values) => $do,
            rscir_images::tiff::Samples::I16($values) => $do,
            rscir_images::tiff::Samples::U32($values) => $do,
            rscir_images::tiff::Samples::I32($values) => $do,
            rscir_images::tiff::Samples::U64($values) => $do,
            rscir_images::tiff::Samples::I64($values) => $do,
            rscir_images::tiff::Samples::F32($values) => $do,
            rscir_images::tiff::Samples::F64($values) => $do,
            _ => {
                let $values: &[f64] = &[];
                $do
            }
        }
    };
}
pub(super) use each_type;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_ordered<T: Number>(ascending: &[T], tolerance: f64) {
        for pair in ascending.windows(2) {
            assert!(pair[0].rank() < pair[1].rank(), "{} {}", pair[0].value(), pair[1].value());
        }
        for &number in ascending {
            let (value, back) = (number.value(), T::of_rank(number.rank()));
            assert!(
                back == value || (back - value).abs() <= tolerance * value.abs(),
                "{value} became {back}"
            );
            assert!(!T::IS_SHORT || number.rank() & 0xffff == 0);
        }
    }

    #[test]
    fn ranks_are_in_the_order_of_values_and_lead_back_to_them() {
        assert_ordered(&[0u8, 1, 127, 128, 255], 0.0);
        assert_ordered(&[i8::MIN, -1, 0, 1, i8::MAX], 0.0);
        assert_ordered(&[0u16, 1, 32_768, u16::MAX], 0.0);
        assert_ordered(&[i16::MIN, -9999, -1, 0, 1, i16::MAX], 0.0);
        assert_ordered(&[0u32, 1, 65_536, u32::MAX], 0.0);
        assert_ordered(&[i32::MIN, -1, 0, 70_000, i32::MAX], 0.0);
        assert_ordered(&[0u64, 1 << 33, 1 << 63], 0.0);
        assert_ordered(&[i64::MIN, -(1 << 40), 0, 1 << 40], 0.0);
        assert_ordered(&[f32::NEG_INFINITY, -1.5, -1e-30, 0.0, 1e-30, 0.25, 3e8], 0.0);
        assert_ordered(&[-1e300, -0.1, 0.0, 1e-9, 0.123_456, 0.123_457, 1e300], 1e-6);
    }
}
