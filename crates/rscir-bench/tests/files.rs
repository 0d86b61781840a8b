//! The files of a benchmark and of a report: read within limits, without byte order marks, and replaced whole.

use std::fs;
use std::path::{Path, PathBuf};

use rscir_bench::report::{self, RunDescription};
use rscir_bench::{
    Bootstrap, Convention, CustomQueries, DatasetReport, DomainConversion, Error, Evaluation, Figures,
    Finding, HtmlReport, Icir, Interval, IntervalRow, Intervals, LevirCc, PatternCom, Protocol, QuerySet,
    Result, Rounding, Run, Table, TableRow, XviewCir, check_report, write_records, write_report,
};
use rscir_core::{Embeddings, EncoderSpec, Method};
use rscir_index::MemoryArchive;
use rscir_weicom::WeiCom;

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Reads a list, and forgets it.
type Read = Box<dyn Fn() -> Result<()>>;

/// Every reader of a list, with its file in `folder`.
fn readers(folder: &Path) -> Vec<(&'static str, PathBuf, Read)> {
    fs::create_dir_all(folder.join("PatternCom")).unwrap();
    let list = folder.join("list");
    let own = |read: fn(&Path) -> Result<()>| -> Read {
        let list = list.clone();
        Box::new(move || read(&list))
    };
    let (dataset, tiles) = (folder.to_path_buf(), folder.to_path_buf());
    vec![
        (
            "PatternCom",
            folder.join("PatternCom/color.csv"),
            Box::new(move || PatternCom::read(&dataset).map(|_| ())),
        ),
        (
            "patternnet.csv",
            folder.join("patternnet.csv"),
            Box::new(move || PatternCom::read_tiles(&tiles).map(|_| ())),
        ),
        ("xView2", list.clone(), own(|path| XviewCir::read(path).map(|_| ()))),
        ("domain conversion", list.clone(), own(|path| DomainConversion::read(path).map(|_| ()))),
        ("i-CIR", list.clone(), own(|path| Icir::read(path, path).map(|_| ()))),
        ("own queries", list.clone(), own(|path| CustomQueries::read(path).map(|_| ()))),
        ("LEVIR-CC", list.clone(), own(|path| LevirCc::read(path).map(|_| ()))),
        ("results", list.clone(), own(|path| Run::read(path).map(|_| ()))),
    ]
}

#[test]
fn a_line_without_an_end_is_refused_at_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    for (name, path, read) in readers(folder.path()) {
        for (content, at) in [
            (vec![b','; 20 << 20], 1),
            ([b"\"".to_vec(), vec![b'x'; 20 << 20]].concat(), 1),
            ([b"\n\n".to_vec(), vec![b'x'; 20 << 20]].concat(), 3),
        ] {
            fs::write(&path, content).unwrap();
            match read().unwrap_err() {
                Error::Line { path: named, line, problem } => {
                    // JSON is one text, and ends where it is none.
                    let is_json = name == "LEVIR-CC";
                    assert!(named == path && (is_json || line == at), "{name}: {line}");
                    assert!(is_json || problem.contains(" bytes"), "{name}: {problem}");
                    assert!(problem.len() < 500);
                }
                other => panic!("{name}: {other}"),
            }
        }
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn no_message_repeats_a_long_word_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let long = "x".repeat(1 << 20);
    let mut refused = 0;
    for (name, path, read) in readers(folder.path()) {
        for content in [
            format!("{long}\n"),
            format!("{long} 0 lake\n"),
            format!("{long},color,red\n"),
            format!("[\"{long}\"]\n"),
            format!("{{\"images\": [{{\"filename\": 1, \"{long}\": 1}}]}}\n"),
            format!("{{\"images\": \"{long}\"}}\n"),
            format!("{{\"{long}\": 1}}\n"),
        ] {
            fs::write(&path, content).unwrap();
            // A list of tiles takes anything for the number.
            if let Err(error) = read() {
                let length = error.to_string().len();
                assert!(length < 1000, "{name}: {length} bytes");
                refused += 1;
            }
        }
        fs::remove_file(path).unwrap();
    }
    assert!(refused >= 8 * 7 - 1, "{refused}");
}

