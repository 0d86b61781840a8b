//! Hostile checkpoints: crafted ones and mutations of real ones. Each gives an error that says what is wrong, none panics,
//! takes more memory than its size and 256 MiB, or two seconds.

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rscir_checkpoint::{Checkpoint, Error};

mod hostile;
mod measured;
mod random;

use hostile::{legacy, pickles, safetensors, zips};
use measured::measured;
use random::Random;

const SPARE_MEMORY: usize = 256 << 20;
const LONGEST: Duration = Duration::from_secs(2);

/// Opens a file and reads everything in it, within the limits.
fn attempt(path: &Path, case: &str) -> Result<(), Error> {
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len() as usize);
    let (result, peak, time) = measured(|| {
        let checkpoint = Checkpoint::open(path)?.open_clip_names();
        checkpoint.names().try_for_each(|name| {
            checkpoint.tensor_f32(name, checkpoint.shape(name).unwrap_or_default()).map(|_| ())
        })
    });
    assert!(peak <= size + SPARE_MEMORY, "{case}: {peak} bytes of memory for a file of {size}");
    assert!(time < LONGEST, "{case}: {time:?}");
    result
}

/// The error and its causes in one line.
fn chain(error: &Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line += &format!(": {error}");
        cause = error.source();
    }
    line
}

/// One test for all, so that nothing else allocates meanwhile.
#[test]
fn hostile_checkpoints_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let mut cases = 0;
    let mut wrong = Vec::new();
    let mut check = |case: &str, result: Result<(), Error>, message: &str| match result {
        Ok(()) => wrong.push(format!("{case}: no error")),
        Err(error) if !chain(&error).contains(message) => wrong.push(format!("{case}: {}", chain(&error))),
        Err(_) => {}
    };

    let crafted = [zips(), pickles(), legacy(), safetensors()].concat();
    for (case, bytes, message) in crafted {
        std::fs::write(&path, bytes).unwrap();
        check(&case, attempt(&path, &case), message);
        cases += 1;
    }
    for (case, files, message) in hostile::sharded() {
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        check(case, attempt(&folder.path().join("index.json"), case), message);
        cases += 1;
    }

    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/checkpoints");
    let fixtures: [PathBuf; 5] =
        ["zip.pt", "training.pt", "script.pt", "legacy.pt", "flat.safetensors"].map(|name| data.join(name));
    for fixture in &fixtures {
        let whole = std::fs::read(fixture).unwrap();
        let parts = 24;
        for part in 0..parts {
            let length = whole.len() * part / parts;
            std::fs::write(&path, &whole[..length]).unwrap();
            let case = format!("{} cut to {length}", fixture.display());
            check(&case, attempt(&path, &case), "");
            cases += 1;
        }
    }
    // Bytes that a checksum covers, in archives of which everything is read.
    for fixture in [&fixtures[0], &fixtures[2]] {
        let whole = std::fs::read(fixture).unwrap();
        for (entry, range) in hostile::entries(&whole).into_iter().filter(|(entry, _)| entry.contains("data"))
        {
            for place in range.step_by(47) {
                let mut bytes = whole.clone();
                bytes[place] ^= 0x10;
                std::fs::write(&path, bytes).unwrap();
                let case = format!("{}: byte {place} of {entry} flipped", fixture.display());
                // Identifiers of torch's that are not read need no checking.
                if !entry.contains(".data/") && !entry.contains("debug_pkl") {
                    check(&case, attempt(&path, &case), "");
                    cases += 1;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(cases >= 200, "{cases} cases");

    // Mutations that need not matter: any outcome within the limits will do.
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for fixture in &fixtures {
        let whole = std::fs::read(fixture).unwrap();
        for round in 0..400 {
            let mut bytes = whole.clone();
            for _ in 0..=random.below(3) {
                let place = random.below(bytes.len());
                bytes[place] = match random.below(3) {
                    0 => 0xff,
                    1 => bytes[place] ^ 1 << random.below(8),
                    _ => random.below(256) as u8,
                };
            }
            std::fs::write(&path, bytes).unwrap();
            let _ = attempt(&path, &format!("{} mutation {round}", fixture.display()));
        }
    }
}
