/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong, by the part it went wrong in. Each part's error has the details.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value or a shape, or an implementor of a trait.
    #[error(transparent)]
    Core(#[from] rscir_core::Error),
    /// A model or an image.
    #[error(transparent)]
    Encoders(rscir_encoders::Error),
    /// A checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] rscir_checkpoint::Error),
    /// An archive or a feature file.
    #[error(transparent)]
    Index(#[from] rscir_index::Error),
    /// A method.
    #[error(transparent)]
    Method(#[from] rscir_weicom::Error),
    /// A benchmark.
    #[error(transparent)]
    Bench(#[from] rscir_bench::Error),
}

impl From<rscir_encoders::Error> for Error {
    /// Takes an error that is another crate's for that crate's.
    fn from(error: rscir_encoders::Error) -> Self {
        match error {
            rscir_encoders::Error::Checkpoint(error) => Self::Checkpoint(error),
            error => Self::Encoders(error),
        }
    }
}
