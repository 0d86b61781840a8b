//! Tests tar files as WebDataset packs them: files of other programs are read, and damaged or hostile members are
//! refused by name.

use std::path::{Path, PathBuf};

use rscir_core::{Error as CoreError, ImageSource, RowValues, Stage, Value, testing};
use rscir_images::{ChangeDetection, DecodeLimits, Error, TarShards};

/// Returns the path of a file that CPython's tarfile wrote (tests/python/make_shards.py).
fn shard(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/shards").join(name)
}

fn row<'a>(shards: &'a TarShards, item: usize) -> RowValues<'a> {
    let mut row = RowValues::new(shards.columns());
    shards.values(item, &mut row).unwrap();
    row
}

fn keys(shards: &TarShards) -> Vec<String> {
    (0..shards.len()).map(|item| shards.key(item).into_owned()).collect()
}

#[test]
fn samples_become_images_with_columns() {
    let shards = TarShards::open([shard("000.tar")]).unwrap();
    testing::source(&shards);
    assert_eq!(keys(&shards), ["000.tar#tiles/0001.png", "000.tar#tiles/0002.png"]);
    assert_eq!(shards.read(0).unwrap().data, [255, 0, 0].repeat(6));
    let schema: Vec<String> =
        shards.columns().iter().map(|column| format!("{} {}", column.name, column.column_type)).collect();
    assert_eq!(schema, ["acquired date", "cloud float", "cls int", "corners floats", "txt text"]);
    let (red, blue) = (row(&shards, 0), row(&shards, 1));
    assert_eq!(red.get("cls"), Some(Value::Int(3)));
    assert_eq!(red.get("txt"), Some(Value::Text("a red tile")));
    assert_eq!(red.get("acquired"), Some(Value::Date("2024-02-29".parse().unwrap())));
    assert_eq!(red.get("cloud"), Some(Value::Float(1.0)));
    assert_eq!(red.get("corners"), Some(Value::Floats(&[4.1, 51.9])));
    assert_eq!((blue.get("cloud"), blue.get("acquired")), (Some(Value::Float(0.5)), None));
    let left_out: Vec<_> = shards.left_out().into_iter().map(|o| (o.what, o.count)).collect();
    assert_eq!(left_out, [("nested values in .json members".to_string(), 1)]);
}

#[test]
fn long_names_are_read_in_either_format() {
    let shards = TarShards::open(["001.tar", "002.tar"].map(shard)).unwrap();
    testing::source(&shards);
    let keys = keys(&shards);
    assert_eq!(keys.len(), 2);
    assert!(keys[0].len() > 200 && keys[0].ends_with("/0003.png"), "{}", keys[0]);
    assert_eq!(keys[0].strip_prefix("001.tar"), keys[1].strip_prefix("002.tar"));
    assert_eq!(row(&shards, 1).get("id"), Some(Value::Int(7)));
}

/// Makes a header of POSIX's format.
fn header(name: &[u8], kind: u8, size: &[u8; 12]) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name);
    block[124..136].copy_from_slice(size);
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    summed(block)
}

fn summed(mut block: Vec<u8>) -> Vec<u8> {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn octal(size: usize) -> [u8; 12] {
    format!("{size:011o}\0").into_bytes().try_into().unwrap()
}

fn member(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = header(name.as_bytes(), kind, &octal(content.len()));
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn end() -> Vec<u8> {
    vec![0; 1024]
}

/// Makes an image of one pixel.
fn png() -> Vec<u8> {
    let whole = std::fs::read(shard("000.tar")).unwrap();
    let start = whole.windows(4).position(|w| w == b"\x89PNG").unwrap();
    let end = start + whole[start..].windows(4).position(|w| w == b"IEND").unwrap() + 8;
    whole[start..end].to_vec()
}

struct Bed(tempfile::TempDir);

impl Bed {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, parts: &[Vec<u8>]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, parts.concat()).unwrap();
        path
    }
}

/// Returns key and reason of each item that cannot be read.
fn refused(shards: &TarShards) -> Vec<(String, String)> {
    let refused = |item| match shards.read(item) {
        Err(CoreError::Refused { stage: Stage::List, reason }) => {
            Some((shards.key(item).into_owned(), reason))
        }
        _ => None,
    };
    (0..shards.len()).filter_map(refused).collect()
}

