//! `infer init`: a first infer.yaml that every other verb can read.

use crate::support::infer::Workplace;

/// A safetensors file with one tensor of four bytes.
fn weights(place: &Workplace) {
    let header = br#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header);
    file.extend_from_slice(&[0; 4]);
    place.write("weights/model.safetensors", file);
    place.write(
        "weights/config.json",
        r#"{"architectures": ["TinyForCausalLM"]}"#,
    );
}

#[test]
fn flags_make_a_file_that_reads_back() {
    let place = Workplace::new();
    weights(&place);
    let ran = place
        .run([
            "init",
            "chat",
            "--model",
            "weights",
            "--image",
            "oci:./image",
            "--engine",
            "sim",
            "--target",
            "local",
            "--slo",
            "ttft.p99 < 500ms",
        ])
        .expect_code(0);
    assert_eq!(ran.stdout(), "infer.yaml\n");
    assert!(ran.stderr().contains("infer pack"), "{}", ran.stderr());
    let text = place.read("infer.yaml");
    for line in [
        "name: chat",
        "  source: weights",
        "  image: oci:./image",
        "  kind: sim",
        "target: local",
        "    - ttft.p99<500ms",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in:\n{text}"
        );
    }
    assert!(text.contains("TinyForCausalLM"), "{text}");
    // Another verb reads it: a local target has no manifests, which is a later refusal.
    let render = place.run(["render"]).expect_code(2);
    assert!(
        render.stderr().contains("no manifests")
            || render.stderr().contains("folder of this machine")
    );
}

#[test]
fn the_weights_suggest_the_engine() {
    let place = Workplace::new();
    weights(&place);
    let ran = place
        .run(["init", "chat", "--model", "weights", "--output", "json"])
        .expect_code(0);
    let result = ran.result();
    assert_eq!(result["verb"], "init");
    assert_eq!(result["engine"], "vllm");
    assert_eq!(result["model"]["format"], "safetensors");
    assert_eq!(result["file"], "infer.yaml");
}

#[test]
fn a_file_that_is_there_stays_without_force() {
    let place = Workplace::new();
    place.write("infer.yaml", "name: mine\n");
    let ran = place
        .run(["init", "chat", "--engine", "sim"])
        .expect_code(2);
    assert!(ran.stderr().contains("--force"), "{}", ran.stderr());
    assert_eq!(place.read("infer.yaml"), "name: mine\n");
    place
        .run(["init", "chat", "--engine", "sim", "--force"])
        .expect_code(0);
    assert!(place.read("infer.yaml").contains("name: chat"));
}

#[test]
fn a_cluster_needs_a_registry_and_broken_weights_write_nothing() {
    let place = Workplace::new();
    weights(&place);
    let ran = place
        .run([
            "init",
            "chat",
            "--model",
            "weights",
            "--target",
            "kubernetes",
        ])
        .expect_code(2);
    assert!(ran.stderr().contains("--image"), "{}", ran.stderr());
    place.write(
        "weights/model.safetensors",
        b"\xff\xff\xff\xff\xff\xff\xff\x7f",
    );
    place
        .run(["init", "chat", "--model", "weights"])
        .expect_code(1);
    place
        .run(["init", "chat", "--model", "nowhere"])
        .expect_code(2);
    place
        .run(["init", "Chat", "--engine", "sim"])
        .expect_code(2);
    assert!(!place.join("infer.yaml").exists());
}

#[test]
fn help_has_an_example() {
    let help = Workplace::new()
        .run(["init", "--help"])
        .expect_code(0)
        .stdout();
    assert!(help.contains("infer init chat --model ./weights"), "{help}");
}
