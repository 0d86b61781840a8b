//! Runs the program that reproduces the published table, on the demo in place of PatternNet.

mod common;

use common::repository;

#[test]
fn everything_missing_is_named_at_once() {
    let nothing: [&str; 0] = [];
    common::run("reproduce", &nothing)
        .ends_with(1)
        .says("PatternNet's images/: give --dataset DIR; from sites.google.com/view/zhouwx/dataset")
        .says("patternnet.csv, the order of the tiles: give --dataset DIR; from github.com/billpsomas/rscir")
        .says("PatternCom/shape.csv")
        .says("the weights of CLIP ViT-L/14: give --clip FILE")
        .says("the weights of RemoteCLIP ViT-L/14: give --remoteclip FILE (one of the two will do); from huggingface.co/chendelong/RemoteCLIP");

    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("images")).unwrap();
    let absent = folder.path().join("RemoteCLIP-ViT-L-14.pt");
    let arguments =
        ["--dataset".as_ref(), folder.path().as_os_str(), "--remoteclip".as_ref(), absent.as_os_str()];
    let run = common::run("reproduce", &arguments).ends_with(1);
    let run = run.says(&format!("patternnet.csv, the order of the tiles: {}", folder.path().display()));
    let run = run.says("RemoteCLIP-ViT-L-14.pt is not there");
    assert!(!run.err.contains("images/:") && !run.err.contains("CLIP-ViT-L-14.bin"), "{}", run.err);
}

#[test]
fn the_steps_run_on_the_demo_and_again_from_the_archive() {
    let folder = tempfile::tempdir().unwrap();
    let run = || {
        let model = repository("data/demo/model");
        common::finish(
            common::example("reproduce")
                .arg("--dataset")
                .arg(repository("data/demo/benchmark"))
                .arg("--clip")
                .arg(model.join("open_clip_model.safetensors"))
                .arg("--config")
                .arg(model.join("open_clip_config.json"))
                .arg("--archives")
                .arg(folder.path()),
        )
        // The demo's figures are not the published ones, and the program says so.
        .ends_with(3)
    };
    let first = run().says("630 encoded, 0 unchanged, 0 failed").says("RemoteCLIP: no weights given");
    assert!(first.out.contains("630 images, where PatternNet has 30400: these figures cannot be compared"));
    assert!(first.out.contains("0 of 5 rows are met within 0.3 points."), "{}", first.out);
    // The figure is that of data/demo/model/results.json, and the difference is from the published 14.66.
    let results = std::fs::read_to_string(repository("data/demo/model/results.json")).unwrap();
    let results: serde_json::Value = serde_json::from_str(&results).unwrap();
    let golden = results["benchmark"]["image"]["color"].as_f64().unwrap();
    let row = first.out.lines().find(|line| line.starts_with("| image |")).unwrap();
    let cell = row.split('|').nth(2).unwrap().trim();
    let (ours, difference) = cell.trim_end_matches(')').split_once(" (").unwrap();
    let (ours, difference): (f64, f64) = (ours.parse().unwrap(), difference.parse().unwrap());
    assert!((ours - golden).abs() <= 0.1, "{row}");
    assert!((difference - (ours - 14.66)).abs() < 0.006, "{row}");

    let again = run().says("0 encoded, 630 unchanged, 0 failed");
    assert_eq!(again.out, first.out);
}

#[test]
fn weights_that_are_no_file_are_told_of_before_the_first_backbone_is_computed() {
    let folder = tempfile::tempdir().unwrap();
    let archives = folder.path().join("archives");
    let model = repository("data/demo/model");
    let mut command = common::example("reproduce");
    command.arg("--dataset").arg(repository("data/demo/benchmark")).arg("--archives").arg(&archives);
    command.arg("--clip").arg(model.join("open_clip_model.safetensors"));
    command.arg("--config").arg(model.join("open_clip_config.json")).arg("--remoteclip").arg(folder.path());
    common::finish(&mut command).ends_with(1).says("this is a folder");
    assert!(!archives.exists(), "nothing was begun");
}
