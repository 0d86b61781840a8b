//! Checks types, keys and places of files that the tests make.

mod common;

use std::path::Path;
use std::sync::Arc;

use arrow_array::types::{Float16Type, Float64Type, Int8Type};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, FixedSizeListArray, Float32Array, Float64Array,
    Int32Array, Int64Array, LargeListArray, ListArray, StringArray, StructArray, TimestampMillisecondArray,
    UInt64Array,
};
use arrow_schema::{DataType, Field};
use common::{lists, write, write_with};
use half::f16;
use rscir_core::{Date, Value};
use rscir_index::Columns;
use rscir_interchange::{Error, LeftOutReason, ReadFeatures, ReadOptions, VectorFiles, read_features};

const ROWS: [[f32; 2]; 3] = [[3.0, 4.0], [0.0, -2.0], [-1.0, 0.0]];
const UNIT: [f32; 6] = [0.6, 0.8, 0.0, -1.0, -1.0, 0.0];

fn read(path: &Path) -> ReadFeatures {
    read_features(path, &ReadOptions::default()).unwrap()
}

fn vectors() -> ArrayRef {
    lists(&ROWS.map(|row| Some(row.to_vec())))
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// Makes a square of a tenth of a degree with a corner at a place, in well-known binary.
fn square(x: f64, y: f64) -> Vec<u8> {
    let mut bytes = vec![1, 3, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0];
    for [x, y] in [[x, y], [x + 0.1, y], [x + 0.1, y + 0.1], [x, y + 0.1], [x, y]] {
        bytes.extend(x.to_le_bytes());
        bytes.extend(y.to_le_bytes());
    }
    bytes
}

#[test]
fn lists_of_every_kind_and_number_format_are_the_same_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let of = |scale: f32| ROWS.map(move |row| Some(row.map(move |x| x * scale)));
    let singles: Vec<f32> = ROWS.concat();
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let arrays: Vec<(&str, ArrayRef)> = vec![
        ("embedding", vectors()),
        (
            "embeddings",
            Arc::new(ListArray::from_iter_primitive::<Float16Type, _, _>(
                of(0.5).map(|row| row.map(|row| row.map(|x| Some(f16::from_f32(x))))),
            )),
        ),
        (
            "vector",
            Arc::new(LargeListArray::from_iter_primitive::<Float64Type, _, _>(
                of(1e30).map(|row| row.map(|row| row.map(|x| Some(f64::from(x))))),
            )),
        ),
        (
            "embedding",
            Arc::new(ListArray::from_iter_primitive::<Int8Type, _, _>(
                of(20.0).map(|row| row.map(|row| row.map(|x| Some(x as i8)))),
            )),
        ),
        (
            "embedding",
            Arc::new(FixedSizeListArray::new(item, 2, Arc::new(Float32Array::from(singles)), None)),
        ),
    ];
    for (name, array) in arrays {
        let kind = array.data_type().to_string();
        write(&path, vec![(name, array)], 2);
        let read = read(&path);
        for (got, expected) in read.features.embeddings.as_slice().iter().zip(UNIT) {
            assert!((got - expected).abs() < 1e-6, "{kind}: {got} for {expected}");
        }
        assert_eq!(read.features.keys, ["a.parquet#0", "a.parquet#1", "a.parquet#2"], "{kind}");
    }
}

