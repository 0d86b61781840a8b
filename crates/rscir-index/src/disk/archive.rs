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
use crate::disk::key_file::KeyFile;
use crate::disk::key_lookup::KeyLookup;
use crate::disk::manifest::{Manifest, RowOrder, SegmentEntry};
use crate::disk::merged_moments;
use crate::disk::quantize::MIN_SEGMENT_ROWS;
use crate::disk::quantized_file::QuantizedFile;
use crate::disk::runs::{Run, runs};
use crate::disk::segment::{Row, SEGMENT_ROWS, Segment};
use crate::product::similarities;
use crate::rows::{RowBlock, StoredRows};
use crate::search::nearest;
use crate::storage::{FileStorage, Storage};
use crate::{Error, Result};

/// Rows of the largest archive whose keys and columns are checked when it is opened. The check takes some
/// milliseconds.
const CHECKED_ROWS: usize = SEGMENT_ROWS;

/// A snapshot of an archive on disk, taken when it was opened.
///
/// Vectors stay in mapped files and are read when they are used, so an archive may be larger than memory. A
/// writer may commit and compact meanwhile; the snapshot does not change.
///
/// Opening reads the manifest and the header of each segment, and finds segments that are missing, cut off or of
/// another shape. In an archive of at most 65,536 rows it also checks all keys and columns. A larger archive
/// opens in the same time whatever the number of its rows, and its keys and columns are checked when they are
/// used: a search returns an error for a damaged key, a filter for a damaged column ([`Archive::checked_key`],
/// [`Archive::check_column`]). Only [`verify`](crate::verify) reads every byte.
pub struct DiskArchive {
    directory: Directory,
    access: Access,
    pub(crate) manifest: Manifest,
    segments: Vec<Segment>,
    runs: Vec<Run>,
    len: usize,
    schema: Schema,
    /// Names of the columns that were checked. `None` if opening has checked all columns.
    sound_columns: Option<Mutex<BTreeSet<String>>>,
    /// For each segment, the runs of its rows in the archive, by ascending row of the segment.
    runs_of: OnceLock<Vec<Vec<QuantizedRun>>>,
    /// For each segment, the file that finds its rows by key, if there is one.
    key_files: OnceLock<Vec<Option<KeyFile>>>,
    lookup: OnceLock<KeyLookup>,
    moments: OnceLock<Moments>,
    /// 8-bit copies of segments, with the segments' numbers.
    quantized: OnceLock<Vec<(usize, QuantizedFile)>>,
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
    /// Opens the archive in the folder `dir`, and maps its vectors.
    ///
    /// # Errors
    /// [`Error::NotFound`] if `dir` holds no archive; [`Error::Version`] if it is of a newer format;
    /// [`Error::Damaged`], [`Error::MissingSegment`], [`Error::FileSize`] and others with the path of the file if
    /// it is damaged; [`Error::Io`] if a file cannot be read.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(Arc::new(FileStorage), dir)
    }

    /// Opens an archive like [`DiskArchive::open`], on another storage than the file system.
    ///
    /// # Errors
    /// The errors of [`DiskArchive::open`].
    pub fn open_with(storage: Arc<dyn Storage>, dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_directory(Directory::new(storage, dir.as_ref()), Access::Map)
    }

    /// Reads the whole archive in the folder `dir` into memory, so that the first search is as fast as later
    /// ones.
    ///
    /// # Errors
    /// The errors of [`DiskArchive::open`].
    pub fn load(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_directory(Directory::new(Arc::new(FileStorage), dir.as_ref()), Access::Read)
    }

    /// Takes a new snapshot of the archive. Returns `None` if no writer has changed it since this one was taken.
    ///
    /// This snapshot stays the same, so a server can replace it while searches on it are under way.
    ///
    /// # Errors
    /// The errors of [`DiskArchive::open`].
    pub fn newer(&self) -> Result<Option<Self>> {
        let bytes = self.directory.manifest_bytes()?;
        let manifest = Manifest::from_bytes(&bytes, &self.directory.manifest_path())?;
        if manifest == self.manifest {
            return Ok(None);
        }
        Self::open_directory(self.directory.clone(), self.access).map(Some)
    }

    /// Replaces the snapshot by a new one if a writer has changed the archive. Tells whether it has.
    ///
    /// # Errors
    /// The errors of [`DiskArchive::open`]; the snapshot stays the same then.
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
                    // A writer may have compacted the archive and removed files since the manifest was read.
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
        let sound_columns = (!checked).then(Mutex::default);
        let (runs, len) = Default::default();
        let (runs_of, key_files, lookup, moments, quantized) = Default::default();
        let mut archive = Self {
            directory,
            access,
            manifest,
            segments,
            runs,
            len,
            schema,
            sound_columns,
            runs_of,
            key_files,
            lookup,
            moments,
            quantized,
        };
        // Keys that opening has checked are in memory, so that no files are needed to order them.
        let ordered_by_files = !checked && archive.order() == RowOrder::Key;
        let files = if ordered_by_files { archive.key_files() } else { &[] };
        archive.runs = self::runs(&archive.manifest, &archive.segments, files);
        archive.len = archive.runs.last().map_or(0, |run| run.first_row + run.rows.len());
        Ok(archive)
    }

    /// Returns the folder of the archive.
    pub fn path(&self) -> &Path {
        self.directory.root()
    }

    /// Returns the number format of the stored rows.
    pub fn precision(&self) -> Precision {
        self.manifest.precision
    }

    /// Returns the absolute paths of the folders that the rows come from; empty if they are unknown.
    pub fn roots(&self) -> &[String] {
        &self.manifest.roots
    }

    /// Returns the order in which the rows are numbered.
    pub fn order(&self) -> RowOrder {
        self.manifest.order
    }

    /// Returns the fingerprint of the item that a row was encoded from.
    ///
    /// # Panics
    /// If `row` is not below [`Archive::len`].
    pub fn fingerprint(&self, row: usize) -> Fingerprint {
        let (segment, row) = self.locate(row);
        segment.fingerprint(row)
    }

    /// Iterates over all rows in order, in the format in which they are stored.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = RowBlock<'_>> {
        self.runs.iter().map(|run| RowBlock {
            first_row: run.first_row,
            len: run.rows.len(),
            rows: self.segments[run.segment].stored().slice(self.dim(), run.rows.clone()),
        })
    }

    /// Returns a row in the form in which it is written into a segment of another archive.
    pub(crate) fn stored_row(&self, row: usize) -> Row<'_> {
        let (segment, row) = self.locate(row);
        segment.row(row)
    }

    /// Reads every segment whole and compares it with its checksum.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the first segment that differs.
    pub(crate) fn check_segments(&self) -> Result<()> {
        self.segments.par_iter().zip(&self.manifest.segments).try_for_each(|(segment, entry)| {
            segment.check(&entry.sha256, &self.directory.segment_path(&entry.sha256))
        })
    }

    /// Checks the keys and the columns of every segment, as opening a small archive does.
    pub(crate) fn check_rows(&self) -> Result<()> {
        self.segments
            .iter()
            .enumerate()
            .try_for_each(|(at, segment)| segment.check_rows(&self.segment_path(at)))
    }

    /// Releases the memory of the mapped pages that were read.
    pub(crate) fn release(&self) {
        self.segments.iter().for_each(Segment::release);
    }

    /// Returns for each segment the runs of its rows, computed by the first call.
    fn runs_of(&self) -> &[Vec<QuantizedRun>] {
        self.runs_of.get_or_init(|| {
            let mut runs = vec![Vec::new(); self.segments.len()];
            for run in &self.runs {
                runs[run.segment].push(QuantizedRun { rows: run.rows.clone(), first_row: run.first_row });
            }
            runs.iter_mut().for_each(|runs| runs.sort_unstable_by_key(|run| run.rows.start));
            runs
        })
    }

    /// Opens the files of 8-bit copies. A file that does not fit its segment is skipped;
    /// [`verify`](crate::verify) names it.
    fn quantized_files(&self) -> &[(usize, QuantizedFile)] {
        self.quantized.get_or_init(|| {
            let open = |(segment, entry): (usize, &SegmentEntry)| {
                let (digest, dim) = (&entry.sha256, self.dim());
                let file = self.directory.open_quantized(digest, entry.rows, dim, self.access).ok()??;
                file.expect_pass();
                Some((segment, file))
            };
            let opened = self.derived_segments().filter_map(open).collect();
            self.directory.let_go();
            opened
        })
    }

    /// Opens the files that find rows by key, as far as they exist.
    fn key_files(&self) -> &[Option<KeyFile>] {
        self.key_files.get_or_init(|| {
            let mut files: Vec<Option<KeyFile>> = self.segments.iter().map(|_| None).collect();
            for (segment, entry) in self.derived_segments() {
                files[segment] =
                    self.directory.open_keys(&entry.sha256, entry.rows, self.access).ok().flatten();
            }
            self.directory.let_go();
            files
        })
    }

    /// Iterates over the segments that are large enough to have derived files.
    fn derived_segments(&self) -> impl Iterator<Item = (usize, &SegmentEntry)> {
        self.manifest.segments.iter().enumerate().filter(|(_, entry)| entry.rows >= MIN_SEGMENT_ROWS)
    }

    /// Returns the segment that holds a row, and the row's number in it.
    fn locate(&self, row: usize) -> (&Segment, usize) {
        let (segment, row) = self.place(row);
        (&self.segments[segment], row)
    }

    /// Returns the number of the segment that holds a row, and the row's number in it.
    fn place(&self, row: usize) -> (usize, usize) {
        assert!(row < self.len, "row {row} of an archive of {} rows", self.len);
        let run = &self.runs[self.runs.partition_point(|run| run.first_row <= row) - 1];
        (run.segment, run.rows.start + row - run.first_row)
    }

    /// Returns the path of a segment.
    fn segment_path(&self, segment: usize) -> PathBuf {
        self.directory.segment_path(&self.manifest.segments[segment].sha256)
    }
}

