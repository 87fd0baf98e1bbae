//! What `infer pack` does not take, and how it says so.

use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::Path,
    time::{Duration, Instant},
};

use crate::support::{
    infer::{Ran, Workplace},
    weights::{safetensors, tiny_model},
};

/// Runs a pack of `m` that must fail with exit 1 and say each of `words`.
#[track_caller]
fn refused(place: &Workplace, words: &[&str]) -> Ran {
    let started = Instant::now();
    let ran = place.run(["pack", "m", "--to", "oci:image"]).expect_code(1);
    for word in words {
        assert!(
            ran.stderr().contains(word),
            "{word:?} is not in: {}",
            ran.stderr()
        );
    }
    assert!(ran.stdout().is_empty());
    assert!(!place.join("image").exists() && !place.join("infer.lock").exists());
    assert!(started.elapsed() < Duration::from_secs(20));
    ran
}

#[test]
fn weights_that_are_not_whole_are_refused_with_their_name() {
    let cases: [(&str, Vec<u8>, &[&str]); 5] = [
        (
            "cut",
            safetensors(&[("a", 0, 100)], 99),
            &["model.safetensors", "cut short", "fetch"],
        ),
        (
            "long",
            safetensors(&[("a", 0, 100)], 101),
            &["1 bytes follow the last tensor"],
        ),
        (
            "overlap",
            safetensors(&[("a", 0, 60), ("b", 50, 100)], 100),
            &["tensors a and b overlap"],
        ),
        (
            "claim",
            [(1_u64 << 63).to_le_bytes().as_slice(), b"{}"].concat(),
            &["claims 9223372036854775808 bytes"],
        ),
        (
            "text",
            b"<html>404</html> and so on".to_vec(),
            &["model.safetensors is not sound"],
        ),
    ];
    for (name, bytes, words) in cases {
        let place = Workplace::new();
        place.write("m/model.safetensors", bytes);
        drop((name, refused(&place, words)));
    }
    let place = Workplace::new();
    place.write(
        "m/x.gguf",
        b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\x80\0\0\0\0\0\0\0\0",
    );
    refused(&place, &["x.gguf", "claims 9223372036854775808 tensors"]);
}

#[test]
fn missing_shards_are_named() {
    let place = Workplace::new();
    let whole = safetensors(&[("a", 0, 10)], 10);
    place.write("m/model-00001-of-00003.safetensors", &whole);
    place.write("m/model-00003-of-00003.safetensors", &whole);
    refused(
        &place,
        &["1 of 3 shards", "model-00002-of-00003.safetensors"],
    );
    let place = Workplace::new();
    place.write("m/a.safetensors", &whole);
    place.write(
        "m/model.safetensors.index.json",
        r#"{"weight_map":{"a":"a.safetensors","z":"z.safetensors"}}"#,
    );
    refused(&place, &["z.safetensors is listed but missing"]);
}

#[test]
fn links_out_names_that_delete_secrets_and_odd_names_are_refused() {
    let with = |make: &dyn Fn(&Path)| {
        let place = Workplace::new();
        tiny_model(&place.join("m"));
        make(&place.join("m"));
        place
    };
    let dangling = with(&|m| symlink("gone", m.join("x")).unwrap());
    refused(
        &dangling,
        &["cannot take x", "gone does not exist", "--exclude 'x'"],
    );
    let outward = with(&|m| symlink("/etc/hostname", m.join("x")).unwrap());
    refused(&outward, &["leads outside"]);
    let whiteout = with(&|m| fs::write(m.join(".wh.model"), "").unwrap());
    refused(&whiteout, &[".wh.model", "deletes other files"]);
    let secret = with(&|m| fs::write(m.join(".env"), "TOKEN=hunter2").unwrap());
    let ran = refused(
        &secret,
        &[".env", "looks like a secret", "--exclude '.env'"],
    );
    assert!(!ran.stderr().contains("hunter2"));
    let key = with(&|m| fs::write(m.join("server.key"), "").unwrap());
    refused(&key, &["server.key"]);
    let odd = with(&|m| {
        fs::write(m.join(std::ffi::OsStr::from_bytes(b"a\xff")), "").unwrap();
    });
    refused(&odd, &["not UTF-8"]);

    let fixed = secret.run(["pack", "m", "--to", "oci:image", "--exclude", ".env"]);
    assert!(fixed.expect_code(0).stderr().contains("left out: .env"));
}

#[test]
fn wrong_uses_exit_two_and_say_how_it_is_done() {
    let place = Workplace::new();
    fs::create_dir(place.join("empty")).unwrap();
    tiny_model(&place.join("m"));
    place.write("a.txt", "");
    let empty = place
        .run(["pack", "empty", "--to", "oci:image"])
        .expect_code(1);
    assert!(empty.stderr().contains("empty has no files to pack"));
    for (args, word) in [
        (vec!["pack"], "no model is named"),
        (vec!["pack", "m"], "--to oci:./image"),
        (
            vec!["pack", "gone", "--to", "oci:image"],
            "gone does not exist",
        ),
        (
            vec!["pack", "a.txt", "--to", "oci:image"],
            "neither a folder nor a .gguf file",
        ),
        (vec!["pack", "m", "--to", "acme/chat"], "names no registry"),
        (
            vec!["pack", "m", "--to", "oci:m"],
            "not an OCI image layout",
        ),
    ] {
        let ran = place.run(&args).expect_code(2);
        assert!(ran.stderr().contains(word), "{args:?}: {}", ran.stderr());
    }
    assert!(!place.join("image").exists());
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_with_its_path() {
    let place = Workplace::new();
    tiny_model(&place.join("m"));
    let ran = place
        .run(["pack", "m", "--to", "oci:/proc/infer-image"])
        .expect_code(1);
    assert!(
        ran.stderr().contains("/proc/infer-image"),
        "{}",
        ran.stderr()
    );
}
