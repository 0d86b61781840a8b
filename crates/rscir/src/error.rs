use rscir_core::ErrorKind;

/// Result of a function of this crate; the error is [`Error`] if none is named.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of this crate. Each variant has the error of a crate behind the facade, with the details.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of `rscir-core`, or of an implementor of one of its traits: a value or a shape does not fit, or an
    /// implementor failed.
    #[error(transparent)]
    Core(rscir_core::Error),
    /// An error of `rscir-encoders`, about a model.
    #[error(transparent)]
    Encoders(rscir_encoders::Error),
    /// An error of `rscir-images`, about an image or an ingest.
    #[error(transparent)]
    Images(rscir_images::Error),
    /// An error of `rscir-checkpoint`, about a file of weights.
    #[error(transparent)]
    Checkpoint(#[from] rscir_checkpoint::Error),
    /// An error of `rscir-index`, about an archive, a feature file or a search.
    #[error(transparent)]
    Index(#[from] rscir_index::Error),
    /// An error of `rscir-weicom`, about a method.
    #[error(transparent)]
    Method(#[from] rscir_weicom::Error),
    /// An error of `rscir-bench`, about a benchmark.
    #[error(transparent)]
    Bench(#[from] rscir_bench::Error),
    /// An error of `rscir-page`, about the page of an answer.
    #[error(transparent)]
    Page(#[from] rscir_page::Error),
    /// An error of `rscir-geo`, about a scene, an area or a place.
    #[cfg(feature = "geo")]
    #[error(transparent)]
    Geo(rscir_geo::Error),
    /// An error of `rscir-interchange`, about a file of vectors that is read or written.
    #[cfg(feature = "interchange")]
    #[error(transparent)]
    Interchange(rscir_interchange::Error),
    /// An error of `rscir-spark`, about a table on shared storage.
    #[cfg(feature = "publish")]
    #[error(transparent)]
    Spark(Box<rscir_spark::Error>),
}

impl Error {
    /// Returns the kind of the error, by which callers decide what to do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Core(error) => error.kind(),
            Self::Encoders(error) => error.kind(),
            Self::Images(error) => error.kind(),
            Self::Checkpoint(error) => error.kind(),
            Self::Index(error) => error.kind(),
            Self::Method(error) => error.kind(),
            Self::Bench(error) => error.kind(),
            #[cfg(feature = "geo")]
            Self::Geo(error) => error.kind(),
            #[cfg(feature = "interchange")]
            Self::Interchange(error) => error.kind(),
            #[cfg(feature = "publish")]
            Self::Spark(error) => error.kind(),
            Self::Page(error) => error.kind(),
        }
    }
}

impl From<rscir_encoders::Error> for Error {
    /// Makes an [`Error::Encoders`]. An error that wraps one of another crate becomes that crate's variant.
    fn from(error: rscir_encoders::Error) -> Self {
        match error {
            rscir_encoders::Error::Checkpoint(error) => Self::Checkpoint(error),
            rscir_encoders::Error::Images(error) => error.into(),
            rscir_encoders::Error::Core(error) => error.into(),
            error => Self::Encoders(error),
        }
    }
}

#[cfg(feature = "publish")]
impl From<rscir_spark::Error> for Error {
    /// Makes an [`Error::Spark`]. An error that wraps one of another crate becomes that crate's variant.
    fn from(error: rscir_spark::Error) -> Self {
        match error {
            rscir_spark::Error::Core(error) => error.into(),
            rscir_spark::Error::Index(error) => Self::Index(error),
            rscir_spark::Error::Method(error) => Self::Method(error),
            error => Self::Spark(Box::new(error)),
        }
    }
}

#[cfg(feature = "geo")]
impl From<rscir_geo::Error> for Error {
    /// Makes an [`Error::Geo`]. An error that wraps one of another crate becomes that crate's variant.
    fn from(error: rscir_geo::Error) -> Self {
        match error {
            rscir_geo::Error::Images(error) => error.into(),
            rscir_geo::Error::Core(error) => error.into(),
            error => Self::Geo(error),
        }
    }
}

#[cfg(feature = "interchange")]
impl From<rscir_interchange::Error> for Error {
    /// Makes an [`Error::Interchange`]. An error that wraps one of another crate becomes that crate's variant.
    fn from(error: rscir_interchange::Error) -> Self {
        match error {
            rscir_interchange::Error::Index(error) => error.into(),
            rscir_interchange::Error::Core(error) => error.into(),
            error => Self::Interchange(error),
        }
    }
}

impl From<rscir_images::Error> for Error {
    /// Makes an [`Error::Images`]. An error that another crate passed through a trait becomes that crate's variant.
    fn from(error: rscir_images::Error) -> Self {
        match error {
            rscir_images::Error::Core(error) => error.into(),
            error => Self::Images(error),
        }
    }
}

impl From<rscir_core::Error> for Error {
    /// Makes an [`Error::Core`]. An error that an archive or an encoder of this project passed through a trait
    /// becomes its crate's variant: a full disk becomes an [`Error::Index`].
    fn from(error: rscir_core::Error) -> Self {
        let rscir_core::Error::Source { during, kind, source } = error else { return Self::Core(error) };
        let source = match source.downcast::<rscir_index::Error>() {
            Ok(error) => return Self::Index(*error),
            Err(source) => source,
        };
        match source.downcast::<rscir_encoders::Error>() {
            Ok(error) => (*error).into(),
            Err(source) => Self::Core(rscir_core::Error::Source { during, kind, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;
    use std::io;

    #[test]
    fn a_full_disk_of_an_ingest_is_io_and_the_systems_error_is_a_source() {
        let full = rscir_index::Error::Io {
            path: "tiles.rscir".into(),
            action: rscir_index::IoAction::Write,
            source: io::ErrorKind::StorageFull.into(),
        };
        // The index passes this error through the trait of sinks to the ingest.
        let error = Error::from(rscir_images::Error::from(rscir_core::Error::from(full)));
        assert!(matches!(error, Error::Index(_)), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Io);
        let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn each_part_says_its_own_kind() {
        let folder = std::env::temp_dir().join("rscir-no-such-folder.rscir");
        assert_eq!(crate::open(&folder).map(|_| ()).unwrap_err().kind(), ErrorKind::NotFound);
        let method = Error::from("no-such-method".parse::<rscir_weicom::MethodSpec>().unwrap_err());
        assert_eq!(method.kind(), ErrorKind::NotFound);
    }
}
