//! Who may import whom: the `use crate::` lines against the table of the design.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Types that import nothing but each other; every module may import them.
const LEAVES: [&str; 15] = [
    "clock",
    "duration",
    "engine",
    "explain",
    "file",
    "header_match",
    "home",
    "interrupt",
    "json",
    "name",
    "object",
    "slo",
    "timer",
    "weight",
    "yaml",
];

/// Module → what of ours it may import beside the leaves.
const ALLOWED: [(&str, &[&str]); 18] = [
    ("model", &[]),
    ("registry", &[]),
    ("load", &[]),
    ("sim", &[]),
    ("spec", &["model", "registry"]),
    ("pack", &["model", "registry"]),
    ("render", &["spec", "model", "registry"]),
    ("cluster", &["registry"]),
    ("capacity", &["model", "spec"]),
    ("local", &["spec", "registry", "load"]),
    ("traffic", &["cluster", "local"]),
    (
        "release",
        &[
            "spec", "registry", "render", "pack", "cluster", "local", "traffic", "load", "capacity",
        ],
    ),
    (
        "canary",
        &["release", "traffic", "cluster", "local", "load"],
    ),
    (
        "error",
        &[
            "model", "registry", "load", "sim", "spec", "pack", "render", "cluster", "capacity",
            "local", "traffic", "release", "canary",
        ],
    ),
    (
        "ui",
        &[
            "error", "model", "registry", "load", "sim", "spec", "pack", "render", "cluster",
            "capacity", "local", "traffic", "release", "canary",
        ],
    ),
    (
        "commands",
        &[
            "ui", "error", "model", "registry", "load", "sim", "spec", "pack", "render", "cluster",
            "capacity", "local", "traffic", "release", "canary",
        ],
    ),
    ("cli", &["commands", "ui", "error"]),
    ("lib", &["cli", "commands", "error", "ui"]),
];

