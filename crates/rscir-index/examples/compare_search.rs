//! Our half of `benches/compare/search.py`: searches when told to and says how long it took.
//!
//! `compare_search ROWS.npy QUERIES.npy` reads an archive and query vectors, the images' first, then as many texts'.
//! It then obeys lines of standard input, and answers each with `milliseconds row row ...`, the rows of the answer
//! (WeiCom, top 10):
//!
//! - `read`: reads every value once.
//! - `one Q`: query Q, exact, over the rows as they are.
//! - `int8 Q`: the same over 8-bit rows with a proven bound.
//! - `batch`: all queries at once; the rows are the first one's.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::time::Instant;

use rayon::prelude::*;
use rscir_core::{Archive, ComposedQuery};
use rscir_index::{Features, Hit, Int8Index, MemoryArchive, SearchOptions, search_batch, search_with};
use rscir_weicom::WeiCom;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let mut path = || arguments.next().ok_or("usage: compare_search ROWS.npy QUERIES.npy");
    let archive = Features::read(path()?)?.into_archive()?;
    let queries = queries(&Features::read(path()?)?, &archive)?;
    let mut index = None;
    let (method, options) = (WeiCom::default(), SearchOptions::top(10));
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (command, number) = line.split_once(' ').unwrap_or((&line, "0"));
        let number: usize = number.parse()?;
        if command == "int8" && index.is_none() {
            index = Some(Int8Index::new(&archive)?);
        }
        let start = Instant::now();
        let hits: Vec<Hit> = match (command, &index) {
            ("read", _) => {
                std::hint::black_box(read(archive.embeddings().as_slice()));
                Vec::new()
            }
            ("one", _) => search_with(&archive, &method, &queries[number], &options)?,
            ("batch", _) => search_batch(&archive, &method, &queries, &options)?.swap_remove(0),
            ("int8", Some(index)) => index.search(&method, &queries[number], &options)?,
            _ => return Err(format!("{line:?} is no command").into()),
        };
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        let rows: Vec<_> = hits.iter().map(|hit| hit.row.to_string()).collect();
        let mut out = io::stdout().lock();
        writeln!(out, "{milliseconds} {}", rows.join(" "))?;
        out.flush()?;
    }
    Ok(())
}

fn queries(vectors: &Features, archive: &MemoryArchive) -> rscir_core::Result<Vec<ComposedQuery>> {
    let count = vectors.embeddings.len() / 2;
    let query = |i| {
        let query = ComposedQuery::new(archive.spec().clone()).with_image(vectors.embeddings.vector(i))?;
        query.with_text(vectors.embeddings.vector(count + i))
    };
    (0..count).map(query).collect()
}

/// A sum of the values' bits, so that each is read and little else is done.
fn read(values: &[f32]) -> u32 {
    let sum = |part: &[f32]| part.iter().fold(0u32, |sum, v| sum.wrapping_add(v.to_bits()));
    values.par_chunks(64 * 1024).map(sum).reduce(|| 0, u32::wrapping_add)
}
