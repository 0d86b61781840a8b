//! The instruction set that the environment names.

use std::process::Command;

use rscir_kernels::{Isa, IsaError, dot};

/// What a process of its own is to find, since a variable holds for a process.
const EXPECTED: &str = "RSCIR_TEST_EXPECTED";

/// Starts this file as a process of its own, in the emulator that cargo was told to run tests in, if any.
fn this_file() -> Command {
    let file = std::env::current_exe().expect("a test's own file");
    let runner = std::env::var("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace();
    match words.next().filter(|_| cfg!(target_arch = "aarch64")) {
        Some(runner) => {
            let mut command = Command::new(runner);
            command.args(words).arg(file);
            command
        }
        None => Command::new(file),
    }
}

fn child(isa: &str, expected: &str) {
    let status = this_file()
        .args(["--ignored", "--exact", "finds_what_it_is_told"])
        .env("RSCIR_ISA", isa)
        .env(EXPECTED, expected)
        .output()
        .expect("it runs");
    assert!(status.status.success(), "{isa:?}: {}", String::from_utf8_lossy(&status.stdout));
}

#[test]
#[ignore = "run by the other test, as a process of its own"]
fn finds_what_it_is_told() {
    let expected = std::env::var(EXPECTED).expect("set by the test that runs this one");
    let found = match Isa::requested() {
        Ok(isa) => isa.map_or("none", Isa::name).to_owned(),
        Err(error) => error.to_string(),
    };
    assert!(found.contains(&expected), "{found}");
    if let Some(isa) = Isa::requested().ok().flatten() {
        assert_eq!(Isa::detect(), isa);
    }
    assert_eq!(dot(&[1.0, 2.0], &[3.0, 4.0]), 11.0);
}

#[test]
fn the_environment_names_an_instruction_set_and_a_wrong_name_is_told() {
    for isa in Isa::available() {
        child(isa.name(), isa.name());
    }
    child("", "none");
    child("avx3", "RSCIR_ISA names \"avx3\", which is no instruction set");
    let lacking: &[_] =
        if cfg!(target_arch = "x86_64") { &["neon", "neon-dot", "neon-bf16"] } else { &["avx2"] };
    for isa in lacking {
        child(isa, "which this machine lacks");
    }
}

#[cfg(target_arch = "aarch64")]
#[test]
fn what_arm_cpus_have_is_found_and_what_they_lack_is_not() {
    use std::arch::is_aarch64_feature_detected as has;
    let dot = has!("dotprod");
    let expected = [true, true, dot, dot && has!("bf16")];
    let all = ["portable", "neon", "neon-dot", "neon-bf16"];
    let expected: Vec<_> =
        all.into_iter().zip(expected).filter_map(|(isa, here)| here.then_some(isa)).collect();
    assert_eq!(Isa::available().map(Isa::name).collect::<Vec<_>>(), expected);
    // The newest is taken, or the one before it where its products of bf16 are slow.
    let chosen = Isa::detect().name();
    let least = if expected.last() == Some(&"neon-bf16") { expected.len() - 2 } else { expected.len() - 1 };
    assert!(expected[least..].contains(&chosen), "{chosen} of {expected:?}");
}

#[test]
fn the_choice_is_one_of_those_that_the_machine_has() {
    assert!(Isa::available().any(|isa| isa == Isa::detect()));
    assert_eq!(Isa::available().next(), Some(Isa::Portable));
    let message = IsaError::Unknown("x".into()).to_string();
    assert!(message.contains("portable"), "{message}");
}
