//! Small hand-made files of every benchmark, with answers known beforehand.

use std::path::{Path, PathBuf};

use rscir_bench::{
    Convention, CustomQueries, DatasetReport, DomainConversion, Error, EvaluateOptions, Icir, LevirCc, Mode,
    PatternCom, Protocol, QueryVectors, Table, XviewCir, XviewText,
};
use rscir_core::{Archive, Embeddings, EncoderSpec};
use rscir_index::MemoryArchive;
use rscir_weicom::{ImageOnly, Normalization, TextOnly, WeiCom};

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Rows in the plane, at these angles in degrees.
fn archive(rows: &[(&str, f32)]) -> MemoryArchive {
    let keys = rows.iter().map(|(key, _)| (*key).to_string()).collect();
    let angles = rows.iter().map(|(_, angle)| angle.to_radians());
    let values = angles.flat_map(|angle| [angle.cos(), angle.sin()]).collect();
    MemoryArchive::new(EncoderSpec::unknown(2), keys, Embeddings::normalize(2, values).unwrap()).unwrap()
}

/// The table of image alone and text alone; every text points up.
fn table(protocol: &dyn Protocol, archive: &dyn Archive, exclude_query: bool) -> Table {
    let (queries, _) = protocol.queries(archive).unwrap();
    let texts = Embeddings::normalize(2, [0.0, 1.0].repeat(queries.texts.len())).unwrap();
    let vectors = QueryVectors { images: QueryVectors::images_of(&queries, archive).unwrap(), texts };
    let options = EvaluateOptions::default().exclude_query(exclude_query);
    let outcome = protocol.evaluate(archive, &queries, &vectors, &[&ImageOnly, &TextOnly], options).unwrap();
    protocol.table(&outcome)
}

const XVIEW: &str = "image,query_default,query_alt1,query_alt2,target\n\
    test/images/palu-tsunami_01_pre_disaster.tif,post tsunami,a,b,test/images/palu-tsunami_01_post_disaster.tif\n\
    test/images/palu-tsunami_02_pre_disaster.tif,post tsunami,a,b,test/images/palu-tsunami_02_post_disaster.tif\n\
    test/images/x-fire_01_pre_disaster.tif,post fire,c,d,test/images/x-fire_01_post_disaster.tif\n";

#[test]
fn xview_ranks_one_target_by_event_under_either_ending() {
    let folder = tempfile::tempdir().unwrap();
    let mut protocol = XviewCir::read(write(folder.path(), "xview.csv", XVIEW)).unwrap();
    assert_eq!(protocol.len(), 3);
    let archive = archive(&[
        ("test/images/palu-tsunami_01_pre_disaster.png", 0.0),
        ("test/images/palu-tsunami_01_post_disaster.png", 10.0),
        ("test/images/palu-tsunami_02_pre_disaster.png", 30.0),
        ("test/images/palu-tsunami_02_post_disaster.png", 51.0),
        ("test/images/x-fire_01_pre_disaster.tif", 80.0),
    ]);
    let (queries, DatasetReport { missing, .. }) = protocol.queries(&archive).unwrap();
    assert_eq!(queries.len(), 2);
    assert_eq!((missing.len(), missing[0].line), (1, 4));
    assert_eq!(missing[0].name, "test/images/x-fire_01_post_disaster.tif");
    // By the image, the target of 0 degrees is first, that of 30 second, behind the one at 10.
    let table = table(&protocol, &archive, true);
    assert_eq!(table.groups, ["palu-tsunami"]);
    assert_eq!(table.cutoffs, [1, 5, 10]);
    let image = &table.rows[0].figures[0];
    assert_eq!((image.map, image.recall[0], image.recall[1]), (75.0, 50.0, 100.0));
    assert_eq!((image.recall_at(1), image.recall_at(5), image.recall_at(2)), (Some(50.0), Some(100.0), None));
    assert_eq!((image.precision_at(1), image.precision_at(5)), (Some(50.0), Some(20.0)));

    for (text, words) in [(XviewText::First, "a"), (XviewText::Second, "b")] {
        protocol.text = text;
        assert_eq!(protocol.queries(&archive).unwrap().0.texts, [words]);
    }
}

