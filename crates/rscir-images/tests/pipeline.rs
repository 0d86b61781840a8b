//! Tests the ingest with an encoder and a sink that record what it does.

use std::collections::HashMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rscir_core::{
    EmbeddingSink, Embeddings, EncoderSpec, Error as CoreError, Fingerprint, ImageEncoder, PixelBatch,
    Result, RgbView, SinkRow,
};
use rscir_images::{
    ChangeDetection, DecodeLimits, Error, Failure, ImageList, IngestOptions, IngestReport, NotPruned, Stage,
    ingest, real_folder,
};
use tempfile::TempDir;

/// A red value on which [`Fake`] panics while preparing.
const PANICS: u8 = 201;
/// A red value for which [`Fake`] gives an error while preparing.
const REFUSED: u8 = 202;
/// A red value on which [`Fake`] waits until it is released.
const SLOW: u8 = 203;

/// Encodes an image as its first pixel, and counts images and batches.
struct Fake {
    spec: EncoderSpec,
    prepared: AtomicUsize,
    released: AtomicBool,
    /// Number of images in each batch that was encoded.
    batches: Mutex<Vec<usize>>,
    /// Number of batches after which encoding panics.
    panics_after: usize,
    delay: Duration,
}

impl Fake {
    fn new() -> Self {
        Self {
            spec: EncoderSpec::unknown(3),
            prepared: AtomicUsize::new(0),
            released: AtomicBool::new(false),
            batches: Mutex::default(),
            panics_after: usize::MAX,
            delay: Duration::ZERO,
        }
    }

    fn batches(&self) -> Vec<usize> {
        self.batches.lock().unwrap().clone()
    }
}

impl ImageEncoder for Fake {
    fn spec(&self) -> &EncoderSpec {
        &self.spec
    }

    fn input_size(&self) -> usize {
        1
    }

    fn prepare(&self, image: RgbView<'_>, out: &mut [u8]) -> Result<()> {
        let started = self.prepared.fetch_add(1, Ordering::SeqCst);
        // With these delays later images are ready before earlier ones.
        std::thread::sleep(self.delay + Duration::from_micros(started as u64 * 7919 % 800));
        match image.data()[0] {
            PANICS => panic!("a defect"),
            REFUSED => return Err(CoreError::Length { what: "pixels", expected: 1, got: 2 }),
            SLOW => {
                while !self.released.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            _ => {}
        }
        out.copy_from_slice(&image.data()[..3]);
        Ok(())
    }

    fn encode_pixels(&self, batch: PixelBatch<'_>) -> Result<Embeddings> {
        let mut batches = self.batches.lock().unwrap();
        batches.push(batch.len());
        assert!(batches.len() <= self.panics_after, "the device is on fire");
        Embeddings::normalize(3, batch.data().iter().map(|&v| f32::from(v)).collect())
    }
}

/// Keeps rows in the order they come, and can fail or set a flag after some commits.
#[derive(Default)]
struct Sink<'a> {
    keys: Vec<String>,
    rows: HashMap<String, (Fingerprint, Vec<f32>)>,
    commits: usize,
    fails_after: Option<usize>,
    stops_after: Option<(usize, &'a AtomicBool)>,
}

impl EmbeddingSink for Sink<'_> {
    fn fingerprint(&self, key: &str) -> Option<Fingerprint> {
        self.rows.get(key).map(|row| row.0)
    }

