use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use rscir_core::{Progress, Silent};

/// Options of [`export_geoparquet`](super::export_geoparquet) and [`export_stac`](super::export_stac): what the
/// written files say about the vectors beside what the archive records.
#[derive(Clone)]
#[non_exhaustive]
pub struct ExportOptions<'a> {
    /// Identifier of the data set. Default: the file's name without its extension.
    pub id: Option<String>,
    /// Description of the data set for people. Default: the number of vectors, their width and the model's name.
    pub description: Option<String>,
    /// License of the vectors, by its SPDX name. Default: `other`, STAC's word for a license without such a name.
    pub license: Option<String>,
    /// Name of the organization or person that made the vectors. Default: none.
    pub provider: Option<String>,
    /// Address of the encoder, such as its page on a hub. Default: none.
    pub model: Option<String>,
    /// Address of the imagery that was encoded. Default: none.
    pub source: Option<String>,
    /// Date or time of the imagery in the form of ISO 8601. It is used if the archive's column `datetime` has no
    /// time. Default: none.
    pub datetime: Option<String>,
    /// Uncompressed bytes of a row group. Default: 128 MiB.
    pub group_bytes: u64,
    /// Flag that stops the export when it becomes true; no file is written then. Default: none.
    pub stop: Option<&'a AtomicBool>,
    /// Receives the number of rows that are done. Default: [`Silent`].
    pub progress: &'a dyn Progress,
}

/// Uncompressed bytes of a row group. The guide to distributing GeoParquet asks for 128 to 256 MB.
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

    /// Sets the description of the data set for people. Default: the number of vectors, their width and the model's
    /// name.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets the license of the vectors, by its SPDX name. Default: `other`.
    #[must_use]
    pub fn license(mut self, license: impl Into<String>) -> Self {
        self.license = Some(license.into());
        self
    }

    /// Sets the name of the organization or person that made the vectors. Default: none.
    #[must_use]
    pub fn provider(mut self, provider: impl Into<String>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// Sets the address of the encoder, such as its page on a hub. Default: none.
    #[must_use]
    pub fn model(mut self, address: impl Into<String>) -> Self {
        self.model = Some(address.into());
        self
    }

    /// Sets the address of the imagery that was encoded. Default: none.
    #[must_use]
    pub fn source(mut self, address: impl Into<String>) -> Self {
        self.source = Some(address.into());
        self
    }

    /// Sets the date or time of the imagery, for archives without a time in a column `datetime`. Default: none.
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

    /// Sets a flag that stops the export when it becomes true. Default: none.
    #[must_use]
    pub fn stop(mut self, stop: &'a AtomicBool) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Sets the receiver of the number of rows that are done. Default: none.
    #[must_use]
    pub fn progress(mut self, progress: &'a dyn Progress) -> Self {
        self.progress = progress;
        self
    }

    /// Tells whether the export is to stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }
}
