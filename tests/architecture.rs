//! Checks that the files and functions that ARCHITECTURE.md names exist.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::repository;

/// Collects all Rust files in a folder and in those below it.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_step_of_the_walks_is_a_function_of_its_file() {
    let mut files = Vec::new();
    sources(&repository("crates"), &mut files);
    sources(&repository("examples"), &mut files);
    let text = fs::read_to_string(repository("ARCHITECTURE.md")).unwrap();
    let (_, walks) = text.split_once("## Three walks").unwrap();
    let mut steps = 0;
    for line in walks.lines().filter(|line| line.contains(".rs:")) {
        let (file, rest) = line.trim_start().split_once(".rs:").unwrap();
        let file = format!("{file}.rs");
        // The text after two spaces is a description.
        let names = rest.split_once("  ").map_or(rest, |(names, _)| names);
        for name in names.split(", ") {
            let name = format!("fn {}", name.rsplit("::").next().unwrap());
            let is_there = |path: &PathBuf| {
                let text = fs::read_to_string(path).unwrap();
                let mut ends = text.match_indices(&name).map(|(at, _)| &text[at + name.len()..]);
                ends.any(|end| end.starts_with(['(', '<']))
            };
            assert!(
                files.iter().filter(|path| path.ends_with(&file)).any(is_there),
                "no `{name}` in a file {file}: {line}"
            );
            steps += 1;
        }
    }
    assert!(steps > 50, "{steps} steps");
}
