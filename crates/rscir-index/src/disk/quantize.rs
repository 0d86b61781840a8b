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

/// Rows of a segment from which on it gets 8-bit copies and a file of its keys: those of a smaller one are multiplied and
/// looked through in a fraction of a millisecond.
pub(crate) const MIN_SEGMENT_ROWS: usize = 1024;

impl ArchiveWriter {
    /// Keeps 8-bit copies of the rows beside them, so that the first search after opening reads a quarter of the bytes, and
    /// returns for how many rows copies were made now. Answers are the same with them and without.
    ///
    /// The copies of a segment are made once, and those that are there stay: after a commit or a compaction only new segments
    /// get some. They take a quarter of what rows take in `f32`. The moments of the segments are merged and kept as well, which
    /// the first search asks for. An archive of less than 10,000 rows, where they do not pay, gets
    /// none, and one of 8-bit rows needs none.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged) if a segment is not what was written; [`Error::Io`](crate::Error::Io),
    /// [`Error::Poisoned`](crate::Error::Poisoned). The rows stay as they are, and so do copies that were made before.
    pub fn quantize(&mut self) -> Result<usize> {
        self.quantize_up_to(usize::MAX)
    }

    /// [`ArchiveWriter::quantize`], as long as that takes no more than `most` rows: the work after a few new rows is little.
    ///
    /// # Errors
    /// As [`ArchiveWriter::quantize`].
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
            // Bounds that are made of damaged rows would hide others for ever.
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

/// A row as `f32`.
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

/// The mean of all rows of a segment.
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
