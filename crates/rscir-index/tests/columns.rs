//! Columns beside the vectors, kept through an archive's life.

mod common;

use std::sync::Arc;

use common::{DIM, Step, columns, content, key, open_or_create, take};
use rscir_core::testing::unit_rows;
use rscir_core::{
    Archive, ColumnTable, ColumnType, Date, EmbeddingSink, EncoderSpec, Fingerprint, RowValues, SinkRow,
    Value,
};
use rscir_index::testing::FaultyStorage;
use rscir_index::{
    ArchiveWriter, Column, Columns, DiskArchive, Error, Filter, KeyedColumns, MemoryArchive, ShardedArchive,
};

const DIR: &str = "/tiles.rscir";

fn writer(storage: &FaultyStorage) -> ArchiveWriter {
    open_or_create(Arc::new(storage.clone()), DIR.as_ref()).unwrap()
}

fn archive(storage: &FaultyStorage) -> DiskArchive {
    DiskArchive::open_with(Arc::new(storage.clone()), DIR).unwrap()
}

#[test]
fn columns_are_those_of_the_rows_after_replacing_deleting_and_compacting() {
    let storage = FaultyStorage::new();
    let mut writer = writer(&storage);
    let steps = [
        Step::Commit((0..20).collect(), 1),
        Step::Commit((5..25).rev().collect(), 2),
        Step::Delete(vec![0, 6, 24]),
        Step::Compact,
        Step::Commit((0..3).collect(), 4),
        Step::CompactSorted,
    ];
    let mut model = common::Model::new();
    for step in &steps {
        take(&mut writer, step).unwrap();
        common::advance(&mut model, step);
        let archive = archive(&storage);
        assert_eq!(content(&archive), model);
        for (name, _) in archive.columns() {
            for (row, value) in archive.column(name).unwrap().enumerate() {
                assert_eq!(archive.value(name, row), value, "column {name} of row {row}");
            }
        }
    }
    assert_eq!(Columns::of_archive(&archive(&storage)), columns(&model));
}

#[test]
fn a_row_that_is_encoded_again_keeps_its_columns() {
    let storage = FaultyStorage::new();
    let mut writer = writer(&storage);
    take(&mut writer, &Step::Commit(vec![1, 2], 2)).unwrap();
    let keys = [key(1), key(9)];
    let rows = keys.each_ref().map(|key| SinkRow::new(key, Fingerprint::default()));
    writer.commit(&rows, &unit_rows(2, DIM, 1)).unwrap();
    let archive = archive(&storage);
    assert_eq!((archive.len(), archive.key(1), archive.key(2)), (3, keys[0].as_str(), keys[1].as_str()));
    assert_eq!(archive.vector(1), unit_rows(2, DIM, 1).row(0), "its vector is the new one");
    let expected = columns(&[(1, 2)]);
    for (name, _) in archive.columns() {
        assert_eq!(archive.value(name, 1), expected.value(name, 0), "column {name}");
        assert_eq!(archive.value(name, 2), None, "a new row has none");
    }
    assert_eq!(archive.value("date", 0), Some(Value::Date(Date::from_days(12))));
}

#[test]
fn columns_that_are_updated_leave_the_others() {
    let storage = FaultyStorage::new();
    let mut writer = writer(&storage);
    take(&mut writer, &Step::Commit((0..6).collect(), 2)).unwrap();
    let update = Columns::new(3)
        .with("cloud", vec![Some(0.5), None, Some(0.25)])
        .and_then(|c| c.with("bool", vec![None, Some(true), Some(false)]))
        .unwrap();
    let keys = [key(2), key(4), key(77)];
    let keys = keys.each_ref().map(String::as_str);
    assert_eq!(writer.update_columns(&keys, &update).unwrap(), 2);
    assert_eq!(writer.update_columns(&keys, &update).unwrap(), 0, "they are what they are");
    let archive = archive(&storage);
    let before = columns(&[(2, 2), (4, 2)]);
    for (i, key) in keys[..2].iter().enumerate() {
        let row = archive.find(key).unwrap();
        assert_eq!(archive.value("cloud", row), update.value("cloud", i));
        assert_eq!(archive.value("bool", row), update.value("bool", i));
        for name in ["int", "float", "bbox", "date"] {
            assert_eq!(archive.value(name, row), before.value(name, i), "column {name}");
        }
    }
    assert_eq!(archive.value("cloud", archive.find(&key(0)).unwrap()), None);
}

