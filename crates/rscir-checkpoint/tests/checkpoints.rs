//! Checkpoints of every format, made by torch and safetensors (tests/data/checkpoints/make.py).

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use rscir_checkpoint::{Checkpoint, Dtype, Error, Format, Loader, TensorProblem};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/checkpoints").join(name)
}

/// What make.py put into every file: name, type, shape, values.
fn expected() -> Vec<(&'static str, Dtype, Vec<usize>, Vec<f32>)> {
    let a = |index: u8| f32::from(index) / 4.0;
    let small = vec![-1.5, 0.0, 3.0];
    let pair = vec![-7.0, 8.0];
    vec![
        ("a", Dtype::F32, vec![3, 4], (0..12).map(a).collect()),
        ("a_columns", Dtype::F32, vec![3, 2], [1, 3, 5, 7, 9, 11].map(a).to_vec()),
        ("a_row", Dtype::F32, vec![4], [4, 5, 6, 7].map(a).to_vec()),
        ("a_transposed", Dtype::F32, vec![4, 3], [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11].map(a).to_vec()),
        ("bf16", Dtype::Bf16, vec![3], small.clone()),
        ("bool", Dtype::Bool, vec![2], vec![1.0, 0.0]),
        ("empty", Dtype::F32, vec![0, 3], vec![]),
        ("f16", Dtype::F16, vec![3], small.clone()),
        ("f64", Dtype::F64, vec![3], small.clone()),
        ("i16", Dtype::I16, vec![2], pair.clone()),
        ("i32", Dtype::I32, vec![2], pair.clone()),
        ("i64", Dtype::I64, vec![2], pair.clone()),
        ("i8", Dtype::I8, vec![2], pair),
        ("parameter", Dtype::F32, vec![3], small),
        ("scalar", Dtype::F32, vec![], vec![2.5]),
        ("u8", Dtype::U8, vec![2], vec![7.0, 255.0]),
    ]
}

#[test]
fn every_format_gives_the_same_tensors() {
    for (file, format) in [
        ("zip.pt", Format::TorchZip),
        ("no_crc.pt", Format::TorchZip),
        ("legacy.pt", Format::TorchLegacy),
        ("training.pt", Format::TorchZip),
        ("model_state_dict.pt", Format::TorchZip),
        ("model.pt", Format::TorchLegacy),
        ("flat.safetensors", Format::Safetensors),
        ("sharded.safetensors.index.json", Format::Sharded),
    ] {
        let checkpoint = Checkpoint::open(data(file)).unwrap();
        assert_eq!(checkpoint.format(), format, "{file}");
        assert_eq!(checkpoint.path(), data(file));
        assert!(checkpoint.names().eq(expected().iter().map(|tensor| tensor.0)), "{file}");
        for (name, dtype, shape, values) in expected() {
            assert_eq!(checkpoint.shape(name), Some(&shape[..]), "{file} {name}");
            assert_eq!(checkpoint.dtype(name), Some(dtype), "{file} {name}");
            assert_eq!(checkpoint.tensor_f32(name, &shape).unwrap(), values, "{file} {name}");
        }
    }
}

#[test]
fn torchscript_gives_its_parameters_and_buffers() {
    let checkpoint = Checkpoint::open(data("script.pt")).unwrap();
    assert_eq!(checkpoint.format(), Format::TorchScript);
    let names = [
        "blocks.0.num_batches_tracked",
        "blocks.0.weight",
        "blocks.1.num_batches_tracked",
        "blocks.1.weight",
        "scale",
    ];
    assert!(checkpoint.names().eq(names));
    let weight = checkpoint.tensor_f32("blocks.1.weight", &[3, 4]).unwrap();
    assert_eq!(&weight[..3], [0.0, 0.25, 0.5]);
    assert_eq!(checkpoint.dtype("blocks.1.weight"), Some(Dtype::F16));

    let mut loader = Loader::new(&checkpoint);
    for name in ["blocks.0.weight", "blocks.1.weight"] {
        assert_eq!(loader.values(name, &[3, 4]).unwrap().unwrap().len(), 12);
    }
    assert_eq!(*loader.values("scale", &[]).unwrap().unwrap(), [2.5]);
    loader.finish().unwrap();
}

#[test]
fn aligned_floats_are_borrowed_from_the_file() {
    let checkpoint = Checkpoint::open(data("zip.pt")).unwrap();
    for (name, borrowed) in [("a", true), ("a_row", true), ("a_transposed", false), ("f16", false)] {
        let values = checkpoint.tensor_f32(name, checkpoint.shape(name).unwrap()).unwrap();
        assert_eq!(matches!(values, Cow::Borrowed(_)), borrowed, "{name}");
    }
}

