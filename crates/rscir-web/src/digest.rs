//! Names made of what they name.

use std::fmt::Debug;

use sha2::{Digest, Sha256};

/// Bytes of a SHA-256 that name something: half of it tells as well, and is shorter in an address.
const NAME_BYTES: usize = 16;

/// Names bytes by their content, in hexadecimal.
pub(crate) fn name_of(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes)[..NAME_BYTES])
}

/// Names bytes for the header `ETag`.
pub(crate) fn etag_of(bytes: &[u8]) -> String {
    format!("\"{}\"", name_of(bytes))
}

/// Returns the key of a value in a cache: values whose debug forms differ have different ones.
pub(crate) fn key_of(value: &impl Debug) -> [u8; 32] {
    Sha256::digest(format!("{value:?}")).into()
}

/// Writes bytes in hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
