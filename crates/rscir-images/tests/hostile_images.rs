//! Decodes crafted images and damaged copies of real ones. Each gives an error or an image, without a panic, in at most
//! two seconds and with at most 256 MiB of memory beside its size. A header that announces too much is refused within
//! 10 ms.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rscir_core::{Decoding, Orientation, Stretch};
use rscir_images::{DecodeLimits, Error, RgbImage, decode};

mod damage;
#[path = "../../rscir-checkpoint/tests/measured/mod.rs"]
mod measured;
#[path = "../../rscir-checkpoint/tests/random/mod.rs"]
mod random;

use damage::{crafted, damage};
use measured::measured;
use random::Random;

const SPARE_MEMORY: usize = 256 << 20;
const LONGEST: Duration = Duration::from_secs(2);
const LONGEST_FOR_A_HEADER: Duration = Duration::from_millis(10);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images")
}

fn read(file: &str) -> Vec<u8> {
    std::fs::read(folder().join(file)).unwrap()
}

/// Decodes an image, and asserts that it takes no more memory and time than allowed.
fn attempt(case: &str, bytes: &[u8], decoding: &Decoding) -> (Result<RgbImage, Error>, Duration) {
    let (result, peak, time) = measured(|| decode(bytes, decoding, &DecodeLimits::default()));
    let size = bytes.len();
    assert!(peak <= size + SPARE_MEMORY, "{case}: {peak} bytes of memory for a file of {size}");
    assert!(time < LONGEST, "{case}: {time:?}");
    if let Ok(image) = &result {
        assert_eq!(image.data.len(), image.width * image.height * 3, "{case}");
    }
    (result, time)
}

/// Decodes all images in one test, so that no other test allocates memory meanwhile.
#[test]
fn hostile_images_are_errors_or_images() {
    let plain = Decoding::default();
    let stretched = plain.clone().stretch(Stretch::Percentile(2.0, 98.0)).orientation(Orientation::Exif);

    let crafted = crafted();
    assert!(crafted.len() >= 30, "{} cases", crafted.len());
    let mut wrong = Vec::new();
    for (case, bytes) in &crafted {
        // The best of three times counts, since the machine may be busy.
        let mut best = Duration::MAX;
        for _ in 0..3 {
            let (result, time) = attempt(case, bytes, &plain);
            best = best.min(time);
            match *case {
                // Only parts that decoding does not read are wrong in these files.
                "TIFF with a profile of 4 GiB"
                | "TIFF whose strip is its header"
                | "TIFF whose directory is the next one"
                | "JPEG with a profile of 16 MiB"
                | "PNG whose content swells" => {
                    if let Err(error) = result {
                        wrong.push(format!("{case}: {error}"));
                    }
                }
                _ if result.is_ok() => wrong.push(format!("{case} was decoded")),
                _ => {}
            }
        }
        let has_content = ["whose content", "whose profile swells", "whose text", "a profile of 16 MiB"]
            .iter()
            .any(|part| case.contains(part));
        if best >= LONGEST_FOR_A_HEADER && !has_content {
            wrong.push(format!("{case} took {best:?}"));
        }
        let _ = attempt(case, bytes, &stretched);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");

    let mut files: Vec<_> =
        std::fs::read_dir(folder().join("kinds")).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut errors, mut images) = (0, 0);
    for round in 0..600 {
        let file = &files[round % files.len()];
        let mut bytes = std::fs::read(file).unwrap();
        damage(&mut random, &mut bytes);
        let case = format!("{}, damage {round}", file.display());
        match attempt(&case, &bytes, &plain).0 {
            Ok(_) => images += 1,
            Err(_) => errors += 1,
        }
        let _ = attempt(&case, &bytes, &stretched);
    }
    assert!(errors > 200 && images > 50, "{errors} errors, {images} images");
}
