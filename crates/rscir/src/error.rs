/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong, by the part it went wrong in. Each part's error has the details.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value or a shape, or an implementor of a trait.
    #[error(transparent)]
    Core(#[from] rscir_core::Error),
    /// A model, a checkpoint or an image.
    #[error(transparent)]
    Encoders(#[from] rscir_encoders::Error),
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
