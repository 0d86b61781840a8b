//! Holds the words of the crates to docs/style.md, as far as a program can.

mod common;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use common::{pages, prose, repository};

/// Crates whose words nobody has read through yet. A crate that is taken off this list is held from then on.
const NOT_YET: &[&str] = &[];

/// First words that make a fragment or a riddle of a sentence.
const NO_SENTENCE: &str = "As Hears Of Whether";

/// First word of sentences that do not say what a function does.
const NO_SENTENCE_OF_FUNCTIONS: &str = "Where";

/// Words in -s that are not verbs, so that a function's doc does not begin with them.
const NO_VERB: &str = "Always Axes Bytes Classes Columns Dimensions Doubts Embeddings Errors Features Fields Files \
                       Hits Images Indices Its Keys Less Lines Options Others Parts Perhaps Pixels Plus \
                       Probabilities Queries Rows Similarities Statistics Tensors Texts This Thus Tiles Towards \
                       Unless Values Weights Words";

/// British spellings, as whole words.
const BRITISH: &str = "aluminium amongst analogue analogues analyse analysed analysing artefact artefacts behaviour \
                       behaviours calibre cancelled cancelling catalogue catalogued catalogues centimetre centimetres \
                       centre centred centres centring channelled cheque colour coloured colouring colours defence \
                       dialogue enrol favour favoured favours favourite fibre fibres fulfil fulfils grey greyscale \
                       honour honoured honours judgement kilometre kilometres labelled labelling learnt levelled \
                       licence licences litre litres manoeuvre metre metres millimetre millimetres modelled modelling \
                       mould neighbour neighbouring neighbourhood neighbours offence practise programme programmes \
                       signalled spelt totalled travelled travelling tyre unlabelled whilst";

/// The words of [`BRITISH`], to look up.
static BRITISH_WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| BRITISH.split_whitespace().collect());

/// British spellings that stay, by crate: BASIC's parameter is written so in labels since version 0.1.
const KEPT: &[(&str, &str)] = &[("rscir-weicom", "British spelling: centring")];

/// Stems of verbs that British spelling may end in -ise and American spelling ends in -ize.
const IZE: &str = "capital categor character custom emphas equal final general initial local maxim memor minim normal \
                   optim organ parallel penal polar pressur prior quant raster real recogn regular sanit serial \
                   special stabil standard summar synchron token util vector visual";

/// What follows a stem of [`IZE`] in British spelling.
const ISE: &str = "isation isations ise ised iser isers ises ising";

/// What a doc comment describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Function,
    Other,
}

/// A doc comment: its lines without `///` or `//!`, and where it begins.
#[derive(Debug)]
struct Doc {
    line: usize,
    item: Item,
    lines: Vec<String>,
}

/// Collects the doc comments of a source file.
fn docs(source: &str) -> Vec<Doc> {
    let mut docs: Vec<Doc> = Vec::new();
    let mut open: Option<Doc> = None;
    // Brackets of an attribute that goes over several lines.
    let mut depth = 0_isize;
    for (at, line) in source.lines().enumerate() {
        let line = line.trim();
        let text = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
        if let Some(text) = text.filter(|text| !text.starts_with('/')) {
            let doc = open.get_or_insert_with(|| Doc { line: at + 1, item: Item::Other, lines: Vec::new() });
            doc.lines.push(text.to_owned());
            continue;
        }
        if open.is_some() && (depth > 0 || line.starts_with("#[")) {
            let count = |bracket: char| line.matches(bracket).count() as isize;
            depth += count('[') - count(']');
            continue;
        }
        if let Some(doc) = open.take() {
            let item = if is_function(line) { Item::Function } else { Item::Other };
            docs.push(Doc { item, ..doc });
        }
    }
    docs.extend(open);
    docs
}

/// Tells whether a line declares a function.
fn is_function(line: &str) -> bool {
    let before = line.split_whitespace().take_while(|word| *word != "fn");
    let is_qualifier = |word: &str| {
        word.starts_with("pub")
            || word.ends_with(')')
            || ["const", "async", "unsafe", "extern", "\"C\""].contains(&word)
    };
    line.split_whitespace().any(|word| word == "fn") && before.into_iter().all(is_qualifier)
}