#[test]
fn the_hash_is_that_of_the_file() {
    use sha2::{Digest, Sha256};
    let hex =
        |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let file = |name| hex(&std::fs::read(data(name)).unwrap());
    assert_eq!(Checkpoint::open(data("legacy.pt")).unwrap().sha256(), file("legacy.pt"));
    let list =
        ["part-1.safetensors", "part-2.safetensors"].map(|name| format!("{}  {name}\n", file(name))).concat();
    let sharded = Checkpoint::open(data("sharded.safetensors.index.json")).unwrap();
    assert_eq!(sharded.sha256(), hex(list.as_bytes()));
}

#[test]
fn the_loader_names_everything_that_is_wrong_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let (matrix, bad) = (floats(&[1.0, 2.0, 3.0, 4.0]), floats(&[0.0, f32::NAN, f32::INFINITY]));
    let view = |shape: &[usize], bytes| {
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), bytes).unwrap()
    };
    let tensors = [
        ("visual.proj", view(&[2, 2], &matrix)),
        ("ln.weight", view(&[3], &bad)),
        ("extra.weight", view(&[4], &matrix)),
        ("logit_scale", view(&[4], &matrix)),
        ("bn.num_batches_tracked", view(&[4], &matrix)),
        ("unused.bias", view(&[4], &matrix)),
    ];
    std::fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();

    let checkpoint = Checkpoint::open(&path).unwrap();
    let mut loader = Loader::new(&checkpoint);
    for (name, shape) in [("visual.proj", &[2, 3][..]), ("ln.weight", &[3]), ("ln.bias", &[3])] {
        assert_eq!(loader.values(name, shape).unwrap(), None, "{name}");
    }
    loader.skip("unused.");
    let error = loader.finish().unwrap_err();
    let Error::Weights { problems, .. } = &error else { panic!("{error}") };
    assert_eq!(problems.len(), 4);
    assert_eq!(
        problems[0],
        TensorProblem::Shape { name: "visual.proj".into(), expected: vec![2, 3], got: vec![2, 2] }
    );
    assert!(
        matches!(&problems[1], TensorProblem::NonFinite { name, index: 1, value } if name == "ln.weight" && value.is_nan())
    );
    assert_eq!(problems[2], TensorProblem::Missing { name: "ln.bias".into(), expected: vec![3] });
    assert_eq!(problems[3], TensorProblem::Unexpected { name: "extra.weight".into(), shape: vec![4] });
    let message = error.to_string();
    for part in [
        "model.safetensors does not fit the architecture",
        "`visual.proj` has shape [2, 2], expected [2, 3]",
        "`ln.weight` has NaN at element 1",
        "missing `ln.bias`, expected shape [3]",
        "unexpected `extra.weight`, shape [4]",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

/// A file of two-by-two matrices, the elements of each counted on from its number times ten.
fn matrices(path: &Path, names: &[&str]) -> Checkpoint {
    let bytes: Vec<Vec<u8>> = (0..names.len())
        .map(|index| (0..4).flat_map(|element| ((index * 10 + element) as f32).to_le_bytes()).collect())
        .collect();
    let tensors = names.iter().zip(&bytes).map(|(name, bytes)| {
        (*name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2, 2], bytes).unwrap())
    });
    std::fs::write(path, safetensors::serialize(tensors, None).unwrap()).unwrap();
    Checkpoint::open(path).unwrap()
}

