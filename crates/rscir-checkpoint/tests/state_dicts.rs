//! Which tensors of a file are the model's: state dicts among other things, and prefixes.

use std::path::{Path, PathBuf};

use rscir_checkpoint::{Checkpoint, Error, Loader, TensorProblem};

/// What `torch.save` writes: a pickle and one storage of four floats for each of the numbers in it.
fn saved(folder: &Path, pickle: &str, storages: usize) -> PathBuf {
    let mut entries = vec![("m/data.pkl".to_owned(), pickle.as_bytes().to_vec())];
    entries.extend((0..storages).map(|number| {
        (format!("m/data/{number}"), (0..4).flat_map(|_| (number as f32).to_le_bytes()).collect())
    }));
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in &entries {
        let offset = (bytes.len() as u32).to_le_bytes();
        let mut common = vec![0; 8];
        common.extend(crc32fast::hash(content).to_le_bytes());
        common.extend((content.len() as u32).to_le_bytes().repeat(2));
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0; 2]);
        bytes.extend([b"PK\x03\x04\x14\0", &common[..], name.as_bytes(), content].concat());
        directory
            .extend([b"PK\x01\x02\x14\0\x14\0", &common[..], &[0; 10], &offset, name.as_bytes()].concat());
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend((entries.len() as u16).to_le_bytes().repeat(2));
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0; 2]);
    let path = folder.join("checkpoint.pt");
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Arguments of `_rebuild_tensor_v2` for two by two floats of a storage.
fn args(storage: usize) -> String {
    format!(
        "((Vstorage\nctorch\nFloatStorage\nV{storage}\nVcpu\nI4\ntQI0\n(I2\nI2\nt(I2\nI1\ntI00\nccollections\nOrderedDict\n)Rt"
    )
}

fn tensor(storage: usize) -> String {
    format!("ctorch._utils\n_rebuild_tensor_v2\n{}R", args(storage))
}

/// A pickled dict of names and values that are pickled already.
fn dict(entries: &[(&str, String)]) -> String {
    let entries: String = entries.iter().map(|(name, value)| format!("V{name}\n{value}")).collect();
    format!("}}({entries}u")
}

fn pickle(value: &str) -> String {
    format!("{value}.")
}

/// A state dict of one tensor, which tells by its values which one it is.
fn state(number: usize) -> String {
    dict(&[("w", tensor(number))])
}

/// The number of the state dict that was taken.
fn number(checkpoint: &Checkpoint) -> f32 {
    checkpoint.tensor_f32("w", &[2, 2]).unwrap()[0]
}

#[test]
fn a_tensor_beside_a_state_dict_is_none_of_the_model() {
    let folder = tempfile::tempdir().unwrap();
    for key in ["state_dict", "model_state_dict", "model", "ema", "model_ema"] {
        for root in [
            dict(&[("epoch", tensor(0)), (key, state(1)), ("optimizer", dict(&[("step", tensor(0))]))]),
            dict(&[(key, state(1)), ("loss", tensor(0)), ("rng_state", tensor(0))]),
            dict(&[("epoch", "I3\n".into()), (key, dict(&[("state_dict", state(1)), ("x", tensor(0))]))]),
        ] {
            let checkpoint = Checkpoint::open(saved(folder.path(), &pickle(&root), 2)).unwrap();
            assert!(checkpoint.names().eq(["w"]), "{key}");
            assert_eq!(number(&checkpoint), 1.0, "{key}");
            assert!(checkpoint.state_dict().unwrap().starts_with(key));
        }
    }
    // A dict of other things under such a key does not hide the tensors.
    let root = dict(&[("w", tensor(1)), ("model", dict(&[("name", "Vclip\n".into())]))]);
    let checkpoint = Checkpoint::open(saved(folder.path(), &pickle(&root), 2)).unwrap();
    assert_eq!((number(&checkpoint), checkpoint.state_dict()), (1.0, None));
}

#[test]
fn of_several_state_dicts_the_plain_one_is_taken_and_another_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let root = dict(&[
        ("ema", state(0)),
        ("state_dict", state(1)),
        ("model_ema", dict(&[("state_dict", state(2))])),
    ]);
    let path = saved(folder.path(), &pickle(&root), 3);
    let plain = Checkpoint::open(&path).unwrap();
    assert_eq!((number(&plain), plain.state_dict()), (1.0, Some("state_dict")));
    assert_eq!(plain.state_dicts(), ["state_dict", "ema", "model_ema.state_dict"]);
    for (key, expected) in
        [("ema", 0.0), ("state_dict", 1.0), ("model_ema", 2.0), ("model_ema.state_dict", 2.0)]
    {
        assert_eq!(number(&Checkpoint::open_state_dict(&path, key).unwrap()), expected, "{key}");
    }
    let error = Checkpoint::open_state_dict(&path, "teacher").unwrap_err();
    assert!(
        matches!(&error, Error::StateDict { wanted: Some(wanted), found, .. } if wanted == "teacher" && found.len() == 3)
    );
    assert!(error.to_string().ends_with(
        "checkpoint.pt has no state dict `teacher`, or several of this name; it has `state_dict`, `ema`, \
         `model_ema.state_dict`"
    ));

    let path = saved(folder.path(), &pickle(&dict(&[("ema", state(0)), ("model_ema", state(1))])), 2);
    let error = Checkpoint::open(&path).unwrap_err().to_string();
    assert!(
        error.ends_with("holds several state dicts, one of which must be chosen: `ema`, `model_ema`"),
        "{error}"
    );
    assert_eq!(number(&Checkpoint::open_state_dict(&path, "ema").unwrap()), 0.0);
    let path = saved(folder.path(), &pickle(&dict(&[("model", state(0)), ("state_dict", state(1))])), 2);
    assert!(matches!(Checkpoint::open(&path), Err(Error::StateDict { wanted: None, .. })));
    // A file that is a state dict itself has none to choose.
    let path = saved(folder.path(), &pickle(&state(1)), 2);
    let error = Checkpoint::open_state_dict(&path, "ema").unwrap_err().to_string();
    assert!(error.ends_with("has no state dict `ema`: it is one itself"), "{error}");
}

