#![doc = include_str!("../README.md")]
#![deny(clippy::unwrap_used)]

mod error;
mod map;
mod page;
mod picture;
mod projection;
mod tile;

pub use error::{Error, Result};
pub use map::Backdrop;
pub use page::Page;
pub use picture::Picture;
pub use tile::{Ring, Tile};
