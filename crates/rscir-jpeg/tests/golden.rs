//! Every file of `tests/data` becomes the pixels of Pillow with libjpeg-turbo: see `tests/data/make.py`.

use rscir_jpeg::{
    ColorSpace, Library, Limits, RgbImage, decode, decode_as, decode_components, decode_components_as,
    decode_into, exif_orientation, read_header,
};
use sha2::{Digest, Sha256};
use std::path::Path;

/// Reads the table. Each line has a file, its bytes, width, height, and the SHA-256 of the RGB bytes in hexadecimal
/// digits.
fn table() -> Vec<(String, Vec<u8>, u32, u32, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let table = std::fs::read_to_string(folder.join("golden.txt")).unwrap();
    let line = |line: &str| {
        let fields: Vec<_> = line.split(' ').collect();
        let bytes = std::fs::read(folder.join(fields[0])).unwrap();
        (fields[0].into(), bytes, fields[1].parse().unwrap(), fields[2].parse().unwrap(), fields[3].into())
    };
    table.lines().map(line).collect()
}

fn digest(data: &[u8]) -> String {
    Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn pixels_are_those_of_libjpeg_turbo() {
    let table = table();
    assert_eq!(table.len(), 166);
    let mut wrong = Vec::new();
    for (file, bytes, width, height, expected) in &table {
        match decode(bytes, &Limits::default()) {
            Ok(image) => {
                assert_eq!((image.width, image.height), (*width, *height), "{file}");
                assert_eq!(image.data.len(), *width as usize * *height as usize * 3, "{file}");
                if digest(&image.data) != *expected {
                    wrong.push(file.clone());
                }
            }
            Err(error) => wrong.push(format!("{file}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ: {wrong:#?}", wrong.len(), table.len());
}

/// The table has a file and the SHA-256 of its RGB bytes in each line, from `tests/data/make_ijg.py`.
#[test]
fn pixels_are_those_of_ijgs_library_where_it_is_asked_for() {
    let table = include_str!("data/golden_ijg.txt");
    let files: Vec<_> = self::table();
    let (mut wrong, mut others) = (Vec::new(), 0);
    for line in table.lines() {
        let (name, expected) = line.split_once(' ').unwrap();
        let (.., bytes, _, _, turbos) = files.iter().find(|(file, ..)| file == name).unwrap();
        let image = decode_as(bytes, &Limits::default(), Library::Ijg).unwrap();
        if digest(&image.data) != expected {
            wrong.push(name);
        }
        others += usize::from(turbos != expected);
    }
    assert!(wrong.is_empty(), "{} differ: {wrong:#?}", wrong.len());
    assert!(others > 70, "the two libraries differ in {others} files");
}

#[test]
fn components_of_ijgs_library_are_what_its_colors_are_made_of() {
    let file = |name: &str| table().into_iter().find(|(file, ..)| file == name).unwrap().1;
    for name in ["q50_420.jpg", "q50_422.jpg", "f_440.jpg", "f_411.jpg"] {
        let bytes = file(name);
        let rgb = decode_as(&bytes, &Limits::default(), Library::Ijg).unwrap();
        let parts = decode_components_as(&bytes, &Limits::default(), Library::Ijg).unwrap();
        for (pixel, expected) in parts.data.chunks_exact(3).zip(rgb.data.chunks_exact(3)) {
            let [y, cb, cr] = [f64::from(pixel[0]), f64::from(pixel[1]) - 128.0, f64::from(pixel[2]) - 128.0];
            let made = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb];
            for (made, expected) in made.into_iter().zip(expected) {
                assert!((made.clamp(0.0, 255.0) - f64::from(*expected)).abs() <= 1.0, "{name}");
            }
        }
    }
}

#[test]
fn an_image_used_again_holds_nothing_of_the_one_before() {
    let mut image = RgbImage::default();
    for (file, bytes, .., expected) in &table() {
        decode_into(bytes, &Limits::default(), &mut image).unwrap();
        assert_eq!(digest(&image.data), *expected, "{file}");
    }
}

/// JFIF's formula (ITU-T T.871, section 7) turns the components into the decoded colors, except for rounding.
#[test]
fn components_are_what_the_colors_are_made_of() {
    let mut seen = [0; 5];
    for (file, bytes, width, height, _) in &table() {
        let rgb = decode(bytes, &Limits::default()).unwrap();
        let parts = decode_components(bytes, &Limits::default()).unwrap();
        let space = read_header(bytes).unwrap().color_space;
        assert_eq!((parts.width, parts.height), (*width, *height), "{file}");
        assert_eq!(parts.data.len(), *width as usize * *height as usize * parts.count, "{file}");
        seen[parts.count] += 1;
        for (pixel, expected) in parts.data.chunks_exact(parts.count).zip(rgb.data.chunks_exact(3)) {
            let made = match (space, pixel) {
                (ColorSpace::Gray, [gray]) => [f64::from(*gray); 3],
                (ColorSpace::Rgb, [r, g, b]) => [*r, *g, *b].map(f64::from),
                (ColorSpace::YCbCr, [y, cb, cr]) => {
                    let [y, cb, cr] = [f64::from(*y), f64::from(*cb) - 128.0, f64::from(*cr) - 128.0];
                    [y + 1.402 * cr, y - 0.344_14 * cb - 0.714_14 * cr, y + 1.772 * cb]
                }
                // Adobe stores an ink as the part of white that it leaves.
                (ColorSpace::Cmyk, [c, m, y, k]) => {
                    [*c, *m, *y].map(|ink| f64::from(ink) * f64::from(*k) / 255.0)
                }
                _ => continue,
            };
            for (made, expected) in made.into_iter().zip(expected) {
                let off = (made.clamp(0.0, 255.0) - f64::from(*expected)).abs();
                assert!(off <= 1.0, "{file}: {pixel:?} {expected:?}");
            }
        }
    }
    assert!(seen[1] > 3 && seen[3] > 100 && seen[4] > 3, "{seen:?}");
}

#[test]
fn headers_tell_what_decoding_finds() {
    for (file, bytes, width, height, _) in &table() {
        let header = read_header(bytes).unwrap();
        assert_eq!((header.width, header.height), (*width, *height), "{file}");
        let kind = |names: &[&str]| names.iter().any(|name| file.starts_with(name));
        let (components, space) = if kind(&["gray", "f_gray", "f_dc"]) {
            (1, ColorSpace::Gray)
        } else if kind(&["cmyk", "f_cmyk", "f_scans_cmyk"]) {
            (4, ColorSpace::Cmyk)
        } else if kind(&["f_ycck"]) {
            (4, ColorSpace::Ycck)
        } else if kind(&["rgb", "f_rgb", "f_adobe_rgb"]) {
            (3, ColorSpace::Rgb)
        } else {
            (3, ColorSpace::YCbCr)
        };
        assert_eq!((header.components, header.color_space), (components, space), "{file}");
        assert_eq!(header.progressive, file.contains("prog"), "{file}");
    }
}

#[test]
fn the_orientation_is_read_and_not_applied() {
    let orientations: Vec<_> = table()
        .iter()
        .filter_map(|(file, bytes, ..)| Some((file.clone(), exif_orientation(bytes)?)))
        .collect();
    assert_eq!(orientations, [("exif_orientation_6.jpg".into(), 6)]);
}
