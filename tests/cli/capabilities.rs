//! The table of capabilities in `src/lib.rs`, held against the program.

use std::{fs, path::Path};

use crate::support::infer::Workplace;

/// One row: capability, key, test, state.
struct Row {
    capability: String,
    key: String,
    test: String,
    state: String,
}

fn rows() -> Vec<Row> {
    let table = include_str!("../../src/lib.rs").lines();
    let rows: Vec<_> = table
        .filter_map(|line| line.strip_prefix("//! | "))
        .skip(1)
        .map(|line| {
            let cells: Vec<_> = line.trim_end_matches(" |").split(" | ").collect();
            let [capability, key, _objects, test, state] = cells.as_slice() else {
                panic!("not five cells: {line}");
            };
            let plain = |cell: &str| cell.trim_matches('`').to_owned();
            Row {
                capability: plain(capability),
                key: plain(key),
                test: plain(test),
                state: plain(state),
            }
        })
        .collect();
    assert!(rows.len() > 25, "{} rows", rows.len());
    rows
}

#[test]
fn a_capability_that_is_refused_says_so() {
    let place = Workplace::new();
    place.write(
        "infer.yaml",
        "version: 1\nname: chat\nengine: {kind: sim}\n",
    );
    for row in rows() {
        // A word for keys that want one; whatever it is, the key itself is what is refused.
        let set = match row.key.as_str() {
            "target.kubernetes.as" => "target.kubernetes.as=kserve".to_owned(),
            key => format!("{key}=x"),
        };
        let ran = place.run(["doctor", "--set", &set]);
        let refused = ran.stderr().contains("is not supported yet");
        assert_eq!(
            refused,
            row.state.starts_with("refused: not supported yet"),
            "{}, {}: {}\n{}",
            row.capability,
            row.key,
            row.state,
            ran.stderr()
        );
        if refused {
            assert_eq!(ran.code(), 2, "{}", row.key);
        } else {
            assert!(row.state.starts_with("works"), "{}", row.state);
            assert!(!ran.stderr().contains("unknown field"), "{}", ran.stderr());
        }
    }
}

#[test]
fn each_capability_names_a_test_that_there_is() {
    let mut sources = String::new();
    for folder in ["src", "tests"] {
        read(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join(folder),
            &mut sources,
        );
    }
    for row in rows() {
        let found = sources.contains(&format!("fn {}()", row.test));
        assert!(found, "{}: no test {}", row.capability, row.test);
    }
}

#[test]
fn every_top_level_key_is_in_the_table() {
    let schema = Workplace::new().run(["schema"]).stdout();
    let schema: serde_json::Value = serde_json::from_str(&schema).expect("JSON");
    let keys = schema["properties"].as_object().expect("keys").keys();
    let rows = rows();
    for key in
        keys.filter(|key| !["version", "name", "environments", "templates"].contains(&key.as_str()))
    {
        let named = rows
            .iter()
            .any(|row| row.key.split('.').next() == Some(key));
        assert!(named, "{key} is in no row");
    }
}

fn read(folder: &Path, sources: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&fs::read_to_string(&path).expect("a source"));
        }
    }
}
