//! Compares a small TIFF file for each feature, made by tests/python/tiff_data.py, with the samples of GDAL and the
//! pixels of Pillow.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rscir_core::Decoding;
use rscir_images::tiff::{BlockCache, Samples, Tiff, Window};
use rscir_images::{DecodeLimits, decode};
use sha2::{Digest, Sha256};

#[path = "../../rscir-checkpoint/tests/random/mod.rs"]
mod random;

use random::Random;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tiff")
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads the rows of the table: file, width, height, bands, type, hash of the samples, hash of Pillow's RGB.
fn rows() -> Vec<Vec<String>> {
    let table = std::fs::read_to_string(folder().join("samples.csv")).unwrap();
    table.lines().skip(1).map(|line| line.split(',').map(String::from).collect()).collect()
}

/// Returns the name of the samples' type, and their bytes with the least significant first.
fn bytes(samples: Samples) -> (&'static str, Vec<u8>) {
    macro_rules! little {
        ($values:expr) => {
            $values.into_iter().flat_map(|value| value.to_le_bytes()).collect()
        };
    }
    match samples {
        Samples::U8(values) => ("uint8", values),
        Samples::I8(values) => ("int8", little!(values)),
        Samples::U16(values) => ("uint16", little!(values)),
        Samples::I16(values) => ("int16", little!(values)),
        Samples::U32(values) => ("uint32", little!(values)),
        Samples::I32(values) => ("int32", little!(values)),
        Samples::U64(values) => ("uint64", little!(values)),
        Samples::I64(values) => ("int64", little!(values)),
        Samples::F32(values) => ("float32", little!(values)),
        Samples::F64(values) => ("float64", little!(values)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn samples_are_gdals_for_every_feature() {
    let mut wrong = Vec::new();
    for row in rows() {
        let tiff = Tiff::open(folder().join(&row[0])).unwrap();
        let image = tiff.image();
        let [width, height, bands] = [image.width(), image.height(), image.bands()];
        assert_eq!([width, height, bands].map(|side| side.to_string())[..], row[1..4], "{}", row[0]);
        let all: Vec<usize> = (0..bands).collect();
        match image.read_window(Window::new(0, 0, width, height), &all) {
            Ok(samples) => {
                let (kind, bytes) = bytes(samples);
                if (kind, hex(&bytes)) != (&row[4], row[5].clone()) {
                    wrong.push(format!("{} differs", row[0]));
                }
            }
            Err(error) => wrong.push(error.to_string()),
        }
        assert!(tiff.problems().is_empty(), "{}: {:?}", row[0], tiff.problems());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(rows().len(), 64);
}

#[test]
fn pixels_are_pillows_where_pillow_reads_the_file() {
    let mut wrong = Vec::new();
    let mut compared = 0;
    for row in rows().iter().filter(|row| !row[6].is_empty()) {
        let file = std::fs::read(folder().join(&row[0])).unwrap();
        match decode(&file, &Decoding::default(), &DecodeLimits::default()) {
            Ok(image) if hex(&image.data) == row[6] => {}
            Ok(_) => wrong.push(format!("{} differs", row[0])),
            Err(error) => wrong.push(format!("{}: {error}", row[0])),
        }
        compared += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(compared > 25, "{compared}");
}

/// Cuts a window out of the whole image, `[row][column][band]`.
fn part(whole: &[u8], [width, bands, size]: [usize; 3], window: Window, chosen: &[usize]) -> Vec<u8> {
    let mut out = Vec::new();
    for y in window.y..window.y + window.height {
        for x in window.x..window.x + window.width {
            for band in chosen {
                let at = ((y * width + x) * bands + band) * size;
                out.extend(&whole[at..at + size]);
            }
        }
    }
    out
}

#[test]
fn any_window_is_a_part_of_the_whole() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for row in rows() {
        // The cache is so small that it does not keep most strips and tiles.
        let cache = Arc::new(BlockCache::new(1500));
        let tiff = Tiff::open_cached(folder().join(&row[0]), cache).unwrap();
        let image = tiff.image();
        let [width, height, bands] = [image.width(), image.height(), image.bands()];
        let all: Vec<usize> = (0..bands).collect();
        let (_, whole) = bytes(image.read_window(Window::new(0, 0, width, height), &all).unwrap());
        let size = whole.len() / (width * height * bands);
        for _ in 0..20 {
            let (x, y) = (random.below(width), random.below(height));
            let window = Window::new(x, y, 1 + random.below(width - x), 1 + random.below(height - y));
            let chosen: Vec<usize> = (0..1 + random.below(4)).map(|_| random.below(bands)).collect();
            let (_, got) = bytes(image.read_window(window, &chosen).unwrap());
            assert_eq!(got, part(&whole, [width, bands, size], window, &chosen), "{} {window:?}", row[0]);
        }
    }
}

#[test]
fn masks_and_overviews_belong_to_their_image() {
    let tiff = Tiff::open(folder().join("mask_and_overviews.tif")).unwrap();
    let sizes: Vec<_> = tiff.overviews().iter().map(|image| (image.width(), image.height())).collect();
    assert_eq!(sizes, [(15, 11), (8, 6)]);
    let mask = tiff.mask().unwrap();
    assert_eq!((mask.width(), mask.height(), mask.bands(), mask.sample_type().bits), (29, 21, 1, 1));
    let Samples::U8(valid) = mask.read_window(Window::new(0, 0, 29, 21), &[0]).unwrap() else { panic!() };
    let expected = |at: usize| u8::from(!(at / 29 + at % 29).is_multiple_of(3));
    assert!(valid.iter().enumerate().all(|(at, value)| *value == expected(at)));
}

#[test]
fn threads_that_share_an_image_read_what_one_reads() {
    let cache = Arc::new(BlockCache::default());
    for row in rows().iter().take(20) {
        let tiff = Tiff::open_cached(folder().join(&row[0]), cache.clone()).unwrap();
        let image = tiff.image();
        let all: Vec<usize> = (0..image.bands()).collect();
        let window = Window::new(0, 0, image.width(), image.height());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    assert_eq!(hex(&bytes(image.read_window(window, &all).unwrap()).1), row[5], "{}", row[0]);
                });
            }
        });
    }
}
