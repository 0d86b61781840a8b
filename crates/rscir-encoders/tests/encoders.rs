//! Vectors equal open_clip's and transformers', for every kind of model and checkpoint.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{TOLERANCE, difference};
use rscir_checkpoint::Error as CheckpointError;
use rscir_core::{
    BandBatch, Embeddings, ImageEncoder, InjectedPrompt, PixelBatch, Precision, TextEncoder, testing,
};
use rscir_encoders::{
    Activation, ClipEncoder, ClipEncoderBuilder, Device, Error, SATELLITE_IMAGE, TensorProblem, Tokenizer,
    Wavelengths, encode_with_templates, models,
};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

/// Rows for each kind of model and form of checkpoint: folder, weights, configuration.
const MODELS: [[&str; 3]; 15] = [
    ["vit_gelu", "open_clip_model.safetensors", "open_clip_config.json"],
    ["vit_gelu", "model.pt", "open_clip_config.json"],
    ["vit_quick_nested", "model.pt", "open_clip_config.json"],
    ["vit_f16_legacy", "model.pt", "open_clip_config.json"],
    ["resnet", "model.bin", "open_clip_config.json"],
    ["hf_clip", "model.safetensors", "config.json"],
    ["hf_siglip", "model.safetensors", "config.json"],
    ["vit_options", "open_clip_model.safetensors", "open_clip_config.json"],
    ["vit_long", "model.pt", "open_clip_config.json"],
    ["dofa_clip", "open_clip_model.safetensors", "open_clip_config.json"],
    ["siglip_timm", "open_clip_model.safetensors", "open_clip_config.json"],
    ["farslip", "model.pt", "open_clip_config.json"],
    ["dgtrs_clip", "model.pt", "open_clip_config.json"],
    ["pe_core", "open_clip_model.safetensors", "open_clip_config.json"],
    ["ms_clip", "model.pt", "open_clip_config.json"],
];

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/encoders")
}

fn builder(folder: &Path, [name, weights, config]: [&str; 3]) -> ClipEncoderBuilder {
    let folder = folder.join(name);
    ClipEncoder::from_files(folder.join(weights), folder.join(config)).name(name).device(Device::Cpu)
}

fn encoder(name: &str) -> ClipEncoder {
    let row = MODELS.into_iter().find(|[model, ..]| *model == name).unwrap();
    builder(&data(), row).build().unwrap()
}

/// Inputs, and the vectors that open_clip or transformers make of them.
struct Expected {
    size: usize,
    pixels: Vec<u8>,
    /// Number of bands and their values, in place of the pixels. `None` for a model of colors.
    bands: Option<(usize, Vec<f32>)>,
    images: Vec<f32>,
    texts: Vec<f32>,
}

impl Expected {
    fn read(folder: &Path, name: &str) -> Self {
        let bytes = fs::read(folder.join("expected.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = |part: &str| file.tensor(&format!("{name}.{part}")).unwrap();
        let pixels = tensor("pixels");
        let shorts = || pixels.data().as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes).into());
        let bands = (pixels.dtype() == Dtype::I16).then(|| (pixels.shape()[3], shorts().collect()));
        let bytes = match pixels.dtype() {
            Dtype::U8 => pixels.data().to_vec(),
            Dtype::I16 => Vec::new(),
            // The untouched originals keep the output of the transform, [images, 3, size, size].
            _ => bytes_of(&floats(pixels.data()), pixels.shape(), name == "vit_f16_legacy"),
        };
        let size = pixels.shape()[2];
        Self {
            size,
            pixels: bytes,
            bands,
            images: floats(tensor("image").data()),
            texts: floats(tensor("text").data()),
        }
    }

    /// Encodes all images.
    fn encoded(&self, encoder: &ClipEncoder) -> Embeddings {
        match &self.bands {
            Some((bands, values)) => {
                encoder.encode_bands(BandBatch::new(self.size, *bands, values).unwrap()).unwrap()
            }
            None => encoder.encode_pixels(self.batch()).unwrap(),
        }
    }

