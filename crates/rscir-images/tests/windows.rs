//! Tests windows of TIFF files, which are read block by block.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rscir_core::Decoding;
use rscir_images::tiff::{BlockCache, Photometric, ReadAt, SampleFormat, SampleType, Samples, Tiff, Window};
use rscir_images::{DecodeLimits, Error, ImageProblem, decode};

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images/kinds").join(file)
}

fn open(bytes: Vec<u8>) -> Tiff {
    Tiff::new(Arc::new(bytes), Arc::default()).unwrap()
}

fn problem(error: &Error) -> &ImageProblem {
    match error {
        Error::Pixels(problem) => problem,
        Error::Image { source, .. } => problem(source),
        other => panic!("{other}"),
    }
}

/// Makes a little-endian TIFF file of entries and of content, which lies at byte 1000.
fn tiff(entries: &[(u16, u16, u32, u32)], content: &[u8]) -> Vec<u8> {
    let mut out = b"II\x2A\0\x08\0\0\0".to_vec();
    let mut entries = entries.to_vec();
    entries.sort();
    out.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        out.extend(tag.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend(count.to_le_bytes());
        out.extend(value.to_le_bytes());
    }
    out.resize(1000, 0);
    out.extend(content);
    out
}

/// Returns the entries of a gray image of 8 bits, `side` pixels a side, in one uncompressed strip.
fn gray(side: u32) -> Vec<(u16, u16, u32, u32)> {
    vec![
        (256, 4, 1, side),
        (257, 4, 1, side),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 1000),
        (277, 3, 1, 1),
        (278, 4, 1, side),
        (279, 4, 1, side * side),
    ]
}

#[test]
fn windows_are_parts_of_the_whole() {
    for file in [
        "rgb8.tif",
        "rgb8_tiles.tif",
        "rgb8_strips.tif",
        "rgb8_planar.tif",
        "rgb8_planar_tiles.tif",
        "rgb8_lzw_predicted.tif",
        "rgb8_jpeg.tif",
        "rgb8_bigtiff.tif",
    ] {
        let image = Tiff::open(path(file)).unwrap().image().clone();
        let whole =
            decode(&std::fs::read(path(file)).unwrap(), &Decoding::default(), &DecodeLimits::default());
        let whole = whole.unwrap();
        assert_eq!((image.width(), image.height(), image.bands()), (whole.width, whole.height, 3), "{file}");
        for (window, bands) in [
            (Window::new(0, 0, 23, 19), &[0, 1, 2][..]),
            (Window::new(22, 18, 1, 1), &[2]),
            (Window::new(3, 5, 17, 13), &[2, 0]),
            (Window::new(0, 7, 23, 2), &[1, 1, 0, 2]),
        ] {
            let Samples::U8(samples) = image.read_window(window, bands).unwrap() else { panic!("{file}") };
            let expected: Vec<u8> = (window.y..window.y + window.height)
                .flat_map(|y| (window.x..window.x + window.width).map(move |x| (y * 23 + x) * 3))
                .flat_map(|pixel| bands.iter().map(move |band| pixel + band))
                .map(|at| whole.data[at])
                .collect();
            assert_eq!(samples, expected, "{file} {window:?} {bands:?}");
        }
    }
}

#[test]
fn what_is_no_part_of_the_image_is_refused() {
    let tiff = Tiff::open(path("rgb8_tiles.tif")).unwrap();
    for window in [
        Window::new(0, 0, 24, 1),
        Window::new(0, 19, 1, 1),
        Window::new(0, 0, 0, 1),
        Window::new(usize::MAX, 0, 2, 1),
    ] {
        let error = tiff.image().read_window(window, &[0]).unwrap_err();
        assert!(matches!(problem(&error), ImageProblem::Window { .. }), "{error}");
    }
    let error = tiff.image().read_window(Window::new(0, 0, 1, 1), &[3]).unwrap_err();
    assert!(matches!(problem(&error), ImageProblem::NoBand { band: 3, bands: 3 }), "{error}");
    assert!(matches!(error, Error::Image { .. }), "the file is named");
}

#[test]
fn tags_are_given_as_the_file_has_them() {
    let text = b"2020:01:02 03:04:05\0";
    let numbers: Vec<u8> = [0.5_f64, 0.25, 0.0].into_iter().flat_map(f64::to_le_bytes).collect();
    let keys: Vec<u8> = [1_u16, 1, 0, 0].into_iter().flat_map(u16::to_le_bytes).collect();
    let content = [&[7; 16][..], text, &numbers, &keys, b"-9999\0"].concat();
    let mut entries = gray(4);
    entries.extend([
        (306, 2, 20, 1016),
        (33_550, 12, 3, 1036),
        (34_735, 3, 4, 1060),
        (42_113, 2, 6, 1068),
        (50_844, 12, 1, 1036),
    ]);
    let tiff = open(tiff(&entries, &content));
    let image = tiff.image();
    assert_eq!(image.sample_type(), SampleType { format: SampleFormat::Unsigned, bits: 8 });
    assert_eq!(image.photometric(), Photometric::BlackIsZero);
    assert_eq!((image.no_data(), image.alpha_band()), (Some(-9999.0), None));
    assert_eq!(image.date_time().unwrap().as_deref(), Some("2020:01:02 03:04:05"));
    let tags = image.geo_tags().unwrap();
    assert_eq!(tags.pixel_scale, [0.5, 0.25, 0.0]);
    assert_eq!(tags.key_directory, [1, 1, 0, 0]);
    assert!(tags.has_rpc && tags.tie_points.is_empty());
    assert!(tiff.overviews().is_empty() && tiff.mask().is_none() && tiff.problems().is_empty());
}

