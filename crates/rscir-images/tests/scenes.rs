//! Tests values of more than 8 bits: which images are odd, which values a stretch leaves out, and TIFF files as GDAL
//! writes them.

use std::path::Path;

use rscir_core::{
    Decoding, EmbeddingSink, Embeddings, EncoderSpec, Fingerprint, ImageEncoder, PixelBatch, RgbView, SinkRow,
};
use rscir_images::{
    DecodeLimits, Error, ImageList, ImageProblem, IngestOptions, IngestReport, Preprocessing, Preprocessor,
    Remedy, Stage, decode, decode_with_oddities, ingest,
};

/// The type of a file's samples: number of bits, and value of the tag SampleFormat.
type Kind = (u16, u16);
const U8: Kind = (8, 1);
const U16: Kind = (16, 1);
const U32: Kind = (32, 1);
const I16: Kind = (16, 2);
const F32: Kind = (32, 3);

/// The type SLONG (TIFF 6.0, section 2).
const SLONG: u16 = 9;

/// A TIFF file of one strip.
struct Tiff<'a> {
    width: u32,
    height: u32,
    bands: u16,
    kind: Kind,
    photometric: u16,
    values: &'a [f64],
    no_data: Option<&'a str>,
    /// The type of the sides.
    sides: u16,
    /// Offset and length of the strip, if the file is to have wrong ones.
    place: Option<(u32, u32)>,
}

impl Default for Tiff<'_> {
    fn default() -> Self {
        let (width, height, bands, kind, photometric) = (2, 2, 1, U16, 1);
        Self { width, height, bands, kind, photometric, values: &[], no_data: None, sides: 4, place: None }
    }
}

impl Tiff<'_> {
    fn bytes(&self) -> Vec<u8> {
        let sample = |value: f64| match self.kind {
            U8 => vec![value as u8],
            U16 => (value as u16).to_le_bytes().to_vec(),
            U32 => (value as u32).to_le_bytes().to_vec(),
            I16 => (value as i16).to_le_bytes().to_vec(),
            _ => (value as f32).to_le_bytes().to_vec(),
        };
        let strip: Vec<u8> = self.values.iter().flat_map(|value| sample(*value)).collect();
        let mut file = b"II\x2a\0\x08\0\0\0".to_vec();
        // A single value is in the entry itself. Several are behind the directory.
        let mut entries: Vec<(u16, u16, u32, Vec<u8>)> = Vec::new();
        let long = |value: u32| value.to_le_bytes().to_vec();
        let shorts = |value: u16| value.to_le_bytes().repeat(self.bands.into());
        entries.push((256, self.sides, 1, long(self.width)));
        entries.push((257, self.sides, 1, long(self.height)));
        entries.push((258, 3, self.bands.into(), shorts(self.kind.0)));
        entries.push((259, 3, 1, long(1)));
        entries.push((262, 3, 1, long(self.photometric.into())));
        entries.push((273, 4, 1, long(0)));
        entries.push((277, 3, 1, long(self.bands.into())));
        entries.push((278, 4, 1, long(self.height)));
        entries.push((279, 4, 1, long(strip.len() as u32)));
        entries.push((339, 3, self.bands.into(), shorts(self.kind.1)));
        if let Some(text) = self.no_data {
            entries.push((42_113, 2, text.len() as u32 + 1, [text.as_bytes(), b"\0"].concat()));
        }
        let directory = 2 + 12 * entries.len() as u32 + 4;
        let behind: u32 = entries.iter().map(|entry| entry.3.len() as u32).filter(|length| *length > 4).sum();
        let at_strip = 8 + directory + behind;
        file.extend((entries.len() as u16).to_le_bytes());
        let (mut tail, mut at) = (Vec::new(), 8 + directory);
        for (tag, kind, count, mut content) in entries {
            match (tag, self.place) {
                (273, None) => content = long(at_strip),
                (273, Some((offset, _))) => {
                    content = long(if offset == u32::MAX { at_strip } else { offset })
                }
                (279, Some((_, length))) => content = long(length),
                _ => {}
            }
            file.extend([tag, kind].map(u16::to_le_bytes).concat());
            file.extend(count.to_le_bytes());
            if content.len() > 4 {
                file.extend(at.to_le_bytes());
                at += content.len() as u32;
                tail.extend(content);
            } else {
                content.resize(4, 0);
                file.extend(content);
            }
        }
        file.extend([0; 4]);
        file.extend(tail);
        file.extend(strip);
        file
    }

    fn decoded(&self, options: &str) -> Vec<u8> {
        decode(&self.bytes(), &options.parse().unwrap(), &DecodeLimits::default()).unwrap().data
    }

    /// Decodes the file and returns its red bytes.
    fn red(&self, options: &str) -> Vec<u8> {
        self.decoded(options).into_iter().step_by(3).collect()
    }

    /// Tells whether the image has one color, and whether its range is narrow.
    fn odd(&self, options: &str) -> (bool, bool) {
        let (_, odd) =
            decode_with_oddities(&self.bytes(), &options.parse().unwrap(), &DecodeLimits::default()).unwrap();
        (odd.one_color, odd.narrow_range)
    }
}

