use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use rscir_images::tiff::Window;

use crate::Error;

/// The side of a tile: in pixels, written `256`, or on the ground, written `76.8m`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum TileSize {
    /// Side in pixels.
    Pixels(usize),
    /// Side in meters on the ground.
    Meters(f64),
}

/// The longest side of a tile in pixels: one tile of this side takes 805 MB as three bands of bytes.
const MAX_SIDE: usize = 1 << 14;

/// The most tiles of a scene: a scene of a million pixels a side has 15 million tiles of 256 pixels.
const MAX_TILES: usize = 20_000_000;

impl TileSize {
    /// Returns the side in pixels, each of which is `pixel_size` meters long.
    ///
    /// # Errors
    /// [`Error::TileSize`] if the rounded side is less than 1 pixel or more than 16,384.
    pub fn pixels(self, pixel_size: f64) -> Result<usize, Error> {
        let side = match self {
            Self::Pixels(side) => side as f64,
            Self::Meters(meters) => (meters / pixel_size).round_ties_even(),
        };
        if (1.0..=MAX_SIDE as f64).contains(&side) {
            return Ok(side as usize);
        }
        Err(Error::TileSize { size: self.to_string(), problem: format!("a side of {side} pixels") })
    }
}

impl fmt::Display for TileSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pixels(side) => side.fmt(f),
            Self::Meters(side) => write!(f, "{side}m"),
        }
    }
}

impl FromStr for TileSize {
    type Err = Error;

    /// Reads a side in pixels, such as `256`, or in meters, such as `76.8m`.
    ///
    /// # Errors
    /// [`Error::TileSize`] if the text is neither, the side is not above 0, or has more than 16,384 pixels.
    fn from_str(text: &str) -> Result<Self, Error> {
        let size = match text.strip_suffix('m') {
            Some(meters) => {
                meters.trim().parse().ok().filter(|m: &f64| m.is_finite() && *m > 0.0).map(Self::Meters)
            }
            None => text.parse().ok().filter(|side| (1..=MAX_SIDE).contains(side)).map(Self::Pixels),
        };
        let problem = || "this is neither a side in pixels (256) nor in meters (76.8m)".into();
        size.ok_or_else(|| Error::TileSize { size: text.into(), problem: problem() })
    }
}

/// Describes how a scene is cut into tiles.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Tiling {
    /// Sides of the tiles. One grid is laid over the scene for each. Default: 256 pixels.
    pub sizes: Vec<TileSize>,
    /// Share of a side by which neighboring tiles overlap, from 0 to less than 1. Default: 0.
    pub overlap: f64,
}

impl Default for Tiling {
    fn default() -> Self {
        Self { sizes: vec![TileSize::Pixels(256)], overlap: 0.0 }
    }
}

impl Tiling {
    /// Sets the sides of the tiles, one grid for each. Default: 256 pixels.
    #[must_use]
    pub fn sizes(mut self, sizes: impl IntoIterator<Item = TileSize>) -> Self {
        self.sizes = sizes.into_iter().collect();
        self
    }

    /// Sets the share of a side by which neighboring tiles overlap, from 0 to less than 1. Default: 0.
    #[must_use]
    pub fn overlap(mut self, overlap: f64) -> Self {
        self.overlap = overlap;
        self
    }

    /// Checks the options that can be checked without a scene.
    ///
    /// # Errors
    /// [`Error::Overlap`] if the overlap is not from 0 to less than 1. [`Error::TileSize`] if there is no size.
    pub fn check(&self) -> Result<(), Error> {
        if self.sizes.is_empty() {
            return Err(Error::TileSize { size: String::new(), problem: "no size is given".into() });
        }
        if !(0.0..1.0).contains(&self.overlap) {
            return Err(Error::Overlap { overlap: self.overlap });
        }
        Ok(())
    }

    /// Returns the windows of a scene of `width` times `height` pixels, each `pixel_size` meters long. They are ordered
    /// grid by grid, and within a grid by rows from the top and by columns from the left. A window of several grids
    /// belongs to the first of them alone.
    ///
    /// Along each side of the scene, windows begin at 0 and at each multiple of the stride, `max(1, round(side * (1 -
    /// overlap)))`, as long as they fit. If the last of them does not reach the edge, one more window ends at the edge.
    /// A scene that is shorter than a tile has one window of its own length.
    ///
    /// # Errors
    /// The errors of [`Tiling::check`] and of [`TileSize::pixels`]. [`Error::TileSize`] if the scene has more than
    /// twenty million tiles.
    pub fn windows(&self, width: usize, height: usize, pixel_size: f64) -> Result<Vec<Window>, Error> {
        self.check()?;
        let mut windows = Vec::new();
        let mut seen = HashSet::new();
        for &size in &self.sizes {
            let side = size.pixels(pixel_size)?;
            let stride = (side as f64 * (1.0 - self.overlap)).round_ties_even().max(1.0) as usize;
            let (columns, rows) = (Steps::new(width, side, stride), Steps::new(height, side, stride));
            let count = columns.len().saturating_mul(rows.len()).saturating_add(windows.len());
            if count > MAX_TILES {
                let problem = format!("{count} tiles in a scene of {width} x {height} pixels");
                return Err(Error::TileSize { size: size.to_string(), problem });
            }
            for y in rows.starts() {
                for x in columns.starts() {
                    let window = Window::new(x, y, columns.side, rows.side);
                    if self.sizes.len() == 1 || seen.insert(window) {
                        windows.push(window);
                    }
                }
            }
        }
        Ok(windows)
    }
}

