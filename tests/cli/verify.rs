//! `infer verify`: every byte counts.

use std::fs;

use crate::support::{infer::Workplace, weights::tiny_model};

#[test]
fn one_flipped_bit_anywhere_is_found_and_named() {
    let place = Workplace::new();
    tiny_model(&place.join("m"));
    place
        .run(["pack", "m", "--to", "oci:image:v1"])
        .expect_code(0);
    let whole = place.run(["verify", "oci:image:v1"]).expect_code(0);
    assert!(whole.stdout().contains("is whole"), "{}", whole.stdout());
    for entry in fs::read_dir(place.join("image/blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        fs::write(&path, &bad).unwrap();
        let ran = place.run(["verify", "oci:image:v1"]).expect_code(1);
        let hex = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(ran.stderr().contains(&hex), "{hex}: {}", ran.stderr());
        fs::write(&path, &good).unwrap();
    }
    place.run(["verify", "oci:image:v1"]).expect_code(0);
}

#[test]
fn a_missing_blob_is_named() {
    let place = Workplace::new();
    tiny_model(&place.join("m"));
    let packed = place
        .run(["pack", "m", "--to", "oci:image:v1"])
        .expect_code(0);
    drop(packed);
    let lock: serde_json::Value = serde_json::from_str(&place.read("infer.lock")).unwrap();
    let layer = lock["models"]["oci:image"]["layers"][0]["digest"]
        .as_str()
        .unwrap();
    fs::remove_file(place.join("image/blobs/sha256").join(&layer[7..])).unwrap();
    let ran = place.run(["verify", "oci:image:v1"]).expect_code(1);
    assert!(ran.stderr().contains(layer), "{}", ran.stderr());
}
