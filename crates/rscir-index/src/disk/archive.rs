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
    /// For each segment, which of its rows are whose of this archive, by rising row.
    runs_of: OnceLock<Vec<Vec<QuantizedRun>>>,
    /// For each segment, the file that finds its rows by key.
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
        // Keys that were looked at anyway need no files.
        let ordered_by_files = !checked && archive.order() == RowOrder::Key;
        let files = if ordered_by_files { archive.key_files() } else { &[] };
        archive.runs = self::runs(&archive.manifest, &archive.segments, files);
        archive.len = archive.runs.last().map_or(0, |run| run.first_row + run.rows.len());
        Ok(archive)
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

    /// Opens the 8-bit copies that there are. A file that is none of its segment's is passed over: [`verify`](crate::verify)
    /// names it.
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

    /// Opens the files that find rows by key, as far as there are any.
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

    /// The segments that may have files beside them.
    fn derived_segments(&self) -> impl Iterator<Item = (usize, &SegmentEntry)> {
        self.manifest.segments.iter().enumerate().filter(|(_, entry)| entry.rows >= MIN_SEGMENT_ROWS)
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
}

/// Opens all segments of a manifest, and checks their keys and columns if that is asked for.
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

    /// Found by files beside the segments; the first call makes a table of the keys of those that have none
    /// ([`ArchiveWriter::index_keys`](crate::ArchiveWriter::index_keys)).
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

    /// Put together when first asked for. A compacted archive carries what is needed but for the rows of its last
    /// segment, and no vector is read; otherwise the rows of small segments are. What
    /// [`ArchiveWriter::quantize`](crate::ArchiveWriter::quantize) merged is taken as it is.
    fn moments(&self) -> &Moments {
        self.moments.get_or_init(|| {
            let segments: Vec<&Segment> = self.segments.iter().collect();
            merged_moments::of_archive(&self.directory, &self.manifest, &segments)
        })
    }

    fn nearest(&self, queries: Queries<'_>, k: usize) -> rscir_core::Result<Vec<Vec<Scored>>> {
        nearest(self, queries, k)
    }

    /// Opened when first asked for.
    fn quantized(&self) -> Vec<QuantizedPart<'_>> {
        self.quantized_files().iter().map(|(segment, file)| file.part(&self.runs_of()[*segment])).collect()
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
