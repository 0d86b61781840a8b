use std::fmt;
use std::str::FromStr;

/// A value of a record: one that this program knows, or the words that another program wrote.
///
/// Equal values compare equal however they were made. Another program's words are kept to the letter and compared,
/// but nothing is computed with them.
///
/// ```
/// # use rscir_core::{Activation, Activations, Recorded};
/// let known = Recorded::<Activations>::from("quick_gelu".to_owned());
/// assert_eq!(known, Recorded::Known(Activation::QuickGelu.into()));
/// let theirs = Recorded::<Activations>::from("swiglu".to_owned());
/// assert_eq!((theirs.known(), theirs.to_string().as_str()), (None, "swiglu"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Recorded<T> {
    /// A value of this program's type.
    Known(T),
    /// Another program's words. Use `from` to make them of a text, because it tells known values from other
    /// words.
    #[non_exhaustive]
    Other(Box<str>),
}

impl<T> Recorded<T> {
    /// Returns the value, or `None` if the record is in another program's words.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Other(_) => None,
        }
    }
}

impl<T: fmt::Display> fmt::Display for Recorded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(value) => value.fmt(f),
            Self::Other(words) => f.write_str(words),
        }
    }
}

impl<T: FromStr + fmt::Display> From<String> for Recorded<T> {
    /// Reads the text of a record. The text is a known value only if that value is written in these very
    /// letters, so that reading and writing a record never changes it.
    fn from(text: String) -> Self {
        match text.parse::<T>() {
            Ok(value) if value.to_string() == text => Self::Known(value),
            _ => Self::Other(text.into()),
        }
    }
}
