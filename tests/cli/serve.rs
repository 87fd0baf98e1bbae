//! `infer serve`: its help, and what it refuses.

use std::net::TcpListener;

use crate::support::{
    infer::Workplace,
    process::Process,
    serve::{free_port, serve},
};

#[test]
fn the_help_shows_an_example_and_where_it_listens() {
    let help = Workplace::new()
        .run(["serve", "--help"])
        .expect_code(0)
        .stdout();
    for part in [
        "infer serve chat",
        "127.0.0.1",
        "8080",
        "x-infer-version",
        "x-session-id",
        "--port",
        "--keep",
    ] {
        assert!(help.contains(part), "{part} is missing:\n{help}");
    }
    assert!(!help.contains("--detached"));
}

#[test]
fn a_name_that_is_none_and_a_port_that_is_none_are_usage_errors() {
    let place = Workplace::new();
    let ran = place.run(["serve", "Chat!"]).expect_code(2);
    assert!(
        ran.stderr().contains("not a valid release name"),
        "{}",
        ran.stderr()
    );
    for port in ["0", "65536", "http"] {
        place.run(["serve", "chat", "--port", port]).expect_code(2);
    }
}

#[test]
fn without_a_name_the_release_is_that_of_infer_yaml() {
    let place = Workplace::new();
    let ran = place.run(["serve"]);
    assert_ne!(ran.code(), 0);
    assert!(ran.stderr().contains("infer.yaml"), "{}", ran.stderr());
}

#[test]
fn a_port_in_use_is_an_error_that_names_it_and_its_user() {
    let place = Workplace::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = place.run(["serve", "chat", "--port", &port]).expect_code(1);
    let said = ran.stderr();
    assert!(
        said.contains(&format!("port {port} on 127.0.0.1 is in use by")),
        "{said}"
    );
    assert!(said.contains("infer serve chat --port N"), "{said}");
    // Nothing half-begun is left behind to be listed.
    assert!(!place.join(".infer/state/chat/state.json").exists());
}

#[test]
fn the_port_is_kept_for_good_and_a_second_serve_is_told_who_is_first() {
    let place = Workplace::new();
    let port = free_port().to_string();
    let mut first: Process = serve(&place, &["--port", &port]);
    let endpoint = first.event("serving")["endpoint"].clone();
    assert_eq!(endpoint, format!("http://127.0.0.1:{port}"));

    let ran = place.run(["serve", "chat"]).expect_code(5);
    let said = ran.stderr();
    assert!(
        said.contains(&format!("by process {}", first.id())),
        "{said}"
    );
    let ran = place
        .run(["--output", "json", "serve", "chat"])
        .expect_code(5);
    assert_eq!(ran.result()["kind"], "conflict");

    first.interrupt();
    assert_eq!(first.exit_code(), Some(130));
    let mut again = serve(&place, &[]);
    assert_eq!(again.event("serving")["endpoint"], endpoint);
    again.terminate();
    assert_eq!(again.exit_code(), Some(130));
    assert!(!place.join(".infer/run/chat.sock").exists());
}

#[test]
fn a_record_that_cannot_be_read_is_refused_and_kept() {
    let place = Workplace::new();
    let path = place.write(".infer/state/chat/state.json", "{\"format\": 1,");
    let ran = place.run(["serve", "chat"]).expect_code(1);
    assert!(ran.stderr().contains("state.json"), "{}", ran.stderr());
    assert_eq!(std::fs::read_to_string(path).unwrap(), "{\"format\": 1,");
}

#[test]
fn a_home_that_cannot_be_made_is_a_clear_error() {
    let place = Workplace::new();
    place.write(".infer", "a file, not a folder");
    let ran = place.run(["serve", "chat"]).expect_code(1);
    assert!(ran.stderr().contains(".infer"), "{}", ran.stderr());
}
