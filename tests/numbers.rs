//! Holds the numbers of README.md to the pages that it links to, and what it shows of programs to what they print.

mod common;

use std::collections::HashSet;
use std::fs;

use common::{Run, repository, run};

/// Other instruction sets sum in another order, which may swap two rows of a ranking: points of mAP.
const TOLERANCE: f64 = 0.1;

/// Likewise of a score between 0 and 1. Two tiles whose scores are as near may change places.
const SCORE_TOLERANCE: f64 = 0.001;

fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns the numbers of a text, each as it is spelled. Digits that letters touch are names: `bf16`, `v1`.
fn numbers(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || ['.', ',', '_'].contains(&c);
    let words = text.split(|c| !is_part(c)).map(|word| word.trim_matches(['.', ',']));
    let is_number = |word: &&str| {
        word.starts_with(|c: char| c.is_ascii_digit())
            && !word.contains(|c: char| c.is_alphabetic() || c == '_')
    };
    words.filter(is_number).map(String::from).collect()
}

/// Returns a text without the targets of its links and without code between backticks.
fn words_alone(text: &str) -> String {
    let mut out = String::new();
    for (at, part) in text.split('`').enumerate() {
        let mut rest = if at % 2 == 0 { part } else { "" };
        while let Some((before, after)) = rest.split_once("](") {
            out.push_str(before);
            rest = after.split_once(')').map_or("", |(_, rest)| rest);
        }
        out.push_str(rest);
        out.push(' ');
    }
    out
}

/// Returns the pages of docs/ that a text links to, without what follows `#`.
fn pages(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let pages = targets.map(|(target, _)| target.split('#').next().unwrap_or_default());
    pages.filter(|page| page.starts_with("docs/") && page.ends_with(".md")).map(String::from).collect()
}

/// Returns what is wrong with the numbers of a text's tables: each number of a row is on a page that the row links to, and
/// a row without a link stands as it is on the page that the last paragraph before its table links to.
fn faults(text: &str, page: impl Fn(&str) -> String) -> Vec<String> {
    let mut found = Vec::new();
    let (mut paragraph, mut is_code) = (String::new(), false);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        is_code ^= line.starts_with("```");
        if is_code || line.is_empty() {
            continue;
        }
        if !line.starts_with('|') {
            paragraph = line.to_owned();
            continue;
        }
        // The head of a table is the line before its rule.
        if line.starts_with("|---") || lines.peek().is_some_and(|next| next.starts_with("|---")) {
            continue;
        }
        let numbers = numbers(&words_alone(line));
        if numbers.is_empty() {
            continue;
        }
        let linked = pages(line);
        if linked.is_empty() {
            let is_there = |name: &String| page(name).lines().any(|other| other == line);
            if !pages(&paragraph).iter().any(is_there) {
                found.push(format!("no page that the paragraph before links to has this row: {line}"));
            }
            continue;
        }
        let known: HashSet<String> = linked.iter().flat_map(|name| self::numbers(&page(name))).collect();
        let missing = numbers.into_iter().filter(|number| !known.contains(number));
        found.extend(missing.map(|number| format!("{number} is not on {}: {line}", linked.join(", "))));
    }
    found
}

#[test]
fn every_number_in_a_table_of_the_readme_is_on_the_page_that_the_row_links_to() {
    let readme = read("README.md");
    let found = faults(&readme, read);
    assert!(found.is_empty(), "{}", found.join("\n"));
    // The tables are seen: the published one, of ten rows, and that of speed, of four.
    let rows = |of: fn(&str) -> bool| readme.lines().filter(|line| line.starts_with('|') && of(line)).count();
    assert_eq!(rows(|line| line.starts_with("| CLIP, ") || line.starts_with("| RemoteCLIP, ")), 10);
    assert_eq!(rows(|line| line.ends_with(".md) |") && !numbers(&words_alone(line)).is_empty()), 4);
}

