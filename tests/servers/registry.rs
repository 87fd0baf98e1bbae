//! A real distribution registry, plain and guarded by TLS and a password.

mod client;
mod pack;

use std::process::Command;

use crate::support::registry::{PASSWORD, Registry, USER};

fn curl(arguments: &[&str]) -> (bool, String) {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--max-time", "30"])
        .args(arguments)
        .output()
        .expect("curl is there: apt install curl");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), stdout)
}

#[test]
fn a_plain_registry_answers() {
    let registry = Registry::start();
    let (answered, body) = curl(&[&format!("{}/v2/", registry.url())]);
    assert!(answered && body == "{}", "{body}");
}

#[test]
fn a_guarded_registry_wants_its_authority_and_its_password() {
    let registry = Registry::start_guarded();
    let url = format!("{}/v2/", registry.url());
    let ca = registry.ca_file().display().to_string();
    let login = format!("{USER}:{PASSWORD}");
    assert!(!curl(&[&url, "--user", &login]).0, "an unknown authority");
    assert!(!curl(&[&url, "--cacert", &ca]).0, "no password");
    assert!(curl(&[&url, "--cacert", &ca, "--user", &login]).0);
}
