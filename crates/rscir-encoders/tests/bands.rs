//! Images of bands become the vectors of their authors, from the file on.

mod common;

use std::path::Path;

use common::{Rows, TOLERANCE, difference, folder, tensor};
use rscir_core::{BandBatch, Decoding, ImageEncoder, RgbView, testing};
use rscir_encoders::images::{Error as ImagesError, decode_bands};
use rscir_encoders::{
    BandValues, Channels, ClipEncoder, ClipEncoderBuilder, DecodeLimits, Device, ImageList, IngestOptions,
    Model, Wavelengths, ingest,
};

/// Wavelengths in micrometers of the bands 2, 3, 4, 5, 6, 7, 8, 11 and 12 of Sentinel-2.
const NINE: [f32; 9] = [0.49, 0.56, 0.665, 0.705, 0.74, 0.783, 0.842, 1.61, 2.19];

/// Indices of the bands in use among the twelve of level 2A: all but B01 and B09.
const TEN_OF_TWELVE: [usize; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 10, 11];

const MEASURED: Channels = Channels::Bands { count: 10, values: BandValues::Measured };

fn floats(name: &str) -> Vec<f32> {
    tensor(name).1.as_chunks().0.iter().copied().map(f32::from_le_bytes).collect()
}

/// Returns the width, the height and the values of the scene of ten bands.
fn scene() -> ([usize; 2], Vec<u16>) {
    let (shape, bytes) = tensor("scene");
    let values = bytes.as_chunks().0.iter().map(|bytes| u16::from_le_bytes(*bytes)).collect();
    ([shape[1], shape[0]], values)
}

/// Makes an uncompressed TIFF of interleaved 16-bit bands that declares a value for missing measurements.
fn tiff([width, height]: [usize; 2], bands: usize, values: &[u16], no_data: &[u8]) -> Vec<u8> {
    assert_eq!(values.len(), width * height * bands);
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let bits = [16_u16; 16].map(u16::to_le_bytes).as_flattened()[..2 * bands].to_vec();
    let mut file = b"II\x2a\0".to_vec();
    let behind = [bits, no_data.to_vec(), data].concat();
    file.extend((8 + behind.len() as u32).to_le_bytes());
    file.extend(&behind);
    let [at_bits, at_no_data] = [8, 8 + 2 * bands as u32];
    let at_data = at_no_data + no_data.len() as u32;
    let bands = bands as u32;
    let entries = [
        (256_u16, 4_u16, 1, width as u32),
        (257, 4, 1, height as u32),
        (258, 3, bands, at_bits),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, at_data),
        (277, 3, 1, bands),
        (278, 4, 1, height as u32),
        (279, 4, 1, 2 * values.len() as u32),
        (42_113, 2, no_data.len() as u32, at_no_data),
    ];
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        file.extend([tag, kind].map(u16::to_le_bytes).as_flattened());
        file.extend([count, value].map(u32::to_le_bytes).as_flattened());
    }
    file.extend([0; 4]);
    file
}

/// Makes a TIFF of the scene with two more bands, in the order of level 2A.
fn of_twelve_bands() -> Vec<u8> {
    let (sides, values) = scene();
    let with_others = |pixel: &[u16]| {
        let (before, after) = pixel.split_at(8);
        [&[7777], before, &[8888], after].concat()
    };
    let twelve: Vec<u16> = values.chunks_exact(10).flat_map(with_others).collect();
    tiff(sides, 12, &twelve, b"65535\0\0\0")
}

fn ms_clip() -> ClipEncoderBuilder {
    let folder = folder("ms_clip");
    ClipEncoder::from_files(folder.join("model.pt"), folder.join("open_clip_config.json")).device(Device::Cpu)
}

fn dofa_clip() -> ClipEncoderBuilder {
    let folder = folder("dofa_clip");
    let (weights, config) =
        (folder.join("open_clip_model.safetensors"), folder.join("open_clip_config.json"));
    ClipEncoder::from_files(weights, config).device(Device::Cpu)
}

