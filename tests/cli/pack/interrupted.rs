//! A pack that breaks off: by a full disk, by a kill, by Ctrl-C.

use std::{
    fs,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{leftovers, packed};
use crate::support::{
    infer::Workplace,
    weights::{sparse_model, tiny_model},
};

#[test]
fn a_write_that_fails_half_way_leaves_nothing_half_written() {
    let place = Workplace::new();
    sparse_model(&place.join("m"), 70 << 20);
    // A limit on file sizes is the portable full disk; `infer` must not die of its signal.
    let infer = env!("CARGO_BIN_EXE_infer");
    let script = format!("trap '' XFSZ; ulimit -f 20000; exec {infer} pack m --to oci:image");
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(place.path())
        .env("INFER_HOME", place.join(".infer"))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("cannot write layer model.safetensors"),
        "{stderr}"
    );
    assert_eq!(leftovers(&place.join("image")), Vec::<String>::new());
    assert!(!place.join("infer.lock").exists());
    packed(&place, &["m", "--to", "oci:image"]);
}

/// Starts a long pack and waits until bytes of it lie in the layout.
fn long_pack(place: &Workplace) -> std::process::Child {
    sparse_model(&place.join("m"), 3 << 30);
    let mut command = place.command(["pack", "m", "--to", "oci:image"]);
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0);
    let child = child.spawn().expect("a running pack");
    let deadline = Instant::now() + Duration::from_mins(1);
    let is_blob = |name: &String| name.starts_with(".infer-blob-");
    while !place.join("image").exists() || !leftovers(&place.join("image")).iter().any(is_blob) {
        assert!(Instant::now() < deadline, "nothing was written");
        std::thread::yield_now();
    }
    child
}

fn signal(child: &std::process::Child, name: &str) {
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .expect("kill runs")
            .success()
    );
}

#[test]
fn killed_half_way_the_next_pack_cleans_up_and_succeeds() {
    let place = Workplace::new();
    let mut child = long_pack(&place);
    signal(&child, "KILL");
    child.wait().unwrap();
    assert!(!leftovers(&place.join("image")).is_empty());
    sparse_model(&place.join("m"), 1 << 20);
    packed(&place, &["m", "--to", "oci:image"]);
    assert_eq!(leftovers(&place.join("image")), Vec::<String>::new());
}

#[test]
fn killed_while_the_layout_was_made_the_next_pack_goes_on_from_there() {
    let place = Workplace::new();
    tiny_model(&place.join("m"));
    fs::create_dir_all(place.join("image/blobs/sha256")).unwrap();
    place.write("image/.tmp0RRbul", "{");
    packed(&place, &["m", "--to", "oci:image"]);
    assert_eq!(leftovers(&place.join("image")), Vec::<String>::new());
}

#[test]
fn interrupted_it_removes_what_it_was_writing_and_exits_130() {
    let place = Workplace::new();
    let child = long_pack(&place);
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("run it again"), "{stderr}");
    assert_eq!(leftovers(&place.join("image")), Vec::<String>::new());
    assert!(!place.join("infer.lock").exists());
}