/// Splits a doc comment into sentences, each with the line that it begins on. Code, tables and headings are left out.
fn sentences(doc: &Doc) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let (mut sentence, mut begins, mut is_code) = (String::new(), doc.line, false);
    let mut end = |sentence: &mut String, begins: usize| {
        let whole = std::mem::take(sentence);
        if !whole.trim().is_empty() {
            found.push((begins, whole.trim().to_owned()));
        }
    };
    for (at, line) in doc.lines.iter().enumerate() {
        let line = line.trim();
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        if is_code || is_fence || line.is_empty() || line.starts_with(['#', '|']) {
            end(&mut sentence, begins);
            continue;
        }
        let item = ["- ", "* ", "1. "].iter().find_map(|mark| line.strip_prefix(mark));
        if item.is_some() {
            end(&mut sentence, begins);
        }
        for word in item.unwrap_or(line).split_whitespace() {
            let starts = |c: char| c.is_uppercase() || ['`', '['].contains(&c);
            if sentence.ends_with(['.', '!', '?']) && word.starts_with(starts) {
                end(&mut sentence, begins);
            }
            if sentence.is_empty() {
                begins = doc.line + at;
            } else {
                sentence.push(' ');
            }
            sentence.push_str(word);
        }
    }
    end(&mut sentence, begins);
    found
}

/// Returns what is wrong with the first words of a doc comment's sentences.
fn beginnings(doc: &Doc) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, (line, sentence)) in sentences(doc).into_iter().enumerate() {
        let mut words = sentence.split(' ');
        let first = words.next().unwrap_or_default().trim_end_matches([',', ':', ';']);
        let is_function = doc.item == Item::Function;
        let is_one_of = |words: &str| words.split(' ').any(|word| word == first);
        if is_one_of(NO_SENTENCE) || is_function && is_one_of(NO_SENTENCE_OF_FUNCTIONS) {
            found.push((line, format!("a sentence begins with {first:?}: {sentence}")));
        } else if at == 0 && is_function {
            // A verb in the third person ends in -s, and what ends in -s before "of" is a plural.
            let is_verb =
                first.ends_with('s') && first.starts_with(char::is_uppercase) && words.next() != Some("of");
            if !is_verb || NO_VERB.split_whitespace().any(|word| word == first) {
                found.push((
                    line,
                    format!("a function's doc begins with no verb in the third person: {sentence}"),
                ));
            }
        }
    }
    found
}

/// Returns the British spellings of a text, each in lowercase. A name such as `labelledBy` is several words.
fn british(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in text.chars() {
        if !c.is_ascii_alphabetic() || c.is_uppercase() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_ascii_alphabetic()) {
            word.push(c.to_ascii_lowercase());
        }
    }
    let is_ise = |word: &str| {
        IZE.split_whitespace()
            .any(|stem| word.strip_prefix(stem).is_some_and(|end| ISE.split(' ').any(|ise| ise == end)))
    };
    words.retain(|word| BRITISH_WORDS.contains(word.as_str()) || is_ise(word));
    words
}

/// Returns what docs/style.md does not allow in a source file, with its lines.
fn faults(source: &str) -> Vec<(usize, String)> {
    let docs = docs(source);
    let mut found: Vec<_> = docs.iter().flat_map(beginnings).collect();
    for doc in &docs {
        if doc.lines.join(" ").split_whitespace().collect::<Vec<_>>().join(" ").contains("unless said") {
            found.push((doc.line, "\"unless said\": say \"Default: ...\"".to_owned()));
        }
    }
    for (at, line) in source.lines().enumerate() {
        found.extend(british(line).into_iter().map(|word| (at + 1, format!("British spelling: {word}"))));
    }
    found.sort();
    found
}

/// Lists the Rust files below a folder.
fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_words_of_every_crate_that_is_done_hold_to_the_style() {
    let (mut found, mut held) = (Vec::new(), 0);
    for entry in fs::read_dir(repository("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap();
        if NOT_YET.contains(&name) || !folder.join("src").is_dir() {
            continue;
        }
        held += 1;
        let mut files = Vec::new();
        rust_files(&folder.join("src"), &mut files);
        for path in files {
            let source = fs::read_to_string(&path).unwrap();
            let kept = |problem: &str| KEPT.contains(&(name, problem));
            let lines = faults(&source).into_iter().filter(|(_, problem)| !kept(problem));
            found.extend(lines.map(|(line, problem)| format!("{}:{line}: {problem}", path.display())));
        }
    }
    assert!(found.is_empty(), "{} faults:\n{}", found.len(), found.join("\n"));
    assert!(held > 0, "no crate is held");
}

/// Returns what docs/style.md does not allow in a page, with its lines. Code is left out.
fn page_faults(text: &str) -> Vec<(usize, String)> {
    let mut doc = Doc { line: 1, item: Item::Other, lines: vec![String::new(); text.lines().count()] };
    for (at, line) in prose(text) {
        // Cells of a table are sentences of their own.
        doc.lines[at - 1] = line.trim_start_matches('|').replace(" | ", ". ");
    }
    let mut found = beginnings(&doc);
    for (at, line) in doc.lines.iter().enumerate() {
        found.extend(british(line).into_iter().map(|word| (at + 1, format!("British spelling: {word}"))));
        if line.contains("unless said") {
            found.push((at + 1, "\"unless said\": say \"Default: ...\"".to_owned()));
        }
    }
    found.sort();
    found
}

#[test]
fn the_words_of_every_page_hold_to_the_style() {
    let mut found = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(repository(&page)).unwrap();
        let lines = page_faults(&text);
        found
            .extend(lines.into_iter().map(|(line, problem)| format!("{}:{line}: {problem}", page.display())));
    }
    assert!(found.is_empty(), "{} faults:\n{}", found.len(), found.join("\n"));
}

