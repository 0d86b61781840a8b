//! Measures the whole PatternCom evaluation on synthetic features, and the bare f32 product of its query images with
//! its archive by several crates, interleaved in one run: `cargo run --release -- [rounds]`. `RAYON_NUM_THREADS` sets
//! the number of threads. With `--whole` it evaluates one lambda twice, and prints only the seconds of the second
//! time.
//!
//! Each product takes blocks of the number of query images that is fastest for it. A crate that can pack the rows
//! once has packed them beforehand.

#[path = "../../../synthetic/mod.rs"]
mod synthetic;

use std::hint::black_box;
use std::ptr::null;
use std::time::Instant;

use private_gemm_x86::{Accum, DType, DstKind, IType, InstrSet};
use rscir::prelude::*;
use rscir_kernels::{Epilogue, PackedMatrix};
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
use rten_tensor::NdTensorView;
use synthetic::{DIM, ROWS, Synthetic, peak_mebibytes};

/// Numbers of query images in a block that are tried.
const BLOCKS: [usize; 4] = [64, 256, 512, 1024];

/// A bare product of query images, their number and the result: `out[images, ROWS] = images[images, DIM] . archive^T`.
type Product<'a> = Box<dyn FnMut(&[f32], usize, &mut [f32]) + 'a>;

fn boxed<'a>(product: impl FnMut(&[f32], usize, &mut [f32]) + 'a) -> Product<'a> {
    Box::new(product)
}

fn products(rows: &[f32]) -> Vec<(&'static str, Product<'_>)> {
    let packed = PackedMatrix::pack(rows, ROWS, DIM);
    let rten = GemmExecutor::<f32>::new();
    let transposed = NdTensorView::from_data([ROWS, DIM], rows).transposed();
    let rten_packed = rten.prepack_b(transposed);
    let threads = rayon::current_num_threads();
    let (n, k) = (ROWS as isize, DIM as isize);
    vec![
        (
            "rscir, rows as they lie",
            boxed(move |images, m, out| {
                rscir_kernels::matmul_nt(images, rows, m, ROWS, DIM, out);
            }),
        ),
        (
            "rscir, rows packed once",
            boxed(move |images, m, out| packed.apply(images, m, Epilogue::none(), out)),
        ),
        (
            "rten-gemm 0.27.0, rows packed once",
            boxed(move |images, m, out| {
                let images = NdTensorView::from_data([m, DIM], images);
                let (a, b) = (GemmInputA::Unpacked(images), GemmInputB::Packed(&rten_packed));
                rten.gemm(out, a, b, GemmOptions::default()).expect("fitting shapes");
            }),
        ),
        (
            "private-gemm-x86 0.1.22 (faer)",
            boxed(move |images, m, out| {
                // SAFETY: strides and sizes are those of the three slices, and the machine has AVX-512.
                unsafe {
                    private_gemm_x86::gemm(
                        DType::F32,
                        IType::U64,
                        InstrSet::Avx512,
                        m,
                        ROWS,
                        DIM,
                        out.as_mut_ptr().cast(),
                        n,
                        1,
                        null(),
                        null(),
                        DstKind::Full,
                        Accum::Replace,
                        images.as_ptr().cast(),
                        k,
                        1,
                        false,
                        null(),
                        0,
                        rows.as_ptr().cast(),
                        1,
                        k,
                        false,
                        (&raw const ONE).cast(),
                        threads,
                    );
                }
            }),
        ),
        (
            "gemm 0.19.0, x86-v4",
            boxed(move |images, m, out| {
                // SAFETY: strides and sizes are those of the three slices.
                unsafe {
                    gemm::gemm(
                        m,
                        ROWS,
                        DIM,
                        out.as_mut_ptr(),
                        1,
                        n,
                        false,
                        images.as_ptr(),
                        1,
                        k,
                        rows.as_ptr(),
                        k,
                        1,
                        0.0,
                        1.0,
                        false,
                        false,
                        false,
                        gemm::Parallelism::Rayon(threads),
                    );
                }
            }),
        ),
    ]
}

static ONE: f32 = 1.0;

/// Returns the seconds that a product of all query images takes, `block` of them at a time.
fn whole(product: &mut Product<'_>, images: &[f32], block: usize, scores: &mut [f32]) -> f64 {
    let start = Instant::now();
    for images in images.chunks(block * DIM) {
        let m = images.len() / DIM;
        let scores = &mut scores[..m * ROWS];
        product(images, m, scores);
        black_box(&scores);
    }
    start.elapsed().as_secs_f64()
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let argument = std::env::args().nth(1);
    let synthetic = Synthetic::new();
    if argument.as_deref() == Some("--whole") {
        synthetic.evaluate(false);
        let start = Instant::now();
        synthetic.evaluate(false);
        println!("{:.4}", start.elapsed().as_secs_f64());
        return;
    }
    let rounds = argument.map_or(5, |rounds| rounds.parse().expect("a number of rounds"));
    synthetic.evaluate(true);
    if let Some(peak) = peak_mebibytes() {
        println!("peak memory of eleven lambdas, archive included: {peak} MiB");
    }
    let rows: Vec<f32> = (0..ROWS).flat_map(|row| synthetic.archive.vector(row).into_owned()).collect();
    let images = synthetic.vectors.images.as_slice();
    let mut scores = vec![0.0; BLOCKS[BLOCKS.len() - 1] * ROWS];
    let mut products = products(&rows);

    // The other products must agree with the first one. The best block of each is found beforehand.
    let mut first = Vec::new();
    let mut blocks = Vec::new();
    for (name, product) in &mut products {
        let mut out = vec![f32::NAN; 8 * ROWS];
        product(&images[..8 * DIM], 8, &mut out);
        if first.is_empty() {
            first = out;
        } else {
            assert!(
                first.iter().zip(&out).all(|(a, b)| (a - b).abs() < 1e-5),
                "{name} gives another product"
            );
        }
        let seconds = |block| (whole(product, images, block, &mut scores), block);
        let best = BLOCKS.map(seconds).into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
        blocks.push(best.map_or(BLOCKS[0], |(_, block)| block));
    }

    let mut times = vec![Vec::new(); products.len() + 2];
    for _ in 0..rounds {
        for (i, ((_, product), &block)) in products.iter_mut().zip(&blocks).enumerate() {
            times[i].push(whole(product, images, block, &mut scores));
        }
        for (eleven, times) in [false, true].into_iter().zip(&mut times[blocks.len()..]) {
            let start = Instant::now();
            synthetic.evaluate(eleven);
            times.push(start.elapsed().as_secs_f64());
        }
    }
    let medians: Vec<f64> = times.iter_mut().map(|times| median(times)).collect();
    let (bare, evaluations) = medians.split_at(products.len());
    let best = bare.iter().copied().fold(f64::INFINITY, f64::min);
    let gflop = 2e-9 * (images.len() * ROWS) as f64;
    for (((name, _), block), seconds) in products.iter().zip(&blocks).zip(bare) {
        println!("{name}: {seconds:.3} s, {:.0} GFLOP/s, {block} images at a time", gflop / seconds);
    }
    for (name, seconds) in ["one lambda", "eleven lambdas"].iter().zip(evaluations) {
        println!("{name}: {seconds:.3} s, {:.2} x the best bare product", seconds / best);
    }
}
