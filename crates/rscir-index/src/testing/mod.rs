//! A storage for tests that fails and loses power on request, and a check of the promises that every
//! [`Storage`](crate::storage::Storage) must keep.
//!
//! ```
//! # use std::sync::Arc;
//! # use rscir_core::{EncoderSpec, Precision};
//! use rscir_index::ArchiveWriter;
//! use rscir_index::testing::{Fault, FaultyStorage, Pending};
//!
//! let create = |storage| {
//!     let spec = EncoderSpec::unknown(4);
//!     ArchiveWriter::open_or_create_with(Arc::new(storage), "/a.rscir", spec, Precision::F32)
//! };
//! // Wherever the power goes during a creation, the archive can be created from what is left.
//! for operation in 0..10 {
//!     let storage = FaultyStorage::new();
//!     storage.fail_at(operation, Fault::PowerCut);
//!     let cut_off = create(storage.clone());
//!     create(storage.restart(Pending::Torn))?;
//! }
//! # Ok::<(), rscir_index::Error>(())
//! ```

mod conformance;
mod faulty;

pub use conformance::storage;
pub use faulty::{Fault, FaultyStorage, Operation, OperationKind, Pending};
