use std::io;
use std::path::{Path, PathBuf};

use rscir_core::ErrorKind;
use rscir_core::files::FileError;

use crate::dtype::Dtype;
use crate::problem::TensorProblem;

/// Everything that can be wrong with a checkpoint: where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },

    /// The path does not name a regular file, or the file is too large.
    #[error(transparent)]
    File(rscir_core::files::FileError),

    /// The file is not a checkpoint of a known format.
    #[error("{} is not a checkpoint: {found}; expected safetensors, a PyTorch .pt or .bin file, or a safetensors index", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// What the first bytes of the file look like.
        found: &'static str,
    },
    /// The header of a safetensors file is damaged, too large, or does not fit the file.
    #[error("{} is a damaged safetensors file; download or export it again", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// The error of the `safetensors` crate.
        source: safetensors::SafeTensorError,
    },
    /// A safetensors header, or an index of shards, is longer than any real one.
    #[error("{} declares a header of {length} bytes; at most {limit} are read, so the file is damaged or of another kind", path.display())]
    HeaderTooLong {
        /// The file.
        path: PathBuf,
        /// Declared length in bytes.
        length: u64,
        /// Greatest length in bytes that is read.
        limit: u64,
    },
    /// The index of a sharded checkpoint is not JSON of the expected form.
    #[error("{} is no index of a sharded checkpoint; download it again, or name a file of weights", path.display())]
    ShardIndex {
        /// The index.
        path: PathBuf,
        /// The error of the JSON reader.
        source: serde_json::Error,
    },
    /// The index does not fit its shards.
    #[error("{}: tensor `{tensor}` should be in {shard:?}: {problem}", path.display())]
    Shard {
        /// The index.
        path: PathBuf,
        /// Name of the tensor.
        tensor: String,
        /// Shard that the index names.
        shard: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The directory of a zip archive is damaged.
    #[error("{} is a damaged zip archive: {problem}; download or save it again", path.display())]
    Zip {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// An entry of a zip archive is damaged, missing or refused.
    #[error("{}: entry {entry:?} {problem}", path.display())]
    ZipEntry {
        /// The archive.
        path: PathBuf,
        /// Name of the entry.
        entry: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The content of an entry does not have the checksum that the archive records for it.
    #[error("{}: entry {entry:?} is damaged: its CRC-32 is {got:08x}, recorded is {expected:08x}; download or save it again", path.display())]
    Checksum {
        /// The archive.
        path: PathBuf,
        /// Name of the entry.
        entry: String,
        /// The recorded checksum.
        expected: u32,
        /// The checksum of the content.
        got: u32,
    },
    /// A pickle in the checkpoint is damaged or asks for something that is not allowed.
    #[error("{}: {part} cannot be read", path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
        /// Name of the pickle in the file.
        part: &'static str,
        /// The error of the pickle reader.
        source: rscir_pickle::Error,
    },
    /// The pickles of a PyTorch file have an unexpected form.
    #[error("{}: {problem}", path.display())]
    Torch {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// The file holds several state dicts and none is the obvious one, or does not hold the requested one.
    #[error("{}", no_state_dict(path, wanted.as_deref(), found))]
    StateDict {
        /// The file.
        path: PathBuf,
        /// The requested key.
        wanted: Option<String>,
        /// The keys of all state dicts. Empty if the file itself is a state dict.
        found: Vec<String>,
    },
    /// The description of a tensor is malformed or does not fit the file.
    #[error("{}: tensor `{tensor}` {problem}", path.display())]
    TensorLayout {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        tensor: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The element type of a tensor is not supported.
    #[error("{}: tensor `{tensor}` has element type {dtype}; read are f64, f32, f16, bf16, integers and bool", path.display())]
    TensorDtype {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        tensor: String,
        /// Name of the type in the file.
        dtype: String,
    },
    /// The checkpoint does not have a tensor.
    #[error("{} has no tensor `{tensor}`", path.display())]
    NoTensor {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        tensor: String,
    },
    /// A tensor has another shape than expected.
    #[error("{}: tensor `{tensor}` ({dtype}) has shape {got:?}, expected {expected:?}", path.display())]
    TensorShape {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        tensor: String,
        /// Element type of the tensor.
        dtype: Dtype,
        /// Shape that the model needs.
        expected: Box<[usize]>,
        /// Shape in the file.
        got: Box<[usize]>,
    },
    /// The checkpoint does not fit the architecture. The error holds every problem.
    #[error("{} does not fit the architecture, nothing was loaded; is the configuration the one of this file?{}{}", path.display(), prefixed(prefix.as_deref()), TensorProblem::lines(problems))]
    Weights {
        /// The file.
        path: PathBuf,
        /// All missing, unexpected, misshapen and non-finite tensors.
        problems: Vec<TensorProblem>,
        /// Prefix that most of the unexpected names have before a name of the model.
        prefix: Option<String>,
    },
}

impl Error {
    /// Returns the kind of the error, by which a caller decides what to do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } => source.into(),
            Self::File(error) => error.kind(),
            Self::UnknownFormat { .. } | Self::TensorDtype { .. } => ErrorKind::Unsupported,
            Self::HeaderTooLong { .. } => ErrorKind::TooLarge,
            Self::Safetensors { .. }
            | Self::ShardIndex { .. }
            | Self::Shard { .. }
            | Self::Zip { .. }
            | Self::ZipEntry { .. }
            | Self::Checksum { .. }
            | Self::Torch { .. }
            | Self::TensorLayout { .. } => ErrorKind::Damaged,
            Self::Pickle { source, .. } => match source {
                rscir_pickle::Error::TooMuchMemory { .. } => ErrorKind::TooLarge,
                rscir_pickle::Error::Unsupported { .. }
                | rscir_pickle::Error::Protocol { .. }
                | rscir_pickle::Error::ForbiddenGlobal { .. } => ErrorKind::Unsupported,
                _ => ErrorKind::Damaged,
            },
            Self::StateDict { .. } | Self::NoTensor { .. } => ErrorKind::NotFound,
            Self::TensorShape { .. } | Self::Weights { .. } => ErrorKind::Mismatch,
        }
    }
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io { path, source, .. } => Self::Io { path, source },
            error => Self::File(error),
        }
    }
}

