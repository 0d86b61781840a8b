//! A look at all pixels of a scene, which finds the share of valid pixels of each window and the ends of the stretch.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rscir_core::Stretch;
use rscir_images::tiff::{SampleFormat, SampleType, Tiff, Window};

use super::bands::Colors;
use super::lines::Lines;
use super::number::{Number, each_type};
use super::pixels::{self, WindowSamples};
use super::validity::Validity;
use super::{Pixels, Scene};
use crate::{Error, Result};

/// The result of a look at a scene.
pub(crate) struct Survey {
    /// Share of valid pixels of each window. `None`: a part of the window cannot be read.
    pub(crate) valid: Vec<Option<f64>>,
}

/// The least side in pixels of the rectangles in which a scene is read. They are large, so that few reads begin or end
/// within a block, and small enough to take some ten megabytes of memory.
const CHUNK_SIDE: usize = 1024;

impl Survey {
    /// Counts the valid pixels of `windows`, and finds the ends of the stretch, which are stored in the scene. Pixels
    /// are read only if one of these depends on them. `windows` are in the order of
    /// [`Tiling::windows`](crate::Tiling::windows). `tell` is called with the share of the work that is done.
    ///
    /// # Errors
    /// [`Error::Stopped`] if `is_stopped` returned true.
    pub(crate) fn of(
        scene: &Scene,
        windows: &[Window],
        tell: &(dyn Fn(f64) + Sync),
        is_stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<Self> {
        let (tiff, colors, validity) = match &scene.pixels {
            Pixels::Tiff { tiff, colors, validity, .. } => (tiff, colors, validity),
            Pixels::Decoded(image) => {
                let share = |window: &Window| image.read(*window).ok().map(|read| read.valid);
                return Ok(Self { valid: windows.iter().map(share).collect() });
            }
        };
        let percentiles = match scene.stretch {
            _ if scene.lines.get().is_some() => None,
            Some(Stretch::MinMax) => Some([0.0, 100.0]),
            Some(Stretch::Percentile(low, high)) => Some([low, high].map(f64::from)),
            Some(Stretch::None | Stretch::Range(..)) | None => None,
        };
        let is_all_valid = validity.is_known(tiff);
        if (is_all_valid || windows.is_empty()) && percentiles.is_none() {
            return Ok(Self { valid: vec![Some(1.0); windows.len()] });
        }
        let counts: Vec<AtomicU32> = windows.iter().map(|_| AtomicU32::new(0)).collect();
        // The first look counts the upper halves of ranks. For long types a second one counts the lower halves of the
        // ranks that share their upper half with a percentile.
        let is_short = ranks(tiff.image().sample_type()).0;
        let looks = if percentiles.is_none() || is_short { 1.0 } else { 2.0 };
        let rows = row_groups(windows);
        let pass = Pass { tiff, colors, validity, windows, rows, counts, tell, looks, is_stopped };
        let count = colors.bands().len();
        let histograms = if percentiles.is_some() { count } else { 0 };
        let upper = pass
            .run(0.0, histograms, !is_all_valid, |histogram, band, rank| histogram.add(band, rank >> 16))?;
        if let Some(percentiles) = percentiles {
            let lines = pass.lines(&upper, percentiles, count)?;
            // Another thread may have stored the lines first: they are the same.
            let _ = scene.lines.set(lines);
        }
        let share = |(window, count): (&Window, &AtomicU32)| {
            let count = count.load(Ordering::Relaxed);
            (count & UNREAD == 0).then(|| f64::from(count) / (window.width * window.height) as f64)
        };
        let valid = if is_all_valid {
            vec![Some(1.0); windows.len()]
        } else {
            windows.iter().zip(&pass.counts).map(share).collect()
        };
        Ok(Self { valid })
    }
}

/// The bit that is set in a window's count if a part of the window cannot be read. It is free, since windows have at
/// most 2^28 pixels.
const UNREAD: u32 = 1 << 31;

/// The windows in one row of a grid.
struct RowGroup {
    y: usize,
    height: usize,
    /// Positions of the windows in the list, by ascending column.
    windows: Range<usize>,
}

fn row_groups(windows: &[Window]) -> Vec<RowGroup> {
    let mut groups: Vec<RowGroup> = Vec::new();
    for (at, window) in windows.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| windows[before]);
        match (groups.last_mut(), before) {
            (Some(group), Some(before))
                if group.y == window.y && group.height == window.height && before.x < window.x =>
            {
                group.windows.end = at + 1;
            }
            _ => groups.push(RowGroup { y: window.y, height: window.height, windows: at..at + 1 }),
        }
    }
    groups
}

