//! Reads damaged copies of the TIFF files of every feature, by windows and whole. Each gives an error or an image,
//! without a panic, in at most two seconds and with at most 256 MiB of memory beside its size.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rscir_core::Decoding;
use rscir_images::tiff::{Tiff, Window};
use rscir_images::{DecodeLimits, decode};

#[path = "damage/change.rs"]
mod change;
#[path = "../../rscir-checkpoint/tests/measured/mod.rs"]
mod measured;
#[path = "../../rscir-checkpoint/tests/random/mod.rs"]
mod random;

use change::damage;
use measured::measured;
use random::Random;

const SPARE_MEMORY: usize = 256 << 20;
const LONGEST: Duration = Duration::from_secs(2);

/// Decodes a whole file, and reads windows of its image, overview and mask. Tells whether the whole file was decoded.
fn attempt(file: &[u8]) -> bool {
    let whole = decode(file, &Decoding::default(), &DecodeLimits::default()).is_ok();
    let Ok(tiff) = Tiff::new(Arc::new(file.to_vec()), Arc::default()) else { return whole };
    let images = [Some(tiff.image()), tiff.overviews().first(), tiff.mask()];
    for image in images.into_iter().flatten() {
        let _ = (image.geo_tags(), image.date_time(), image.gdal_metadata(), image.palette());
        let [width, height] = [image.width().min(64), image.height().min(64)];
        let bands: Vec<usize> = (0..image.bands().min(5)).collect();
        let last = Window::new(image.width() - width, image.height() - height, width, height);
        for window in [Window::new(0, 0, width, height), last] {
            if let Ok(samples) = image.read_window(window, &bands) {
                assert_eq!(samples.len(), width * height * bands.len());
            }
        }
    }
    whole
}

/// Reads all files in one test, so that no other test allocates memory meanwhile.
#[test]
fn damaged_files_are_errors_or_images() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tiff");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "tif"));
    files.sort();
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let (mut errors, mut images) = (0, 0);
    for round in 0..1260 {
        let name = files[round % files.len()].display();
        let mut file = std::fs::read(&files[round % files.len()]).unwrap();
        damage(&mut random, &mut file);
        let (read, peak, time) = measured(|| attempt(&file));
        assert!(peak <= file.len() + SPARE_MEMORY, "{name}, damage {round}: {peak} bytes of memory");
        assert!(time < LONGEST, "{name}, damage {round}: {time:?}");
        *if read { &mut images } else { &mut errors } += 1;
    }
    assert!(errors > 500 && images > 150, "{errors} errors, {images} images");
}