#[test]
fn a_column_is_kept_by_its_type_and_one_without_a_type_of_ours_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let day = Date::from_ymd(2024, 2, 29).unwrap();
    let edge = |name: &str, v: f64| {
        (
            Arc::new(Field::new(name, DataType::Float64, true)),
            Arc::new(Float64Array::from(vec![v; 3])) as ArrayRef,
        )
    };
    let boxes =
        StructArray::from(vec![edge("xmin", 1.0), edge("ymin", 2.0), edge("xmax", 3.0), edge("ymax", 4.0)]);
    let gaps = ListArray::from_iter_primitive::<Float64Type, _, _>([
        Some(vec![Some(1.5), Some(2.0)]),
        Some(vec![None]),
        None,
    ]);
    write(
        &path,
        vec![
            ("embedding", vectors()),
            ("label", texts(&[Some("sea"), None, Some("")])),
            ("count", Arc::new(Int32Array::from(vec![Some(-3), None, Some(5)]))),
            ("huge", Arc::new(UInt64Array::from(vec![7, u64::MAX, 9]))),
            ("cloud", Arc::new(Float32Array::from(vec![Some(0.25), None, Some(1.0)]))),
            ("night", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
            ("date", Arc::new(Date32Array::from(vec![Some(day.days()), None, Some(0)]))),
            ("time", Arc::new(TimestampMillisecondArray::from(vec![1500, 0, -1]).with_timezone("UTC"))),
            ("list", Arc::new(gaps)),
            ("bbox", Arc::new(boxes)),
            ("blob", Arc::new(BinaryArray::from_vec(vec![b"a", b"b", b"c"]))),
        ],
        3,
    );
    let read = read(&path);
    let expected = Columns::new(3)
        .with("label", vec![Some("sea".to_owned()), None, Some(String::new())])
        .and_then(|c| c.with("count", vec![Some(-3i64), None, Some(5)]))
        .and_then(|c| c.with("huge", vec![Some(7i64), None, Some(9)]))
        .and_then(|c| c.with("cloud", vec![Some(0.25), None, Some(1.0)]))
        .and_then(|c| c.with("night", vec![Some(true), None, Some(false)]))
        .and_then(|c| c.with("date", vec![Some(day), None, Date::from_ymd(1970, 1, 1)]))
        .and_then(|c| {
            c.with("time", vec!["1970-01-01T00:00:01.5Z", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z"])
        })
        .and_then(|c| c.with("list", vec![Some(vec![1.5, 2.0]), None, None]))
        .and_then(|c| c.with("bbox", vec![vec![1.0, 2.0, 3.0, 4.0]; 3]))
        .unwrap();
    assert_eq!(read.features.columns, expected);
    let left_out: Vec<_> = read.left_out.iter().map(|c| (c.name.as_str(), c.type_name.as_str())).collect();
    assert_eq!(left_out, [("blob", "Binary")]);
    // The two values are the number that does not fit in 63 bits, and the list with a gap.
    assert_eq!(read.tally.without_value, 2);
    let (place, column) = read.tally.first_without_value.unwrap();
    assert_eq!((place.file, place.row, column.as_str()), (path, 1, "huge"));
}

#[test]
fn keys_are_text_or_whole_numbers_by_name_or_as_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let text = || texts(&[Some("x"), Some("y"), Some("z")]);
    let numbers = || Arc::new(Int64Array::from(vec![7, -8, 9])) as ArrayRef;
    let keys = |columns, options: &ReadOptions| {
        write(&path, columns, 3);
        read_features(&path, options).unwrap().features.keys
    };
    let options = ReadOptions::default();
    assert_eq!(keys(vec![("embedding", vectors()), ("id", numbers())], &options), ["7", "-8", "9"]);
    assert_eq!(keys(vec![("tile_id", text()), ("embedding", vectors())], &options), ["x", "y", "z"]);
    // The name that is first in the list of names wins, in any order of the columns.
    let both = || vec![("id", numbers()), ("unique_id", text()), ("embedding", vectors())];
    assert_eq!(keys(both(), &options), ["x", "y", "z"]);
    assert_eq!(keys(both(), &options.clone().key_column("id")), ["7", "-8", "9"]);
    let other = || vec![("name", text()), ("features", vectors())];
    let chosen = options.clone().key_column("name").embedding_column("features");
    assert_eq!(keys(other(), &chosen), ["x", "y", "z"]);

    let refused = |options: &ReadOptions| read_features(&path, options).unwrap_err();
    let missing = refused(&options);
    assert!(matches!(missing, Error::NoColumn { what: "vectors", .. }), "{missing}");
    assert!(missing.to_string().contains("embedding, embeddings, vector; name the one"), "{missing}");
    assert!(missing.to_string().contains("present: name (Utf8), features (List"), "{missing}");
    let error = refused(&chosen.clone().key_column("features"));
    assert!(matches!(error, Error::ColumnKind { .. }), "{error}");
    let error = refused(&chosen.key_column("nam"));
    assert!(error.to_string().contains("no column \"nam\""), "{error}");
}

#[test]
fn rows_without_a_key_or_a_vector_are_left_out_and_another_width_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let rows = [
        None,
        Some(vec![]),
        Some(vec![1.0, 0.0]),
        Some(vec![f32::INFINITY, 0.0]),
        Some(vec![0.0, 0.0]),
        Some(vec![0.0, 1.0]),
    ];
    let keys = [Some("a"), Some("b"), None, Some("d"), Some("e"), Some("f")];
    write(&path, vec![("key", texts(&keys)), ("embedding", lists(&rows))], 2);
    let got = read(&path);
    let reasons: Vec<_> =
        got.tally.named.iter().map(|left_out| (left_out.place.row, left_out.reason)).collect();
    use LeftOutReason::{NoKey, NoVector, NotFinite, Zero};
    assert_eq!(reasons, [(0, NoVector), (1, NoVector), (2, NoKey), (3, NotFinite), (4, Zero)]);
    assert_eq!((got.features.keys, got.features.embeddings.as_slice()), (vec!["f".into()], &[0.0, 1.0][..]));

    let wrong = [Some(vec![1.0, 0.0]), Some(vec![1.0; 2]), Some(vec![1.0; 3])];
    write(&path, vec![("embedding", lists(&wrong))], 1);
    let error = read_features(&path, &ReadOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Width { row: 2, expected: 2, got: 3, .. }), "{error}");
    assert!(
        error.to_string().contains("a.parquet: the vector of row 2 (from 0) has 3 numbers, not 2"),
        "{error}"
    );

    write(&path, vec![("embedding", lists(&[None, None]))], 1);
    let error = read_features(&path, &ReadOptions::default()).unwrap_err();
    assert!(matches!(error, Error::NoRows { .. }), "{error}");
}

