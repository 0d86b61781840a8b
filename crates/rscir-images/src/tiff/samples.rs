use std::fmt::Debug;

/// What the bits of a sample are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SampleFormat {
    /// A whole number from 0.
    Unsigned,
    /// A whole number in two's complement.
    Signed,
    /// A number of IEEE 754.
    Float,
}

/// The type of the samples in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SampleType {
    /// What the bits are.
    pub format: SampleFormat,
    /// How many bits a sample has: 1 to 64.
    pub bits: u16,
}

/// Samples of pixels: `[row][column][band]`, in the narrowest type that holds all that a file can have.
///
/// Samples of 1 to 7 bits are [`Samples::U8`] from 0 up, those of 9 to 15 bits [`Samples::U16`]; floats of 16 bits are
/// [`Samples::F32`].
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

/// Runs an expression on the list in samples, whatever its type.
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

    /// Returns a sample as a float; `None` beyond the last. Integers of more than 53 bits are rounded.
    pub fn value(&self, index: usize) -> Option<f64> {
        each_type!(self, values => values.get(index).map(|value| value.as_f64()))
    }

    /// Bytes of memory that the samples take.
    pub(super) fn bytes(&self) -> u64 {
        each_type!(self, values => size_of_val(values.as_slice()) as u64)
    }
}

/// A type that samples have in memory.
pub(crate) trait Sample: Copy + Debug + Send + Sync {
    /// The nearest value that the type has; 0 for NaN in integers.
    fn nearest(value: f64) -> Self;

    fn as_f64(self) -> f64;

    fn as_f32(self) -> f32;

    /// The list, if it is one of this type.
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