/// One look at all pixels.
struct Pass<'a> {
    tiff: &'a Tiff,
    colors: &'a Colors,
    validity: &'a Validity,
    windows: &'a [Window],
    rows: Vec<RowGroup>,
    counts: Vec<AtomicU32>,
    /// Receives the share of all looks that is done, from 0 to 1.
    tell: &'a (dyn Fn(f64) + Sync),
    /// Number of looks in all, 1 or 2.
    looks: f64,
    is_stopped: &'a (dyn Fn() -> bool + Sync),
}

/// Several histograms of 65,536 bins each.
struct Histograms {
    bins: Vec<u64>,
}

/// Number of bins of a histogram: one for each value of half a rank.
const BINS: usize = 1 << 16;

impl Histograms {
    fn new(count: usize) -> Self {
        Self { bins: vec![0; count * BINS] }
    }

    fn add(&mut self, histogram: usize, bin: u32) {
        self.bins[histogram * BINS + bin as usize] += 1;
    }

    fn bins(&self, histogram: usize) -> &[u64] {
        &self.bins[histogram * BINS..(histogram + 1) * BINS]
    }

    /// Finds the value at a position in ascending order. Returns its bin, and its position among the values of the bin.
    /// Returns `None` beyond the last value.
    fn find(&self, histogram: usize, mut position: u64) -> Option<(u32, u64)> {
        for (bin, &count) in self.bins(histogram).iter().enumerate() {
            if position < count {
                return Some((bin as u32, position));
            }
            position -= count;
        }
        None
    }
}

/// Returns [`Number::IS_SHORT`] and [`Number::of_rank`] of the type that samples of a file have in memory.
fn ranks(kind: SampleType) -> (bool, fn(u32) -> f64) {
    fn of<T: Number>() -> (bool, fn(u32) -> f64) {
        (T::IS_SHORT, T::of_rank)
    }
    match (kind.format, kind.bits) {
        (SampleFormat::Unsigned, ..=8) => of::<u8>(),
        (SampleFormat::Unsigned, ..=16) => of::<u16>(),
        (SampleFormat::Unsigned, ..=32) => of::<u32>(),
        (SampleFormat::Unsigned, _) => of::<u64>(),
        (SampleFormat::Signed, ..=8) => of::<i8>(),
        (SampleFormat::Signed, ..=16) => of::<i16>(),
        (SampleFormat::Signed, ..=32) => of::<i32>(),
        (SampleFormat::Signed, _) => of::<i64>(),
        (SampleFormat::Float, ..=32) => of::<f32>(),
        (SampleFormat::Float, _) => of::<f64>(),
    }
}

