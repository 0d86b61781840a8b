//! Tests an ingest on threads of its own, with other work beside it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use rayon::prelude::*;
use rscir_core::{
    EmbeddingSink, Embeddings, EncoderSpec, Fingerprint, ImageEncoder, PixelBatch, Result, RgbImage, RgbView,
    SinkRow,
};
use rscir_images::{IngestOptions, MemoryImages, ingest_source};

/// Encodes an image as its first pixel, and records how many threads it could use.
struct Counting {
    spec: EncoderSpec,
    seen: Mutex<HashSet<usize>>,
    /// Occupies all its threads until this is true.
    released: AtomicBool,
    /// Receives a message once all threads are occupied.
    busy: Mutex<Option<mpsc::Sender<()>>>,
}

impl Counting {
    fn new(released: bool, busy: Option<mpsc::Sender<()>>) -> Self {
        Self {
            spec: EncoderSpec::unknown(3),
            seen: Mutex::default(),
            released: released.into(),
            busy: Mutex::new(busy),
        }
    }
}

impl ImageEncoder for Counting {
    fn spec(&self) -> &EncoderSpec {
        &self.spec
    }

    fn input_size(&self) -> usize {
        1
    }

    fn prepare(&self, image: RgbView<'_>, out: &mut [u8]) -> Result<()> {
        out.copy_from_slice(&image.data()[..3]);
        Ok(())
    }

    fn encode_pixels(&self, batch: PixelBatch<'_>) -> Result<Embeddings> {
        self.seen.lock().unwrap().insert(rayon::current_num_threads());
        if !self.released.load(Ordering::SeqCst) {
            rayon::broadcast(|_| {
                if let Some(busy) = self.busy.lock().unwrap().take() {
                    busy.send(()).unwrap();
                }
                while !self.released.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        let values: Vec<f32> = batch.data().par_iter().map(|&value| f32::from(value) + 1.0).collect();
        Embeddings::normalize(3, values)
    }
}

/// Keeps rows, and records how many threads it could use.
#[derive(Default)]
struct Rows {
    rows: Vec<(String, Vec<f32>)>,
    seen: HashSet<usize>,
}

impl EmbeddingSink for Rows {
    fn fingerprint(&self, _: &str) -> Option<Fingerprint> {
        None
    }

    fn commit(&mut self, rows: &[SinkRow<'_>], embeddings: &Embeddings) -> Result<()> {
        self.seen.insert(rayon::current_num_threads());
        let vectors = (0..rows.len()).map(|row| embeddings.row(row).to_vec());
        self.rows.extend(rows.iter().map(|row| row.key.to_owned()).zip(vectors));
        Ok(())
    }
}

fn images() -> MemoryImages {
    let image = |level: u8| RgbImage { width: 1, height: 1, data: vec![level, 7, 9] };
    (0..50).map(|level| (format!("{level:02}"), image(level))).collect()
}

fn ingest(encoder: &Counting, sink: &mut Rows, options: &IngestOptions<'_>) {
    let report = ingest_source(&images(), encoder, sink, options, &mut |failure| panic!("{failure}"));
    assert_eq!(report.unwrap().encoded, 50);
}

#[test]
fn an_ingest_with_threads_of_its_own_encodes_and_writes_on_these_alone() {
    let mut first = Vec::new();
    for threads in [1, 2, 5] {
        let (encoder, mut sink) = (Counting::new(true, None), Rows::default());
        ingest(&encoder, &mut sink, &IngestOptions::default().batch(8).threads(threads));
        assert_eq!(*encoder.seen.lock().unwrap(), HashSet::from([threads]));
        assert_eq!(sink.seen, HashSet::from([threads]));
        if first.is_empty() {
            first.clone_from(&sink.rows);
        }
        assert_eq!(sink.rows, first, "{threads} threads");
    }
    // Without the option the ingest runs on the caller's threads.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let (encoder, mut sink) = (Counting::new(true, None), Rows::default());
    pool.install(|| ingest(&encoder, &mut sink, &IngestOptions::default()));
    assert_eq!(*encoder.seen.lock().unwrap(), HashSet::from([3]));
    assert_eq!((sink.rows, sink.seen), (first, HashSet::from([3])));
}

#[test]
fn what_runs_beside_an_ingest_on_its_own_threads_does_not_wait_for_it() {
    let (busy, is_busy) = mpsc::channel();
    let (done, is_done) = mpsc::channel();
    let encoder = Counting::new(false, Some(busy));
    std::thread::scope(|scope| {
        scope.spawn(|| ingest(&encoder, &mut Rows::default(), &IngestOptions::default().threads(2)));
        is_busy.recv().unwrap();
        scope.spawn(move || done.send((0..10_000u64).into_par_iter().sum::<u64>()));
        // If threads were shared, the sum would wait for the release.
        let sum = is_done.recv_timeout(Duration::from_secs(20));
        encoder.released.store(true, Ordering::SeqCst);
        assert_eq!(sum, Ok(49_995_000));
    });
}
