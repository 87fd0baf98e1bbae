//! The README's console blocks, run in order in one folder, as a newcomer would.

use std::process::Command;

use crate::support::{infer::Workplace, weights};

/// One command of a block and the lines it is said to print; `…` stands for anything.
#[derive(Debug)]
struct Step {
    command: String,
    printed: Vec<String>,
}

#[test]
fn the_readme_does_what_it_says() {
    let place = Workplace::new();
    weights::tiny_safetensors(&place.join("my-model"));
    let readme = include_str!("../../README.md");
    let steps = steps(readme);
    assert!(steps.len() > 8, "the README has its four jobs");
    let cleanup = Cleanup(&place);
    for step in steps {
        let words = ["-c", step.command.as_str()];
        let path = std::env::join_paths(
            std::iter::once(bin_folder()).chain(std::env::split_paths(&path_variable())),
        )
        .expect("a PATH");
        let output = Command::new("sh")
            .args(words)
            .current_dir(place.path())
            .env("PATH", path)
            .env("HOME", place.path())
            .env("INFER_HOME", place.join(".infer"))
            .output()
            .expect("sh");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        // A busy machine may be too slow to judge latencies; `infer load` says so with 4.
        let undecided = step.command.starts_with("infer load") && output.status.code() == Some(4);
        assert!(
            output.status.success() || undecided,
            "{} ended with {}\n{stdout}{stderr}",
            step.command,
            output.status
        );
        assert!(
            matches(&step.printed, &stdout.lines().collect::<Vec<_>>()),
            "{} printed\n{stdout}not\n{}",
            step.command,
            step.printed.join("\n")
        );
    }
    drop(cleanup);
}

/// Ends the release should a step fail before its own `infer delete`.
struct Cleanup<'a>(&'a Workplace);

impl Drop for Cleanup<'_> {
    fn drop(&mut self) {
        self.0.run(["delete", "chat", "--yes", "--drain", "0"]);
    }
}

fn bin_folder() -> std::path::PathBuf {
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_infer"));
    binary.parent().expect("a folder").to_owned()
}

fn path_variable() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

fn steps(readme: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for block in readme.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => {
                    steps.push(Step {
                        command: command.to_owned(),
                        printed: Vec::new(),
                    });
                }
                None => steps
                    .last_mut()
                    .expect("a command first")
                    .printed
                    .push(line.to_owned()),
            }
        }
    }
    steps
}

/// `…` alone on a line stands for any number of lines, within one for any text.
fn matches(said: &[String], printed: &[&str]) -> bool {
    match said {
        [] => printed.is_empty(),
        [any, rest @ ..] if any == "…" => {
            (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]))
        }
        [line, rest @ ..] => printed
            .split_first()
            .is_some_and(|(first, others)| line_matches(line, first) && matches(rest, others)),
    }
}

fn line_matches(said: &str, printed: &str) -> bool {
    match said.split_once('…') {
        None => said == printed,
        Some((start, rest)) => printed.strip_prefix(start).is_some_and(|tail| {
            tail.char_indices()
                .map(|(at, _)| at)
                .chain([tail.len()])
                .any(|at| line_matches(rest, &tail[at..]))
        }),
    }
}

#[test]
fn a_said_line_matches_with_its_gaps_filled() {
    assert!(line_matches("oci:image@sha256:…", "oci:image@sha256:abc"));
    assert!(!line_matches("oci:image@sha256:…", "oci:other@sha256:abc"));
    let said = ["a".to_owned(), "…".to_owned()];
    assert!(matches(&said, &["a"]) && matches(&said, &["a", "b", "c"]) && !matches(&said, &["b"]));
}