impl Pass<'_> {
    /// Looks at all pixels. `count` adds each measurement of a valid pixel to the histograms, by its band and rank. If
    /// `windows` is true, the valid pixels of the windows are counted. `before` is the number of looks before this one.
    ///
    /// # Errors
    /// [`Error::Stopped`] if the work was stopped.
    fn run(
        &self,
        before: f64,
        histograms: usize,
        windows: bool,
        count: impl Fn(&mut Histograms, usize, u32) + Sync,
    ) -> Result<Histograms> {
        let chunks = self.chunks();
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let total = Mutex::new(Histograms::new(histograms));
        let threads = rayon::current_num_threads().clamp(1, chunks.len().max(1));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let mut own = Histograms::new(histograms);
                    while let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if (self.is_stopped)() {
                            return;
                        }
                        let mut measured = |band: usize, rank: u32| {
                            if histograms > 0 {
                                count(&mut own, band, rank);
                            }
                        };
                        match pixels::read(self.tiff, *chunk, self.colors, self.validity) {
                            Ok(read) => each_type!(&read.samples, samples => {
                                self.look(samples, &read, *chunk, windows, &mut measured);
                            }),
                            // This is no error of the scene: tiles that need the part fail with their names when they
                            // are read.
                            Err(_) => self.each_window(*chunk, |_, _, count| {
                                count.fetch_or(UNREAD, Ordering::Relaxed);
                            }),
                        }
                        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                        (self.tell)((before + done as f64 / chunks.len() as f64) / self.looks);
                    }
                    let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                    total.bins.iter_mut().zip(&own.bins).for_each(|(total, own)| *total += own);
                });
            }
        });
        if (self.is_stopped)() {
            return Err(Error::Stopped);
        }
        Ok(total.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns rectangles that cover the scene, with edges on edges of the file's blocks.
    fn chunks(&self) -> Vec<Window> {
        let image = self.tiff.image();
        let along = |length: usize, block: usize| {
            let side = CHUNK_SIDE.div_ceil(block.max(1)) * block.max(1);
            (0..length).step_by(side).map(move |start| (start, side.min(length - start))).collect::<Vec<_>>()
        };
        let [block_width, block_height] = image.block_size();
        let columns = along(image.width(), block_width);
        let rows = along(image.height(), block_height);
        let of_row = |&(y, height): &(usize, usize)| {
            columns.iter().map(move |&(x, width)| Window::new(x, y, width, height)).collect::<Vec<_>>()
        };
        rows.iter().flat_map(of_row).collect()
    }

    fn look<T: Number>(
        &self,
        samples: &[T],
        read: &WindowSamples,
        chunk: Window,
        windows: bool,
        measured: &mut impl FnMut(usize, u32),
    ) {
        let rule = self.validity.rule::<T>();
        let count = self.colors.bands().len();
        let step = count + usize::from(matches!(self.validity, Validity::Alpha(_)));
        // For each column, the number of valid pixels of the row before it.
        let mut before = vec![0_u32; chunk.width + 1];
        for (row, pixels) in samples.chunks_exact(chunk.width * step).enumerate() {
            let mask = read.mask.get(row * chunk.width..(row + 1) * chunk.width);
            for (column, pixel) in pixels.chunks_exact(step).enumerate() {
                let is_valid = rule.is_valid(pixel, count, mask.is_none_or(|mask| mask[column] != 0));
                before[column + 1] = before[column] + u32::from(is_valid);
                if is_valid {
                    // Infinities do not count: all finite values would be the same between them.
                    let is_counted = |sample: T| rule.is_measured(sample) && !sample.is_infinite();
                    let colors = pixel[..count].iter().enumerate();
                    for (band, sample) in colors.filter(|(_, sample)| is_counted(**sample)) {
                        measured(band, sample.rank());
                    }
                }
            }
            if windows {
                let line = Window::new(chunk.x, chunk.y + row, chunk.width, 1);
                self.each_window(line, |from, to, count| {
                    let valid = before[to - chunk.x] - before[from - chunk.x];
                    if valid > 0 {
                        count.fetch_add(valid, Ordering::Relaxed);
                    }
                });
            }
        }
    }

    /// Calls `each` for every window that overlaps with a rectangle, with the first and the end of their common columns
    /// and with the window's count.
    fn each_window(&self, part: Window, mut each: impl FnMut(usize, usize, &AtomicU32)) {
        let end = part.x + part.width;
        let touches = |group: &&RowGroup| group.y < part.y + part.height && part.y < group.y + group.height;
        for group in self.rows.iter().filter(touches) {
            let windows = &self.windows[group.windows.clone()];
            let first = windows.partition_point(|window| window.x + window.width <= part.x);
            for (window, count) in windows.iter().zip(&self.counts[group.windows.clone()]).skip(first) {
                if window.x >= end {
                    break;
                }
                each(part.x.max(window.x), end.min(window.x + window.width), count);
            }
        }
    }

    /// Finds the values at two percentiles of each band in use.
    ///
    /// # Errors
    /// [`Error::Stopped`] if the work was stopped.
    fn lines(&self, upper: &Histograms, percentiles: [f64; 2], bands: usize) -> Result<Lines> {
        // The nearest rank is taken, as for images, so that the result is a value of the scene.
        let find = |band: usize, percent: f64| {
            let last = upper.bins(band).iter().sum::<u64>().checked_sub(1)?;
            upper.find(band, (percent / 100.0 * last as f64).round() as u64)
        };
        // Two entries for each band, in the order of the bands.
        let found: Vec<Option<(u32, u64)>> =
            (0..bands).flat_map(|band| percentiles.map(|percent| find(band, percent))).collect();
        let (is_short, of_rank) = ranks(self.tiff.image().sample_type());
        let lower = if is_short || found.iter().all(Option::is_none) {
            None
        } else {
            // Each percentile has a histogram of the values that share the upper half of its rank.
            let count = |histograms: &mut Histograms, band: usize, rank: u32| {
                for at in [band * 2, band * 2 + 1] {
                    if found[at].is_some_and(|(upper, _)| upper == rank >> 16) {
                        histograms.add(at, rank & 0xffff);
                    }
                }
            };
            Some(self.run(1.0, found.len(), false, count)?)
        };
        let value = |at: usize| {
            let Some((upper, position)) = found[at] else { return 0.0 };
            let bin = lower.as_ref().and_then(|lower| lower.find(at, position)).map_or(0, |(bin, _)| bin);
            of_rank(upper << 16 | bin)
        };
        let first = |color: usize| if bands == 1 { 0 } else { color * 2 };
        let colors = 0..bands.max(3);
        Ok(Lines {
            low: colors.clone().map(|color| value(first(color))).collect(),
            high: colors.map(|color| value(first(color) + 1)).collect(),
        })
    }
}