#[test]
fn no_data_takes_no_part_in_a_stretch_and_becomes_zero() {
    // Half of the samples have the no-data value, which would be the least value without the tag.
    for (kind, text) in
        [(I16, "-32768"), (F32, "-9999"), (F32, " -9999.0 "), (U16, "0"), (F32, "-3.4028234663852886e+38")]
    {
        let missing: f64 = text.trim().parse().unwrap();
        let values = [missing, 1000.0, 1500.0, missing, 2000.0, missing];
        let tiff = Tiff { width: 3, kind, values: &values, no_data: Some(text), ..Tiff::default() };
        for stretch in ["minmax", "percentile(0, 100)", "range([1000, 1000, 1000], [2000, 2000, 2000])"] {
            assert_eq!(
                tiff.red(&format!("stretch={stretch}")),
                [0, 0, 128, 0, 255, 0],
                "{kind:?} {text} {stretch}"
            );
        }
    }
    // The percentile is the middle of the five measured values, not of all eight values.
    let values = [7.0, 7.0, 7.0, 10.0, 20.0, 30.0, 40.0, 50.0];
    let tiff = Tiff { width: 4, kind: U16, values: &values, no_data: Some("7"), ..Tiff::default() };
    assert_eq!(tiff.red("stretch=percentile(0, 50)"), [0, 0, 0, 0, 128, 255, 255, 255]);
}

#[test]
fn no_data_is_that_of_each_band_and_a_text_that_is_no_number_declares_none() {
    let values = [5.0, 0.0, 1.0, 5.0, 2.0, 9.0, 6.0, 1.0, 0.0, 7.0, 5.0, 3.0];
    let rgb = Tiff { bands: 3, kind: U8, photometric: 2, values: &values, ..Tiff::default() };
    let with = Tiff { no_data: Some("5"), values: &values, ..rgb };
    // Without the no-data value, red is left with 6 and 7, green with 0, 2 and 1, blue with all values.
    assert_eq!(with.decoded("stretch=minmax"), [0, 0, 28, 0, 255, 255, 0, 128, 0, 255, 0, 85]);
    let plain = with.decoded("");
    assert_eq!(plain, values.map(|value| value as u8), "without a stretch the file's own bytes stay");
    for text in ["", "none", "nan", "5 6"] {
        let other = Tiff {
            bands: 3,
            kind: U8,
            photometric: 2,
            values: &values,
            no_data: Some(text),
            ..Tiff::default()
        };
        assert_eq!(other.decoded("stretch=minmax")[..3], [0, 0, 28], "{text:?}");
        assert_eq!(other.decoded("stretch=minmax")[6], 128, "{text:?}: red 6 lies between 5 and 7");
    }
}

