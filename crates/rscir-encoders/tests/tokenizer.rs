//! Token ids equal open_clip's.

use rscir_encoders::{Error, Tokenizer};

/// Texts with the ids of open_clip 3.3.0 and ftfy 6.3.1, written by `python/tokenizer_data.py`.
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
