//! Makers of hostile files. Each case is a name, the bytes, and a part of the error that they must give.

use std::ops::Range;

mod safetensors;

pub(crate) use safetensors::{safetensors, sharded};

pub(crate) type Case = (String, Vec<u8>, &'static str);

// --- zip archives

/// An entry as a hostile writer would describe it.
#[derive(Clone)]
struct Entry {
    name: Vec<u8>,
    local_name: Vec<u8>,
    content: Vec<u8>,
    method: u16,
    flags: u16,
    crc: u32,
    length: u32,
    offset: Option<u32>,
    extra: Vec<u8>,
}

fn entry(name: &str, content: &[u8]) -> Entry {
    Entry {
        name: name.into(),
        local_name: name.into(),
        content: content.to_vec(),
        method: 0,
        flags: 0,
        crc: crc32fast::hash(content),
        length: content.len() as u32,
        offset: None,
        extra: Vec::new(),
    }
}

fn zip(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        let offset = entry.offset.unwrap_or(bytes.len() as u32);
        let sizes = |out: &mut Vec<u8>| {
            out.extend(entry.flags.to_le_bytes());
            out.extend(entry.method.to_le_bytes());
            out.extend([0; 4]); // time and date
            out.extend(entry.crc.to_le_bytes());
            out.extend(entry.length.to_le_bytes());
            out.extend(entry.length.to_le_bytes());
        };
        bytes.extend(b"PK\x03\x04\x14\0");
        sizes(&mut bytes);
        bytes.extend((entry.local_name.len() as u16).to_le_bytes());
        bytes.extend([0; 2]);
        bytes.extend(&entry.local_name);
        bytes.extend(&entry.content);

        directory.extend(b"PK\x01\x02\x14\0\x14\0");
        sizes(&mut directory);
        directory.extend((entry.name.len() as u16).to_le_bytes());
        directory.extend((entry.extra.len() as u16).to_le_bytes());
        directory.extend([0; 10]); // comment, disk, attributes
        directory.extend(offset.to_le_bytes());
        directory.extend(&entry.name);
        directory.extend(&entry.extra);
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend((entries.len() as u16).to_le_bytes());
    bytes.extend((entries.len() as u16).to_le_bytes());
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

/// The names and contents' places of an archive's entries, by its local headers alone.
pub(crate) fn entries(bytes: &[u8]) -> Vec<(String, Range<usize>)> {
    let u16_at = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let u32_at = |at: usize| u16_at(at) | u16_at(at + 2) << 16;
    let end = bytes.len() - 22;
    let mut at = u32_at(end + 16);
    let mut entries = Vec::new();
    for _ in 0..u16_at(end + 10) {
        let name = String::from_utf8(bytes[at + 46..at + 46 + u16_at(at + 28)].to_vec()).unwrap();
        let local = u32_at(at + 42);
        let start = local + 30 + u16_at(local + 26) + u16_at(local + 28);
        entries.push((name, start..start + u32_at(at + 20)));
        at += 46 + u16_at(at + 28) + u16_at(at + 30) + u16_at(at + 32);
    }
    entries
}

fn case(name: &str, bytes: Vec<u8>, message: &'static str) -> Case {
    (name.to_owned(), bytes, message)
}

pub(crate) fn zips() -> Vec<Case> {
    let pickle = entry("m/data.pkl", &state_dict(&tensor(&TENSOR)));
    let storage = entry("m/data/0", &[0; 16]);
    let good = [pickle.clone(), storage.clone()];
    let with = |change: &dyn Fn(&mut [Entry; 2])| {
        let mut entries = good.clone();
        change(&mut entries);
        zip(&entries)
    };
    let plus = |extra: Entry| zip(&[pickle.clone(), storage.clone(), extra]);
    let whole = zip(&good);
    let patched = |from_end: usize, patch: &[u8]| {
        let mut bytes = whole.clone();
        let at = bytes.len() - from_end;
        bytes[at..at + patch.len()].copy_from_slice(patch);
        bytes
    };
    let zip64 = |record: Option<u64>, count: u64, start: u64| {
        let mut bytes = whole[..whole.len() - 22].to_vec();
        let at = record.unwrap_or(bytes.len() as u64);
        bytes.extend(b"PK\x06\x06\x2c\0\0\0\0\0\0\0\x1e\x03\x2d\0\0\0\0\0\0\0\0\0");
        bytes.extend([count, count, 46, start].map(u64::to_le_bytes).concat());
        bytes.extend(b"PK\x06\x07\0\0\0\0");
        bytes.extend(at.to_le_bytes());
        bytes.extend([1, 0, 0, 0]);
        bytes.extend(&whole[whole.len() - 22..]);
        bytes
    };
    let wide = |field: &[u8]| {
        with(&|entries| {
            entries[1].length = u32::MAX;
            entries[1].extra = field.to_vec();
        })
    };
    let huge = [&[1, 0, 16, 0][..], &(1u64 << 62).to_le_bytes(), &(1u64 << 62).to_le_bytes()].concat();
    vec![
        case("empty file", vec![], "it is empty"),
        case("web page", b"<!doctype html><html>".to_vec(), "a web page"),
        case("LFS pointer", b"version https://git-lfs.github.com/spec/v1\noid".to_vec(), "Git LFS pointer"),
        case("noise", vec![7; 100], "no known format"),
        case("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\0".to_vec(), "no known format"),
        case("zip signature alone", b"PK\x03\x04".to_vec(), "no end record"),
        case("end record cut", whole[..whole.len() - 1].to_vec(), "no end record"),
        case("comment length lies", patched(2, &[1, 0]), "no end record"),
        case("duplicate names", plus(storage.clone()), "occurs twice"),
        case("duplicate data.pkl", plus(pickle.clone()), "occurs twice"),
        case("parent folder", plus(entry("m/../../x", b"")), "leads out"),
        case("parent folder first", plus(entry("../x", b"")), "leads out"),
        case("absolute name", plus(entry("/etc/passwd", b"")), "leads out"),
        case("backslash", plus(entry("m\\..\\x", b"")), "leads out"),
        case("NUL in a name", plus(entry("m/x\0y", b"")), "leads out"),
        case(
            "name not UTF-8",
            with(&|entries| {
                entries[1].name = vec![0xff];
                entries[1].local_name = vec![0xff];
            }),
            "not UTF-8",
        ),
        case("two names", with(&|entries| entries[1].local_name = b"m/data/1".to_vec()), "two names"),
        case("compressed pickle", with(&|entries| entries[0].method = 8), "compressed or encrypted"),
        case("compressed storage", with(&|entries| entries[1].method = 8), "compressed or encrypted"),
        case("encrypted pickle", with(&|entries| entries[0].flags = 1), "compressed or encrypted"),
        case("wrong checksum", with(&|entries| entries[0].crc ^= 1), "its CRC-32 is"),
        case("wrong checksum of a storage", with(&|entries| entries[1].crc ^= 1), "its CRC-32 is"),
        case(
            "offset beyond the file",
            with(&|entries| entries[1].offset = Some(1 << 30)),
            "not where the directory says",
        ),
        case(
            "offset into a content",
            with(&|entries| entries[1].offset = Some(60)),
            "not where the directory says",
        ),
        case(
            "length beyond the file",
            with(&|entries| entries[1].length = 1 << 30),
            "beyond the file's content",
        ),
        case(
            "length into the directory",
            with(&|entries| entries[1].length = 64),
            "beyond the file's content",
        ),
        case("overlap", with(&|entries| entries[0].length += 40), "overlap"),
        case("no zip64 field", wide(&[]), "zip64 field"),
        case("cut zip64 field", wide(&[1, 0, 4, 0, 1, 2, 3, 4]), "zip64 field"),
        case("zip64 field that leaves the extra field", wide(&[1, 0, 255, 255]), "zip64 field"),
        case("zip64 length of 2^62", wide(&huge), "beyond the file's content"),
        case("too many entries", patched(12, &[255, 255]), "directory lies outside"),
        case("directory beyond the file", patched(6, &[255, 255, 255, 127]), "directory lies outside"),
        case("directory longer than the file", patched(10, &[255, 255, 255, 127]), "directory lies outside"),
        case("directory elsewhere", patched(6, &[0, 0, 0, 0]), "is damaged"),
        case("zip64 record beyond the file", zip64(Some(u64::MAX), 2, 0), "zip64 end record is not where"),
        case("zip64 record elsewhere", zip64(Some(3), 2, 0), "zip64 end record is not where"),
        case("zip64 count of 2^64", zip64(None, u64::MAX, 0), "directory lies outside"),
        case("zip64 directory at 2^64", zip64(None, 1, u64::MAX), "directory lies outside"),
        case("no data.pkl", zip(&good[1..]), "without data.pkl"),
        case("archive of a checkpoint", zip(&[entry("epoch_20.pt", b"")]), "unpack it"),
        case("two data.pkl", plus(entry("n/data.pkl", b"N.")), "more than one data.pkl"),
        case("no storage", zip(&good[..1]), "is missing"),
        case("big-endian", plus(entry("m/byteorder", b"big")), "big-endian"),
    ]
}

// --- pickles

/// A tensor of torch, described with numbers that may be anything.
struct Described<'a> {
    class: &'a str,
    key: &'a str,
    elements: &'a str,
    offset: &'a str,
    shape: &'a str,
    strides: &'a str,
}

/// Two by two, in a storage of four floats.
const TENSOR: Described<'_> = Described {
    class: "ctorch\nFloatStorage\n",
    key: "0",
    elements: "4",
    offset: "0",
    shape: "2 2",
    strides: "2 1",
};