#[test]
fn lower_modules_never_import_higher_ones() {
    let mut wrong = Vec::new();
    for path in sources() {
        let module = module_of(&path);
        if module == "for_tests" {
            continue;
        }
        if module == "main" || LEAVES.contains(&module.as_str()) {
            let mut found = imports(&path);
            found.retain(|import| *import != module && !LEAVES.contains(&import.as_str()));
            assert!(
                found.is_empty(),
                "{} is a leaf but imports {found:?}",
                path.display()
            );
            continue;
        }
        let allowed = ALLOWED.iter().find(|(name, _)| *name == module);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{module} is not in the table"));
        for import in imports(&path) {
            let fine = import == module
                || LEAVES.contains(&import.as_str())
                || allowed.contains(&import.as_str());
            if !fine {
                wrong.push(format!("{} imports {import}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "forbidden imports:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_ui_names_what_draws_and_only_yaml_names_its_parser() {
    for path in sources() {
        let module = module_of(&path);
        let code = code_of(&path);
        for (crate_name, home) in [
            ("indicatif", "ui"),
            ("dialoguer", "ui"),
            ("serde_yaml", "yaml"),
        ] {
            assert!(
                module == home || !code.contains(&format!("{crate_name}::")),
                "{} names {crate_name}",
                path.display()
            );
        }
        assert!(
            ["ui", "commands", "cli", "lib"].contains(&module.as_str()) || !code.contains("clap::"),
            "{} names clap",
            path.display()
        );
    }
}

/// Modules of the design that are not written yet.
const FUTURE: [&str; 1] = ["capacity"];

#[test]
fn the_table_names_modules_that_there_are() {
    let there: BTreeSet<_> = sources().iter().map(|path| module_of(path)).collect();
    let named = ALLOWED.iter().flat_map(|(module, may)| {
        let imported = may.iter().copied();
        imported.chain([*module])
    });
    for module in named.chain(LEAVES) {
        let future = FUTURE.contains(&module);
        assert_ne!(there.contains(module), future, "{module}");
    }
}

/// What Kubernetes calls the objects that stand behind a seam.
const KIND_NAMES: [&str; 10] = [
    "Deployment",
    "LeaderWorkerSet",
    "RayService",
    "InferenceService",
    "LLMInferenceService",
    "HTTPRoute",
    "VirtualService",
    "TraefikService",
    "HorizontalPodAutoscaler",
    "ScaledObject",
];

/// The seams: a kind is named here and nowhere else.
const SEAMS: [&str; 5] = [
    "src/object",
    "src/cluster/workload",
    "src/traffic/route",
    "src/cluster/scale",
    "src/render/parts",
];

#[test]
fn only_the_seams_name_kinds_of_objects() {
    let tests = test_files();
    let mut naming = Vec::new();
    for path in sources() {
        let name = relative(&path);
        let in_a_seam = SEAMS
            .iter()
            .any(|seam| name.starts_with(&format!("{seam}/")) || name == format!("{seam}.rs"));
        if in_a_seam || tests.contains(&path) {
            continue;
        }
        let code = code_of(&path);
        if KIND_NAMES
            .iter()
            .any(|kind| code.contains(&format!("\"{kind}\"")))
        {
            naming.push(name);
        }
    }
    assert!(naming.is_empty(), "these name a kind of object: {naming:?}");
}

/// Files that are compiled for tests only: `#[cfg(test)] mod name;`, with a path or without.
fn test_files() -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for path in sources() {
        let text = fs::read_to_string(&path).expect("a source");
        let folder = path.parent().expect("a folder");
        let stem = path.file_stem().expect("a stem");
        let below = if ["mod", "lib", "main"].iter().any(|root| stem == *root) {
            folder.to_owned()
        } else {
            folder.join(stem)
        };
        for after in text.split("\n#[cfg(test)]\n").skip(1) {
            let given = after
                .strip_prefix("#[path = \"")
                .and_then(|rest| rest.split_once("\"]\n"));
            let declaration = given.map_or(after, |(_, rest)| rest);
            let line = declaration.lines().next().unwrap_or_default();
            let Some((_, name)) = line
                .strip_suffix(';')
                .and_then(|line| line.split_once("mod "))
            else {
                continue;
            };
            files.insert(match given {
                Some((file, _)) => folder.join(file),
                None => below.join(format!("{name}.rs")),
            });
            files.insert(below.join(name).join("mod.rs"));
        }
    }
    files
}

fn relative(path: &Path) -> String {
    let inside = path.strip_prefix(env!("CARGO_MANIFEST_DIR"));
    inside.expect("ours").to_string_lossy().into_owned()
}

fn sources() -> Vec<PathBuf> {
    files_below("src")
}

pub(super) fn files_below(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The top module a file belongs to: `pack` for `src/pack/push.rs`.
fn module_of(path: &Path) -> String {
    let inside = path
        .strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        .expect("src");
    let first = inside.components().next().expect("a component").as_os_str();
    Path::new(first)
        .file_stem()
        .expect("a stem")
        .to_string_lossy()
        .into_owned()
}

/// The source without comments and without its `mod tests`, which may import anything.
fn code_of(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source");
    let code = text
        .split("\n#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// First path segments after `crate::`, in `use` trees and in plain paths.
fn imports(path: &Path) -> BTreeSet<String> {
    let code = code_of(path);
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` and `other_crate::` are not ours.
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        if let Some(tree) = rest.strip_prefix('{') {
            found.extend(first_segments(tree));
        } else {
            found.insert(segment(rest));
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

/// First segments of a `{a::b, c::{d, e}}` tree whose opening brace is gone.
fn first_segments(tree: &str) -> Vec<String> {
    let (mut names, mut depth, mut start) = (Vec::new(), 0, true);
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if c.is_whitespace() => {}
            _ if start && depth == 0 => {
                names.push(segment(&tree[at..]));
                start = false;
            }
            _ => {}
        }
    }
    names
}

fn segment(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}
