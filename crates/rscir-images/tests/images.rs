//! Compares decoded images of every kind with Pillow's bytes.

use std::path::{Path, PathBuf};

use rscir_core::{Decoding, Orientation, RgbView, Stretch};
use rscir_images::{DecodeLimits, Error, Preprocessing, Preprocessor, Result, RgbImage};
use sha2::{Digest, Sha256};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images")
}

fn read(file: &str) -> Vec<u8> {
    std::fs::read(folder().join(file)).unwrap()
}

fn decoded(file: &str) -> RgbImage {
    decode(&read(file), &Decoding::default()).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Decodes an image within the default limits.
fn decode(bytes: &[u8], decoding: &Decoding) -> Result<RgbImage> {
    rscir_images::decode(bytes, decoding, &DecodeLimits::default())
}

/// Reads the rows of a table that a script in tests/python made.
fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().skip(1).map(|line| line.split(',').collect())
}

#[test]
fn bytes_are_pillows_for_every_kind() {
    let mut different = Vec::new();
    let mut files = 0;
    for row in rows(include_str!("data/images/pillow.csv")) {
        let image = decoded(row[0]);
        assert_eq!([image.width.to_string(), image.height.to_string()], [row[1], row[2]], "{}", row[0]);
        if sha256(&image.data) != row[3] {
            different.push(row[0]);
        }
        files += 1;
    }
    assert_eq!(files, 100);
    assert_eq!(different, [""; 0]);
}

/// Compares with what open_clip 3.3.0 makes of ten images for towers of four sizes.
#[test]
fn prepared_bytes_are_open_clips() {
    let mut files = 0;
    for row in rows(include_str!("data/preprocess/golden.csv")) {
        let image = decoded(row[0]);
        let size: usize = row[1].parse().unwrap();
        let preprocessor = Preprocessor::new(Preprocessing::openai(size)).unwrap();
        let mut out = vec![0; size * size * 3];
        let view = RgbView::new(image.width, image.height, &image.data).unwrap();
        preprocessor.prepare(view, &mut out).unwrap();
        assert_eq!(sha256(&out), row[2], "{} at {size}", row[0]);
        files += 1;
    }
    assert_eq!(files, 40);
}

#[test]
fn the_name_does_not_matter_and_neither_do_later_pages() {
    assert_ne!(decoded("kinds/two_pages.tif"), decoded("kinds/rgb8_six_bands.tif"));
    assert_eq!(decoded("kinds/two_pages.tif"), decoded("kinds/rgb8.tif"));
}

#[test]
fn orientation_is_applied_on_request_only() {
    let mut turn = Decoding::default();
    turn.orientation = Orientation::Exif;
    let upright = decoded("kinds/turned1.jpg");
    let pixel = |image: &RgbImage, x: usize, y: usize| -> Vec<u8> {
        image.data[(y * image.width + x) * 3..][..3].to_vec()
    };
    let (w, h) = (upright.width, upright.height);
    for orientation in 1..=8 {
        let bytes = read(&format!("kinds/turned{orientation}.jpg"));
        assert_eq!(decode(&bytes, &Decoding::default()).unwrap(), upright);
        let turned = decode(&bytes, &turn).unwrap();
        // The position at which the stored pixel (2, 3) is shown (EXIF 2.3, tag 0x0112).
        let (x, y) = (2, 3);
        let shown = match orientation {
            1 => (x, y),
            2 => (w - 1 - x, y),
            3 => (w - 1 - x, h - 1 - y),
            4 => (x, h - 1 - y),
            5 => (y, x),
            6 => (h - 1 - y, x),
            7 => (h - 1 - y, w - 1 - x),
            _ => (y, w - 1 - x),
        };
        assert_eq!(pixel(&turned, shown.0, shown.1), pixel(&upright, x, y), "orientation {orientation}");
    }
    for file in ["kinds/turned6.png", "kinds/turned6.webp", "kinds/turned6.tif"] {
        let turned = decode(&read(file), &turn).unwrap();
        assert_eq!((turned.width, turned.height), (h, w), "{file}");
    }
}

