//! `infer pack` into a real registry, and what is left when it is killed.

use std::{fs::File, io::Write, path::Path, process::Command};

use serde_json::json;

use super::client::largest_upload;
use crate::support::{
    infer::Workplace,
    process::{Process, wait_until},
    registry::Registry,
};

const MIB: usize = 1024 * 1024;
/// Over the 64 MiB from which a file is a layer of its own and goes up in chunks.
const FILE_BYTES: usize = 66 * MIB;
const FILES: usize = 3;

/// Weights in several files, each different.
fn write_model(folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(folder.join("config.json"), r#"{"model_type":"llama"}"#).expect("a file");
    for number in 0..FILES {
        let tensor = json!({
            format!("layer.{number}"): {
                "dtype": "F32", "shape": [FILE_BYTES / 4], "data_offsets": [0, FILE_BYTES],
            },
        });
        let header = tensor.to_string();
        let path = folder.join(format!("part-{number}.safetensors"));
        let mut file = File::create(path).expect("a file");
        let block: Vec<u8> = (0..MIB).map(|at| (at % 251 + number) as u8).collect();
        file.write_all(&(header.len() as u64).to_le_bytes())
            .expect("a length");
        file.write_all(header.as_bytes()).expect("a header");
        for _ in 0..FILE_BYTES / MIB {
            file.write_all(&block).expect("a block");
        }
    }
}

#[test]
fn a_pack_killed_half_way_is_finished_by_the_next() {
    let registry = Registry::start();
    let work = Workplace::new();
    write_model(&work.join("model"));
    let to = format!("{}:v1", registry.reference("chat"));
    let arguments = ["--output", "json", "pack", "model", "--to", &to];

    let mut pack = Process::start(&mut work.command(arguments));
    wait_until("an upload is under way", || {
        (largest_upload(&registry.storage()) > 8 * MIB as u64).then_some(())
    });
    pack.kill();
    let inspect = || {
        Command::new("skopeo")
            .args(["inspect", "--raw", "--tls-verify=false"])
            .arg(format!("docker://{to}"))
            .output()
            .expect("skopeo is there: apt install skopeo")
    };
    assert!(!inspect().status.success(), "no tag names half an image");

    let result = work.run(arguments).expect_code(0).result();
    let image = inspect();
    assert!(
        image.status.success(),
        "{}",
        String::from_utf8_lossy(&image.stderr)
    );
    let digest = result["digest"].as_str().expect("a digest");
    assert_eq!(
        infer::for_tests::registry::Digest::of(&image.stdout).to_string(),
        digest
    );

    let again = work.run(arguments).expect_code(0).result();
    assert_eq!(again["bytes"]["uploaded"], 0);
    let layout = ["--output", "json", "pack", "model", "--to", "oci:image:v1"];
    let layout = work.run(layout).expect_code(0).result();
    assert_eq!(layout["digest"], digest, "the same bytes wherever they go");
}