#[test]
fn a_reader_takes_what_was_written_since() {
    let storage = FaultyStorage::new();
    let mut writer = writer(&storage);
    take(&mut writer, &Step::Commit(vec![1], 2)).unwrap();
    let mut reader = archive(&storage);
    assert!(!reader.refresh().unwrap() && reader.newer().unwrap().is_none());
    take(&mut writer, &Step::Commit(vec![2], 2)).unwrap();
    writer.compact().unwrap();
    assert_eq!((reader.len(), reader.newer().unwrap().map(|newer| newer.len())), (1, Some(2)));
    assert!(reader.refresh().unwrap());
    assert_eq!((reader.len(), reader.refresh().unwrap()), (2, false));
}

#[test]
fn columns_can_be_set_later() {
    let storage = FaultyStorage::new();
    let mut writer = writer(&storage);
    take(&mut writer, &Step::Commit((0..40).collect(), 1)).unwrap();
    let editions: Vec<_> = [7, 99, 3].map(|row| (row, 2)).into();
    let keys = editions.iter().map(|&(row, _)| key(row)).collect::<Vec<_>>();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(writer.set_columns(&keys, &columns(&editions)).unwrap(), 2, "there is no row 99");
    let files = storage.files();
    assert_eq!(writer.set_columns(&keys, &columns(&editions)).unwrap(), 0, "they are what they are");
    assert!(storage.files() == files);

    let found = archive(&storage);
    assert_eq!(found.len(), 40);
    assert_eq!((found.key(38), found.key(39)), (&key(7)[..], &key(3)[..]));
    for (row, edition) in (0..40).map(|row| (row, if [3, 7].contains(&row) { 2 } else { 1 })) {
        let at = found.find(&key(row)).unwrap();
        assert_eq!(found.vector(at), common::vector(row, 1));
        assert_eq!(found.fingerprint(at), Fingerprint([1; 16]));
        for (name, _) in found.columns() {
            assert_eq!(found.value(name, at), columns(&[(row, edition)]).value(name, 0), "{name} of {row}");
        }
    }
    let twice = writer.set_columns(&["a", "a"], &Columns::new(2));
    assert!(matches!(twice, Err(Error::DuplicateKey { first: 0, second: 1, .. })));
    let short = writer.set_columns(&["a"], &columns(&editions));
    assert!(matches!(short, Err(Error::ColumnLength { rows: 1, got: 3, .. })));
    assert_eq!(writer.set_columns(&[&key(7)], &Columns::new(1)).unwrap(), 1);
    assert_eq!(archive(&storage).value("date", 39), None);
}

#[test]
fn a_column_without_values_is_not_kept_and_files_follow_from_the_rows() {
    let storages = [FaultyStorage::new(), FaultyStorage::new()];
    let rows = unit_rows(2, DIM, 1);
    let described = ["a", "b"].map(|key| SinkRow::new(key, Fingerprint::default()));
    let kept = Columns::new(2).with("n", vec![1i64, 2]).unwrap();
    let more = kept.clone().with("none", vec![None::<String>; 2]).unwrap();
    for (storage, columns) in storages.iter().zip([&kept, &more]) {
        writer(storage).commit_with_columns(&described, &rows, columns).unwrap();
    }
    assert!(storages[0].files() == storages[1].files());
    assert_eq!(archive(&storages[1]).columns(), [("n", ColumnType::Int)]);
}

