//! Strict mode against the reference's own output (see data/README.md).

use std::path::{Path, PathBuf};

use rscir_bench::{
    DatasetReport, EvaluateOptions, Evaluation, Mode, PatternCom, Protocol, QueryVectors, Rounding, Table,
    report,
};
use rscir_core::Method;
use rscir_index::Features;
use rscir_weicom::{ImageOnly, MethodSpec, Normalization, Resources, Sum, TextOnly, WeiCom};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// A mode of the benchmark, with methods evaluated in it.
struct Run {
    benchmark: PatternCom,
    evaluation: Evaluation,
    findings: DatasetReport,
}

fn run_methods(name: &str, mode: Mode, methods: &[&dyn Method]) -> Run {
    let folder = folder(name);
    let archive =
        Features::read(folder.join("features/patternnet_clip.pkl")).unwrap().into_archive().unwrap();
    let texts = Features::read(folder.join("text_features.safetensors")).unwrap();
    let benchmark = PatternCom::read(&folder).unwrap().mode(mode);
    let (queries, findings) = benchmark.queries(&archive).unwrap();
    let vectors = QueryVectors::from_archive(&queries, &archive, &texts.keys, &texts.embeddings).unwrap();
    let options = EvaluateOptions::default();
    let evaluation = benchmark.evaluate(&archive, &queries, &vectors, methods, options).unwrap();
    Run { benchmark, evaluation, findings }
}

fn run(name: &str, mode: Mode, lambdas: &[f64]) -> Run {
    let weicoms: Vec<WeiCom> = lambdas.iter().map(|l| WeiCom::new(*l).unwrap()).collect();
    let mut methods: Vec<&dyn Method> = vec![&ImageOnly, &TextOnly, &Sum];
    methods.extend(weicoms.iter().map(|m| m as &dyn Method));
    run_methods(name, mode, &methods)
}

/// Holds every figure of `expected/` to 0.02 and returns how many there were and the largest difference.
fn check(name: &str, lambdas: &[f64]) -> (usize, f64) {
    let Run { benchmark, evaluation, .. } = run(name, Mode::Reference, lambdas);
    let table = benchmark.table(&evaluation);
    let (mut figures, mut largest) = (0, 0.0f64);
    for lambda in lambdas {
        for (g, attribute) in table.groups.iter().enumerate() {
            let path = folder(name)
                .join(format!("expected/patternnet_metrics_clip_lambda{lambda:?}_{attribute}.csv"));
            let rows: Vec<_> = table
                .rows
                .iter()
                .filter(|r| report::reference_lambda(&r.method).is_none_or(|l| l == *lambda))
                .map(|r| (report::reference_name(&r.method).unwrap(), &r.figures[g]))
                .collect();
            let ours = report::reference_csv(&rows).unwrap();
            let golden = std::fs::read_to_string(&path).unwrap();
            assert_eq!(ours.lines().count(), golden.lines().count(), "{}", path.display());
            for (ours, golden) in ours.lines().zip(golden.lines()) {
                let mut columns = ours.split(',').zip(golden.split(','));
                let (our_name, golden_name) = columns.next().unwrap();
                assert_eq!(our_name, golden_name, "{}", path.display());
                for (a, b) in columns {
                    let (Ok(a), Ok(b)) = (a.parse::<f64>(), b.parse::<f64>()) else {
                        assert_eq!(a, b, "{}", path.display());
                        continue;
                    };
                    assert!(
                        (a - b).abs() <= 0.02,
                        "{}: {our_name}: {a}, the reference has {b}",
                        path.display()
                    );
                    largest = largest.max((a - b).abs());
                    figures += 1;
                }
            }
        }
    }
    (figures, largest)
}

#[test]
fn strict_mode_gives_the_references_figures() {
    let (figures, largest) = check("patterncom-clean", &[0.0, 0.3, 0.5, 0.6, 1.0]);
    assert_eq!(figures, 5 * 6 * 4 * 9);
    assert!(largest <= 0.0101, "{largest}");
}

#[test]
fn strict_mode_gives_the_references_figures_on_flawed_data() {
    let (figures, largest) = check("patterncom-quirks", &[0.5]);
    assert_eq!(figures, 6 * 4 * 9);
    assert!(largest <= 0.0101, "{largest}");
}

#[test]
fn a_method_chosen_by_its_name_is_the_references_too() {
    for (name, lambda) in [("patterncom-clean", 0.6), ("patterncom-quirks", 0.5)] {
        let chosen: MethodSpec = format!("weicom:{lambda}").parse().unwrap();
        let chosen = chosen.build(&Resources::default()).unwrap();
        let given = WeiCom::new(lambda).unwrap();
        let reference = given.with_normalization(Normalization::ReferenceCdf);
        let written = [&*chosen, &given, &reference].map(|method| {
            let Run { benchmark, evaluation, .. } = run_methods(name, Mode::Reference, &[method]);
            let table = benchmark.table(&evaluation);
            table
                .groups
                .iter()
                .zip(&table.rows[0].figures)
                .map(|(group, figures)| {
                    let path = format!("expected/patternnet_metrics_clip_lambda{lambda:?}_{group}.csv");
                    let golden = std::fs::read_to_string(folder(name).join(path)).unwrap();
                    let ours = report::reference_csv(&[("Weighted Similarities Norm", figures)]).unwrap();
                    (ours.lines().last().unwrap().to_string(), golden.lines().last().unwrap().to_string())
                })
                .collect::<Vec<_>>()
        });
        assert_eq!(written[0], written[1], "{name}");
        assert_eq!(written[0], written[2], "{name}");
        let figures = |line: &str| line.split(',').filter_map(|f| f.parse::<f64>().ok()).collect::<Vec<_>>();
        for (ours, golden) in &written[0] {
            let (ours, golden) = (figures(ours), figures(golden));
            assert_eq!((ours.len(), golden.len()), (9, 9));
            assert!(ours.iter().zip(&golden).all(|(a, b)| (a - b).abs() <= 0.0101), "{ours:?}, {golden:?}");
        }
    }
}

#[test]
fn clean_mode_names_what_it_met() {
    let Run { evaluation, findings, .. } = run("patterncom-quirks", Mode::Corrected, &[0.5]);
    let found = report::findings_text(&findings);
    assert!(
        found.contains("1 rows whose image the archive lacks:\n- color.csv:50 airplane999.jpg"),
        "{found}"
    );
    assert!(
        found.contains("1 rows whose image an earlier row names:\n- color.csv:33 parkinglot023.jpg, green"),
        "{found}"
    );
    // The flaw shifts the reference's queries, so the color figures differ; the other attributes have none.
    let strict = Table::of(&run("patterncom-quirks", Mode::Reference, &[0.5]).evaluation, Rounding::None);
    let clean = Table::of(&evaluation, Rounding::None);
    let differ = |g: usize| clean.rows.iter().zip(&strict.rows).any(|(c, s)| c.figures[g] != s.figures[g]);
    assert_eq!((0..6).map(differ).collect::<Vec<_>>(), [true, false, false, false, false, false]);
}
