//! The moments of an archive, merged from those of its segments, and a file that keeps what was merged: with hundreds of
//! segments, reading and merging all of them takes longer than a search.

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

/// Returns the most bytes that a file of merged moments of width `dim` has.
pub(crate) fn longest(dim: usize) -> u64 {
    MAX_HEADER + (8 * (1 + dim + dim * dim) + CHECKSUMS) as u64
}

/// Computes the checksums of the first segment of a manifest, of the first two and so on: each is that of the list as JSON,
/// which tells what is deleted too.
pub(crate) fn prefixes(segments: &[SegmentEntry]) -> Vec<Digest> {
    let mut hasher = Hasher::default();
    let prefix = |(at, entry): (usize, &SegmentEntry)| {
        hasher.update(if at == 0 { b"[" } else { b"," });
        // Numbers and texts make JSON without fail.
        hasher.update(&serde_json::to_vec(entry).unwrap_or_default());
        let mut whole = hasher.clone();
        whole.update(b"]");
        whole.finish()
    };
    segments.iter().enumerate().map(prefix).collect()
}

/// Merges the moments of an archive. Segments with many rows carry theirs: the deleted rows of those are taken out, and the rows
/// of the others added.
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

/// Keeps the merged moments of the segments that there are, if those of two or more are merged and this is not done yet, as long
/// as it looks at segments of no more than `most` rows. True if a file was written.
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
        // Of fewer segments; if it stays, nobody looks at it.
        let _ = directory.remove_derived(&directory.moments_path(&prefixes[before]));
    }
    Ok(true)
}

/// Reads the kept moments of the first segments, of as many as there is a file for, and returns how many that are. A file is taken if
/// its checksum is right and it counts the rows of these segments: another would change scores.
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

/// Reads a file; nothing if it holds no moments.
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

/// True for a segment whose own moments are merged. If most rows are deleted, scanning the rest is cheaper and rounds less.
fn counts(segment: &Segment, entry: &SegmentEntry) -> bool {
    segment.has_moments() && entry.deleted.len() <= entry.live()
}

/// Adds the moments of some segments that count.
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

fn rows_of<'a>(
    segment: &'a Segment,
    ranges: impl Iterator<Item = Range<usize>>,
) -> impl Iterator<Item = StoredRows<'a>> {
    ranges.flatten().map(|row| segment.vector(row))
}

fn moments_of_rows(dim: usize, rows: &[StoredRows<'_>]) -> Moments {
    moments_of(dim, 0..rows.len(), &|range, out| {
        for (row, out) in rows[range].iter().zip(out.chunks_exact_mut(dim.max(1))) {
            row.widen(dim, out);
        }
    })
}
