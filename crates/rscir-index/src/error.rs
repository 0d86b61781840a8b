/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with an archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The core refused a value or a shape.
    #[error(transparent)]
    Core(#[from] rscir_core::Error),
    /// Two rows have one key.
    #[error(
        "key {key:?} is given to row {first} and to row {second}: keys must be unique; rename or drop one"
    )]
    DuplicateKey {
        /// The key.
        key: String,
        /// The first row that has it.
        first: usize,
        /// The next row that has it.
        second: usize,
    },
}

impl From<Error> for rscir_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(core) => core,
            other => Self::from_source("the archive failed", other),
        }
    }
}
