use std::fs::Metadata;
use std::time::UNIX_EPOCH;

use rscir_core::Fingerprint;
use sha2::{Digest, Sha256};

/// How an ingest sees that a file has changed since its row was encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ChangeDetection {
    /// By size and time of change.
    #[default]
    SizeAndTime,
    /// By the SHA-256 of the content: sure, and every file is read.
    ///
    /// Rows that were encoded under the other rule count as changed once.
    Content,
}

impl ChangeDetection {
    /// The fingerprint of a file with this metadata and, if it has been read, this content.
    pub(super) fn fingerprint(self, metadata: &Metadata, content: &[u8]) -> Fingerprint {
        let mut hash = Sha256::new();
        match self {
            Self::SizeAndTime => {
                // A time before 1970, or none, counts as 1970: the size still tells most changes.
                let modified = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
                hash.update(b"size and time");
                hash.update(metadata.len().to_le_bytes());
                hash.update(modified.unwrap_or_default().as_nanos().to_le_bytes());
            }
            Self::Content => {
                hash.update(b"content");
                hash.update(content);
            }
        }
        let hash = hash.finalize();
        let mut fingerprint = Fingerprint::default();
        fingerprint.0.copy_from_slice(&hash[..16]);
        fingerprint
    }
}