#[test]
fn parameters_and_tensors_with_attributes_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let attributes = dict(&[("sharded", "I01\n".into())]);
    let with_state = format!(
        "ctorch._utils\n_rebuild_parameter_with_state\n({}I01\nccollections\nOrderedDict\n)R{attributes}tR",
        tensor(1)
    );
    let typed = format!(
        "ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\nctorch\nTensor\n{}{attributes}tR",
        args(1)
    );
    let both = format!(
        "ctorch._utils\n_rebuild_parameter_with_state\n({typed}I01\nccollections\nOrderedDict\n)R{attributes}tR"
    );
    for (case, value) in [("parameter", with_state), ("tensor", typed), ("both", both)] {
        let path = saved(folder.path(), &pickle(&dict(&[("w", value)])), 2);
        assert_eq!(number(&Checkpoint::open(&path).unwrap()), 1.0, "{case}");
    }
}

/// A file of two by two matrices.
fn matrices(folder: &Path, names: &[String]) -> Checkpoint {
    let bytes = [0; 16];
    let view = || safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2, 2], &bytes).unwrap();
    let path = folder.join("model.safetensors");
    let tensors: Vec<(&str, _)> = names.iter().map(|name| (name.as_str(), view())).collect();
    std::fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
    Checkpoint::open(path).unwrap()
}

#[test]
fn prefixes_that_all_names_share_are_taken_off_and_others_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["visual.proj", "visual.class_embedding", "token_embedding.weight"];
    let prefixed = |prefix: &str| names.map(|name| format!("{prefix}{name}"));
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    for prefix in [
        "module.",
        "clip.",
        "clip_model.",
        "_orig_mod.module.",
        "model.clip.",
        "base_model.model.",
        "module.network.clip.",
    ] {
        let checkpoint = matrices(folder.path(), &prefixed(prefix));
        assert_eq!(checkpoint.names().collect::<Vec<_>>(), sorted, "{prefix}");
    }
    // A scale that a trainer keeps outside of the wrapper does not hide it, and two tensors never become one.
    let names = [&prefixed("model.")[..], &["logit_scale".to_owned()]].concat();
    let checkpoint = matrices(folder.path(), &names);
    assert!(checkpoint.contains("visual.proj") && checkpoint.contains("logit_scale"));
    let names =
        [&prefixed("model.")[..], &["logit_scale".to_owned(), "model.logit_scale".to_owned()]].concat();
    assert!(matrices(folder.path(), &names).contains("model.visual.proj"));
    // A head of somebody's own beside the model: not loaded, and the prefix is named.
    let names = [&prefixed("student.clip.")[..], &["head.weight".to_owned()]].concat();
    let checkpoint = matrices(folder.path(), &names);
    let mut loader = Loader::new(&checkpoint);
    loader.values("visual.proj", &[2, 2]).unwrap();
    let error = loader.finish().unwrap_err();
    assert!(
        matches!(&error, Error::Weights { prefix: Some(prefix), .. } if prefix == "student.clip."),
        "{error}"
    );
    assert!(error.to_string().contains("Names in the file begin with `student.clip.`"), "{error}");
}

#[test]
fn ten_names_of_a_misfit_are_told_of_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..30).map(|number| format!("theirs.{number:02}")).collect();
    let checkpoint = matrices(folder.path(), &names);
    let mut loader = Loader::new(&checkpoint);
    for number in 0..50 {
        loader.values(&format!("ours.{number:02}"), &[2, 2]).unwrap();
    }
    let error = loader.finish().unwrap_err();
    let Error::Weights { problems, .. } = &error else { panic!("{error}") };
    assert_eq!(problems.len(), 80, "the error itself has all");
    let missing = problems.iter().filter(|problem| matches!(problem, TensorProblem::Missing { .. })).count();
    assert_eq!(missing, 50);
    let message = error.to_string();
    assert_eq!(message.matches("missing `ours.").count(), 5, "{message}");
    assert_eq!(message.matches("unexpected `theirs.").count(), 5, "{message}");
    assert!(message.ends_with("in all: 50 missing, 30 unexpected"), "{message}");
}

#[test]
fn the_state_dict_that_is_not_the_default_is_part_of_the_identity() {
    let folder = tempfile::tempdir().unwrap();
    let root = dict(&[("ema", state(0)), ("state_dict", state(1))]);
    let path = saved(folder.path(), &pickle(&root), 2);
    let hash = Checkpoint::open(&path).unwrap().sha256().to_owned();
    assert_eq!(Checkpoint::open(&path).unwrap().identity(), hash);
    assert_eq!(Checkpoint::open_state_dict(&path, "state_dict").unwrap().identity(), hash);
    assert_eq!(Checkpoint::open_state_dict(&path, "ema").unwrap().identity(), format!("{hash}:ema"));
}