#[test]
fn columns_that_do_not_fit_are_refused_and_nothing_is_lost() {
    let storage = FaultyStorage::new();
    let mut writer = writer(&storage);
    take(&mut writer, &Step::Commit(vec![1, 2], 2)).unwrap();
    let files = storage.files();
    let row = [SinkRow::new("other", Fingerprint::default())];
    let mut commit = |columns| writer.commit_with_columns(&row, &unit_rows(1, DIM, 1), &columns).unwrap_err();

    let error = commit(Columns::new(1).with("int", vec!["text"]).unwrap());
    assert_eq!(error.to_string(), "column \"int\": expected int, got text");
    assert!(matches!(error, Error::ColumnType { expected: ColumnType::Int, got: ColumnType::Text, .. }));
    let error = commit(Columns::new(2).with("n", vec![1i64, 2]).unwrap());
    assert!(matches!(error, Error::ColumnLength { rows: 1, got: 2, .. }), "{error}");
    let many = (0..60).map(|i| (format!("c{i:02}"), Column::from(vec![i])));
    let many = many.fold(Columns::new(1), |all, (name, column)| all.with(&name, column).unwrap());
    assert!(matches!(commit(many), Error::TooManyColumns { limit: 64 }));
    assert!(storage.files() == files);

    let long = "n".repeat(65);
    for name in ["", "a\nb", &long] {
        assert!(matches!(Columns::new(0).with(name, vec![0i64; 0]), Err(Error::ColumnName { .. })));
    }
}

#[test]
fn as_many_columns_as_there_may_be_are_kept() {
    let storage = FaultyStorage::new();
    let rows = [SinkRow::new("a", Fingerprint::default())];
    let rows = [rows[0], SinkRow::new("b", rows[0].fingerprint)];
    // Makes the longest header: each name has 64 bytes that are all escaped, and each column three tensors.
    let columns = (0..64).fold(Columns::new(2), |all, i| {
        let name: String = (0..64).map(|bit| if i >> (bit % 6) & 1 == 1 { '"' } else { '\\' }).collect();
        all.with(&name, vec![Some(vec![1.0]), None]).unwrap()
    });
    assert_eq!(columns.iter().count(), 64);
    writer(&storage).commit_with_columns(&rows, &unit_rows(2, DIM, 1), &columns).unwrap();
    assert_eq!(Columns::of_archive(&archive(&storage)), columns);
}

#[test]
fn shards_share_their_columns() {
    let (labels, counts) = (vec!["sea", "harbor"], vec![Some(3i64), None, Some(5)]);
    let shard = |name: &str, columns: Columns| {
        let keys = (0..columns.rows()).map(|row| format!("{name}{row}")).collect();
        let rows = unit_rows(columns.rows(), DIM, 1);
        let archive = MemoryArchive::new(EncoderSpec::unknown(DIM), keys, rows).unwrap();
        Box::new(archive.with_columns(columns).unwrap()) as Box<dyn Archive>
    };
    let first = || shard("a", Columns::new(2).with("label", labels.clone()).unwrap());
    let second = shard("b", Columns::new(3).with("count", counts).unwrap());
    let both = ShardedArchive::new(vec![first(), second]).unwrap();
    assert_eq!(both.columns(), [("count", ColumnType::Int), ("label", ColumnType::Text)]);
    let rows = |filter: Filter| filter.select(&both).unwrap().iter().collect::<Vec<_>>();
    assert_eq!(rows(Filter::eq("label", "harbor")), [1]);
    assert_eq!(rows(Filter::ge("count", 3)), [2, 4]);
    assert_eq!(rows(!Filter::eq("label", "harbor")), [0, 2, 3, 4]);
    assert_eq!(rows(Filter::has_value("count").or(Filter::has_value("label"))), [0, 1, 2, 4]);
    assert_eq!((both.value("count", 4), both.value("count", 1)), (Some(Value::Int(5)), None));

    let other = shard("b", Columns::new(1).with("label", vec![1i64]).unwrap());
    assert!(
        matches!(ShardedArchive::new(vec![first(), other]), Err(Error::ColumnType { column, .. }) if column == "label")
    );
}

