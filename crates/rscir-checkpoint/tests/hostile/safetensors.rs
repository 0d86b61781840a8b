use super::{Case, case};

fn safetensors_file(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
}

fn info(name: &str, dtype: &str, shape: &str, start: u64, end: u64) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":[{shape}],"data_offsets":[{start},{end}]}}"#)
}

pub(crate) fn safetensors() -> Vec<Case> {
    let one = |dtype, shape, start, end, data| {
        safetensors_file(&format!("{{{}}}", info("w", dtype, shape, start, end)), data)
    };
    let two = |first: (u64, u64), second: (u64, u64), data| {
        let tensors = [info("a", "F32", "1", first.0, first.1), info("b", "F32", "1", second.0, second.1)];
        safetensors_file(&format!("{{{}}}", tensors.join(",")), data)
    };
    let long = |length: u64| [&length.to_le_bytes()[..], b"{}"].concat();
    let mut not_text = safetensors_file("{\"w\"}", 0);
    not_text[10] = 0xff;
    let many: Vec<String> = (0..70_000).map(|index| info(&index.to_string(), "U8", "0", 0, 0)).collect();
    let axes = "1,".repeat(2_000_000);
    vec![
        case("header of 16 EiB", long(u64::MAX), "declares a header of 18446744073709551615"),
        case("header of 100 MB", long(100 << 20), "declares a header"),
        case("header beyond the file", long(1000), "damaged safetensors"),
        case("header not text", not_text, "damaged safetensors"),
        case("header not JSON", safetensors_file("{\"w\":", 0), "damaged safetensors"),
        case(
            "header deep",
            safetensors_file(&format!("{{\"w\":{}", "[".repeat(1 << 20)), 0),
            "damaged safetensors",
        ),
        case("tensors overlap", two((0, 4), (2, 6), 6), "damaged safetensors"),
        case("tensors on each other", two((0, 4), (0, 4), 4), "damaged safetensors"),
        case("hole between tensors", two((0, 4), (8, 12), 12), "damaged safetensors"),
        case("data beyond the file", one("F32", "1", 0, 4, 3), "damaged safetensors"),
        case("data left over", one("F32", "1", 0, 4, 5), "damaged safetensors"),
        case("offsets reversed", one("F32", "1", 4, 0, 4), "damaged safetensors"),
        case("offsets of 2^64", one("F32", "1", 0, u64::MAX, 4), "damaged safetensors"),
        case(
            "shape overflow in safetensors",
            one("F32", "4294967296,4294967296", 0, 4, 4),
            "damaged safetensors",
        ),
        case("shape larger than the data", one("F32", "2", 0, 4, 4), "damaged safetensors"),
        case("negative shape", one("F32", "-1", 0, 4, 4), "damaged safetensors"),
        case("unknown type", one("F31", "1", 0, 4, 4), "damaged safetensors"),
        case("eight-bit float", one("F8_E4M3", "4", 0, 4, 4), "element type F8_E4M3"),
        case("complex", one("C64", "1", 0, 8, 8), "element type C64"),
        case("two million axes", one("U8", axes.trim_end_matches(','), 0, 1, 1), "too long a name or shape"),
        case(
            "long name",
            safetensors_file(&format!("{{{}}}", info(&"n".repeat(600), "U8", "1", 0, 1)), 1),
            "too long a name",
        ),
        case("seventy thousand tensors", safetensors_file(&format!("{{{}}}", many.join(",")), 0), ""),
    ]
}

/// A name, files that lie beside each other, and a part of the error.
pub(crate) type ShardedCase = (&'static str, Vec<(&'static str, Vec<u8>)>, &'static str);

pub(crate) fn sharded() -> Vec<ShardedCase> {
    let shard = || safetensors_file(&format!("{{{}}}", info("w", "F32", "1", 0, 4)), 4);
    let index = |text: &str| ("index.json", text.as_bytes().to_vec());
    let map = |tensor: &str, file: &str| index(&format!(r#"{{"weight_map":{{"{tensor}":"{file}"}}}}"#));
    vec![
        ("index not JSON", vec![index("{")], "no index"),
        ("index without map", vec![index("{}")], "no index"),
        ("index of numbers", vec![index(r#"{"weight_map":{"w":1}}"#)], "no index"),
        ("index deep", vec![index(&format!("{{\"x\":{}", "[".repeat(1 << 20)))], "no index"),
        ("index long", vec![index(&format!("{{{}}}", " ".repeat(5 << 20)))], "declares a header"),
        ("shard above", vec![map("w", "../x.safetensors")], "beside the index"),
        ("shard absolute", vec![map("w", "/etc/passwd")], "beside the index"),
        ("shard is the folder", vec![map("w", ".")], "beside the index"),
        ("shard without name", vec![map("w", "")], "beside the index"),
        ("shard is missing", vec![map("w", "none.safetensors")], "cannot read"),
        ("shard is the index", vec![map("w", "index.json")], "no known format"),
        ("tensor not in its shard", vec![map("v", "s"), ("s", shard())], "it is not there"),
        (
            "tensor not in the index",
            vec![
                index(r#"{"weight_map":{"w":"s"}}"#),
                (
                    "s",
                    safetensors_file(
                        &format!("{{{},{}}}", info("w", "U8", "1", 0, 1), info("x", "U8", "1", 1, 2)),
                        2,
                    ),
                ),
            ],
            "does not name it",
        ),
    ]
}