#[test]
fn hugging_face_names_become_those_of_open_clip() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let table = [
        ("logit_scale", "logit_scale"),
        ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
        ("text_model.embeddings.token_embedding.weight", "token_embedding.weight"),
        ("text_model.embeddings.position_ids", "text_model.embeddings.position_ids"),
        ("text_model.encoder.layers.11.layer_norm1.bias", "transformer.resblocks.11.ln_1.bias"),
        ("text_model.encoder.layers.11.mlp.fc2.weight", "transformer.resblocks.11.mlp.c_proj.weight"),
        ("text_model.final_layer_norm.weight", "ln_final.weight"),
        ("text_projection.weight", "text_projection"),
        ("vision_model.embeddings.class_embedding", "visual.class_embedding"),
        ("vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight"),
        ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
        ("vision_model.encoder.layers.0.layer_norm2.weight", "visual.transformer.resblocks.0.ln_2.weight"),
        ("vision_model.encoder.layers.0.mlp.fc1.bias", "visual.transformer.resblocks.0.mlp.c_fc.bias"),
        (
            "vision_model.encoder.layers.0.self_attn.out_proj.weight",
            "visual.transformer.resblocks.0.attn.out_proj.weight",
        ),
        ("vision_model.post_layernorm.bias", "visual.ln_post.bias"),
        ("vision_model.pre_layrnorm.weight", "visual.ln_pre.weight"),
        ("visual_projection.weight", "visual.proj"),
        // Without its two sisters a query projection keeps its name.
        (
            "vision_model.encoder.layers.1.self_attn.q_proj.weight",
            "vision_model.encoder.layers.1.self_attn.q_proj.weight",
        ),
    ];
    let split =
        ["k", "q", "v"].map(|part| format!("vision_model.encoder.layers.0.self_attn.{part}_proj.weight"));
    let mut names: Vec<&str> = split.iter().map(String::as_str).collect();
    names.extend(table.map(|pair| pair.0));
    let checkpoint = matrices(&path, &names).open_clip_names();

    let fused = "visual.transformer.resblocks.0.attn.in_proj_weight";
    let mut expected: Vec<&str> = table.iter().map(|pair| pair.1).chain([fused]).collect();
    expected.sort_unstable();
    assert_eq!(checkpoint.names().collect::<Vec<_>>(), expected);

    // Queries, keys and values in this order.
    let values = checkpoint.tensor_f32(fused, &[6, 2]).unwrap();
    assert_eq!(*values, [10.0, 11.0, 12.0, 13.0, 0.0, 1.0, 2.0, 3.0, 20.0, 21.0, 22.0, 23.0]);
    let first = |name: &str| names.iter().position(|other| *other == name).unwrap() as f32 * 10.0;
    for (from, to, turned) in [
        ("text_projection.weight", "text_projection", true),
        ("visual_projection.weight", "visual.proj", true),
        ("vision_model.embeddings.class_embedding", "visual.class_embedding", false),
    ] {
        let expected = if turned { [0.0, 2.0, 1.0, 3.0] } else { [0.0, 1.0, 2.0, 3.0] };
        let expected = expected.map(|element| first(from) + element);
        assert_eq!(*checkpoint.tensor_f32(to, &[2, 2]).unwrap(), expected);
    }
}

#[test]
fn custom_text_names_lose_their_prefix_and_ambiguous_names_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let renamed = |names: &[&str]| {
        let checkpoint = matrices(&path, names).open_clip_names();
        checkpoint.names().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        renamed(&["text.ln_final.weight", "text.positional_embedding", "visual.proj"]),
        ["ln_final.weight", "positional_embedding", "visual.proj"]
    );
    for ambiguous in [
        ["text.ln_final.weight", "text.positional_embedding", "positional_embedding"],
        ["vision_model.embeddings.class_embedding", "visual.proj", "visual_projection.weight"],
    ] {
        let mut sorted = ambiguous.to_vec();
        sorted.sort_unstable();
        assert_eq!(renamed(&ambiguous), sorted);
    }
}

/// The five models of the golden inputs, where that folder is at hand: RSCIR_GOLDEN=path cargo test -- --ignored
#[test]
#[ignore = "needs the golden inputs in RSCIR_GOLDEN"]
fn golden_models_open() {
    let golden = PathBuf::from(std::env::var_os("RSCIR_GOLDEN").unwrap()).join("encoders");
    let open = |name: &str| Checkpoint::open(golden.join(name)).unwrap().open_clip_names();
    for (file, format, tensors) in [
        ("vit_gelu/model.pt", Format::TorchZip, 74),
        ("vit_gelu/open_clip_model.safetensors", Format::Safetensors, 74),
        ("vit_quick_nested/model.pt", Format::TorchZip, 62),
        ("resnet/model.bin", Format::TorchZip, 171),
        ("vit_f16_legacy/model.pt", Format::TorchLegacy, 74),
        ("hf_clip/model.safetensors", Format::Safetensors, 62),
    ] {
        let checkpoint = open(file);
        assert_eq!((checkpoint.format(), checkpoint.names().len()), (format, tensors), "{file}");
        for name in [
            "visual.proj",
            "visual.conv1.weight",
            "transformer.resblocks.0.attn.in_proj_weight",
            "text_projection",
        ] {
            assert!(
                checkpoint.contains(name) || file.starts_with("resnet") && name == "visual.proj",
                "{file} {name}"
            );
        }
        for name in checkpoint.names() {
            assert!(
                checkpoint
                    .tensor_f32(name, checkpoint.shape(name).unwrap())
                    .unwrap()
                    .iter()
                    .all(|value| value.is_finite())
            );
        }
    }
    let (zip, flat) = (open("vit_gelu/model.pt"), open("vit_gelu/open_clip_model.safetensors"));
    assert!(zip.names().eq(flat.names()));
    for name in zip.names() {
        let shape = zip.shape(name).unwrap();
        assert_eq!(zip.tensor_f32(name, shape).unwrap(), flat.tensor_f32(name, shape).unwrap());
    }
}
