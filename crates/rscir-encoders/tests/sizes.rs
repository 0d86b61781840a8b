//! Weights of another size than the configuration are resized or refused, and a missing state dict is named.

use std::path::{Path, PathBuf};

use rscir_checkpoint::Error as CheckpointError;
use rscir_core::{Embeddings, ImageEncoder, RgbView, TextEncoder};
use rscir_encoders::{ClipEncoder, Error, TensorProblem};

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/encoders/vit_gelu")
}

/// Builds the model with another image size and context length in its configuration.
fn of_size(folder: &Path, image: Option<u64>, context: Option<u64>) -> Result<ClipEncoder, Error> {
    let config = std::fs::read(model().join("open_clip_config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    let tower = |config: &mut serde_json::Value, tower: &str, key: &str, value: Option<u64>| {
        if let Some(value) = value {
            let root = if config.get("model_cfg").is_some() { &mut config["model_cfg"] } else { config };
            root[tower][key] = value.into();
        }
    };
    tower(&mut config, "vision_cfg", "image_size", image);
    tower(&mut config, "text_cfg", "context_length", context);
    let path = folder.join("open_clip_config.json");
    std::fs::write(&path, config.to_string()).unwrap();
    ClipEncoder::from_files(model().join("open_clip_model.safetensors"), path).build()
}

#[test]
fn another_size_resizes_the_positions_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let plain = of_size(folder.path(), None, None).unwrap();
    assert!(plain.resized().is_empty());
    let size = plain.config().image_size() as u64;
    let context = plain.tokenizer().context() as u64;
    let larger = of_size(folder.path(), Some(2 * size), Some(2 * context)).unwrap();
    let names: Vec<&str> = larger.resized().iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["visual.positional_embedding", "positional_embedding"]);
    for table in larger.resized() {
        assert!(table.to[0] > table.from[0] && table.to[1] == table.from[1], "{table:?}");
    }
    assert_ne!(plain.spec().architecture, larger.spec().architecture);
    let gray = vec![90; 64 * 64 * 3];
    let image = larger.encode_image(RgbView::new(64, 64, &gray).unwrap()).unwrap();
    let texts: Embeddings = larger.encode_texts(&["a harbor"]).unwrap();
    assert!(image.vector(0).iter().chain(texts.vector(0).iter()).all(|value| value.is_finite()));
}

#[test]
fn a_size_that_no_checkpoint_of_this_kind_has_is_a_misfit() {
    let folder = tempfile::tempdir().unwrap();
    let context = of_size(folder.path(), None, None).unwrap().tokenizer().context() as u64;
    let error = of_size(folder.path(), None, Some(65 * context)).map(|_| ()).unwrap_err();
    let Error::Checkpoint(CheckpointError::Weights { problems, .. }) = &error else { panic!("{error}") };
    assert!(
        matches!(&problems[..], [TensorProblem::Shape { name, .. }] if name == "positional_embedding"),
        "{error}"
    );
}

#[test]
fn a_state_dict_that_is_not_there_is_refused() {
    let nested = model().with_file_name("vit_quick_nested");
    let path = nested.join("model.pt");
    let build =
        |key| ClipEncoder::from_files(&path, nested.join("open_clip_config.json")).state_dict(key).build();
    let refused = build("none").map(|_| ());
    assert!(matches!(refused, Err(Error::Checkpoint(CheckpointError::StateDict { .. }))), "{refused:?}");
    build("state_dict").unwrap();
}
