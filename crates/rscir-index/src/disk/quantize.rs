use std::borrow::Cow;

use rscir_core::Precision;

use crate::Result;
use crate::disk::directory::Access;
use crate::disk::segment::Segment;
use crate::disk::writer::ArchiveWriter;
use crate::disk::{merged_moments, quantized_file};
use crate::int8::RowCodes;
use crate::rows::StoredRows;
use crate::searcher::MIN_ROWS;

/// Smallest number of rows of a segment that gets 8-bit copies and a file of its keys. A scan of fewer rows and a
/// search of their keys take a fraction of a millisecond.
pub(crate) const MIN_SEGMENT_ROWS: usize = 1024;

impl ArchiveWriter {
    /// Stores 8-bit copies of the rows beside them, so that the first search after opening reads a quarter of the
    /// bytes. Returns the number of rows for which copies were made. Answers are the same with and without
    /// copies.
    ///
    /// Copies of a segment are made once and stay: after a commit or a compaction, only new segments get copies.
    /// They take a quarter of the bytes of the rows in `f32`. The merged moments of the segments, which the first
    /// search needs, are stored as well. An archive of fewer than 10,000 rows, for which scans are fast, and an
    /// archive of 8-bit rows get no copies.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged) if a segment is damaged; [`Error::Io`](crate::Error::Io) if a
    /// file cannot be written; [`Error::LockLost`](crate::Error::LockLost) or
    /// [`Error::Poisoned`](crate::Error::Poisoned) after an earlier error of that kind. The rows are unchanged
    /// then, and copies that were made stay.
    pub fn quantize(&mut self) -> Result<usize> {
        self.quantize_up_to(usize::MAX)
    }

    /// Stores copies like [`ArchiveWriter::quantize`], for at most `most` rows, so that the work after a few new
    /// rows is small. Segments with more rows than are left of `most` get none.
    ///
    /// # Errors
    /// The errors of [`ArchiveWriter::quantize`].
    pub fn quantize_up_to(&mut self, most: usize) -> Result<usize> {
        self.check_health()?;
        if self.len() < MIN_ROWS || self.precision() == Precision::I8 {
            return Ok(0);
        }
        let mut made = 0;
        for position in 0..self.segments.len() {
            let entry = &self.manifest.segments[position];
            if entry.rows < MIN_SEGMENT_ROWS || entry.rows > most - made {
                continue;
            }
            let (digest, rows, dim) = (entry.sha256, entry.rows, self.spec().dim);
            if matches!(self.directory.open_quantized(&digest, rows, dim, Access::Map), Ok(Some(_))) {
                continue;
            }
            // Bounds made from damaged rows would hide rows for good.
            self.check_copied([position].into_iter())?;
            let segment = &self.segments[position].segment;
            let codes = RowCodes::of_rows(rows, center(segment, rows, dim), &|row| wide(segment, row, dim))?;
            segment.release();
            let path = self.directory.quantized_path(&digest);
            let written =
                self.directory.write_derived(&path, |out| quantized_file::write(out, &digest, &codes));
            self.note_doubt(written)?;
            made += rows;
        }
        let segments: Vec<&Segment> = self.segments.iter().map(|s| &s.segment).collect();
        let kept = merged_moments::keep(&self.directory, &self.manifest, &segments, most);
        let kept = self.note_doubt(kept)?;
        if made > 0 || kept {
            let synced = self.directory.sync_segments();
            self.note_doubt(synced)?;
        }
        Ok(made)
    }
}

/// Returns a row as `f32`.
fn wide(segment: &Segment, row: usize, dim: usize) -> Cow<'_, [f32]> {
    match segment.vector(row) {
        StoredRows::F32(values) => values.into(),
        stored => {
            let mut values = vec![0.0; dim];
            stored.widen(dim, &mut values);
            values.into()
        }
    }
}

/// Computes the mean of all rows of a segment.
fn center(segment: &Segment, rows: usize, dim: usize) -> Vec<f32> {
    if let Some(moments) = segment.moments() {
        return moments.mean().iter().map(|&mean| mean as f32).collect();
    }
    let mut sum = vec![0.0f64; dim];
    for row in 0..rows {
        sum.iter_mut().zip(&*wide(segment, row, dim)).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    sum.into_iter().map(|sum| (sum / rows.max(1) as f64) as f32).collect()
}
