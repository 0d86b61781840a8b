//! Checks that the programs report inputs that would give wrong results in silence, and that the options that they
//! advise can be typed.

mod common;

use std::fs;
use std::path::Path;

use common::{Run, example, finish, repository, run};

fn extract(images: &Path, arguments: &[&str]) -> Run {
    let mut command = example("extract_features");
    finish(
        command.arg("--images").arg(images).arg("--export").arg(images.with_extension("npy")).args(arguments),
    )
}

fn tile() -> Vec<u8> {
    fs::read(repository("tests/data/ingest/tile.jpg")).unwrap()
}

/// An uncompressed TIFF of one row of pixels, each with `bands` values of 16 bits that are said to be gray and more.
fn tiff(bands: u16, values: &[u16]) -> Vec<u8> {
    let bits = [16_u16; 3];
    // The directory follows the pixels, and the bits of each band follow the header.
    let (bits_at, pixels_at) = (8, 8 + 2 * bits.len() as u32);
    let pixels: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let directory_at = pixels_at + pixels.len() as u32;
    let mut file = b"II*\0".to_vec();
    file.extend(directory_at.to_le_bytes());
    file.extend(bits.iter().flat_map(|bits| bits.to_le_bytes()));
    file.extend(&pixels);
    let width = values.len() as u32 / u32::from(bands);
    let bits = if bands == 1 { (1, 16) } else { (u32::from(bands), bits_at) };
    // An entry is a tag, a type (3 of two bytes, 4 of four), a count, and a value or its offset.
    let entries = [
        (256_u16, 4_u16, 1, width),
        (257, 4, 1, 1),
        (258, 3, bits.0, bits.1),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, pixels_at),
        (277, 3, 1, u32::from(bands)),
        (278, 4, 1, 1),
        (279, 4, 1, pixels.len() as u32),
    ];
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        file.extend(tag.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend([0; 4]);
    file
}

#[test]
fn an_impossible_stretch_is_a_usage_error_with_its_rule() {
    let percentile = "percentile(low, high) with 0 <= low < high <= 100";
    let range = "range(low, high) with low < high";
    for (stretch, rule) in [
        ("percentile(98, 2)", percentile),
        ("percentile(50, 50)", percentile),
        ("percentile(nan, 98)", percentile),
        ("percentile(-5, 200)", percentile),
        ("range([3000, 3000, 3000], [0, 0, 0])", range),
    ] {
        let options = format!("stretch={stretch}");
        run("extract_features", &["--images", ".", "--export", "f.npy", "--decode", &options])
            .ends_with(2)
            .says(rule);
    }
}

#[test]
fn images_that_are_not_read_are_counted_by_kind_and_a_jfif_is_a_jpeg() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    fs::create_dir(&images).unwrap();
    for name in ["a.jpg", "b.jp2", "c.gif", "d.jfif", "e.ppm"] {
        fs::write(images.join(name), tile()).unwrap();
    }
    extract(&images, &[])
        .ends_with(0)
        .says("3 files are images of kinds that are not read: 1 .gif, 1 .jp2, 1 .ppm")
        .says("2 rows");

    for name in ["a.jpg", "c.gif", "d.jfif", "e.ppm"] {
        fs::remove_file(images.join(name)).unwrap();
    }
    extract(&images, &[]).ends_with(1).says("1 file is an image of a kind that is not read: 1 .jp2");
}

#[test]
fn a_method_is_chosen_by_what_the_table_prints_of_it() {
    let run_of = |methods: &str| run("evaluate_patterncom", &["--methods", methods]);
    let printed = run_of("rrf(k=60)").ends_with(0).out;
    assert!(printed.contains("| rrf(k=60) |"), "{printed}");
    run_of("rff(k=60)").ends_with(1).says("rrf:k=60 or rrf(k=60)");
}

#[test]
fn images_of_one_color_and_bands_without_a_meaning_come_with_what_to_type() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    fs::create_dir(&images).unwrap();
    fs::write(images.join("gray.tif"), tiff(1, &[1000, 2000, 3000, 4000])).unwrap();
    fs::write(images.join("bands.tif"), tiff(3, &[1000, 2000, 3000, 4000, 5000, 6000])).unwrap();
    let advised_stretch = "type --decode \"stretch=percentile(2, 98)\"";
    let advised = "bands=[1, 2, 3] stretch=percentile(2, 98)";
    extract(&images, &[])
        .ends_with(3)
        .says("1 images are all one color after decoding (gray.tif)")
        .says(advised_stretch)
        .says(&format!("such as --decode \"{advised}\""));

    let mut search = example("search");
    search.arg("--archive").arg(folder.path().join("images.npy")).arg("--image").arg(images.join("gray.tif"));
    finish(&mut search)
        .ends_with(0)
        .says("the query image is all one color after decoding")
        .says(advised_stretch);

    // What is advised does it.
    fs::remove_file(images.join("gray.tif")).unwrap();
    let stretched = extract(&images, &["--decode", advised]).ends_with(0);
    assert!(!stretched.err.contains("one color"), "{}", stretched.err);
}
