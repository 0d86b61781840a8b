//! Windows of an image, composed of strips and tiles (TIFF 6.0, sections 3, 14 and 15).

use super::block::Block;
use super::layout::Layout;
use super::samples::Sample;
use crate::ImageProblem;

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// First column, from 0.
    pub x: usize,
    /// First row, from 0.
    pub y: usize,
    /// Number of columns.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
}

impl Window {
    /// Makes a window of `width` columns from column `x` on and `height` rows from row `y` on.
    pub fn new(x: usize, y: usize, width: usize, height: usize) -> Self {
        Self { x, y, width, height }
    }

    /// Checks that the window has pixels and lies in an image of `width` x `height` pixels.
    ///
    /// # Errors
    /// [`ImageProblem::Window`] if not.
    pub(super) fn check(self, width: usize, height: usize) -> Result<(), ImageProblem> {
        let inside = |from: usize, length: usize, side: usize| {
            length > 0 && from.checked_add(length).is_some_and(|end| end <= side)
        };
        if inside(self.x, self.width, width) && inside(self.y, self.height, height) {
            return Ok(());
        }
        Err(ImageProblem::Window { window: self, width, height })
    }

    /// Iterates over the strips and tiles that have bands of the window: plane by plane, and in each by rows from the
    /// top.
    pub(super) fn blocks(self, layout: &Layout, bands: &[usize]) -> impl Iterator<Item = Block> {
        let [width, height] = layout.block;
        let across = layout.across();
        let (columns, rows) = (
            self.x / width..(self.x + self.width).div_ceil(width),
            self.y / height..(self.y + self.height).div_ceil(height),
        );
        let mut planes = if layout.planar { bands.to_vec() } else { vec![0] };
        planes.sort_unstable();
        planes.dedup();
        let in_plane = across as u64 * layout.down() as u64;
        planes.into_iter().flat_map(move |plane| {
            let columns = columns.clone();
            rows.clone().flat_map(move |row| {
                columns.clone().map(move |column| Block {
                    number: plane as u64 * in_plane + row as u64 * across as u64 + column as u64,
                    plane,
                    x: column * width,
                    y: row * height,
                })
            })
        })
    }

    /// Copies the samples of a block that belong to bands of the window to their positions in `out`, which is
    /// `[row][column][band]`.
    #[expect(
        clippy::indexing_slicing,
        reason = "columns and rows are those that block and window share, for whose samples there is room in both"
    )]
    pub(crate) fn take<S: Sample, T>(
        self,
        layout: &Layout,
        block: Block,
        samples: &[S],
        bands: &[usize],
        out: &mut [T],
        convert: impl Fn(S) -> T,
    ) {
        let step = layout.bands_in_block();
        let [block_width, block_height] = layout.block;
        let (x, y) = (self.x.max(block.x), self.y.max(block.y));
        let columns = (self.x + self.width).min(block.x + block_width) - x;
        let end = (self.y + self.height).min(block.y + block_height);
        let all = !layout.planar && bands.len() == step && bands.iter().copied().eq(0..step);
        for row in y..end {
            let from = ((row - block.y) * block_width + x - block.x) * step;
            let from = &samples[from..from + columns * step];
            let to = ((row - self.y) * self.width + x - self.x) * bands.len();
            let to = &mut out[to..to + columns * bands.len()];
            if all {
                to.iter_mut().zip(from).for_each(|(to, value)| *to = convert(*value));
                continue;
            }
            for (at, band) in bands.iter().enumerate() {
                let band = match layout.planar {
                    true if *band == block.plane => 0,
                    true => continue,
                    false => *band,
                };
                let to = to.iter_mut().skip(at).step_by(bands.len());
                to.zip(from.iter().skip(band).step_by(step)).for_each(|(to, value)| *to = convert(*value));
            }
        }
    }
}
