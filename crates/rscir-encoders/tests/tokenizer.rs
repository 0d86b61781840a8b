//! Token ids equal open_clip's.

use rscir_encoders::{Error, Tokenizer};

/// Returns texts with the ids of open_clip 3.3.0 and ftfy 6.3.1, written by `python/tokenizer_data.py`.
fn golden() -> Vec<(String, Vec<u32>)> {
    serde_json::from_str(include_str!("data/tokenizer.json")).unwrap()
}

#[test]
fn clip_ids_equal_open_clips() {
    let tokenizer = Tokenizer::clip(77).unwrap();
    let golden = golden();
    assert!(golden.len() > 300);
    let differing: Vec<_> =
        golden.iter().filter(|(text, ids)| tokenizer.encode(text).unwrap() != *ids).map(|(t, _)| t).collect();
    assert!(differing.is_empty(), "{} of {}: {differing:#?}", differing.len(), golden.len());
}

#[test]
fn a_long_text_is_cut_and_ends_with_the_end() {
    let long = "airport ".repeat(500);
    for context in [3, 8, 77, 248] {
        let ids = Tokenizer::clip(context).unwrap().encode(&long).unwrap();
        assert_eq!(ids.len(), context);
        assert_eq!((ids[0], ids[context - 1]), (49_406, 49_407));
        assert!(ids[1..context - 1].iter().all(|id| *id == ids[1]));
    }
}

#[test]
fn a_context_without_room_is_refused() {
    let error = Tokenizer::clip(2).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "context_length is 2, but must be at least 3");
}

/// A tokenizer of five tokens, in the form that CLIP's own `tokenizer.json` has.
const SMALL: &str = r#"{
  "added_tokens": [
    {"id": 3, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
    {"id": 4, "content": "</s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}
  ],
  "normalizer": {"type": "Lowercase"},
  "pre_tokenizer": {"type": "WhitespaceSplit"},
  "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 4], "cls": ["<s>", 3], "trim_offsets": false, "add_prefix_space": false},
  "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]}
}"#;

#[test]
fn a_file_frames_cuts_and_pads_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, SMALL).unwrap();
    let tokenizer = Tokenizer::from_file(&path, 4).unwrap();
    assert_eq!(tokenizer.encode("AB").unwrap(), [3, 2, 4]);
    assert_eq!(tokenizer.encode("ab b a a").unwrap(), [3, 2, 1, 4]);
    assert_eq!((tokenizer.padding(), tokenizer.vocabulary(), tokenizer.context()), (0, 5, 4));
    assert!(tokenizer.identity().starts_with("tokenizer.json(context=4,clean=none,sha256="));

    std::fs::write(path.with_file_name("tokenizer_config.json"), r#"{"pad_token": {"content": "</s>"}}"#)
        .unwrap();
    assert_eq!(Tokenizer::from_file(&path, 4).unwrap().padding(), 4);
}

#[test]
fn a_damaged_file_is_an_error_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let missing_product = SMALL.replace("\"ab\": 2", "\"c\": 2");
    let unknown_part = SMALL.replace("\"a\", \"b\"", "\"a\", \"x\"");
    for content in ["", "{}", "[1, 2", &missing_product, &unknown_part, &SMALL[..SMALL.len() - 4]] {
        std::fs::write(&path, content).unwrap();
        let error = Tokenizer::from_file(&path, 8).map(|_| ()).unwrap_err();
        assert!(matches!(&error, Error::Tokenizer { .. }), "{content}: {error:?}");
        assert!(error.to_string().contains("tokenizer.json"), "{error}");
    }
    assert!(matches!(Tokenizer::from_file(folder.path().join("none"), 8), Err(Error::Io { .. })));
    assert!(matches!(Tokenizer::from_file(&path, 2), Err(Error::ConfigValue { .. })));
}

/// Returns the message of the error of a file.
fn refusal(content: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, content).unwrap();
    let error = Tokenizer::from_file(&path, 8).map(|_| ()).unwrap_err();
    assert!(matches!(&error, Error::Tokenizer { .. }), "{error}");
    std::error::Error::source(&error).unwrap().to_string()
}

