//! Every example is rendered, and the manifests beside it are what comes out.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use infer::{cluster::access::RIGHTS, render::PARTS};
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
        let objects: Vec<Value> = infer::yaml::parse_all(&file, &ran.stdout()).expect("YAML");
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

#[test]
fn the_rights_asked_for_name_no_secrets_and_no_wildcards() {
    for rule in rules() {
        let text = rule.to_string();
        assert!(!text.contains("secrets") && !text.contains('*'), "{text}");
    }
}

#[test]
fn the_rights_asked_for_are_all_that_infer_checks_for() {
    let rules = rules();
    for right in RIGHTS {
        let has = |rule: &Value, key: &str, word: &str| {
            let words = rule[key].as_array();
            words.is_some_and(|words| words.iter().any(|found| found == word))
        };
        let granted = rules.iter().any(|rule| {
            has(rule, "apiGroups", right.group)
                && has(rule, "resources", right.resource)
                && has(rule, "verbs", right.verb)
        });
        assert!(granted, "{} {} is missing", right.verb, right.resource);
    }
}

fn rules() -> Vec<Value> {
    let path = root().join("examples/rbac.yaml");
    let text = fs::read_to_string(&path).expect("examples/rbac.yaml");
    let objects: Vec<Value> = infer::yaml::parse_all(&path, &text).expect("sound YAML");
    assert_eq!(objects.len(), 4);
    let rules = objects
        .iter()
        .filter_map(|object| object["rules"].as_array());
    rules.flatten().cloned().collect()
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
