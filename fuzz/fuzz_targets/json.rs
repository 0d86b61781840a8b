//! Any bytes as LEVIR-CC's JSON and as results by query: read or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rscir_bench::{Bootstrap, Error, LevirCc, Protocol, Run};
use rscir_core::{EncoderSpec, testing};
use rscir_index::MemoryArchive;

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("rscir-fuzz-{}.json", std::process::id()));
    std::fs::write(&path, bytes).expect("a writable folder");
    let lines = 1 + bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    let refused = |error: Error| match error {
        Error::Line { line, problem, .. } => {
            assert!(line >= 1 && line <= lines, "line {line} of {lines}");
            assert!(!problem.is_empty() && problem.len() < 10_000, "{problem}");
        }
        other => panic!("{other}"),
    };
    match LevirCc::read(&path) {
        Ok(protocol) => {
            let keys = ["images/test/A/1.png", "images/test/B/1.png"].map(String::from).into();
            let archive = MemoryArchive::new(EncoderSpec::unknown(4), keys, testing::unit_rows(2, 4, 1));
            let _ = protocol.queries(&archive.expect("distinct keys"));
        }
        Err(error) => refused(error),
    }
    match Run::read(&path) {
        Ok(run) => {
            for method in &run.methods {
                let (first, second) = run.paired(method, &run, method).expect("a run pairs with itself");
                let bootstrap = Bootstrap::default().resamples(3);
                let difference = bootstrap.difference(&first, &second).expect("one shape");
                assert_eq!((difference.interval.low, difference.p_value), (0.0, 1.0));
            }
        }
        Err(error) => refused(error),
    }
});
