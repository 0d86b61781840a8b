//! Searches as `benches/compare/search.py` tells it, and prints how long it took: rscir's half of this script.
//!
//! `compare-search ROWS.npy QUERIES.npy ARCHIVE` stores the rows in an archive if there is none, and loads the
//! archive. It reads query vectors: those of the images, then as many of texts. The program then runs each line of
//! standard input as a command, and prints `milliseconds row row ...` with the 10 best rows. The method is WeiCom, or
//! the one that the line ends with, such as `int8 3 posterior`; statistics of a named method are those of the
//! moments. The commands are:
//!
//! - `open` opens the archive once more, mapped, and reads the key of the last row.
//! - `read` reads every value once.
//! - `one Q` answers query Q exactly, from the rows as they are.
//! - `int8 Q` answers query Q exactly, from 8-bit rows with a proven bound.
//! - `batch` and `int8-batch` answer all queries at once, and print the rows of the first one.
//! - `quantize` stores 8-bit rows with the archive.
//! - `first Q` opens the archive, mapped, and answers query Q from 8-bit rows: those in the archive, or new ones.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::prelude::*;
use rscir::index::{Statistics, StoredRows};
use rscir::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let mut path = || arguments.next().ok_or("usage: compare-search ROWS.npy QUERIES.npy ARCHIVE");
    let (rows, queries, store) = (path()?, path()?, PathBuf::from(path()?));
    if !store.is_dir() {
        write(&Features::read(rows)?, &store)?;
    }
    let archive = DiskArchive::load(&store)?;
    let queries = composed(&Features::read(queries)?, &archive)?;
    let mut index = None;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split(' ');
        let command = words.next().unwrap_or_default();
        let number: usize = words.next().unwrap_or("0").parse()?;
        let (method, options) = match words.next() {
            None => (MethodSpec::WeiCom(WeiCom::default()), SearchOptions::top(10)),
            Some(method) => (method.parse()?, SearchOptions::top(10).statistics(Statistics::Moments)),
        };
        let method = method.build(&Resources::default())?;
        if command.starts_with("int8") && index.is_none() {
            index = Some(Int8Index::new(&archive)?);
        }
        let start = Instant::now();
        let hits: Vec<Hit> = match (command, &index) {
            ("open", _) => {
                let opened = DiskArchive::open(&store)?;
                std::hint::black_box(opened.key(opened.len() - 1));
                Vec::new()
            }
            ("read", _) => {
                std::hint::black_box(read(&archive));
                Vec::new()
            }
            ("quantize", _) => {
                ArchiveWriter::open(&store)?.quantize()?;
                Vec::new()
            }
            ("first", _) => {
                Int8Index::new(DiskArchive::open(&store)?)?.search(&*method, &queries[number], &options)?
            }
            ("one", _) => search_with(&archive, &*method, &queries[number], &options)?,
            ("batch", _) => search_batch(&archive, &*method, &queries, &options)?.swap_remove(0),
            ("int8", Some(index)) => index.search(&*method, &queries[number], &options)?,
            ("int8-batch", Some(index)) => index.search_batch(&*method, &queries, &options)?.swap_remove(0),
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

/// Stores rows in a new archive, with keys of their numbers.
fn write(rows: &Features, store: &Path) -> rscir::index::Result<()> {
    const BATCH: usize = 65_536;
    let (rows, dim) = (&rows.embeddings, rows.embeddings.dim());
    let mut writer = ArchiveWriter::create(store, EncoderSpec::unknown(dim), Precision::F32)?;
    for start in (0..rows.len()).step_by(BATCH) {
        let end = rows.len().min(start + BATCH);
        let keys: Vec<String> = (start..end).map(|row| format!("{row}.jpg")).collect();
        let fingerprint = Fingerprint::default();
        let described: Vec<_> = keys.iter().map(|key| SinkRow::new(key, fingerprint)).collect();
        let batch = Embeddings::normalize(dim, rows.as_slice()[start * dim..end * dim].to_vec())?;
        writer.commit(&described, &batch)?;
    }
    Ok(())
}

fn composed(vectors: &Features, archive: &DiskArchive) -> rscir::core::Result<Vec<ComposedQuery>> {
    let count = vectors.embeddings.len() / 2;
    let query = |i| {
        let query = ComposedQuery::new(archive.spec().clone()).with_image(vectors.embeddings.vector(i))?;
        query.with_text(vectors.embeddings.vector(count + i))
    };
    (0..count).map(query).collect()
}

/// Adds up the bits of all values, so that each is read and little else is done.
fn read(archive: &DiskArchive) -> u32 {
    let sum = |part: &[f32]| part.iter().fold(0u32, |sum, v| sum.wrapping_add(v.to_bits()));
    let parts = archive.blocks().flat_map(|block| match block.rows {
        StoredRows::F32(values) => values.chunks(64 * 1024),
        _ => [].chunks(1),
    });
    let parts: Vec<&[f32]> = parts.collect();
    parts.into_par_iter().map(sum).reduce(|| 0, u32::wrapping_add)
}