#[test]
fn a_quote_that_is_not_closed_is_refused_by_the_line_it_opens_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    fs::write(&path, [b"a.jpg,red,b.jpg\n\"".to_vec(), b"x\n".repeat(4 << 20)].concat()).unwrap();
    match CustomQueries::read(&path).unwrap_err() {
        Error::Line { line: 2, problem, .. } => assert!(problem.contains("quote is not closed"), "{problem}"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_file_that_is_larger_than_lists_are_is_not_begun() {
    let folder = tempfile::tempdir().unwrap();
    for (name, path, read) in readers(folder.path()) {
        fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let error = read().unwrap_err();
        // Results are read line by line, and any number of lines.
        let expected = if name == "results" { matches!(error, Error::Line { line: 1, .. }) } else { true };
        assert!(expected && error.to_string().contains(" bytes"), "{name}: {error}");
        fs::remove_file(path).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_or_a_folder_is_no_list() {
    let folder = tempfile::tempdir().unwrap();
    for (name, path, read) in readers(folder.path()) {
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let error = read().unwrap_err().to_string();
        assert!(error.contains("this is a pipe"), "{name}: {error}");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let error = read().unwrap_err().to_string();
        assert!(error.contains("this is a folder"), "{name}: {error}");
        fs::remove_dir(&path).unwrap();
    }
}

/// An archive of rows with these keys.
fn archive(keys: &[&str]) -> MemoryArchive {
    let values = (0..2 * keys.len()).map(|i| 1.0 + i as f32).collect();
    let rows = Embeddings::normalize(2, values).unwrap();
    let keys = keys.iter().map(|key| (*key).to_string()).collect();
    MemoryArchive::new(EncoderSpec::unknown(2), keys, rows).unwrap()
}

#[test]
fn no_list_gives_a_byte_order_mark_to_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, format!("\u{feff}{text}")).unwrap();
        path
    };
    fs::create_dir(folder.path().join("PatternCom")).unwrap();
    write("PatternCom/color.csv", "a1.jpg,color,red\na2.jpg,color,blue\n");
    let labels = PatternCom::read(&folder).unwrap();
    assert_eq!(labels.attributes[0].rows[0].name, "a1.jpg");
    write("patternnet.csv", "images/a1.jpg 0 lake\n\u{feff}images/a2.jpg 0 lake\n");
    let tiles: Vec<_> = PatternCom::read_tiles(&folder).unwrap().into_iter().map(|tile| tile.path).collect();
    assert_eq!(tiles, ["images/a1.jpg", "images/a2.jpg"]);

    let (pre, post) = ("x-fire_1_pre_disaster.tif", "x-fire_1_post_disaster.tif");
    let xview = format!("image,query_default,query_alt1,query_alt2,target\n{pre},fire,b,c,{post}\n");
    let levir = r#"{"images": [{"filename": "1.png", "split": "test", "changeflag": 1, "sentences": [{"raw": "a road"}]}]}"#;
    let protocols: [(Box<dyn Protocol>, [&str; 2]); 5] = [
        (Box::new(XviewCir::read(write("xview.csv", &xview)).unwrap()), [pre, post]),
        (
            Box::new(
                DomainConversion::read(write("domains", "a.jpg photo dog\nb.jpg sketch dog\n")).unwrap(),
            ),
            ["a.jpg", "b.jpg"],
        ),
        (
            Box::new(
                Icir::read(write("queries", "a.jpg,red,1\n"), write("gallery", "b.jpg,red,1\n")).unwrap(),
            ),
            ["a.jpg", "b.jpg"],
        ),
        // Excel quotes what it exports.
        (
            Box::new(
                CustomQueries::read(write("own.csv", "\"image\",text,relevant\na.jpg,red,b.jpg\n")).unwrap(),
            ),
            ["a.jpg", "b.jpg"],
        ),
        (
            Box::new(LevirCc::read(write("levir.json", levir)).unwrap()),
            ["images/test/A/1.png", "images/test/B/1.png"],
        ),
    ];
    for (protocol, keys) in protocols {
        let (queries, DatasetReport { missing, .. }) = protocol.queries(&archive(&keys)).unwrap();
        assert!(missing.is_empty(), "{}: {missing:?}", protocol.name());
        assert_eq!(queries.images[0].key(), keys[0], "{}", protocol.name());
    }
    let record = r#"{"query":"q/0","attribute":"q","image":"a","value":"v","method":"m","ap":0.5,"relevant":1,"top":[]}"#;
    assert_eq!(Run::read(write("results.jsonl", record)).unwrap().methods, ["m"]);
}

/// A table of one group and one method.
fn table(group: &str, method: &str, map: f64) -> Table {
    let figures = Figures { queries: 3, map, ..Figures::default() };
    Table {
        groups: vec![group.into()],
        rows: vec![TableRow { method: method.into(), figures: vec![figures], average: figures }],
        rounding: Rounding::None,
        cutoffs: vec![5],
    }
}

fn run(dataset: &str) -> RunDescription {
    RunDescription {
        dataset: dataset.into(),
        spec: EncoderSpec::unknown(2),
        archive_rows: 3,
        options: serde_json::Value::Null,
        findings: DatasetReport::default(),
    }
}

fn contents(folder: &Path) -> Vec<(String, Option<String>)> {
    names(folder).into_iter().map(|name| (name.clone(), fs::read_to_string(folder.join(name)).ok())).collect()
}

#[test]
fn a_report_is_replaced_together_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let files = write_report(folder, &table("color", "image", 25.0), &run("old")).unwrap();
    assert_eq!(
        names(folder),
        [
            "metrics.csv",
            "patternnet_metrics_unknown_lambda0.5_color.csv",
            "rows.tex",
            "summary.json",
            "summary.md"
        ]
    );
    assert_eq!(files.len(), 5);
    assert_eq!(check_report(folder).unwrap(), Vec::<PathBuf>::new());
    // Whichever file cannot be written, the others stay as they were.
    for file in &files {
        let old = contents(folder);
        let aside = folder.with_extension("aside");
        fs::rename(file, &aside).unwrap();
        fs::create_dir(file).unwrap();
        let error = write_report(folder, &table("color", "image", 75.0), &run("new")).unwrap_err();
        assert!(error.to_string().contains("this is a folder"), "{error}");
        fs::remove_dir(file).unwrap();
        fs::rename(&aside, file).unwrap();
        assert_eq!(contents(folder), old);
    }
    write_report(folder, &table("color", "image", 75.0), &run("new")).unwrap();
    assert!(contents(folder).iter().all(|(_, text)| !text.as_ref().unwrap().contains("25.0")));
}