#[test]
fn bad_xview_files_are_refused_by_line() {
    let folder = tempfile::tempdir().unwrap();
    for (text, line, says) in [
        ("", 1, "header"),
        ("image,target\n", 1, "header"),
        (&format!("{XVIEW}a_1.tif,x,y,z\n"), 5, "got 4"),
        (&format!("{XVIEW}a_1.tif,x,,z,t.tif\n"), 5, "query_alt1 is empty"),
        (&format!("{XVIEW}noevent.tif,x,y,z,t.tif\n"), 5, "<event>_<id>"),
    ] {
        match XviewCir::read(write(folder.path(), "x.csv", text)) {
            Err(Error::Line { line: at, problem, .. }) => {
                assert!(at == line && problem.contains(says), "{at}: {problem}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn levir_asks_with_every_sentence_of_a_changed_pair() {
    let folder = tempfile::tempdir().unwrap();
    let json = r#"{"dataset": "LEVIR-CC", "images": [
        {"filepath": "test", "filename": "1.png", "imgid": 0, "split": "test", "changeflag": 1,
         "sentences": [{"raw": " a road is built ", "tokens": []}, {"raw": "houses appear ."}]},
        {"filepath": "test", "filename": "2.png", "imgid": 1, "split": "test", "changeflag": 0,
         "sentences": [{"raw": "nothing changes"}]}]}"#;
    let protocol = LevirCc::read(write(folder.path(), "l.json", json)).unwrap();
    let archive = archive(&[
        ("images/test/A/1.png", 0.0),
        ("images/test/B/2.png", 60.0),
        ("images/test/B/1.png", 20.0),
        ("images/test/A/2.png", 90.0),
    ]);
    let (queries, DatasetReport { missing, .. }) = protocol.queries(&archive).unwrap();
    assert_eq!(queries.texts, ["a road is built", "houses appear ."]);
    assert_eq!((queries.len(), queries.relevant, missing), (2, vec![vec![2]], vec![]));
    let table = table(&protocol, &archive, true);
    // By the image the target is first; by the text, upwards, behind 90 and 60 degrees.
    assert_eq!(table.rows[0].average.map, 100.0);
    assert!((table.rows[1].average.map - 100.0 / 3.0).abs() < 1e-9);

    // What the archive lacks is named by its entry: the file may be one line.
    let json = json
        .replace("1.png", "9.png")
        .replace("2.png", "1.png")
        .replace("\"changeflag\": 0", "\"changeflag\": 1");
    let protocol = LevirCc::read(write(folder.path(), "l.json", &json.replace('\n', " "))).unwrap();
    let (queries, DatasetReport { missing, .. }) = protocol.queries(&archive).unwrap();
    let missing: Vec<_> = missing.iter().map(|finding| (finding.line, finding.name.as_str())).collect();
    let (a, b) = ((1, "images/test/A/9.png"), (1, "images/test/B/9.png"));
    assert_eq!((queries.len(), missing), (1, vec![a, b, a, b]));

    for (json, line) in [("{\n\"images\": [{}]}", 2), ("{", 1), ("[]", 1)] {
        assert!(
            matches!(LevirCc::read(write(folder.path(), "l.json", json)), Err(Error::Line { line: at, .. }) if at == line)
        );
    }
}

#[test]
fn bad_levir_files_are_refused_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let entry = |name: &str, split: &str, flag: &str, sentence: &str| {
        format!(
            "{{\"images\": [\n{{\"filename\": {name}, \"split\": {split}, \"changeflag\": {flag},\n\
             \"sentences\": [{{\"raw\": {sentence}}}]}}]}}"
        )
    };
    let good = entry("\"1.png\"", "\"test\"", "1", "\"a road\"");
    for (name, json, line, says) in [
        ("empty", String::new(), 1, "EOF"),
        ("cut", good[..good.len() - 12].into(), 3, "EOF"),
        ("more behind", format!("{good}\n{good}"), 4, "trailing characters"),
        ("a list", format!("[{good}]"), 1, "expected images with filename"),
        ("no images", "{\"image\": []}".into(), 1, "missing field `images`"),
        ("images of a number", "{\"images\": 3}".into(), 1, "invalid type: integer"),
        ("a number for a name", entry("1", "\"test\"", "1", "\"a\""), 2, "expected a string"),
        ("null for a split", entry("\"1.png\"", "null", "1", "\"a\""), 2, "expected a string"),
        ("a text for a flag", entry("\"1.png\"", "\"test\"", "\"1\"", "\"a\""), 2, "expected u8"),
        ("a flag of two", entry("\"1.png\"", "\"test\"", "2", "\"a\""), 3, "must be 0 or 1"),
        ("a flag below zero", entry("\"1.png\"", "\"test\"", "-1", "\"a\""), 2, "expected u8"),
        ("an empty name", entry("\"\"", "\"test\"", "1", "\"a\""), 3, "filename is empty"),
        ("a parent folder", entry("\"../1.png\"", "\"test\"", "1", "\"a\""), 3, "base name alone"),
        ("a parent as split", entry("\"1.png\"", "\"..\"", "1", "\"a\""), 3, "base name alone"),
        ("an empty sentence", entry("\"1.png\"", "\"test\"", "1", "\" \""), 3, "sentence is empty"),
        ("a broken escape", entry("\"1.png\"", "\"test\"", "1", "\"\\x\""), 3, "escape"),
        ("a NUL byte", entry("\"1\0.png\"", "\"test\"", "1", "\"a\""), 2, "NUL"),
        ("a field twice", good.replace("\"split\"", "\"filename\""), 2, "duplicate field"),
        ("a field less", good.replace("\"split\"", "\"spit\""), 3, "missing field `split`"),
        ("deep", "{\"images\": ".to_string() + &"[".repeat(1 << 20), 1, "expected a string"),
        (
            "a sentence of 1 MB",
            entry("\"1.png\"", "\"test\"", "1", &format!("\"{}\"", "x".repeat(1 << 20))),
            3,
            "characters",
        ),
    ] {
        match LevirCc::read(write(folder.path(), "l.json", &json)) {
            Err(Error::Line { line: at, problem, .. }) => {
                assert!(at == line && problem.contains(says), "{name}: {at}: {problem}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    assert!(LevirCc::read(write(folder.path(), "l.json", &format!("\u{feff}{good}"))).is_ok());
}

#[test]
fn domain_conversion_asks_for_the_class_in_every_other_domain() {
    let folder = tempfile::tempdir().unwrap();
    let list =
        "a photo.jpg photo cat\nb.jpg sketch cat\nc.jpg sketch dog\nd.jpg sketch cat\n\nz.jpg sketch dog\n";
    let protocol = DomainConversion::read(write(folder.path(), "list.txt", list)).unwrap();
    let archive = archive(&[("a photo.jpg", 0.0), ("b.jpg", 10.0), ("c.jpg", 20.0), ("d.jpg", 30.0)]);
    let (queries, DatasetReport { missing, .. }) = protocol.queries(&archive).unwrap();
    assert_eq!((missing.len(), missing[0].line), (1, 6));
    // The dog has no photo to be asked for.
    assert_eq!(
        queries.groups.iter().map(|g| g.name.as_str()).collect::<Vec<_>>(),
        ["photo-sketch", "sketch-photo"]
    );
    assert_eq!(queries.relevant, [vec![1, 3], vec![0]]);
    let table = table(&protocol, &archive, true);
    assert_eq!(protocol.convention(), Convention::Trapezoid);
    // Ranks 1 and 3 of three: ((1 + 1) + (1/2 + 2/3)) / 2 over two and their 1e-5.
    let expected = 100.0 * (1.0 + (0.5 + 2.0 / 3.0) / 2.0) / 2.000_01;
    assert!((table.rows[0].figures[0].map - expected).abs() < 1e-9);
    // One of the two relevant is first, both are within five: precision at 5 is of two.
    assert_eq!(table.rows[0].figures[0].precision[..2], [100.0, 100.0]);

    let bad = DomainConversion::read(write(folder.path(), "bad.txt", "a b c\nd e\n"));
    assert!(matches!(bad, Err(Error::Line { line: 2, .. })));
}

#[test]
fn icir_asks_within_an_instances_gallery() {
    let folder = tempfile::tempdir().unwrap();
    let queries = write(folder.path(), "q.csv", "q1.jpg,at night,1\nq1.jpg,as a toy,1\nq2.jpg,at night,2\n");
    let gallery = "n1.jpg,at night,1\nt1.jpg,as a toy,1\no1.jpg,,1\nn2.jpg,at night,2\no2.jpg,,2\n";
    let protocol = Icir::read(queries, write(folder.path(), "g.csv", gallery)).unwrap();
    let archive = archive(&[
        ("q1.jpg", 0.0),
        ("q2.jpg", 0.0),
        ("n1.jpg", 10.0),
        ("t1.jpg", 20.0),
        ("o1.jpg", 30.0),
        ("n2.jpg", 40.0),
        ("o2.jpg", 5.0),
    ]);
    let (set, DatasetReport { missing, .. }) = protocol.queries(&archive).unwrap();
    assert!(missing.is_empty());
    assert_eq!(set.groups[0].gallery, Some(vec![2, 3, 4]));
    assert_eq!(set.groups[1].gallery, Some(vec![5, 6]));
    let table = table(&protocol, &archive, false);
    // Instance 1: ranks 1 and 2 of three; instance 2: rank 2 of two. A lone hit at rank 2 has (0 + 1/2) / 2.
    let (first, second) = (1.0 / 1.000_01, 0.25 / 1.000_01);
    assert!((table.rows[0].figures[0].map - 100.0 * (first + second) / 2.0).abs() < 1e-9);
    assert!((table.rows[0].figures[1].map - 100.0 * second).abs() < 1e-9);

    let bad = write(folder.path(), "bad.csv", "q1.jpg,,1\n");
    assert!(matches!(Icir::read(&bad, &bad), Err(Error::Line { line: 1, .. })));
}

#[test]
fn own_queries_name_their_relevant_images() {
    let folder = tempfile::tempdir().unwrap();
    let text = "image,text,relevant\na.jpg,denser,b.jpg|c.jpg\na.jpg,\"sparse, dry\",d.jpg; e.jpg\n";
    let protocol = CustomQueries::read(write(folder.path(), "own.csv", text)).unwrap();
    let archive = archive(&[("a.jpg", 0.0), ("b.jpg", 10.0), ("c.jpg", 20.0), ("d.jpg", 30.0)]);
    let (queries, DatasetReport { missing, .. }) = protocol.queries(&archive).unwrap();
    assert_eq!(queries.relevant, [vec![1, 2], vec![3]]);
    assert_eq!(queries.texts, ["denser", "sparse, dry"]);
    assert_eq!((missing.len(), missing[0].name.as_str(), missing[0].line), (1, "e.jpg", 3));
    let table = table(&protocol, &archive, true);
    assert!((table.rows[0].average.map - 100.0 * (1.0 + 1.0 / 3.0) / 2.0).abs() < 1e-9);

    for (text, says) in [("a.jpg,x\n", "got 2"), ("a.jpg,x,b|\n", "empty"), ("a.jpg,,b\n", "text is empty")] {
        match CustomQueries::read(write(folder.path(), "bad.csv", text)) {
            Err(Error::Line { line: 1, problem, .. }) => assert!(problem.contains(says), "{problem}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn a_query_whose_answers_are_all_missing_is_counted_apart() {
    let folder = tempfile::tempdir().unwrap();
    let text = "a.jpg,denser,b.jpg\na.jpg,gone,x.jpg;y.jpg\nz.jpg,gone,x.jpg\n";
    let protocol = CustomQueries::read(write(folder.path(), "own.csv", text)).unwrap();
    let archive = archive(&[("a.jpg", 0.0), ("b.jpg", 10.0)]);
    let (queries, report) = protocol.queries(&archive).unwrap();
    assert_eq!((queries.len(), queries.texts.as_slice()), (1, &["denser".to_string()][..]));
    let unanswered: Vec<_> = report.unanswered.iter().map(|f| (f.line, f.name.as_str())).collect();
    assert_eq!(unanswered, [(2, "a.jpg")], "a query without its image is missing, not unanswered");
    assert_eq!(report.missing.len(), 4);
    // Nothing answers it, so it takes no part in the mean.
    assert_eq!(table(&protocol, &archive, true).rows[0].average.map, 100.0);
    assert!(rscir_bench::report::findings_text(&report).contains("1 queries left out"));

    let alone = CustomQueries::read(write(folder.path(), "own.csv", "a.jpg,gone,x.jpg\n")).unwrap();
    assert!(matches!(alone.queries(&archive), Err(Error::NoQueries)));
}

#[test]
fn the_reference_mode_computes_ties_whatever_weicom_is_given() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("PatternCom")).unwrap();
    write(folder.path(), "PatternCom/color.csv", "x1.jpg,color,red\nx2.jpg,color,blue\n");
    // x1 at 0 degrees, x3 nearer to it than x2, and 240 tiles far away: the three are 8 deviations above the mean.
    let others: Vec<String> = (0..240).map(|i| format!("y{i}.jpg")).collect();
    let mut rows = vec![("x2.jpg", 2.0), ("x3.jpg", 1.0), ("x1.jpg", 0.0)];
    rows.extend(others.iter().zip(0u8..).map(|(key, i)| (key.as_str(), 90.0 + f32::from(i % 10) / 10.0)));
    let archive = archive(&rows);
    let ap = |mode, weicom: WeiCom| {
        let benchmark = PatternCom::read(&folder).unwrap().mode(mode);
        let (queries, _) = benchmark.queries(&archive).unwrap();
        let texts = Embeddings::normalize(2, [0.0, 1.0].repeat(queries.texts.len())).unwrap();
        let vectors = QueryVectors { images: QueryVectors::images_of(&queries, &archive).unwrap(), texts };
        let options = EvaluateOptions::default();
        let outcome = benchmark.evaluate(&archive, &queries, &vectors, &[&weicom], options).unwrap();
        outcome.groups[0].queries[0][0].average_precision
    };
    let image = WeiCom::new(0.0).unwrap();
    // x1 asks for x2, which stands behind x1 and x3, unless all three have the CDF 1 and x2 is the first row.
    assert_eq!(ap(Mode::Corrected, image), 1.0 / 3.0);
    assert_eq!(ap(Mode::Reference, image), 1.0);
    assert_eq!(ap(Mode::Reference, image.with_normalization(Normalization::ReferenceCdf)), 1.0);
    // What the reference does not have is computed as it is.
    assert_eq!(ap(Mode::Reference, image.with_normalization(Normalization::ZScore)), 1.0 / 3.0);
}

#[test]
fn the_published_list_of_xview_is_read_whole() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/xview2_cir.csv");
    let protocol = XviewCir::read(&path).unwrap();
    assert_eq!(protocol.len(), 291);
    let text = std::fs::read_to_string(&path).unwrap();
    let keys: std::collections::BTreeSet<&str> = text
        .lines()
        .skip(1)
        .flat_map(|line| [line.split(',').next(), line.rsplit(',').next()])
        .flatten()
        .collect();
    let rows: Vec<(&str, f32)> = (0u8..).cycle().map(f32::from).zip(keys).map(|(i, key)| (key, i)).collect();
    let (queries, DatasetReport { missing, .. }) = protocol.queries(&archive(&rows)).unwrap();
    assert_eq!((queries.len(), queries.groups.len(), missing.len()), (291, 10, 0));
    assert!(queries.relevant.iter().all(|rows| rows.len() == 1));

    // Scenes around a circle, each target some degrees on: nearer than any other image, or behind the scene before's.
    let step = 360.0 / 291.0;
    for (shift, map, first) in [(0.3, 100.0, 100.0), (0.8, 50.0, 0.0)] {
        let scenes = (0u16..).zip(text.lines().skip(1)).flat_map(|(i, line)| {
            let angle = f32::from(i) * step;
            let (image, target) = (line.split(',').next().unwrap(), line.rsplit(',').next().unwrap());
            [(image, angle), (target, angle + shift)]
        });
        let archive = archive(&scenes.collect::<Vec<_>>());
        for words in [XviewText::Default, XviewText::First, XviewText::Second] {
            let mut protocol = protocol.clone();
            protocol.text = words;
            let table = table(&protocol, &archive, true);
            let by_image = &table.rows[0];
            assert_eq!(by_image.average.queries, 291);
            for figures in by_image.figures.iter().chain([&by_image.average]) {
                assert_eq!((figures.map, figures.recall[0], figures.recall[1]), (map, first, 100.0));
            }
        }
    }
}
