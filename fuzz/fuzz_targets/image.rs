//! Decoding any bytes as an image ends with an image of the promised size or an error, whatever the options.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rscir_core::{Decoding, Orientation, Stretch};
use rscir_images::{DecodeLimits, decode};

fuzz_target!(|bytes: &[u8]| {
    // Small enough for many runs a second.
    let limits = DecodeLimits::default().max_pixels(1 << 20);
    let stretched = Decoding::default()
        .bands([1, 0, 0])
        .stretch(Stretch::Percentile(2.0, 98.0))
        .orientation(Orientation::Exif);
    for decoding in [Decoding::default(), stretched] {
        if let Ok(image) = decode(bytes, &decoding, &limits) {
            assert_eq!(image.data.len(), image.width * image.height * 3);
        }
    }
});
