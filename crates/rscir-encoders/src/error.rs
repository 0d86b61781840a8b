use std::io;
use std::path::PathBuf;

use rscir_core::ErrorKind;
use rscir_kernels::IsaError;

/// What went wrong in this crate, where, and what was expected.
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

    /// What is read is no regular file, or too large a one.
    #[error(transparent)]
    File(rscir_core::files::FileError),

    /// The environment variable `RSCIR_ISA` names no instruction set of this machine.
    #[error(transparent)]
    Isa(#[from] IsaError),

    /// A checkpoint cannot be read, or does not fit the architecture.
    #[error(transparent)]
    Checkpoint(#[from] rscir_checkpoint::Error),
    /// A tokenizer that cannot be read, or cannot represent a text.
    #[error("{} is no usable tokenizer", path.display())]
    Tokenizer {
        /// The file, or the name of a built-in tokenizer.
        path: PathBuf,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A configuration that is no JSON of the expected form.
    #[error("{} is no model configuration", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What the JSON reader says, with the key, line and column.
        source: serde_json::Error,
    },
    /// A folder without the files of a model.
    #[error("{} holds no model: {missing}", path.display())]
    ModelFolder {
        /// The folder.
        path: PathBuf,
        /// What was looked for.
        missing: &'static str,
    },
    /// A name that is not in the registry.
    #[error("there is no model {name:?}; the nearest name is {nearest:?}, `models()` lists all")]
    UnknownModel {
        /// The name that was asked for.
        name: String,
        /// The nearest name there is.
        nearest: &'static str,
    },
    /// Weights that are published but not on this machine, and may not or cannot be fetched.
    #[error("{file} of the hub is not on this machine ({reason}); download it and give its path with `weights`, or put it at {}", cache.display())]
    NotDownloaded {
        /// Repository, file and revision on the hub.
        file: String,
        /// Why it is not fetched now.
        reason: &'static str,
        /// Where the cache would hold it.
        cache: PathBuf,
    },
    /// Weights that are published nowhere that can be fetched from.
    #[error(
        "the weights of {model} must be given with `weights`: they are not published as one file on the hub"
    )]
    NotPublished {
        /// Name of the model.
        model: &'static str,
    },
    /// A file whose content is not the one that was published.
    #[error("{} is damaged or another file: its SHA-256 is {got}, published is {expected}; it was removed", path.display())]
    Hash {
        /// The file.
        path: PathBuf,
        /// The published hash, in hexadecimal.
        expected: String,
        /// The hash of the content.
        got: String,
    },
    /// A published file that the hub does not give.
    #[error("cannot download {file}")]
    Download {
        /// Repository, file and revision on the hub.
        file: String,
        /// Why not.
        #[source]
        problem: crate::DownloadProblem,
    },
    /// A model whose tokenizer is not built in, without one.
    #[error(
        "this model needs its tokenizer.json: put it beside the configuration or give its path with `tokenizer`"
    )]
    NoTokenizer,
    /// A tokenizer that does not say how texts are padded, for a text tower that looks at the padding.
    #[error(
        "the tokenizer does not say with what texts are padded, and this model looks at it: put the model's \
         tokenizer_config.json beside its tokenizer.json"
    )]
    NoPadding,
    /// A tokenizer with ids that the text tower has no embedding for.
    #[error(
        "the tokenizer has {tokenizer} ids, the text tower {tower}: this tokenizer belongs to another model"
    )]
    Vocabulary {
        /// One more than the tokenizer's largest id.
        tokenizer: usize,
        /// Number of embeddings.
        tower: usize,
    },
    /// A device that is not there or cannot be used.
    #[error("cannot compute on {device}: {reason}")]
    Device {
        /// The device.
        device: crate::Device,
        /// Why not.
        reason: String,
    },
    /// A value of a configuration that no model can have, or that is not supported.
    #[error("{key} is {got}, but must be {expected}")]
    ConfigValue {
        /// The key, with the keys it lies under: `vision_cfg.width`.
        key: String,
        /// The value.
        got: String,
        /// What is allowed.
        expected: &'static str,
    },

    /// An image cannot be decoded, or images cannot be ingested.
    #[error(transparent)]
    Images(rscir_images::Error),
    /// Vectors that are none, such as those of a damaged model.
    #[error(transparent)]
    Core(#[from] rscir_core::Error),
    /// The tensor library failed.
    #[error("computing failed")]
    Candle(#[from] candle_core::Error),
}

impl Error {
    /// Returns what a caller can do about it.
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

/// Refuses a value of a configuration.
pub(crate) fn refuse<T>(key: &str, got: impl std::fmt::Display, expected: &'static str) -> Result<T> {
    Err(Error::ConfigValue { key: key.into(), got: got.to_string(), expected })
}

/// [`std::result::Result`] with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<rscir_images::Error> for Error {
    /// Takes what this crate has a variant for as that, so that a file is told of in one way whoever reads it.
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
