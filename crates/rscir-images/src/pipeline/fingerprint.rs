use std::fs::Metadata;

use rscir_core::{Fingerprint, files};
use sha2::{Digest, Sha256};

/// The way in which an ingest finds out whether a file has changed since its row was encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ChangeDetection {
    /// Compares size and time of change. Default.
    #[default]
    SizeAndTime,
    /// Compares the SHA-256 of the content. This is certain, but every file is read.
    ///
    /// Rows that were encoded with the other choice count as changed once.
    Content,
}

impl ChangeDetection {
    /// Computes the fingerprint of a file. `content` is used by [`ChangeDetection::Content`] alone.
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