#[test]
fn values_that_are_not_a_number_become_zero() {
    let values = [f64::NAN, 2.0, 3.0, 4.0, f64::INFINITY, f64::NEG_INFINITY];
    let tiff = Tiff { width: 3, kind: F32, values: &values, ..Tiff::default() };
    assert_eq!(tiff.red("stretch=minmax"), [0, 0, 128, 255, 255, 0]);
    let tiff = Tiff { no_data: Some("nan"), values: &values, width: 3, kind: F32, ..Tiff::default() };
    assert_eq!(tiff.red("stretch=minmax"), [0, 0, 128, 255, 255, 0]);
}

#[test]
fn no_data_follows_white_that_is_zero() {
    let values = [0.0, 10.0, 20.0, 30.0];
    let tiff = Tiff { kind: U8, photometric: 0, values: &values, no_data: Some("0"), ..Tiff::default() };
    assert_eq!(tiff.red("stretch=minmax"), [0, 255, 128, 0]);
}

#[test]
fn one_color_and_a_narrow_range_are_seen() {
    let odd = |kind, photometric, values: &[f64], options| {
        let bands = if photometric == 2 { 3 } else { 1 };
        let width = values.len() as u32 / u32::from(bands);
        Tiff { width, height: 1, bands, kind, photometric, values, ..Tiff::default() }.odd(options)
    };
    let (gray, rgb) = (1, 2);
    // 16-bit gray is clipped at 255, so that two scenes of reflectances become white.
    assert_eq!(odd(U16, gray, &[900.0, 4000.0, 2000.0], ""), (true, true));
    assert_eq!(odd(U16, gray, &[200.0, 4000.0, 2000.0], ""), (false, true));
    // Reflectances from 0 to 1 as floats become black.
    assert_eq!(odd(F32, rgb, &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], ""), (true, true));
    assert_eq!(odd(F32, rgb, &[0.1, 0.2, 0.3, 0.4, 200.0, 0.6], ""), (false, false));
    // 16-bit color keeps its high byte: values up to 4,000 have sixteen levels, values up to 60,000 nearly all.
    assert_eq!(odd(U16, rgb, &[100.0, 2000.0, 300.0, 4000.0, 500.0, 600.0], ""), (false, true));
    assert_eq!(odd(U16, rgb, &[100.0, 2000.0, 300.0, 60_000.0, 500.0, 600.0], ""), (false, false));
    assert_eq!(odd(I16, rgb, &[-100.0, 2000.0, 300.0, 3000.0, 500.0, 600.0], ""), (false, true));
    assert_eq!(odd(U32, gray, &[0.0, 100_000.0, 7.0], ""), (false, true));
    // Values up to 255 lose nothing when they are clipped, and 8-bit images are never narrow.
    assert_eq!(odd(U16, gray, &[0.0, 100.0, 255.0], ""), (false, false));
    assert_eq!(odd(U8, gray, &[7.0, 8.0, 7.0], ""), (false, false));
    assert_eq!(odd(U8, gray, &[7.0, 7.0, 7.0], ""), (true, false));
    // An image of one pixel is not odd, though it has one color.
    assert_eq!(odd(U8, gray, &[7.0], ""), (false, false));
    // With a stretch a narrow range is intended.
    assert_eq!(odd(U16, gray, &[900.0, 4000.0, 2000.0], "stretch=minmax"), (false, false));
    assert_eq!(odd(U16, rgb, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "bands=[0, 1, 2]"), (true, true));
}

#[test]
fn sides_of_a_signed_type_are_read_and_negative_ones_refused() {
    let values = [1.0, 2.0, 3.0, 4.0];
    let tiff = Tiff { kind: U8, values: &values, sides: SLONG, ..Tiff::default() };
    assert_eq!(tiff.red(""), [1, 2, 3, 4]);
    let tiff = Tiff { width: -2_i32 as u32, kind: U8, values: &values, sides: SLONG, ..Tiff::default() };
    let error =
        decode(&tiff.bytes(), &Decoding::default(), &DecodeLimits::default()).unwrap_err().to_string();
    assert_eq!(error, "TIFF: tag 256 has a negative value; fetch or write the file again");
}