fn no_state_dict(path: &Path, wanted: Option<&str>, found: &[String]) -> String {
    let path = path.display();
    let list = || found.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    match (wanted, found) {
        (Some(wanted), [] | [_]) if found.iter().all(String::is_empty) => {
            format!("{path} has no state dict `{wanted}`: it is one itself")
        }
        (Some(wanted), _) => {
            format!("{path} has no state dict `{wanted}`, or several of this name; it has {}", list())
        }
        (None, _) => format!("{path} holds several state dicts, one of which must be chosen: {}", list()),
    }
}

fn prefixed(prefix: Option<&str>) -> String {
    prefix.map_or(String::new(), |prefix| {
        format!(
            " Names in the file begin with `{prefix}`, and others do not: save the model's own state dict."
        )
    })
}

/// Result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Checkpoint;

    #[test]
    fn a_caller_can_tell_weights_that_are_not_there_damaged_or_of_no_known_format() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let kind = || Checkpoint::open(&path).map(|_| ()).unwrap_err().kind();
        assert_eq!(kind(), ErrorKind::NotFound);
        std::fs::write(&path, "version https://git-lfs.github.com/spec/v1").unwrap();
        assert_eq!(kind(), ErrorKind::Unsupported);
        let cut = [&8u64.to_le_bytes()[..], b"{\"a\""].concat();
        std::fs::write(&path, cut).unwrap();
        assert_eq!(kind(), ErrorKind::Damaged);
        let pickle = |source| Error::Pickle { path: path.clone(), part: "data.pkl", source }.kind();
        assert_eq!(pickle(rscir_pickle::Error::Protocol { version: 9 }), ErrorKind::Unsupported);
        assert_eq!(pickle(rscir_pickle::Error::Unfinished { offset: 1, values: 2 }), ErrorKind::Damaged);
    }
}
