//! Decoding gives Pillow's RGB.

use image::{DynamicImage, ImageBuffer, ImageFormat};
use rscir_encoders::{DecodeOptions, decode};

fn encoded(image: DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Values and what `convert("RGB")` of Pillow 13.0.0 makes of them, by mode.
#[test]
fn sixteen_bits_become_eight_as_in_pillow() {
    let values = [0u16, 1, 128, 255, 256, 300, 1000, 32767, 40000, 65535];
    let gray = ImageBuffer::from_raw(10, 1, values.to_vec()).unwrap();
    let rgb = ImageBuffer::from_raw(10, 1, values.iter().flat_map(|v| [*v; 3]).collect()).unwrap();
    let rgba =
        ImageBuffer::from_raw(10, 1, values.iter().flat_map(|v| [*v, *v, *v, 1000]).collect()).unwrap();
    let clipped = [0, 1, 128, 255, 255, 255, 255, 255, 255, 255];
    let high = [0, 0, 0, 0, 1, 1, 3, 127, 156, 255];
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        for (image, expected) in [
            (DynamicImage::ImageLuma16(gray.clone()), clipped),
            (DynamicImage::ImageRgb16(rgb.clone()), high),
            (DynamicImage::ImageRgba16(rgba.clone()), high),
        ] {
            let decoded = decode(&encoded(image, format), &DecodeOptions::default()).unwrap();
            let expected: Vec<u8> = expected.iter().flat_map(|v| [*v; 3]).collect();
            assert_eq!(decoded.data, expected, "{format:?}");
        }
    }
}

#[test]
fn alpha_is_dropped_and_gray_repeated() {
    let rgba = ImageBuffer::from_raw(1, 1, vec![9, 8, 7, 0]).unwrap();
    for format in [ImageFormat::Png, ImageFormat::Tiff, ImageFormat::WebP, ImageFormat::Bmp] {
        let bytes = encoded(DynamicImage::ImageRgba8(rgba.clone()), format);
        assert_eq!(decode(&bytes, &DecodeOptions::default()).unwrap().data, [9, 8, 7], "{format:?}");
    }
    let gray = DynamicImage::ImageLuma8(ImageBuffer::from_raw(1, 1, vec![5]).unwrap());
    assert_eq!(decode(&encoded(gray, ImageFormat::Png), &DecodeOptions::default()).unwrap().data, [5; 3]);
}

#[test]
fn what_is_wrong_is_said() {
    let says = |bytes: &[u8]| decode(bytes, &DecodeOptions::default()).unwrap_err().to_string();
    assert_eq!(says(b""), "the file is empty");
    assert_eq!(
        says(b"<html>not found</html>"),
        "not an image of a known format: it begins with \"<html>not found<\""
    );
    let gray = DynamicImage::ImageLuma8(ImageBuffer::from_raw(4, 4, vec![5; 16]).unwrap());
    let png = encoded(gray, ImageFormat::Png);
    assert!(says(&png[..png.len() - 20]).starts_with("PNG: "));
    let mut few = DecodeOptions::default();
    few.max_pixels = 15;
    let error = decode(&png, &few).unwrap_err().to_string();
    assert_eq!(error, "4 x 4 pixels are more than the limit of 15");
}

/// A header of 100,000 x 100,000 pixels must cost nothing.
#[test]
fn header_bombs_are_refused_at_once() {
    let gray = DynamicImage::ImageLuma8(ImageBuffer::from_raw(1, 1, vec![5]).unwrap());
    let mut png = encoded(gray, ImageFormat::Png);
    let side = 100_000u32.to_be_bytes();
    png[16..20].copy_from_slice(&side);
    png[20..24].copy_from_slice(&side);
    let checksum = crc(&png[12..29]).to_be_bytes();
    png[29..33].copy_from_slice(&checksum);
    let start = std::time::Instant::now();
    let error = decode(&png, &DecodeOptions::default()).unwrap_err().to_string();
    assert_eq!(error, "100000 x 100000 pixels are more than the limit of 178956970");
    assert!(start.elapsed().as_millis() < 10);
}

/// The CRC-32 of PNG chunks (ISO 3309).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 })
    })
}
