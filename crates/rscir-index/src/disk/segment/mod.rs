mod stored;
mod values;

use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rscir_core::{ColumnType, Fingerprint, Moments, Precision, Value};
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};

use stored::{ColumnTensor, StoredColumn};
pub(crate) use values::{Layer, Layers};

use crate::digest::{Digest, HashingWriter};
use crate::disk::manifest::SegmentEntry;
use crate::moments::moments_of;
use crate::rows::{StoredRows, value_size};
use crate::storage::{Bytes, Reading};
use crate::{Error, IoAction, Result};

#[cfg(target_endian = "big")]
compile_error!("segments are little-endian and are used as they lie on disk");

/// Rows of the largest segment that is written: 201 MB in `f32` at width 768. An archive of a million rows then
/// has few segments, and compaction writes little at once.
pub(crate) const SEGMENT_ROWS: usize = 65_536;

/// A segment stores its moments if it has at least `MOMENTS_PER_DIM * dim` rows. With fewer rows, the scatter
/// matrix of `dim^2` values of 8 bytes would take more than half of the bytes of the rows in `f32`, and computing
/// it from the rows is quick.
const MOMENTS_PER_DIM: usize = 4;

/// Largest header in bytes that is read. Headers that this program writes have less than 1,000 bytes, and less
/// than 700 more for each of 64 columns: three tensors, in whose names each of 64 bytes may be escaped.
pub(crate) const MAX_HEADER: u64 = 1 << 16;

/// Bytes of a mapped file that are in memory while its checksum is computed. Hashing them takes some
/// milliseconds, so that releasing them adds little.
const CHECKED_AT_ONCE: usize = 4 << 20;

/// The tensor `embeddings` begins in the file at a multiple of this: a cache line, which is also the widest
/// vector register.
const ALIGNMENT: usize = 64;

/// A row that is written into a segment.
pub(crate) struct Row<'a> {
    pub(crate) key: &'a str,
    pub(crate) fingerprint: Fingerprint,
    /// The vector, as a single row.
    pub(crate) vector: StoredRows<'a>,
    pub(crate) values: Layers<'a>,
}

/// Writes a segment of the rows `0..n`. Equal arguments give equal bytes.
pub(crate) fn write<'a>(
    out: &mut dyn Write,
    precision: Precision,
    dim: usize,
    n: usize,
    row: &(impl Fn(usize) -> Row<'a> + Sync),
) -> io::Result<()> {
    let moments = (n >= dim.saturating_mul(MOMENTS_PER_DIM)).then(|| {
        moments_of(dim, 0..n, &|range, out| {
            for (i, out) in range.zip(out.chunks_exact_mut(dim.max(1))) {
                row(i).vector.widen(dim, out);
            }
        })
    });
    let mut offsets = vec![0i64];
    let mut keys = 0;
    for i in 0..n {
        keys += row(i).key.len();
        offsets.push(i64::try_from(keys).map_err(|_| io::ErrorKind::FileTooLarge)?);
    }

    let columns = stored::encode(n, &|i| row(i).values);

    out.write_all(&header(precision, dim, n, keys, moments.is_some(), &columns)?)?;
    out.write_all(bytemuck::cast_slice(&offsets))?;
    if let Some(moments) = moments {
        out.write_all(bytemuck::cast_slice(moments.mean()))?;
        out.write_all(bytemuck::cast_slice(moments.scatter()))?;
    }
    for tensor in columns.iter().filter(|tensor| tensor.is_wide()) {
        out.write_all(&tensor.bytes)?;
    }
    for i in 0..n {
        if let StoredRows::I8 { scales, .. } = row(i).vector {
            out.write_all(bytemuck::cast_slice(scales))?;
        }
    }
    for i in 0..n {
        out.write_all(row(i).vector.value_bytes())?;
    }
    for i in 0..n {
        out.write_all(&row(i).fingerprint.0)?;
    }
    for i in 0..n {
        out.write_all(row(i).key.as_bytes())?;
    }
    for tensor in columns.iter().filter(|tensor| !tensor.is_wide()) {
        out.write_all(&tensor.bytes)?;
    }
    Ok(())
}

