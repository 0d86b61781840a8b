use std::io;
use std::path::PathBuf;

use rscir_core::ErrorKind;
use rscir_kernels::IsaError;

/// Error of this crate: what went wrong, with which file or value, and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be opened or read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },

    /// A file is not a regular file, or is too large.
    #[error(transparent)]
    File(rscir_core::files::FileError),

    /// The environment variable `RSCIR_ISA` names an instruction set that is unknown or that this machine lacks.
    #[error(transparent)]
    Isa(#[from] IsaError),

    /// A checkpoint cannot be read, or does not fit the architecture.
    #[error(transparent)]
    Checkpoint(#[from] rscir_checkpoint::Error),
    /// A tokenizer cannot be read, or cannot represent a text.
    #[error("cannot use the tokenizer {}", path.display())]
    Tokenizer {
        /// The file, or the name of a built-in tokenizer.
        path: PathBuf,
        /// What is wrong with the tokenizer or the text.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A configuration is not JSON of the expected form.
    #[error("{} is not a model configuration of open_clip or Hugging Face", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Error of the JSON reader, with the key, line and column.
        source: serde_json::Error,
    },
    /// A folder lacks the files of a model.
    #[error("{} holds no model: {missing}", path.display())]
    ModelFolder {
        /// The folder.
        path: PathBuf,
        /// The files that are missing, and what to do.
        missing: &'static str,
    },
    /// A name is not in the registry.
    #[error("there is no model {name:?}; the nearest name is {nearest:?}, `models()` lists all")]
    UnknownModel {
        /// The name that was asked for.
        name: String,
        /// The most similar name in the registry.
        nearest: &'static str,
    },
    /// A published file is not on this machine, and may not or cannot be fetched.
    #[error(
        "{file} of the hub is not on this machine ({reason}); download it and give its path with `weights`, or put \
         it at {}",
        cache.display()
    )]
    NotDownloaded {
        /// Repository, file and revision on the hub.
        file: String,
        /// Reason why the file is not fetched now.
        reason: &'static str,
        /// Path that the file would have in the cache.
        cache: PathBuf,
    },
    /// The weights of a model are not published as one file on the hub, and no path was given.
    #[error(
        "the weights of {model} must be given with `weights`: they are not published as one file on the hub"
    )]
    NotPublished {
        /// Name of the model.
        model: &'static str,
    },
    /// The content of a downloaded file is not the published one. The file has been removed.
    #[error(
        "{} is damaged or another file: its SHA-256 is {got}, but {expected} is published; the file was removed, \
         download it again",
        path.display()
    )]
    Hash {
        /// The file.
        path: PathBuf,
        /// The published hash, in hexadecimal.
        expected: String,
        /// The hash of the content, in hexadecimal.
        got: String,
    },
    /// The hub does not give a published file.
    #[error("cannot download {file}")]
    Download {
        /// Repository, file and revision on the hub.
        file: String,
        /// Reason of the failure.
        #[source]
        problem: crate::DownloadProblem,
    },
    /// A model needs the file of its tokenizer, which is not built in, and the file is missing.
    #[error(
        "this model needs its tokenizer.json: put it beside the configuration or give its path with `tokenizer`"
    )]
    NoTokenizer,
    /// A tokenizer does not say how texts are padded, and the text tower sees the padding.
    #[error(
        "the tokenizer does not say how texts are padded, and the text tower of this model sees the padding: put \
         the model's tokenizer_config.json beside its tokenizer.json"
    )]
    NoPadding,
    /// A tokenizer has ids for which the text tower has no embedding.
    #[error(
        "the tokenizer has {tokenizer} ids, the text tower {tower}: this tokenizer belongs to another model, use \
         the one that was published with the weights"
    )]
    Vocabulary {
        /// One more than the largest id of the tokenizer.
        tokenizer: usize,
        /// Number of embeddings of the text tower.
        tower: usize,
    },
    /// A device is not on this machine or cannot be used.
    #[error("cannot compute on {device}: {reason}")]
    Device {
        /// The device.
        device: crate::Device,
        /// Reason why the device cannot be used.
        reason: String,
    },
    /// A value of a configuration is impossible or not supported.
    #[error("{key} is {got}, but must be {expected}")]
    ConfigValue {
        /// The key, after the keys that contain it: `vision_cfg.width`.
        key: String,
        /// The value.
        got: String,
        /// The allowed values.
        expected: &'static str,
    },

    /// An image cannot be decoded, or images cannot be ingested.
    #[error(transparent)]
    Images(rscir_images::Error),
    /// A vector or a parameter is invalid, such as a vector of a damaged model that is not finite.
    #[error(transparent)]
    Core(#[from] rscir_core::Error),
    /// The tensor library failed.
    #[error("computing failed")]
    Candle(#[from] candle_core::Error),
}

impl Error {
    /// Returns the kind of the error, which tells what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } => source.into(),
            Self::File(error) => error.kind(),
            Self::Checkpoint(error) => error.kind(),
            Self::Tokenizer { .. } | Self::Config { .. } | Self::Hash { .. } => ErrorKind::Damaged,
            Self::ModelFolder { .. }
            | Self::UnknownModel { .. }
            | Self::NotDownloaded { .. }
            | Self::NotPublished { .. }
            | Self::NoTokenizer
            | Self::NoPadding => ErrorKind::NotFound,
            Self::Download { problem, .. } => problem.kind(),
            Self::Vocabulary { .. } => ErrorKind::Mismatch,
            Self::Device { .. } => ErrorKind::Unsupported,
            Self::ConfigValue { .. } | Self::Isa(_) => ErrorKind::InvalidInput,
            Self::Images(error) => error.kind(),
            Self::Core(error) => error.kind(),
            Self::Candle(_) => ErrorKind::Compute,
        }
    }
}

