//! Holds the table of models in docs/models.md to the registry.

mod common;

use std::fs;

use common::repository;

#[test]
fn the_page_of_models_has_every_name_of_the_registry_with_its_sizes_its_license_and_its_weights() {
    let page = fs::read_to_string(repository("docs/models.md")).unwrap();
    let (_, table) = page.split_once("## All names").unwrap();
    let printed: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    let row = |model: &rscir::encoders::Model| {
        let weights = model.hub.map_or("not on the hub as one file".to_owned(), |file| {
            format!("[{0}](https://huggingface.co/{0})", file.repository)
        });
        let (dim, side, license) = (model.dim(), model.image_size(), model.license);
        format!("| `{}` | {dim} | {side} | {license} | {weights} |", model.name)
    };
    let ours: Vec<String> = rscir::models().iter().map(row).collect();
    assert_eq!(printed, ours);
    // README and COMPARE.md count them.
    for (file, words) in [
        ("README.md", format!("{} models by name", ours.len())),
        ("COMPARE.md", format!("{} by name", ours.len())),
    ] {
        assert!(fs::read_to_string(repository(file)).unwrap().contains(&words), "{file} has no {words:?}");
    }
}