/// Makes the head of a safetensors file: the length of the header, and the header as JSON, filled with blanks so
/// that `embeddings` are aligned.
///
/// Tensors come in descending order of the size of their elements, so that each is aligned to its own.
fn header(
    precision: Precision,
    dim: usize,
    n: usize,
    keys: usize,
    moments: bool,
    columns: &[ColumnTensor],
) -> io::Result<Vec<u8>> {
    let mut tensors = Vec::new();
    let (mut end, mut before_embeddings) = (0, 0);
    let mut add = |name: &str, dtype: Dtype, shape: &[usize]| {
        if name == "embeddings" {
            before_embeddings = end;
        }
        let start = end;
        end += shape.iter().product::<usize>() * dtype.bitsize() / 8;
        tensors.push((name.into(), TensorInfo { dtype, shape: shape.into(), data_offsets: (start, end) }));
    };
    add("key_offsets", Dtype::I64, &[n + 1]);
    if moments {
        add("mean", Dtype::F64, &[dim]);
        add("scatter", Dtype::F64, &[dim, dim]);
    }
    for tensor in columns.iter().filter(|tensor| tensor.is_wide()) {
        add(&tensor.name, tensor.dtype, &tensor.shape);
    }
    if precision == Precision::I8 {
        add("scales", Dtype::F32, &[n]);
    }
    add("embeddings", dtype_of(precision), &[n, dim]);
    add("fingerprints", Dtype::U8, &[n, 16]);
    add("keys", Dtype::U8, &[keys]);
    for tensor in columns.iter().filter(|tensor| !tensor.is_wide()) {
        add(&tensor.name, tensor.dtype, &tensor.shape);
    }

    let metadata = Metadata::new(None, tensors).map_err(io::Error::other)?;
    let mut json = serde_json::to_vec(&metadata)?;
    // With an odd number of scales, the rows begin at an odd multiple of 4. They have 8 bits then and need no
    // alignment.
    let (ahead, alignment) =
        if before_embeddings.is_multiple_of(8) { (8 + before_embeddings, ALIGNMENT) } else { (8, 8) };
    json.resize((ahead + json.len()).next_multiple_of(alignment) - ahead, b' ');
    Ok([&(json.len() as u64).to_le_bytes()[..], &json].concat())
}

/// Returns the number format of the stored values.
fn dtype_of(precision: Precision) -> Dtype {
    match precision {
        Precision::Bf16 => Dtype::BF16,
        Precision::F16 => Dtype::F16,
        Precision::I8 => Dtype::I8,
        _ => Dtype::F32,
    }
}

/// An opened segment: rows, keys, fingerprints, columns, and moments if it has many rows.
#[derive(Debug)]
pub(crate) struct Segment {
    bytes: Bytes,
    precision: Precision,
    dim: usize,
    rows: usize,
    key_offsets: Range<usize>,
    keys: Range<usize>,
    fingerprints: Range<usize>,
    embeddings: Range<usize>,
    scales: Option<Range<usize>>,
    mean_and_scatter: Option<(Range<usize>, Range<usize>)>,
    /// The columns, sorted by name.
    columns: Vec<StoredColumn>,
    /// `true` after the system was told that the vectors are read in order.
    scanned: AtomicBool,
}

