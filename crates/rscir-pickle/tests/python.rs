//! Pickles that Python wrote (tests/data/make.py), in every protocol, with numpy 1 and numpy 2.

use std::path::Path;

use rscir_pickle::{Error, Kind, Pickle, Reader, Value, numpy};

const BUILTINS: &[&str] = &["collections.OrderedDict", "__builtin__.set", "builtins.set"];

fn read_file(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

fn get<'p>(pickle: &'p Pickle<'_>, key: &str) -> Value<'p> {
    pickle.root().get(key).unwrap_or_else(|| panic!("no {key}"))
}

#[test]
fn plain_values_of_every_protocol() {
    for protocol in 0..=5 {
        let bytes = read_file(&format!("plain-protocol{protocol}.pkl"));
        let pickle = Reader::new().allow(BUILTINS).read(&bytes).unwrap();
        assert_eq!(pickle.consumed(), bytes.len());

        assert!(matches!(get(&pickle, "none").kind(), Kind::None));
        let bools: Vec<_> =
            get(&pickle, "bools").as_items().unwrap().iter().map(|item| item.as_bool()).collect();
        assert_eq!(bools, [Some(true), Some(false)]);
        let ints: Option<Vec<_>> =
            get(&pickle, "ints").as_items().unwrap().iter().map(|item| item.as_i64()).collect();
        assert_eq!(ints.unwrap(), [0, 255, 65535, -1, 1 << 31, i64::MIN, i64::MAX]);
        match get(&pickle, "long").kind() {
            Kind::Long(bytes) => assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0, 0, 0x40]),
            Kind::Int(value) => assert_eq!((value, protocol < 2), (i64::MAX, true)),
            other => panic!("{other:?}"),
        }
        let floats = get(&pickle, "floats").as_items().unwrap();
        let floats: Vec<_> = floats
            .iter()
            .map(|item| if let Kind::Float(value) = item.kind() { value } else { f64::NAN })
            .collect();
        assert_eq!(floats, [0.5, -1e-300, f64::INFINITY]);
        assert_eq!(get(&pickle, "text").as_str(), Some("caf\u{e9} \\ \n \u{1f600}"));

        let nested = get(&pickle, "nested").as_items().unwrap();
        for (length, tuple) in nested.iter().enumerate() {
            let Kind::Tuple(items) = tuple.kind() else { panic!("{tuple:?}") };
            assert!(items.iter().map(|item| item.as_i64().unwrap()).eq(1..=length as i64));
        }
        let ordered = get(&pickle, "ordered");
        assert_eq!(
            (ordered.get("a").unwrap().as_i64(), ordered.get("b").unwrap().as_i64()),
            (Some(2), Some(1))
        );
        match get(&pickle, "set").kind() {
            Kind::Set(items) => assert_eq!(items.get(0).unwrap().as_i64(), Some(7)),
            Kind::Object(object) => {
                assert_eq!(
                    object.args().get(0).unwrap().as_items().unwrap().get(0).unwrap().as_i64(),
                    Some(7)
                );
            }
            other => panic!("{other:?}"),
        }
        let shared = get(&pickle, "shared").as_items().unwrap();
        assert!(shared.iter().all(|list| numpy::strings(list).unwrap() == ["forêt/a.jpg", "lake/b.jpg"]));
    }
}

#[test]
fn numpy_arrays_of_every_protocol() {
    let expected: Vec<f32> = (0..6u8).map(|value| f32::from(value) / 4.0).collect();
    for numpy in 1..=2 {
        for protocol in 0..=5 {
            let bytes = read_file(&format!("numpy{numpy}-protocol{protocol}.pkl"));
            let pickle = Reader::new().allow(numpy::GLOBALS).read(&bytes).unwrap();
            let array = |key| numpy::array_f32(get(&pickle, key));

            for key in ["feats", "f2", "f8", "fortran"] {
                assert_eq!(array(key).unwrap(), (vec![2, 3], expected.clone()), "{key}, protocol {protocol}");
            }
            let cube: Vec<f32> = (0..24u8).map(f32::from).collect();
            assert_eq!(array("cube").unwrap(), (vec![2, 3, 4], cube));
            assert_eq!(array("empty").unwrap(), (vec![0, 3], vec![]));
            assert_eq!(array("scalar").unwrap(), (vec![], vec![1.5]));
            assert!(matches!(array("big"), Err(Error::ArrayDtype { dtype, .. }) if dtype == ">f4"));
            assert!(matches!(array("ints"), Err(Error::ArrayDtype { dtype, .. }) if dtype == "i8"));
            assert!(matches!(array("labels"), Err(Error::NotAnArray { got: "list", .. })));

            for key in ["paths", "unicode", "objects", "list_of_str_"] {
                assert_eq!(
                    numpy::strings(get(&pickle, key)).unwrap(),
                    ["forêt/a.jpg", "lake/b.jpg"],
                    "{key}"
                );
            }
            assert!(numpy::strings(get(&pickle, "feats")).is_err());
        }
    }
}

#[test]
fn globals_outside_the_allow_list_are_refused_by_name() {
    let bytes = read_file("numpy2-protocol4.pkl");
    let error = Reader::new().read(&bytes).unwrap_err();
    assert!(
        matches!(&error, Error::ForbiddenGlobal { name, .. } if name == "numpy._core.multiarray._reconstruct")
    );

    let allowed = Reader::new().allow(&["posix.*", "os.path"]);
    for (bytes, refused) in [
        (&b"cos\nsystem\n(S'true'\ntR."[..], "os.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "os.system"),
        (b"cposixpath\njoin\n.", "posixpath.join"),
        (b"cos\npath.join\n.", "os.path.join"),
    ] {
        assert!(matches!(allowed.read(bytes), Err(Error::ForbiddenGlobal { name, .. }) if name == refused));
    }
    assert_eq!(allowed.read(b"cposix\nsystem\n.").unwrap().root().as_global().unwrap().name, "system");
    assert!(allowed.read(b"cposix.inner\nsystem\n.").is_ok());
    assert!(allowed.read(b"cos\npath\n.").is_ok());
}