fn ints(numbers: &str) -> String {
    let numbers: String = numbers.split_whitespace().map(|number| format!("I{number}\n")).collect();
    format!("({numbers}t")
}

fn tensor(described: &Described<'_>) -> Vec<u8> {
    let Described { class, key, elements, offset, shape, strides } = described;
    let (shape, strides) = (ints(shape), ints(strides));
    format!("ctorch._utils\n_rebuild_tensor_v2\n((Vstorage\n{class}V{key}\nVcpu\nI{elements}\ntQI{offset}\n{shape}{strides}I00\nccollections\nOrderedDict\n)RtR").into_bytes()
}

/// A pickle of a dict with one entry, `w`.
fn state_dict(value: &[u8]) -> Vec<u8> {
    [b"\x80\x02}Vw\n", value, b"s."].concat()
}

fn in_zip(pickle: &[u8]) -> Vec<u8> {
    zip(&[entry("m/data.pkl", pickle), entry("m/data/0", &[0; 16])])
}

/// Objects that each contain the one before twice: 2^60 when walked.
fn module_bomb() -> Vec<u8> {
    let mut pickle = b"\x80\x02c__torch__\nM\nq\x00)\x81}b".to_vec();
    for index in 1..=60u8 {
        pickle.extend([b'q', index, b'0', b'h', 0, b')', 0x81, b'}', b'(']);
        pickle.extend([b'V', b'a', b'\n', b'h', index, b'V', b'b', b'\n', b'h', index, b'u', b'b']);
    }
    pickle.push(b'.');
    pickle
}

