//! Intervals, paired runs and results by query.

use std::path::Path;

use rscir_bench::{
    Bootstrap, Convention, Error, EvaluateOptions, Evaluation, InstanceFigures, Interval, Intervals, Query,
    QueryGroup, QuerySet, QueryVectors, Rounding, Run, Sample, Table, evaluate, read_records, report,
    tile_class, write_records,
};
use rscir_core::{Embeddings, EncoderSpec, Method};
use rscir_index::MemoryArchive;
use rscir_weicom::{ImageOnly, Sum, TextOnly};

/// Numbers from 0 to 1 by SplitMix64, 53 bits each, as the golden program drew them.
fn uniform(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / 2f64.powi(53)
    }
}

fn sample(values: &[&[f64]]) -> Sample {
    Sample {
        groups: (0..values.len()).map(|g| g.to_string()).collect(),
        values: values.iter().map(|values| values.to_vec()).collect(),
    }
}

/// scipy 1.17.1 with a million resamples: `stats.bootstrap(method="percentile")` and `stats.permutation_test
/// (permutation_type="samples")`, the latter two-sided, on the same seeded numbers.
#[test]
fn intervals_and_p_values_are_scipys() {
    let mut uniform = uniform(7);
    let a: Vec<f64> = (0..120).map(|_| 100.0 * uniform().powi(3)).collect();
    let b: Vec<f64> = (0..45).map(|_| 100.0 * uniform().powi(3)).collect();
    let c: Vec<f64> = a.iter().map(|a| a + (uniform() - 0.45) * 20.0).collect();
    let bootstrap = Bootstrap::default().resamples(100_000);

    // A quantile q of B draws has the standard error sqrt(q (1 - q) / B) / density(z) deviations: 0.0084 at 2.5 % and
    // 0.0067 at 5 %, scipy's a third of it. Five of both.
    let near = |ours: Interval, [estimate, low, high, deviation]: [f64; 4], error: f64| {
        assert!((ours.estimate - estimate).abs() < 1e-10, "{ours:?}");
        for (ours, theirs) in [(ours.low, low), (ours.high, high)] {
            let off = (ours - theirs).abs() / deviation;
            assert!(off < 5.0 * error * (1.0f64 + 0.1).sqrt(), "{ours} {theirs}: {off}");
        }
    };
    let both = [25.859_962_848_449_81, 21.141_447_149_813_377, 30.855_915_425_412_867, 2.478_981_731_494_063];
    near(bootstrap.average(&sample(&[&a, &b])).unwrap(), both, 0.0084);
    let alone = [28.845_437_811_303_44, 24.159_985_937_719_004, 33.694_116_628_724_44, 2.899_428_107_867_756];
    near(bootstrap.level(0.9).average(&sample(&[&a])).unwrap(), alone, 0.0067);

    let difference = bootstrap.difference(&sample(&[&a]), &sample(&[&c])).unwrap();
    assert!((difference.interval.estimate + 0.220_651_122_472_058_84).abs() < 1e-10);
    let p: f64 = 0.662_743_337_256_662_8;
    let error = (p * (1.0 - p) / 1e5 * 1.1).sqrt();
    assert!((difference.p_value - p).abs() < 5.0 * error, "{}", difference.p_value);
}

/// An archive of three classes, queries in two groups, and their outcomes with the two best rows.
fn evaluated(methods: &[&dyn Method]) -> (MemoryArchive, QuerySet, Evaluation) {
    let keys = ["images/a1.jpg", "images/a2.jpg", "images/b1.jpg", "images/c1.jpg"].map(String::from);
    let rows = Embeddings::normalize(2, vec![1.0, 0.0, 0.8, 0.6, 0.6, 0.8, 0.0, 1.0]).unwrap();
    let archive = MemoryArchive::new(EncoderSpec::unknown(2), keys.clone().into(), rows).unwrap();
    let query = |image, text, relevant| Query { image, text, relevant };
    let group = |name: &str, queries| QueryGroup { name: name.into(), queries, gallery: None };
    let queries = QuerySet {
        images: keys[..3].iter().map(|key| key.as_str().into()).collect(),
        texts: ["dense", "gr\u{fc}n \"pale\""].map(String::from).into(),
        relevant: vec![vec![1], vec![2, 3]],
        groups: vec![
            group("density", vec![query(0, 0, 0), query(1, 0, 1)]),
            group("color", vec![query(2, 1, 0), query(0, 1, 1), query(1, 1, 1)]),
        ],
    };
    let texts = Embeddings::normalize(2, vec![0.0, 1.0, 0.6, 0.8]).unwrap();
    let vectors = QueryVectors::from_archive(&queries, &archive, &queries.texts, &texts).unwrap();
    let options = EvaluateOptions::default().top(2);
    let evaluation = evaluate(&archive, &queries, &vectors, methods, options).unwrap();
    (archive, queries, evaluation)
}