/// The beginnings of the windows along one side of a scene.
struct Steps {
    side: usize,
    stride: usize,
    /// The last beginning. All before it are multiples of the stride.
    last: usize,
}

impl Steps {
    fn new(length: usize, side: usize, stride: usize) -> Self {
        let side = side.min(length);
        Self { side, stride, last: length - side }
    }

    fn len(&self) -> usize {
        if self.side == 0 { 0 } else { self.last.div_ceil(self.stride) + 1 }
    }

    fn starts(&self) -> impl Iterator<Item = usize> + use<> {
        let (stride, last) = (self.stride, self.last);
        (0..self.len()).map(move |step| (step * stride).min(last))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn starts(length: usize, side: usize, overlap: f64) -> Vec<usize> {
        let tiling = Tiling::default().sizes([TileSize::Pixels(side)]).overlap(overlap);
        tiling.windows(length, 1, 1.0).unwrap().iter().map(|window| window.x).collect()
    }

    #[test]
    fn windows_begin_at_multiples_of_the_stride_and_the_last_ends_at_the_edge() {
        assert_eq!(starts(1000, 256, 0.0), [0, 256, 512, 744]);
        assert_eq!(starts(1000, 300, 0.25), [0, 225, 450, 675, 700]);
        assert_eq!(starts(383, 128, 0.5), [0, 64, 128, 192, 255]);
        assert_eq!(starts(512, 256, 0.0), [0, 256]);
        // The stride is at least a pixel.
        assert_eq!(starts(4, 2, 0.9), [0, 1, 2]);
    }

    #[test]
    fn a_scene_not_longer_than_a_tile_is_one_window_of_its_own_size() {
        for (width, height) in [(224, 224), (256, 256), (1, 255)] {
            let windows = Tiling::default().windows(width, height, 1.0).unwrap();
            assert_eq!(windows, [Window::new(0, 0, width, height)]);
        }
        let low = Tiling::default().windows(600, 100, 1.0).unwrap();
        assert!(low.iter().all(|window| (window.width, window.height) == (256, 100)));
    }

    #[test]
    fn a_side_on_the_ground_is_rounded_to_pixels() {
        let size: TileSize = "76.8m".parse().unwrap();
        assert_eq!(size.pixels(0.25).unwrap(), 307);
        assert_eq!(size.pixels(10.0).unwrap(), 8);
        assert!(size.pixels(1000.0).unwrap_err().to_string().contains("76.8m"));
        assert!(size.pixels(1e-9).is_err() && size.pixels(f64::NAN).is_err());
    }

    #[test]
    fn several_sizes_are_one_grid_each_and_a_window_of_two_grids_is_there_once() {
        let sizes = [128, 256, 512].map(TileSize::Pixels);
        let windows = Tiling::default().sizes(sizes).windows(256, 256, 1.0).unwrap();
        let sides: Vec<usize> = windows.iter().map(|window| window.width).collect();
        assert_eq!(sides, [128, 128, 128, 128, 256]);
    }

    #[test]
    fn sizes_and_overlaps_that_are_none_are_refused_by_what_they_are() {
        for text in ["", "0", "-5", "1e9", "0m", "-1m", "infm", "nanm", "12 px", "99999"] {
            assert!(text.parse::<TileSize>().is_err(), "{text}");
        }
        for overlap in [-0.1, 1.0, f64::NAN] {
            let error = Tiling::default().overlap(overlap).windows(9, 9, 1.0).unwrap_err();
            assert!(matches!(error, Error::Overlap { .. }), "{error}");
        }
        assert!(Tiling::default().sizes([]).windows(9, 9, 1.0).is_err());
        let tiny = Tiling::default().sizes([TileSize::Pixels(1)]);
        assert!(tiny.windows(1 << 20, 1 << 20, 1.0).is_err());
    }

    proptest! {
        #[test]
        fn windows_cover_the_scene_and_none_leaves_it(
            (width, height) in (1usize..200, 1usize..200),
            side in 1usize..70,
            overlap in 0.0..0.95,
        ) {
            let tiling = Tiling::default().sizes([TileSize::Pixels(side)]).overlap(overlap);
            let mut covered = vec![false; width * height];
            for window in tiling.windows(width, height, 1.0).unwrap() {
                prop_assert!(window.width > 0 && window.x + window.width <= width);
                prop_assert!(window.height > 0 && window.y + window.height <= height);
                for row in window.y..window.y + window.height {
                    let start = row * width + window.x;
                    covered[start..start + window.width].fill(true);
                }
            }
            prop_assert!(covered.iter().all(|covered| *covered));
        }
    }
}
