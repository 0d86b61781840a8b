//! Reads numpy arrays from pickles, as numpy 1 and 2 write them in every protocol.

use std::borrow::Cow;

use half::f16;

use crate::error::{Error, Result};
use crate::value::{Items, Kind, Object, Value};

/// Globals that arrays need, for [`Reader::allow`](crate::Reader::allow). `numpy.core` is numpy 1's name of
/// numpy 2's `numpy._core`. `_codecs.encode` and `bytes` stand for bytes in protocols without a type for
/// them.
pub const GLOBALS: &[&str] = &[
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.core.numeric._frombuffer",
    "numpy._core.numeric._frombuffer",
    "numpy.ndarray",
    "numpy.dtype",
    "_codecs.encode",
    "__builtin__.bytes",
    "__builtin__.bytearray",
    "builtins.bytes",
    "builtins.bytearray",
];

/// Reads a float16, float32 or float64 array. Returns its shape and its elements in C order. float64 is
/// rounded to float32.
///
/// # Errors
/// [`Error::NotAnArray`] if the value is something else; [`Error::ArrayDtype`] if the elements have another
/// type or are big-endian; [`Error::ArrayShape`] if the data does not fill the shape.
pub fn array_f32(value: Value<'_>) -> Result<(Vec<usize>, Vec<f32>)> {
    let array = Array::of(value, "an array of floats")?;
    let wanted = "float32";
    if array.dtype.kind != 'f' || array.dtype.big_endian {
        return Err(array.dtype.unreadable(wanted));
    }
    let data = array.bytes()?;
    let elements: Vec<f32> = match array.dtype.size {
        2 => data.as_chunks().0.iter().map(|&bytes| f16::from_le_bytes(bytes).to_f32()).collect(),
        4 => data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
        8 => data.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes) as f32).collect(),
        _ => return Err(array.dtype.unreadable(wanted)),
    };
    let elements = if array.fortran { c_order(&array.shape, &elements) } else { elements };
    Ok((array.shape, elements))
}

/// Reads a list, tuple or one-dimensional array of strings. `str` objects are borrowed; numpy's strings are
/// decoded.
///
/// # Errors
/// [`Error::NotAnArray`] if the value or one of its elements has another type, or if the array has another
/// number of dimensions; [`Error::ArrayDtype`] and [`Error::ArrayShape`] as for [`array_f32`];
/// [`Error::ArrayText`] if a string is not valid Unicode.
pub fn strings<'p>(value: Value<'p>) -> Result<Vec<Cow<'p, str>>> {
    if let Some(items) = value.as_items() {
        return items.iter().enumerate().map(|(index, item)| text(item, index)).collect();
    }
    let array = Array::of(value, "a list or array of strings")?;
    let [length] = array.shape[..] else {
        return Err(Error::NotAnArray {
            expected: "a list or one-dimensional array of strings",
            got: "an array of other dimensions",
        });
    };
    match array.data {
        Data::Objects(items) if items.len() == length => {
            items.iter().enumerate().map(|(index, item)| text(item, index)).collect()
        }
        Data::Objects(items) => {
            Err(Error::ArrayShape { shape: array.shape, expected: length, got: items.len() })
        }
        Data::Bytes(_) => {
            array.dtype.unicode()?;
            let data = array.bytes()?;
            if array.dtype.size == 0 {
                return Err(array.dtype.unreadable("strings"));
            }
            let fields = data.chunks_exact(array.dtype.size).enumerate();
            fields.map(|(index, field)| decode(field, index).map(Cow::Owned)).collect()
        }
    }
}

/// Reads one string: a `str` or a numpy scalar.
fn text<'p>(value: Value<'p>, index: usize) -> Result<Cow<'p, str>> {
    const EXPECTED: &str = "a string";
    if let Some(text) = value.as_str() {
        return Ok(Cow::Borrowed(text));
    }
    let not_text = || Error::NotAnArray { expected: EXPECTED, got: value.type_name() };
    let object =
        value.as_object().filter(|object| is_numpy(*object, "multiarray", "scalar")).ok_or_else(not_text)?;
    let (dtype, data) = object.args().get(0).zip(object.args().get(1)).ok_or_else(not_text)?;
    Dtype::of(dtype)?.unicode()?;
    decode(&bytes_of(data)?, index).map(Cow::Owned)
}

/// Decodes numpy's fixed-width text: UTF-32, padded with zeros.
fn decode(field: &[u8], index: usize) -> Result<String> {
    let points = field.as_chunks().0.iter().map(|&bytes| u32::from_le_bytes(bytes));
    let text: Option<String> = points.map(char::from_u32).collect();
    let mut text = text.ok_or(Error::ArrayText { index })?;
    text.truncate(text.trim_end_matches('\0').len());
    Ok(text)
}

struct Array<'p> {
    shape: Vec<usize>,
    dtype: Dtype<'p>,
    fortran: bool,
    data: Data<'p>,
}

