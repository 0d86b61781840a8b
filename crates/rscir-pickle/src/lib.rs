//! Reads untrusted Python pickles by an allow-list, executing nothing.
//!
//! A pickle is a program: it may name any Python function and ask for a call of it. [`Reader`] runs the part of that
//! program that builds data and turns every call into inert data as well, an [`Object`] with a name, arguments and a
//! state. A name that the caller did not allow is an [`Error::ForbiddenGlobal`], whether it would be called or not. The
//! result is a [`Pickle`], a flat arena that [`Value`] looks into.
//!
//! ```
//! use rscir_pickle::{Kind, Reader};
//!
//! // pickle.dumps({"labels": ["forest", "lake"]}, protocol=2)
//! let bytes = b"\x80\x02}q\0X\x06\0\0\0labelsq\x01]q\x02(X\x06\0\0\0forestq\x03X\x04\0\0\0lakeq\x04es.";
//! let pickle = Reader::new().read(bytes)?;
//! let labels = pickle.root().get("labels").ok_or("no labels")?;
//! let Kind::List(items) = labels.kind() else { return Err("labels is no list".into()) };
//! assert_eq!(items.iter().filter_map(|item| item.as_str()).collect::<Vec<_>>(), ["forest", "lake"]);
//!
//! // os.system("true"), protocol 0
//! let error = Reader::new().read(b"cos\nsystem\n(S'true'\ntR.").unwrap_err();
//! assert!(error.to_string().contains("os.system"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`numpy`] reads arrays out of values, [`write()`] makes pickles of dicts, lists, strings and float32 arrays that
//! Python's `pickle.load` reads with NumPy 1 and 2.
//!
//! # Bounds
//!
//! Reading takes time linear in the input. Strings and bytes are borrowed from the input; what is allocated beside it is
//! counted, and more than [`Reader::memory_limit`] is an [`Error::TooMuchMemory`]. A value that many places share is
//! stored once. Nothing recurses, in reading or in dropping, so depth needs no limit; cycles are possible, as in Python,
//! and a caller that walks a whole value must bound its walk.
//!
//! It does not run constructors, resolve persistent ids, follow `copyreg` extension codes or read out-of-band buffers.

mod error;
pub mod numpy;
mod opcode;
mod reader;
mod text;
mod value;
mod writer;

pub use error::{Error, Result};
pub use reader::Reader;
pub use value::{Entries, Global, Items, Kind, Object, Pickle, Value};
pub use writer::{ArrayF32, Dict, Encode, write};
