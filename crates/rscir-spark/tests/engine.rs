//! The same answers from an engine as from the library, and errors in place of wrong ones. `RSCIR_SPARK` is the engine's address:
//! `RSCIR_SPARK=sc://127.0.0.1:50051 cargo test --release -p rscir-spark --features spark --test engine -- --include-ignored
//! --test-threads 1`. `RSCIR_SPARK_ARCHIVE` names an archive on disk that is compared as well.
#![cfg(feature = "spark")]
#![allow(clippy::print_stdout, reason = "what a run took, for people")]

mod common;
#[path = "common/proxy.rs"]
mod proxy;

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{archive, query};
use proxy::{Fate, Proxy};
use rscir_core::testing::{unit_rows, unit_vector};
use rscir_core::{Archive, ComposedQuery, Embeddings, EncoderSpec, ErrorKind};
use rscir_index::{
    Columns, DiskArchive, Filter, MemoryArchive, SearchOptions, Searcher, Statistics, search_batch,
};
use rscir_spark::{
    Error, ExportOptions, PartProblem, SparkArchive, Table, TableName, TableSearch, TableVersion,
    export_parquet,
};
use rscir_weicom::{MethodSpec, Resources};

const METHODS: [&str; 8] = [
    "image",
    "text",
    "sum",
    "product",
    "weicom:0.6",
    "weicom:0.3,norm=zscore",
    "weicom:0.3,norm=minmax",
    "dbsf",
];

fn address() -> String {
    std::env::var("RSCIR_SPARK")
        .expect("RSCIR_SPARK is the address of an engine, such as sc://127.0.0.1:50051")
}

fn path_of(version: &TableVersion) -> &Path {
    version.folder.folder().unwrap()
}

/// Publishes in `parts` parts, into a folder that lasts as long as the first value.
fn publish(archive: &dyn Archive, parts: u64) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiles");
    let bytes = (archive.len() as u64).div_ceil(parts) * archive.dim() as u64 * 4;
    let published = export_parquet(archive, &path, &ExportOptions::default().part_bytes(bytes)).unwrap();
    assert_eq!(published.parts as u64, parts);
    (folder, path)
}

fn connect(table: &Path) -> rscir_spark::Result<SparkArchive> {
    SparkArchive::connect(&address(), Table::published(table))
}

/// Compares the top 20 of all queries under all methods and filters.
fn compare(
    archive: &dyn Archive,
    table: &SparkArchive,
    queries: &[ComposedQuery],
    filters: &[Option<Filter>],
) {
    for name in METHODS {
        let spec: MethodSpec = name.parse().unwrap();
        let method = spec.build(&Resources::default()).unwrap();
        for filter in filters {
            let began = Instant::now();
            let mut search = TableSearch::top(20);
            search.matching = filter.as_ref();
            let found = table.search(&spec, queries, &search).unwrap();
            let took = began.elapsed();
            let mut options = SearchOptions::top(20).statistics(Statistics::Moments);
            options.matching = filter.as_ref();
            let expected = search_batch(archive, &*method, queries, &options).unwrap();
            for (found, expected) in found.iter().zip(&expected) {
                let of = |hits: &[rscir_index::Hit]| {
                    hits.iter().map(|hit| (hit.key.clone(), hit.score.to_bits())).collect::<Vec<_>>()
                };
                assert_eq!(of(&found.hits), of(expected), "{name}, {filter:?}");
            }
            let asked = found.iter().map(|found| found.asked).max().unwrap_or_default();
            println!("{name}, {filter:?}: {} queries in {took:?}, asked {asked} times", queries.len());
        }
    }
}

#[test]
#[ignore = "needs an engine"]
fn rows_that_are_equal_or_a_rounding_apart_are_ranked_as_by_the_library_under_eight_methods() {
    let archive = archive();
    let (_folder, path) = publish(&archive, 4);
    let table = connect(&path).unwrap();
    // What the first six ask for is there twelve times, nearly.
    let queries: Vec<_> = (0..12).map(query).collect();
    let filters = [None, Some(Filter::eq("label", "sea")), Some(!Filter::lt("cloud", 0.4))];
    compare(&archive, &table, &queries, &filters);
}

/// The rows of an archive in the order of their keys, each with the words before the digits of its key as its label, and a number.
fn labeled(archive: &dyn Archive) -> MemoryArchive {
    let mut rows: Vec<usize> = (0..archive.len()).collect();
    rows.sort_by_key(|&row| archive.key(row));
    let keys: Vec<String> = rows.iter().map(|&row| archive.key(row).to_string()).collect();
    let values = rows.iter().flat_map(|&row| archive.vector(row).into_owned()).collect();
    let labels: Vec<String> =
        keys.iter().map(|key| key.trim_end_matches(|c: char| !c.is_alphabetic()).to_string()).collect();
    let numbers: Vec<Option<f64>> = (0..keys.len()).map(|row| (row % 9 != 0).then_some(row as f64)).collect();
    let columns = Columns::new(keys.len()).with("label", labels).and_then(|of| of.with("number", numbers));
    MemoryArchive::new(archive.spec().clone(), keys, Embeddings::normalize(archive.dim(), values).unwrap())
        .and_then(|archive| archive.with_columns(columns?))
        .unwrap()
}

