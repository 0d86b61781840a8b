use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::prelude::*;
use rscir_core::{
    Archive, ColumnType, ColumnValues, EncoderSpec, Fingerprint, Moments, Precision, QuantizedPart,
    QuantizedRun, Queries, Scored, Value,
};

use crate::columns::Schema;
use crate::disk::directory::{Access, Directory};
use crate::disk::manifest::{Manifest, RowOrder, SegmentEntry};
use crate::disk::quantize::MIN_SEGMENT_ROWS;
use crate::disk::quantized_file::QuantizedFile;
use crate::disk::runs::{Run, runs};
use crate::disk::segment::{Row, SEGMENT_ROWS, Segment};
use crate::key_index::KeyIndex;
use crate::moments::{add, moments_of, without};
use crate::product::similarities;
use crate::rows::{RowBlock, StoredRows};
use crate::search::nearest;
use crate::storage::{FileStorage, Storage};
use crate::{Error, Result};

/// Rows of the largest archive whose keys and columns are checked when it is opened, which takes some milliseconds.
const CHECKED_ROWS: usize = SEGMENT_ROWS;

/// An archive on disk, as it was when it was opened.
///
/// Vectors are read where they lie, in a mapped file, when they are looked at: an archive may be larger than memory. A
/// writer may commit and compact meanwhile; this value does not change.
///
/// Opening looks at the manifest and at the header of each segment, and finds what is missing, cut off or of another shape.
/// Keys and values of columns are looked at as well in an archive of up to 65,536 rows. In a larger one, which opens in the
/// same time whatever the number of its rows, they are when they are asked for: a search refuses a damaged key, a filter a
/// damaged column ([`Archive::checked_key`], [`Archive::check_column`]). Only [`verify`](crate::verify) reads every byte.
pub struct DiskArchive {
    directory: Directory,
    access: Access,
    pub(crate) manifest: Manifest,
    segments: Vec<Segment>,
    runs: Vec<Run>,
    len: usize,
    schema: Schema,
    /// Names of the columns that are known to be sound; nothing is left to check without them.
    sound_columns: Option<Mutex<BTreeSet<String>>>,
    index: OnceLock<KeyIndex>,
    moments: OnceLock<Moments>,
    /// 8-bit copies of segments, and which of their rows are whose of this archive.
    quantized: OnceLock<Vec<(QuantizedFile, Vec<QuantizedRun>)>>,
}

impl fmt::Debug for DiskArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskArchive")
            .field("path", &self.path())
            .field("rows", &self.len)
            .field("dim", &self.manifest.spec.dim)
            .field("precision", &self.manifest.precision)
            .finish_non_exhaustive()
    }
}