    fn commit(&mut self, rows: &[SinkRow<'_>], embeddings: &Embeddings) -> Result<()> {
        if self.fails_after == Some(self.commits) {
            return Err(CoreError::from_source("the disk is full", std::io::Error::other("no space left")));
        }
        assert_eq!(rows.len(), embeddings.len());
        for (i, row) in rows.iter().enumerate() {
            self.keys.push(row.key.into());
            self.rows.insert(row.key.into(), (row.fingerprint, embeddings.row(i).to_vec()));
        }
        self.commits += 1;
        if let Some((commits, flag)) = self.stops_after {
            flag.store(self.commits >= commits, Ordering::SeqCst);
        }
        Ok(())
    }
}

/// Writes a bitmap of one pixel, the smallest valid image.
fn bitmap([r, g, b]: [u8; 3]) -> Vec<u8> {
    let mut file = b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0".to_vec();
    file.resize(54, 0);
    file.extend([b, g, r, 0]);
    file
}

fn name(i: usize) -> String {
    format!("{i:04}.bmp")
}

/// Makes a folder of `n` images `0000.bmp`, `0001.bmp` and so on, each of its own color. Those in `special` have the
/// red value given there.
fn folder(n: usize, special: &[(usize, u8)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..n {
        let red = special.iter().find(|s| s.0 == i).map_or(1, |s| s.1);
        fs::write(folder.path().join(name(i)), bitmap([red, (i % 250) as u8, (i / 250) as u8])).unwrap();
    }
    folder
}

/// Encodes all images below `folder`.
fn run(
    folder: &Path,
    encoder: &Fake,
    sink: &mut Sink<'_>,
    options: &IngestOptions<'_>,
) -> (rscir_images::Result<IngestReport>, Vec<Failure>) {
    let mut failures = Vec::new();
    let images = ImageList::collect(folder).unwrap();
    let result = ingest(&images, encoder, sink, options, &mut |failure| failures.push(failure));
    (result, failures)
}

fn options(batch: usize, threads: usize) -> IngestOptions<'static> {
    IngestOptions::default().batch(batch).threads(threads)
}

/// Runs work, and fails the test if it takes longer than 20 seconds.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(Duration::from_secs(20)).expect("the ingest ends")
}

#[test]
fn rows_are_in_order_whatever_the_threads_and_the_batch() {
    let folder = folder(101, &[]);
    let mut first: Option<Sink<'_>> = None;
    for (batch, threads) in [(1, 1), (1, 8), (7, 3), (32, 1), (32, 16), (101, 2), (usize::MAX, 4)] {
        let (encoder, mut sink) = (Fake::new(), Sink::default());
        let (report, failures) = run(folder.path(), &encoder, &mut sink, &options(batch, threads));
        assert_eq!(report.unwrap(), IngestReport { encoded: 101, ..IngestReport::default() });
        assert!(failures.is_empty());
        assert!(sink.keys.is_sorted() && sink.keys.len() == 101, "batch {batch}, {threads} threads");
        if let Some(first) = &first {
            assert_eq!(first.rows, sink.rows, "batch {batch}, {threads} threads");
        }
        first.get_or_insert(sink);
    }
}

#[test]
fn batches_are_full_but_for_the_last_and_failures_leave_no_gap() {
    for (images, batches) in [(0, vec![]), (1, vec![1]), (8, vec![8]), (9, vec![8, 1]), (24, vec![8, 8, 8])] {
        let (encoder, mut sink) = (Fake::new(), Sink::default());
        run(folder(images, &[]).path(), &encoder, &mut sink, &options(8, 4)).0.unwrap();
        assert_eq!(encoder.batches(), batches, "{images} images");
    }
    let (encoder, mut sink) = (Fake::new(), Sink::default());
    let folder = folder(20, &[(0, REFUSED), (7, REFUSED), (19, REFUSED)]);
    run(folder.path(), &encoder, &mut sink, &options(8, 4)).0.unwrap();
    assert_eq!(encoder.batches(), [8, 8, 1]);
}