#[test]
fn a_file_that_may_blow_up_is_refused() {
    let normalizer = |part: &str| SMALL.replace(r#"{"type": "Lowercase"}"#, part);
    let splitter = |part: &str| SMALL.replace(r#"{"type": "WhitespaceSplit"}"#, part);
    let split = |pattern: &str| {
        splitter(&format!(
            r#"{{"type": "Split", "pattern": {{"Regex": "{pattern}"}}, "behavior": "Isolated", "invert": false}}"#
        ))
    };
    let replace = |pattern: &str, content: &str| {
        format!(r#"{{"type": "Replace", "pattern": {pattern}, "content": "{content}"}}"#)
    };
    let doubling = vec![replace(r#"{"String": "a"}"#, "aa"); 8].join(",");
    let deep = format!("{}null{}", r#"{"type": "Sequence", "normalizers": ["#.repeat(40), "]}".repeat(40));
    let many = vec![r#"{"type": "NFC"}"#; 40].join(",");
    let added = |count: usize, content: &str| {
        let token = |i| {
            format!(
                r#"{{"id": {i}, "content": "{content}{i}", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}},"#
            )
        };
        let tokens: String = (10..10 + count).map(token).collect();
        SMALL.replace(r#""added_tokens": ["#, &format!(r#""added_tokens": [{tokens}"#))
    };
    let frame = r#"{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "</s>", "type_id": 0}}], "pair": [], "special_tokens": {"</s>": {"id": "</s>", "ids": [IDS], "tokens": []}}}"#;
    let frame = frame.replace("IDS", &vec!["4"; 1000].join(","));
    let processor = r#"{"type": "RobertaProcessing", "sep": ["</s>", 4], "cls": ["<s>", 3], "trim_offsets": false, "add_prefix_space": false}"#;
    assert!(SMALL.contains(processor));
    for (case, content, part) in [
        ("look-ahead", split(r"(a+)+(?=b)"), "unbounded time"),
        ("look-behind", split(r"(?<=a)b"), "unbounded time"),
        ("reference back", split(r"(a+)\\1"), "unbounded time"),
        ("a pattern that is none", split("("), "unbounded time"),
        ("repetitions of repetitions", split("((a{999}){999}){999}"), "unbounded time"),
        ("a long pattern", split(&"a".repeat(5000)), "a pattern has 5000 bytes"),
        (
            "a replacement that swells",
            normalizer(&replace(r#"{"String": "a"}"#, &"b".repeat(100))),
            "times as long",
        ),
        (
            "a pattern's replacement",
            normalizer(&replace(r#"{"Regex": "[ab]"}"#, &"b".repeat(100))),
            "times as long",
        ),
        ("an empty text replaced", normalizer(&replace(r#"{"String": ""}"#, "b")), "an empty text"),
        (
            "replacements that double",
            normalizer(&format!(r#"{{"type": "Sequence", "normalizers": [{doubling}]}}"#)),
            "times as long",
        ),
        ("sequences in each other", normalizer(&deep), "in each other"),
        (
            "many parts",
            normalizer(&format!(r#"{{"type": "Sequence", "normalizers": [{many}]}}"#)),
            "more than 32 parts",
        ),
        ("parts of no length", splitter(r#"{"type": "FixedLength", "length": 0}"#), "no length"),
        ("many added tokens", added(20_000, "t"), "20002 added tokens"),
        ("long added tokens", added(2, &"t".repeat(600_000)), "added tokens of 12000"),
        ("a wide frame", SMALL.replace(processor, &frame), "more than 256 ids"),
        ("dropout", SMALL.replace(r#""vocab""#, r#""dropout": 0.1, "vocab""#), "by chance"),
        (
            "long words",
            SMALL.replace(r#""vocab""#, r#""max_input_chars_per_word": 100000, "vocab""#),
            "max_input_chars",
        ),
        (
            "a long token",
            SMALL.replace(r#""a": 0"#, &format!(r#""a": 0, "{}": 9"#, "x".repeat(600))),
            "more than 512 bytes",
        ),
        (
            "many values",
            SMALL.replace(r#""merges": ["#, &format!(r#""x": [{}0], "merges": ["#, "0,".repeat(5 << 20))),
            "more than 4194304 values",
        ),
    ] {
        let error = refusal(&content);
        assert!(error.contains(part), "{case}: {error}");
    }
}

#[test]
fn padding_and_truncation_of_a_file_are_not_its_readers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let settings = r#""truncation": {"direction": "Left", "max_length": 1000000000000000000, "strategy": "LongestFirst", "stride": 7},
      "padding": {"strategy": {"Fixed": 1000000000000000000}, "direction": "Left", "pad_to_multiple_of": 1000000000000, "pad_id": 4, "pad_type_id": 0, "pad_token": "</s>"},
      "added_tokens""#;
    std::fs::write(&path, SMALL.replace(r#""added_tokens""#, settings)).unwrap();
    let tokenizer = Tokenizer::from_file(&path, 4).unwrap();
    assert_eq!(tokenizer.encode("ab b a a").unwrap(), [3, 2, 1, 4]);
    assert_eq!(tokenizer.padding(), 4);
}

/// The demo's tokenizer splits with CLIP's pattern, the small one at white space. A longer text keeps its first ids.
#[test]
fn a_file_reads_the_beginning_of_a_long_text_and_gives_the_ids_of_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().join("tokenizer.json");
    std::fs::write(&small, SMALL).unwrap();
    let demo = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/demo/model/tokenizer.json");
    let pieces = [
        "ab",
        "b",
        "Harbor",
        "don't",
        "12",
        "?!",
        "<|endoftext|>",
        "\u{e9}\u{301}",
        "\u{3a3}",
        "  ",
        "\n",
        "\u{a0}",
    ];
    for (path, context) in [(&small, 4), (&small, 16), (&demo, 77)] {
        let tokenizer = Tokenizer::from_file(path, context).unwrap();
        let whole = tokenizers::Tokenizer::from_file(path).unwrap();
        let mut state = 1_u64;
        for round in 0..300 {
            let mut text = String::new();
            for _ in 0..round {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text += pieces[(state >> 33) as usize % pieces.len()];
                if state >> 40 & 3 > 0 {
                    text.push(' ');
                }
            }
            let mut whole = whole.clone();
            let cut = tokenizers::TruncationParams { max_length: context, ..Default::default() };
            whole.with_padding(None).with_truncation(Some(cut)).unwrap();
            let expected = whole.encode(text.as_str(), true).unwrap();
            assert_eq!(tokenizer.encode(&text).unwrap(), expected.get_ids(), "{text:?}");
        }
    }
}

#[test]
fn a_hundred_megabytes_of_text_take_a_moment() {
    let begin = std::time::Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, SMALL).unwrap();
    let file = Tokenizer::from_file(&path, 77).unwrap();
    let clip = Tokenizer::clip(77).unwrap();
    for unit in ["airport ", "a", "x&y ", "\n"] {
        let (short, long) = (unit.repeat((4 << 20) / unit.len()), unit.repeat((100 << 20) / unit.len()));
        assert_eq!(clip.encode(&short).unwrap(), clip.encode(&long).unwrap(), "{unit}");
    }
    let lines = "ab\n".repeat(35 << 20);
    assert_eq!(file.encode(&lines).unwrap(), file.encode(&lines[..3000]).unwrap());
    let long = "ab ".repeat(35 << 20);
    assert_eq!(file.encode(&long).unwrap(), file.encode(&long[..3000]).unwrap());
    // The tokenizer of a file does not cut words, because there is no proof of its model that a cut keeps the ids.
    let error = file.encode(&"ab".repeat(50 << 20)).unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("at most 1048576 are read"));
    assert!(begin.elapsed().as_secs() < 60, "{:?}", begin.elapsed());
}

/// Makes tokenizers of every model, with parts of every kind.
fn of_every_kind() -> Vec<serde_json::Value> {
    use serde_json::json;
    let bpe = json!({"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "<unk>": 3}, "merges": [["a", "b"]], "unk_token": "<unk>",
        "byte_fallback": false, "fuse_unk": true, "ignore_merges": false, "end_of_word_suffix": ""});
    let models = [
        bpe.clone(),
        json!({"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["\u{2581}a", -1.5], ["b", -2.0], ["a", -3.0]], "byte_fallback": false}),
        json!({"type": "WordPiece", "unk_token": "<unk>", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
            "vocab": {"<unk>": 0, "a": 1, "##b": 2}}),
        json!({"type": "WordLevel", "unk_token": "<unk>", "vocab": {"<unk>": 0, "a": 1}}),
    ];
    let normalizers = json!({"type": "Sequence", "normalizers": [
        {"type": "NFKC"}, {"type": "Lowercase"}, {"type": "Strip", "strip_left": true, "strip_right": false}, {"type": "StripAccents"},
        {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "}, {"type": "Prepend", "prepend": "a"}, {"type": "Nmt"},
        {"type": "Precompiled", "precompiled_charsmap": "ALQCAACEAAAAAACAAQAAgMz8AgC4BQAAhyIAgMzkAgC4PQAAeyIAgMzsAgC4BQAA"},
        {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
    ]});
    let splitters = json!({"type": "Sequence", "pretokenizers": [
        {"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always", "split": true}, {"type": "Digits", "individual_digits": true},
        {"type": "Punctuation", "behavior": "Isolated"}, {"type": "Whitespace"}, {"type": "BertPreTokenizer"},
        {"type": "Split", "pattern": {"String": "b"}, "behavior": "MergedWithPrevious", "invert": false},
        {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}, {"type": "UnicodeScripts"},
        {"type": "FixedLength", "length": 3}, {"type": "CharDelimiterSplit", "delimiter": "x"},
    ]});
    let frames = [
        json!({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [5], "tokens": ["<s>"]}}}),
        json!({"type": "BertProcessing", "sep": ["</s>", 6], "cls": ["<s>", 5]}),
        json!({"type": "Sequence", "processors": [{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true}]}),
    ];
    let token = |id: u32, content: &str| json!({"id": id, "content": content, "single_word": false, "lstrip": true, "rstrip": true, "normalized": true, "special": true});
    let mut all = Vec::new();
    for model in models {
        for frame in &frames {
            let mut file = json!({"version": "1.0", "truncation": {"direction": "Right", "max_length": 9, "strategy": "LongestFirst", "stride": 0},
                "padding": {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "a"},
                "added_tokens": [token(5, "<s>"), token(6, "</s>")], "post_processor": frame, "decoder": null, "model": model});
            // The parts come together, and one by one, so that a part that is refused does not hide the others.
            for part in std::iter::once(&normalizers).chain(normalizers["normalizers"].as_array().unwrap()) {
                file["normalizer"] = part.clone();
                file["pre_tokenizer"] = serde_json::Value::Null;
                all.push(file.clone());
            }
            file["normalizer"] = serde_json::Value::Null;
            for part in std::iter::once(&splitters).chain(splitters["pretokenizers"].as_array().unwrap()) {
                file["pre_tokenizer"] = part.clone();
                all.push(file.clone());
            }
        }
    }
    all
}

/// Puts `hostile` in place of value number `at` of a document.
fn replace(value: &mut serde_json::Value, at: &mut usize, hostile: &serde_json::Value) -> bool {
    if *at == 0 {
        *value = hostile.clone();
        return true;
    }
    *at -= 1;
    match value {
        serde_json::Value::Array(list) => list.iter_mut().any(|value| replace(value, at, hostile)),
        serde_json::Value::Object(map) => map.values_mut().any(|value| replace(value, at, hostile)),
        _ => false,
    }
}

#[test]
fn damaged_files_are_refused_or_give_ids() {
    use serde_json::json;
    let hostile = [
        json!(null),
        json!(-1),
        json!(0),
        json!(7),
        json!(4_294_967_295_u64),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!("a"),
        json!("\u{0}"),
        json!("\u{1f602}"),
        json!([]),
        json!({}),
        json!([[]]),
        json!(true),
        json!("x".repeat(300)),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let texts = ["", "ab a b", "\u{3a3}\u{301} x1 <s>  </s>", &"ab ".repeat(200), &"b".repeat(3000)];
    let mut state = 7_u64;
    let mut below = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    // Panics of the tokenizers crate are caught, but their messages would fill the log.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let files = of_every_kind();
    let (mut read, mut refused) = (0, 0);
    let mut panics = Vec::new();
    for round in 0..6_000 {
        let mut file = files[round % files.len()].clone();
        if round >= files.len() {
            replace(&mut file, &mut (1 + below(70)), &hostile[below(hostile.len())]);
        }
        std::fs::write(&path, file.to_string()).unwrap();
        let begin = std::time::Instant::now();
        let outcome = std::panic::catch_unwind(|| match Tokenizer::from_file(&path, 16) {
            Ok(tokenizer) => texts.iter().filter(|text| tokenizer.encode(text).is_ok()).count() > 0,
            Err(_) => false,
        });
        match outcome {
            Ok(true) => read += 1,
            Ok(false) => refused += 1,
            Err(_) => panics.push(file.to_string()),
        }
        if begin.elapsed().as_secs() >= 5 {
            panics.push(format!("slow: {file}"));
        }
    }
    std::panic::set_hook(hook);
    assert!(panics.is_empty(), "{panics:#?}");
    assert!(read > 1000 && refused > 1000, "{read} read, {refused} refused");
}
