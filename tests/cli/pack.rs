//! `infer pack` into a layout: reproducible, frugal, and deaf to what is not whole.

mod interrupted;
mod refusals;

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use crate::support::{
    infer::Workplace,
    weights::{sparse_model, tiny_model},
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

#[test]
fn help_has_an_example() {
    let ran = Workplace::new().run(["pack", "--help"]).expect_code(0);
    assert!(
        ran.stdout()
            .contains("infer pack ./my-model --to oci:./image")
    );
}

#[test]
fn digests_remembered_for_long_are_forgotten_by_the_next_pack() {
    let place = Workplace::new();
    tiny_model(&place.join("model"));
    let age = |name: &str, days: u64| {
        let path = place.write(&format!(".infer/cache/digests/{name}.json"), "{}");
        let file = fs::File::options().write(true).open(&path).unwrap();
        let age = Duration::from_hours(24 * days);
        file.set_modified(std::time::SystemTime::now() - age)
            .unwrap();
        path
    };
    let (old, young) = (age("old", 200), age("young", 100));
    packed(&place, &["model", "--to", "oci:a"]);
    assert!(!old.exists() && young.exists());
}
