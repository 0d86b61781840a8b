#![doc = include_str!("../README.md")]
#![deny(clippy::unwrap_used)]

mod about;
mod answer;
mod app;
mod digest;
mod encoder;
mod error;
mod export;
mod gate;
mod guard;
mod incoming;
mod listing;
mod lists;
mod methods;
mod openapi;
mod options;
mod page;
mod pictures;
mod places;
mod problem;
mod rank;
mod request;
mod server;
mod slow;
mod source;
mod state;
mod tiles;
mod vectors;

pub use app::App;
pub use encoder::Encoder;
pub use error::{Error, Result};
pub use guard::Client;
pub use options::{Basemap, Options};
pub use pictures::{FolderPictures, NoPicture, Pictures};
pub use places::Places;
pub use server::{Server, Stopper};