fn written(folder: &Path, name: &str) -> (std::path::PathBuf, Evaluation) {
    let (archive, queries, evaluation) = evaluated(&[&ImageOnly, &TextOnly, &Sum]);
    let path = folder.join(name);
    write_records(&path, &archive, &queries, &evaluation, Convention::Standard).unwrap();
    (path, evaluation)
}

#[test]
fn records_come_back_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let (path, evaluation) = written(folder.path(), "run.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 5 * 3);
    let records: Vec<_> = read_records(&path).unwrap().collect::<Result<_, _>>().unwrap();
    let third = &records[6];
    assert_eq!(
        (third.query.as_str(), third.attribute.as_str(), third.image.as_str(), third.value.as_str()),
        ("color/0", "color", "images/b1.jpg", "gr\u{fc}n \"pale\"")
    );
    assert_eq!((third.method.as_str(), third.ap, third.relevant), ("image", 0.5, 1));
    let top: Vec<_> = third.top.iter().map(|top| (top.key.as_str(), top.relevant)).collect();
    assert_eq!(top, [("images/b1.jpg", false), ("images/a2.jpg", true)]);
    assert!((third.top[1].score - 0.96).abs() < 1e-6);

    let run = Run::read(&path).unwrap();
    let labels: Vec<String> = evaluation.methods.iter().map(|method| method.label.clone()).collect();
    assert_eq!(run.methods, labels);
    let (image, sum) = run.paired("image", &run, "sum").unwrap();
    for (method, read) in [(0, image), (2, sum)] {
        assert_eq!(read, Sample::of(&evaluation, method, Convention::Standard).unwrap());
    }
}

