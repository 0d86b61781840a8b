//! Any bytes are a TIFF file whose windows have the promised number of samples, or an error, read by windows and whole; a
//! window read again is the same.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use rscir_core::Decoding;
use rscir_images::tiff::{Tiff, TiffImage, Window};
use rscir_images::{DecodeLimits, decode};

fn windows(image: &TiffImage) {
    let _ = (image.geo_tags(), image.date_time(), image.gdal_metadata(), image.palette());
    let [width, height] = [image.width().min(64), image.height().min(64)];
    let bands: Vec<usize> = (0..image.bands().min(5)).rev().collect();
    let last = Window::new(image.width() - width, image.height() - height, width, height);
    // A strip may be a whole scene, which a caller can know.
    if image.block_memory() > 1 << 26 {
        return;
    }
    for window in [Window::new(0, 0, width, height), last] {
        if let Ok(samples) = image.read_window(window, &bands) {
            assert_eq!(samples.len(), width * height * bands.len());
            // Values that are no number differ from themselves.
            let again = image.read_window(window, &bands).unwrap();
            let value = |at| samples.value(at).filter(|value| !value.is_nan());
            assert!(
                (0..samples.len()).all(|at| value(at) == again.value(at).filter(|value| !value.is_nan()))
            );
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let limits = DecodeLimits::default().max_pixels(1 << 20);
    if let Ok(image) = decode(bytes, &Decoding::default(), &limits) {
        assert_eq!(image.data.len(), image.width * image.height * 3);
    }
    let Ok(tiff) = Tiff::new(Arc::new(bytes.to_vec()), Arc::default()) else { return };
    windows(tiff.image());
    tiff.overviews().iter().chain(tiff.mask()).for_each(windows);
});