#[test]
#[ignore = "needs an engine, and an archive that RSCIR_SPARK_ARCHIVE names"]
fn sixty_queries_under_eight_methods_and_three_filters_are_answered_as_by_the_library() {
    let path = std::env::var("RSCIR_SPARK_ARCHIVE")
        .expect("RSCIR_SPARK_ARCHIVE is an archive on disk, such as the demo's");
    let archive = labeled(&DiskArchive::open(path).unwrap());
    let (_folder, path) = publish(&archive, 2);
    let table = connect(&path).unwrap();
    let vector = |row: usize| archive.unit_vector(archive.key(row % archive.len())).unwrap();
    let queries: Vec<_> = (0..60)
        .map(|i| {
            let query = ComposedQuery::new(archive.spec().clone()).with_image(vector(i * 7));
            query.and_then(|query| query.with_text(vector(i * 11 + 3))).unwrap()
        })
        .collect();
    let Some(rscir_core::Value::Text(label)) = archive.value("label", archive.len() / 2) else {
        panic!("a label")
    };
    let filters = [None, Some(Filter::eq("label", label)), Some(!Filter::lt("number", 100))];
    compare(&archive, &table, &queries, &filters);
}

#[test]
#[ignore = "needs an engine"]
fn a_hundred_thousand_rows_in_sixteen_parts_are_answered_as_by_the_library() {
    let (rows, dim) = (100_000, 64);
    let spec = EncoderSpec::unknown(dim);
    let keys = (0..rows).map(|row| format!("{row:06}")).collect();
    let clouds = (0..rows).map(|row| row as f64 / rows as f64).collect::<Vec<_>>();
    let columns = Columns::new(rows).with("cloud", clouds).unwrap();
    let archive = MemoryArchive::new(spec.clone(), keys, unit_rows(rows, dim, 5)).unwrap();
    let archive = archive.with_columns(columns).unwrap();
    let (_folder, path) = publish(&archive, 16);
    let table = connect(&path).unwrap();
    let queries: Vec<_> = (0..4)
        .map(|seed| {
            let query = ComposedQuery::new(spec.clone()).with_image(unit_vector(dim, seed));
            query.and_then(|query| query.with_text(unit_vector(dim, seed + 9))).unwrap()
        })
        .collect();
    compare(&archive, &table, &queries, &[None, Some(Filter::lt("cloud", 0.25))]);
}

#[test]
#[ignore = "needs an engine"]
fn rows_that_crowd_a_step_are_read_one_question_at_a_time() {
    // More equal rows than are read together, and queries among which one is far from them.
    let archive = common::with_copies(2_000);
    let (_folder, path) = publish(&archive, 3);
    let table = connect(&path).unwrap();
    let queries: Vec<_> = [3, 100, 200].map(query).into();
    compare(&archive, &table, &queries, &[None]);
}

#[test]
#[ignore = "needs an engine"]
fn a_plain_table_is_known_by_reading_it_once() {
    let archive = archive();
    let (_folder, path) = publish(&archive, 2);
    let version = TableVersion::open(&path).unwrap();
    let name = TableName::Parquet(version.folder.to_string());
    let table = SparkArchive::connect(&address(), Table::Plain(name)).unwrap();
    assert_eq!(table.len(), archive.len() as u64);
    let spec: MethodSpec = "weicom:0.4".parse().unwrap();
    let found = table.search(&spec, &[query(2)], &TableSearch::top(20)).unwrap();
    let searcher = Searcher::new(archive);
    let method = spec.build(&Resources::default()).unwrap();
    let (expected, _) = searcher.search(&*method, &query(2), &SearchOptions::top(20)).unwrap();
    let keys = |hits: &[rscir_index::Hit]| hits.iter().map(|hit| hit.key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&found[0].hits), keys(&expected));
    let rows = table.rows(&[&common::key(5), "none such", &common::key(2)]).unwrap();
    assert_eq!(rows.keys().collect::<Vec<_>>(), [common::key(2), common::key(5)]);
    assert_eq!(rows.vector(1), searcher.archive().vector(5));
    assert_eq!(rows.value("label", 1), searcher.archive().value("label", 5));
}