#[test]
fn a_report_of_two_runs_is_seen() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_report(&old, &table("color", "image", 25.0), &run("a")).unwrap();
    let files = write_report(&new, &table("color", "image", 75.0), &run("a")).unwrap();
    for file in files.iter().filter(|file| !file.ends_with("summary.json")) {
        let whole = fs::read(file).unwrap();
        fs::copy(old.path().join(file.file_name().unwrap()), file).unwrap();
        assert_eq!(check_report(&new).unwrap(), std::slice::from_ref(file));
        fs::remove_file(file).unwrap();
        assert_eq!(check_report(&new).unwrap(), std::slice::from_ref(file));
        fs::write(file, whole).unwrap();
    }
    assert!(check_report(&new).unwrap().is_empty());
    fs::write(new.path().join("summary.json"), r#"{"files": {"../x": "00"}}"#).unwrap();
    assert!(matches!(check_report(&new), Err(Error::Line { .. })));
    fs::write(new.path().join("summary.json"), "{}").unwrap();
    assert!(matches!(check_report(&new), Err(Error::Line { .. })));
}

#[test]
fn a_method_that_was_asked_for_twice_has_its_rows_in_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = table("color", "weicom(lambda=0.5)", 25.0);
    table.rows[0].method = WeiCom::new(0.5).unwrap().info();
    table.rows.push(table.rows[0].clone());
    let files = write_report(&folder, &table, &run("a")).unwrap();
    let reference = files.iter().find(|file| file.to_string_lossy().contains("lambda0.5")).unwrap();
    assert_eq!(fs::read_to_string(reference).unwrap().matches("Weighted Similarities Norm").count(), 2);
}

