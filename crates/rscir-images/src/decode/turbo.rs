//! JPEG decoded by the C library libjpeg-turbo, for its speed.

use turbojpeg::{Decompressor, Image, PixelFormat};

/// The most scans of a file. It is the limit of `rscir-jpeg`.
const MAX_SCANS: u32 = 500;

/// Decodes a file of gray or color whose header has been checked.
///
/// Returns `None` for a file in CMYK, which the library does not convert, and for a file in which it finds a fault:
/// `rscir-jpeg` decodes such files as Pillow does, or says what is wrong.
pub(super) fn decode(bytes: &[u8], header: &rscir_jpeg::Header) -> Option<Vec<u8>> {
    let (width, height) = (header.width as usize, header.height as usize);
    let pitch = width.checked_mul(3)?;
    if header.components == 4 {
        return None;
    }
    let mut pixels = vec![0; pitch.checked_mul(height)?];
    let mut decompressor = Decompressor::new().ok()?;
    decompressor.set_scan_limit(MAX_SCANS).ok()?;
    // The library compares this size with the file's before it writes a pixel.
    let image = Image { pixels: &mut pixels[..], width, pitch, height, format: PixelFormat::RGB };
    decompressor.decompress(bytes, image).ok()?;
    Some(pixels)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Compares all JPEG files of the tests of `rscir-jpeg`, which are of every kind, and of this crate.
    #[test]
    fn both_decoders_give_the_same_bytes() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let images = "rscir-encoders/tests/data/images";
        let folders = ["rscir-jpeg/tests/data", images, &format!("{images}/kinds")];
        let entries = folders.map(|folder| std::fs::read_dir(crates.join(folder)).unwrap());
        let (mut same, mut left) = (0, 0);
        for path in entries.into_iter().flatten().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_str().unwrap();
            if !name.ends_with(".jpg") {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let header = rscir_jpeg::read_header(&bytes).unwrap();
            let expected = rscir_jpeg::decode(&bytes, &rscir_jpeg::Limits::default()).unwrap();
            match decode(&bytes, &header) {
                Some(pixels) => {
                    assert!(pixels == expected.data, "{name} differs");
                    same += 1;
                }
                None => {
                    let damaged = name.starts_with("d_") || name.contains("broken");
                    assert!(damaged || header.components == 4, "{name} is not decoded");
                    left += 1;
                }
            }
        }
        assert_eq!((same, left), (159, 21));
    }
}
