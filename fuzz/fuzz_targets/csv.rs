//! Any bytes as each of the benchmarks' lists: read or refused, and what is read asks a small archive.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use rscir_bench::{CustomQueries, DomainConversion, Error, Icir, PatternCom, Protocol, Result, XviewCir};
use rscir_core::{Archive, EncoderSpec, testing};
use rscir_index::MemoryArchive;

const KEYS: [&str; 6] =
    ["a1.jpg", "a2.jpg", "b1.jpg", "x/a3.jpg", "e_1_pre_disaster.tif", "e_1_post_disaster.png"];

fn archive() -> &'static MemoryArchive {
    static ARCHIVE: OnceLock<MemoryArchive> = OnceLock::new();
    ARCHIVE.get_or_init(|| {
        let keys = KEYS.map(String::from).into();
        MemoryArchive::new(EncoderSpec::unknown(4), keys, testing::unit_rows(KEYS.len(), 4, 1))
            .expect("distinct keys")
    })
}

fn read(kind: u8, folder: &std::path::Path, text: &[u8]) -> Result<Box<dyn Protocol>> {
    let path = if kind == 0 { folder.join("PatternCom/color.csv") } else { folder.join("list.csv") };
    std::fs::write(&path, text).expect("a writable folder");
    Ok(match kind {
        0 => Box::new(PatternCom::read(folder)?),
        1 => Box::new(XviewCir::read(path)?),
        2 => Box::new(DomainConversion::read(path)?),
        3 => Box::new(Icir::read(&path, &path)?),
        _ => Box::new(CustomQueries::read(path)?),
    })
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, text)) = bytes.split_first() else { return };
    let folder = std::env::temp_dir().join(format!("rscir-fuzz-csv-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("PatternCom")).expect("a writable folder");
    let lines = 1 + text.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() as u64;
    match read(kind % 5, &folder, text) {
        Ok(protocol) => {
            if let Ok((queries, report)) = protocol.queries(archive()) {
                assert!(queries.relevant.iter().flatten().all(|row| *row < archive().len()));
                assert!(
                    report
                        .missing
                        .iter()
                        .chain(&report.unanswered)
                        .all(|finding| finding.line >= 1 && finding.line <= lines)
                );
            }
        }
        Err(Error::Line { line, problem, .. }) => {
            assert!(line >= 1 && line <= lines, "line {line} of {lines}");
            assert!(!problem.is_empty() && problem.len() < 10_000, "{problem}");
        }
        Err(other) => panic!("{other}"),
    }
});
