#![doc = include_str!("../README.md")]
#![deny(clippy::indexing_slicing, clippy::unwrap_used)]

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
