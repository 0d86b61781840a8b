//! Checks how the programs find the demo's data, which packages do not have.

mod common;

use common::{example, finish, repository};

#[test]
fn a_program_without_the_data_says_where_to_get_them() {
    let nothing = tempfile::tempdir().unwrap();
    for name in ["search", "evaluate_patterncom"] {
        let mut command = example(name);
        if name == "search" {
            command.args(["--text", "sand"]);
        }
        let run = finish(command.env("RSCIR_DATA", nothing.path())).ends_with(1);
        let run = run.says("git clone https://github.com/rscir/rscir").says("--help");
        run.says(nothing.path().to_str().unwrap());
    }
}

#[test]
fn a_variable_tells_where_the_data_are() {
    let mut command = example("extract_features");
    let output = tempfile::tempdir().unwrap();
    command.arg("--images").arg(repository("data/demo/benchmark/images/harbor"));
    command.arg("--archive").arg(output.path().join("harbor.rscir"));
    // The folder has another name, and only the model is in it.
    let elsewhere = output.path().join("elsewhere");
    std::fs::create_dir_all(elsewhere.join("demo/model")).unwrap();
    for file in std::fs::read_dir(repository("data/demo/model")).unwrap() {
        let file = file.unwrap().path();
        std::fs::copy(&file, elsewhere.join("demo/model").join(file.file_name().unwrap())).unwrap();
    }
    finish(command.env("RSCIR_DATA", &elsewhere)).ends_with(0).says("30 rows");
}
