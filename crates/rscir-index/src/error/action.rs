use std::fmt;

use rscir_core::files::FileAction;

/// An action that the storage of an archive failed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IoAction {
    /// Creating a file or a folder.
    Create,
    /// Writing into a file.
    Write,
    /// Making a file durable.
    Sync,
    /// Renaming a file.
    Rename,
    /// Making the names in a folder durable.
    SyncDir,
    /// Reading a file or a folder.
    Read,
    /// Locking an archive.
    Lock,
}

impl fmt::Display for IoAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "creating",
            Self::Write => "writing",
            Self::Sync => "syncing",
            Self::Rename => "renaming",
            Self::SyncDir => "syncing the folder",
            Self::Read => "reading",
            Self::Lock => "locking",
        })
    }
}

impl From<FileAction> for IoAction {
    fn from(action: FileAction) -> Self {
        match action {
            FileAction::Create => Self::Create,
            FileAction::Write => Self::Write,
            FileAction::Rename => Self::Rename,
            FileAction::SyncFolder => Self::SyncDir,
            _ => Self::Read,
        }
    }
}
