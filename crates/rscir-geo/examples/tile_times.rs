//! Cuts a scene into tiles and prepares them as for an encoder, and prints two times: that of the look at all pixels,
//! which the stretch needs, and that of the tiles. `scripts/tiff_windows.py` compares it with rasterio's windows.
//!
//! `tile_times FILE STRETCH SIDE OVERLAP THREADS` prints a line of JSON. A stretch is written as for `extract_features`.

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use rscir_core::{ImageSource, Silent};
use rscir_geo::{SceneList, SceneOptions, SceneTiles, TileOptions, TileSize, Tiling, parse_stretch};
use rscir_images::{Preprocessing, Preprocessor};

/// The side of the encoder's input in pixels, which is that of CLIP.
const INPUT: usize = 224;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, stretch, side, overlap, threads] = &arguments[..] else {
        return Err("the arguments are FILE STRETCH SIDE OVERLAP THREADS".into());
    };
    let threads: usize = threads.parse()?;
    let tiling = Tiling::default().sizes([TileSize::Pixels(side.parse()?)]).overlap(overlap.parse()?);
    let scene = SceneOptions::default().stretch(parse_stretch(stretch)?);
    let mut list = SceneList::new();
    list.add_path(file)?;
    let options = TileOptions::default().tiling(tiling).scene(scene);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let start = Instant::now();
    let tiles = pool.install(|| SceneTiles::open(list, &options, &Silent, &|| false))?;
    let looked = start.elapsed().as_secs_f64();
    let preprocessor = Preprocessor::new(Preprocessing::openai(INPUT))?;
    let (next, sum) = (AtomicUsize::new(0), AtomicU64::new(0));
    let work = || -> rscir_core::Result<()> {
        let mut pixels = vec![0; INPUT * INPUT * 3];
        loop {
            let item = next.fetch_add(1, Ordering::Relaxed);
            if item >= tiles.len() {
                return Ok(());
            }
            preprocessor.prepare(tiles.read(item)?.view()?, &mut pixels)?;
            sum.fetch_add(pixels.iter().map(|byte| u64::from(*byte)).sum(), Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or(Ok(())))
    })?;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        r#"{{"tiles": {}, "sum": {}, "looked": {looked:.2}, "seconds": {seconds:.2}}}"#,
        tiles.len(),
        sum.into_inner()
    );
    Ok(())
}