#[test]
fn an_uncompressed_strip_of_length_zero_is_as_long_as_its_rows() {
    let values = [1.0, 2.0, 3.0, 4.0];
    let place = Some((u32::MAX, 0));
    assert_eq!(Tiff { kind: U8, values: &values, place, ..Tiff::default() }.red(""), [1, 2, 3, 4]);
    let error = decode(
        &Tiff { kind: U8, values: &values[..3], place, ..Tiff::default() }.bytes(),
        &Decoding::default(),
        &DecodeLimits::default(),
    );
    assert!(error.unwrap_err().to_string().contains("beyond the end of the file"));
}

#[test]
fn what_a_sparse_file_leaves_out_is_no_data_or_zero() {
    let place = Some((0, 0));
    assert_eq!(Tiff { kind: U8, place, ..Tiff::default() }.red(""), [0; 4]);
    assert_eq!(Tiff { kind: U8, place, no_data: Some("9"), ..Tiff::default() }.red(""), [9; 4]);
    assert_eq!(Tiff { kind: U16, place, no_data: Some("200"), ..Tiff::default() }.red(""), [200; 4]);
    assert_eq!(Tiff { kind: F32, place, no_data: Some("9"), ..Tiff::default() }.red(""), [9; 4]);
}

#[test]
fn a_png_without_its_last_chunk_is_whole_and_one_without_pixels_is_not() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images/kinds/rgb8.png");
    let whole = std::fs::read(file).unwrap();
    let decode = |bytes: &[u8]| decode(bytes, &Decoding::default(), &DecodeLimits::default());
    assert_eq!(decode(&whole[..whole.len() - 12]).unwrap(), decode(&whole).unwrap());
    assert!(decode(&whole[..whole.len() - 40]).is_err());
}

#[test]
fn bands_without_a_meaning_are_refused_with_what_can_be_chosen() {
    let values = [1.0; 12];
    let tiff = Tiff { bands: 3, values: &values, ..Tiff::default() };
    let error = decode(&tiff.bytes(), &Decoding::default(), &DecodeLimits::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "3 bands of 16 bits and no color interpretation: three of them must be chosen as red, green and blue, and a \
         stretch of their values to bytes"
    );
    let Error::Pixels(problem) = error else { panic!("{error}") };
    assert!(matches!(*problem, ImageProblem::NeedsBands { bands: 3, bits: 16 }));
    assert_eq!(problem.remedy(), Some(Remedy::Bands { bands: 3, bits: 16 }));
    assert!(
        decode(&tiff.bytes(), &"bands=[0, 1, 2] stretch=minmax".parse().unwrap(), &DecodeLimits::default())
            .is_ok()
    );
}

#[test]
fn a_folder_lists_jpegs_of_every_name_and_counts_what_is_not_read_or_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in [".thumbnails", "__MACOSX", "@eaDir", "b", "b/.git", "x.jp2"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    for name in [
        "a.JFIF",
        "b/c.jpe",
        "d.jif",
        "e.jpg",
        "f.jp2",
        "b/g.JP2",
        "h.gif",
        "i.ppm",
        ".j.png",
        "._e.jpg",
        ".k.gif",
        ".notes",
        ".thumbnails/l.png",
        "__MACOSX/m.jpg",
        "@eaDir/n.jpg",
        "b/.git/o.png",
        "p.txt",
        "Thumbs.db",
        "q.hdr",
        "x.jp2/r.png",
    ] {
        std::fs::write(at(name), b"").unwrap();
    }
    let images = ImageList::collect(folder.path()).unwrap();
    assert_eq!(images.keys(), ["a.JFIF", "b/c.jpe", "d.jif", "e.jpg", "x.jp2/r.png"]);
    let unread: Vec<(&str, usize)> =
        images.unread_kinds().iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    assert_eq!(unread, [("gif", 1), ("jp2", 2), ("ppm", 1)]);
    assert_eq!((images.left_out().files, images.left_out().folders), (3, 4));
    assert!(images.unlisted().is_empty());

    // The root folder may be hidden.
    let hidden = ImageList::collect(at(".thumbnails")).unwrap();
    assert_eq!((hidden.keys(), hidden.left_out().files), (&["l.png".to_owned()][..], 0));
}