    fn batch(&self) -> PixelBatch<'_> {
        PixelBatch::new(self.size, &self.pixels).unwrap()
    }

    fn image(&self, index: usize) -> PixelBatch<'_> {
        let length = self.size * self.size * 3;
        PixelBatch::new(self.size, &self.pixels[index * length..][..length]).unwrap()
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// Turns normalized values back into bytes, with channels innermost.
fn bytes_of(values: &[f32], shape: &[usize], half: bool) -> Vec<u8> {
    let (mean, std) = match half {
        true => ([0.5; 3], [0.5; 3]),
        false => ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.261_302_6, 0.275_777_1]),
    };
    let area = shape[2] * shape[3];
    let mut bytes = vec![0; values.len()];
    for (image, values) in values.chunks_exact(3 * area).enumerate() {
        for (at, value) in values.iter().enumerate() {
            let channel = at / area;
            let byte = (value * std[channel] + mean[channel]) * 255.0;
            assert!((byte - byte.round()).abs() < 1e-2);
            bytes[(image * area + at % area) * 3 + channel] = byte.round() as u8;
        }
    }
    bytes
}

fn texts() -> Vec<String> {
    serde_json::from_slice(&fs::read(data().join("texts.json")).unwrap()).unwrap()
}

/// Checks every row of the table whose model is in `folder`, and returns the number of these rows.
fn check(folder: &Path, texts: &[String]) -> usize {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut rows = 0;
    for row in MODELS.into_iter().filter(|[name, ..]| folder.join(name).is_dir()) {
        let encoder = builder(folder, row).build().unwrap_or_else(|error| panic!("{row:?}: {error}"));
        let expected = Expected::read(folder, row[0]);
        let images = expected.encoded(&encoder);
        let far = difference(images.as_slice(), &expected.images);
        assert!(far <= TOLERANCE, "{row:?}: images differ by {far}");
        let encoded = encoder.encode_texts(&texts).unwrap();
        let far = difference(encoded.as_slice(), &expected.texts);
        assert!(far <= TOLERANCE, "{row:?}: texts differ by {far}");
        rows += 1;
    }
    rows
}

#[test]
fn vectors_equal_the_reference() {
    assert_eq!(check(&data(), &texts()), MODELS.len());
}

/// The full-size golden models are not in the repository. To run this test:
/// `RSCIR_GOLDEN=... cargo test --release -p rscir-encoders --test encoders -- --ignored`
#[test]
#[ignore = "needs RSCIR_GOLDEN"]
fn vectors_equal_the_reference_on_the_originals() {
    #[derive(serde::Deserialize)]
    struct Index {
        texts: Vec<String>,
        token_ids: Vec<Vec<u32>>,
    }
    let folder = PathBuf::from(std::env::var_os("RSCIR_GOLDEN").unwrap()).join("encoders");
    let index: Index = serde_json::from_slice(&fs::read(folder.join("index.json")).unwrap()).unwrap();
    let tokenizer = Tokenizer::clip(77).unwrap();
    for (text, expected) in index.texts.iter().zip(&index.token_ids) {
        let mut ids = tokenizer.encode(text).unwrap();
        ids.resize(77, tokenizer.padding());
        assert_eq!(ids, *expected, "{text}");
    }
    assert_eq!(check(&folder, &index.texts), 6);
}

#[test]
fn both_forms_of_the_same_weights_give_equal_bits() {
    let expected = Expected::read(&data(), "vit_gelu");
    let texts = texts();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let [safetensors, torch] = [0, 1].map(|row| builder(&data(), MODELS[row]).build().unwrap());
    let images = [&safetensors, &torch].map(|encoder| encoder.encode_pixels(expected.batch()).unwrap());
    assert_eq!(images[0], images[1]);
    let encoded = [&safetensors, &torch].map(|encoder| encoder.encode_texts(&texts).unwrap());
    assert_eq!(encoded[0], encoded[1]);
    assert_ne!(safetensors.spec().weights_sha256, torch.spec().weights_sha256);
}

