//! Holds docs/methods.md to what the comparison of all methods prints, and its page to what a browser shows.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::repository;

/// Largest difference of a figure. Other instruction sets sum in another order, which may swap two rows of a
/// ranking.
const TOLERANCE: f64 = 0.1;

/// The rows of a Markdown table whose head begins with `head`: the first cell, and all numbers of the others.
fn table(text: &str, head: &str) -> Vec<(String, Vec<f64>)> {
    let lines = text.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let row = |line: &str| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let method = cells.next().unwrap_or_default().trim_matches('`').to_string();
        let numbers = cells.flat_map(|cell| cell.split([' ', '[', ']', ',', '*']));
        (method, numbers.filter(|number| !number.is_empty()).map(|n| n.parse().expect(n)).collect())
    };
    lines.take_while(|line| line.starts_with('|')).map(row).collect()
}

#[test]
fn the_printed_tables_are_the_programs() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let run = common::run("compare_methods", &["--page".as_ref(), page.as_os_str()]).ends_with(0);
    let head = "| mAP (%), 95 % intervals | color | context | density | existence | quantity | shape | Avg |";
    let ours = table(&run.out, head);
    assert_eq!(ours.len(), 11, "{}", run.out);
    assert!(ours.iter().all(|(_, numbers)| numbers.len() == 3 * 7));
    let docs = std::fs::read_to_string(repository("docs/methods.md")).unwrap();
    let printed = table(&docs, head);
    assert_eq!(printed.len(), ours.len(), "docs/methods.md has the table");
    for ((method, ours), (printed_method, printed)) in ours.iter().zip(&printed) {
        assert_eq!(method, printed_method);
        assert_eq!(ours.len(), printed.len(), "{method}");
        for (ours, printed) in ours.iter().zip(printed) {
            assert!((ours - printed).abs() <= TOLERANCE, "{method}: {printed} is now {ours}");
        }
    }

    // The methods without a lambda have a table of their own, and differences with three intervals each.
    let (_, ours_after) = run.out.split_once("| basic(").unwrap();
    let (_, docs_after) = docs.split_once("| basic(").unwrap();
    for head in [head, "| difference of mAP, 95 % intervals |"] {
        let (ours, printed) = (table(ours_after, head), table(docs_after, head));
        assert!(!ours.is_empty() && ours.len() == printed.len(), "{head}: {ours:?} {printed:?}");
        for ((method, ours), (printed_method, printed)) in ours.iter().zip(&printed) {
            assert_eq!((method, ours.len()), (printed_method, printed.len()));
            for (ours, printed) in ours.iter().zip(printed) {
                assert!((ours - printed).abs() <= TOLERANCE, "{method}: {printed} is now {ours}");
            }
        }
    }
    // These figures are those of the first program that computed this rule, on the same demo.
    let figures = table(ours_after, head);
    for (method, expected) in [("weicom(auto)", 28.4), ("conjunction", 28.9), ("posterior", 32.1)] {
        let (_, numbers) = figures.iter().find(|(name, _)| name == method).unwrap();
        assert!((numbers[18] - expected).abs() <= 0.15, "{method}: {}", numbers[18]);
    }

    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.len() < 12 << 20, "{} bytes", html.len());
    for (method, numbers) in &ours {
        assert!(html.contains(&format!(">{method}</th>")), "{method}");
        assert!(html.contains(&format!("{:.2}", numbers[0])), "{method}");
    }
}

/// `cargo test --release --test compare_methods -- --ignored`
#[test]
#[ignore = "needs Chromium, on PATH or as CHROMIUM says"]
fn a_browser_shows_the_page_and_has_nothing_to_complain_of() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    common::run("compare_methods", &["--page".as_ref(), page.as_os_str()]).ends_with(0);
    let html = std::fs::read_to_string(&page).unwrap();
    let chromium = chromium().expect("there is no chromium on PATH and CHROMIUM is not set");
    assert_eq!(console(&chromium, &page), "", "a browser has nothing to complain of");
    // A picture from elsewhere, which the policy forbids, shows that the console is read and that the policy holds.
    let bad = folder.path().join("bad.html");
    std::fs::write(&bad, html.replace("</body>", "<img src=\"http://localhost:9/x.png\"></body>")).unwrap();
    assert!(console(&chromium, &bad).contains("Content Security Policy"));
}

/// Finds the browser that `CHROMIUM` names, or one on PATH.
fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Some(named.into());
    }
    let folders = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&folders)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|path| path.is_file())
}

/// Shows a page in a headless browser, and returns the lines of the browser's console.
fn console(chromium: &Path, page: &Path) -> String {
    let profile = tempfile::tempdir().unwrap();
    let run = common::finish(
        Command::new(chromium)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--disable-background-networking", "--enable-logging=stderr", "--dump-dom"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("file://{}", page.display())),
    )
    .ends_with(0);
    assert!(run.out.contains("Mean average precision"), "the page is shown:\n{}", run.err);
    run.err.lines().filter(|line| line.contains("CONSOLE")).collect::<Vec<_>>().join("\n")
}