#[cfg(test)]
mod checker {
    use super::*;

    /// The lines on which something is found.
    fn lines(source: &str) -> Vec<usize> {
        faults(source).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn no_sentence_begins_with_of_as_whether_or_hears_nor_a_functions_with_where() {
        for word in ["Of", "As", "Whether", "Hears"] {
            assert_eq!(lines(&format!("/// {word} the row.\nstruct Row;")), [1], "{word}");
            assert_eq!(
                lines(&format!("/// A row.\n/// It is one. {word} the row.\nstruct Row;")),
                [2],
                "{word}"
            );
            assert_eq!(
                lines(&format!("//! A module.\n//!\n//! # Errors\n//! {word} it was.\n")),
                [4],
                "{word}"
            );
            assert_eq!(lines(&format!("/// Parts:\n/// - {word} it was.\nstruct Row;")), [2], "{word}");
        }
        assert_eq!(lines("/// Returns it. Where it is, it stays.\npub fn row() {}"), [1]);
        assert!(lines("/// A row. Where it is, it stays.\nstruct Row;").is_empty());
        assert!(lines("/// A row, as it was. Ofay is no \"Of\".\nstruct Row;").is_empty());
        assert!(lines("// As a private comment may.\nstruct Row;").is_empty());
        assert!(lines("/// Code:\n/// ```\n/// // As it is.\n/// ```\nstruct Row;").is_empty());
    }

    #[test]
    fn the_doc_of_a_function_begins_with_a_verb_in_the_third_person() {
        for words in
            ["The row.", "Row of it.", "`None` if it is.", "Names of rows.", "Rows it has.", "Return it."]
        {
            for declared in
                ["pub fn f() {}", "fn f()", "pub(crate) const fn f() {", "unsafe extern \"C\" fn f()"]
            {
                assert_eq!(lines(&format!("/// {words}\n{declared}")), [1], "{words} {declared}");
            }
            assert!(lines(&format!("/// {words}\npub row: fn(usize) -> usize,")).is_empty(), "{words}");
            assert!(lines(&format!("/// {words}\nstruct Row;")).is_empty(), "{words}");
        }
        let attribute = "#[expect(\n    clippy::one,\n    reason = \"it is\"\n)]\n#[must_use]";
        assert_eq!(lines(&format!("/// The row.\n{attribute}\npub fn row() {{}}")), [1]);
        for words in ["Returns the row.", "Is true. The row is there.", "Sets the row: The row is there."] {
            assert!(lines(&format!("/// {words}\n{attribute}\npub fn row() {{}}")).is_empty(), "{words}");
        }
    }

    #[test]
    fn a_page_is_held_outside_of_its_code_to_the_same_beginnings_and_spelling() {
        let lines = |text: &str| page_faults(text).into_iter().map(|(line, _)| line).collect::<Vec<_>>();
        assert_eq!(lines("# Rows\n\nIt is one. As it was."), [3]);
        assert_eq!(lines("| row | `a` |\n|---|---|\n| a row | Whether it is. |"), [3]);
        assert_eq!(lines("- Of the row.\n- The row, unless said."), [1, 2]);
        assert_eq!(lines("The `centre` of a centre.\n```text\nAs the colour\n```"), [1]);
        assert!(lines("# As a library\n\nThe row is as it was, of all rows.").is_empty());
    }

    #[test]
    fn a_default_is_not_what_is_so_unless_said() {
        assert_eq!(lines("/// Runs on the GPU unless\n/// said otherwise.\nstruct Row;"), [1]);
    }

    #[test]
    fn spelling_is_american_in_names_comments_and_messages() {
        let words = "// The centre, normalised.\nlet grey_level = \"a licence\";\nfn setColour() {}\n// Quantisation.";
        assert_eq!(british(words), ["centre", "normalised", "grey", "licence", "colour", "quantisation"]);
        assert_eq!(lines(words), [1, 1, 2, 2, 3, 4]);
        assert!(
            british("An analysis of organisms, a programmer, a metric, likewise; otherwise equalizes")
                .is_empty()
        );
    }
}
