//! Checks for every schema that files that are damaged, or claim more than they hold, are refused, or are read in
//! bounded memory and time.

mod common;

use std::panic;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{FILES, data};
use rscir_index::{Error as IndexError, ParquetLimits, check_parquet_claims};
use rscir_interchange::{Error, ReadOptions, read_features};

/// Reads a file with some bytes to its end, and tells whether it was read.
fn read(folder: &Path, bytes: &[u8]) -> bool {
    let path = folder.join("a.parquet");
    std::fs::write(&path, bytes).unwrap();
    let started = Instant::now();
    let read = panic::catch_unwind(|| read_features(&path, &ReadOptions::default()));
    // A sound file takes some milliseconds, also beside other tests.
    assert!(started.elapsed() < Duration::from_secs(10), "a damaged file took {:?}", started.elapsed());
    match read.expect("reading a damaged file does not panic") {
        Ok(read) => {
            let rows = &read.features.embeddings;
            assert!(rows.rows().all(|row| row.iter().all(|x| x.is_finite())));
            true
        }
        Err(error) => {
            assert!(error.to_string().contains("a.parquet"), "{error}");
            false
        }
    }
}

/// A pseudo-random sequence (Knuth's MMIX), which is the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// Silences panics: those of decoders are caught, and their messages would drown the output of other tests.
fn quiet<T>(run: impl FnOnce() -> T) -> T {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let done = run();
    panic::set_hook(hook);
    done
}

#[test]
fn a_file_with_any_byte_changed_is_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let failed = quiet(|| {
        panic::catch_unwind(|| {
            for (seed, name) in FILES.into_iter().enumerate() {
                let whole = std::fs::read(data(name)).unwrap();
                assert!(read(folder.path(), &whole), "{name}");
                let mut random = Random(seed as u64);
                let mut damaged = 0;
                for round in 0..150 {
                    let mut bytes = whole.clone();
                    // Half of the changes are among the metadata, which are at the end and tell a decoder what to do.
                    let metadata =
                        u32::from_le_bytes(whole[whole.len() - 8..][..4].try_into().unwrap()) as usize;
                    let from = if round % 2 == 0 { 0 } else { whole.len() - 8 - metadata };
                    for _ in 0..1 + random.below(3) {
                        let at = from + random.below(bytes.len() - from);
                        bytes[at] = match random.below(3) {
                            0 => bytes[at] ^ (1 << random.below(8)),
                            1 => 0xff,
                            _ => random.below(256) as u8,
                        };
                    }
                    damaged += usize::from(!read(folder.path(), &bytes));
                }
                // A change that hits only values makes another sound file.
                assert!(damaged > 30, "{name}: {damaged} were refused");
            }
        })
    });
    failed.unwrap();
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    quiet(|| {
        panic::catch_unwind(|| {
            for name in FILES {
                let whole = std::fs::read(data(name)).unwrap();
                for part in 0..40 {
                    assert!(
                        !read(folder.path(), &whole[..whole.len() * part / 40]),
                        "{name} up to {part}/40"
                    );
                }
            }
        })
    })
    .unwrap();
}

/// Replaces a number in the metadata of a file. The compact protocol writes numbers as bytes of seven bits.
fn with_number(whole: &[u8], from: u64, to: u64, at: usize) -> Option<Vec<u8>> {
    let varint = |mut value: u64| {
        let mut bytes = Vec::new();
        value <<= 1;
        while value > 0x7f {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    };
    let (body, tail) = whole.split_at(whole.len() - 8);
    let metadata = body.len() - u32::from_le_bytes(tail[..4].try_into().unwrap()) as usize;
    let (old, new) = (varint(from), varint(to));
    let places = (metadata..body.len() - old.len()).filter(|&at| body[at..].starts_with(&old));
    let place = places.into_iter().nth(at)?;
    let changed = [&body[metadata..place], &new, &body[place + old.len()..]].concat();
    let len = u32::try_from(changed.len()).unwrap().to_le_bytes();
    Some([&body[..metadata], &changed, &len, b"PAR1"].concat())
}

#[test]
fn counts_in_the_metadata_that_the_bytes_do_not_justify_are_refused_before_anything_is_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    for (name, rows) in FILES.into_iter().zip([60u64, 60, 60, 30]) {
        let whole = std::fs::read(data(name)).unwrap();
        // Rows of groups, values of columns and rows of the file are each replaced by a little too much, and by far too
        // much.
        let mut changed = 0;
        for claim in [rows + 1, 1 << 20, 1 << 40, 1 << 62] {
            for number in [rows, rows * 128, 20, 20 * 128] {
                for at in 0..6 {
                    let Some(bytes) = with_number(&whole, number, claim, at) else { continue };
                    std::fs::write(&path, &bytes).unwrap();
                    changed += 1;
                    let refused = quiet(|| read_features(&path, &ReadOptions::default()));
                    // The number may also be found in another place, such as a statistic, which is not used.
                    if let Err(error) = refused {
                        let text = error.to_string();
                        assert!(!text.contains("memory"), "{name}: {text}");
                    }
                }
            }
        }
        assert!(changed > 8, "{name}: {changed}");
        let file = with_number(&whole, rows, 1 << 40, 0).unwrap();
        std::fs::write(&path, file).unwrap();
        let error = read_features(&path, &ReadOptions::default()).unwrap_err();
        let Error::Index(IndexError::File { problem, .. }) = error else { panic!("{name}: {error}") };
        assert!(
            matches!(*problem, IndexError::ParquetClaim { .. } | IndexError::ParquetMetadata { .. }),
            "{name}: {problem}"
        );
    }
}

#[test]
fn pages_that_would_fill_more_than_a_reader_holds_are_refused() {
    // Twelve million zeros pack to some kilobytes. Each page of them is as large as the pages of other files, and
    // all together claim more than a file of this size can hold.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    common::write_zeros(&path, 3000, 8192);
    let mut file = std::fs::File::open(&path).unwrap();
    let len = file.metadata().unwrap().len();
    assert!(len < 2 << 20, "{len}");
    let error = check_parquet_claims(&mut file, &path, ParquetLimits::by_pages()).unwrap_err();
    assert!(matches!(error, IndexError::ParquetClaim { .. }), "{error}");
}

#[test]
fn a_file_that_is_not_parquet_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for bytes in [&b""[..], b"PAR", b"PAR1", b"PAR1PAR1", b"key,embedding\n", &[0; 4096]] {
        assert!(!read(folder.path(), bytes));
    }
    let path = folder.path().join("b.parquet");
    std::fs::create_dir(&path).unwrap();
    assert!(matches!(read_features(&path, &ReadOptions::default()), Err(Error::NoFiles { .. })));
}
