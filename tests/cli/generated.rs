//! Files in the repository that are made by `infer` itself. `INFER_UPDATE=1` writes them anew.

use std::{collections::BTreeSet, fs, path::Path};

use infer::for_tests::render::Template;

use crate::support::infer::Workplace;

/// Compares a committed file with what it should be, or writes it under `INFER_UPDATE=1`.
#[track_caller]
pub(super) fn assert_equal_or_update(path: &Path, expected: &str) {
    if std::env::var_os("INFER_UPDATE").is_some_and(|value| value == "1") {
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        fs::write(path, expected).expect("a written file");
        return;
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    if found == expected {
        return;
    }
    let differing = found
        .lines()
        .zip(expected.lines())
        .position(|(a, b)| a != b);
    let line = differing.unwrap_or_else(|| found.lines().count().min(expected.lines().count()));
    panic!(
        "{} is not what infer writes, from line {} on:\n  there:    {}\n  expected: {}\n\
         Run the test again with INFER_UPDATE=1, and look at the difference.",
        path.display(),
        line + 1,
        found.lines().nth(line).unwrap_or("(nothing)"),
        expected.lines().nth(line).unwrap_or("(nothing)"),
    );
}

#[test]
fn the_committed_completions_are_what_infer_prints() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions");
    for (shell, file) in [
        ("bash", "infer.bash"),
        ("zsh", "_infer"),
        ("fish", "infer.fish"),
        ("powershell", "_infer.ps1"),
    ] {
        let script = Workplace::new().run(["completions", shell]).expect_code(0);
        assert_equal_or_update(&folder.join(file), &script.stdout());
    }
}

#[test]
fn every_template_file_is_built_in_and_every_built_in_is_a_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let files: BTreeSet<String> = fs::read_dir(folder)
        .expect("templates")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let builtins: BTreeSet<String> = Template::all()
        .map(|template| template.file.to_owned())
        .collect();
    assert_eq!(files, builtins);
}
