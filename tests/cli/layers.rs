//! Who may import whom: the `use crate::` lines against the table of the design.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Values without dependencies of their own; every module may import them.
const LEAVES: [&str; 10] = [
    "file",
    "header_match",
    "home",
    "interrupt",
    "json",
    "name",
    "object",
    "slo",
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
        if module == "main" || LEAVES.contains(&module.as_str()) {
            let found = imports(&path);
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

fn sources() -> Vec<PathBuf> {
    files_below("src")
}

fn files_below(folder: &str) -> Vec<PathBuf> {
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
