//! The ingest of images into a sink: images are read, decoded and prepared on all cores, encoded on the device, and
//! committed in order.

mod collect;
mod files;
mod fingerprint;
mod ingest;
mod items;
mod joined;
mod odd;
mod options;
mod outdated;
mod pixels;
mod roots;
mod source;
mod threads;
mod window;

pub use collect::{IMAGE_EXTENSIONS, ImageList, LeftOut};
pub(crate) use collect::{UNREAD_EXTENSIONS, is_left_out};
pub use fingerprint::ChangeDetection;
pub use ingest::{Failure, IngestReport, NotPruned, ingest, ingest_source};
pub use odd::{Noticed, OddImages};
pub use options::IngestOptions;
pub use roots::real_folder;
pub use threads::IngestThreads;
