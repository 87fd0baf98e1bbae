//! `infer inspect`: what is inside, from the documents alone.

use crate::support::{infer::Workplace, weights::tiny_model};

#[test]
fn facts_layers_and_files_are_shown_without_reading_a_layer() {
    let place = Workplace::new();
    tiny_model(&place.join("m"));
    place
        .run(["pack", "m", "--to", "oci:image:v1"])
        .expect_code(0);
    let ran = place
        .run(["inspect", "oci:image:v1", "--files"])
        .expect_code(0);
    for text in [
        "1 K parameters",
        "TinyModel",
        "context 512",
        "linux/amd64, linux/arm64",
        "config.json",
        "tokenizer.json",
    ] {
        assert!(ran.stdout().contains(text), "{text}: {}", ran.stdout());
    }
    let json = place
        .run(["inspect", "oci:image:v1", "--output", "json"])
        .expect_code(0);
    let result = json.result();
    assert_eq!(result["verb"], "inspect");
    assert_eq!(result["model"]["parameters"], 1000);
    assert_eq!(result["layers"][0]["files"][0]["path"], "config.json");
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let place = Workplace::new();
    let ran = place.run(["inspect", "oci:image"]).expect_code(2);
    assert!(ran.stderr().contains("image is not an OCI image layout"));
    tiny_model(&place.join("m"));
    place
        .run(["pack", "m", "--to", "oci:image:v1"])
        .expect_code(0);
    let ran = place.run(["inspect", "oci:image:v2"]).expect_code(1);
    assert!(ran.stderr().contains("v1"), "{}", ran.stderr());
    let ran = place.run(["inspect"]).expect_code(2);
    assert!(ran.stderr().contains("no image is named"));
}