#[test]
fn the_name_of_a_group_leaves_no_folder() {
    let (outside, folder) = (tempfile::tempdir().unwrap(), "in");
    let folder = outside.path().join(folder);
    let files = write_report(&folder, &table("x/../../up", "image", 25.0), &run("a")).unwrap();
    assert!(files.iter().all(|file| file.parent() == Some(&folder)), "{files:?}");
    assert_eq!(names(outside.path()), ["in"]);
}

#[test]
fn no_name_is_obeyed_where_it_is_shown() {
    let wild = "a\u{1b}]0;x\u{7}\u{9b}2J\r\n\u{202e}|b";
    let table = table(wild, wild, 25.0);
    let mut described = run(wild);
    described.spec.model = Some(wild.into());
    let finding = Finding { file: wild.into(), line: 1, name: wild.into(), value: wild.into() };
    described.findings = DatasetReport {
        missing: vec![finding.clone()],
        headers: vec![finding],
        ambiguous: vec![wild.into()],
        ..DatasetReport::default()
    };
    let evaluation = Evaluation { methods: vec![], groups: vec![] };
    let mut intervals = Intervals::of(&evaluation, Convention::Standard, Bootstrap::default()).unwrap();
    (intervals.groups, intervals.queries) = (vec![wild.into()], vec![1]);
    let average = Interval { estimate: 25.0, low: 20.0, high: 30.0 };
    intervals.rows = vec![IntervalRow { method: wild.into(), groups: vec![average], average }];
    for text in [
        table.to_markdown(),
        report::metrics_csv(&table).unwrap(),
        report::latex_rows(&table),
        report::summary_markdown(&table, &described),
        report::findings_text(&described.findings),
        intervals.to_markdown(),
        intervals.to_csv().unwrap(),
    ] {
        let obeyed = text.chars().find(|c| rscir_core::is_unprintable(*c) && *c != '\n');
        assert_eq!(obeyed, None, "{text:?}");
    }
    let markdown = table.to_markdown();
    assert_eq!(markdown.lines().count(), 3);
    assert!(markdown.contains(r"a\u{1b}]0;x\u{7}\u{9b}2J  \u{202e}\|b"), "{markdown}");
    let csv = report::metrics_csv(&table).unwrap();
    assert!(csv.contains(r"a\u{1b}]0;x\u{7}\u{9b}2J\r\n\u{202e}|b"), "{csv}");
    // Ordinary names stay as they are.
    let text = report::metrics_csv(&self::table("=color, Gr\u{fc}n", "image", 25.0)).unwrap();
    assert!(text.contains("\"=color, Gr\u{fc}n\""), "{text}");
}

#[test]
fn results_and_pages_take_the_place_of_old_ones_and_of_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let archive = archive(&["a.jpg"]);
    let (queries, evaluation) = (QuerySet::default(), Evaluation { methods: vec![], groups: vec![] });
    let results = |path: &Path| write_records(path, &archive, &queries, &evaluation, Convention::Standard);
    let page = |path: &Path| HtmlReport::new("title", &archive, &queries, &evaluation)?.write(path);
    for (write, begins) in
        [(&results as &dyn Fn(&Path) -> Result<()>, ""), (&page as &dyn Fn(&Path) -> Result<()>, "<!DOCTYPE")]
    {
        fs::write(&path, "old").unwrap();
        write(&path).unwrap();
        let new = fs::read_to_string(&path).unwrap();
        assert!(new != "old" && new.starts_with(begins));
        assert_eq!(names(folder.path()), ["file"]);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(write(&path).unwrap_err().to_string().contains("this is a folder"));
        fs::remove_dir(&path).unwrap();
        #[cfg(unix)]
        for device in ["/dev/full", "/dev/stdout"] {
            let error = write(Path::new(device)).unwrap_err().to_string();
            assert!(error.contains("this is a device"), "{error}");
        }
    }
}
