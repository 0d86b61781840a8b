//! Compares prepared bytes with those of open_clip's evaluation transform with Pillow 13.

use proptest::prelude::*;
use rscir_core::RgbView;
use rscir_images::{Interpolation, Preprocessing, Preprocessor, ResizeMode};
use sha2::{Digest, Sha256};

/// Makes the noise of tests/python/preprocess_data.py.
fn noise(width: usize, height: usize) -> Vec<u8> {
    let mut x = 1_u32;
    let next = |_| {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (x >> 24) as u8
    };
    (0..width * height * 3).map(next).collect()
}

fn prepare(preprocessor: &Preprocessor, width: usize, height: usize, pixels: &[u8]) -> Vec<u8> {
    let size = preprocessor.preprocessing().size;
    let mut out = vec![0xAA; size * size * 3];
    preprocessor.prepare(RgbView::new(width, height, pixels).unwrap(), &mut out).unwrap();
    out
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn bytes_are_open_clips_for_every_shape_mode_and_filter() {
    let mut rows = 0;
    for line in include_str!("data/preprocess/open_clip.csv").lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [width, height, size] = [0, 1, 2].map(|i| fields[i].parse::<usize>().unwrap());
        let resize_mode = match fields[3] {
            "shortest" => ResizeMode::Shortest,
            "longest" => ResizeMode::Longest,
            _ => ResizeMode::Squash,
        };
        let interpolation = match fields[4] {
            "bicubic" => Interpolation::Bicubic,
            _ => Interpolation::Bilinear,
        };
        let preprocessing =
            Preprocessing { resize_mode, interpolation, fill: 77, ..Preprocessing::openai(size) };
        let preprocessor = Preprocessor::new(preprocessing).unwrap();
        let out = prepare(&preprocessor, width, height, &noise(width, height));
        assert_eq!(sha256(&out), fields[5], "{line}");
        rows += 1;
    }
    assert_eq!(rows, 436);
}

#[test]
fn a_long_panorama_costs_its_pixels_and_not_its_resized_length() {
    // Pillow, which resizes the whole image, would make 224 x 6,720,000 pixels of it.
    let (width, height) = (30_000, 1);
    let out = prepare(
        &Preprocessor::new(Preprocessing::openai(224)).unwrap(),
        width,
        height,
        &noise(width, height),
    );
    // All rows are equal, and the middle pixel shows the middle of the image.
    assert!(out.chunks_exact(224 * 3).all(|row| row == &out[..224 * 3]));
}

#[test]
fn many_threads_and_more_sizes_than_are_kept_give_the_same_bytes() {
    let preprocessor = Preprocessor::new(Preprocessing::openai(20)).unwrap();
    let work = || -> Vec<Vec<u8>> {
        (0..100).map(|i| 20 + i % 40).map(|side| prepare(&preprocessor, side, 31, &noise(side, 31))).collect()
    };
    let alone = work();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), alone);
        }
    });
}

#[test]
fn settings_that_no_model_has_are_refused_by_name() {
    let refused = |preprocessing| Preprocessor::new(preprocessing).unwrap_err().to_string();
    assert_eq!(refused(Preprocessing::openai(0)), "preprocess_cfg.size is 0, but must be 1 to 8192");
    let flat = Preprocessing { std: [0.5, 0.0, 0.5], ..Preprocessing::openai(224) };
    assert_eq!(refused(flat), "preprocess_cfg.std is [0.5, 0.0, 0.5], but must be three positive numbers");
    let unknown = Preprocessing { mean: [0.5, f32::NAN, 0.5], ..Preprocessing::openai(224) };
    assert!(refused(unknown).starts_with("preprocess_cfg.mean is [0.5, NaN, 0.5]"));
}

#[test]
fn a_buffer_of_another_length_is_refused() {
    let preprocessor = Preprocessor::new(Preprocessing::openai(2)).unwrap();
    let image = [0; 3];
    let image = RgbView::new(1, 1, &image).unwrap();
    let error = preprocessor.prepare(image, &mut [0; 11]).unwrap_err();
    assert_eq!(error.to_string(), "prepared image (size x size x 3 bytes): expected length 12, got 11");
}

#[test]
fn one_line_tells_all_that_decides_the_pixels() {
    let clip = Preprocessing::openai(224).to_string();
    assert_eq!(
        clip,
        "size=224 resize=shortest interpolation=bicubic mean=[0.48145467, 0.4578275, 0.40821072] \
         std=[0.26862955, 0.2613026, 0.2757771]"
    );
    assert_ne!(clip, Preprocessing::siglip(224).to_string());
    let padded = Preprocessing { resize_mode: ResizeMode::Longest, fill: 9, ..Preprocessing::siglip(8) };
    assert!(padded.to_string().contains("resize=longest interpolation=bicubic fill=9 "));
}

proptest! {
    /// Checks that an image of one color keeps it whatever its shape, since weights sum to 1 after rounding.
    #[test]
    fn constant_images_stay_constant(
        width in 1_usize..300, height in 1_usize..300, size in 1_usize..80, level: u8,
    ) {
        let preprocessor = Preprocessor::new(Preprocessing::openai(size)).unwrap();
        let out = prepare(&preprocessor, width, height, &vec![level; width * height * 3]);
        prop_assert!(out.iter().all(|byte| *byte == level));
    }
}
