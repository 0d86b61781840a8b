//! The moments of an archive, merged from those of its segments, and a file that keeps the result. With hundreds
//! of segments, reading and merging all of them takes longer than a search.

use std::ops::Range;
use std::path::Path;

use rscir_core::Moments;
use safetensors::tensor::Dtype;

use crate::Result;
use crate::digest::{Digest, Hasher};
use crate::disk::derived::{self, CHECKSUMS};
use crate::disk::directory::{Access, Directory};
use crate::disk::manifest::{Manifest, SegmentEntry};
use crate::disk::segment::{MAX_HEADER, Segment};
use crate::moments::{add, moments_of, without};
use crate::rows::StoredRows;
use crate::storage::Bytes;

/// Returns the largest number of bytes that a file of merged moments of width `dim` can have.
pub(crate) fn longest(dim: usize) -> u64 {
    MAX_HEADER + (8 * (1 + dim + dim * dim) + CHECKSUMS) as u64
}

/// Computes the checksums of the first segment of a manifest, of the first two, and so on. Each is that of the
/// list of segments as JSON, which includes the deleted rows.
pub(crate) fn prefixes(segments: &[SegmentEntry]) -> Vec<Digest> {
    let mut hasher = Hasher::default();
    let prefix = |(at, entry): (usize, &SegmentEntry)| {
        hasher.update(if at == 0 { b"[" } else { b"," });
        // Writing numbers and texts as JSON cannot fail.
        hasher.update(&serde_json::to_vec(entry).unwrap_or_default());
        let mut whole = hasher.clone();
        whole.update(b"]");
        whole.finish()
    };
    segments.iter().enumerate().map(prefix).collect()
}

/// Merges the moments of an archive. For segments that store their moments, the deleted rows are subtracted; for
/// the others, the rows are added.
pub(crate) fn of_archive(directory: &Directory, manifest: &Manifest, segments: &[&Segment]) -> Moments {
    let dim = manifest.spec.dim;
    let (mut whole, done) = kept(directory, manifest, segments).unwrap_or_else(|| (Moments::empty(dim), 0));
    merge(&mut whole, manifest, segments, done..segments.len());
    let scanned = segments.iter().zip(&manifest.segments).filter(|(segment, entry)| !counts(segment, entry));
    let scanned: Vec<StoredRows<'_>> =
        scanned.flat_map(|(segment, entry)| rows_of(segment, entry.deleted.gaps(entry.rows))).collect();
    add(&mut whole, &moments_of_rows(dim, &scanned));
    whole
}

/// Keeps the merged moments in a file, and tells whether it wrote one. Writes none if fewer than two segments are
/// merged, if the file is there already, or if more than `most` rows of segments would have to be added.
pub(crate) fn keep(
    directory: &Directory,
    manifest: &Manifest,
    segments: &[&Segment],
    most: usize,
) -> Result<bool> {
    let counting: Vec<usize> =
        (0..segments.len()).filter(|&at| counts(segments[at], &manifest.segments[at])).collect();
    let (mut whole, done) =
        kept(directory, manifest, segments).unwrap_or_else(|| (Moments::empty(manifest.spec.dim), 0));
    let rest: usize = counting.iter().filter(|&&at| at >= done).map(|&at| manifest.segments[at].rows).sum();
    let (Some(&last), true) = (counting.last(), counting.len() > 1 && rest > 0 && rest <= most) else {
        return Ok(false);
    };
    merge(&mut whole, manifest, segments, done..last + 1);
    let prefixes = prefixes(&manifest.segments);
    let count = [whole.count()];
    let tensors = [
        ("count", Dtype::U64, bytemuck::cast_slice(&count)),
        ("mean", Dtype::F64, bytemuck::cast_slice(whole.mean())),
        ("scatter", Dtype::F64, bytemuck::cast_slice(whole.scatter())),
    ];
    let of = &prefixes[last];
    directory
        .write_derived(&directory.moments_path(of), |out| derived::write(out, of, &tensors, "scatter"))?;
    if let Some(before) = done.checked_sub(1) {
        // The file for fewer segments is no longer read, so it does no harm if it stays.
        let _ = directory.remove_derived(&directory.moments_path(&prefixes[before]));
    }
    Ok(true)
}

/// Reads the kept moments of as many first segments as possible, and returns them with the number of these
/// segments. A file is used only if its checksum is right and its count equals that of the segments' rows,
/// because any other would change scores.
fn kept(directory: &Directory, manifest: &Manifest, segments: &[&Segment]) -> Option<(Moments, usize)> {
    let dim = manifest.spec.dim;
    prefixes(&manifest.segments).iter().enumerate().rev().find_map(|(at, prefix)| {
        let path = directory.moments_path(prefix);
        let bytes = directory.derived_bytes(&path, Access::Map, longest(dim)).ok()??;
        let moments = read(&bytes, &path, prefix, dim).ok()??;
        let merged =
            segments[..=at].iter().zip(&manifest.segments).filter(|(segment, entry)| counts(segment, entry));
        let rows: usize = merged.map(|(_, entry)| entry.live()).sum();
        (moments.count() == rows as u64).then_some((moments, at + 1))
    })
}

/// Reads a file of moments. `None` if its values are not valid moments.
///
/// # Errors
/// [`Error::Damaged`](crate::Error::Damaged) if its checksum is wrong or it is for other segments.
pub(crate) fn read(bytes: &Bytes, path: &Path, prefix: &Digest, dim: usize) -> Result<Option<Moments>> {
    let tensors = derived::view(bytes, path, prefix)?;
    derived::check(bytes, path)?;
    let count: &[u64] = bytemuck::cast_slice(&bytes[tensors.find("count", Dtype::U64, &[Some(1)])?]);
    let values = |name, length| {
        let range = tensors.find(name, Dtype::F64, &[Some(length)])?;
        Ok::<Vec<f64>, crate::Error>(bytemuck::cast_slice(&bytes[range]).to_vec())
    };
    Ok(Moments::from_parts(count[0], values("mean", dim)?, values("scatter", dim * dim)?).ok())
}

/// Tells whether the stored moments of a segment are merged. If most of its rows are deleted, reading the others
/// is faster and rounds less.
fn counts(segment: &Segment, entry: &SegmentEntry) -> bool {
    segment.has_moments() && entry.deleted.len() <= entry.live()
}

/// Adds the moments of the segments in a range, as far as they are merged.
fn merge(whole: &mut Moments, manifest: &Manifest, segments: &[&Segment], range: Range<usize>) {
    let dim = manifest.spec.dim;
    for (segment, entry) in segments[range.clone()].iter().zip(&manifest.segments[range]) {
        if counts(segment, entry)
            && let Some(stored) = segment.moments()
        {
            let deleted: Vec<StoredRows<'_>> = rows_of(segment, entry.deleted.ranges()).collect();
            add(whole, &without(&stored, &moments_of_rows(dim, &deleted)));
        }
    }
}

/// Iterates over the vectors of some rows of a segment.
fn rows_of<'a>(
    segment: &'a Segment,
    ranges: impl Iterator<Item = Range<usize>>,
) -> impl Iterator<Item = StoredRows<'a>> {
    ranges.flatten().map(|row| segment.vector(row))
}

/// Computes the moments of rows.
fn moments_of_rows(dim: usize, rows: &[StoredRows<'_>]) -> Moments {
    moments_of(dim, 0..rows.len(), &|range, out| {
        for (row, out) in rows[range].iter().zip(out.chunks_exact_mut(dim.max(1))) {
            row.widen(dim, out);
        }
    })
}