#[test]
fn a_batch_gives_what_its_parts_give() {
    for name in ["vit_gelu", "resnet", "hf_siglip", "dofa_clip", "pe_core"] {
        let encoder = encoder(name);
        let expected = Expected::read(&data(), name);
        // These are more images than the tower takes in one batch.
        let pixels: Vec<u8> = expected.pixels.repeat(4);
        let whole = encoder.encode_pixels(PixelBatch::new(expected.size, &pixels).unwrap()).unwrap();
        assert_eq!(whole.len(), 12);
        for row in 0..whole.len() {
            let alone = encoder.encode_pixels(expected.image(row % 3)).unwrap();
            assert!(difference(alone.row(0), whole.row(row)) <= 1e-5, "{name}, image {row}");
        }
        testing::text_encoder(&encoder, 1e-5);
    }
    let empty = encoder("vit_gelu").encode_pixels(PixelBatch::new(30, &[]).unwrap()).unwrap();
    assert!(empty.is_empty());
}

/// On a CPU a vector is summed in one order, whatever its batch and the number of threads.
#[test]
fn neither_the_batch_nor_the_threads_change_a_bit() {
    let texts = texts();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for precision in [Precision::F32, Precision::Bf16, Precision::I8] {
        let encoder = builder(&data(), MODELS[0]).precision(precision).build().unwrap();
        let expected = Expected::read(&data(), "vit_gelu");
        let pixels: Vec<u8> = expected.pixels.repeat(4);
        let pixels = PixelBatch::new(expected.size, &pixels).unwrap();
        let with_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| (encoder.encode_pixels(pixels).unwrap(), encoder.encode_texts(&texts).unwrap()))
        };
        let (images, vectors) = with_threads(1);
        for threads in [2, 3, 7] {
            assert!(
                with_threads(threads) == (images.clone(), vectors.clone()),
                "{precision}, {threads} threads"
            );
        }
        for row in 0..images.len() {
            let alone = encoder.encode_pixels(expected.image(row % 3)).unwrap();
            assert_eq!(alone.row(0), images.row(row), "{precision}, image {row}");
        }
        for (row, text) in texts.iter().enumerate() {
            let alone = encoder.encode_texts(&[text]).unwrap();
            assert_eq!(alone.row(0), vectors.row(row), "{precision}, text {row}");
        }
    }
}