impl DiskArchive {
    /// Opens the archive in `dir`, its vectors mapped.
    ///
    /// # Errors
    /// [`Error::NotFound`] without an archive, [`Error::Version`] for a newer one; for a damaged one
    /// [`Error::Damaged`], [`Error::MissingSegment`], [`Error::FileSize`] and others, all with the file's path.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(Arc::new(FileStorage), dir)
    }

    /// As [`DiskArchive::open`], on a storage of your own.
    ///
    /// # Errors
    /// As [`DiskArchive::open`].
    pub fn open_with(storage: Arc<dyn Storage>, dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_directory(Directory::new(storage, dir.as_ref()), Access::Map)
    }

    /// Reads the whole archive in `dir` into memory: the first search is then as fast as the next.
    ///
    /// # Errors
    /// As [`DiskArchive::open`].
    pub fn load(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_directory(Directory::new(Arc::new(FileStorage), dir.as_ref()), Access::Read)
    }

    /// Opens the archive as it is now, if a writer has changed it since this snapshot was taken.
    ///
    /// This value stays what it is: a server puts the new one in its place and lets searches under way end on the old.
    ///
    /// # Errors
    /// As [`DiskArchive::open`].
    pub fn newer(&self) -> Result<Option<Self>> {
        let bytes = self.directory.manifest_bytes()?;
        let manifest = Manifest::from_bytes(&bytes, &self.directory.manifest_path())?;
        if manifest == self.manifest {
            return Ok(None);
        }
        Self::open_directory(self.directory.clone(), self.access).map(Some)
    }

    /// Takes what a writer has changed since the snapshot was taken, and returns true if that is anything.
    ///
    /// # Errors
    /// As [`DiskArchive::open`]; the snapshot stays what it is then.
    pub fn refresh(&mut self) -> Result<bool> {
        let newer = self.newer()?;
        Ok(newer.map(|newer| *self = newer).is_some())
    }

    fn open_directory(directory: Directory, access: Access) -> Result<Self> {
        let mut bytes = directory.manifest_bytes()?;
        loop {
            let manifest = Manifest::from_bytes(&bytes, &directory.manifest_path())?;
            let checked = access == Access::Read || manifest.rows() <= CHECKED_ROWS;
            match view_segments(&directory, &manifest, access, checked) {
                Ok(segments) => {
                    directory.let_go();
                    return Self::new(directory, manifest, segments, access, checked);
                }
                Err(error @ Error::MissingSegment { .. }) => {
                    // A writer may have compacted, and removed the files, since the manifest was read.
                    let now = directory.manifest_bytes()?;
                    if *now == *bytes {
                        return Err(error);
                    }
                    bytes = now;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn new(
        directory: Directory,
        manifest: Manifest,
        segments: Vec<Segment>,
        access: Access,
        checked: bool,
    ) -> Result<Self> {
        let schema = Schema::of(segments.iter().flat_map(Segment::columns))
            .map_err(|error| error.in_file(&directory.manifest_path()))?;
        let runs = runs(&manifest, &segments);
        let len = runs.last().map_or(0, |run| run.first_row + run.rows.len());
        let sound_columns = (!checked).then(Mutex::default);
        let (index, moments, quantized) = Default::default();
        Ok(Self {
            directory,
            access,
            manifest,
            segments,
            runs,
            len,
            schema,
            sound_columns,
            index,
            moments,
            quantized,
        })
    }

    /// The folder it lies in.
    pub fn path(&self) -> &Path {
        self.directory.root()
    }

    /// The format of its rows.
    pub fn precision(&self) -> Precision {
        self.manifest.precision
    }

    /// The folders that the rows are from, absolute paths; empty if that is not known.
    pub fn roots(&self) -> &[String] {
        &self.manifest.roots
    }

    /// The order in which its rows are numbered.
    pub fn order(&self) -> RowOrder {
        self.manifest.order
    }

    /// What the row was encoded from.
    ///
    /// # Panics
    /// If `row` is not below [`Archive::len`], as a slice does.
    pub fn fingerprint(&self, row: usize) -> Fingerprint {
        let (segment, row) = self.locate(row);
        segment.fingerprint(row)
    }

    /// All rows, in order, as they are stored: for a search of your own.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = RowBlock<'_>> {
        self.runs.iter().map(|run| RowBlock {
            first_row: run.first_row,
            len: run.rows.len(),
            rows: self.segments[run.segment].stored().slice(self.dim(), run.rows.clone()),
        })
    }

    /// A row, on its way into a segment of another archive.
    pub(crate) fn stored_row(&self, row: usize) -> Row<'_> {
        let (segment, row) = self.locate(row);
        segment.row(row)
    }

    /// Reads every segment whole and refuses one that is not what was written.
    pub(crate) fn check_segments(&self) -> Result<()> {
        self.segments.par_iter().zip(&self.manifest.segments).try_for_each(|(segment, entry)| {
            segment.check(&entry.sha256, &self.directory.segment_path(&entry.sha256))
        })
    }

    /// Looks at the keys and the columns of every segment, as opening a small archive does.
    pub(crate) fn check_rows(&self) -> Result<()> {
        self.segments
            .iter()
            .enumerate()
            .try_for_each(|(at, segment)| segment.check_rows(&self.segment_path(at)))
    }

    /// Lets go of what was looked at in the segments.
    pub(crate) fn release(&self) {
        self.segments.iter().for_each(Segment::release);
    }

    /// Opens the 8-bit copies that there are. A file that is none of its segment's is passed over: [`verify`](crate::verify)
    /// names it.
    fn open_quantized(&self) -> Vec<(QuantizedFile, Vec<QuantizedRun>)> {
        let mut runs = vec![Vec::new(); self.segments.len()];
        for run in &self.runs {
            runs[run.segment].push(QuantizedRun { rows: run.rows.clone(), first_row: run.first_row });
        }
        let mut opened = Vec::new();
        for (entry, mut runs) in self.manifest.segments.iter().zip(runs) {
            if entry.rows < MIN_SEGMENT_ROWS {
                continue;
            }
            if let Ok(Some(file)) =
                self.directory.open_quantized(&entry.sha256, entry.rows, self.manifest.spec.dim, self.access)
            {
                runs.sort_unstable_by_key(|run| run.rows.start);
                opened.push((file, runs));
            }
        }
        self.directory.let_go();
        opened
    }

    /// The segment that holds a row, and its row there.
    fn locate(&self, row: usize) -> (&Segment, usize) {
        let (segment, row) = self.place(row);
        (&self.segments[segment], row)
    }

    /// The number of the segment that holds a row, and its row there.
    fn place(&self, row: usize) -> (usize, usize) {
        assert!(row < self.len, "row {row} of an archive of {} rows", self.len);
        let run = &self.runs[self.runs.partition_point(|run| run.first_row <= row) - 1];
        (run.segment, run.rows.start + row - run.first_row)
    }

    fn segment_path(&self, segment: usize) -> PathBuf {
        self.directory.segment_path(&self.manifest.segments[segment].sha256)
    }

    /// Segments with many rows carry their moments; the deleted rows of those are taken out, and the rows of the
    /// others added.
    fn compute_moments(&self) -> Moments {
        let dim = self.dim();
        let mut whole = Moments::empty(dim);
        let mut scanned = Vec::new();
        for (segment, entry) in self.segments.iter().zip(&self.manifest.segments) {
            // Most rows deleted: scanning the rest is cheaper and rounds less.
            let stored = if entry.deleted.len() <= entry.live() { segment.moments() } else { None };
            if let Some(stored) = stored {
                let deleted = rows_of(segment, entry.deleted.ranges());
                add(&mut whole, &without(&stored, &moments_of_rows(dim, &deleted)));
            } else {
                scanned.extend(rows_of(segment, entry.deleted.gaps(entry.rows)));
            }
        }
        add(&mut whole, &moments_of_rows(dim, &scanned));
        whole
    }
}

/// Opens all segments of a manifest.
fn view_segments(
    directory: &Directory,
    manifest: &Manifest,
    access: Access,
    checked: bool,
) -> Result<Vec<Segment>> {
    let view = |entry: &SegmentEntry| {
        let segment = directory.view_segment(entry, manifest.precision, manifest.spec.dim, access)?;
        if checked {
            segment.check_rows(&directory.segment_path(&entry.sha256))?;
        }
        Ok(segment)
    };
    manifest.segments.iter().map(view).collect()
}

fn rows_of(segment: &Segment, ranges: impl Iterator<Item = Range<usize>>) -> Vec<StoredRows<'_>> {
    ranges.flatten().map(|row| segment.vector(row)).collect()
}

