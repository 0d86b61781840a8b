//! The encoder decides how files are decoded: its spec says so, and an ingest and a query follow it.

mod common;

use std::path::{Path, PathBuf};

use common::Rows;
use rscir_core::Decoding;
use rscir_encoders::{ClipEncoder, Error, ImageList, IngestOptions, Orientation, Stretch, ingest};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../rscir-images/tests/data/images")
}

#[test]
fn what_decides_the_pixels_is_part_of_the_spec() {
    assert_eq!(Decoding::default().to_string(), "");
    let decoding = Decoding::default()
        .bands([3, 2, 1])
        .stretch(Stretch::Percentile(2.0, 98.5))
        .orientation(Orientation::Exif);
    assert_eq!(decoding.to_string(), "bands=[3, 2, 1] stretch=percentile(2, 98.5) orientation=exif");

    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/encoders/vit_gelu");
    let plain = ClipEncoder::from_folder(&model).build().unwrap();
    let other = ClipEncoder::from_folder(&model).decoding(decoding.clone()).build().unwrap();
    assert_eq!(plain.spec().check(other.spec()).unwrap_err().field, "decoding");

    assert_eq!(other.spec().decoding, decoding);

    // The image of a query is decoded as its encoder says. It fails if the encoder asks for bands that the image
    // lacks.
    assert!(plain.compose(folder().join("kinds/rgb8.png"), "sand").is_ok());
    let error = other.compose(folder().join("kinds/rgb8.png"), "sand").unwrap_err();
    assert!(std::error::Error::source(&error).is_some_and(|cause| cause.to_string().starts_with("band 3")));
}

#[test]
fn an_ingest_decodes_as_its_encoder_says() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/encoders/vit_gelu");
    let images = ImageList::new(folder(), vec!["kinds/rgb8_six_bands.tif".into()]);
    let file = folder().join("kinds/rgb8_six_bands.tif");
    let mut seen = Vec::new();
    for line in ["", "bands=[5, 4, 3] stretch=minmax"] {
        let decoding: Decoding = line.parse().unwrap();
        let encoder = ClipEncoder::from_folder(&model).decoding(decoding).build().unwrap();
        let mut rows = Rows::default();
        ingest(&images, &encoder, &mut rows, &IngestOptions::default(), &mut |f| panic!("{f}")).unwrap();
        let query = encoder.compose(&file, "sand").unwrap();
        let row = rows.0.remove("kinds/rgb8_six_bands.tif").unwrap();
        assert!(row.iter().zip(query.image().unwrap().iter()).all(|(a, b)| (a - b).abs() < 1e-5));
        seen.push(row);
    }
    assert!(seen[0].iter().zip(&seen[1]).any(|(a, b)| (a - b).abs() > 1e-3));
}

#[cfg(unix)]
#[test]
fn a_pipe_is_waited_for_by_no_reader() {
    use rscir_encoders::{Checkpoint, Tokenizer};
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/encoders/vit_gelu");
    let weights = model.join("open_clip_model.safetensors");
    let encoder = ClipEncoder::from_folder(model).build().unwrap();
    let refused = |error: Error| assert!(matches!(&error, Error::File(_)), "{error}");
    for path in [&pipe, Path::new("/dev/zero")] {
        refused(encoder.compose(path, "sand").map(|_| ()).unwrap_err());
        let error = Checkpoint::open(path).map(|_| ()).unwrap_err();
        assert!(matches!(&error, rscir_checkpoint::Error::File(_)), "{error}");
        refused(Tokenizer::from_file(path, 77).map(|_| ()).unwrap_err());
        refused(ClipEncoder::from_files(&weights, path).build().map(|_| ()).unwrap_err());
    }
}

#[test]
fn an_encoder_refuses_a_stretch_without_extent_before_it_loads_anything() {
    let decoding = Decoding::default().stretch(Stretch::Percentile(98.0, 2.0));
    let error = ClipEncoder::from_folder("nowhere").decoding(decoding).build().map(|_| ()).unwrap_err();
    assert!(matches!(&error, Error::ConfigValue { key, .. } if key == "stretch"), "{error}");
}