enum Data<'p> {
    Bytes(Cow<'p, [u8]>),
    Objects(Items<'p>),
}

impl<'p> Array<'p> {
    fn of(value: Value<'p>, expected: &'static str) -> Result<Self> {
        let not_array = || Error::NotAnArray { expected, got: value.type_name() };
        let object = value.as_object().ok_or_else(not_array)?;
        let args = object.args();
        // Protocol 5 has _frombuffer(buffer, dtype, shape, order). Earlier protocols have _reconstruct(type,
        // (0,), b"b") followed by the state (version, shape, dtype, is Fortran, data).
        let parts = if is_numpy(object, "numeric", "_frombuffer") {
            let fortran = args.get(3).map(|order| order.as_str() == Some("F"));
            args.get(2).zip(args.get(1)).zip(fortran).zip(args.get(0))
        } else if is_numpy(object, "multiarray", "_reconstruct") {
            let state = object.state().and_then(Value::as_items).ok_or_else(not_array)?;
            state.get(1).zip(state.get(2)).zip(state.get(3).and_then(Value::as_bool)).zip(state.get(4))
        } else {
            None
        };
        let (((shape, dtype), fortran), data) = parts.ok_or_else(not_array)?;
        let shape = shape.as_items().and_then(|sizes| sizes.iter().map(Value::as_usize).collect());
        let dtype = Dtype::of(dtype)?;
        let data = match data.kind() {
            Kind::List(items) if dtype.kind == 'O' => Data::Objects(items),
            _ => Data::Bytes(bytes_of(data)?),
        };
        Ok(Self { shape: shape.ok_or_else(not_array)?, dtype, fortran, data })
    }

    /// Returns the bytes of the elements, exactly as many as the shape requires.
    fn bytes(&self) -> Result<&[u8]> {
        let (got, bytes) = match &self.data {
            Data::Bytes(bytes) => (bytes.len().checked_div(self.dtype.size).unwrap_or(0), &bytes[..]),
            Data::Objects(items) => (items.len(), &[][..]),
        };
        let expected = self.shape.iter().try_fold(1, |count: usize, &size| count.checked_mul(size));
        if expected.and_then(|expected| expected.checked_mul(self.dtype.size)) != Some(bytes.len()) {
            let expected = expected.unwrap_or(usize::MAX);
            return Err(Error::ArrayShape { shape: self.shape.clone(), expected, got });
        }
        Ok(bytes)
    }
}

/// An element type, as in `dtype('<f4')`.
struct Dtype<'p> {
    descriptor: &'p str,
    kind: char,
    /// Bytes of an element. 0 for objects.
    size: usize,
    big_endian: bool,
}

impl<'p> Dtype<'p> {
    /// Reads `numpy.dtype("f4", False, True)` with the state `(3, "<", ...)`.
    fn of(value: Value<'p>) -> Result<Self> {
        let not_dtype = || Error::NotAnArray { expected: "a numpy dtype", got: value.type_name() };
        let object =
            value.as_object().filter(|object| object.name().is("numpy", "dtype")).ok_or_else(not_dtype)?;
        let descriptor = object.args().get(0).and_then(Value::as_str).ok_or_else(not_dtype)?;
        let kind = descriptor.chars().next().ok_or_else(not_dtype)?;
        let count: usize = match &descriptor[kind.len_utf8()..] {
            "" => 0,
            digits => digits.parse().map_err(|_| not_dtype())?,
        };
        let size = match kind {
            'O' => 0,
            // numpy counts the code points of text, of four bytes each.
            'U' => count.checked_mul(4).ok_or_else(not_dtype)?,
            _ => count,
        };
        let order =
            object.state().and_then(Value::as_items).and_then(|state| state.get(1)).and_then(Value::as_str);
        Ok(Self { descriptor, kind, size, big_endian: order == Some(">") })
    }

    fn unreadable(&self, wanted: &'static str) -> Error {
        let order = if self.big_endian { ">" } else { "" };
        Error::ArrayDtype { dtype: format!("{order}{}", self.descriptor), wanted }
    }

    fn unicode(&self) -> Result<()> {
        if self.kind == 'U' && !self.big_endian { Ok(()) } else { Err(self.unreadable("strings")) }
    }
}

fn is_numpy(object: Object<'_>, module: &str, name: &str) -> bool {
    let global = object.name();
    let inner = global.module.strip_prefix("numpy.").map(|rest| rest.strip_prefix('_').unwrap_or(rest));
    global.name == name && inner.and_then(|inner| inner.strip_prefix("core.")) == Some(module)
}

/// Reads bytes, also in the forms that protocols without bytes have: `_codecs.encode(text, "latin1")` and
/// `bytes()`.
fn bytes_of<'p>(value: Value<'p>) -> Result<Cow<'p, [u8]>> {
    let not_bytes = || Error::NotAnArray { expected: "bytes", got: value.type_name() };
    match value.kind() {
        Kind::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
        // Python 2 wrote bytes as strings.
        Kind::Str(text) => Ok(Cow::Borrowed(text.as_bytes())),
        Kind::Object(object) => {
            let (global, args) = (object.name(), object.args());
            match args.get(0) {
                None if matches!(global.name, "bytes" | "bytearray") => Ok(Cow::Borrowed(&[])),
                Some(text) if matches!(global.name, "encode" | "bytearray") => {
                    let text = text.as_str().ok_or_else(not_bytes)?;
                    text.chars()
                        .map(|letter| u8::try_from(letter).ok())
                        .collect::<Option<_>>()
                        .map(Cow::Owned)
                        .ok_or_else(not_bytes)
                }
                _ => Err(not_bytes()),
            }
        }
        _ => Err(not_bytes()),
    }
}

/// Returns the elements of a Fortran-ordered array in C order.
#[expect(
    clippy::indexing_slicing,
    reason = "each index stays below its axis, and the caller has as many elements as the shape says"
)]
fn c_order(shape: &[usize], elements: &[f32]) -> Vec<f32> {
    let strides: Vec<usize> = shape
        .iter()
        .scan(1, |stride, &size| {
            let this = *stride;
            *stride *= size;
            Some(this)
        })
        .collect();
    let mut index = vec![0; shape.len()];
    let mut offset = 0;
    elements
        .iter()
        .map(|_| {
            let element = elements[offset];
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                offset += strides[axis];
                if index[axis] < shape[axis] {
                    break;
                }
                offset -= strides[axis] * shape[axis];
                index[axis] = 0;
            }
            element
        })
        .collect()
}
