//! Decoding any bytes as an image ends with an image of the promised size or an error, whatever the options.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rscir_images::{DecodeOptions, Stretch, decode};

fuzz_target!(|bytes: &[u8]| {
    let mut options = DecodeOptions::default();
    // Small enough for many runs a second.
    options.max_pixels = 1 << 20;
    for round in 0..2 {
        if let Ok(image) = decode(bytes, &options) {
            assert_eq!(image.data.len(), image.width * image.height * 3);
        }
        if round == 0 {
            options.bands = Some([1, 0, 0]);
            options.stretch = Stretch::Percentile(2.0, 98.0);
            options.apply_orientation = true;
        }
    }
});
