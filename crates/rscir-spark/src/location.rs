use std::fmt;
use std::path::{Path, PathBuf};

/// Place of a table or a file of it: a path, or a URL in an object store such as `s3://bucket/tiles`.
///
/// ```
/// use rscir_spark::Location;
///
/// assert_eq!(Location::from("s3://bucket/tiles/").join("v1").to_string(), "s3://bucket/tiles/v1");
/// assert!(Location::from("s3://bucket/tiles").folder().is_none());
/// assert!(Location::from("shared/tiles").folder().is_some());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location(Kind);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kind {
    Folder(PathBuf),
    Url(String),
}

impl Location {
    /// Returns the path, `None` of an object store.
    pub fn folder(&self) -> Option<&Path> {
        match &self.0 {
            Kind::Folder(path) => Some(path),
            Kind::Url(_) => None,
        }
    }

    /// Returns the URL, `None` of a folder.
    pub fn url(&self) -> Option<&str> {
        match &self.0 {
            Kind::Folder(_) => None,
            Kind::Url(url) => Some(url),
        }
    }

    /// Returns what lies here under a name.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        Self(match &self.0 {
            Kind::Folder(path) => Kind::Folder(path.join(name)),
            Kind::Url(url) => Kind::Url(format!("{}/{name}", url.trim_end_matches('/'))),
        })
    }
}

impl From<&str> for Location {
    /// Takes what has a scheme, as `s3://...`, for a URL, and anything else for a path.
    fn from(text: &str) -> Self {
        let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
        // One letter is a drive of Windows.
        let is_url =
            scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        Self(if is_url { Kind::Url(text.into()) } else { Kind::Folder(text.into()) })
    }
}

impl From<String> for Location {
    /// Takes a URL or a path, as a `&str` is taken.
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<&String> for Location {
    /// Takes a URL or a path, as a `&str` is taken.
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<&Self> for Location {
    /// Takes a copy.
    fn from(location: &Self) -> Self {
        location.clone()
    }
}

impl From<&Path> for Location {
    /// Takes a folder.
    fn from(path: &Path) -> Self {
        Self(Kind::Folder(path.into()))
    }
}

impl From<PathBuf> for Location {
    /// Takes a folder.
    fn from(path: PathBuf) -> Self {
        Self(Kind::Folder(path))
    }
}

impl From<&PathBuf> for Location {
    /// Takes a folder.
    fn from(path: &PathBuf) -> Self {
        path.as_path().into()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Folder(path) => path.display().fmt(f),
            Kind::Url(url) => url.fmt(f),
        }
    }
}
