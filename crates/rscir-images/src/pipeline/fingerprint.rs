use std::fs::Metadata;

use rscir_core::{Fingerprint, files};
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
                hash.update(b"size and time");
                hash.update(metadata.len().to_le_bytes());
                hash.update(files::nanos_since_1970(metadata.modified().ok()).to_le_bytes());
            }
            Self::Content => {
                hash.update(b"content");
                hash.update(content);
            }
        }
        Fingerprint::of_sha256(hash.finalize().into())
    }
}
