//! Tables in an object store. `RSCIR_STORE` is a URL within one that may be written to, such as `s3://tiles/test`, and variables as
//! `AWS_ENDPOINT` say how it is reached: `cargo test --release -p rscir-spark --features cloud --test cloud -- --ignored`.
#![cfg(feature = "cloud")]

mod common;
#[path = "common/meddling.rs"]
mod meddling;

use std::sync::Once;

use common::{DIM, archive};
use meddling::Meddling;
use rscir_core::{Archive, ErrorKind};
use rscir_spark::{Error, ExportOptions, Location, TableVersion, export_parquet};

/// A prefix of its own for each test.
fn table(name: &str) -> Location {
    let base = std::env::var("RSCIR_STORE")
        .expect("RSCIR_STORE is a URL that may be written to, such as s3://tiles/test");
    Location::from(base).join(&format!("{name}-{}", std::process::id()))
}

/// Parts of 500 rows.
fn options() -> ExportOptions {
    ExportOptions::default().part_bytes(500 * DIM as u64 * 4)
}

#[test]
#[ignore = "needs an object store"]
fn a_version_in_a_store_is_what_it_is_in_a_folder() {
    let (archive, folder) = (archive(), tempfile::tempdir().unwrap());
    export_parquet(&archive, folder.path(), &options()).unwrap();
    let here = TableVersion::open(folder.path()).unwrap();
    let table = table("same");
    assert_eq!(TableVersion::open(&table).unwrap_err().kind(), ErrorKind::NotFound);
    let published = export_parquet(&archive, &table, &options()).unwrap();
    let there = TableVersion::open(&table).unwrap();
    assert_eq!((published.rows, published.parts, &published.folder), (here.rows, 6, &there.folder));
    assert_eq!((&there.moments, &there.columns, &there.spec), (&here.moments, &here.columns, &here.spec));
    let sizes = |version: &TableVersion| {
        version.parts.iter().map(|part| (part.rows, part.name.clone())).collect::<Vec<_>>()
    };
    assert_eq!(sizes(&there), sizes(&here));

    export_parquet(&common::with_copies(3), &table, &options()).unwrap();
    let next = TableVersion::open(&table).unwrap();
    assert!(next.rows == 503 && next.folder.to_string().contains("/v00000002-"), "{}", next.folder);
}

#[test]
#[ignore = "needs an object store"]
fn of_two_that_publish_at_once_into_a_store_none_is_lost_in_silence() {
    let table = table("twice");
    for rows_before in [None, Some(503)] {
        if rows_before.is_some() {
            export_parquet(&common::with_copies(3), &table, &options()).unwrap();
        }
        let meddle = || drop(export_parquet(&archive(), &table, &options()).unwrap());
        let late = Meddling { archive: common::with_copies(9), meddle, once: Once::new() };
        let error = export_parquet(&late, &table, &options()).unwrap_err();
        assert!(matches!(error, Error::PublishedMeanwhile { .. }), "{error}");
        assert_eq!(TableVersion::open(&table).unwrap().rows, archive().len() as u64);
    }
}

#[test]
#[ignore = "needs an object store"]
fn a_store_that_refuses_is_named_with_its_words() {
    let url = "s3://no-such-bucket-of-rscir/tiles";
    let error = export_parquet(&archive(), url, &options()).unwrap_err();
    assert!(matches!(error, Error::Store { .. }) && error.to_string().contains(url), "{error}");
}