/// Returns [`Error::ConfigValue`] for a value of a configuration.
pub(crate) fn refuse<T>(key: &str, got: impl std::fmt::Display, expected: &'static str) -> Result<T> {
    Err(Error::ConfigValue { key: key.into(), got: got.to_string(), expected })
}

/// [`std::result::Result`] with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<rscir_images::Error> for Error {
    /// Converts an error to the variant of the same meaning if this crate has one, so that an unreadable file is the
    /// same error whichever crate reads it.
    fn from(error: rscir_images::Error) -> Self {
        use rscir_images::Error as Images;
        match error {
            Images::Io { path, source } => Self::Io { path, source },
            Images::File(error) => Self::File(error),
            Images::ConfigValue { key, got, expected } => Self::ConfigValue { key, got, expected },
            Images::Core(error) => Self::Core(error),
            error => Self::Images(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClipEncoder, DownloadProblem, Model};

    #[test]
    fn a_caller_can_tell_a_model_that_is_not_there_from_a_hub_that_does_not_answer() {
        assert_eq!(Model::find("no such model").unwrap_err().kind(), ErrorKind::NotFound);
        let folder = tempfile::tempdir().unwrap();
        let empty = ClipEncoder::from_folder(folder.path()).build().map(|_| ());
        assert_eq!(empty.unwrap_err().kind(), ErrorKind::NotFound);
        let status = |status| {
            let problem = DownloadProblem::Status { status };
            Error::Download { file: "model.safetensors".into(), problem }.kind()
        };
        assert_eq!(
            [404, 401, 503].map(status),
            [ErrorKind::NotFound, ErrorKind::InvalidInput, ErrorKind::Unavailable]
        );
    }

    #[test]
    fn an_error_keeps_its_kind_through_a_trait() {
        let error = Error::Candle(candle_core::Error::Msg("out of memory".into()));
        assert_eq!(error.kind(), ErrorKind::Compute);
        assert_eq!(rscir_core::Error::from(error).kind(), ErrorKind::Compute);
    }
}
