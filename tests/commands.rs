//! Holds the commands of the pages to what is there: programs with the options that they are given, features, tests,
//! benchmarks, scripts.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use common::{code_blocks, entries, pages, prose, repository};

/// Options that clap gives every program.
const CLAPS: [&str; 2] = ["--help", "--version"];

/// Options that a page speaks of and that belong to others' programs: cargo, its tests, GNU parallel.
const OTHERS: [&str; 6] = ["--", "--features", "--ignored", "--release", "--retries", "--sshlogin"];

fn read(path: impl AsRef<Path>) -> String {
    let path = repository(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the options of clap that a source file declares, each with its dashes.
fn options(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut lines = source.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if !line.starts_with("#[arg(") {
            continue;
        }
        // An attribute ends with `)]`, on this line or a later one, and the field follows.
        let mut attribute = line.to_owned();
        while !attribute.ends_with(")]") {
            attribute.push(' ');
            attribute.push_str(lines.next().unwrap_or(")]"));
        }
        let inner = attribute.trim_start_matches("#[arg(");
        let mut parts = inner.trim_end_matches(")]").split(',').map(str::trim);
        let Some(long) = parts.find(|part| *part == "long" || part.starts_with("long = ")) else { continue };
        let declared = lines.find(|line| !line.starts_with("#[") && !line.starts_with("//"));
        let field = declared.and_then(|line| line.split(':').next()?.split_whitespace().last());
        let name = match long.strip_prefix("long = ") {
            Some(name) => name.trim_matches('"').to_owned(),
            None => field.unwrap_or_default().replace('_', "-"),
        };
        found.insert(format!("--{name}"));
    }
    found
}

/// Returns the programs in examples/ and scripts/, each with its options: those of its own files, and of the files in
/// examples/common whose structs it names.
fn programs() -> BTreeMap<String, BTreeSet<String>> {
    let shared: Vec<String> = entries("examples/common").iter().map(read).collect();
    let sources = entries("examples").into_iter().chain(entries("scripts"));
    let mut found = BTreeMap::new();
    for path in sources.filter(|path| path.extension().is_some_and(|extension| extension == "rs")) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut own = read(&path);
        let folder = path.with_extension("");
        if repository(&folder).is_dir() {
            entries(folder.to_str().unwrap()).iter().for_each(|path| own.push_str(&read(path)));
        }
        let mut known = options(&own);
        for source in &shared {
            let mut structs = source.lines().filter_map(|line| line.trim().strip_prefix("pub struct "));
            let is_named = |line: &str| line.split([' ', ';']).next().is_some_and(|name| own.contains(name));
            if structs.any(is_named) {
                known.extend(options(source));
            }
        }
        known.extend(CLAPS.map(String::from));
        found.insert(name, known);
    }
    found
}

/// Splits a shell's commands into words. Quotes hold words together, `#` begins a comment, a backslash goes on.
fn commands(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in code.replace("\\\n", " ").lines() {
        let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
        let mut end = |words: &mut Vec<String>| {
            if !words.is_empty() {
                found.push(std::mem::take(words));
            }
        };
        for c in line.chars() {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (Some(_), c) => word.push(c),
                (None, '"' | '\'') => quote = Some(c),
                (None, '#') if word.is_empty() => break,
                (None, ' ' | '|' | ';' | '&') => {
                    if !word.is_empty() {
                        words.push(std::mem::take(&mut word));
                    }
                    if c != ' ' {
                        end(&mut words);
                    }
                }
                (None, c) => word.push(c),
            }
        }
        if !word.is_empty() {
            words.push(word);
        }
        end(&mut words);
    }
    found
}

/// Things of the repository that a command can name.
struct Known {
    programs: BTreeMap<String, BTreeSet<String>>,
    features: BTreeSet<String>,
    recipes: BTreeSet<String>,
}

