//! Sizes and crops along one axis, rounded as torchvision 0.29 and open_clip 3.3 do it.

use super::{Preprocessing, ResizeMode};

/// One axis of the way from an image to the square.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Axis {
    /// Number of pixels of the image.
    pub(super) input: usize,
    /// Number of pixels of the whole resized image.
    pub(super) resized: usize,
    /// First pixel of the resized image that is kept.
    pub(super) crop: usize,
    /// Number of pixels kept, at most the square's side.
    pub(super) kept: usize,
    /// Number of filled pixels of the square before the first one that is kept.
    pub(super) pad: usize,
}

impl Axis {
    /// Keeps the middle `size` pixels of `resized`, or all of them with padding around, as torchvision's `center_crop`
    /// does.
    fn centered(input: usize, resized: usize, size: usize) -> Self {
        match resized.checked_sub(size) {
            Some(surplus) => {
                let half = surplus / 2;
                // Python's round(surplus / 2): a half goes to the even neighbor.
                let crop = if surplus % 2 == 1 && half % 2 == 1 { half + 1 } else { half };
                Self { input, resized, crop, kept: size, pad: 0 }
            }
            None => Self { input, resized, crop: 0, kept: resized, pad: (size - resized) / 2 },
        }
    }
}

/// Computes the axes of an image of `width` x `height` pixels: across, down.
pub(super) fn axes(width: usize, height: usize, preprocessing: &Preprocessing) -> [Axis; 2] {
    let size = preprocessing.size;
    let sides = [width, height];
    match preprocessing.resize_mode {
        ResizeMode::Squash => sides.map(|side| Axis::centered(side, size, size)),
        ResizeMode::Shortest => {
            // torchvision's `_compute_resized_output_size`: int(size * long / short).
            let short = width.min(height) as u64;
            sides.map(|side| {
                let resized = (size as u64).saturating_mul(side as u64) / short;
                Axis::centered(side, usize::try_from(resized).unwrap_or(usize::MAX), size)
            })
        }
        ResizeMode::Longest => {
            // This is open_clip's ResizeKeepRatio with longest=1. open_clip fails if a side rounds to zero; here one
            // pixel is kept.
            let ratio = sides.map(|side| side as f64 / size as f64);
            let ratio = ratio[0].max(ratio[1]);
            sides.map(|side| {
                let resized = (side as f64 / ratio).round_ties_even() as usize;
                Axis::centered(side, resized.clamp(1, size), size)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_to_the_even_neighbor() {
        let crops: Vec<usize> = (4..=11).map(|resized| Axis::centered(1, resized, 4).crop).collect();
        // [int(round((n - 4) / 2.0)) for n in range(4, 12)]
        assert_eq!(crops, [0, 0, 1, 2, 2, 2, 3, 4]);
    }

    #[test]
    fn the_shorter_side_becomes_the_squares_and_the_longer_is_cut_off() {
        // torchvision: resize(300 x 200, 224) gives 336 x 224; 301 x 200: int(224 * 301 / 200) = 337.
        let [across, down] = axes(301, 200, &Preprocessing::openai(224));
        assert_eq!(across, Axis { input: 301, resized: 337, crop: 56, kept: 224, pad: 0 });
        assert_eq!(down, Axis { input: 200, resized: 224, crop: 0, kept: 224, pad: 0 });
    }

    #[test]
    fn the_longer_side_becomes_the_squares_and_the_rest_is_filled() {
        let preprocessing = Preprocessing { resize_mode: ResizeMode::Longest, ..Preprocessing::openai(224) };
        let [across, down] = axes(300, 201, &preprocessing);
        assert_eq!(across, Axis { input: 300, resized: 224, crop: 0, kept: 224, pad: 0 });
        assert_eq!(down, Axis { input: 201, resized: 150, crop: 0, kept: 150, pad: 37 });
        let [across, _] = axes(1, 5000, &preprocessing);
        assert_eq!((across.kept, across.pad), (1, 111));
    }
}
