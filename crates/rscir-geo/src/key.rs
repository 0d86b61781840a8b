use std::fmt;
use std::str::FromStr;

use rscir_images::tiff::Window;

use crate::Error;

/// The key of a tile: its scene and its window, written `folder/scene.tif#xywh=256,0,256,256`, as W3C Media Fragments
/// name a region in pixels: first column, first row, width, height.
///
/// ```
/// use rscir_geo::{TileKey, Window};
///
/// let key: TileKey = "lakes/july.tif#xywh=256,0,128,128".parse()?;
/// assert_eq!(key.scene, "lakes/july.tif");
/// assert_eq!(key.window, Window::new(256, 0, 128, 128));
/// assert_eq!(key.to_string(), "lakes/july.tif#xywh=256,0,128,128");
/// # Ok::<(), rscir_geo::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TileKey {
    /// The scene's path relative to its folder, with `/`.
    pub scene: String,
    /// The tile's pixels.
    pub window: Window,
}

/// Separator between the scene and the window in a key.
const FRAGMENT: &str = "#xywh=";

impl fmt::Display for TileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Window { x, y, width, height } = self.window;
        write!(f, "{}{FRAGMENT}{x},{y},{width},{height}", self.scene)
    }
}

impl FromStr for TileKey {
    type Err = Error;

    /// Reads a key as [`Display`](fmt::Display) writes it. `xywh=pixel:`, which the standard allows, is read as `xywh=`.
    ///
    /// # Errors
    /// [`Error::Key`] for any other text, and for a window without pixels.
    fn from_str(text: &str) -> Result<Self, Error> {
        let read = || {
            // A scene's name may contain the separator itself: the last one in the key belongs to the window.
            let (scene, numbers) = text.rsplit_once(FRAGMENT)?;
            let numbers = numbers.strip_prefix("pixel:").unwrap_or(numbers);
            let numbers = numbers.split(',').map(digits).collect::<Option<Vec<usize>>>()?;
            let [x, y, width, height] = numbers.try_into().ok()?;
            let is_tile = !scene.is_empty() && width > 0 && height > 0;
            is_tile.then(|| Self { scene: scene.into(), window: Window::new(x, y, width, height) })
        };
        read().ok_or_else(|| Error::Key { key: text.into() })
    }
}

/// Reads a number that consists of digits alone, without a sign. Returns `None` for any other text.
fn digits(text: &str) -> Option<usize> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_of_a_tile_is_refused_by_name() {
        for text in [
            "scene.tif",
            "#xywh=0,0,1,1",
            "a.tif#xywh=0,0,1",
            "a.tif#xywh=0,0,1,1,1",
            "a.tif#xywh=-1,0,1,1",
            "a.tif#xywh=+1,0,1,1",
            "a.tif#xywh=0,0,0,1",
            "a.tif#xywh=0, 0, 1, 1",
            "a.tif#xywh=percent:0,0,1,1",
            "a.tif#xywh=0,0,1,99999999999999999999",
            "a.tif#xywh=,,,",
        ] {
            let error = text.parse::<TileKey>().unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_scene_whose_name_has_a_fragment_is_named_by_all_but_the_last() {
        let key: TileKey = "a#xywh=1,1,1,1.tif#xywh=pixel:2,3,4,5".parse().unwrap();
        assert_eq!(key.scene, "a#xywh=1,1,1,1.tif");
        assert_eq!(key.window, Window::new(2, 3, 4, 5));
    }
}
