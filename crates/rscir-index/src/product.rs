use half::{bf16, f16};
use rayon::prelude::*;
use rscir_core::{Precision, Queries};
use rscir_kernels::matmul_nt;

use crate::rows::{RowBlock, StoredRows};

/// Rows of a small task: as many as one task of the kernels multiplies. Widened to `f32`, 240 rows of width 768
/// take 0.7 MB, which fits a second-level cache.
const TASK_ROWS: usize = 240;

/// Rows of the largest task. Large batches of queries get larger tasks, because each task lays out the whole
/// batch anew.
const MAX_ROWS: usize = 16 * TASK_ROWS;

/// Consecutive blocks of fewer rows than this are copied together before they are multiplied, because a call of
/// the kernels costs as much as some rows.
const FEW_ROWS: usize = 16;

/// Computes the dot products of every query with all rows of `blocks`, `scores[q * rows + row]`, on all cores.
///
/// The caller makes sure that the blocks follow each other from row 0 on and that their widths and the length of
/// `scores` fit.
pub(crate) fn similarities<'a>(
    blocks: impl Iterator<Item = RowBlock<'a>>,
    queries: Queries<'_>,
    scores: &mut [f32],
) {
    let (dim, count) = (queries.dim(), queries.len());
    if scores.is_empty() {
        return;
    }
    let task_rows = (16 * count).next_multiple_of(TASK_ROWS).min(MAX_ROWS);
    let rows = scores.len() / count;
    // For each query, the part of its scores that no task has yet.
    let mut rest: Vec<&mut [f32]> = scores.chunks_exact_mut(rows).collect();
    let mut tasks = Vec::new();
    for parts in tasks_of(blocks, dim, task_rows) {
        let rows: usize = parts.iter().map(|(_, rows)| rows).sum();
        let outs: Vec<&mut [f32]> =
            rest.iter_mut().filter_map(|scores| scores.split_off_mut(..rows)).collect();
        tasks.push((parts, outs));
    }
    tasks.into_par_iter().for_each_init(Buffers::default, |buffers, (parts, mut outs)| {
        let mut done = 0;
        for parts in parts.chunk_by(|a, b| a.1 < FEW_ROWS && b.1 < FEW_ROWS) {
            let rows: usize = parts.iter().map(|(_, rows)| rows).sum();
            let part = done..done + rows;
            done += rows;
            let stored = match parts {
                [(stored, _)] => *stored,
                scattered => gather(scattered, &mut buffers.gathered),
            };
            if let [out] = &mut outs[..] {
                product(queries, stored, &mut buffers.widened, &mut out[part]);
                continue;
            }
            buffers.products.resize(count * rows, 0.0);
            product(queries, stored, &mut buffers.widened, &mut buffers.products);
            for (out, products) in outs.iter_mut().zip(buffers.products.chunks_exact(rows)) {
                out[part.clone()].copy_from_slice(products);
            }
        }
    });
}

/// Copies rows of one format that lie apart to one place.
fn gather<'a>(parts: &[Part<'_>], to: &'a mut Gathered) -> StoredRows<'a> {
    let len: usize = parts.iter().map(|(stored, _)| stored.value_bytes().len()).sum();
    to.words.resize(len.div_ceil(size_of::<u64>()), 0);
    to.scales.clear();
    let mut rest: &mut [u8] = bytemuck::cast_slice_mut(&mut to.words);
    for (stored, _) in parts {
        let bytes = stored.value_bytes();
        if let Some(place) = rest.split_off_mut(..bytes.len()) {
            place.copy_from_slice(bytes);
        }
        if let StoredRows::I8 { scales, .. } = stored {
            to.scales.extend_from_slice(scales);
        }
    }
    let bytes: &[u8] = &bytemuck::cast_slice(&to.words)[..len];
    match parts.first().map(|(stored, _)| stored.precision()) {
        Some(Precision::Bf16) => StoredRows::Bf16(bytemuck::cast_slice(bytes)),
        Some(Precision::F16) => StoredRows::F16(bytemuck::cast_slice(bytes)),
        Some(Precision::I8) => StoredRows::I8 { values: bytemuck::cast_slice(bytes), scales: &to.scales },
        _ => StoredRows::F32(bytemuck::cast_slice(bytes)),
    }
}

/// Rows that lie together, and their number.
type Part<'a> = (StoredRows<'a>, usize);

/// Cuts and gathers blocks into tasks of up to `task_rows` rows. A task is a part of a large block, or several
/// small blocks, which an archive has after many rows were deleted or replaced.
fn tasks_of<'a>(
    blocks: impl Iterator<Item = RowBlock<'a>>,
    dim: usize,
    task_rows: usize,
) -> impl Iterator<Item = Vec<Part<'a>>> {
    let mut parts = blocks.flat_map(move |block| {
        (0..block.len).step_by(task_rows).map(move |start| {
            let rows = start..block.len.min(start + task_rows);
            (block.rows.slice(dim, rows.clone()), rows.len())
        })
    });
    let mut next = parts.next();
    std::iter::from_fn(move || {
        let first = next.take()?;
        let mut rows = first.1;
        let mut task = vec![first];
        next = parts.next();
        while let Some(part) = next.take_if(|(_, more)| rows + *more <= task_rows) {
            rows += part.1;
            task.push(part);
            next = parts.next();
        }
        Some(task)
    })
}

/// Memory that a thread reuses from task to task.
#[derive(Default)]
struct Buffers {
    gathered: Gathered,
    widened: Vec<f32>,
    products: Vec<f32>,
}

/// Rows that were copied to one place.
#[derive(Default)]
struct Gathered {
    /// Bytes of the rows. The type aligns them for each of the formats.
    words: Vec<u64>,
    scales: Vec<f32>,
}

/// Computes `out[q * rows + row]`. `widened` is a buffer for rows whose format the kernels do not read.
fn product(queries: Queries<'_>, stored: StoredRows<'_>, widened: &mut Vec<f32>, out: &mut [f32]) {
    let (a, m, k) = (queries.as_slice(), queries.len(), queries.dim());
    let n = out.len() / m;
    match stored {
        StoredRows::F32(rows) => matmul_nt::<f32>(a, rows, m, n, k, out),
        StoredRows::F16(rows) => matmul_nt::<f16>(a, rows, m, n, k, out),
        StoredRows::Bf16(rows) => matmul_nt::<bf16>(a, rows, m, n, k, out),
        StoredRows::I8 { .. } => {
            widened.resize(n * k, 0.0);
            stored.widen(k, widened);
            matmul_nt::<f32>(a, widened, m, n, k, out);
        }
    }
}