#[test]
fn a_damaged_strip_spoils_its_windows_and_no_others() {
    // The file has two strips, and the second lies beyond its end.
    let mut entries = gray(4);
    entries[5] = (273, 3, 2, 1000 | 5000 << 16);
    entries[7].3 = 2;
    entries[8] = (279, 3, 2, 8 | 8 << 16);
    let tiff = open(tiff(&entries, &[7; 16]));
    let sound = tiff.image().read_window(Window::new(0, 0, 4, 2), &[0]).unwrap();
    assert_eq!(sound, Samples::U8(vec![7; 8]));
    let error = tiff.image().read_window(Window::new(0, 1, 4, 2), &[0]).unwrap_err();
    assert!(matches!(problem(&error), ImageProblem::Block { block: 1, offset: 5000, .. }), "{error}");
    let said = "TIFF: strip or tile 1, at byte 5000: it lies beyond the end of the file; fetch or write the file again";
    assert_eq!(error.to_string(), said);
}

#[test]
fn directories_that_lead_to_themselves_end_and_are_told() {
    let mut bytes = tiff(&gray(4), &[7; 16]);
    let next = 8 + 2 + 9 * 12;
    // The directory of a second image, at byte 1016, names itself as the next.
    bytes[next..next + 4].copy_from_slice(&1016_u32.to_le_bytes());
    let mut second = bytes[8..next + 4].to_vec();
    second[110..114].copy_from_slice(&1016_u32.to_le_bytes());
    bytes.extend(second);
    let tiff = open(bytes);
    assert_eq!(tiff.image().width(), 4);
    let said: Vec<String> = tiff.problems().iter().map(ToString::to_string).collect();
    assert_eq!(said, ["TIFF: the directory at byte 1016 comes twice; fetch or write the file again"]);
}

#[test]
fn smaller_copies_under_the_first_image_are_its_overviews() {
    let mut entries = gray(4);
    entries.push((330, 4, 1, 1016));
    let mut bytes = tiff(&entries, &[7; 16]);
    // The smaller copy has 2 x 2 of the same pixels.
    let mut copy = gray(2);
    copy.push((254, 4, 1, 1));
    bytes.extend(&tiff(&copy, &[])[8..8 + 2 + 12 * 10 + 4]);
    let tiff = open(bytes);
    let overview = &tiff.overviews()[0];
    assert_eq!((overview.width(), tiff.overviews().len()), (2, 1));
    assert_eq!(overview.read_window(Window::new(0, 0, 2, 2), &[0]).unwrap(), Samples::U8(vec![7; 4]));
}

#[test]
fn many_large_directories_are_not_all_read() {
    // At each of 200 places a directory of 65,535 entries with unknown tags begins. The directories, of 786 KB each,
    // overlap.
    let places: Vec<u8> = (0..200_u32).flat_map(|at| (2000 + at).to_le_bytes()).collect();
    let mut entries = gray(4);
    entries.push((330, 4, 200, 1016));
    let bytes = [tiff(&entries, &[7; 16]), places, vec![0xFF; 800_000]].concat();
    let tiff = open(bytes);
    let said =
        |text: &str| tiff.problems().iter().filter(|problem| problem.to_string().contains(text)).count();
    assert_eq!(tiff.problems().len(), 200);
    assert_eq!((said("has no size"), said("directories take more than 67108864 bytes")), (85, 115));
}

#[test]
fn a_compression_that_is_not_read_is_named() {
    for (compression, name) in
        [(6, "old-style JPEG (compression 6)"), (50_002, "JPEG XL"), (9999, "compression 9999")]
    {
        let mut entries = gray(4);
        entries[3].3 = compression;
        let error = Tiff::new(Arc::new(tiff(&entries, &[7; 16])), Arc::default()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("is not supported"), "{error}");
    }
    let mut entries = gray(4);
    (entries[2].3, entries[3].3) = (12, 7);
    let error = Tiff::new(Arc::new(tiff(&entries, &[7; 16])), Arc::default()).unwrap_err().to_string();
    assert!(error.contains("JPEG of 1 x 12 bits is not supported"), "{error}");
}

#[test]
fn a_block_that_promises_far_more_than_it_has_is_refused() {
    // The file announces a Zstandard strip of 300 MB, and has 16 bytes for it.
    let mut entries = gray(17_500);
    entries[3].3 = 50_000;
    entries[8].3 = 16;
    let tiff = open(tiff(&entries, &[7; 16]));
    assert!(tiff.image().block_memory() > 300_000_000);
    let error = tiff.image().read_window(Window::new(0, 0, 1, 1), &[0]).unwrap_err().to_string();
    assert!(error.contains("16 bytes stand for 306250000"), "{error}");
}

