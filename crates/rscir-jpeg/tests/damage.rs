//! Damaged and hostile files become an error or an image in a short time, and never a panic.

use rscir_jpeg::{Error, Limits, Refused, decode, exif_orientation, read_header};
use std::time::{Duration, Instant};

const BASELINE: &[u8] = include_bytes!("data/q85_420_33x17.jpg");
const PROGRESSIVE: &[u8] = include_bytes!("data/prog_420_33x17.jpg");
const RESTARTS: &[u8] = include_bytes!("data/f_restart.jpg");
const CMYK: &[u8] = include_bytes!("data/f_ycck.jpg");
const SCANS: &[u8] = include_bytes!("data/f_scans_420.jpg");
const SMOOTHED: &[u8] = include_bytes!("data/prog_cut2_420.jpg");

/// A generator of numbers that look random and are always the same (xorshift64, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }
}

fn try_all(bytes: &[u8]) {
    let limits = Limits::default().max_pixels(1 << 22);
    let _ = read_header(bytes);
    let _ = exif_orientation(bytes);
    if let Ok(image) = decode(bytes, &limits) {
        assert_eq!(image.data.len(), image.width as usize * image.height as usize * 3);
    }
}

/// Returns the index of the first byte of a marker.
fn find(bytes: &[u8], marker: u8) -> usize {
    bytes.windows(2).position(|pair| pair == [0xFF, marker]).unwrap()
}

#[test]
fn every_truncation_is_an_error() {
    for whole in [BASELINE, PROGRESSIVE, RESTARTS, CMYK, SCANS, SMOOTHED] {
        for end in 0..whole.len() - 2 {
            let error = decode(&whole[..end], &Limits::default()).unwrap_err();
            let expected = match end {
                0..3 => matches!(error, Error::NotJpeg),
                _ => matches!(error, Error::Truncated { .. } | Error::TooLittleData { .. }),
            };
            assert!(expected, "{end} of {}: {error}", whole.len());
        }
    }
}