fn broken(parts: &[Vec<u8>]) -> String {
    let bed = Bed::new();
    let path = bed.write("a.tar", parts);
    match TarShards::open([&path]) {
        Err(Error::Shard { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn members_that_are_no_files_or_lead_out_are_refused_by_name() {
    let bed = Bed::new();
    let path = bed.write(
        "a.tar",
        &[
            member("./whole.png", b'0', &png()),
            member("folder.png", b'5', b""),
            member("old folder/", 0, b""),
            member("symbolic.png", b'2', b""),
            member("hard.png", b'1', b""),
            member("device.png", b'3', b""),
            member("pipe.png", b'6', b""),
            member("../up.png", b'0', &png()),
            member("a/../../up.png", b'0', &png()),
            member("/root.png", b'0', &png()),
            member("new kind.png", b'Z', &png()),
            header(b"\xff.png", b'0', &octal(0)),
            member("last.png", b'0', &png()),
            end(),
        ],
    );
    let shards = TarShards::open([path]).unwrap();
    let told: Vec<(String, String)> = refused(&shards);
    let told: Vec<(&str, &str)> = told.iter().map(|(key, reason)| (key.as_str(), reason.as_str())).collect();
    assert_eq!(
        told,
        [
            ("a.tar#symbolic.png", "it is a link"),
            ("a.tar#hard.png", "it is a link"),
            ("a.tar#device.png", "it is a device or a pipe"),
            ("a.tar#pipe.png", "it is a device or a pipe"),
            ("a.tar#../up.png", "its name leads out of a folder"),
            ("a.tar#a/../../up.png", "its name leads out of a folder"),
            ("a.tar#/root.png", "its name leads out of a folder"),
            ("a.tar#new kind.png", "it is of a type that is not known"),
            ("a.tar#\u{fffd}.png", "its name is not UTF-8"),
        ]
    );
    let whole: Vec<String> =
        keys(&shards).into_iter().filter(|key| !told.iter().any(|t| t.0 == key)).collect();
    assert_eq!(whole, ["a.tar#whole.png", "a.tar#last.png"]);
}

#[test]
fn what_breaks_a_file_off_is_said_and_what_came_before_is_kept() {
    let bed = Bed::new();
    let size = |bytes: [u8; 12]| header(b"b.png", b'0', &bytes);
    let mut negative = [0xff; 12];
    negative[11] = 0xfe;
    let mut huge = [0xff; 12];
    huge[0] = 0xbf;
    let mut large = [0; 12];
    (large[0], large[4]) = (0x80, 0x7f);
    let mut damaged = member("b.png", b'0', &png());
    damaged[0] = b'c';
    let cases: [(Vec<Vec<u8>>, &str); 13] = [
        (vec![size(negative), end()], "after a.png: the size in a header is no number that a file can have"),
        (vec![size(huge), end()], "after a.png: the size in a header is no number that a file can have"),
        (
            vec![size(*b"0000000009\0\0"), end()],
            "after a.png: the size in a header is no number that a file can have",
        ),
        (
            vec![size(large), end()],
            "after b.png: a member of 9151314442816847872 bytes goes beyond its end: it was cut off",
        ),
        (
            vec![size(octal(99)), vec![0; 98]],
            "after b.png: a member of 99 bytes goes beyond its end: it was cut off",
        ),
        (vec![damaged, end()], "after a.png: a header's checksum is wrong: the file is damaged"),
        (vec![vec![0; 100]], "after a.png: it ends without the mark of its end: it was cut off"),
        (vec![], "after a.png: it ends without the mark of its end: it was cut off"),
        (
            vec![end(), member("b.png", b'0', &png()), end()],
            "after a.png: there is more behind the mark of its end: pack joined files anew, each as a shard of its own",
        ),
        (
            vec![header(b"././@LongLink", b'L', &octal(1 << 20)), vec![b'a'; 1 << 20], end()],
            "after a.png: a name has 1048576 bytes, and 65536 at most are read",
        ),
        (
            vec![member("holes.png", b'S', &png()), end()],
            "after holes.png: a member is stored with holes: pack it anew without --sparse",
        ),
        (
            vec![member("pax", b'x', b"22 GNU.sparse.major=1\n"), member("holes.png", b'0', &png()), end()],
            "after holes.png: a member is stored with holes: pack it anew without --sparse",
        ),
        (
            vec![member("pax", b'g', b"12 path=abc\n"), end()],
            "after a.png: a pax header gives all members one name or size",
        ),
    ];
    for (parts, reason) in cases {
        let parts = [vec![member("a.png", b'0', &png())], parts].concat();
        let shards = TarShards::open([bed.write("a.tar", &parts)]).unwrap();
        assert_eq!(refused(&shards), [("a.tar".to_string(), reason.to_string())]);
        assert_eq!(shards.len(), 2, "{reason}");
        shards.read(0).unwrap();
    }
    for records in
        ["", "9", "99 path=a\n", "x path=a\n", "5 path\n", "-8 path=a\n", "10 path=abc", "0 =\n", "1 "]
    {
        let parts = [
            member("a.png", b'0', &png()),
            member("pax", b'x', records.as_bytes()),
            member("b.png", b'0', &png()),
            end(),
        ];
        let shards = TarShards::open([bed.write("a.tar", &parts)]).unwrap();
        let told: Vec<String> = refused(&shards).into_iter().map(|(_, reason)| reason).collect();
        match records {
            "" => assert_eq!(keys(&shards), ["a.tar#a.png", "a.tar#b.png"]),
            _ => assert_eq!(told, ["after a.png: a pax header is malformed"], "{records:?}"),
        }
    }
}

#[test]
fn what_is_no_tar_file_is_an_error_before_any_work() {
    assert_eq!(broken(&[]), "it ends without the mark of its end: it was cut off");
    let zipped = [b"\x1f\x8b\x08".to_vec(), vec![7; 600]];
    assert_eq!(broken(&zipped), "this is no tar file: unpack compressed ones first");
    let bed = Bed::new();
    let one = bed.write("a.tar", &[end()]);
    std::fs::create_dir(bed.0.path().join("other")).unwrap();
    let two = bed.write("other/a.tar", &[end()]);
    let error = TarShards::open([&one, &two]).unwrap_err().to_string();
    assert!(
        error.contains("other") && error.ends_with("has this name too, and keys begin with it: rename one"),
        "{error}"
    );
    assert!(matches!(TarShards::open([bed.0.path()]), Err(Error::File(_))), "a folder is none");
    assert!(TarShards::open([bed.write("a#b.tar", &[end()])]).is_err(), "keys would not be distinct");
}

#[test]
fn what_is_left_out_is_counted() {
    let bed = Bed::new();
    let parts = [
        member("a.png", b'0', b"an older one"),
        member("a.png", b'0', &png()),
        member("._a.png", b'0', b""),
        member("__MACOSX/a.png", b'0', b""),
        member("b.gif", b'0', b""),
        member("README", b'0', b""),
        member("a.json", b'0', b"[1]"),
        member("a.cls", b'0', b"harbor"),
        member("c.txt", b'0', b"no image"),
        end(),
    ];
    let shards = TarShards::open([bed.write("a.tar", &parts)]).unwrap();
    assert_eq!(keys(&shards), ["a.tar#a.png"]);
    shards.read(0).unwrap();
    assert_eq!(row(&shards, 0).get("cls"), Some(Value::Text("harbor")));
    let left_out: Vec<String> = shards.left_out().iter().map(|o| format!("{} {}", o.count, o.what)).collect();
    assert_eq!(
        left_out,
        [
            "2 hidden members",
            "1 images of kinds that are not read",
            "1 members of samples without an image",
            "1 members that a later one of the same name replaces",
            "1 members that are neither images nor columns",
            "1 members that should be columns and cannot be read as such",
        ]
    );
}

#[test]
fn values_without_a_common_type_are_text_and_no_digit_is_lost() {
    let bed = Bed::new();
    let sample = |name: &str, json: &str| {
        [member(&format!("{name}.png"), b'0', &png()), member(&format!("{name}.json"), b'0', json.as_bytes())]
            .concat()
    };
    let parts = [
        sample("a", r#"{"mixed": 1, "big": 18446744073709551615, "day": "2024-01-01", "flag": true}"#),
        sample("b", r#"{"mixed": "two", "big": 1, "day": "someday", "flag": null}"#),
        end(),
    ];
    let shards = TarShards::open([bed.write("a.tar", &parts)]).unwrap();
    let (a, b) = (row(&shards, 0), row(&shards, 1));
    assert_eq!((a.get("mixed"), b.get("mixed")), (Some(Value::Text("1")), Some(Value::Text("two"))));
    assert_eq!(
        (a.get("big"), b.get("big")),
        (Some(Value::Text("18446744073709551615")), Some(Value::Text("1")))
    );
    assert_eq!((a.get("day"), b.get("day")), (Some(Value::Text("2024-01-01")), Some(Value::Text("someday"))));
    assert_eq!((a.get("flag"), b.get("flag")), (Some(Value::Bool(true)), None));
}

#[test]
fn a_member_is_seen_to_change_and_is_not_read_from_another_file() {
    let bed = Bed::new();
    let path = bed.write("a.tar", &[member("a.png", b'0', &png()), end()]);
    let by_time = TarShards::open([&path]).unwrap();
    let by_content = TarShards::open([&path]).unwrap().changes(ChangeDetection::Content);
    let (time, content) = (by_time.fingerprint(0).unwrap(), by_content.fingerprint(0).unwrap());
    bed.write("a.tar", &[member("b.png", b'0', &png()), member("a.png", b'0', &png()), end()]);
    let error = by_time.read(0).unwrap_err().to_string();
    assert!(error.ends_with("has changed since its members were found: ingest it again"), "{error}");
    let later = TarShards::open([&path]).unwrap();
    assert_ne!(later.fingerprint(1).unwrap(), time);
    assert_eq!(later.changes(ChangeDetection::Content).fingerprint(1).unwrap(), content);
    let small = TarShards::open([&path]).unwrap().limits(DecodeLimits::default().max_bytes(10));
    assert!(small.read(0).unwrap_err().to_string().ends_with("bytes, more than the limit of 10"));
}

#[test]
fn every_flipped_byte_is_survived() {
    let bed = Bed::new();
    let whole = std::fs::read(shard("000.tar")).unwrap();
    let used = whole.len() - 6 * 512;
    for at in (0..used).step_by(13) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        if let Ok(shards) = TarShards::open([bed.write("a.tar", &[bytes])]) {
            for item in 0..shards.len() {
                let _ = shards.read(item);
                let mut row = RowValues::new(shards.columns());
                shards.values(item, &mut row).unwrap();
            }
        }
    }
}