#[test]
fn failures_are_streamed_in_order_with_path_stage_and_reason() {
    let folder = folder(12, &[(3, REFUSED), (6, PANICS)]);
    let at = |name: &str| folder.path().join(name);
    fs::write(at("0001.bmp"), "").unwrap();
    fs::write(at("0009.bmp"), "<html>no such tile</html>").unwrap();
    fs::create_dir(at("0010b.jpg")).unwrap();
    let keys = (0..13).map(name).collect();
    let (encoder, mut sink) = (Fake::new(), Sink::default());
    let mut failures = Vec::new();
    let images = ImageList::new(folder.path(), keys);
    let report = ingest(&images, &encoder, &mut sink, &options(4, 3), &mut |f| failures.push(f)).unwrap();
    assert_eq!(report, IngestReport { encoded: 8, failed: 5, ..IngestReport::default() });
    let seen: Vec<_> = failures.iter().map(|f| (f.key.as_str(), f.stage)).collect();
    let expected = [
        ("0001.bmp", Stage::Decode),
        ("0003.bmp", Stage::Prepare),
        ("0006.bmp", Stage::Prepare),
        ("0009.bmp", Stage::Decode),
        ("0012.bmp", Stage::Read),
    ];
    assert_eq!(seen, expected);
    assert!(failures.iter().all(|f| f.path == at(&f.key) && !f.reason.is_empty()));
    assert!(failures[2].reason.contains("a defect"), "{}", failures[2]);
    assert_eq!(
        failures[4].to_string(),
        format!("{}: read: {}", at("0012.bmp").display(), failures[4].reason)
    );

    // The folder that is named as an image is found when the files are listed, and is the first failure.
    let (_, failures) = run(folder.path(), &Fake::new(), &mut sink, &options(4, 3));
    assert_eq!((failures[0].key.as_str(), failures[0].stage), ("0010b.jpg", Stage::List));
    assert_eq!(failures.len(), 5, "those of before, less the absent one");
}