#[test]
fn a_file_of_twelve_bands_is_encoded_by_ten_of_them_as_the_authors_do_it() {
    let temporary = tempfile::tempdir().unwrap();
    std::fs::write(temporary.path().join("scene.tif"), of_twelve_bands()).unwrap();
    let encoder = ms_clip().decoding(Decoding::default().bands(TEN_OF_TWELVE)).build().unwrap();
    assert_eq!(encoder.channels(), MEASURED);
    assert_eq!(encoder.spec().decoding.to_string(), "bands=[1, 2, 3, 4, 5, 6, 7, 8, 10, 11]");
    let expected = floats("ms_clip.scene");
    let query = encoder.query(Some(&temporary.path().join("scene.tif")), None).unwrap();
    let far = difference(&query.image().unwrap()[..], &expected);
    assert!(far <= TOLERANCE, "{far}");

    // An ingest gives the same vector, and a file of colors beside it fails without ending the ingest.
    let rgb = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rscir-images/tests/data/images/kinds/rgb8.png");
    std::fs::copy(rgb, temporary.path().join("colors.png")).unwrap();
    let images = ImageList::collect(temporary.path()).unwrap();
    let mut rows = Rows::default();
    let mut failures = Vec::new();
    let report = ingest(&images, &encoder, &mut rows, &IngestOptions::default(), &mut |failure| {
        failures.push(failure.to_string());
    })
    .unwrap();
    assert_eq!((report.encoded, report.failed), (1, 1));
    assert!(failures[0].contains("band 3 is chosen, but the image has 3"), "{failures:?}");
    assert_eq!(rows.0["scene.tif"], query.image().unwrap()[..]);
}

/// The vectors of any other preparation of the bands are far from those of the authors.
#[test]
fn bands_prepared_in_another_way_give_other_vectors() {
    let temporary = tempfile::tempdir().unwrap();
    let image = temporary.path().join("scene.tif");
    std::fs::write(&image, of_twelve_bands()).unwrap();
    let config = std::fs::read_to_string(folder("ms_clip").join("open_clip_config.json")).unwrap();
    let expected = floats("ms_clip.scene");
    let other = |from: &str, to: &str, bands: [usize; 10]| {
        assert!(config.contains(from), "{from}");
        let path = temporary.path().join("open_clip_config.json");
        std::fs::write(&path, config.replacen(from, to, 1)).unwrap();
        let encoder = ClipEncoder::from_files(folder("ms_clip").join("model.pt"), &path)
            .tokenizer(folder("ms_clip").join("tokenizer.json"))
            .decoding(Decoding::default().bands(bands))
            .device(Device::Cpu)
            .build()
            .unwrap();
        let query = encoder.query(Some(&image), None).unwrap();
        difference(&query.image().unwrap()[..], &expected)
    };
    let values = "\"values\": \"measured\"";
    assert!(other(values, values, TEN_OF_TWELVE) <= TOLERANCE);
    for to in [
        "\"values\": \"measured\", \"interpolation\": \"bilinear\"",
        "\"values\": \"measured\", \"resize_mode\": \"squash\"",
        "\"values\": \"levels\"",
    ] {
        let far = other(values, to, TEN_OF_TWELVE);
        assert!(far > 100.0 * TOLERANCE, "{to}: {far}");
    }
    assert!(other("925.161", "1925.161", TEN_OF_TWELVE) > 100.0 * TOLERANCE);
    assert!(other("1205.586", "2205.586", TEN_OF_TWELVE) > 100.0 * TOLERANCE);
    assert!(other(values, values, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) > 100.0 * TOLERANCE);
}

#[test]
fn dofa_clip_takes_nine_bands_at_once() {
    let wavelengths = Wavelengths::new(NINE).unwrap();
    let encoder = dofa_clip().wavelengths(wavelengths).build().unwrap();
    assert_eq!(encoder.channels(), Channels::Bands { count: 9, values: BandValues::Levels });
    let (shape, pixels) = tensor("dofa_nine.pixels");
    let values: Vec<f32> = pixels.into_iter().map(f32::from).collect();
    let vectors = encoder.encode_bands(BandBatch::new(shape[1], shape[3], &values).unwrap()).unwrap();
    let far = difference(vectors.as_slice(), &floats("dofa_nine.image"));
    assert!(far <= TOLERANCE, "{far}");
    let spec = encoder.spec();
    assert_eq!(spec.wavelengths.as_ref().unwrap().to_string(), wavelengths.to_string());
    assert!(spec.architecture.as_deref().unwrap().contains(",channels=9,patches=dofa"), "{spec:?}");
    assert!(spec.preprocessing.as_deref().unwrap().contains("values=levels mean=[0.5, 0.5"), "{spec:?}");
    let mismatch = dofa_clip().build().unwrap().spec().check(spec).unwrap_err();
    assert_eq!(mismatch.field, "architecture");
}

