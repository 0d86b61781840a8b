//! Holds the programs to the checks that they make before they encode images, so that no work is lost.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Run, example, finish, repository, run};
use rscir::prelude::*;

/// A PNG of two pixels of 16 bits, 1000 and 2000, which are both white if values above 255 are cut off.
const GRAY_16: &[u8] =
    b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x02\x00\x00\x00\x01\x10\x00\x00\x00\x00\
    \x81\xd9\xfc\x15\x00\x00\x00\x0dIDATx\x9cc`~\xc1~\x01\x00\x03\xa7\x01\xc3\xff\x96\xbb\xba\x00\
    \x00\x00\x00IEND\xaeB`\x82";

/// A folder with images and room for outputs.
struct Bed {
    folder: tempfile::TempDir,
}

impl Bed {
    fn new() -> Self {
        let bed = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(bed.path("images")).unwrap();
        for name in ["a1.jpg", "a2.jpg"] {
            fs::copy(repository("tests/data/ingest/tile.jpg"), bed.path("images").join(name)).unwrap();
        }
        bed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the program on the images, with options whose values are paths within the folder.
    fn extract(&self, options: &[(&str, &str)]) -> Run {
        let mut command = example("extract_features");
        command.arg("--images").arg(self.path("images"));
        for (option, name) in options {
            command.arg(option).arg(self.path(name));
        }
        finish(&mut command)
    }
}

/// Panics if images were encoded: one of them is broken, and would have been reported.
#[track_caller]
fn assert_nothing_was_encoded(run: &Run) {
    let reported = run.err.lines().any(|line| line.starts_with("failed: "));
    assert!(!reported, "images were encoded first: {}", run.err);
}

#[test]
fn outputs_that_cannot_be_written_are_told_of_before_the_first_image() {
    let bed = Bed::new();
    fs::write(bed.path("images/broken.jpg"), "no image").unwrap();
    fs::create_dir_all(bed.path("folder.npy")).unwrap();
    fs::write(bed.path("file.rscir"), "").unwrap();
    fs::write(bed.path("texts.txt"), "sand\n").unwrap();
    for (options, says) in [
        (&[("--export", "out.csv")][..], "the extension \"csv\" names no format of features"),
        (&[("--export", "missing/f.npy")], "missing"),
        (&[("--export", "folder.npy")], "folder"),
        (&[("--archive", "a.rscir"), ("--failures", "missing/list.jsonl")], "missing"),
        (&[("--archive", "a.rscir"), ("--texts", "texts.txt"), ("--export-texts", "t.txt")], "\"txt\""),
        (&[("--archive", "a.rscir"), ("--texts", "none.txt"), ("--export-texts", "t.npy")], "none.txt"),
        (&[("--archive", "file.rscir")], "an archive is a folder"),
        (&[("--archive", "a.rscir"), ("--export", "a.rscir")], "two outputs cannot be one file"),
        (&[], "say where the features go"),
        #[cfg(not(feature = "tables"))]
        (&[("--export", "f.parquet")], "parquet if built with the feature `tables`"),
    ] {
        let run = bed.extract(options).ends_with(1).says(says);
        assert_nothing_was_encoded(&run);
        assert!(!bed.path("a.rscir").exists(), "{options:?} made an archive first");
    }
    // If no image can be encoded, nothing is written, and the program says so.
    fs::create_dir(bed.path("broken")).unwrap();
    fs::rename(bed.path("images/broken.jpg"), bed.path("broken/broken.jpg")).unwrap();
    let mut command = example("extract_features");
    command.arg("--images").arg(bed.path("broken")).arg("--export").arg(bed.path("g.npy"));
    finish(&mut command).ends_with(1).says("g.npy: not written, none of the images has a row");
    fs::rename(bed.path("broken/broken.jpg"), bed.path("images/broken.jpg")).unwrap();
    // With outputs that can be written, the broken image of the same folder is reported.
    bed.extract(&[("--archive", "a.rscir"), ("--export", "f.npy")]).ends_with(3).says("failed: ");
}

#[test]
fn a_list_without_any_file_is_the_list_of_another_folder() {
    let bed = Bed::new();
    let list = "images/x.jpg 0 harbor\nimages/y.jpg 0 harbor\n";
    fs::write(bed.path("patternnet.csv"), list).unwrap();
    fs::create_dir(bed.path("PatternCom")).unwrap();
    fs::write(bed.path("PatternCom/color.csv"), "x.jpg,color,red\ny.jpg,color,blue\n").unwrap();
    let dataset = bed.folder.path().to_str().unwrap();
    let archive = bed.path("a.rscir");
    for (program, more) in
        [("extract_features", vec!["--archive", archive.to_str().unwrap()]), ("evaluate_patterncom", vec![])]
    {
        let run = run(program, &[&["--dataset", dataset][..], &more].concat()).ends_with(1);
        assert_nothing_was_encoded(&run.says("none of the 2 files of the list is there"));
    }
    assert!(!archive.exists());
}

#[test]
fn text_features_are_complete_before_images_are_encoded() {
    let bed = Bed::new();
    fs::write(bed.path("images/broken.jpg"), "no image").unwrap();
    let list = "images/a1.jpg 0 harbor\nimages/broken.jpg 0 harbor\nimages/a2.jpg 0 harbor\n";
    fs::write(bed.path("patternnet.csv"), list).unwrap();
    fs::create_dir(bed.path("PatternCom")).unwrap();
    fs::write(bed.path("PatternCom/color.csv"), "a1.jpg,color,red\na2.jpg,color,blue\n").unwrap();
    let texts = |words: &[&str]| {
        let keys: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        let rows = Embeddings::normalize(256, vec![1.0; 256 * keys.len()]).unwrap();
        let path = bed.path("texts.safetensors");
        Features::new(keys, rows).unwrap().write(&path).unwrap();
        path
    };
    let evaluate = |texts: &Path| {
        let mut command = example("evaluate_patterncom");
        command.arg("--dataset").arg(bed.folder.path()).arg("--text-features").arg(texts);
        finish(&mut command)
    };
    let run = evaluate(&texts(&["red"]))
        .ends_with(1)
        .says("texts.safetensors")
        .says("the text features lack \"blue\", which color asks with")
        .says("extract_features --texts FILE --export-texts FILE");
    assert_nothing_was_encoded(&run);
    assert_nothing_was_encoded(&evaluate(&bed.path("none.npy")).ends_with(1).says("none.npy"));
    evaluate(&texts(&["red", "blue"])).ends_with(3).says("failed: ");
}

#[test]
fn reports_and_pages_have_a_place_before_images_are_encoded() {
    let bed = Bed::new();
    fs::write(bed.path("file"), "").unwrap();
    let at = |name: &str| bed.path(name).to_str().unwrap().to_string();
    for (program, option, path) in [
        ("evaluate_patterncom", "--output", at("file")),
        ("evaluate_patterncom", "--page", at("file/page")),
        ("compare_methods", "--page", at("images")),
        ("query_picture", "--output", at("missing/q.svg")),
    ] {
        let run = run(program, &[option, path.as_str()]).ends_with(1);
        let named = path.trim_end_matches("/page").trim_end_matches("/q.svg");
        assert!(run.out.is_empty() && run.err.contains(named), "{program}: {} {}", run.out, run.err);
    }
    // Each file of the report is checked, and not only the folder.
    for part in ["metrics.csv", "rows.tex", "summary.json", "summary.md"] {
        fs::create_dir_all(bed.path("report").join(part)).unwrap();
        let run = run("evaluate_patterncom", &["--output", at("report").as_str()]).ends_with(1).says(part);
        assert!(run.out.is_empty(), "{part}: {}", run.out);
        fs::remove_dir(bed.path("report").join(part)).unwrap();
    }
    let run_of =
        |options: &[&str]| run("query_picture", &[options, &["--output", at("q.svg").as_str()]].concat());
    run_of(&["--attribute", "hue"]).ends_with(1).says("there is no attribute \"hue\"");
    run_of(&["--top", "0"]).ends_with(2).says("--top");
    run_of(&["--top", "18446744073709551615"]).ends_with(2).says("--top");
    run_of(&["--text", "lava"]).ends_with(1).says("is not asked for \"lava\"");
    run("evaluate_patterncom", &["--methods", "image", "--sweep"]).ends_with(2).says("--methods");
}

#[test]
#[cfg(unix)]
fn a_list_of_failures_takes_the_place_of_a_link_and_leaves_what_it_leads_to() {
    let bed = Bed::new();
    fs::write(bed.path("images/broken.jpg"), "no image").unwrap();
    fs::write(bed.path("precious"), "precious").unwrap();
    std::os::unix::fs::symlink(bed.path("precious"), bed.path("list.jsonl")).unwrap();
    bed.extract(&[("--archive", "a.rscir"), ("--failures", "list.jsonl")]).ends_with(3);
    assert_eq!(fs::read_to_string(bed.path("precious")).unwrap(), "precious");
    assert!(fs::read_to_string(bed.path("list.jsonl")).unwrap().contains("broken.jpg"));
}

#[test]
fn an_evaluation_says_which_images_were_odd_and_what_decodes_those_that_failed() {
    let bed = Bed::new();
    fs::write(bed.path("images/a2.jpg"), GRAY_16).unwrap();
    fs::write(bed.path("patternnet.csv"), "images/a1.jpg 0 harbor\nimages/a2.jpg 0 harbor\n").unwrap();
    fs::create_dir(bed.path("PatternCom")).unwrap();
    fs::write(bed.path("PatternCom/color.csv"), "a1.jpg,color,red\na2.jpg,color,blue\n").unwrap();
    for options in [&["evaluate_patterncom"][..], &["compare_methods", "--methods", "image", "--page"]] {
        let mut command = example(options[0]);
        command.args(&options[1..]);
        if options.len() > 1 {
            command.arg(bed.path("page.html"));
        }
        finish(command.arg("--dataset").arg(bed.folder.path()))
            .ends_with(0)
            .says("1 images are all one color after decoding (images/a2.jpg)")
            .says("--decode \"stretch=percentile(2, 98)\"");
    }
}

#[test]
fn a_model_that_cannot_be_is_told_of_first() {
    let bed = Bed::new();
    let missing = bed.path("none.pt");
    finish(example("search").args(["--text", "x", "--archive", "nowhere", "--checkpoint"]).arg(&missing))
        .ends_with(1)
        .says("none.pt");
    run("search", &["--text", "x", "--checkpoint", "Cargo.toml"])
        .ends_with(1)
        .says("--config FILE or --model NAME");
}

#[test]
fn more_texts_than_are_encoded_at_a_time_are_counted_and_refused() {
    let folder = tempfile::tempdir().unwrap();
    let texts = folder.path().join("texts.txt");
    fs::write(&texts, "a\n".repeat(1_000_001)).unwrap();
    let mut command = example("extract_features");
    command.arg("--texts").arg(&texts).arg("--export-texts").arg(folder.path().join("t.safetensors"));
    let run = finish(&mut command).ends_with(1).says("holds 1000001 texts").says("split the file");
    assert_nothing_was_encoded(&run);
    assert!(!folder.path().join("t.safetensors").exists());
}