fn list_bomb() -> Vec<u8> {
    let mut pickle = b"]q\x00".to_vec();
    for index in 0..60u8 {
        pickle.extend([b'0', b']', b'q', index + 1, b'(', b'h', index, b'h', index, b'e']);
    }
    pickle.push(b'.');
    pickle
}

/// A hundred thousand tensors that share one call.
fn many_tensors() -> Vec<u8> {
    let mut pickle = [b"}(V0\n", &tensor(&TENSOR)[..], b"q\x00"].concat();
    for index in 1..100_000 {
        pickle.extend(format!("V{index}\n").bytes().chain(*b"h\0"));
    }
    pickle.extend(b"u.");
    pickle
}

pub(crate) fn pickles() -> Vec<Case> {
    const DEEP: usize = 20 << 20;
    let mut cases = Vec::new();
    let mut add = |name: &str, pickle: Vec<u8>, message| cases.push(case(name, in_zip(&pickle), message));

    add("4 GiB string", b"X\xff\xff\xff\xffabc".to_vec(), "needs 4294967295 more bytes");
    add("8 EiB string", b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc".to_vec(), "BINUNICODE8");
    add("16 EiB bytes", b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(), "BINBYTES8");
    add("16 EiB bytearray", b"\x96\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(), "BYTEARRAY8");
    add("4 GiB number", b"\x8b\xff\xff\xff\xff".to_vec(), "LONG4");
    add(
        "16 EiB frame and nothing",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        "ends too early",
    );
    for (name, opcode, message) in [
        ("deep tuple", 0x85, "memory"),
        ("lists", b']', "memory"),
        ("dicts", b'}', "memory"),
        ("marks", b'(', "memory"),
        ("nones", b'N', "memory"),
        ("copies", b'2', "memory"),
        ("sets", 0x8f, "memory"),
    ] {
        add(name, [b"N".to_vec(), vec![opcode; DEEP]].concat(), message);
    }
    add(
        "objects",
        [b"ccollections\nOrderedDict\nq\0".to_vec(), b"h\0)R".repeat(DEEP / 4)].concat(),
        "memory",
    );
    add(
        "memo entries",
        (0..DEEP as u32 / 5).flat_map(|index| [[b'r'].to_vec(), index.to_le_bytes().to_vec()].concat()).fold(
            b"N".to_vec(),
            |mut all, byte| {
                all.push(byte);
                all
            },
        ),
        "memory",
    );
    add("list of lists by APPEND", [b"]".to_vec(), b"]Na".repeat(DEEP / 3)].concat(), "memory");
    add("globals", b"ctorch\nSize\n".repeat(DEEP / 12), "memory");
    add("long line", [b"V".to_vec(), vec![0xff; 4 * DEEP], b"\n.".to_vec()].concat(), "memory");
    add(
        "deep tuple that fits",
        [b")".to_vec(), vec![0x85; 300_000], b".".to_vec()].concat(),
        "no state dict",
    );
    add("memo bomb", list_bomb(), "no state dict");
    add("module bomb", module_bomb(), "modules are too many");
    add(
        "module in itself",
        b"\x80\x02c__torch__\nM\n)\x81q\x00}Va\nh\x00sb.".to_vec(),
        "modules are too many",
    );
    add("state dict in itself", b"}q\x00Vstate_dict\nh\x00s.".to_vec(), "no state dict");
    add("list in itself", b"]q\x00h\x00a.".to_vec(), "no state dict");

    for (pickle, message) in [
        (&b"cos\nsystem\n(Vtrue\ntR."[..], "os.system"),
        (b"\x80\x02cposix\nsystem\nX\x04\0\0\0true\x85R.", "posix.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.", "os.system"),
        (b"c__builtin__\neval\n(V1\ntR.", "__builtin__.eval"),
        (b"cbuiltins\nexec\n(V1\ntR.", "builtins.exec"),
        (b"cbuiltins\ngetattr\n.", "builtins.getattr"),
        (b"csubprocess\nPopen\n)\x81.", "subprocess.Popen"),
        (b"ctorch\nload\n(Vx\ntR.", "torch.load"),
        (b"ctorch.hub\nload\n.", "torch.hub.load"),
        (b"cnumpy\nload\n.", "numpy.load"),
        (b"cnumpy.testing._private.utils\nrunstring\n.", "runstring"),
        (b"c__torch__evil\nM\n)\x81.", "__torch__evil"),
        (b"ccollections\nOrderedDict.update\n.", "OrderedDict.update"),
        (b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n.", "__globals__"),
        (b"\x80\x04\x8c\x00\x8c\x02os\x93.", ".os"),
    ] {
        add(&format!("names {message}"), pickle.to_vec(), message);
        add(
            &format!("names {message} beside a tensor"),
            state_dict(&[&tensor(&TENSOR)[..], b"Vx\n", &pickle[..pickle.len() - 1]].concat()),
            "not on the allow-list",
        );
    }
    add("INST", b"(ios\nsystem\n.".to_vec(), "INST");
    add("OBJ", b"(cos\nsystem\no.".to_vec(), "os.system");
    add("extension code", b"\x82\x01.".to_vec(), "EXT1");
    add("call of a result", b"ccollections\nOrderedDict\n)R)R.".to_vec(), "expects a global");
    add("state of a tuple", b")}b.".to_vec(), "expects an object");
    add("buffer out of band", b"\x97.".to_vec(), "NEXT_BUFFER");
    add("protocol 255", b"\x80\xffN.".to_vec(), "protocol 255");
    add("no tensors", b"}.".to_vec(), "no state dict");
    add("number", b"K\x01.".to_vec(), "no state dict");
    add(
        "name too long",
        [b"}V".to_vec(), vec![b'a'; 1000], b"\n".to_vec(), tensor(&TENSOR), b"s.".to_vec()].concat(),
        "too long a name",
    );
    add("same name twice", [b"}(Vw\n", &tensor(&TENSOR)[..], b"q\0Vw\nh\0u."].concat(), "occurs twice");
    add("too many tensors", many_tensors(), "too many tensors");

    let mut bad = |name: &str, described: Described<'_>, message| {
        cases.push(case(name, in_zip(&state_dict(&tensor(&described))), message));
    };
    let many = "1 ".repeat(100);
    bad(
        "shape overflow",
        Described { shape: "4294967296 4294967296", ..TENSOR },
        "more elements than its storage",
    );
    bad(
        "shape of 2^63 - 1",
        Described { shape: "9223372036854775807", strides: "1", ..TENSOR },
        "more elements",
    );
    bad(
        "stride overflow",
        Described { strides: "9223372036854775807 9223372036854775807", ..TENSOR },
        "reaches beyond",
    );
    bad("stride beyond the storage", Described { strides: "3 1", ..TENSOR }, "reaches beyond");
    bad("offset beyond the storage", Described { offset: "1", ..TENSOR }, "reaches beyond");
    bad("offset overflow", Described { offset: "9223372036854775807", ..TENSOR }, "reaches beyond");
    bad("negative offset", Described { offset: "-1", ..TENSOR }, "negative or malformed offset");
    bad("negative size", Described { shape: "-2 2", ..TENSOR }, "negative or malformed shape");
    bad("negative stride", Described { strides: "-2 1", ..TENSOR }, "negative or malformed strides");
    bad(
        "expanded",
        Described { shape: "1099511627776", strides: "0", ..TENSOR },
        "more elements than its storage",
    );
    bad("more sizes than strides", Described { strides: "1", ..TENSOR }, "malformed shape");
    bad("a hundred axes", Described { shape: &many, strides: &many, ..TENSOR }, "malformed shape");
    bad("storage too short", Described { elements: "5", ..TENSOR }, "shorter than declared");
    bad("storage of 2^62", Described { elements: "4611686018427387904", ..TENSOR }, "shorter than declared");
    bad("storage of negative size", Described { elements: "-1", ..TENSOR }, "storage of malformed size");
    bad("storage elsewhere", Described { key: "../../x", ..TENSOR }, "is missing");
    bad(
        "storage of another type",
        Described { class: "ctorch\nSize\n", ..TENSOR },
        "storage of unknown type",
    );
    bad("storage class that is none", Described { class: "I1\n", ..TENSOR }, "malformed storage");
    bad(
        "storage class outside torch",
        Described { class: "cargparse\nNamespace\n", ..TENSOR },
        "malformed storage",
    );
    bad("quantized storage", Described { class: "ctorch\nQInt8Storage\n", ..TENSOR }, "torch.QInt8Storage");
    for (name, call, message) in [
        ("no storage", &b"ctorch._utils\n_rebuild_tensor_v2\n(NI0\n))tR"[..], "malformed storage"),
        (
            "storage id that is no tuple",
            b"ctorch._utils\n_rebuild_tensor_v2\n(I1\nQI0\n))tR",
            "malformed storage",
        ),
        ("storage id that is empty", b"ctorch._utils\n_rebuild_tensor_v2\n()QI0\n))tR", "malformed storage"),
        ("too few arguments", b"ctorch._utils\n_rebuild_tensor_v2\n)R", "too few arguments"),
        ("arguments that are a list", b"ctorch._utils\n_rebuild_tensor_v2\n]R", "tuple of arguments"),
        (
            "parameter in a parameter",
            b"ctorch._utils\n_rebuild_parameter\n(ctorch._utils\n_rebuild_parameter\n)RtR",
            "no state dict",
        ),
    ] {
        cases.push(case(name, in_zip(&state_dict(call)), message));
    }
    cases
}

// --- the legacy format

const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
const VERSION: &[u8] = b"\x80\x02M\xe9\x03.";
const LITTLE: &[u8] = b"\x80\x02}Vlittle_endian\n\x88s.";

pub(crate) fn legacy() -> Vec<Case> {
    let object = state_dict(&tensor(&TENSOR));
    let storage = [&4u64.to_le_bytes()[..], &[0; 16]].concat();
    let file = |version: &[u8], system: &[u8], object: &[u8], keys: &[u8], data: &[u8]| {
        [MAGIC, version, system, object, keys, data].concat()
    };
    let view = String::from_utf8(tensor(&TENSOR)).unwrap().replace("I4\ntQ", "I4\n(V1\nI0\nI4\nttQ");
    let other = Described { elements: "3", shape: "1 1", ..TENSOR };
    let twice = [b"}(Va\n", &tensor(&TENSOR)[..], b"Vb\n", &tensor(&other), b"u."].concat();
    let keys = b"](V0\ne.";
    vec![
        case("legacy magic alone", MAGIC.to_vec(), "ends too early"),
        case("legacy version", file(b"K\x01.", LITTLE, &object, keys, &storage), "unknown version"),
        case(
            "legacy big-endian",
            file(VERSION, b"}Vlittle_endian\n\x89s.", &object, keys, &storage),
            "big-endian",
        ),
        case("legacy without byte order", file(VERSION, b"}.", &object, keys, &storage), "big-endian"),
        case("legacy os.system", file(VERSION, b"cos\nsystem\n.", &object, keys, &storage), "os.system"),
        case("legacy keys missing", file(VERSION, LITTLE, &object, b"", b""), "list of storages"),
        case(
            "legacy keys no list",
            file(VERSION, LITTLE, &object, b"K\x01.", &storage),
            "list of storages is malformed",
        ),
        case(
            "legacy key no string",
            file(VERSION, LITTLE, &object, b"](K\x01e.", &storage),
            "list of storages is malformed",
        ),
        case("legacy key unknown", file(VERSION, LITTLE, &object, b"](V1\ne.", &storage), "no tensor uses"),
        case("legacy key not listed", file(VERSION, LITTLE, &object, b"].", b""), "storage is missing"),
        case(
            "legacy key twice",
            file(VERSION, LITTLE, &object, b"](V0\nV0\ne.", &storage.repeat(2)),
            "storage twice",
        ),
        case(
            "legacy storage cut",
            file(VERSION, LITTLE, &object, keys, &storage[..20]),
            "reaches beyond the end",
        ),
        case("legacy storage missing", file(VERSION, LITTLE, &object, keys, &storage[..5]), "another length"),
        case("legacy storage of 2^64", file(VERSION, LITTLE, &object, keys, &[0xff; 24]), "another length"),
        case(
            "legacy storage view",
            file(VERSION, LITTLE, &state_dict(view.as_bytes()), keys, &storage),
            "malformed storage",
        ),
        case("legacy storage of two lengths", file(VERSION, LITTLE, &twice, keys, &storage), "in two ways"),
        case("legacy persistent id", file(VERSION, LITTLE, b"K\x01Q.", keys, &storage), "malformed storage"),
    ]
}