#[test]
fn encoders_of_bands_keep_the_promises_of_the_trait() {
    testing::image_encoder(&ms_clip().build().unwrap(), 1e-5);
    testing::image_encoder(&dofa_clip().wavelengths(Wavelengths::new(NINE).unwrap()).build().unwrap(), 1e-5);
    testing::image_encoder(&dofa_clip().build().unwrap(), 1e-5);
}

#[test]
fn what_does_not_fit_the_bands_of_a_model_is_refused_with_words() {
    let encoder = ms_clip().build().unwrap();
    let gray = [90; 3];
    let colors = encoder.encode_image(RgbView::new(1, 1, &gray).unwrap()).unwrap_err().to_string();
    assert_eq!(
        colors,
        "the encoder takes images of 10 bands with values as measured, not of red, green and blue: choose another model, \
         or other bands"
    );
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("scene.tif");
    std::fs::write(&path, of_twelve_bands()).unwrap();
    let error = encoder.query(Some(&path), None).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("10 bands with values as measured, not of 12 bands"), "{cause}");
    let refused = |builder: ClipEncoderBuilder| builder.build().map(|_| ()).unwrap_err().to_string();
    let three = refused(ms_clip().decoding(Decoding::default().bands([3, 2, 1])));
    assert!(three.contains("the number of bands is 3, where the images have 10"), "{three}");
    let stretched = refused(ms_clip().decoding("stretch=minmax".parse().unwrap()));
    assert!(stretched.contains("stretch is minmax, but must be left out"), "{stretched}");
    let ranges = "bands=[0, 1, 2, 3, 4, 5, 6, 7, 8] stretch=range([0, 0, 0], [1, 2, 3])".parse().unwrap();
    let ranges = refused(dofa_clip().wavelengths(Wavelengths::new(NINE).unwrap()).decoding(ranges));
    assert!(ranges.contains("the same range for all bands"), "{ranges}");
    let ten = refused(dofa_clip().decoding(Decoding::default().bands(TEN_OF_TWELVE)));
    assert!(ten.contains("10, where the images have 3"), "{ten}");
}

#[test]
fn values_are_taken_as_measured_or_brought_to_levels() {
    let values = [0, 5000, 300, 65_535, 7, 9, 65_535, 65_535, 40, 10_000, 20, 1000];
    let file = tiff([2, 2], 3, &values, b"65535\0\0\0");
    let decoded = |values, decoding: &str| {
        let channels = Channels::Bands { count: 3, values };
        decode_bands(&file, &decoding.parse().unwrap(), &DecodeLimits::default(), channels).unwrap()
    };
    let measured = decoded(BandValues::Measured, "");
    assert_eq!((measured.width, measured.height, measured.bands), (2, 2, 3));
    // The value for missing measurements becomes 0.
    assert_eq!(measured.data, [0., 5000., 300., 0., 7., 9., 0., 0., 40., 10_000., 20., 1000.]);
    let turned = decoded(BandValues::Measured, "bands=[2, 1, 0]");
    assert_eq!(turned.data[..3], [300., 5000., 0.]);
    let levels = decoded(BandValues::Levels, "stretch=range([0, 0, 0], [10000, 10000, 10000])");
    assert_eq!(levels.data, [0., 128., 8., 0., 0., 0., 0., 0., 1., 255., 1., 26.]);
    // Levels are the high bytes of 16 bits, as for colors.
    assert_eq!(decoded(BandValues::Levels, "").data[..3], [0., 19., 1.]);
    let limits = DecodeLimits::default();
    let four = Channels::Bands { count: 4, values: BandValues::Measured };
    let error = decode_bands(&file, &Decoding::default(), &limits, four).unwrap_err();
    assert!(matches!(error, ImagesError::Core(rscir_core::Error::Channels { .. })), "{error}");
    assert!(decode_bands(&file, &Decoding::default(), &limits, Channels::Rgb).is_err());
}

#[test]
fn the_registrys_ms_clip_takes_ten_bands_as_measured() {
    let model = Model::find("llama3-ms-clip-base").unwrap();
    assert_eq!(model.channels(), MEASURED);
    let preprocessing = model.preprocessing().to_string();
    assert!(
        preprocessing.starts_with(
            "size=224 resize=shortest interpolation=bicubic values=measured mean=[925.161, 1183.128"
        ),
        "{preprocessing}"
    );
    assert!(preprocessing.ends_with("1473.248, 1365.08]"), "{preprocessing}");
    assert!(
        model.architecture().starts_with("vit(image=224,patch=16,width=768,layers=12,heads=12,channels=10)")
    );
}