fn moments_of_rows(dim: usize, rows: &[StoredRows<'_>]) -> Moments {
    moments_of(dim, 0..rows.len(), &|range, out| {
        for (row, out) in rows[range].iter().zip(out.chunks_exact_mut(dim.max(1))) {
            row.widen(dim, out);
        }
    })
}

impl Archive for DiskArchive {
    fn spec(&self) -> &EncoderSpec {
        &self.manifest.spec
    }

    fn len(&self) -> usize {
        self.len
    }

    fn key(&self, row: usize) -> &str {
        let (segment, row) = self.locate(row);
        segment.key(row)
    }

    fn checked_key(&self, row: usize) -> rscir_core::Result<&str> {
        let (segment, row) = self.place(row);
        let wrong = || Error::SegmentKey { path: self.segment_path(segment), row };
        Ok(self.segments[segment].sound_key(row).ok_or_else(wrong)?)
    }

    /// The first call builds a hash table over the keys.
    fn find(&self, key: &str) -> Option<usize> {
        self.index.get_or_init(|| KeyIndex::new(self.len, |row| self.key(row))).find(key, |row| self.key(row))
    }

    fn vector(&self, row: usize) -> Cow<'_, [f32]> {
        let (segment, row) = self.locate(row);
        match segment.vector(row) {
            StoredRows::F32(values) => values.into(),
            stored => {
                let mut values = vec![0.0; self.dim()];
                stored.widen(self.dim(), &mut values);
                values.into()
            }
        }
    }

    fn similarities(&self, queries: Queries<'_>, scores: &mut [f32]) -> rscir_core::Result<()> {
        queries.check(self.dim(), self.len, scores)?;
        self.segments.iter().for_each(Segment::expect_scan);
        similarities(self.blocks(), queries, scores);
        Ok(())
    }

    /// Put together when first asked for. A compacted archive carries what is needed but for the rows of its last
    /// segment, and no vector is read; otherwise the rows of small segments are.
    fn moments(&self) -> &Moments {
        self.moments.get_or_init(|| self.compute_moments())
    }

    fn nearest(&self, queries: Queries<'_>, k: usize) -> rscir_core::Result<Vec<Vec<Scored>>> {
        nearest(self, queries, k)
    }

    /// Opened when first asked for.
    fn quantized(&self) -> Vec<QuantizedPart<'_>> {
        let opened = self.quantized.get_or_init(|| self.open_quantized());
        opened.iter().map(|(file, runs)| file.part(runs)).collect()
    }

    fn columns(&self) -> Vec<(&str, ColumnType)> {
        self.schema.types()
    }

    /// Read where the values lie, as the vectors are.
    fn column(&self, name: &str) -> Option<ColumnValues<'_>> {
        let name = self.schema.name(name)?;
        let mut fetched = vec![false; self.segments.len()];
        Some(Box::new(self.runs.iter().flat_map(move |run| {
            let segment = &self.segments[run.segment];
            let column = segment.column(name);
            if let (Some(column), false) = (column, std::mem::replace(&mut fetched[run.segment], true)) {
                segment.fetch_column(column);
            }
            run.rows.clone().map(move |row| column?.value(segment.bytes(), row))
        })))
    }

    /// The first call for a column of a large archive reads all its values.
    fn check_column(&self, name: &str) -> rscir_core::Result<()> {
        let Some(sound) = &self.sound_columns else { return Ok(()) };
        let sound = || sound.lock().unwrap_or_else(PoisonError::into_inner);
        if sound().contains(name) {
            return Ok(());
        }
        let check = |(at, segment): (usize, &Segment)| {
            let Some(column) = segment.column(name) else { return Ok(()) };
            segment.fetch_column(column);
            column.check(segment.bytes(), &self.segment_path(at))
        };
        self.segments.par_iter().enumerate().map(check).collect::<Result<Vec<()>>>()?;
        sound().insert(name.into());
        Ok(())
    }

    fn value(&self, name: &str, row: usize) -> Option<Value<'_>> {
        let (segment, row) = self.locate(row);
        segment.value(name, row)
    }
}
