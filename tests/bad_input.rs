//! Checks what the programs say about bad input, and how they end.

mod common;

use std::fs;
use std::path::Path;

use common::{repository, run};
use rscir::core::Activation;
use rscir::prelude::*;
use safetensors::tensor::{Dtype, TensorView};

const TILES: [&str; 3] = ["harbor/harbor00.jpg", "river/river00.jpg", "runway/runway00.jpg"];

fn tile(name: &str) -> std::path::PathBuf {
    let path = repository("data/demo/benchmark/images").join(name);
    if path.is_file() { path } else { first_of(path.parent().expect("a class folder")) }
}

/// Returns the first tile of a class.
fn first_of(folder: &Path) -> std::path::PathBuf {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files.swap_remove(0)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

#[test]
fn broken_images_are_named_and_the_others_encoded() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    fs::create_dir_all(images.join("sub")).unwrap();
    for (i, name) in TILES.iter().enumerate() {
        fs::copy(tile(name), images.join(format!("sub/good{i}.jpg"))).unwrap();
    }
    let whole = fs::read(tile(TILES[0])).unwrap();
    fs::write(images.join("cut.jpg"), &whole[..whole.len() / 2]).unwrap();
    fs::write(images.join("page.png"), "<html>not found</html>").unwrap();
    fs::write(images.join("empty.tif"), "").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("nowhere.jpg", images.join("gone.jpg")).unwrap();

    let (archive, export) = (folder.path().join("a.rscir"), folder.path().join("f.safetensors"));
    let arguments = ["--images", text(&images), "--archive", text(&archive), "--export", text(&export)];
    let first = run("extract_features", &arguments).ends_with(3);
    let first = first.says("cut.jpg: decode: ").says("page.png: decode: ").says("empty.tif: decode: ");
    #[cfg(unix)]
    let first = first.says("gone.jpg: read: ").says("4 images failed; the rest is done");
    drop(first);
    assert_eq!(Features::read(&export).unwrap().keys, ["sub/good0.jpg", "sub/good1.jpg", "sub/good2.jpg"]);

    // The second run encodes nothing twice, and encodes a file that was mended.
    fs::copy(tile(TILES[1]), images.join("cut.jpg")).unwrap();
    run("extract_features", &arguments).ends_with(3).says("1 encoded, 3 unchanged");
    let keys = Features::read(&export).unwrap().keys;
    assert_eq!(keys, ["cut.jpg", "sub/good0.jpg", "sub/good1.jpg", "sub/good2.jpg"]);
}

#[test]
fn a_missing_image_of_a_dataset_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("images")).unwrap();
    fs::copy(tile(TILES[0]), folder.path().join("images/harbor00.jpg")).unwrap();
    fs::write(
        folder.path().join("patternnet.csv"),
        "images/harbor00.jpg 0 harbor\nimages/harbor01.jpg 0 harbor\n",
    )
    .unwrap();
    let archive = folder.path().join("a.rscir");
    run("extract_features", &["--dataset", text(folder.path()), "--archive", text(&archive)])
        .ends_with(3)
        .says("images/harbor01.jpg: read: ");
    assert_eq!(DiskArchive::open(archive).unwrap().len(), 1);
}

/// Runs the demo's model with its tensors changed.
fn with_tensors(change: impl FnOnce(&mut Vec<(String, Dtype, Vec<usize>, Vec<u8>)>)) -> common::Run {
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(repository("data/demo/model/open_clip_model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<_> = file
        .iter()
        .map(|(name, view)| (name.to_string(), view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        .collect();
    change(&mut tensors);
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, data)| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    let path = folder.path().join("model.safetensors");
    safetensors::serialize_to_file(views, None, &path).unwrap();
    let texts = folder.path().join("texts.txt");
    fs::write(&texts, "dense\n").unwrap();
    run(
        "extract_features",
        &[
            "--checkpoint",
            text(&path),
            "--config",
            text(&repository("data/demo/model/open_clip_config.json")),
            "--texts",
            text(&texts),
            "--export-texts",
            text(&folder.path().join("texts.safetensors")),
        ],
    )
}

#[test]
fn a_checkpoint_is_loaded_whole_or_not_at_all() {
    with_tensors(|tensors| tensors.retain(|(name, ..)| name != "visual.proj"))
        .ends_with(1)
        .says("visual.proj")
        .says("missing");
    with_tensors(|tensors| tensors.push(("visual.extra".into(), Dtype::F16, vec![2], vec![0; 4])))
        .ends_with(1)
        .says("visual.extra");
    with_tensors(|tensors| {
        let proj = tensors.iter_mut().find(|(name, ..)| name == "visual.proj").unwrap();
        proj.2 = vec![proj.2[0] * 2, proj.2[1] / 2];
    })
    .ends_with(1)
    .says("visual.proj")
    .says("[256, 256]")
    .says("[512, 128]");
    with_tensors(|tensors| {
        let proj = tensors.iter_mut().find(|(name, ..)| name == "visual.proj").unwrap();
        proj.3[..2].copy_from_slice(&half::f16::NAN.to_le_bytes());
    })
    .ends_with(1)
    .says("visual.proj");
}

/// A dataset of two tiles with features in the reference's shape, changed before they are written.
struct Small {
    folder: tempfile::TempDir,
}

impl Small {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("PatternCom")).unwrap();
        let small = Self { folder };
        small.write("PatternCom/color.csv", "a1.jpg,color,red\na2.jpg,color,blue\n");
        small.features("images.safetensors", &["a1.jpg", "a2.jpg"], 2, vec![1.0, 0.0, 0.0, 1.0], false);
        small.features("texts.safetensors", &["red", "blue"], 2, vec![1.0, 0.0, 0.0, 1.0], true);
        small
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.folder.path().join(name), content).unwrap();
    }

    /// Writes features without the library, which writes nothing that it would not read.
    fn features(&self, name: &str, keys: &[&str], dim: usize, values: Vec<f32>, texts: bool) {
        let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let view = TensorView::new(Dtype::F32, vec![values.len() / dim, dim], &data).unwrap();
        let keys = serde_json::to_string(keys).unwrap();
        let metadata = [(if texts { "texts" } else { "keys" }.to_string(), keys)].into();
        safetensors::serialize_to_file(
            [("embeddings", view)],
            Some(metadata),
            &self.folder.path().join(name),
        )
        .unwrap();
    }

    fn evaluate(&self) -> common::Run {
        let path = |name: &str| text(&self.folder.path().join(name)).to_string();
        run(
            "evaluate_patterncom",
            &[
                "--dataset",
                text(self.folder.path()),
                "--features",
                &path("images.safetensors"),
                "--text-features",
                &path("texts.safetensors"),
                "--output",
                &path("out"),
            ],
        )
    }
}

