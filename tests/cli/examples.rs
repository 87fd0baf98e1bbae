//! Every example is rendered, and the manifests beside it are what comes out.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use infer::for_tests::render::PARTS;
use serde_json::Value;

use super::generated::assert_equal_or_update;
use crate::support::infer::Workplace;

/// Examples whose manifests come from an environment: (folder, environment).
const ENVIRONMENTS: [(&str, &str); 2] = [("chat-vllm", "prod"), ("llama-cpp", "cluster")];

#[test]
fn every_example_renders_to_the_manifests_beside_it() {
    let mut kinds = BTreeSet::new();
    for folder in folders() {
        let file = folder.join("infer.yaml");
        let mut args = vec![
            "render".into(),
            "--file".into(),
            file.clone().into_os_string(),
        ];
        let name = folder
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if let Some((_, environment)) = ENVIRONMENTS.iter().find(|(known, _)| *known == name) {
            args.extend(["--env".into(), environment.into()]);
        }
        let ran = Workplace::new().run(args).expect_code(0);
        assert_equal_or_update(&folder.join("manifests.yaml"), &ran.stdout());
        let objects: Vec<Value> =
            infer::for_tests::yaml::parse_all(&file, &ran.stdout()).expect("YAML");
        let named = objects.iter().filter_map(|object| object["kind"].as_str());
        kinds.extend(named.map(str::to_owned));
    }
    // Together they show every object that infer renders.
    for part in PARTS {
        let mut lines = part.template.source.lines();
        let kind = lines.find_map(|line| line.strip_prefix("kind: "));
        let kind = kind.expect("a kind");
        assert!(kinds.contains(kind), "no example has a {kind}");
    }
}

/// Folders with an `infer.yaml` that needs no building; the quickstart runs on its own.
fn folders() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("examples")).expect("examples");
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir() && !path.ends_with("quickstart"))
        .collect();
    folders.sort();
    assert!(!folders.is_empty());
    folders
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
