use rscir_core::ErrorKind;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong when a method is chosen or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No method has this name.
    #[error(
        "there is no method {name:?}; known methods: {known}; parameters follow a colon or stand in parentheses: rrf:k=60 or \
         rrf(k=60)"
    )]
    UnknownMethod {
        /// What was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The method has no such parameter.
    #[error("method {method} has no parameter {parameter:?}; it has: {known}")]
    UnknownParameter {
        /// Name of the method.
        method: &'static str,
        /// What was given.
        parameter: String,
        /// The parameters it has.
        known: String,
    },
    /// The method needs something that was not given.
    #[error("method {method} needs {resource}, which was not given")]
    MissingResource {
        /// Name of the method.
        method: &'static str,
        /// What it needs.
        resource: &'static str,
    },
    /// A parameter has a value that the method cannot take.
    #[error("method {method}: {parameter} is {value:?}, but must be {expected}")]
    BadParameter {
        /// Name of the method.
        method: &'static str,
        /// Name of the parameter.
        parameter: &'static str,
        /// What was given.
        value: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// Two archives do not hold the same images.
    #[error(
        "the archive for {part} lacks {key:?}, which the other has: encode the same images with both encoders"
    )]
    DifferentKeys {
        /// The first key that is in one of them alone.
        key: String,
        /// The archive that lacks it: `images` or `texts`.
        part: &'static str,
    },
}

impl Error {
    /// Returns what a caller can do about it.
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
