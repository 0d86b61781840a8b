//! The instruction set that the environment names.

use std::process::Command;

use rscir_kernels::{Isa, IsaError, dot};

/// What a process of its own is to find, since a variable holds for a process.
const EXPECTED: &str = "RSCIR_TEST_EXPECTED";

fn child(isa: &str, expected: &str) {
    let status = Command::new(std::env::current_exe().expect("a test's own file"))
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
    let lacking = if cfg!(target_arch = "x86_64") { "neon" } else { "avx2" };
    child(lacking, "which this machine lacks");
}

#[test]
fn the_choice_is_one_of_those_that_the_machine_has() {
    assert!(Isa::available().any(|isa| isa == Isa::detect()));
    assert_eq!(Isa::available().next(), Some(Isa::Portable));
    let message = IsaError::Unknown("x".into()).to_string();
    assert!(message.contains("portable"), "{message}");
}