impl Segment {
    /// Opens a file that should hold what `entry` says. Reads only the header, which takes the same time whatever
    /// the number of rows; [`Segment::check_rows`] checks the keys and the columns.
    ///
    /// # Errors
    /// [`Error::FileSize`] if the file has another length; the errors of [`Tensors::read`] and [`Tensors::find`].
    pub(crate) fn view(
        bytes: Bytes,
        path: &Path,
        entry: &SegmentEntry,
        precision: Precision,
        dim: usize,
    ) -> Result<Self> {
        let rows = entry.rows;
        if bytes.len() as u64 != entry.bytes {
            return Err(Error::FileSize {
                path: path.into(),
                expected: entry.bytes,
                got: bytes.len() as u64,
            });
        }
        value_size(precision)?;
        let tensors = Tensors::read(&bytes, path)?;
        Ok(Self {
            precision,
            dim,
            rows,
            key_offsets: tensors.find("key_offsets", Dtype::I64, &[Some(rows.saturating_add(1))])?,
            keys: tensors.find("keys", Dtype::U8, &[None])?,
            fingerprints: tensors.find("fingerprints", Dtype::U8, &[Some(rows), Some(16)])?,
            embeddings: tensors.find("embeddings", dtype_of(precision), &[Some(rows), Some(dim)])?,
            scales: if precision == Precision::I8 {
                Some(tensors.find("scales", Dtype::F32, &[Some(rows)])?)
            } else {
                None
            },
            mean_and_scatter: if tensors.has("scatter") {
                let mean = tensors.find("mean", Dtype::F64, &[Some(dim)])?;
                Some((mean, tensors.find("scatter", Dtype::F64, &[Some(dim), Some(dim)])?))
            } else {
                None
            },
            columns: StoredColumn::find_all(&tensors, rows)?,
            scanned: AtomicBool::new(false),
            bytes,
        })
    }

    /// Checks all keys and all values of columns. Does not read the vectors.
    ///
    /// # Errors
    /// [`Error::SegmentKey`] and [`Error::SegmentColumn`] with the first row that is damaged.
    pub(crate) fn check_rows(&self, path: &Path) -> Result<()> {
        self.fetch_keys();
        self.check_keys(path)?;
        self.columns.iter().try_for_each(|column| {
            self.fetch_column(column);
            column.check(&self.bytes, path)
        })
    }

    /// Checks that every key is text within the bytes of the keys, and that the keys cover these bytes.
    fn check_keys(&self, path: &Path) -> Result<()> {
        let keys = &self.bytes[self.keys.clone()];
        // Checking the text as a whole is many times as fast as key by key. Only if it fails does the loop check
        // single keys, to find the row.
        let text = str::from_utf8(keys).ok();
        let is_text = |start: usize, end: usize| match text {
            Some(text) => text.is_char_boundary(start) && text.is_char_boundary(end),
            None => keys.get(start..end).is_some_and(|key| str::from_utf8(key).is_ok()),
        };
        let mut last = 0;
        for (row, ends) in self.key_offsets().windows(2).enumerate() {
            let key = usize::try_from(ends[0]).ok().zip(usize::try_from(ends[1]).ok());
            let sound =
                key.is_some_and(|(start, end)| start <= end && end <= keys.len() && is_text(start, end));
            if ends[0] != last || !sound {
                return Err(Error::SegmentKey { path: path.into(), row });
            }
            last = ends[1];
        }
        if last as u64 != keys.len() as u64 {
            return Err(Error::SegmentKey { path: path.into(), row: self.rows });
        }
        Ok(())
    }

    /// Reads the whole file and compares it with its checksum. `path` is for the error. A mapped file takes no
    /// more memory than [`CHECKED_AT_ONCE`].
    ///
    /// # Errors
    /// [`Error::Damaged`] if the checksum differs.
    pub(crate) fn check(&self, sha256: &Digest, path: &Path) -> Result<()> {
        self.bytes.expect(Reading::InOrder, 0..self.bytes.len());
        let mut hash = HashingWriter::new(io::sink());
        for part in self.bytes.chunks(CHECKED_AT_ONCE) {
            hash.write_all(part).map_err(Error::io(IoAction::Read, path))?;
            self.release();
        }
        if hash.finish().1 == *sha256 { Ok(()) } else { Err(Error::Damaged { path: path.into() }) }
    }

    /// Returns the number of rows, including deleted ones.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Tells whether the segment stores the moments of its rows.
    pub(crate) fn has_moments(&self) -> bool {
        self.mean_and_scatter.is_some()
    }

