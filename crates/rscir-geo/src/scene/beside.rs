//! Files beside an image that tell where it lies: a world file, and a .prj with the coordinate system.

use std::path::{Path, PathBuf};

use rscir_core::files::{FileError, read_text};

use crate::{Crs, CrsProblem, Error, Result, Transform};

/// The longest of these files in bytes. They have six numbers, or the description of a coordinate system.
const MAX_BYTES: u64 = 1 << 16;

/// Reads the transform of the world file beside an image. Returns `None` if there is no world file.
pub(super) fn transform(image: &Path) -> Result<Option<Transform>> {
    let Some(path) = existing(image, &world_extensions(image)) else { return Ok(None) };
    let text = read_text(&path, MAX_BYTES)?;
    match Transform::from_world_file(&text) {
        Ok(transform) => Ok(Some(transform)),
        Err(problem) => Err(Error::Transform { path, problem }),
    }
}

/// Reads the coordinate system of the .prj beside an image. Returns `None` if there is no .prj.
pub(super) fn crs(image: &Path) -> Result<Option<Result<Crs, CrsProblem>>> {
    let Some(path) = existing(image, &["prj".into()]) else { return Ok(None) };
    match read_text(&path, MAX_BYTES) {
        Ok(text) => Ok(Some(Crs::from_wkt(&text))),
        Err(FileError::NotText { problem, .. }) => {
            Ok(Some(Err(CrsProblem::Damaged { problem: problem.into() })))
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns the world file and the .prj beside an image, as far as they exist.
pub(crate) fn companions(image: &Path) -> Vec<PathBuf> {
    [existing(image, &world_extensions(image)), existing(image, &["prj".into()])]
        .into_iter()
        .flatten()
        .collect()
}

/// Returns the extensions that an image's world file may have: the first and last letter of the image's extension with
/// a `w`, the whole extension with a `w`, and `wld`.
fn world_extensions(image: &Path) -> Vec<String> {
    let extension = image.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let mut letters = extension.chars();
    let short = match (letters.next(), letters.next_back()) {
        (Some(first), Some(last)) => vec![format!("{first}{last}w")],
        _ => vec![],
    };
    short.into_iter().chain([format!("{extension}w"), "wld".into()]).collect()
}

/// Finds the first file beside an image with one of some extensions, in lowercase or uppercase letters.
fn existing(image: &Path, extensions: &[String]) -> Option<PathBuf> {
    let spellings =
        extensions.iter().flat_map(|extension| [extension.clone(), extension.to_ascii_uppercase()]);
    spellings.map(|extension| image.with_extension(extension)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn world_files_are_named_by_the_letters_of_the_images_extension() {
        let of = |name: &str| world_extensions(Path::new(name));
        assert_eq!(of("a.tif"), ["tfw", "tifw", "wld"]);
        assert_eq!(of("a.JPG"), ["jgw", "jpgw", "wld"]);
        assert_eq!(of("a.png"), ["pgw", "pngw", "wld"]);
        assert_eq!(of("a.jpeg"), ["jgw", "jpegw", "wld"]);
        assert_eq!(of("a"), ["w", "wld"]);
    }
}