fn read_table(content: &str, key_column: &str) -> Result<KeyedColumns, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tiles.CSV");
    std::fs::write(&file, content).unwrap();
    let shown = |error: Error| error.to_string().replace(&file.display().to_string(), "FILE");
    KeyedColumns::read(&file, key_column).map_err(shown)
}

#[test]
fn a_table_is_read_with_its_types_and_keys() {
    let text =
        "\u{feff}path, label ,cloud,day\r\na.tif,\"harbor, old\",0.25,2024-02-29\r\n\r\nb.tif,sea,,\r\n";
    let table = read_table(text, "path").unwrap();
    assert_eq!(table.keys(), ["a.tif", "b.tif"]);
    let day = Date::from_ymd(2024, 2, 29);
    let expected = Columns::new(2).with("label", vec!["harbor, old", "sea"]).unwrap();
    let expected =
        expected.with("cloud", vec![Some(0.25), None]).unwrap().with("day", vec![day, None]).unwrap();
    assert_eq!(*table.columns(), expected);
    let schema = ColumnTable::columns(&table);
    let mut row = RowValues::new(schema);
    table.values(table.find("b.tif").unwrap(), &mut row).unwrap();
    assert_eq!((row.get("label"), row.get("cloud")), (Some(Value::Text("sea")), None));
    assert_eq!(table.find("c.tif"), None);
}

#[test]
fn a_table_that_cannot_be_joined_is_refused_with_its_line() {
    let refused = |content: &str| read_table(content, "key").unwrap_err();
    assert_eq!(refused("path,label\na,sea\n"), "FILE: column key is missing; present: path, label");
    assert_eq!(
        refused("key,label\na,sea\nb\n"),
        "FILE:3: there are 1 fields, but the first line names 2 columns: each column needs one field"
    );
    assert_eq!(refused("key,label\n,sea\n"), "FILE:2: the field \"key\" is empty: it must hold a key");
    assert_eq!(
        refused("label,key\nsea,a\n\nsea,b\nsea,a\n"),
        "FILE:5: line 2 already has the key \"a\": leave one out"
    );
    assert_eq!(
        refused("key,label,label\n"),
        "FILE:1: two columns have the name \"label\": rename one, or leave it out"
    );
    assert_eq!(refused(""), "FILE: there are no rows: at least one is needed");
    let wide = format!("key{}\n", ",c".repeat(65));
    assert_eq!(refused(&wide), "FILE: there are more than 64 columns: leave some out");
    let error = KeyedColumns::read("tiles.xlsx", "key").unwrap_err().to_string();
    assert!(error.starts_with("tiles.xlsx: the extension \"xlsx\" names no"), "{error}");
}

#[test]
fn values_that_are_there_already_are_not_written_again() {
    let storage = FaultyStorage::new();
    let mut writer = writer(&storage);
    take(&mut writer, &Step::Commit((0..40).collect(), 2)).unwrap();
    let table = KeyedColumns::new(vec![key(3)], Columns::new(1).with("shelf", vec!["b"]).unwrap()).unwrap();
    let mut row = RowValues::new(ColumnTable::columns(&table));
    table.values(0, &mut row).unwrap();
    let third = key(3);
    assert_eq!(writer.update_values(&[&third], std::slice::from_ref(&row)).unwrap(), 1);
    let files = storage.files();
    assert_eq!(writer.update_values(&[&third], &[row]).unwrap(), 0);
    assert!(storage.files() == files);
}

#[test]
fn columns_of_some_rows_are_those_of_all() {
    let storage = FaultyStorage::new();
    take(&mut writer(&storage), &Step::Commit((0..9).collect(), 2)).unwrap();
    let archive = archive(&storage);
    let some = Columns::of_rows(&archive, &[7, 2, 99]);
    for (name, _) in archive.columns() {
        let values = [7, 2].map(|row| archive.value(name, row));
        assert_eq!([some.value(name, 0), some.value(name, 1)], values, "{name}");
        assert_eq!(some.value(name, 2), None);
    }
    assert_eq!(some.rows(), 3);
}
