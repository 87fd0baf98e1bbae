//! What is asked on a terminal, answered as a person would: `script` makes the terminal.

use std::{fmt::Write as _, process::Command};

use crate::support::{
    infer::{Ran, Workplace},
    weights::tiny_model,
};

/// Runs `infer` on a terminal and types, with a pause before each answer.
fn typed(place: &Workplace, line: &str, answers: &[&str]) -> Ran {
    let infer = place.command(["--version"]);
    let mut keys = String::new();
    for answer in answers {
        write!(keys, "sleep 0.5; printf '{answer}'; ").expect("a string grows");
    }
    let script = format!("({keys} sleep 0.5) | script -qec '\"$INFER\" {line}' /dev/null");
    let mut command = Command::new("bash");
    command
        .args(["-c", &script])
        .current_dir(place.path())
        .env_clear()
        .env("INFER", infer.get_program())
        .env("TERM", "xterm");
    for (name, value) in infer.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    place.ran(
        command
            .output()
            .expect("bash, and script of util-linux, start"),
    )
}

#[test]
fn init_asks_for_what_no_flag_says_and_takes_no_wrong_answer() {
    let place = Workplace::new();
    tiny_model(&place.join("weights"));
    let answers = [
        r"No Name\n",
        r"\x15chat\n",
        r"nowhere\n",
        r"\x15weights\n",
        r"\n",
        r"mars\n",
        r"\x15local\n",
        r"\n",
    ];
    let ran = typed(&place, "init", &answers).expect_code(0);
    for part in [
        "is not a valid release name",
        "nowhere is not there",
        "local or kubernetes",
        "TinyModel, 1 K parameters",
        "infer pack",
    ] {
        assert!(ran.stdout().contains(part), "{part}: {}", ran.stdout());
    }
    let text = place.read("infer.yaml");
    for line in [
        "name: chat",
        "  source: weights",
        "  image: oci:./image",
        "  kind: vllm",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}

#[test]
fn ctrl_c_at_a_question_changes_nothing_and_exits_130() {
    let place = Workplace::new();
    let ran = typed(&place, "init", &[r"chat\n", r"\x03"]).expect_code(130);
    assert!(
        ran.stdout().contains("nothing has changed"),
        "{}",
        ran.stdout()
    );
    assert!(!place.join("infer.yaml").exists());
}
