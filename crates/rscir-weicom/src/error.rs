use rscir_core::ErrorKind;

/// Result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong when a method is chosen or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No method has this name.
    #[error(
        "there is no method {name:?}; known methods: {known}; parameters follow a colon or stand in parentheses: rrf:k=60 or \
         rrf(k=60)"
    )]
    UnknownMethod {
        /// The name that was given.
        name: String,
        /// The names of all methods.
        known: String,
    },
    /// The method has no such parameter.
    #[error("method {method} has no parameter {parameter:?}; it has: {known}")]
    UnknownParameter {
        /// Name of the method.
        method: &'static str,
        /// The parameter that was given.
        parameter: String,
        /// The parameters of the method.
        known: String,
    },
    /// The method needs a resource that was not given.
    #[error("method {method} needs {resource}: give it in the resources")]
    MissingResource {
        /// Name of the method.
        method: &'static str,
        /// The missing resource.
        resource: &'static str,
    },
    /// A parameter has a value that the method cannot take.
    #[error("method {method}: {parameter} is {value:?}, but must be {expected}")]
    BadParameter {
        /// Name of the method.
        method: &'static str,
        /// Name of the parameter.
        parameter: &'static str,
        /// The value that was given.
        value: String,
        /// The values that are allowed.
        expected: &'static str,
    },
    /// Two archives do not hold the same images.
    #[error(
        "the archive for {part} lacks {key:?}, which the other has: encode the same images with both encoders"
    )]
    DifferentKeys {
        /// The first key that only one of them has.
        key: String,
        /// The archive without the key: `images` or `texts`.
        part: &'static str,
    },
}

impl Error {
    /// Returns the kind of the error, by which a caller decides what to do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownMethod { .. } | Self::UnknownParameter { .. } | Self::MissingResource { .. } => {
                ErrorKind::NotFound
            }
            Self::BadParameter { .. } => ErrorKind::InvalidInput,
            Self::DifferentKeys { .. } => ErrorKind::Mismatch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MethodSpec, WeiCom};

    #[test]
    fn a_caller_can_tell_an_unknown_method_from_a_wrong_parameter() {
        let kind = |text: &str| text.parse::<MethodSpec>().unwrap_err().kind();
        assert_eq!(kind("no-such-method"), ErrorKind::NotFound);
        assert_eq!(kind("weicom:2"), ErrorKind::InvalidInput);
        assert_eq!(WeiCom::new(2.0).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