#[test]
fn a_jpeg_named_jfif_is_encoded() {
    let folder = tempfile::tempdir().unwrap();
    let jpeg = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images/kinds/420.jpg");
    std::fs::copy(jpeg, folder.path().join("a.jfif")).unwrap();
    assert_eq!(ingested(folder.path(), "").0.encoded, 1);
}

/// Encodes an image of one pixel as that pixel.
struct Plain(EncoderSpec);

impl ImageEncoder for Plain {
    fn spec(&self) -> &EncoderSpec {
        &self.0
    }

    fn input_size(&self) -> usize {
        1
    }

    fn prepare(&self, image: RgbView<'_>, out: &mut [u8]) -> rscir_core::Result<()> {
        Preprocessor::new(Preprocessing::openai(1)).unwrap().prepare(image, out)
    }

    fn encode_pixels(&self, batch: PixelBatch<'_>) -> rscir_core::Result<Embeddings> {
        Embeddings::normalize(3, batch.data().iter().map(|&value| f32::from(value) + 1.0).collect())
    }
}

struct Sink(usize);

impl EmbeddingSink for Sink {
    fn fingerprint(&self, _: &str) -> Option<Fingerprint> {
        None
    }

    fn commit(&mut self, keys: &[SinkRow<'_>], _: &Embeddings) -> rscir_core::Result<()> {
        self.0 += keys.len();
        Ok(())
    }
}

fn ingested(folder: &Path, decode: &str) -> (IngestReport, Vec<(String, Stage, Option<Remedy>)>) {
    let encoder = Plain(EncoderSpec { decoding: decode.parse().unwrap(), ..EncoderSpec::unknown(3) });
    let images = ImageList::collect(folder).unwrap();
    let mut failed = Vec::new();
    let mut sink = Sink(0);
    let report = ingest(&images, &encoder, &mut sink, &IngestOptions::default(), &mut |f| {
        failed.push((f.key, f.stage, f.remedy));
    });
    let report = report.unwrap();
    assert_eq!(report.encoded, sink.0);
    (report, failed)
}

#[test]
fn an_ingest_counts_odd_images_and_names_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, tiff: &Tiff<'_>| std::fs::write(folder.path().join(name), tiff.bytes()).unwrap();
    let white = [900.0, 901.0, 902.0, 903.0];
    for name in ["e.tif", "a.tif", "d.tif", "b.tif"] {
        write(name, &Tiff { values: &white, ..Tiff::default() });
    }
    write("c.tif", &Tiff { values: &[0.0, 901.0, 902.0, 903.0], ..Tiff::default() });
    write("f.tif", &Tiff { kind: U8, values: &[1.0, 2.0, 3.0, 4.0], ..Tiff::default() });
    write("g.tif", &Tiff { bands: 4, values: &[1.0; 16], ..Tiff::default() });
    let (report, failed) = ingested(folder.path(), "");
    assert_eq!((report.encoded, report.failed), (6, 1));
    assert_eq!(
        (report.odd.one_color.count, &report.odd.one_color.first[..]),
        (4, &["a.tif", "b.tif", "d.tif"].map(String::from)[..])
    );
    assert_eq!(
        (report.odd.narrow_range.count, &report.odd.narrow_range.first[..]),
        (1, &["c.tif".to_owned()][..])
    );
    assert_eq!(failed, [("g.tif".to_owned(), Stage::Decode, Some(Remedy::Bands { bands: 4, bits: 16 }))]);

    std::fs::remove_file(folder.path().join("g.tif")).unwrap();
    let (report, _) = ingested(folder.path(), "stretch=minmax");
    assert_eq!(report, IngestReport { encoded: 6, ..IngestReport::default() });
}