#[test]
fn a_number_that_its_page_lacks_is_a_fault() {
    let page = |name: &str| match name {
        "docs/a.md" => "It takes 1.5 s for 630 tiles.\n| CLIP | 13.47 |\n".to_owned(),
        _ => String::new(),
    };
    let table = |row: &str| format!("See [a](docs/a.md#speed).\n\n| what | result |\n|---|---|\n{row}\n");
    for good in ["| 630 tiles | 1.5 s ([page](docs/a.md)) |", "| CLIP | 13.47 |", "| `v1` in bf16 | |"] {
        assert_eq!(faults(&table(good), page), [""; 0], "{good}");
    }
    for bad in [
        "| 631 tiles | 1.5 s ([page](docs/a.md)) |",
        "| 630 tiles | 1.6 s ([page](docs/a.md)) |",
        "| 630 tiles | 1.5 s ([page](docs/b.md)) |",
        "| CLIP | 13.48 |",
        "| OpenCLIP | 13.47 |",
    ] {
        assert!(!faults(&table(bad), page).is_empty(), "{bad}");
    }
    assert_eq!(numbers("1,000,000 x 768: 12.75 ms, 8-bit, bf16, top_5."), ["1,000,000", "768", "12.75", "8"]);
}

/// Returns the commands of the README that have a block of what they print after them, with that block.
fn shown() -> Vec<(String, String)> {
    let readme = read("README.md");
    let mut blocks = readme.split("```").skip(1).step_by(2).peekable();
    let mut found = Vec::new();
    while let Some(block) = blocks.next() {
        let printed = blocks.peek().and_then(|next| next.strip_prefix("text\n"));
        if let (Some(command), Some(printed)) = (block.strip_prefix("sh\n"), printed) {
            found.push((command.trim().to_owned(), printed.to_owned()));
        }
    }
    found
}

/// Runs the example of a command as `cargo run` would.
fn run_shown(command: &str) -> Run {
    let words = command.strip_prefix("cargo run --release --example ").expect("the command runs an example");
    let mut words = words.split_whitespace();
    let name = words.next().expect("an example has a name");
    let arguments = words.filter(|word| *word != "--");
    let arguments = arguments.map(|word| {
        if word.starts_with("data/") { repository(word).display().to_string() } else { word.into() }
    });
    run(name, &arguments.collect::<Vec<_>>()).ends_with(0)
}

#[test]
fn the_readme_shows_what_its_first_command_prints() {
    let (command, printed) = shown().into_iter().next().expect("the first command has an output");
    assert_eq!(command, "cargo run --release --example evaluate_patterncom");
    let run = run_shown(&command);
    assert_eq!(printed.lines().count(), run.out.lines().count(), "{}", run.out);
    for (printed, ours) in printed.lines().zip(run.out.lines()) {
        let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        for (printed, ours) in cells(printed).iter().zip(&cells(ours)) {
            let values = printed.parse::<f64>().ok().zip(ours.parse::<f64>().ok());
            let is_near = values.is_some_and(|(printed, ours)| (printed - ours).abs() <= TOLERANCE);
            assert!(is_near || printed == ours, "the README shows {printed:?}, the program prints {ours:?}");
        }
    }
}

#[test]
fn the_readme_shows_what_its_second_command_finds() {
    let (command, printed) = shown().into_iter().nth(1).expect("the second command has an output");
    let run = run_shown(&command);
    let hits = |text: &str| {
        let hits = text.lines().filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let score: f64 = words.next()?.parse().ok()?;
            Some((words.next()?.to_owned(), score))
        });
        let mut hits: Vec<_> = hits.collect();
        hits.sort_by(|a, b| a.0.cmp(&b.0));
        hits
    };
    let (printed_hits, found) = (hits(&printed), hits(&run.out));
    assert_eq!((printed_hits.len(), found.len()), (3, 3));
    for ((printed, printed_score), (ours, score)) in printed_hits.iter().zip(&found) {
        assert!(
            printed == ours && (printed_score - score).abs() <= SCORE_TOLERANCE,
            "{printed:?}: {}",
            run.out
        );
    }
    let note = printed.lines().next().unwrap_or_default();
    assert!(run.err.contains(note), "no {note:?} in {}", run.err);
}
