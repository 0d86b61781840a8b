/// How images are decoded.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DecodeOptions {
    /// The most pixels, width times height; checked on the header.
    pub max_pixels: u64,
    /// The largest size of a file in bytes.
    pub max_bytes: u64,
    /// Turn and mirror the image as its EXIF orientation says. Pillow's `open` does not, and the published vectors were made
    /// without it. A TIFF file's own orientation is always applied, as Pillow does.
    pub apply_orientation: bool,
    /// Which bands of the file become red, green and blue, counted from 0. An image of neither gray nor colour cannot be
    /// decoded without; a gray image repeats its first band, a colour image has its own three.
    pub bands: Option<[usize; 3]>,
    /// How values become bytes.
    pub stretch: Stretch,
}

impl Default for DecodeOptions {
    /// 178,956,970 pixels, where Pillow refuses an image as a decompression bomb; files of 1 GiB; nothing else applied.
    fn default() -> Self {
        Self {
            max_pixels: 178_956_970,
            max_bytes: 1 << 30,
            apply_orientation: false,
            bands: None,
            stretch: Stretch::None,
        }
    }
}

/// How the values of a band become bytes: a line from two values to 0 and 255, clipped beyond and rounded between.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Stretch {
    /// As Pillow does it: 8 bits stay, 16-bit colour keeps its high byte, gray of more bits is cut off and clipped at 255.
    #[default]
    None,
    /// From the least to the greatest value of each band.
    MinMax,
    /// From one percentile of each band to another, 0 to 100.
    Percentile(f32, f32),
    /// From given values, the least of red, green and blue and the greatest.
    Range([f32; 3], [f32; 3]),
}
