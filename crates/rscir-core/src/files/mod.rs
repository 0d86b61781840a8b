//! Reads files that others made, and writes files so that an old one stays whole until the new one is.
//!
//! Every reader of a file that a user or a list names goes through [`open_regular`], [`read_bounded`], [`read_text`] or [`read_csv`]: a
//! pipe, a device or a folder is refused, and nothing is held beyond a limit. Every file that is written goes through
//! [`replace`] or, with others it belongs to, [`Together`].
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
