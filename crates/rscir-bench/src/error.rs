use std::path::PathBuf;

use rscir_core::ErrorKind;
use rscir_core::files::{FileAction, FileError};

/// Result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong with a benchmark.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The core, an archive or a method returned an error.
    #[error(transparent)]
    Core(#[from] rscir_core::Error),
    /// A file cannot be read or written.
    #[error("cannot {action} {path}", path = path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The path does not name a regular file, or the file is too large.
    #[error(transparent)]
    File(FileError),
    /// A line of a file has the wrong form.
    #[error("{path}:{line}: {problem}", path = path.display())]
    Line {
        /// Path of the file.
        path: PathBuf,
        /// Line in the file, from 1.
        line: u64,
        /// What is wrong, and what is expected.
        problem: String,
    },
    /// Two archive rows have the same base name, so that a CSV row could mean either.
    #[error(
        "{first} and {second} have one base name, and the csv files name images by it: rename one, or evaluate in the reference's \
         mode (strict), where the last one counts"
    )]
    AmbiguousName {
        /// Key of the first row.
        first: String,
        /// Key of the second row.
        second: String,
    },
    /// No CSV file of the benchmark exists in the folder.
    #[error("{path} holds none of {expected}: choose the folder that holds PatternCom/", path = path.display())]
    NoAttributes {
        /// The folder.
        path: PathBuf,
        /// The file names that were looked for.
        expected: String,
    },
    /// The text features lack a text of the queries.
    #[error("the text features lack {text:?}, which {group} asks with: encode it too")]
    MissingText {
        /// The text.
        text: String,
        /// The first group of queries that needs it.
        group: String,
    },
    /// A query image is not in the archive.
    #[error("the archive lacks the query image {key:?}: encode it, or leave its queries out")]
    MissingImage {
        /// Key of the missing image.
        key: String,
    },
    /// A query refers to an index that does not exist.
    #[error("{group}: {what} {index} is asked for, there are {len}: build the query set on this archive")]
    BadIndex {
        /// The group of the query, or the list.
        group: String,
        /// What the index refers to.
        what: &'static str,
        /// The index.
        index: usize,
        /// Number of things that exist.
        len: usize,
    },
    /// A relevant image is not in the gallery of its group.
    #[error(
        "{group}: the relevant image {key:?} is not in the group's gallery: add it, or leave it out of the relevant ones"
    )]
    OutsideGallery {
        /// The group.
        group: String,
        /// Key of the image.
        key: String,
    },
    /// A method gives a relevant image the score NaN, which cannot be ranked.
    #[error("{method} gives {key:?} the score NaN: a method must give every row a number")]
    NotANumber {
        /// Label of the method.
        method: String,
        /// Key of the image.
        key: String,
    },
    /// Two runs have different queries, so they cannot be compared query by query.
    #[error("{query}, {method}: {problem}: compare runs on one dataset, in one mode")]
    Unpaired {
        /// Id of the query.
        query: String,
        /// Label of the method.
        method: String,
        /// How the runs differ.
        problem: &'static str,
    },
    /// The run does not have a method.
    #[error("the run has no method {method:?}, only {known}")]
    UnknownMethod {
        /// The label that was given.
        method: String,
        /// The labels that the run has.
        known: String,
    },
    /// There is nothing to evaluate.
    #[error(
        "there are no queries: the archive lacks the images that the benchmark's files ask with, or those that would answer"
    )]
    NoQueries,
}

impl Error {
    /// Returns the kind of the error, by which a caller decides what to do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Core(error) => error.kind(),
            Self::Io { source, .. } => source.into(),
            Self::File(error) => error.kind(),
            Self::Line { .. } => ErrorKind::Damaged,
            Self::NoAttributes { .. }
            | Self::MissingText { .. }
            | Self::MissingImage { .. }
            | Self::UnknownMethod { .. }
            | Self::NoQueries => ErrorKind::NotFound,
            Self::AmbiguousName { .. }
            | Self::BadIndex { .. }
            | Self::OutsideGallery { .. }
            | Self::NotANumber { .. } => ErrorKind::InvalidInput,
            Self::Unpaired { .. } => ErrorKind::Mismatch,
        }
    }
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io { path, action, source } => {
                let action = if action == FileAction::Read { "read" } else { "write" };
                Self::Io { action, path, source }
            }
            FileError::NotText { path, line, problem } => {
                Self::Line { path, line, problem: format!("{problem}: save the file as UTF-8 text") }
            }
            FileError::Line { path, line, problem } => Self::Line { path, line, problem },
            other => Self::File(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mode, PatternCom};

    #[test]
    fn a_caller_can_tell_a_benchmark_that_is_not_there_from_a_damaged_one() {
        let folder = tempfile::tempdir().unwrap();
        let read = || PatternCom::read(folder.path()).map(|read| read.mode(Mode::Corrected)).map(|_| ());
        assert_eq!(read().unwrap_err().kind(), ErrorKind::NotFound);
        std::fs::create_dir(folder.path().join("PatternCom")).unwrap();
        std::fs::write(folder.path().join("PatternCom/color.csv"), b"\xff\n").unwrap();
        assert_eq!(read().unwrap_err().kind(), ErrorKind::Damaged);
    }
}
