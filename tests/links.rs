//! Holds every link of the pages to a file and a heading that are there.

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use common::{pages, prose, repository};

/// Address of a file of the repository for readers without a clone. Pages that the book or docs.rs show, too, link
/// to it.
const ONLINE: [&str; 2] =
    ["https://github.com/rscir/rscir/blob/main/", "https://github.com/rscir/rscir/tree/main/"];

/// Returns the targets of a text's links and pictures, each with its line, from 1. Code is left out.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, line) in prose(text) {
        // A definition, `[name]: target`, else links within the line.
        let definition = line.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        let defined = definition.map(|(_, target)| target);
        let linked =
            line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        found.extend(defined.into_iter().chain(linked).map(|target| (at, target.trim().to_owned())));
    }
    found
}

/// Returns the anchors that GitHub and mdBook give the headings of a page.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut found = Vec::new();
    for line in headings(text) {
        let words = line.replace("](", " (").to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        let slug: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let count = seen.entry(slug.clone()).or_default();
        found.push(if *count == 0 { slug } else { format!("{slug}-{count}") });
        *count += 1;
    }
    found
}

/// Returns the headings of a page without their marks; lines of code that begin with `#` are none.
fn headings(text: &str) -> Vec<String> {
    let mut is_code = false;
    let mut found = Vec::new();
    for line in text.lines() {
        is_code ^= line.trim_start().starts_with("```");
        let words = line.trim_start_matches('#');
        if !is_code && words.len() < line.len() && words.starts_with(' ') {
            found.push(words.trim().to_owned());
        }
    }
    found
}

/// Returns a path without `.` and `..`; `None` if it leads out of the repository.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => out.pop().then_some(())?,
            Component::Normal(name) => out.push(name),
            _ => {}
        }
    }
    Some(out)
}

/// Returns what is wrong with a link on a page: both are paths relative to the repository.
fn fault(page: &Path, target: &str) -> Option<String> {
    let online = ONLINE.iter().find_map(|prefix| target.strip_prefix(prefix));
    if online.is_none() && (target.contains("://") || target.starts_with("mailto:")) {
        return None;
    }
    let (path, anchor) = match online.unwrap_or(target).split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (online.unwrap_or(target), None),
    };
    let folder = page.parent().unwrap_or(Path::new(""));
    let file = match (online, path) {
        (_, "") => page.to_path_buf(),
        (Some(_), path) => PathBuf::from(path),
        (None, path) => match normal(&folder.join(path)) {
            Some(file) => file,
            None => return Some("it leads out of the repository".into()),
        },
    };
    if online.is_none() && page.starts_with("docs") && !file.starts_with("docs") {
        return Some(format!("the book has no such page: link to {}{}", ONLINE[0], file.display()));
    }
    let full = repository(&file);
    if !full.exists() {
        return Some(format!("{} is not there", file.display()));
    }
    let anchor = anchor?;
    let text = fs::read_to_string(full).unwrap_or_default();
    (!anchors(&text).iter().any(|known| known == anchor))
        .then(|| format!("no heading of {} is #{anchor}", file.display()))
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let (mut found, mut count) = (Vec::new(), 0);
    for page in pages() {
        let text = fs::read_to_string(repository(&page)).unwrap();
        for (line, target) in targets(&text) {
            count += 1;
            if let Some(problem) = fault(&page, &target) {
                found.push(format!("{}:{line}: ({target}): {problem}", page.display()));
            }
        }
    }
    assert!(found.is_empty(), "{} links lead nowhere:\n{}", found.len(), found.join("\n"));
    // The README alone has more than fifty.
    assert!(count > 50, "{count} links were seen");
}

#[test]
fn a_link_to_nothing_is_a_fault() {
    let readme = Path::new("README.md");
    for good in [
        "docs/start.md",
        "docs/start.md#the-programs",
        "#use-it",
        "crates/rscir-core",
        "https://example.org/none",
        "https://github.com/rscir/rscir/blob/main/README.md#try-it",
    ] {
        assert_eq!(fault(readme, good), None, "{good}");
    }
    for bad in [
        "docs/none.md",
        "docs/start.md#none",
        "#none",
        "../outside.md",
        "https://github.com/rscir/rscir/blob/main/none.md",
        "https://github.com/rscir/rscir/blob/main/README.md#none",
    ] {
        assert!(fault(readme, bad).is_some(), "{bad}");
    }
    assert!(fault(Path::new("docs/start.md"), "../README.md").is_some(), "the book has no README");
    assert_eq!(fault(Path::new("docs/start.md"), "ask.md#lambda"), None);
}

#[test]
fn links_are_found_outside_of_code_and_anchors_are_githubs() {
    let text = "A [a](b.md) and ![c](d.webp).\n```\n[no](no.md)\n```\n`[no](no.md)` [e](f#g)\n[h]: i.md\n";
    let found = targets(text);
    let expected = [(1, "b.md"), (1, "d.webp"), (5, "f#g"), (6, "i.md")];
    assert_eq!(found, expected.map(|(line, target)| (line, target.to_owned())));
    let text = "# Rows, keys: `top_k`\n```sh\n# no heading\n```\n## A / B\n## A / B\n#no heading\n";
    assert_eq!(anchors(text), ["rows-keys-top_k", "a--b", "a--b-1"]);
}
