//! Any bytes are a Parquet file of vectors whose rows are finite and as many as its keys, or an error, read as a whole and block
//! by block. Begin with the seeds: one small file of each schema.

#![no_main]

use std::sync::Once;

use libfuzzer_sys::fuzz_target;
use rscir_interchange::{ReadOptions, VectorFiles, read_features};

fuzz_target!(|bytes: &[u8]| {
    // A panic of the decoder is held and becomes an error. One that is not held still ends the run.
    static QUIET: Once = Once::new();
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let path = std::env::temp_dir().join(format!("rscir-fuzz-interchange-{}.parquet", std::process::id()));
    std::fs::write(&path, bytes).expect("a writable folder");
    let options = ReadOptions::default();
    let Ok(read) = read_features(&path, &options) else { return };
    let features = read.features;
    assert_eq!(features.keys.len(), features.embeddings.len());
    assert!(features.embeddings.as_slice().iter().all(|number| number.is_finite()));
    let table = VectorFiles::open(&path, &options).expect("it was read before");
    let rows: usize = table.blocks().map(|block| block.expect("it was read before").keys.len()).sum();
    assert_eq!(rows, features.keys.len());
});
