use std::fmt::Debug;

/// The kind of number that a sample is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SampleFormat {
    /// An integer from 0.
    Unsigned,
    /// An integer in two's complement.
    Signed,
    /// A float of IEEE 754.
    Float,
}

/// The type of the samples in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SampleType {
    /// The kind of number.
    pub format: SampleFormat,
    /// Number of bits of a sample, 1 to 64.
    pub bits: u16,
}

/// Samples of pixels, `[row][column][band]`, in the narrowest type that holds all values that the file can have.
///
/// Unsigned samples of 1 to 7 bits are [`Samples::U8`], not spread over its range, and those of 9 to 15 bits
/// [`Samples::U16`]. Floats of 16 bits are [`Samples::F32`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is a list of the type of its name")]
pub enum Samples {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// Evaluates an expression with the list of samples, whatever its type.
macro_rules! each_type {
    ($samples:expr, $values:ident => $do:expr) => {
        match $samples {
            $crate::tiff::Samples::U8($values) => $do,
            $crate::tiff::Samples::I8($values) => $do,
            $crate::tiff::Samples::U16($values) => $do,
            $crate::tiff::Samples::I16($values) => $do,
            $crate::tiff::Samples::U32($values) => $do,
            $crate::tiff::Samples::I32($values) => $do,
            $crate::tiff::Samples::U64($values) => $do,
            $crate::tiff::Samples::I64($values) => $do,
            $crate::tiff::Samples::F32($values) => $do,
            $crate::tiff::Samples::F64($values) => $do,
        }
    };
}
pub(crate) use each_type;

impl Samples {
    /// Returns the number of samples.
    pub fn len(&self) -> usize {
        each_type!(self, values => values.len())
    }

    /// Tells whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the sample at a position as a float, or `None` beyond the last. Integers of more than 53 bits are rounded.
    pub fn value(&self, index: usize) -> Option<f64> {
        each_type!(self, values => values.get(index).map(|value| value.as_f64()))
    }

    /// Returns the bytes of memory that the samples take.
    pub(super) fn bytes(&self) -> u64 {
        each_type!(self, values => size_of_val(values.as_slice()) as u64)
    }
}

/// Converts samples of a type to other types, and lists of them to [`Samples`].
pub(crate) trait Sample: Copy + Debug + Send + Sync {
    /// Returns the value of the type that is nearest to `value`. Integer types have 0 for NaN.
    fn nearest(value: f64) -> Self;

    fn as_f64(self) -> f64;

    fn as_f32(self) -> f32;

    /// Returns the list of samples if it has this type.
    fn list(samples: &Samples) -> Option<&[Self]>;

    fn wrap(values: Vec<Self>) -> Samples;
}

macro_rules! sample {
    ($($kind:ty: $variant:ident),*) => {$(
        impl Sample for $kind {
            fn nearest(value: f64) -> Self {
                value as Self
            }

            fn as_f64(self) -> f64 {
                self as f64
            }

            fn as_f32(self) -> f32 {
                self as f32
            }

            fn list(samples: &Samples) -> Option<&[Self]> {
                match samples {
                    Samples::$variant(values) => Some(values),
                    _ => None,
                }
            }

            fn wrap(values: Vec<Self>) -> Samples {
                Samples::$variant(values)
            }
        }
    )*};
}
sample!(u8: U8, i8: I8, u16: U16, i16: I16, u32: U32, i32: I32, u64: U64, i64: I64, f32: F32, f64: F64);
