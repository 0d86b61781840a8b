use half::{bf16, f16};
use rayon::prelude::*;
use rscir_core::Queries;
use rscir_kernels::matmul_nt;

use crate::rows::{RowBlock, StoredRows};

/// Rows of a small task: as many as the kernels multiply in one of theirs. Where they are widened, at 768 wide, they take
/// 0.7 MB, which a second-level cache holds.
const TASK_ROWS: usize = 240;

/// Rows of the largest task, for large batches, so that laying out the batch anew for each costs little.
const MOST_ROWS: usize = 16 * TASK_ROWS;

/// Dot products of every query with all rows of `blocks`, `scores[q * rows + row]`, on all cores.
///
/// The blocks follow each other from row 0 on; their widths and the length of `scores` fit.
pub(crate) fn similarities<'a>(
    blocks: impl Iterator<Item = RowBlock<'a>>,
    queries: Queries<'_>,
    scores: &mut [f32],
) {
    let (dim, count) = (queries.dim(), queries.len());
    if scores.is_empty() {
        return;
    }
    let task_rows = (16 * count).next_multiple_of(TASK_ROWS).min(MOST_ROWS);
    let rows = scores.len() / count;
    // Where the scores of each query lie that are still to be given to a task.
    let mut rest: Vec<&mut [f32]> = scores.chunks_exact_mut(rows).collect();
    let mut tasks = Vec::new();
    for block in blocks {
        for start in (0..block.len).step_by(task_rows) {
            let rows = start..block.len.min(start + task_rows);
            let outs: Vec<&mut [f32]> =
                rest.iter_mut().filter_map(|scores| scores.split_off_mut(..rows.len())).collect();
            tasks.push((block.rows.slice(dim, rows), outs));
        }
    }
    tasks.into_par_iter().for_each_init(Buffers::default, |buffers, (stored, mut outs)| {
        if let [out] = &mut outs[..] {
            return product(queries, stored, &mut buffers.widened, out);
        }
        let len = outs.first().map_or(0, |out| out.len());
        buffers.products.resize(count * len, 0.0);
        product(queries, stored, &mut buffers.widened, &mut buffers.products);
        for (out, products) in outs.iter_mut().zip(buffers.products.chunks_exact(len)) {
            out.copy_from_slice(products);
        }
    });
}

/// What a thread keeps from task to task.
#[derive(Default)]
struct Buffers {
    widened: Vec<f32>,
    products: Vec<f32>,
}

/// `out[q * rows + row]`; `widened` is room for rows that the kernels do not read as they are.
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
