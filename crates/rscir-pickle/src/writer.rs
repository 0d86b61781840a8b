use std::io::{self, Write};

use crate::error::{Error, Result};
use crate::opcode as op;

/// Writes one value as a pickle of protocol 4, which Python 3.4 and later reads, with numpy 1 or 2.
///
/// ```
/// use rscir_pickle::{ArrayF32, Dict, write};
///
/// let feats = ArrayF32::new(&[2, 2], &[&[0.6, 0.8], &[1.0, 0.0]])?;
/// let (labels, paths) = (["forest", "lake"], ["a.jpg", "b.jpg"]);
/// let mut file = Vec::new();
/// write(&mut file, &Dict(&[("feats", &feats), ("labels", &labels), ("paths", &paths)]))?;
/// assert!(file.starts_with(b"\x80\x04"));
/// # Ok::<(), rscir_pickle::Error>(())
/// ```
///
/// # Errors
/// [`Error::Write`] with the error of `out`.
pub fn write<W: Write, T: Encode + ?Sized>(mut out: W, value: &T) -> Result<()> {
    out.write_all(&[op::PROTO, 4])?;
    value.encode(&mut out)?;
    out.write_all(&[op::STOP])?;
    out.flush()?;
    Ok(())
}

/// Number of elements that are turned into bytes at once: a page of memory.
const BLOCK: usize = 1024;

/// A value that [`write()`] writes. The trait is sealed, because an implementation must leave exactly one
/// value on the machine's stack.
pub trait Encode: sealed::Encode {}

impl<T: sealed::Encode + ?Sized> Encode for T {}

mod sealed {
    use std::io::{self, Write};

    pub trait Encode {
        fn encode(&self, out: &mut dyn Write) -> io::Result<()>;
    }
}

/// A `dict` with string keys.
pub struct Dict<'a>(pub &'a [(&'a str, &'a dyn Encode)]);

/// A float32 `ndarray` in C order, with its elements in one or more blocks.
#[derive(Clone, Copy, Debug)]
pub struct ArrayF32<'a> {
    shape: &'a [usize],
    blocks: &'a [&'a [f32]],
    bytes: u64,
}

impl<'a> ArrayF32<'a> {
    /// Makes an array whose elements are those of all blocks, in order.
    ///
    /// # Errors
    /// [`Error::ArrayShape`] if the blocks do not fill the shape.
    pub fn new(shape: &'a [usize], blocks: &'a [&'a [f32]]) -> Result<Self> {
        let expected = shape.iter().try_fold(1, |count: usize, &size| count.checked_mul(size));
        let got = blocks.iter().map(|block| block.len()).sum();
        if expected != Some(got) {
            let expected = expected.unwrap_or(usize::MAX);
            return Err(Error::ArrayShape { shape: shape.to_vec(), expected, got });
        }
        Ok(Self { shape, blocks, bytes: got as u64 * 4 })
    }
}

impl sealed::Encode for str {
    fn encode(&self, out: &mut dyn Write) -> io::Result<()> {
        match u8::try_from(self.len()) {
            Ok(length) => out.write_all(&[op::SHORT_BINUNICODE, length])?,
            Err(_) => {
                out.write_all(&[op::BINUNICODE8])?;
                out.write_all(&(self.len() as u64).to_le_bytes())?;
            }
        }
        out.write_all(self.as_bytes())
    }
}

impl sealed::Encode for String {
    fn encode(&self, out: &mut dyn Write) -> io::Result<()> {
        self.as_str().encode(out)
    }
}

impl<T: sealed::Encode + ?Sized> sealed::Encode for &T {
    fn encode(&self, out: &mut dyn Write) -> io::Result<()> {
        (**self).encode(out)
    }
}

/// Writes a `list`.
impl<T: sealed::Encode> sealed::Encode for [T] {
    fn encode(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&[op::EMPTY_LIST, op::MARK])?;
        for item in self {
            item.encode(out)?;
        }
        out.write_all(&[op::APPENDS])
    }
}

impl<T: sealed::Encode, const N: usize> sealed::Encode for [T; N] {
    fn encode(&self, out: &mut dyn Write) -> io::Result<()> {
        self.as_slice().encode(out)
    }
}

impl<T: sealed::Encode> sealed::Encode for Vec<T> {
    fn encode(&self, out: &mut dyn Write) -> io::Result<()> {
        self.as_slice().encode(out)
    }
}

impl sealed::Encode for Dict<'_> {
    fn encode(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&[op::EMPTY_DICT, op::MARK])?;
        for (key, value) in self.0 {
            key.encode(out)?;
            value.encode(out)?;
        }
        out.write_all(&[op::SETITEMS])
    }
}

impl sealed::Encode for usize {
    fn encode(&self, out: &mut dyn Write) -> io::Result<()> {
        // LONG1 of nine bytes: the highest byte is zero, so that the number is not negative.
        out.write_all(&[op::LONG1, 9])?;
        out.write_all(&(*self as u64).to_le_bytes())?;
        out.write_all(&[0])
    }
}

#[expect(clippy::indexing_slicing, reason = "a part is a block at most, which the buffer holds")]
impl sealed::Encode for ArrayF32<'_> {
    fn encode(&self, out: &mut dyn Write) -> io::Result<()> {
        // ndarray.__reduce__ writes _reconstruct(ndarray, (0,), b"b"), then the state. numpy 2 keeps the
        // module name numpy.core.multiarray for old pickles, and numpy 1 knows no other.
        global(out, "numpy.core.multiarray", "_reconstruct")?;
        global(out, "numpy", "ndarray")?;
        0.encode(out)?;
        out.write_all(&[op::TUPLE1, op::SHORT_BINBYTES, 1, b'b', op::TUPLE3, op::REDUCE])?;
        // The state is (version, shape, dtype, is Fortran, data).
        out.write_all(&[op::MARK, op::BININT1, 1, op::MARK])?;
        for size in self.shape {
            size.encode(out)?;
        }
        out.write_all(&[op::TUPLE])?;
        global(out, "numpy", "dtype")?;
        "f4".encode(out)?;
        out.write_all(&[op::NEWFALSE, op::NEWTRUE, op::TUPLE3, op::REDUCE])?;
        // The state of the dtype is (version, order, subarray, names, fields, size, alignment, flags).
        out.write_all(&[op::MARK, op::BININT1, 3])?;
        "<".encode(out)?;
        out.write_all(&[op::NONE, op::NONE, op::NONE])?;
        for _size_and_alignment in 0..2 {
            out.write_all(&[op::BININT])?;
            out.write_all(&(-1i32).to_le_bytes())?;
        }
        out.write_all(&[op::BININT1, 0, op::TUPLE, op::BUILD])?;
        out.write_all(&[op::NEWFALSE, op::BINBYTES8])?;
        out.write_all(&self.bytes.to_le_bytes())?;
        let mut buffer = [0; 4 * BLOCK];
        for part in self.blocks.iter().flat_map(|block| block.chunks(BLOCK)) {
            let bytes = &mut buffer[..part.len() * 4];
            for (bytes, value) in bytes.as_chunks_mut().0.iter_mut().zip(part) {
                *bytes = value.to_le_bytes();
            }
            out.write_all(bytes)?;
        }
        out.write_all(&[op::TUPLE, op::BUILD])
    }
}

fn global(out: &mut dyn Write, module: &str, name: &str) -> io::Result<()> {
    use sealed::Encode;
    module.encode(out)?;
    name.encode(out)?;
    out.write_all(&[op::STACK_GLOBAL])
}