/// A source that counts the bytes that are read.
#[derive(Debug)]
struct Counting {
    bytes: Vec<u8>,
    read: AtomicU64,
}

impl ReadAt for Counting {
    fn size(&self) -> u64 {
        self.bytes.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.bytes.read_at(offset, buffer)
    }
}

#[test]
fn only_what_a_window_needs_is_read_and_only_once() {
    // The image is a single strip of 4 MiB.
    let side = 2048;
    let values: Vec<u8> = (0..side * side).map(|at| (at / side) as u8).collect();
    let source = Arc::new(Counting { bytes: tiff(&gray(side), &values), read: AtomicU64::new(0) });
    let tiff = Tiff::new(source.clone(), Arc::new(BlockCache::new(1 << 20))).unwrap();
    source.read.store(0, Ordering::Relaxed);
    let window = Window::new(5, 1000, 3, 2);
    let expected = Samples::U8([[1000_u32 as u8; 3], [1001_u32 as u8; 3]].concat());
    assert_eq!(tiff.image().read_window(window, &[0]).unwrap(), expected);
    let first = source.read.swap(0, Ordering::Relaxed);
    assert!(first < 600_000, "{first} bytes for a window of two rows");
    assert_eq!(tiff.image().read_window(window, &[0]).unwrap(), expected);
    assert_eq!(source.read.load(Ordering::Relaxed), 0);
}

#[test]
fn places_of_many_strips_are_read_in_parts() {
    // The file has 3,000 strips of a row each, the last strip first.
    let rows: Vec<u8> = (0..3000_u32).rev().flat_map(|row| [row as u8; 4]).collect();
    let offsets = (0..3000_u32).rev().flat_map(|row| (1000 + 4 * row).to_le_bytes());
    let content: Vec<u8> = rows.into_iter().chain(offsets).chain([4, 0].repeat(3000)).collect();
    let mut entries = gray(4);
    entries[1].3 = 3000;
    entries[5] = (273, 4, 3000, 13_000);
    entries[7].3 = 1;
    entries[8] = (279, 3, 3000, 25_000);
    let source = Arc::new(Counting { bytes: tiff(&entries, &content), read: AtomicU64::new(0) });
    let tiff = Tiff::new(source.clone(), Arc::default()).unwrap();
    let opened = source.read.swap(0, Ordering::Relaxed);
    assert!(opened < 500, "{opened} bytes to open a file");
    let read = tiff.image().read_window(Window::new(1, 2500, 2, 2), &[0]).unwrap();
    assert_eq!(read, Samples::U8([[2500_u32 as u8; 2], [2501_u32 as u8; 2]].concat()));
    // The last page of places, 952 of six bytes each, is read, and two rows.
    assert_eq!(source.read.swap(0, Ordering::Relaxed), 952 * 6 + 2 * 4);
    let whole = tiff.image().read_window(Window::new(0, 0, 4, 3000), &[0]).unwrap();
    assert_eq!(whole, Samples::U8((0..3000_u32).flat_map(|row| [row as u8; 4]).collect()));
}

/// A source that records which ranges are announced and which are read.
#[derive(Debug, Default)]
struct Listening {
    bytes: Vec<u8>,
    announced: Mutex<Vec<Range<u64>>>,
    read: Mutex<Vec<Range<u64>>>,
}

impl ReadAt for Listening {
    fn size(&self) -> u64 {
        self.bytes.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read.lock().unwrap().push(offset..offset + buffer.len() as u64);
        self.bytes.read_at(offset, buffer)
    }

    fn announce(&self, ranges: &mut dyn Iterator<Item = Range<u64>>) {
        self.announced.lock().unwrap().extend(ranges);
    }
}

#[test]
fn what_a_window_reads_is_announced_before() {
    for file in ["rgb8_tiles.tif", "rgb8_planar_tiles.tif", "rgb8_strips.tif"] {
        let source =
            Arc::new(Listening { bytes: std::fs::read(path(file)).unwrap(), ..Listening::default() });
        let tiff = Tiff::new(source.clone(), Arc::default()).unwrap();
        let image = tiff.image();
        for window in [Window::new(3, 2, 9, 4), Window::new(0, 0, 23, 19)] {
            // A first window reads the places of strips and tiles, which are not announced.
            image.read_window(Window::new(22, 18, 1, 1), &[2]).unwrap();
            source.read.lock().unwrap().clear();
            source.announced.lock().unwrap().clear();
            image.read_window(window, &[0, 2]).unwrap();
            assert_eq!(*source.announced.lock().unwrap(), *source.read.lock().unwrap(), "{file} {window:?}");
        }
        assert!(!source.read.lock().unwrap().is_empty(), "{file}");
        source.announced.lock().unwrap().clear();
        image.read_window(Window::new(0, 0, 23, 19), &[0, 2]).unwrap();
        assert!(source.announced.lock().unwrap().is_empty(), "{file}: what is kept is not read again");
    }
}
