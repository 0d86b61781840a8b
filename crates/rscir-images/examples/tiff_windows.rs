//! Reads a TIFF file in overlapping square windows by several threads, as tiles of a scene are made, and prints the time.
//! `scripts/tiff_windows.py` compares it with that of other readers.
//!
//! `tiff_windows FILE SIDE OVERLAP THREADS CACHE_MIB` prints a line of JSON: number of windows, sum of all samples,
//! seconds.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use rscir_images::tiff::{BlockCache, Samples, Tiff, Window};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, side, overlap, threads, cache] = &arguments[..] else {
        return Err("the arguments are FILE SIDE OVERLAP THREADS CACHE_MIB".into());
    };
    let (side, overlap): (usize, f64) = (side.parse()?, overlap.parse()?);
    let (threads, cache): (usize, u64) = (threads.parse()?, cache.parse()?);
    let tiff = Tiff::open_cached(file, Arc::new(BlockCache::new(cache << 20)))?;
    let image = tiff.image();
    let bands: Vec<usize> = (0..image.bands()).collect();
    let columns = origins(image.width(), side, overlap);
    let rows = origins(image.height(), side, overlap);
    let windows: Vec<Window> = rows
        .iter()
        .flat_map(|y| columns.iter().map(move |x| (*x, *y)))
        .map(|(x, y)| Window::new(x, y, side.min(image.width()), side.min(image.height())))
        .collect();
    let (next, sum) = (AtomicUsize::new(0), AtomicU64::new(0));
    let start = Instant::now();
    let work = || -> rscir_images::Result<()> {
        while let Some(window) = windows.get(next.fetch_add(1, Ordering::Relaxed)) {
            sum.fetch_add(total(&image.read_window(*window, &bands)?), Ordering::Relaxed);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or(Ok(())))
    })?;
    let seconds = start.elapsed().as_secs_f64();
    println!(r#"{{"windows": {}, "sum": {}, "seconds": {seconds:.2}}}"#, windows.len(), sum.into_inner());
    Ok(())
}

/// Returns the beginnings of the windows: multiples of the stride, and one more window at the edge if the last does not
/// reach it.
fn origins(size: usize, side: usize, overlap: f64) -> Vec<usize> {
    let stride = ((side as f64 * (1.0 - overlap)).round() as usize).max(1);
    let last = size.saturating_sub(side);
    let mut origins: Vec<usize> = (0..=last).step_by(stride).collect();
    if origins.last() != Some(&last) {
        origins.push(last);
    }
    origins
}

/// Returns the sum of samples that are integers, or the number of other samples.
fn total(samples: &Samples) -> u64 {
    match samples {
        Samples::U8(values) => values.iter().map(|value| u64::from(*value)).sum(),
        Samples::U16(values) => values.iter().map(|value| u64::from(*value)).sum(),
        other => other.len() as u64,
    }
}