#[test]
fn runs_that_differ_are_not_paired() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = written(folder.path(), "run.jsonl");
    let run = Run::read(&path).unwrap();
    assert!(matches!(run.paired("weicom", &run, "sum"), Err(Error::UnknownMethod { .. })));
    let text = std::fs::read_to_string(&path).unwrap();
    let other = |text: String| {
        let path = folder.path().join("other.jsonl");
        std::fs::write(&path, text).unwrap();
        Run::read(&path).unwrap()
    };
    let shorter = other(text.lines().take(12).map(|line| format!("{line}\n")).collect());
    let renamed = other(text.replace("images/b1.jpg\",\"value", "images/b2.jpg\",\"value"));
    for (first, second, says) in [
        (&run, &shorter, "in the first run alone"),
        (&shorter, &run, "in the other run alone"),
        (&run, &renamed, "other images or texts"),
    ] {
        match first.paired("image", second, "sum") {
            Err(error @ Error::Unpaired { .. }) => assert!(error.to_string().contains(says), "{error}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn bad_records_are_refused_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = written(folder.path(), "run.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let first = text.lines().next().unwrap();
    let cases: Vec<(&str, Vec<u8>, u64, &str)> = vec![
        ("twice", format!("{first}\n\n{first}\n").into(), 3, "stands twice"),
        ("cut", format!("{first}\n{}", &first[..40]).into(), 2, "EOF"),
        ("a list", b"[]\n".to_vec(), 1, "write the run's results again"),
        ("a number for a text", first.replace("\"dense\"", "5").into(), 1, "expected a string"),
        ("a text for a number", first.replace("\"ap\":", "\"ap\":\"x\",\"bp\":").into(), 1, "expected f64"),
        ("a field more", first.replace("\"ap\":", "\"bp\":0,\"ap\":").into(), 1, "unknown field"),
        ("a field less", first.replace("\"value\":\"dense\",", "").into(), 1, "missing field `value`"),
        ("above one", first.replace("\"ap\":0.5", "\"ap\":1.5").into(), 1, "fraction of 1"),
        ("below zero", first.replace("\"ap\":0.5", "\"ap\":-1e-9").into(), 1, "fraction of 1"),
        (
            "two attributes",
            format!("{first}\n{}", first.replace("\"attribute\":\"density\"", "\"attribute\":\"x\"")).into(),
            2,
            "two attributes",
        ),
        (
            "Latin-1",
            first
                .replace("dense", "d\u{1}nse")
                .into_bytes()
                .into_iter()
                .map(|b| if b == 1 { 0xfc } else { b })
                .collect(),
            1,
            "invalid unicode",
        ),
        ("deep", [b"[".repeat(1 << 20), b"\n".to_vec()].concat(), 1, "expected a string"),
        ("no end", vec![b' '; (1 << 24) + 2], 1, "more than"),
    ];
    for (name, bytes, line, says) in cases {
        std::fs::write(&path, bytes).unwrap();
        match Run::read(&path) {
            Err(Error::Line { line: at, problem, .. }) => {
                assert!(at == line && problem.contains(says), "{name}: {at}: {problem}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    assert!(matches!(Run::read(folder.path().join("none")), Err(Error::Io { action: "read", .. })));
}

#[test]
fn outcomes_are_regrouped_by_value_and_class() {
    let (_, queries, evaluation) = evaluated(&[&ImageOnly, &Sum]);
    let by_class = evaluation.regrouped(&queries, |query| tile_class(query.image).into()).unwrap();
    let names: Vec<_> =
        by_class.groups.iter().map(|group| (group.name.as_str(), group.queries.len())).collect();
    assert_eq!(names, [("a", 4), ("b", 1)]);
    let table = Table::of(&by_class, Rounding::None);
    let class = |queries: &[(usize, usize)]| {
        let each = queries.iter().map(|(g, q)| evaluation.groups[*g].queries[*q][1].average_precision);
        100.0 * each.sum::<f64>() / queries.len() as f64
    };
    let (a, b) = (class(&[(0, 0), (0, 1), (1, 1), (1, 2)]), class(&[(1, 0)]));
    assert!((table.rows[1].figures[0].map - a).abs() < 1e-12);
    assert!((table.rows[1].average.map - (a + b) / 2.0).abs() < 1e-12);

    let by_value =
        evaluation.regrouped(&queries, |query| format!("{}: {}", query.group, query.text)).unwrap();
    assert_eq!(by_value.groups[1].name, "color: gr\u{fc}n \"pale\"");
    let fewer = QuerySet { groups: queries.groups[..1].to_vec(), ..queries.clone() };
    assert!(matches!(evaluation.regrouped(&fewer, |_| String::new()), Err(Error::BadIndex { .. })));
}

#[test]
fn intervals_stand_beside_the_tables_own_figures() {
    let (_, _, evaluation) = evaluated(&[&ImageOnly, &Sum]);
    let table = Table::of(&evaluation, Rounding::None);
    let intervals = Intervals::of(&evaluation, Convention::Standard, Bootstrap::default()).unwrap();
    for (row, expected) in intervals.rows.iter().zip(&table.rows) {
        assert!((row.average.estimate - expected.average.map).abs() < 1e-12);
        for (interval, figures) in row.groups.iter().zip(&expected.figures) {
            assert!((interval.estimate - figures.map).abs() < 1e-12);
            assert!(interval.low <= interval.estimate && interval.estimate <= interval.high);
        }
    }
    let markdown = intervals.to_markdown();
    assert!(markdown.starts_with(
        "| mAP (%), 95 % intervals | density | color | Avg |\n|---|---:|---:|---:|\n| image | "
    ));
    let csv = intervals.to_csv().unwrap();
    assert_eq!(csv.lines().count(), 1 + 2 * 3);
    assert!(csv.contains("\nimage,avg,5,"), "{csv}");
}

#[test]
fn the_three_means_of_icir() {
    // The second instance has no queries.
    let figures = InstanceFigures::of(&sample(&[&[10.0, 30.0, 50.0], &[], &[80.0]]));
    assert_eq!(figures, InstanceFigures { map: 42.5, mmap: 55.0, minmap: 45.0 });
    assert_eq!(InstanceFigures::of(&Sample::default()), InstanceFigures::default());
}

#[test]
fn names_are_escaped_in_every_form() {
    let (_, _, mut evaluation) = evaluated(&[&Sum]);
    evaluation.methods = vec!["50 % & $x_1^2$ \\ {#} ~ a|b".into()];
    let table = Table::of(&evaluation, Rounding::None);
    let latex = report::latex_rows(&table);
    let (head, row) = latex.split_once('\n').unwrap();
    assert_eq!(head, r"Method & density & color & Avg \\");
    let name = r"50 \% \& \$x\_1\textasciicircum{}2\$ \textbackslash{} \{\#\} \textasciitilde{} a|b & ";
    assert!(row.starts_with(name) && row.ends_with(" \\\\\n"), "{row}");
    assert!(table.to_markdown().contains(r"a\|b |"));
    assert!(report::metrics_csv(&table).unwrap().contains("a|b,density,2,"));
}
