//! `infer pack` into a layout: reproducible, frugal, and deaf to what is not whole.

use std::{
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
        process::CommandExt,
    },
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::{
    infer::{Ran, Workplace},
    weights::{safetensors, sparse_model, tiny_model},
};

fn packed(place: &Workplace, args: &[&str]) -> serde_json::Value {
    let args = [&["pack", "--output", "json"], args].concat();
    place.run(args).expect_code(0).result()
}

/// Names in the layout that are not blobs, markers or the index.
fn leftovers(layout: &Path) -> Vec<String> {
    fs::read_dir(layout)
        .expect("a layout")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| !["blobs", "index.json", "oci-layout"].contains(&name.as_str()))
        .collect()
}

#[test]
fn the_same_bytes_give_the_same_digest_whatever_else_differs() {
    let place = Workplace::new();
    tiny_model(&place.join("one"));
    let first = packed(&place, &["one", "--to", "oci:a", "--also", "modelpack"]);

    // Other order, other times, other modes, another folder's name.
    fs::create_dir(place.join("two")).unwrap();
    for name in ["tokenizer.json", "model.safetensors", "config.json"] {
        fs::copy(place.join("one").join(name), place.join("two").join(name)).unwrap();
        let file = fs::File::open(place.join("two").join(name)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000))
            .unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o700))
            .unwrap();
    }
    let second = packed(&place, &["two", "--to", "oci:b", "--also", "modelpack"]);
    assert_eq!(first["digest"], second["digest"]);
    assert_eq!(first["artifacts"], second["artifacts"]);
    // A change here breaks everybody's digests: is it meant?
    assert_eq!(
        first["digest"],
        "sha256:05e6ac4d2e015274347f8518874e32e9beb44059a754ad3956790bce33bfdcef",
    );
}

#[test]
fn source_date_epoch_dates_the_image_and_nothing_else_does() {
    let place = Workplace::new().env("SOURCE_DATE_EPOCH", "1");
    tiny_model(&place.join("m"));
    let dated = packed(&place, &["m", "--to", "oci:a"]);
    let index = fs::read_to_string(blob(&place, "a", dated["digest"].as_str().unwrap())).unwrap();
    assert!(index.contains("1970-01-01T00:00:01Z"), "{index}");
    let place = Workplace::new().env("SOURCE_DATE_EPOCH", "today");
    tiny_model(&place.join("m"));
    let ran = place.run(["pack", "m", "--to", "oci:a"]).expect_code(2);
    assert!(
        ran.stderr().contains("SOURCE_DATE_EPOCH"),
        "{}",
        ran.stderr()
    );
}

fn blob(place: &Workplace, layout: &str, digest: &str) -> std::path::PathBuf {
    let hex = digest.strip_prefix("sha256:").expect("a digest");
    place.join(layout).join("blobs/sha256").join(hex)
}

#[test]
fn a_changed_config_writes_one_small_layer_again() {
    let place = Workplace::new();
    sparse_model(&place.join("m"), 70 << 20);
    let first = packed(&place, &["m", "--to", "oci:a"]);
    assert_eq!(first["layers"], 2);
    place.write("m/config.json", r#"{"architectures":["Other"]}"#);
    let second = packed(&place, &["m", "--to", "oci:a"]);
    assert_ne!(first["digest"], second["digest"]);
    assert!(second["bytes"]["skipped"].as_u64().unwrap() > 70 << 20);
    assert!(second["bytes"]["uploaded"].as_u64().unwrap() < 10_000);
    let bytes = |kind: &str| second["bytes"][kind].as_u64().unwrap();
    assert_eq!(
        bytes("total"),
        bytes("uploaded") + bytes("mounted") + bytes("skipped")
    );
    let third = packed(&place, &["m", "--to", "oci:a"]);
    assert_eq!(third["bytes"]["uploaded"], 0);
}

#[test]
fn the_answer_is_the_image_alone_and_the_lock_names_it() {
    let place = Workplace::new();
    tiny_model(&place.join("m"));
    let ran = place
        .run(["pack", "m", "--to", "oci:./image:v1"])
        .expect_code(0);
    let stdout = ran.stdout();
    assert!(stdout.starts_with("oci:./image@sha256:") && stdout.lines().count() == 1);
    assert!(
        ran.stderr().contains("1 K parameters · u8 · TinyModel"),
        "{}",
        ran.stderr()
    );
    let lock: serde_json::Value = serde_json::from_str(&place.read("infer.lock")).unwrap();
    let entry = &lock["models"]["oci:image"];
    assert!(stdout.contains(entry["digest"].as_str().unwrap()));
    assert_eq!(entry["source"]["kind"], "directory");
    assert_eq!(entry["layers"].as_array().unwrap().len(), 1);
}

#[test]
fn a_dry_run_knows_the_digest_and_makes_nothing() {
    let place = Workplace::new();
    tiny_model(&place.join("m"));
    let dry = packed(&place, &["m", "--to", "oci:a", "--dry-run"]);
    assert!(!place.join("a").exists() && !place.join("infer.lock").exists());
    let real = packed(&place, &["m", "--to", "oci:a"]);
    assert_eq!(dry["digest"], real["digest"]);
    assert_eq!(dry["dry_run"], true);
}

#[test]
fn a_target_inside_the_model_is_not_packed_into_itself() {
    let place = Workplace::new();
    tiny_model(place.path());
    let first = packed(&place, &[".", "--to", "oci:image"]);
    let second = packed(&place, &[".", "--to", "oci:image"]);
    assert_eq!(first["digest"], second["digest"]);
}

#[test]
fn infer_yaml_names_model_and_image() {
    let place = Workplace::new();
    tiny_model(&place.join("m"));
    place.write(
        "infer.yaml",
        "version: 1\nname: chat\nmodel: {source: ./m, image: 'oci:./image'}\nengine: {kind: sim}\ntarget: local\n",
    );
    let result = packed(&place, &[]);
    assert!(place.join("image/index.json").exists(), "{result}");
    let ran = place.run(["inspect"]).expect_code(0);
    assert!(ran.stdout().contains(result["digest"].as_str().unwrap()));
}

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
        (vec!["pack", "m", "--to", "oci:m"], "no OCI image layout"),
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

#[test]
fn help_has_an_example() {
    let ran = Workplace::new().run(["pack", "--help"]).expect_code(0);
    assert!(
        ran.stdout()
            .contains("infer pack ./my-model --to oci:./image")
    );
}
