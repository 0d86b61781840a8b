//! Reads files that others made, and writes files so that the old one stays complete until the new one is.
//!
//! Every file that a user or a list names is read by [`open_regular`], [`read_bounded`], [`read_text`] or
//! [`read_csv`]. They refuse pipes, devices and folders, and hold nothing beyond a limit. Every file is written
//! by [`replace`] or, together with the files it belongs to, by [`Together`].
//!
//! ```
//! use rscir_core::files;
//!
//! # let folder = std::env::temp_dir().join(format!("rscir-files-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder).unwrap();
//! let path = folder.join("list.txt");
//! files::replace(&path, |out| out.write_all(b"a.jpg\n"))?;
//! assert_eq!(files::read_text(&path, 1024)?, "a.jpg\n");
//! assert!(files::read_bounded(&path, 3).is_err());
//! # std::fs::remove_dir_all(&folder).unwrap();
//! # Ok::<(), files::FileError>(())
//! ```

mod csv;
mod error;
mod read;
mod temporary;
mod together;

pub use csv::{CsvLimits, CsvRecord, CsvRecords, read_csv, utf8};
pub use error::{FileAction, FileError, FileKind};
pub use read::{nanos_since_1970, open_regular, read_bounded, read_text, without_byte_order_mark};
pub use temporary::can_be_written;
pub use together::{Together, replace, replace_together};