    /// Returns the bytes of the whole file.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Releases the memory of the pages that were read, if the file is mapped.
    pub(crate) fn release(&self) {
        self.bytes.release();
    }

    fn key_offsets(&self) -> &[i64] {
        bytemuck::cast_slice(&self.bytes[self.key_offsets.clone()])
    }

    /// Returns the key of a row, or an empty key if it is damaged.
    pub(crate) fn key(&self, row: usize) -> &str {
        self.sound_key(row).unwrap_or_default()
    }

    /// Returns the key of a row, or `None` if it is not text or lies outside the bytes of the keys.
    pub(crate) fn sound_key(&self, row: usize) -> Option<&str> {
        str::from_utf8(self.key_place(row)?).ok()
    }

    /// Returns the bytes of a row's key for comparisons; empty if they lie outside the bytes of the keys.
    pub(crate) fn key_bytes(&self, row: usize) -> &[u8] {
        self.key_place(row).unwrap_or_default()
    }

    /// Returns the bytes of a row's key, or `None` if they lie outside the bytes of the keys.
    fn key_place(&self, row: usize) -> Option<&[u8]> {
        let offsets = self.key_offsets();
        let (start, end) = (usize::try_from(offsets[row]).ok()?, usize::try_from(offsets[row + 1]).ok()?);
        self.bytes[self.keys.clone()].get(start..end)
    }

    /// Tells the system to fetch the vectors of some rows.
    pub(crate) fn fetch_vectors(&self, rows: Range<usize>) {
        let width = self.embeddings.len() / self.rows.max(1);
        let start = self.embeddings.start;
        self.bytes.expect(Reading::Soon, start + rows.start * width..start + rows.end * width);
    }

    /// Tells the system to fetch all keys.
    pub(crate) fn fetch_keys(&self) {
        self.bytes.expect(Reading::Soon, self.key_offsets.clone());
        self.bytes.expect(Reading::Soon, self.keys.clone());
    }

    /// Tells the system to fetch all values of a column of this segment.
    pub(crate) fn fetch_column(&self, column: &StoredColumn) {
        column.ranges().for_each(|range| self.bytes.expect(Reading::Soon, range));
    }

    /// Tells the system, once, that the vectors will be read from first to last.
    pub(crate) fn expect_scan(&self) {
        if !self.scanned.swap(true, Ordering::Relaxed) {
            self.bytes.expect(Reading::InOrder, self.embeddings.clone());
        }
    }

    pub(crate) fn fingerprint(&self, row: usize) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        fingerprint.0.copy_from_slice(&self.bytes[self.fingerprints.clone()][row * 16..][..16]);
        fingerprint
    }

    /// Returns all rows.
    pub(crate) fn stored(&self) -> StoredRows<'_> {
        let values = &self.bytes[self.embeddings.clone()];
        match self.precision {
            Precision::Bf16 => StoredRows::Bf16(bytemuck::cast_slice(values)),
            Precision::F16 => StoredRows::F16(bytemuck::cast_slice(values)),
            Precision::I8 => {
                let scales = self.scales.clone().unwrap_or_default();
                StoredRows::I8 {
                    values: bytemuck::cast_slice(values),
                    scales: bytemuck::cast_slice(&self.bytes[scales]),
                }
            }
            _ => StoredRows::F32(bytemuck::cast_slice(values)),
        }
    }

    /// Returns the vector of a row.
    pub(crate) fn vector(&self, row: usize) -> StoredRows<'_> {
        self.stored().slice(self.dim, row..row + 1)
    }

    /// Returns a row in the form in which it is written into another segment.
    pub(crate) fn row(&self, row: usize) -> Row<'_> {
        Row {
            key: self.key(row),
            fingerprint: self.fingerprint(row),
            vector: self.vector(row),
            values: Layer::Stored(self, row).into(),
        }
    }

    /// Iterates over names and types of the columns, sorted by name.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&str, ColumnType)> {
        self.columns.iter().map(|column| (column.name.as_str(), column.column_type))
    }

    pub(crate) fn column(&self, name: &str) -> Option<&StoredColumn> {
        let at = self.columns.binary_search_by(|column| column.name.as_str().cmp(name)).ok()?;
        Some(&self.columns[at])
    }

    pub(crate) fn value(&self, name: &str, row: usize) -> Option<Value<'_>> {
        self.column(name)?.value(&self.bytes, row)
    }

    /// Returns the moments of all rows, or `None` if they are not stored.
    pub(crate) fn moments(&self) -> Option<Moments> {
        let (mean, scatter) = self.mean_and_scatter.clone()?;
        self.bytes.expect(Reading::Soon, mean.start.min(scatter.start)..mean.end.max(scatter.end));
        let values = |range| bytemuck::cast_slice(&self.bytes[range]).to_vec();
        Moments::from_parts(self.rows as u64, values(mean), values(scatter)).ok()
    }
}

