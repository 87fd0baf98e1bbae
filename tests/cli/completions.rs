//! `infer completions`: one script a shell.

use crate::support::infer::Workplace;

#[test]
fn every_shell_gets_a_script_that_knows_the_verbs() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let ran = Workplace::new().run(["completions", shell]).expect_code(0);
        assert!(ran.stdout().contains("render"), "{shell}");
        assert!(ran.stderr().is_empty());
    }
}

#[test]
fn an_unknown_shell_is_a_usage_error() {
    let ran = Workplace::new().run(["completions", "csh"]).expect_code(2);
    assert!(ran.stderr().contains("bash"), "{}", ran.stderr());
}