#[test]
#[ignore = "needs an engine"]
fn a_part_that_is_missing_or_anothers_is_an_error_and_no_wrong_answer() {
    let archive = archive();
    let (_folder, path) = publish(&archive, 3);
    let table = connect(&path).unwrap();
    let version = TableVersion::open(&path).unwrap();
    let ask = || table.search(&"sum".parse().unwrap(), &[query(1)], &TableSearch::top(5));
    ask().unwrap();
    let part = path_of(&version).join(&version.parts[1].name);
    let aside = path.join("aside");
    let problem = |error: Error| match error {
        Error::Part { part, problem, .. } => (part, problem),
        // An engine that knows which files there were says so itself.
        other => panic!("{other}"),
    };

    fs::rename(&part, &aside).unwrap();
    assert_eq!(problem(ask().unwrap_err()), (version.parts[1].mark.clone(), PartProblem::Missing));

    // The same place in a table of another encoder's vectors.
    let other = common::with_copies(7);
    let (_other, other_path) = publish(&other, 1);
    let foreign = TableVersion::open(&other_path).unwrap();
    fs::copy(path_of(&foreign).join(&foreign.parts[0].name), &part).unwrap();
    let error = ask().unwrap_err();
    assert!(matches!(&error, Error::Part { .. } | Error::Engine { .. }), "{error}");

    fs::copy(path_of(&version).join(&version.parts[0].name), &part).unwrap();
    let (mark, twice) = problem(ask().unwrap_err());
    assert!(mark == version.parts[0].mark && matches!(twice, PartProblem::Rows { .. }), "{mark}: {twice}");

    fs::rename(&aside, &part).unwrap();
    ask().unwrap();
    fs::remove_dir_all(path_of(&version)).unwrap();
    let error = ask().unwrap_err();
    assert!(matches!(&error, Error::Part { .. } | Error::Engine { .. }), "{error}");
}

#[test]
#[ignore = "needs an engine"]
fn a_column_of_another_type_is_named_with_its_table() {
    let archive = archive();
    let (_folder, path) = publish(&archive, 1);
    let folder = path_of(&TableVersion::open(&path).unwrap()).to_path_buf();
    let description = folder.join("_table.json");
    let text = fs::read_to_string(&description).unwrap();
    fs::write(&description, text.replace("\"cloud\": \"float\"", "\"cloud\": \"text\"")).unwrap();
    let error = connect(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    let words = error.to_string();
    assert!(words.contains("\"cloud\"") && words.contains("text") && words.contains("DOUBLE"), "{words}");
    fs::write(&description, text.replace("\"cloud\"", "\"cover\"")).unwrap();
    let words = connect(&path).unwrap_err().to_string();
    assert!(words.contains("no column \"cover\"") && words.contains("cloud"), "{words}");
}

#[test]
#[ignore = "needs an engine"]
fn what_the_engine_says_of_a_table_that_it_does_not_know_is_told() {
    let name = TableName::Catalog(vec!["no such table`; DROP".into()]);
    let error = SparkArchive::connect(&address(), Table::Plain(name)).unwrap_err();
    let words = error.to_string();
    assert!(matches!(error, Error::Engine { .. }) && words.contains("no such table"), "{words}");
}

#[test]
#[ignore = "needs an engine"]
fn a_version_published_while_queries_run_changes_no_answer_of_the_one_that_is_open() {
    let archive = archive();
    let (_folder, path) = publish(&archive, 2);
    let table = connect(&path).unwrap();
    let ask = |table: &SparkArchive| {
        let found = table.search(&"weicom".parse().unwrap(), &[query(4)], &TableSearch::top(10)).unwrap();
        found[0].hits.iter().map(|hit| hit.key.clone()).collect::<Vec<_>>()
    };
    let before = ask(&table);
    std::thread::scope(|scope| {
        scope.spawn(|| export_parquet(&common::with_copies(9), &path, &ExportOptions::default()).unwrap());
        for _ in 0..5 {
            assert_eq!(ask(&table), before);
        }
    });
    assert_eq!(ask(&table), before);
    assert_eq!(connect(&path).unwrap().len(), 509);
}

/// Asks through a proxy that fails after so many bytes of the answer.
fn ask_through(bytes: usize, fate: Fate) -> (rscir_spark::Result<Vec<String>>, usize, Duration) {
    let archive = archive();
    let (_folder, path) = publish(&archive, 2);
    let address = address();
    let proxy = Proxy::before(address.trim_start_matches("sc://"));
    let table = SparkArchive::connect(&proxy.address(), Table::published(&path)).unwrap();
    proxy.fail_after(bytes, fate);
    let began = Instant::now();
    let found = table.search(&"weicom:0.5".parse().unwrap(), &[query(4)], &TableSearch::top(10));
    let keys = found.map(|found| found[0].hits.iter().map(|hit| hit.key.clone()).collect());
    (keys, proxy.cuts(), began.elapsed())
}

#[test]
#[ignore = "needs an engine"]
fn an_answer_that_is_cut_off_is_asked_for_again_and_whole() {
    let whole = ask_through(usize::MAX, Fate::Cut);
    assert_eq!(whole.1, 0);
    let whole = whole.0.unwrap();
    for bytes in [1, 600, 3000] {
        let (keys, cuts, _) = ask_through(bytes, Fate::Cut);
        assert_eq!((keys.unwrap(), cuts), (whole.clone(), 1), "cut off after {bytes} bytes");
    }
}

#[test]
#[ignore = "needs an engine"]
fn an_engine_that_goes_away_in_the_middle_of_an_answer_is_an_error_within_seconds() {
    for fate in [Fate::Gone, Fate::Silent] {
        let (keys, cuts, took) = ask_through(600, fate);
        let error = keys.unwrap_err();
        assert_eq!((error.kind(), cuts), (ErrorKind::Unavailable, 1), "{fate:?}: {error}");
        assert!(took.as_secs() < 30, "{fate:?} took {took:?}");
    }
}

#[test]
fn an_address_where_nobody_answers_is_named_at_once() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("sc://127.0.0.1:{port}/;token=secret");
    let name = TableName::Catalog(vec!["tiles".into()]);
    let began = Instant::now();
    let error = SparkArchive::connect(&address, Table::Plain(name.clone())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let words = error.to_string();
    assert!(words.starts_with(&format!("sc://127.0.0.1:{port}: ")) && !words.contains("secret"), "{words}");
    assert!(began.elapsed().as_secs() < 10);
    let words =
        SparkArchive::connect("http://127.0.0.1/;token=secret", Table::Plain(name)).unwrap_err().to_string();
    assert!(words.contains("sc://") && !words.contains("secret"), "{words}");
}

#[test]
fn an_address_where_something_else_answers_or_nothing_is_said_is_no_endless_wait() {
    // The first takes connections and says nothing, the second says something else.
    for words in [None, Some("SSH-2.0-OpenSSH_9.9\r\n")] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("sc://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                if let Some(words) = words {
                    connection.write_all(words.as_bytes()).unwrap();
                }
                kept.push(connection);
            }
        });
        let began = Instant::now();
        let name = TableName::Catalog(vec!["tiles".into()]);
        let error = SparkArchive::connect(&address, Table::Plain(name)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(began.elapsed().as_secs() < 15, "{:?}", began.elapsed());
    }
}