impl Known {
    fn new() -> Self {
        let manifest = read("Cargo.toml");
        let (_, features) = manifest.split_once("\n[features]\n").unwrap();
        let features = features.lines().take_while(|line| !line.starts_with('['));
        let names = features.filter_map(|line| Some(line.split_once(" = ")?.0.to_owned()));
        let justfile = read("justfile");
        let recipes = justfile.lines().filter(|line| !line.starts_with([' ', '#']) && line.contains(':'));
        let recipes = recipes.filter_map(|line| Some(line.split([' ', ':']).next()?.to_owned()));
        Self { programs: programs(), features: names.collect(), recipes: recipes.collect() }
    }

    /// Returns what is wrong with one command.
    fn faults(&self, words: &[String]) -> Vec<String> {
        let Some(first) = words.iter().position(|word| !word.contains('=') && word != "nice") else {
            return Vec::new();
        };
        let words = &words[first..];
        let name = words[0].trim_start_matches("./").trim_start_matches("target/release/examples/");
        match name {
            "cargo" => self.cargo(&words[1..]),
            "python" | "python3" => {
                words[1..].first().map_or(Vec::new(), |script| script_faults(script, &words[2..]))
            }
            "just" => {
                let recipe = words.get(1).filter(|recipe| !self.recipes.contains(*recipe));
                recipe.map(|recipe| format!("no recipe {recipe}")).into_iter().collect()
            }
            name if self.programs.contains_key(name) => self.program(name, &words[1..]),
            // `parallel` takes the command of a program as an argument.
            _ => match words.iter().position(|word| self.programs.contains_key(word.as_str())) {
                Some(at) => self.program(&words[at], &words[at + 1..]),
                None if words[0].starts_with("target/") => vec![format!("no program {name}")],
                None if words[0].contains('/') => missing(name),
                None => Vec::new(),
            },
        }
    }

    fn program(&self, name: &str, words: &[String]) -> Vec<String> {
        let given = words.iter().filter(|word| word.starts_with("--") && word.len() > 2);
        let given = given.map(|word| word.split('=').next().unwrap_or_default());
        given
            .filter(|word| !self.programs[name].contains(*word))
            .map(|word| format!("{name} has no {word}"))
            .collect()
    }

    fn cargo(&self, words: &[String]) -> Vec<String> {
        let at = words.iter().position(|word| word == "--").unwrap_or(words.len());
        let (own, given) = (&words[..at], words.get(at + 1..).unwrap_or_default());
        let mut found = Vec::new();
        let mut package = None;
        for pair in own.windows(2) {
            let value = pair[1].as_str();
            match pair[0].as_str() {
                "-p" => package = Some(value),
                "--example" if !self.programs.contains_key(value) => {
                    found.push(format!("no example {value}"))
                }
                "--example" => found.extend(self.program(value, given)),
                "--features" => {
                    let unknown =
                        |feature: &&str| !feature.contains('/') && !self.features.contains(*feature);
                    let unknown =
                        value.split(',').filter(unknown).map(|feature| format!("no feature {feature}"));
                    found.extend(unknown.filter(|_| package.is_none()));
                }
                "--bench" => found.extend(missing(&format!("benches/{value}.rs"))),
                "--test" => {
                    let folder = package.map_or("tests".to_owned(), |name| format!("crates/{name}/tests"));
                    found.extend(missing(&format!("{folder}/{value}.rs")));
                }
                "--manifest-path" => found.extend(missing(value)),
                _ => {}
            }
        }
        if let Some(name) = package.filter(|name| name.starts_with("rscir-")) {
            found.extend(missing(&format!("crates/{name}")));
        }
        found
    }
}

fn missing(path: &str) -> Vec<String> {
    if repository(path).exists() { Vec::new() } else { vec![format!("{path} is not there")] }
}

/// Returns what is wrong with the call of a script of the repository.
fn script_faults(script: &str, words: &[String]) -> Vec<String> {
    if !repository(script).is_file() {
        return missing(script);
    }
    let source = read(script);
    let given = words.iter().filter(|word| word.starts_with("--"));
    given
        .filter(|word| !source.contains(&format!("\"{word}\"")))
        .map(|word| format!("{script} has no {word}"))
        .collect()
}

