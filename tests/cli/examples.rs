//! Every example is rendered, and the manifests beside it are what comes out.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::generated::assert_equal_or_update;
use crate::support::infer::Workplace;

/// Examples whose manifests come from an environment: (folder, environment).
const ENVIRONMENTS: [(&str, &str); 2] = [("chat-vllm", "prod"), ("llama-cpp", "cluster")];

#[test]
fn every_example_renders_to_the_manifests_beside_it() {
    let mut count = 0;
    for folder in folders() {
        let file = folder.join("infer.yaml");
        let mut args = vec!["render".into(), "--file".into(), file.into_os_string()];
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
        count += 1;
    }
    assert_eq!(count, 4);
}

/// Folders with an `infer.yaml` that needs no building; the quickstart runs on its own.
fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = fs::read_dir(root().join("examples"))
        .expect("examples")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("infer.yaml").exists() && !path.ends_with("quickstart"))
        .collect();
    folders.sort();
    folders
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
