use std::fs;
use std::path::{Component, Path, PathBuf};

use rscir_core::files::nanos_since_1970;
use rscir_core::{Archive, RgbImage};
use rscir_images::{DecodeLimits, decode_file};

/// Why a row has no picture, for the operator of the server. Whoever asks is told that there is none.
pub type NoPicture = Box<dyn std::error::Error + Send + Sync>;

/// Shows an archive's rows.
pub trait Pictures: Send + Sync {
    /// Reads the pixels of a row.
    ///
    /// # Errors
    /// If they cannot be read, or are beyond the limits.
    fn read(&self, archive: &dyn Archive, row: usize, limits: &DecodeLimits) -> Result<RgbImage, NoPicture>;

    /// Returns something that changes when the pixels of a row do, such as the time of change of its file, without reading
    /// them. Default: `None`, and a picture must be made to tell.
    fn stamp(&self, _archive: &dyn Archive, _row: usize) -> Option<String> {
        None
    }
}

/// Shows rows by the files that their keys name below some folders.
///
/// A key that leads out of a folder, by its parts or by a link, has no picture: an archive may be anyone's.
#[derive(Debug, Clone)]
pub struct FolderPictures {
    folders: Vec<PathBuf>,
}

impl FolderPictures {
    /// Looks in these folders, in their order.
    pub fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { folders: folders.into_iter().collect() }
    }

    /// Returns the file that a name stands for, with all links resolved.
    ///
    /// # Errors
    /// If there is none in these folders.
    pub fn file(&self, name: &str) -> Result<PathBuf, NoPicture> {
        let path = Path::new(name);
        if name.is_empty() || !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(format!("{name:?} leads out of the archive's folders").into());
        }
        for folder in &self.folders {
            let Ok(real_folder) = fs::canonicalize(folder) else { continue };
            let Ok(file) = fs::canonicalize(real_folder.join(path)) else { continue };
            if file.starts_with(&real_folder) && file.is_file() {
                return Ok(file);
            }
        }
        Err(format!("none of {} folders has a file {name:?} that lies in it", self.folders.len()).into())
    }

    /// Returns size and time of change of the file that a name stands for.
    pub fn stamp_of(&self, name: &str) -> Option<String> {
        let metadata = fs::metadata(self.file(name).ok()?).ok()?;
        Some(format!("{}-{}", metadata.len(), nanos_since_1970(metadata.modified().ok())))
    }
}

impl Pictures for FolderPictures {
    fn read(&self, archive: &dyn Archive, row: usize, limits: &DecodeLimits) -> Result<RgbImage, NoPicture> {
        let file = self.file(archive.key(row))?;
        Ok(decode_file(file, &archive.spec().decoding, limits)?)
    }

    fn stamp(&self, archive: &dyn Archive, row: usize) -> Option<String> {
        self.stamp_of(archive.key(row))
    }
}