#[test]
fn mutations_are_decoded_or_refused() {
    let mut random = Random(0x5EED);
    let started = Instant::now();
    for round in 0..20_000 {
        let files = [BASELINE, PROGRESSIVE, RESTARTS, CMYK, SCANS, SMOOTHED];
        let mut bytes = files[round % files.len()].to_vec();
        for _ in 0..1 + random.below(6) {
            let at = random.below(bytes.len());
            match random.below(5) {
                0 => bytes[at] = random.below(256) as u8,
                1 => bytes[at] ^= 1 << random.below(8),
                2 => drop(bytes.drain(at..(at + 1 + random.below(8)).min(bytes.len()))),
                3 => bytes.insert(at, random.below(256) as u8),
                _ => drop(bytes.splice(at..at, [0xFF, random.below(256) as u8])),
            }
        }
        try_all(&bytes);
    }
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

#[test]
fn noise_is_decoded_or_refused() {
    let mut random = Random(77);
    for round in 0..2000 {
        let header = [BASELINE, PROGRESSIVE][round % 2];
        let mut bytes = header[..find(header, 0xDA) + random.below(20)].to_vec();
        bytes.extend((0..random.below(600)).map(|_| random.below(256) as u8));
        bytes.extend([0xFF, 0xD9]);
        try_all(&bytes);
    }
}

/// Makes a file with a frame of one component for each of `factors`, and the header of a scan of the first `scanned`
/// components, without data.
fn header_only(sof: u8, width: u16, height: u16, factors: &[u8], scanned: u8) -> Vec<u8> {
    let mut bytes = BASELINE[..find(BASELINE, 0xC0)].to_vec();
    let (w, h, n) = (width.to_be_bytes(), height.to_be_bytes(), factors.len() as u8);
    bytes.extend([0xFF, sof, 0, 8 + 3 * n, 8, h[0], h[1], w[0], w[1], n]);
    bytes.extend(factors.iter().zip(1..).flat_map(|(&factors, id)| [id, factors, 0]));
    bytes.extend(&BASELINE[find(BASELINE, 0xC4)..find(BASELINE, 0xDA)]);
    bytes.extend([0xFF, 0xDA, 0, 6 + 2 * scanned, scanned]);
    bytes.extend((1..=scanned).flat_map(|id| [id, 0]));
    bytes.extend(if sof == 0xC2 { [0, 0, 0] } else { [0, 63, 0] });
    bytes
}

#[test]
fn huge_headers_fail_before_they_cost_anything() {
    let started = Instant::now();
    for sof in [0xC0, 0xC2] {
        for factors in [&[0x11][..], &[0x22, 0x11, 0x11], &[0x11; 4]] {
            let mut bytes = header_only(sof, 65_500, 65_500, factors, factors.len() as u8);
            bytes.extend([0xFF, 0xD9]);
            let error = decode(&bytes, &Limits::default()).unwrap_err();
            assert!(matches!(error, Error::TooManyPixels { max_pixels: 178_956_970, .. }), "{error}");
            let error = decode(&bytes, &Limits::default().max_pixels(u64::MAX)).unwrap_err();
            assert!(matches!(error, Error::TooLittleData { .. }), "{error}");
            let bytes = header_only(sof, 13_000, 13_000, factors, factors.len() as u8);
            let error = decode(&bytes, &Limits::default()).unwrap_err();
            assert!(matches!(error, Error::TooLittleData { .. }), "{error}");
        }
    }
    let bytes = header_only(0xC0, 65_535, 65_535, &[0x11], 1);
    assert_eq!(decode(&bytes, &Limits::default()), Err(Error::Dimensions { width: 65_535, height: 65_535 }));
    assert!(started.elapsed() < Duration::from_millis(100), "{:?}", started.elapsed());
}

#[test]
fn the_limit_is_on_pixels() {
    let pixels = 33 * 17;
    assert!(decode(BASELINE, &Limits::default().max_pixels(pixels)).is_ok());
    let error = decode(BASELINE, &Limits::default().max_pixels(pixels - 1)).unwrap_err();
    assert_eq!(error, Error::TooManyPixels { width: 33, height: 17, max_pixels: pixels - 1 });
}

#[test]
fn scans_without_end_are_refused() {
    let mut bytes = header_only(0xC2, 32, 32, &[0x11], 1);
    let scan = bytes[bytes.len() - 10..].to_vec();
    assert_eq!(scan[..2], [0xFF, 0xDA]);
    for _ in 1..500 {
        bytes.extend([0x00, 0x00]);
        bytes.extend(&scan);
    }
    let end = [0x00, 0x00, 0xFF, 0xD9];
    assert!(decode(&[&bytes[..], &end].concat(), &Limits::default()).is_ok());
    let error = decode(&[&bytes[..], &scan, &end].concat(), &Limits::default()).unwrap_err();
    assert!(matches!(error, Error::TooManyScans { max: 500, .. }), "{error}");
}

#[test]
fn other_kinds_of_jpeg_are_refused_by_name() {
    let at = find(BASELINE, 0xC0);
    let with = |index: usize, byte: u8| {
        let mut bytes = BASELINE.to_vec();
        bytes[at + index] = byte;
        let error = decode(&bytes, &Limits::default()).unwrap_err();
        assert_eq!(read_header(&bytes).unwrap_err(), error);
        error
    };
    for (sof, kind) in [
        (0xC3, Refused::Lossless),
        (0xC5, Refused::Hierarchical),
        (0xC6, Refused::Hierarchical),
        (0xC7, Refused::Hierarchical),
        (0xC9, Refused::ArithmeticCoding),
        (0xCA, Refused::ArithmeticCoding),
        (0xCB, Refused::ArithmeticCoding),
        (0xCD, Refused::ArithmeticCoding),
        (0xDE, Refused::Hierarchical),
    ] {
        assert_eq!(with(1, sof), Error::Unsupported { kind, offset: at + 2 });
    }
    assert_eq!(with(4, 12), Error::Unsupported { kind: Refused::Precision(12), offset: at + 4 });
    assert_eq!(with(9, 2), Error::Unsupported { kind: Refused::Components(2), offset: at + 4 });
    assert_eq!(with(6, 0), Error::Dimensions { width: 33, height: 0 });

    let mut bytes = header_only(0xC0, 24, 24, &[0x31, 0x21, 0x11], 3);
    bytes.extend([0; 40]);
    let error = decode(&bytes, &Limits::default()).unwrap_err();
    assert!(matches!(error, Error::Unsupported { kind: Refused::FractionalSampling, .. }), "{error}");
}

#[test]
fn contradictions_are_refused() {
    let edit = |file: &[u8], at: usize, byte: u8| {
        let mut bytes = file.to_vec();
        bytes[at] = byte;
        decode(&bytes, &Limits::default()).unwrap_err()
    };
    let (sof, dht, dqt, sos) =
        (find(BASELINE, 0xC0), find(BASELINE, 0xC4), find(BASELINE, 0xDB), find(BASELINE, 0xDA));
    let segment = |error: Error| match error {
        Error::Segment { segment, .. } => segment,
        other => panic!("{other}"),
    };
    assert_eq!(segment(edit(BASELINE, sof + 3, 16)), "SOF");
    assert_eq!(segment(edit(BASELINE, sof + 11, 0x50)), "SOF");
    assert_eq!(segment(edit(BASELINE, dht + 4, 0x04)), "DHT");
    assert_eq!(segment(edit(BASELINE, dht + 5, 255)), "DHT");
    assert_eq!(segment(edit(BASELINE, dqt + 4, 0x14)), "DQT");
    assert_eq!(segment(edit(BASELINE, sos + 4, 0)), "SOS");
    assert_eq!(segment(edit(BASELINE, sos + 5, 9)), "SOS");
    let sos = find(PROGRESSIVE, 0xDA);
    assert_eq!(segment(edit(PROGRESSIVE, sos + 12, 5)), "SOS");
    assert_eq!(segment(edit(PROGRESSIVE, sos + 13, 0x0E)), "SOS");

    let sos = find(BASELINE, 0xDA);
    let error = edit(BASELINE, sos + 6, 0x30);
    assert!(matches!(error, Error::Table { table: "DC Huffman", index: 3, .. }), "{error}");
    let error = edit(BASELINE, sof + 12, 3);
    assert!(matches!(error, Error::Table { table: "quantization", index: 3, .. }), "{error}");
    let error = edit(BASELINE, dqt + 1, 0xD8);
    assert!(matches!(error, Error::Marker { marker: 0xD8, .. }), "{error}");
    let twice = [&BASELINE[..sof], &BASELINE[sof..dht], &BASELINE[sof..]].concat();
    let error = decode(&twice, &Limits::default()).unwrap_err();
    assert!(matches!(error, Error::Marker { marker: 0xC0, .. }), "{error}");
}