#[test]
fn every_command_of_the_pages_names_what_is_there() {
    let known = Known::new();
    let (mut found, mut count) = (Vec::new(), 0);
    for page in pages() {
        for (line, language, code) in code_blocks(&read(&page)) {
            if language != "sh" {
                continue;
            }
            for words in commands(&code) {
                count += 1;
                let faults = known.faults(&words);
                found.extend(faults.into_iter().map(|fault| format!("{}:{line}: {fault}", page.display())));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(count > 40, "{count} commands were seen");
}

#[test]
fn every_option_and_command_between_backticks_is_there() {
    let known = Known::new();
    let options: BTreeSet<&String> = known.programs.values().flatten().collect();
    let files = ["scripts", "benches/compare"].into_iter().flat_map(entries);
    let scripts: Vec<String> = files.filter(|path| repository(path).is_file()).map(read).collect();
    let (mut found, mut count) = (Vec::new(), 0);
    for page in pages() {
        // The changelog names options that are gone, and the comparison those of other programs.
        if ["CHANGELOG.md", "COMPARE.md"].iter().any(|name| page == Path::new(name)) {
            continue;
        }
        let text = read(&page);
        let is_prose: BTreeSet<usize> = prose(&text).into_iter().map(|(line, _)| line).collect();
        for (at, line) in text.lines().enumerate().filter(|(at, _)| is_prose.contains(&(at + 1))) {
            for code in line.split('`').skip(1).step_by(2) {
                let place = format!("{}:{}", page.display(), at + 1);
                if !code.starts_with("--") {
                    let is_command = |name: &str| {
                        known.programs.contains_key(name) || ["cargo", "just", "python"].contains(&name)
                    };
                    let all = commands(code);
                    let all = all.iter().filter(|words| is_command(&words[0]));
                    let faults = all.flat_map(|words| known.faults(words));
                    found.extend(faults.map(|fault| format!("{place}: {fault}")));
                    continue;
                }
                for word in code.split([' ', '=', ',']).filter(|word| word.starts_with("--")) {
                    count += 1;
                    let is_scripts = || scripts.iter().any(|source| source.contains(&format!("\"{word}\"")));
                    if !options.contains(&word.to_owned()) && !OTHERS.contains(&word) && !is_scripts() {
                        found.push(format!("{place}: no program has {word}"));
                    }
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(count > 40, "{count} options were seen");
}

#[test]
fn a_command_that_names_what_is_not_there_is_a_fault() {
    let known = Known::new();
    let faults =
        |line: &str| commands(line).iter().map(|words| known.faults(words).len()).collect::<Vec<_>>();
    for good in [
        "cargo run --release --example search -- --text 'a --none' --top 3   # --none",
        "cargo run --release --features web,geo --example serve -- --archive a --scenes b",
        "target/release/examples/search --archive a \\\n    --within 1,2,3,4",
        "seq 4 | parallel extract_features --images t --shard {}/4",
        "CUDA_COMPUTE_CAP=90 cargo build --release --features cuda --examples",
        "cargo test --release -p rscir-index --test scale -- --ignored",
        "just ci",
    ] {
        assert!(faults(good).iter().all(|count| *count == 0), "{good}: {:?}", faults(good));
    }
    for bad in [
        "cargo run --release --example none",
        "cargo run --release --example search -- --none 3",
        "cargo run --release --features none --example search",
        "target/release/examples/none --archive a",
        "target/release/examples/search --archive a \\\n    --none",
        "seq 4 | parallel extract_features --none",
        "cargo test --release -p rscir-index --test none",
        "cargo bench --bench none",
        "python benches/compare/none.py",
        "python benches/compare/encode.py --none",
        "just none",
    ] {
        assert_eq!(faults(bad).iter().sum::<usize>(), 1, "{bad}");
    }
}

#[test]
fn the_options_of_a_program_are_read_from_its_source() {
    let source = "#[arg(long)]\npub top: usize,\n#[arg(\n    long = \"without\",\n    value_name = \"T\"\n)]\npub texts: T,\n\
                  #[arg(long, default_value_t = 3)]\n/// Doc\nmax_failures: usize,\nother: usize,\n";
    let expected = ["--max-failures", "--top", "--without"].map(String::from);
    assert_eq!(options(source), BTreeSet::from(expected));
}