#[test]
fn sound_features_need_no_model() {
    let small = Small::new();
    let run = small.evaluate().ends_with(0);
    assert!(run.out.contains("| weicom(lambda=0.5) |"), "{}", run.out);
    let csv = fs::read_to_string(small.folder.path().join("out/metrics.csv")).unwrap();
    assert!(csv.starts_with("method,attribute,queries,mAP,P@5,P@10,P@15,P@20,R@5,R@10,R@15,R@20\n"), "{csv}");
    assert!(csv.contains("weicom(lambda=0.5),avg,2,"), "{csv}");
    assert!(small.folder.path().join("out/patternnet_metrics_images_lambda0.5_color.csv").is_file());
}

#[test]
fn a_csv_line_with_two_columns_is_named_with_its_line() {
    let small = Small::new();
    small.write("PatternCom/color.csv", "a1.jpg,color,red\n\na2.jpg,color\n");
    small.evaluate().ends_with(1).says("color.csv:3: expected 3 columns (filename,attribute,value), got 2");
}

#[test]
fn a_text_without_features_is_named() {
    let small = Small::new();
    small.features("texts.safetensors", &["red", "green"], 2, vec![1.0, 0.0, 0.0, 1.0], true);
    small.evaluate().ends_with(1).says("texts.safetensors").says("the text features lack \"blue\"");
}

#[test]
fn features_of_another_width_are_refused() {
    let small = Small::new();
    small.features("texts.safetensors", &["red", "blue"], 3, vec![1.0; 6], true);
    small.evaluate().ends_with(1).says("texts.safetensors").says("dim is \"2\" in the archive and \"3\"");
}

#[test]
fn rows_that_are_no_vectors_are_named() {
    let small = Small::new();
    small.features("images.safetensors", &["a1.jpg", "a2.jpg"], 2, vec![1.0, 0.0, f32::NAN, 1.0], false);
    small.evaluate().ends_with(1).says("images.safetensors").says("row 1 holds NaN at column 0");
    small.features("images.safetensors", &["a1.jpg", "a2.jpg"], 2, vec![0.0, 0.0, 0.0, 1.0], false);
    small.evaluate().ends_with(1).says("images.safetensors").says("row 0 is all zeros");
}

#[test]
fn a_lambda_outside_its_range_is_a_usage_error() {
    for lambdas in ["1.5", "0.5,-0.1", "NaN", "half"] {
        run("evaluate_patterncom", &[format!("--lambdas={lambdas}")]).ends_with(2).says("--lambdas");
    }
    run("search", &["--image", "x.jpg", "--text", "dense", "--lambda", "2"])
        .ends_with(2)
        .says("between 0 (image alone) and 1 (text alone)");
}

#[test]
fn an_archive_of_another_encoder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("a.rscir");
    let other = EncoderSpec { activation: Some(Activation::QuickGelu.into()), ..EncoderSpec::unknown(256) };
    drop(ArchiveWriter::create(&archive, other, Precision::F32).unwrap());
    run("search", &["--archive", text(&archive), "--image", text(&tile(TILES[0])), "--text", "dense"])
        .ends_with(1)
        .says("different encoders: activation is \"quick_gelu\" in the archive and \"gelu\" in the query");
    run(
        "extract_features",
        &["--images", text(tile(TILES[0]).parent().unwrap()), "--archive", text(&archive)],
    )
    .ends_with(1)
    .says("activation");
}

#[test]
fn unknown_names_say_what_there_is() {
    run("evaluate_patterncom", &["--methods", "image,weight"])
        .ends_with(1)
        .says("known methods: image, text, sum");
    run("extract_features", &["--model", "clip-vit-l-13"]).ends_with(1).says("clip-vit-l-14");
}

#[test]
fn a_feature_file_with_a_key_twice_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("twice.safetensors");
    let rows = Embeddings::normalize(2, vec![1.0; 4]).unwrap();
    Features::new(vec!["a.jpg".into(), "b.jpg".into()], rows).unwrap().write(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|window| window == b"b.jpg").expect("keys stand in the header");
    fs::write(&path, [&bytes[..at], b"a.jpg", &bytes[at + 5..]].concat()).unwrap();
    let error = rscir::open(&path).map(drop).unwrap_err().to_string();
    assert!(error.contains("twice.safetensors") && error.contains("\"a.jpg\""), "{error}");
}