#[test]
fn a_folder_is_one_table_in_the_order_of_its_paths() {
    let folder = tempfile::tempdir().unwrap();
    for (name, label) in [("b.parquet", "first"), ("a/z.GeoParquet", "second"), ("_notes/x.parquet", "none")]
    {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write(&path, vec![("embedding", vectors()), (label, texts(&[Some("1"), Some("2"), Some("3")]))], 2);
    }
    for name in [".hidden.parquet", "readme.txt"] {
        std::fs::write(folder.path().join(name), "no table").unwrap();
    }
    let table = VectorFiles::open(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!((table.rows(), table.paths().len()), (6, 2));
    let read = read(folder.path());
    assert_eq!(read.features.keys[2..4], ["a/z.GeoParquet#2", "b.parquet#0"]);
    // A column that one of the files lacks has no values there.
    let column = |row| read.features.columns.value("first", row);
    assert_eq!((column(2), column(3)), (None, Some(Value::Text("1"))));

    let path = folder.path().join("c.parquet");
    write(&path, vec![("embedding", vectors()), ("first", Arc::new(Int32Array::from(vec![1, 2, 3])))], 3);
    let error = VectorFiles::open(folder.path(), &ReadOptions::default()).unwrap_err();
    assert!(error.to_string().contains("c.parquet: column \"first\" holds int, and text in"), "{error}");
}

#[test]
fn geometries_are_placed_by_the_coordinate_system_of_the_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let geo = |crs: &str| {
        format!(r#"{{"primary_column":"shape","columns":{{"shape":{{"encoding":"WKB"{crs}}}}}}}"#)
    };
    let shapes = |bytes: &[Vec<u8>]| {
        Arc::new(BinaryArray::from_iter(bytes.iter().map(|b| (!b.is_empty()).then_some(b)))) as ArrayRef
    };
    let west = |crs: &str, bytes: [Vec<u8>; 3]| {
        write_with(
            &path,
            vec![("embedding", vectors()), ("shape", shapes(&bytes))],
            3,
            &[("geo", &geo(crs))],
        );
        let read = read(&path);
        let edge = match read.features.columns.value("west", 0) {
            Some(Value::Float(edge)) => Some(edge),
            _ => None,
        };
        (edge, read)
    };
    let squares = || [square(5.0, 52.0), square(6.0, 52.0), square(7.0, 52.0)];
    let code = |authority: &str, code: &str| {
        format!(r#","crs":{{"name":"n","id":{{"authority":"{authority}","code":{code}}}}}"#)
    };
    for crs in [String::new(), r#","crs":null"#.into(), code("OGC", "\"CRS84\""), code("EPSG", "4326")] {
        // Longitudes are computed by steps around the Earth, which are rounded.
        assert!((west(&crs, squares()).0.unwrap() - 5.0).abs() < 1e-9, "{crs}");
    }
    // This number of meters is a degree of Web Mercator at the equator.
    let meters = 111_319.490_793_273_57;
    let (edge, read) = west(&code("EPSG", "3857"), [square(meters, 0.0), square(0.0, 0.0), square(0.0, 0.0)]);
    assert!((edge.unwrap() - 1.0).abs() < 1e-9);
    assert!(read.features.columns.get("geometry").is_some() && read.features.columns.get("shape").is_none());

    let (edge, read) = west(r#","crs":{"name":"Mars"}"#, squares());
    let first = read.tally.first_unplaced.clone().unwrap();
    assert_eq!(
        (edge, read.tally.unplaced, first.1.as_str()),
        (None, 3, "the coordinate system Mars is not known")
    );

    let (_, read) = west("", [Vec::new(), b"no geometry".to_vec(), square(700.0, 52.0)]);
    assert_eq!((read.features.keys.len(), read.tally.unplaced), (3, 3));
    assert_eq!(read.tally.first_unplaced.unwrap().1, "there is no geometry");
}

#[test]
fn columns_of_places_that_the_file_has_itself_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let squares = BinaryArray::from_iter_values([square(5.0, 52.0), square(6.0, 52.0), square(7.0, 52.0)]);
    write(
        &path,
        vec![
            ("embedding", vectors()),
            ("geometry", Arc::new(squares)),
            ("west", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]))),
            ("south", texts(&[Some("x"); 3])),
        ],
        3,
    );
    let read = read(&path);
    let columns = &read.features.columns;
    assert_eq!(
        (columns.value("west", 0), columns.value("south", 0)),
        (Some(Value::Float(1.0)), Some(Value::Float(52.0)))
    );
    let Some(Value::Text(text)) = columns.value("geometry", 0) else { panic!("no geometry") };
    assert_eq!(text, "POLYGON ((5 52, 5.1 52, 5.1 52.1, 5 52.1, 5 52))");
    assert_eq!(read.left_out.len(), 1);
    assert_eq!(read.left_out[0].why, "the geometry gives the column of this name");
}

#[test]
fn the_encoder_is_as_our_own_files_record_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let spec = r#"{"model":"siglip","architecture":"a","activation":"gelu","preprocessing":"","tokenizer":"","weights_sha256":"","dim":2,"precision":"f32"}"#;
    let emb = format!(r#"{{"version":"0.0.1","model":{{"id":"x","config":{spec}}}}}"#);
    for (name, text) in [("rscir.encoder", spec), ("emb", &emb)] {
        write_with(&path, vec![("embedding", vectors())], 3, &[(name, text)]);
        let got = read(&path).features.spec;
        assert_eq!(
            (got.model.as_deref(), got.architecture.as_deref()),
            (Some("siglip"), Some("a")),
            "{name}"
        );
        let wrong = text.replace("\"dim\":2", "\"dim\":3");
        write_with(&path, vec![("embedding", vectors())], 3, &[(name, &wrong)]);
        let error = read_features(&path, &ReadOptions::default()).unwrap_err();
        assert!(matches!(error, Error::Width { expected: 3, got: 2, .. }), "{name}: {error}");
    }
    write_with(&path, vec![("embedding", vectors())], 3, &[("emb", "no JSON")]);
    let error = read_features(&path, &ReadOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Json { name: "emb", .. }), "{error}");
}
