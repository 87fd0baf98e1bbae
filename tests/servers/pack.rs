//! What `infer pack` writes, read by another tool.

use std::process::{Command, Output};

use crate::support::{infer::Workplace, weights::tiny_model};

fn skopeo(place: &Workplace, args: &[&str]) -> Output {
    Command::new("skopeo")
        .args(args)
        .current_dir(place.path())
        .output()
        .expect("skopeo runs; get it with `apt-get install skopeo`")
}

#[test]
fn skopeo_reads_every_layer_of_a_layout_for_both_architectures() {
    let place = Workplace::new();
    tiny_model(&place.join("m"));
    let args = ["pack", "m", "--to", "oci:image:v1", "--also", "modelpack"];
    place.run(args).expect_code(0);
    for architecture in ["amd64", "arm64"] {
        let out = format!("dir:{architecture}");
        let args = [
            "--override-arch",
            architecture,
            "copy",
            "oci:image:v1",
            &out,
        ];
        let output = skopeo(&place, &args);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let output = skopeo(&place, &["inspect", "oci:image:v1"]);
    let seen: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(seen["Labels"]["dev.infer.model.architecture"], "TinyModel");
    let raw = skopeo(&place, &["inspect", "--raw", "oci:image:v1-modelpack"]);
    let manifest: serde_json::Value = serde_json::from_slice(&raw.stdout).unwrap();
    assert_eq!(
        manifest["artifactType"],
        "application/vnd.cncf.model.manifest.v1+json"
    );
}