#[test]
fn bands_are_chosen_and_stretched() {
    let mut options = Decoding::default();
    let bytes = read("kinds/rgb8_six_bands.tif");
    options.bands = Some(vec![2, 1, 0]);
    let swapped = decode(&bytes, &options).unwrap();
    let plain = decoded("kinds/rgb8_six_bands.tif");
    assert!(swapped.data.chunks(3).zip(plain.data.chunks(3)).all(|(s, p)| s == [p[2], p[1], p[0]]));
    options.bands = Some(vec![5, 6, 0]);
    let error = decode(&bytes, &options).unwrap_err().to_string();
    assert_eq!(error, "band 6 is chosen, but the image has 6, counted from 0: choose among them");

    // In Pillow, 16-bit gray from 0 to 699 is white except for its darkest pixels.
    let bytes = read("kinds/gray16.tif");
    let mut options = Decoding::default();
    let red = |options: &Decoding| -> Vec<u8> {
        decode(&bytes, options).unwrap().data.iter().step_by(3).copied().collect()
    };
    let clipped = red(&options);
    assert!(clipped.iter().filter(|v| **v == 255).count() > clipped.len() / 2);
    options.stretch = Stretch::Range([0.0; 3], [510.0; 3]);
    assert!(red(&options).iter().zip(&clipped).all(|(half, v)| *v == 255 || half.abs_diff(v / 2) <= 1));
    options.stretch = Stretch::MinMax;
    let stretched = red(&options);
    assert_eq!((stretched.iter().min(), stretched.iter().max()), (Some(&0), Some(&255)));
    options.stretch = Stretch::Percentile(10.0, 90.0);
    let share = |level| red(&options).iter().filter(|v| **v == level).count() as f64 / clipped.len() as f64;
    assert!((0.08..0.13).contains(&share(0)) && (0.08..0.13).contains(&share(255)));
    options.stretch = Stretch::Range([9.0; 3], [9.0; 3]);
    let error = decode(&bytes, &options).unwrap_err();
    assert!(matches!(&error, Error::ConfigValue { key, .. } if key == "stretch"), "{error}");
}

#[test]
fn what_is_wrong_is_said() {
    let says = |bytes: &[u8]| decode(bytes, &Decoding::default()).unwrap_err().to_string();
    assert_eq!(says(b""), "the file is empty; fetch or copy the file again");
    assert_eq!(
        says(b"<!DOCTYPE html>\n<p>Not found"),
        "not an image of a known format: it begins with \"<!DOCTYPE html>\\n\"; convert it to JPEG, PNG, TIFF, WebP or BMP"
    );
    let within = |file: &str, limits: DecodeLimits| {
        rscir_images::decode(&read(file), &Decoding::default(), &limits).unwrap_err().to_string()
    };
    let small = DecodeLimits::default().max_pixels(400);
    let error = within("kinds/rgb8.tif", small);
    let advice = "; cut the image into smaller ones, or raise the limit";
    assert_eq!(error, format!("23 x 19 pixels are more than the limit of 400{advice}"));
    let error = within("kinds/rgb8.png", small.max_bytes(100));
    assert!(error.ends_with(&format!("bytes are more than the limit of 100{advice}")), "{error}");
    for file in
        ["kinds/rgb8.png", "kinds/rgb8_lzw.tif", "kinds/lossless.webp", "kinds/rgb24.bmp", "kinds/420.jpg"]
    {
        let whole = read(file);
        let error = says(&whole[..whole.len() * 2 / 3]);
        let format = Path::new(file).extension().unwrap().to_str().unwrap();
        let named = error.to_lowercase().starts_with(&format.replace("jpg", "jpeg"));
        assert!(named, "{file}: {error}");
    }
}