#[test]
fn many_texts_keep_their_order() {
    let encoder = encoder("vit_gelu");
    let texts: Vec<String> = (0..150).map(|n| "pool ".repeat(n % 9) + &n.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let whole = encoder.encode_texts(&texts).unwrap();
    for row in [0, 1, 63, 64, 149] {
        let alone = encoder.encode_texts(&texts[row..=row]).unwrap();
        assert!(difference(alone.row(0), whole.row(row)) <= 1e-5, "text {row}");
    }
}

#[test]
fn the_activation_decides_and_the_spec_tells() {
    let folder = tempfile::tempdir().unwrap();
    let config = fs::read_to_string(data().join("vit_gelu/open_clip_config.json")).unwrap();
    let quick = folder.path().join("quick.json");
    fs::write(&quick, config.replace("\"embed_dim\"", "\"quick_gelu\": true, \"embed_dim\"")).unwrap();
    let exact = encoder("vit_gelu");
    let quick =
        ClipEncoder::from_files(data().join("vit_gelu/model.pt"), quick).device(Device::Cpu).build().unwrap();
    let expected = Expected::read(&data(), "vit_gelu");
    let vectors = [&exact, &quick].map(|encoder| encoder.encode_pixels(expected.batch()).unwrap());
    assert!(difference(vectors[0].as_slice(), vectors[1].as_slice()) > 1e-3);

    let mut spec = quick.spec().clone();
    assert_eq!(spec.activation, Some(Activation::QuickGelu.into()));
    spec.weights_sha256.clone_from(&exact.spec().weights_sha256);
    let mismatch = exact.spec().check(&spec).unwrap_err();
    assert_eq!((mismatch.field, mismatch.archive.as_str()), ("activation", "gelu"));
}

#[test]
fn wavelengths_decide_and_the_spec_tells() {
    let build = |name: &str, wavelengths| {
        let row = MODELS.into_iter().find(|[model, ..]| *model == name).unwrap();
        builder(&data(), row).wavelengths(wavelengths).build()
    };
    let infrared = Wavelengths::new([0.842, 0.665, 0.56]).unwrap();
    let other = build("dofa_clip", infrared).unwrap();
    let expected = Expected::read(&data(), "dofa_clip");
    let images = other.encode_pixels(expected.batch()).unwrap();
    let bytes = fs::read(data().join("expected.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let reference = floats(file.tensor("dofa_clip.infrared").unwrap().data());
    assert!(difference(images.as_slice(), &reference) <= TOLERANCE);
    assert!(difference(images.as_slice(), &expected.images) > 0.01);

    let rgb = encoder("dofa_clip");
    assert_eq!(rgb.config().wavelengths(), Some(Wavelengths::RGB));
    let mismatch = rgb.spec().check(other.spec()).unwrap_err();
    assert_eq!(mismatch.field, "wavelengths");
    assert_eq!([mismatch.archive, mismatch.query], ["0.665, 0.56, 0.49 um", "0.842, 0.665, 0.56 um"]);

    assert_eq!(encoder("vit_gelu").spec().wavelengths, None);
    let refused = build("vit_gelu", infrared).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("does not ask for them"), "{refused}");
    assert_eq!(infrared.to_string().parse::<Wavelengths>().unwrap(), infrared);
    assert_eq!("0.842,0.665,0.56".parse::<Wavelengths>().unwrap(), infrared);
    assert!("0.842, 0.665".parse::<Wavelengths>().unwrap_err().to_string().contains("three numbers"));
    for wrong in [665.0, 0.0, -0.56, f32::NAN, f32::INFINITY] {
        let error = Wavelengths::new([0.56, wrong, 0.49]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("wavelengths is {wrong}")), "{error}");
    }
}

/// The checkpoint decides the widths of the generator of patch embeddings, and all of its tensors must fit them.
#[test]
fn a_generator_that_does_not_fit_is_named() {
    let folder = data().join("dofa_clip");
    let bytes = fs::read(folder.join("open_clip_model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
    let temporary = tempfile::tempdir().unwrap();
    let weights = temporary.path().join("model.safetensors");
    let problems = |left_out: &str, instead: Option<[usize; 2]>| {
        let empty = instead.map(|shape| vec![0; 4 * shape[0] * shape[1]]);
        let views = tensors.iter().filter_map(|(name, view)| {
            let view = match (name.ends_with(left_out), instead) {
                (false, _) => view.clone(),
                (true, None) => return None,
                (true, Some(shape)) => {
                    TensorView::new(Dtype::F32, shape.to_vec(), empty.as_deref().unwrap()).unwrap()
                }
            };
            Some((name.clone(), view))
        });
        safetensors::serialize_to_file(views, None, &weights).unwrap();
        let built = ClipEncoder::from_files(&weights, folder.join("open_clip_config.json"))
            .tokenizer(folder.join("tokenizer.json"))
            .device(Device::Cpu)
            .build();
        match built.map(|_| ()) {
            Err(Error::Checkpoint(CheckpointError::Weights { problems, .. })) => problems,
            other => panic!("{left_out}: {other:?}"),
        }
    };
    let name = "visual.trunk.patch_embed.weight_generator.fc_weight.weight".to_owned();
    assert_eq!(
        problems("fc_weight.weight", None),
        [TensorProblem::Missing { name, expected: vec![256, 12] }]
    );
    // Without the tensor that tells the widths, they are those of the authors.
    let name = "visual.trunk.patch_embed.weight_generator.weight_tokens".to_owned();
    let missing = problems("weight_tokens", None);
    let expected = vec![128, 128];
    assert!(missing.contains(&TensorProblem::Missing { name: name.clone(), expected }), "{missing:?}");
    // Only the biases of the last two layers fit, because the width of the tower decides their shapes.
    assert_eq!(missing.len(), 20);
    // The same holds if the widths of the file are impossible: no tokens, no width, a width that four heads do not
    // divide, or too many tokens.
    for got in [[0, 12], [5, 0], [5, 10], [2049, 12]] {
        let expected = vec![128, 128];
        let shape = TensorProblem::Shape { name: name.clone(), expected, got: got.to_vec() };
        assert!(problems("weight_tokens", Some(got)).contains(&shape), "{got:?}");
    }
}

/// The bounds are for models this narrow, whose sums average out few errors. Wider models come closer.
#[test]
fn less_precise_weights_give_nearly_the_same_vectors() {
    let texts = texts();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    // Both files of `vit_gelu` hold the same weights.
    for row in MODELS.into_iter().filter(|row| *row != MODELS[1]) {
        let exact = builder(&data(), row).build().unwrap();
        let expected = Expected::read(&data(), row[0]);
        for (precision, least) in [(Precision::Bf16, 0.9999), (Precision::I8, 0.9995)] {
            let other = builder(&data(), row).precision(precision).build().unwrap();
            for (exact, other) in [
                (expected.encoded(&exact), expected.encoded(&other)),
                (exact.encode_texts(&texts).unwrap(), other.encode_texts(&texts).unwrap()),
            ] {
                for (a, b) in exact.rows().zip(other.rows()) {
                    let cosine: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                    assert!(cosine >= least && cosine < 0.999_999_9, "{row:?}, {precision}: {cosine}");
                }
            }
            let mismatch = exact.spec().check(other.spec()).unwrap_err();
            assert_eq!((mismatch.field, mismatch.query), ("precision", precision.to_string()));
        }
    }
    let refused = builder(&data(), MODELS[0]).precision(Precision::F16).build().map(|_| ()).unwrap_err();
    assert!(refused.to_string().contains("f16 on cpu"), "{refused}");
}

#[test]
fn the_spec_names_everything() {
    let spec = encoder("resnet").spec().clone();
    assert_eq!(spec.model.as_deref(), Some("resnet"));
    assert_eq!(
        spec.architecture.as_deref().unwrap(),
        "resnet(image=64,width=4,layers=1/2/1/1,heads=8)+text(context=20,vocabulary=49408,width=8,layers=2,heads=2)"
    );
    let tokenizer = spec.tokenizer.unwrap();
    assert!(tokenizer.starts_with("clip-bpe(context=20,sha256="), "{tokenizer}");
    assert_eq!((spec.dim, spec.weights_sha256.unwrap().len()), (20, 64));
    assert_eq!(
        encoder("dofa_clip").spec().architecture.as_deref().unwrap(),
        "vit(image=14,patch=4,width=16,layers=2,heads=2,hidden=41,epsilon=1e-6,patches=dofa,no_ln_pre,pool=map)\
         +text(context=16,vocabulary=30,width=16,layers=2,heads=2,hidden=41,epsilon=1e-6,bidirectional,pool=last)"
    );
    let options = encoder("vit_options").spec().clone();
    assert_eq!(options.activation, Some(Activation::GeluTanh.into()));
    assert_eq!(
        options.architecture.as_deref().unwrap(),
        "vit(image=24,patch=8,width=32,layers=2,heads=2,hidden=80,epsilon=1e-4,no_ln_pre,pool=mean,ln_after_pool)\
         +text(context=20,vocabulary=49408,width=8,layers=2,heads=2,epsilon=1e-4,pool=token:49407)"
    );
}

#[test]
fn a_token_can_be_replaced_by_its_own_embedding() {
    let encoder = encoder("hf_siglip");
    let bytes = fs::read(data().join("hf_siglip/model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let table = floats(file.tensor("text_model.embeddings.token_embedding.weight").unwrap().data());
    // The tokenizer of this model has letters as tokens: "x" is its 26th token.
    let row = |token: usize| &table[token * 32..][..32];
    let encode =
        |text, marker, embedding| encoder.encode_injected(&[InjectedPrompt { text, marker, embedding }]);
    let plain = encoder.encode_texts(&["a x b", "a z b"]).unwrap();
    let same = encode("a x b", "x", row(25)).unwrap();
    assert_eq!(same.row(0), plain.row(0));
    let other = encode("a x b", "x", row(27)).unwrap();
    assert_eq!(other.row(0), plain.row(1));

    for (text, marker) in [("a b", "x"), ("x a x", "x"), ("a x y", "x y"), ("a x", "")] {
        let error = encode(text, marker, row(25)).unwrap_err();
        assert!(error.to_string().contains("exactly one token"), "{error}");
    }
    assert!(matches!(encode("x", "x", &[0.0; 31]), Err(rscir_core::Error::Length { .. })));
}

#[test]
fn a_padding_that_is_looked_at_must_be_known() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = folder.path().join("tokenizer.json");
    fs::copy(data().join("hf_siglip/tokenizer.json"), &tokenizer).unwrap();
    let row = MODELS.into_iter().find(|[name, ..]| *name == "hf_siglip").unwrap();
    let build = || builder(&data(), row).tokenizer(&tokenizer).build().map(|_| ());
    let error = build().unwrap_err();
    assert!(
        matches!(error, Error::NoPadding) && error.to_string().contains("tokenizer_config.json"),
        "{error}"
    );
    fs::copy(data().join("hf_siglip/tokenizer_config.json"), folder.path().join("tokenizer_config.json"))
        .unwrap();
    assert!(build().is_ok());
}

#[test]
fn templates_are_averaged() {
    let encoder = encoder("vit_gelu");
    let one = encode_with_templates(&encoder, &["pool", "river"], &[SATELLITE_IMAGE]).unwrap();
    let plain = encoder.encode_texts(&["a satellite image of pool", "a satellite image of river"]).unwrap();
    assert!(difference(one.as_slice(), plain.as_slice()) <= 1e-5);

    let two = encode_with_templates(&encoder, &["pool"], &["{}", "a {} from above"]).unwrap();
    let parts = encoder.encode_texts(&["pool", "a pool from above"]).unwrap();
    let mean: Vec<f32> = parts.row(0).iter().zip(parts.row(1)).map(|(a, b)| a + b).collect();
    let mean = Embeddings::normalize(parts.dim(), mean).unwrap();
    assert!(difference(two.as_slice(), mean.as_slice()) <= 1e-6);

    assert!(encode_with_templates(&encoder, &["pool"], &[]).is_err());
    let error = encode_with_templates(&encoder, &["pool"], &["{}", "a pool"]).unwrap_err();
    assert!(error.to_string().contains("template is a pool"), "{error}");
}

#[test]
fn a_folder_is_a_model() {
    let by_folder = ClipEncoder::from_folder(data().join("hf_clip")).device(Device::Cpu).build().unwrap();
    assert_eq!(by_folder.spec(), encoder("hf_clip").spec());
    for (folder, message) in [("", "neither open_clip_config.json nor config.json"), ("nowhere", "neither")] {
        let error = ClipEncoder::from_folder(data().join(folder)).build().map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[test]
fn a_registry_model_takes_local_weights_and_refuses_others() {
    let weights = data().join("vit_gelu/model.pt");
    let build = |name: &str| {
        ClipEncoder::from_registry(name).unwrap().weights(&weights).device(Device::Cpu).build().map(|_| ())
    };
    // The weights are those of a smaller model. The error names all tensors that do not fit at once.
    let Err(Error::Checkpoint(CheckpointError::Weights { problems, .. })) = build("clip-vit-b-32") else {
        panic!("other weights are refused")
    };
    let missing = problems.iter().filter(|p| matches!(p, TensorProblem::Missing { .. })).count();
    // In each tower, 10 of 12 blocks are missing, each with 12 tensors.
    assert_eq!(missing, 2 * 10 * 12);
    assert!(
        problems
            .iter()
            .any(|p| matches!(p, TensorProblem::Shape { name, .. } if name == "visual.conv1.weight"))
    );

    assert!(matches!(ClipEncoder::from_registry("clip-vit-l14"), Err(Error::UnknownModel { .. })));
    let unpublished = ClipEncoder::from_registry("skyclip-vit-l-14-quickgelu").unwrap().build();
    assert!(matches!(unpublished, Err(Error::NotPublished { .. })));
    assert!(models().len() > 20);
}

#[test]
fn configurations_that_would_change_the_result_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let config = fs::read_to_string(data().join("vit_gelu/open_clip_config.json")).unwrap();
    let refused = |from: &str, to: &str| {
        fs::write(&path, config.replacen(from, to, 1)).unwrap();
        let weights = data().join("vit_gelu/model.pt");
        ClipEncoder::from_files(weights, &path).device(Device::Cpu).build().map(|_| ()).unwrap_err()
    };
    for (from, to, message) in [
        ("\"image_size\"", "\"qk_norm\": true, \"image_size\"", "vision_cfg.qk_norm is true"),
        ("\"image_size\"", "\"attentional_pool\": true, \"image_size\"", "vision_cfg.attentional_pool"),
        ("\"context_length\"", "\"embed_cls\": true, \"context_length\"", "text_cfg.embed_cls"),
        ("\"context_length\"", "\"hf_model_name\": \"x\", \"context_length\"", "text_cfg.hf_model_name"),
        ("\"embed_dim\"", "\"multimodal_cfg\": {}, \"embed_dim\"", "multimodal_cfg"),
        ("\"patch_size\": 14", "\"patch_size\": 0", "vision_cfg.patch_size is 0"),
        ("\"patch_size\": 14", "\"patch_size\": 31", "vision_cfg.patch_size is 31"),
        ("\"width\": 64", "\"head_width\": 0, \"width\": 64", "number of heads is 0"),
        ("\"heads\": 2", "\"heads\": 3", "number of heads is 3"),
        ("\"layers\": 2", "\"layers\": 18446744073709551615", "vision_cfg.layers"),
        ("\"layers\": 2", "\"mlp_ratio\": 1e300, \"layers\": 2", "mlp_ratio times width"),
        ("\"layers\": 2", "\"norm_kwargs\": {\"eps\": 0}, \"layers\": 2", "norm_kwargs.eps is 0"),
        ("\"layers\": 2", "\"act_kwargs\": {\"inplace\": true}, \"layers\": 2", "act_kwargs.inplace"),
        ("\"context_length\": 20", "\"context_length\": 2", "context_length is 2"),
        ("\"vocab_size\": 49408", "\"vocab_size\": 100", "49408 ids, the text tower 100"),
        ("\"image_size\": 30", "\"image_size\": [30, 28]", "30 x 28"),
    ] {
        let error = refused(from, to).to_string();
        assert!(error.contains(message), "{to}: {error}");
    }
    // Keys that switch something off, or have no influence, are allowed.
    for to in ["\"qk_norm\": false, \"image_size\"", "\"patch_dropout\": 0.4, \"image_size\""] {
        fs::write(&path, config.replacen("\"image_size\"", to, 1)).unwrap();
        let weights = data().join("vit_gelu/model.pt");
        assert!(ClipEncoder::from_files(weights, &path).device(Device::Cpu).build().is_ok());
    }
    let error = refused("\"embed_dim\"", "\"dim\"");
    assert!(matches!(&error, Error::Config { .. }) && error.to_string().contains("config.json"), "{error}");
}

#[test]
#[cfg_attr(feature = "cuda", ignore = "the machine may have a GPU that can be used")]
fn a_gpu_that_cannot_be_used_is_an_error_and_auto_is_not() {
    let at = |device| builder(&data(), MODELS[0]).device(device).build();
    assert!(matches!(at(Device::Cuda(0)), Err(Error::Device { .. })));
    let auto = at(Device::Auto).unwrap();
    assert_eq!(auto.device(), Device::Cpu);
    assert!(auto.device_fallback().unwrap().contains("cuda"));
}
