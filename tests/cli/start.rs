//! `infer` with nothing, with something unknown, and with a global flag.

use crate::support::infer::Workplace;

#[test]
fn an_unknown_verb_is_a_usage_error_on_stderr() {
    let ran = Workplace::new().run(["pakc"]).expect_code(2);
    assert!(ran.stdout().is_empty());
    assert!(ran.stderr().contains("pakc"), "{}", ran.stderr());
}

#[test]
fn help_goes_to_stdout_and_exits_zero() {
    let ran = Workplace::new().run(["--help"]).expect_code(0);
    assert!(ran.stdout().contains("Usage: infer"), "{}", ran.stdout());
    assert!(ran.stderr().is_empty());
}

#[test]
fn a_completion_script_is_printed_alone() {
    let ran = Workplace::new().run(["completions", "bash"]).expect_code(0);
    assert!(ran.stdout().starts_with("_infer()"), "{}", ran.stdout());
    assert!(ran.stderr().is_empty());
}