#[test]
#[ignore = "measures: needs an engine, RSCIR_SPARK_ROWS rows of 768 numbers, and a machine with nothing else to do"]
fn rates_beside_the_scan_of_the_library() {
    let rows: usize =
        std::env::var("RSCIR_SPARK_ROWS").expect("RSCIR_SPARK_ROWS is a number").parse().unwrap();
    let (dim, spec) = (768, EncoderSpec::unknown(768));
    let keys = (0..rows).map(|row| format!("{row:08}")).collect();
    let archive = MemoryArchive::new(spec.clone(), keys, unit_rows(rows, dim, 5)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let published = export_parquet(&archive, folder.path(), &ExportOptions::default()).unwrap();
    println!("{rows} rows published in {} parts in {:?}", published.parts, began.elapsed());
    let table = connect(folder.path()).unwrap();
    let query = |seed: u64| {
        let query = ComposedQuery::new(spec.clone()).with_image(unit_vector(dim, seed));
        query.and_then(|query| query.with_text(unit_vector(dim, seed + 900))).unwrap()
    };
    for name in ["image", "weicom:0.5"] {
        let spec: MethodSpec = name.parse().unwrap();
        let method = spec.build(&Resources::default()).unwrap();
        for round in 0..4 {
            for queries in [1, 4, 16] {
                let queries: Vec<_> = (0..queries).map(|i| query(round * 20 + i)).collect();
                let began = Instant::now();
                let found = table.search(&spec, &queries, &TableSearch::top(10)).unwrap();
                let (engine, began) = (began.elapsed(), Instant::now());
                let options = SearchOptions::top(10).statistics(Statistics::Moments);
                let expected = search_batch(&archive, &*method, &queries, &options).unwrap();
                let library = began.elapsed();
                for (found, expected) in found.iter().zip(&expected) {
                    let keys = |hits: &[rscir_index::Hit]| {
                        hits.iter().map(|hit| hit.key.clone()).collect::<Vec<_>>()
                    };
                    assert_eq!(keys(&found.hits), keys(expected));
                }
                println!(
                    "{name}, {} queries: engine {engine:.2?}, library {library:.2?}, asked {} times",
                    queries.len(),
                    found[0].asked
                );
            }
        }
    }
}
