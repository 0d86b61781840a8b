//! A photo becomes the vector that the publishers of each family make of it, and another vector if it is prepared in
//! another way.

mod common;

use common::{TOLERANCE, difference, folder, tensor};
use rscir_core::{ImageEncoder, RgbView, TextEncoder};
use rscir_encoders::{ClipEncoder, Device, Model};
use serde_json::{Value, json};

/// What another preparation changes at the least: far from the tolerance.
const SEEN: f32 = 2e-3;

/// Models of the table, with preparations of other families that could be mistaken for theirs.
const FAMILIES: [(&str, &str, &[&str]); 4] = [
    ("siglip_timm", "open_clip_model.safetensors", &["crop", "bilinear", "openai"]),
    ("farslip", "model.pt", &["squash", "bilinear", "half"]),
    ("dgtrs_clip", "model.pt", &["squash", "bilinear", "half"]),
    ("pe_core", "open_clip_model.safetensors", &["crop", "bicubic", "openai"]),
];

/// The vector of the photo as the model with another configuration makes it.
fn vector(name: &str, weights: &str, change: impl FnOnce(&mut Value)) -> Vec<f32> {
    let config = std::fs::read(folder(name).join("open_clip_config.json")).unwrap();
    let mut config: Value = serde_json::from_slice(&config).unwrap();
    change(&mut config["preprocess_cfg"]);
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("open_clip_config.json");
    std::fs::write(&path, config.to_string()).unwrap();
    let encoder = ClipEncoder::from_files(folder(name).join(weights), path)
        .tokenizer(folder(name).join("tokenizer.json"))
        .device(Device::Cpu)
        .build()
        .unwrap();
    let (shape, photo) = tensor("photo");
    let vectors = encoder.encode_image(RgbView::new(shape[1], shape[0], &photo).unwrap()).unwrap();
    vectors.row(0).to_vec()
}

fn changed(preprocess: &mut Value, change: &str) {
    match change {
        "crop" => preprocess["resize_mode"] = json!("shortest"),
        "squash" => preprocess["resize_mode"] = json!("squash"),
        "bilinear" => preprocess["interpolation"] = json!("bilinear"),
        "bicubic" => preprocess["interpolation"] = json!("bicubic"),
        "openai" => {
            preprocess["mean"] = json!([0.48145466, 0.4578275, 0.40821073]);
            preprocess["std"] = json!([0.26862954, 0.26130258, 0.27577711]);
        }
        "half" => (preprocess["mean"], preprocess["std"]) = (json!([0.5, 0.5, 0.5]), json!([0.5, 0.5, 0.5])),
        other => panic!("{other}"),
    }
}

#[test]
fn a_photo_is_prepared_as_its_family_does_it_and_no_other_way() {
    for (name, weights, changes) in FAMILIES {
        let (_, bytes) = tensor(&format!("{name}.photo"));
        let expected: Vec<f32> = bytes.as_chunks().0.iter().copied().map(f32::from_le_bytes).collect();
        let far = difference(&vector(name, weights, |_| {}), &expected);
        assert!(far <= TOLERANCE, "{name}: {far}");
        for change in changes {
            let far = difference(&vector(name, weights, |preprocess| changed(preprocess, change)), &expected);
            assert!(far >= SEEN, "{name}, {change}: {far}");
        }
    }
}

#[test]
fn registered_models_prepare_images_as_their_publishers() {
    const HALF: &str = "mean=[0.5, 0.5, 0.5] std=[0.5, 0.5, 0.5]";
    const OPENAI: &str = "mean=[0.48145467, 0.4578275, 0.40821072] std=[0.26862955, 0.2613026, 0.2757771]";
    for (name, expected) in [
        ("siglip-so400m-14-384", format!("size=384 resize=squash interpolation=bicubic {HALF}")),
        ("pe-core-b-16", format!("size=224 resize=squash interpolation=bilinear {HALF}")),
        ("pe-core-l-14-336", format!("size=336 resize=squash interpolation=bilinear {HALF}")),
        ("pe-core-s-16-384", format!("size=384 resize=squash interpolation=bilinear {HALF}")),
        ("farslip1-vit-b-32-quickgelu", format!("size=224 resize=shortest interpolation=bicubic {OPENAI}")),
        ("farslip2-vit-b-16-quickgelu", format!("size=224 resize=shortest interpolation=bicubic {OPENAI}")),
        ("dgtrs-clip-vit-l-14-quickgelu", format!("size=224 resize=shortest interpolation=bicubic {OPENAI}")),
    ] {
        assert_eq!(Model::find(name).unwrap().preprocessing().to_string(), expected, "{name}");
    }
}

/// FarSLIP's models share one configuration, but some have text towers for 77 tokens, and others for 248.
#[test]
fn the_weights_tell_how_long_texts_may_be() {
    let build = |name: &str, weights: &str| {
        ClipEncoder::from_files(folder(name).join(weights), folder(name).join("open_clip_config.json"))
            .device(Device::Cpu)
            .build()
            .unwrap()
    };
    let long = build("farslip", "model.pt");
    let said = std::fs::read_to_string(folder("farslip").join("open_clip_config.json")).unwrap();
    assert!(said.contains("\"context_length\": 77"), "{said}");
    assert_eq!(long.tokenizer().context(), 248);
    assert!(long.spec().architecture.as_deref().unwrap().contains("text(context=248,"));
    assert!(long.resized().is_empty());
    // Only a tower for 248 tokens can tell these texts apart.
    let texts = ["a ".repeat(100) + "b", "a ".repeat(100) + "c"];
    let vectors = long.encode_texts(&[&texts[0], &texts[1]]).unwrap();
    assert_ne!(vectors.row(0), vectors.row(1));
    assert_eq!(build("vit_gelu", "model.pt").tokenizer().context(), 20);
}