#[test]
fn a_later_ingest_encodes_what_is_new_or_changed() {
    for changes in [ChangeDetection::SizeAndTime, ChangeDetection::Content] {
        let folder = folder(10, &[]);
        let at = |i| folder.path().join(name(i));
        let (encoder, mut sink) = (Fake::new(), Sink::default());
        let mut options = options(4, 2);
        options.changes = changes;
        let again = |sink: &mut Sink<'_>| run(folder.path(), &encoder, sink, &options).0.unwrap();
        assert_eq!(again(&mut sink).encoded, 10);
        assert_eq!(again(&mut sink), IngestReport { unchanged: 10, ..IngestReport::default() });

        fs::write(at(10), bitmap([9, 9, 9])).unwrap();
        assert_eq!(again(&mut sink).encoded, 1, "a new file");
        fs::write(at(3), [bitmap([8, 8, 8]), vec![0]].concat()).unwrap();
        assert_eq!(again(&mut sink).encoded, 1, "a file of another size");

        // A file with the same size and time has other content.
        let time = fs::metadata(at(5)).unwrap().modified().unwrap();
        fs::write(at(5), bitmap([0, 7, 0])).unwrap();
        fs::File::options().write(true).open(at(5)).unwrap().set_modified(time).unwrap();
        let by_content = usize::from(changes == ChangeDetection::Content);
        assert_eq!(again(&mut sink).encoded, by_content);
        // A file with another time has the same content.
        let file = fs::File::options().write(true).open(at(6)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
        assert_eq!(again(&mut sink).encoded, 1 - by_content);

        // A file that is gone is skipped. A file that is broken now is reported each time, and keeps its row.
        fs::remove_file(at(0)).unwrap();
        fs::write(at(1), "broken").unwrap();
        for _ in 0..2 {
            assert_eq!(again(&mut sink), IngestReport { unchanged: 9, failed: 1, ..IngestReport::default() });
        }
        assert_eq!(sink.rows.len(), 11);
        let listed = ImageList::new(folder.path(), vec![name(0)]);
        let report = ingest(&listed, &encoder, &mut sink, &options, &mut |f| panic!("{f}")).unwrap();
        assert_eq!(report.unchanged, 1, "a listed file that is gone keeps its row");
    }
}

#[test]
fn rows_of_another_folder_are_replaced_on_request_alone() {
    let (first, second) = (folder(3, &[]), folder(2, &[]));
    fs::write(second.path().join("new.bmp"), bitmap([9, 9, 9])).unwrap();
    let (encoder, mut sink) = (Fake::new(), Sink::default());
    run(first.path(), &encoder, &mut sink, &options(8, 2)).0.unwrap();
    let later = SystemTime::now() + Duration::from_secs(9);
    for i in 0..2 {
        let file = fs::File::options().write(true).open(second.path().join(name(i))).unwrap();
        file.set_modified(later).unwrap();
    }
    let before = encoder.batches();
    let roots = [real_folder(first.path())];
    let mut options = options(8, 2);
    options.roots = &roots;
    match run(second.path(), &encoder, &mut sink, &options).0.unwrap_err() {
        Error::OtherRoot { key, root, given, rows } => {
            assert_eq!((key, rows), (name(0), 2));
            assert_eq!((root, given), (roots[0].clone(), real_folder(second.path())));
        }
        error => panic!("{error}"),
    }
    assert_eq!(encoder.batches(), before, "nothing was encoded");
    options.replace = true;
    assert_eq!(run(second.path(), &encoder, &mut sink, &options).0.unwrap().encoded, 3);
}

#[test]
fn files_that_are_gone_are_told_of_and_a_sink_that_cannot_prune_says_so() {
    let folder = folder(3, &[]);
    let (encoder, mut sink) = (Fake::new(), Sink::default());
    run(folder.path(), &encoder, &mut sink, &options(8, 2)).0.unwrap();
    fs::remove_file(folder.path().join(name(1))).unwrap();
    let images = ImageList::new(folder.path(), (0..4).map(name).collect());
    let mut options = options(8, 2);
    options.prune = true;
    let report = ingest(&images, &encoder, &mut sink, &options, &mut |_| {}).unwrap();
    // The fourth file never had a row, so that its absence is a failure.
    assert_eq!((report.gone, report.failed, report.pruned), (vec![name(1)], 1, 0));
    assert_eq!(report.not_pruned, Some(NotPruned::NoOperation));
}

#[test]
fn an_ingest_that_failed_goes_on_with_the_same_batches() {
    let folder = folder(50, &[(2, REFUSED), (30, PANICS)]);
    let (whole, mut expected) = (Fake::new(), Sink::default());
    run(folder.path(), &whole, &mut expected, &options(8, 2)).0.unwrap();
    for fails_after in 0..6 {
        let mut sink = Sink { fails_after: Some(fails_after), ..Sink::default() };
        let (first, second) = (Fake::new(), Fake::new());
        let error = run(folder.path(), &first, &mut sink, &options(8, 4)).0.unwrap_err();
        assert!(error.to_string().contains("the disk is full"), "{error}");
        assert_eq!(sink.keys.len(), 8 * fails_after, "what was committed stays");
        sink.fails_after = None;
        run(folder.path(), &second, &mut sink, &options(8, 3)).0.unwrap();
        assert_eq!((&sink.keys, &sink.rows), (&expected.keys, &expected.rows));
        let mut batches = first.batches();
        batches.pop();
        assert_eq!([batches, second.batches()].concat(), whole.batches(), "one batch is encoded twice");
    }
}

#[test]
fn a_stop_keeps_what_is_committed() {
    let folder = folder(64, &[]);
    let stop = AtomicBool::new(false);
    let (encoder, mut sink) = (Fake::new(), Sink { stops_after: Some((3, &stop)), ..Sink::default() });
    let mut options = options(8, 4);
    options.stop = Some(&stop);
    let (report, _) = run(folder.path(), &encoder, &mut sink, &options);
    assert_eq!(report.unwrap(), IngestReport { encoded: 24, stopped: true, ..IngestReport::default() });
    assert_eq!(encoder.batches(), [8; 3], "nothing is encoded after a stop");

    // An ingest that is stopped before it begins does nothing, and counts no image as unchanged without a look at it.
    let (report, _) = run(folder.path(), &encoder, &mut sink, &options);
    assert_eq!(report.unwrap(), IngestReport { stopped: true, ..IngestReport::default() });

    stop.store(false, Ordering::SeqCst);
    sink.stops_after = None;
    let (report, _) = run(folder.path(), &encoder, &mut sink, &options);
    assert_eq!(report.unwrap(), IngestReport { encoded: 40, unchanged: 24, ..IngestReport::default() });
    assert!(sink.keys.is_sorted());
}

#[test]
fn a_stop_is_seen_while_no_image_is_ready() {
    let folder = folder(40, &[]);
    static STOP: AtomicBool = AtomicBool::new(false);
    let mut encoder = Fake::new();
    encoder.delay = Duration::from_millis(300);
    let mut options = options(40, 1);
    options.stop = Some(&STOP);
    let stopper = std::thread::spawn(|| {
        std::thread::sleep(Duration::from_millis(100));
        STOP.store(true, Ordering::SeqCst);
    });
    let began = Instant::now();
    let report = run(folder.path(), &encoder, &mut Sink::default(), &options).0.unwrap();
    assert!(report.stopped && began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    stopper.join().unwrap();
}

#[test]
fn too_many_failures_end_the_ingest() {
    let special: Vec<_> = [2, 3, 5, 12].map(|i| (i, REFUSED)).into();
    let folder = folder(20, &special);
    for (limit, expected) in [(0, 1), (2, 3), (3, 4)] {
        let mut sink = Sink::default();
        let mut options = options(4, 2);
        options.max_failures = Some(limit);
        let (result, failures) = run(folder.path(), &Fake::new(), &mut sink, &options);
        assert!(matches!(result, Err(Error::TooManyFailures { limit: l }) if l == limit));
        assert_eq!(failures.len(), expected);
        assert_eq!(sink.keys.len() % 4, 0, "batches are whole");
    }
    let mut options = options(4, 2);
    options.max_failures = Some(4);
    assert_eq!(run(folder.path(), &Fake::new(), &mut Sink::default(), &options).0.unwrap().failed, 4);

    // A file that cannot be listed counts as a failure, too.
    fs::create_dir(folder.path().join("folder.png")).unwrap();
    let result = run(folder.path(), &Fake::new(), &mut Sink::default(), &options).0;
    assert!(matches!(result, Err(Error::TooManyFailures { limit: 4 })));
}

#[test]
fn a_slow_first_image_does_not_fill_the_memory() {
    let folder = folder(400, &[(0, SLOW)]);
    let (encoder, mut sink) = (Fake::new(), Sink::default());
    let most = std::thread::scope(|scope| {
        let ingest =
            scope.spawn(|| run(folder.path(), &encoder, &mut sink, &options(8, 4)).0.map(|r| r.encoded));
        // Wait until no further image is prepared.
        let mut most = 0;
        loop {
            std::thread::sleep(Duration::from_millis(200));
            let now = encoder.prepared.load(Ordering::SeqCst);
            if now > 0 && now == most {
                break;
            }
            most = now;
        }
        encoder.released.store(true, Ordering::SeqCst);
        assert_eq!(ingest.join().unwrap().unwrap(), 400);
        most
    });
    assert!((8..=2 * 8 + 4).contains(&most), "{most} images were prepared while the first was in work");
    assert!(sink.keys.is_sorted());
}

#[test]
fn a_panic_of_the_device_or_the_caller_reaches_the_caller() {
    let panicked = in_time(|| {
        let folder = folder(300, &[(20, REFUSED)]);
        let mut encoder = Fake::new();
        encoder.panics_after = 1;
        let device = catch_unwind(AssertUnwindSafe(|| {
            run(folder.path(), &encoder, &mut Sink::default(), &options(4, 4)).0.is_ok()
        }));
        let images = ImageList::collect(folder.path()).unwrap();
        let caller = catch_unwind(AssertUnwindSafe(|| {
            ingest(&images, &Fake::new(), &mut Sink::default(), &options(4, 4), &mut |f| panic!("{f}"))
                .is_ok()
        }));
        (device.is_err(), caller.is_err())
    });
    assert_eq!(panicked, (true, true));
}

#[test]
fn images_that_all_panic_cost_no_more_than_themselves() {
    let report = in_time(|| {
        let special: Vec<_> = (0..60).map(|i| (i, PANICS)).collect();
        run(folder(61, &special).path(), &Fake::new(), &mut Sink::default(), &options(2, 3)).0.unwrap()
    });
    assert_eq!(report, IngestReport { encoded: 1, failed: 60, ..IngestReport::default() });
}

#[test]
fn a_key_listed_twice_is_encoded_once() {
    let folder = folder(3, &[]);
    let keys = [0, 1, 0, 2, 1].map(name).into();
    let mut sink = Sink::default();
    let images = ImageList::new(folder.path(), keys);
    let report = ingest(&images, &Fake::new(), &mut sink, &options(8, 2), &mut |f| panic!("{f}")).unwrap();
    assert_eq!((report.encoded, sink.keys), (3, [0, 1, 2].map(name).into()));
}

#[test]
fn a_decoding_in_another_programs_words_is_refused_before_any_work() {
    let folder = folder(2, &[]);
    let mut encoder = Fake::new();
    encoder.spec.decoding = "gamma=2.2".to_owned().into();
    let mut sink = Sink::default();
    let (result, failures) = run(folder.path(), &encoder, &mut sink, &options(8, 2));
    assert!(matches!(result, Err(Error::ConfigValue { key, .. }) if key == "decoding"));
    assert_eq!((failures.len(), sink.commits, encoder.batches().len()), (0, 0, 0));
}

#[test]
fn files_above_the_limit_are_not_read() {
    let folder = folder(2, &[]);
    let file = fs::File::create(folder.path().join("large.bmp")).unwrap();
    file.set_len(1 << 40).unwrap();
    let mut options = options(8, 2);
    options.limits = DecodeLimits::default().max_bytes(1000);
    for changes in [ChangeDetection::SizeAndTime, ChangeDetection::Content] {
        options.changes = changes;
        let (report, failures) = run(folder.path(), &Fake::new(), &mut Sink::default(), &options);
        assert_eq!(report.unwrap().encoded, 2);
        assert_eq!((failures.len(), failures[0].stage), (1, Stage::Read));
        assert!(failures[0].reason.contains("1099511627776 bytes"), "{}", failures[0]);
    }
}

#[cfg(unix)]
#[test]
fn links_are_followed_once_and_pipes_are_not_waited_for() {
    use std::os::unix::fs::symlink;
    let (outer, inner) = (folder(2, &[]), folder(3, &[]));
    let at = |name: &str| outer.path().join(name);
    fs::create_dir(at("z")).unwrap();
    fs::write(at("z/tile.BMP"), bitmap([1, 2, 3])).unwrap();
    fs::write(at("z/notes.txt"), "no image").unwrap();
    symlink("z", at("a")).unwrap();
    symlink("..", at("z/loop")).unwrap();
    symlink(inner.path(), at("m")).unwrap();
    symlink(inner.path(), at("n")).unwrap();
    symlink("nowhere", at("dangling.png")).unwrap();
    symlink("/dev/zero", at("endless.png")).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(at("pipe.png")).status().unwrap();
    assert!(pipe.success());
    let images = ImageList::collect(outer.path()).unwrap();
    let expected = [
        "0000.bmp",
        "0001.bmp",
        "dangling.png",
        "endless.png",
        "m/0000.bmp",
        "m/0001.bmp",
        "m/0002.bmp",
        "pipe.png",
        "z/tile.BMP",
    ];
    assert_eq!(images.keys(), expected);
    assert!(images.unlisted().is_empty());
    let failed = in_time(move || {
        let mut failed = Vec::new();
        let report = ingest(&images, &Fake::new(), &mut Sink::default(), &options(4, 2), &mut |f| {
            failed.push((f.key, f.stage));
        });
        assert_eq!(report.unwrap().encoded, 6);
        failed
    });
    let expected = ["dangling.png", "endless.png", "pipe.png"].map(|key| (key.to_string(), Stage::Read));
    assert_eq!(failed, expected);
}
