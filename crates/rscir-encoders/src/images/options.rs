use std::fmt;

/// How images are decoded. What decides the pixels is shown as one line, for
/// [`EncoderSpec::decoding`](rscir_core::EncoderSpec::decoding): nothing by default, `bands=[3, 2, 1] stretch=minmax`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DecodeOptions {
    /// The most pixels, width times height; checked on the header.
    pub max_pixels: u64,
    /// The largest size of a file in bytes.
    pub max_bytes: u64,
    /// The most bytes of memory for each byte of the file, once decoding takes more than 192 MiB: what takes more is a
    /// decompression bomb, or one colour all over.
    pub max_expansion: u64,
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
    /// 178,956,970 pixels, where Pillow refuses an image as a decompression bomb; files of 1 GiB, 256
    /// bytes of memory for each of theirs; nothing else applied.
    fn default() -> Self {
        Self {
            max_pixels: 178_956_970,
            max_bytes: 1 << 30,
            max_expansion: 256,
            apply_orientation: false,
            bands: None,
            stretch: Stretch::None,
        }
    }
}

impl fmt::Display for DecodeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Limits decide whether there are pixels, not which.
        let Self { apply_orientation, bands, stretch, max_pixels: _, max_bytes: _, max_expansion: _ } = self;
        let bands = bands.map(|bands| format!("bands={bands:?}"));
        let stretch = match stretch {
            Stretch::None => None,
            Stretch::MinMax => Some("stretch=minmax".into()),
            Stretch::Percentile(low, high) => Some(format!("stretch=percentile({low}, {high})")),
            Stretch::Range(low, high) => Some(format!("stretch=range({low:?}, {high:?})")),
        };
        let orientation = apply_orientation.then(|| "orientation=exif".into());
        let parts: Vec<String> = [bands, stretch, orientation].into_iter().flatten().collect();
        f.write_str(&parts.join(" "))
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