/// The header of a safetensors file, and where its data begin.
pub(crate) struct Tensors<'a> {
    metadata: Metadata,
    data: usize,
    path: &'a Path,
}

impl<'a> Tensors<'a> {
    /// Reads the header of a file.
    ///
    /// # Errors
    /// [`Error::Safetensors`] if it is malformed or longer than [`MAX_HEADER`].
    pub(crate) fn read(bytes: &[u8], path: &'a Path) -> Result<Self> {
        let wrong = |source| Error::Safetensors { path: path.into(), source };
        // Checks the length before parsing, because a parsed header takes memory in proportion to it.
        if bytes.first_chunk().is_some_and(|len| u64::from_le_bytes(*len) > MAX_HEADER) {
            return Err(wrong(SafeTensorError::HeaderTooLarge));
        }
        let (len, metadata) = SafeTensors::read_metadata(bytes).map_err(wrong)?;
        Ok(Self { metadata, data: len + 8, path })
    }

    /// Returns the names of all tensors.
    pub(crate) fn names(&self) -> Vec<String> {
        self.metadata.offset_keys()
    }

    /// Tells whether there is a tensor of this name.
    pub(crate) fn has(&self, tensor: &str) -> bool {
        self.metadata.info(tensor).is_some()
    }

    /// Makes the error for a tensor that is not as expected.
    pub(crate) fn error(&self, tensor: &str, expected: impl Into<String>, got: impl Into<String>) -> Error {
        Error::SegmentTensor {
            path: self.path.into(),
            tensor: tensor.into(),
            expected: expected.into(),
            got: got.into(),
        }
    }

    /// Returns the bytes of a tensor in the file. In `shape`, `None` stands for any length.
    ///
    /// # Errors
    /// [`Error::SegmentTensor`] if there is no such tensor, or it has another format, shape or alignment.
    pub(crate) fn find(&self, tensor: &str, dtype: Dtype, shape: &[Option<usize>]) -> Result<Range<usize>> {
        let alignment = dtype.bitsize() / 8;
        let wrong = |got: String| {
            let shape: Vec<_> =
                shape.iter().map(|n| n.map_or_else(|| "any".into(), |n| n.to_string())).collect();
            let expected = format!("{dtype:?} [{}] at a multiple of {alignment} bytes", shape.join(", "));
            self.error(tensor, expected, got)
        };
        let info = self.metadata.info(tensor).ok_or_else(|| wrong("nothing".into()))?;
        let range = self.data + info.data_offsets.0..self.data + info.data_offsets.1;
        let fits = info.shape.len() == shape.len()
            && info.shape.iter().zip(shape).all(|(got, want)| want.is_none_or(|want| *got == want));
        if info.dtype != dtype || !fits || !range.start.is_multiple_of(alignment) {
            return Err(wrong(format!("{:?} {:?} at byte {}", info.dtype, info.shape, range.start)));
        }
        Ok(range)
    }
}
