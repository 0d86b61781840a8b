//! Holds docs/ to what makes a book of it: chapters, their last section, and code blocks that a machine can check.

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use common::{code_blocks, entries, pages, repository};

/// Pages without a section "What can go wrong": one is about words, the other is written by a program.
const WITHOUT_TROUBLE: [&str; 2] = ["style.md", "parity.md"];

/// The last section of a page.
const TROUBLE: &str = "## What can go wrong";

/// Languages of code blocks. Blocks in `sh` are checked by tests/commands.rs.
const LANGUAGES: [&str; 7] = ["json", "python", "rust", "sh", "text", "toml", "yaml"];

fn read(path: impl AsRef<Path>) -> String {
    let path = repository(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the pages that SUMMARY.md names, in its order.
fn chapters() -> Vec<String> {
    let summary = read("docs/SUMMARY.md");
    let targets = summary.lines().filter_map(|line| line.split_once("](")?.1.strip_suffix(')'));
    targets.map(String::from).collect()
}

#[test]
fn every_page_of_docs_is_one_chapter() {
    let mut chapters = chapters();
    let mut pages: Vec<String> = entries("docs")
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "SUMMARY.md")
        .collect();
    chapters.sort();
    pages.sort();
    assert_eq!(chapters, pages);
}

#[test]
fn a_chapter_has_one_title_and_ends_with_what_can_go_wrong() {
    for name in chapters() {
        let page = read(Path::new("docs").join(&name));
        assert!(page.starts_with("# "), "{name} begins with its title");
        if WITHOUT_TROUBLE.contains(&name.as_str()) {
            continue;
        }
        let mut is_code = false;
        let sections = page.lines().filter(|line| {
            is_code ^= line.starts_with("```");
            !is_code && line.starts_with("## ")
        });
        assert_eq!(sections.last(), Some(TROUBLE), "the last section of docs/{name}");
    }
}

#[test]
fn code_blocks_name_their_language_and_no_code_is_marked_by_its_indent() {
    let mut found = Vec::new();
    for page in pages() {
        // The pages of crates are rustdoc, which compiles blocks without a language.
        if page.starts_with("crates") {
            continue;
        }
        let text = read(&page);
        for (line, info, _) in code_blocks(&text) {
            if !LANGUAGES.contains(&info.split(',').next().unwrap_or_default()) {
                found.push(format!("{}:{line}: ```{info}", page.display()));
            }
        }
        let (mut is_code, mut before) = (false, "");
        for (at, line) in text.lines().enumerate() {
            is_code ^= line.trim_start().starts_with("```");
            if !is_code && line.starts_with("    ") && before.is_empty() {
                found.push(format!("{}:{}: a block by its indent", page.display(), at + 1));
            }
            before = line;
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn rust_on_a_page_is_compiled_and_shows_every_line_that_it_has() {
    let library = read("crates/rscir/src/lib.rs");
    let mut blocks: HashMap<String, usize> = HashMap::new();
    for page in pages() {
        if page.starts_with("crates") {
            continue;
        }
        for (line, info, code) in code_blocks(&read(&page)) {
            if !info.starts_with("rust") {
                continue;
            }
            let place = format!("{}:{line}", page.display());
            assert!(!info.contains("ignore"), "{place}: the block is not compiled");
            let hidden = code.lines().find(|line| line.trim_start().starts_with("# ") || line.trim() == "#");
            assert_eq!(hidden, None, "{place}: rustdoc hides this line, and the page shows it");
            *blocks.entry(page.display().to_string().replace('\\', "/")).or_default() += 1;
        }
    }
    for page in blocks.keys() {
        let included = format!("include_str!(\"../../../{page}\")");
        assert!(
            library.contains(&included),
            "crates/rscir/src/lib.rs makes no doc test of {page}: {included}"
        );
    }
    assert!(blocks.contains_key("README.md"), "{blocks:?}");
}
