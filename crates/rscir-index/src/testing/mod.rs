//! For tests: a storage that fails and loses power on request, and what every [`Storage`](crate::storage::Storage) must
//! keep.
//!
//! ```
//! # use std::sync::Arc;
//! # use rscir_core::{EncoderSpec, Precision};
//! use rscir_index::testing::{Fault, FaultyStorage, Pending};
//! use rscir_index::{ArchiveWriter, DiskArchive};
//!
//! let storage = FaultyStorage::new();
//! storage.fail_at(8, Fault::PowerCut);
//! let created = ArchiveWriter::create_with(
//!     Arc::new(storage.clone()), "/a.rscir", EncoderSpec::unknown(4), Precision::F32,
//! );
//! if created.is_ok() {
//!     let survived = storage.restart(Pending::Dropped);
//!     DiskArchive::open_with(Arc::new(survived), "/a.rscir")?;
//! }
//! # Ok::<(), rscir_index::Error>(())
//! ```

mod conformance;
mod faulty;

pub use conformance::storage;
pub use faulty::{Fault, FaultyStorage, Operation, OperationKind, Pending};
