//! An archive during whose publishing another is published.

use std::borrow::Cow;
use std::sync::Once;

use rscir_core::{Archive, EncoderSpec, Moments, Queries, Result};
use rscir_index::MemoryArchive;

/// Does something when its vectors are read for the first time.
pub(crate) struct Meddling<F> {
    pub(crate) archive: MemoryArchive,
    pub(crate) meddle: F,
    pub(crate) once: Once,
}

impl<F: Fn() + Send + Sync> Archive for Meddling<F> {
    fn spec(&self) -> &EncoderSpec {
        self.archive.spec()
    }

    fn len(&self) -> usize {
        self.archive.len()
    }

    fn key(&self, row: usize) -> &str {
        self.archive.key(row)
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.archive.find(key)
    }

    fn vector(&self, row: usize) -> Cow<'_, [f32]> {
        self.once.call_once(&self.meddle);
        self.archive.vector(row)
    }

    fn similarities(&self, queries: Queries<'_>, scores: &mut [f32]) -> Result<()> {
        self.archive.similarities(queries, scores)
    }

    fn moments(&self) -> &Moments {
        self.archive.moments()
    }
}
