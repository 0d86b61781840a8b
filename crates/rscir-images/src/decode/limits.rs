/// Limits of memory and size for decoding an image. They decide whether an image is decoded, and never which pixels it
/// has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DecodeLimits {
    /// The most pixels, width times height, which are checked on the header. Default: 178,956,970, beyond which Pillow
    /// refuses an image as a decompression bomb.
    pub max_pixels: u64,
    /// The largest size of a file in bytes. Default: 1 GiB.
    pub max_bytes: u64,
    /// The most bytes of memory for each byte of the file. The limit holds for images that take more than 192 MiB.
    /// Images beyond it are decompression bombs, or of one color. Default: 256.
    pub max_expansion: u64,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { max_pixels: 178_956_970, max_bytes: 1 << 30, max_expansion: 256 }
    }
}

impl DecodeLimits {
    /// Sets the most pixels, width times height. Default: 178,956,970.
    #[must_use]
    pub fn max_pixels(mut self, max_pixels: u64) -> Self {
        self.max_pixels = max_pixels;
        self
    }

    /// Sets the largest size of a file in bytes. Default: 1 GiB.
    #[must_use]
    pub fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Sets the most bytes of memory for each byte of a file, once decoding takes more than 192 MiB. Default: 256.
    #[must_use]
    pub fn max_expansion(mut self, max_expansion: u64) -> Self {
        self.max_expansion = max_expansion;
        self
    }
}