/// Opens all segments of a manifest. With `checked`, checks their keys and columns.
fn view_segments(
    directory: &Directory,
    manifest: &Manifest,
    access: Access,
    checked: bool,
) -> Result<Vec<Segment>> {
    let segments = directory.view_segments(manifest, access)?;
    if checked {
        for (segment, entry) in segments.iter().zip(&manifest.segments) {
            segment.check_rows(&directory.segment_path(&entry.sha256))?;
        }
    }
    Ok(segments)
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

    /// Returns the row of a key. Rows of segments with a key file are found by that file; the first call makes a
    /// table of the keys of all other segments ([`ArchiveWriter::index_keys`](crate::ArchiveWriter::index_keys)).
    fn find(&self, key: &str) -> Option<usize> {
        let (files, runs) = (self.key_files(), self.runs_of());
        let lookup = self.lookup.get_or_init(|| KeyLookup::new(&self.segments, files, runs));
        lookup.find(key, &self.segments, files, runs)
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

    fn fetch(&self, rows: Range<usize>) {
        let first = self.runs.partition_point(|run| run.first_row + run.rows.len() <= rows.start);
        for run in self.runs[first..].iter().take_while(|run| run.first_row < rows.end) {
            let start = run.rows.start + rows.start.saturating_sub(run.first_row);
            let end = run.rows.end.min(run.rows.start + (rows.end - run.first_row));
            self.segments[run.segment].fetch_vectors(start..end);
        }
    }

    fn similarities(&self, queries: Queries<'_>, scores: &mut [f32]) -> rscir_core::Result<()> {
        queries.check(self.dim(), self.len, scores)?;
        self.segments.iter().for_each(Segment::expect_scan);
        similarities(self.blocks(), queries, scores);
        Ok(())
    }

    /// Returns the moments of all rows, computed by the first call. Large segments store theirs, so that in a
    /// compacted archive only the rows of the last segment may have to be read. If
    /// [`ArchiveWriter::quantize`](crate::ArchiveWriter::quantize) has kept merged moments, they are used.
    fn moments(&self) -> &Moments {
        self.moments.get_or_init(|| {
            let segments: Vec<&Segment> = self.segments.iter().collect();
            merged_moments::of_archive(&self.directory, &self.manifest, &segments)
        })
    }

    fn nearest(&self, queries: Queries<'_>, k: usize) -> rscir_core::Result<Vec<Vec<Scored>>> {
        nearest(self, queries, k)
    }

    /// Returns the 8-bit copies. The first call opens their files.
    fn quantized(&self) -> Vec<QuantizedPart<'_>> {
        self.quantized_files().iter().map(|(segment, file)| file.part(&self.runs_of()[*segment])).collect()
    }

    fn columns(&self) -> Vec<(&str, ColumnType)> {
        self.schema.types()
    }

    /// Returns the values of a column. They are read from the mapped files as the iterator advances.
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

    /// Checks all values of a column. In a large archive, the first call for a column reads all its values.
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
