use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use rscir_core::{Progress, Silent};

/// What a written file says of its vectors, beside what the archive knows.
#[derive(Clone)]
#[non_exhaustive]
pub struct ExportOptions<'a> {
    /// Identifier of the data set. Default: the file's name without its extension.
    pub id: Option<String>,
    /// What the data set is, for people. Default: a sentence with the model's name.
    pub description: Option<String>,
    /// License of the vectors, as SPDX names it. Default: `other`, as STAC calls a license without such a name.
    pub license: Option<String>,
    /// Who made the vectors. Default: nobody is named.
    pub provider: Option<String>,
    /// Address of the encoder, such as its page on a hub. Default: none.
    pub model: Option<String>,
    /// Address of the imagery that was encoded. Default: none.
    pub source: Option<String>,
    /// Date or time of the imagery, as ISO 8601 writes it, for archives without a column `datetime`. Default: none.
    pub datetime: Option<String>,
    /// Uncompressed bytes of a row group. Default: 128 MiB.
    pub group_bytes: u64,
    /// Stops the export when it becomes true: no file is written then.
    pub stop: Option<&'a AtomicBool>,
    /// Receives the number of rows done.
    pub progress: &'a dyn Progress,
}

/// Uncompressed bytes of a row group: what the guide to distributing GeoParquet asks for, 128 to 256 MB.
const GROUP_BYTES: u64 = 128 << 20;

impl Default for ExportOptions<'_> {
    fn default() -> Self {
        Self {
            id: None,
            description: None,
            license: None,
            provider: None,
            model: None,
            source: None,
            datetime: None,
            group_bytes: GROUP_BYTES,
            stop: None,
            progress: &Silent,
        }
    }
}

impl fmt::Debug for ExportOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportOptions").field("id", &self.id).finish_non_exhaustive()
    }
}

impl<'a> ExportOptions<'a> {
    /// Sets the identifier of the data set. Default: the file's name without its extension.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets what the data set is, for people.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets the license of the vectors, as SPDX names it. Default: `other`.
    #[must_use]
    pub fn license(mut self, license: impl Into<String>) -> Self {
        self.license = Some(license.into());
        self
    }

    /// Sets who made the vectors.
    #[must_use]
    pub fn provider(mut self, provider: impl Into<String>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// Sets the address of the encoder.
    #[must_use]
    pub fn model(mut self, address: impl Into<String>) -> Self {
        self.model = Some(address.into());
        self
    }

    /// Sets the address of the imagery that was encoded.
    #[must_use]
    pub fn source(mut self, address: impl Into<String>) -> Self {
        self.source = Some(address.into());
        self
    }

    /// Sets the date or time of the imagery, for archives without a column `datetime`.
    #[must_use]
    pub fn datetime(mut self, datetime: impl Into<String>) -> Self {
        self.datetime = Some(datetime.into());
        self
    }

    /// Sets the uncompressed bytes of a row group. Default: 128 MiB.
    #[must_use]
    pub fn group_bytes(mut self, bytes: u64) -> Self {
        self.group_bytes = bytes;
        self
    }

    /// Sets a flag that stops the export.
    #[must_use]
    pub fn stop(mut self, stop: &'a AtomicBool) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Sets what receives the number of rows done.
    #[must_use]
    pub fn progress(mut self, progress: &'a dyn Progress) -> Self {
        self.progress = progress;
        self
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }
}
