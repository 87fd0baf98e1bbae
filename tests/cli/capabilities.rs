//! The table of capabilities in `src/lib.rs`, held against the program.

use std::{
    fs,
    path::{Path, PathBuf},
};

use infer::for_tests::object::kinds::KINDS;
use serde_json::Value;

use super::{layers::files_below, life::Release};
use crate::support::infer::Workplace;

/// One row of the table.
struct Row {
    capability: String,
    key: String,
    /// Of a key cell such as `target.kubernetes.as: lws`: the row is about this value alone.
    value: Option<String>,
    objects: String,
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
            let [capability, key, objects, test, state] = cells.as_slice() else {
                panic!("not five cells: {line}");
            };
            let plain = |cell: &str| cell.trim_matches('`').to_owned();
            let key = plain(key);
            let (key, value) = match key.split_once(": ") {
                Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                None => (key, None),
            };
            Row {
                capability: plain(capability),
                key,
                value,
                objects: plain(objects),
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
        let refused = row.state.starts_with("refused: not supported yet");
        assert!(
            refused || row.state.starts_with("works"),
            "{}: {}",
            row.capability,
            row.state
        );
        if !refused {
            continue;
        }
        // The refusal of a key comes before that of its value, except where other values work.
        let other = if row.key == "target.kubernetes.as" {
            "kserve"
        } else {
            "x"
        };
        let value = row.value.as_deref().unwrap_or(other);
        let ran = place.run(["render", "--set", &format!("{}={value}", row.key)]);
        assert!(
            ran.stderr().contains("is not supported yet"),
            "{}, {}: {}",
            row.capability,
            row.key,
            ran.stderr()
        );
        assert_eq!(ran.code(), 2, "{}", row.key);
    }
}

/// Keys that no example sets, with a value that works.
const SAMPLES: [(&str, &str); 2] = [
    ("hardware.tolerate", r#"[{"key": "reserved"}]"#),
    ("traffic.via", r#""service""#),
];

/// Keys that an example sets to their default: another value instead of none.
const INSTEAD: [(&str, &str); 1] = [("observe.metrics", r#""none""#)];

type Behaviour = fn(&Release);

/// Keys that no manifest shows, with what a release on this machine does by them.
const BEHAVIOUR: [(&str, Behaviour); 2] = [
    ("gates.slo", |release| {
        release.run("deploy --quiet").expect_code(0);
        let load = "load --output json -n 1 --set gates.slo=[error_rate<99%]";
        let result = release.run(load).result();
        assert_eq!(result["gates"][0]["gate"], "error_rate<99%", "{result}");
    }),
    ("rollout.history", |release| {
        for revision in 1..=3 {
            let revision = format!("engine.env.REVISION={revision}");
            let set = ["--set", &revision, "--set", "rollout.history=1"];
            let deploy = ["deploy", "--quiet"].into_iter().chain(set);
            release.place.run(deploy).expect_code(0);
        }
        let history = release.run("history --output json").result();
        let kept = history["revisions"].as_array().map(Vec::len);
        assert_eq!(kept, Some(2), "live and one to go back to: {history}");
    }),
];

/// With the key the named objects are rendered, and without it something else is: so the key
/// works, and is not merely known.
#[test]
fn a_capability_that_works_is_seen_in_what_is_rendered() {
    let examples = examples();
    let mut unproven = Vec::new();
    for row in rows() {
        if !row.state.starts_with("works") || BEHAVIOUR.iter().any(|(key, _)| *key == row.key) {
            continue;
        }
        let setting = examples
            .iter()
            .filter_map(|example| example.setting(&row))
            .collect::<Vec<_>>();
        if !setting.iter().any(|example| example.proves(&row)) {
            unproven.push(format!(
                "{}: no example that sets {} renders {:?} by it ({} set it)",
                row.capability,
                row.key,
                row.kinds(),
                setting.len()
            ));
        }
    }
    assert!(unproven.is_empty(), "{}", unproven.join("\n"));
}

#[test]
fn a_capability_that_no_manifest_shows_is_seen_by_running_it() {
    let rows = rows();
    for (key, act) in BEHAVIOUR {
        assert!(rows.iter().any(|row| row.key == key), "{key} is in no row");
        act(&Release::packed());
    }
}

/// What the table points a reader to; the proof is above.
#[test]
fn each_capability_names_a_test_that_is_run() {
    let sources = sources_below(&["src", "tests"]);
    for row in rows() {
        let named = format!("fn {}()", row.test);
        let is_run = sources.iter().any(|source| {
            let before = source.find(&named).map(|at| &source[..at]);
            let attributes = before.and_then(|before| before.rsplit('}').next());
            attributes.is_some_and(|text| text.contains("test]") && !text.contains("#[ignore"))
        });
        assert!(is_run, "{}: no test {}", row.capability, row.test);
    }
}

#[test]
fn every_top_level_key_is_in_the_table() {
    let schema = Workplace::new().run(["schema"]).stdout();
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
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

/// An `infer.yaml` under `examples/`, in one environment or none.
#[derive(Clone)]
struct Example {
    folder: PathBuf,
    document: Value,
    environment: Option<String>,
}

fn examples() -> Vec<Example> {
    let folders = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"));
    let mut examples = Vec::new();
    for entry in folders.expect("examples") {
        let folder = entry.expect("an entry").path();
        let path = folder.join("infer.yaml");
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let mut documents: Vec<Value> =
            infer::for_tests::yaml::parse_all(&path, &text).expect("sound YAML");
        let document = documents.remove(0);
        let environments = document["environments"].as_object();
        let names = environments.into_iter().flat_map(|all| all.keys().cloned());
        for environment in names.map(Some).chain([None]) {
            examples.push(Example {
                folder: folder.clone(),
                document: document.clone(),
                environment,
            });
        }
    }
    examples
}

impl Example {
    /// This example where it sets the row's key, or as it is with a sample of the key.
    fn setting(&self, row: &Row) -> Option<Self> {
        if let Some((_, sample)) = SAMPLES.iter().find(|(key, _)| *key == row.key) {
            let mut with = self.clone();
            let sample = serde_json::from_str(sample).expect("JSON");
            put(&mut with.document, &row.key, sample);
            return Some(with);
        }
        let mut sections = vec![&self.document];
        if let Some(name) = &self.environment {
            sections.push(&self.document["environments"][name]);
        }
        let pointer = pointer(&row.key);
        let set = sections
            .iter()
            .rev()
            .find_map(|one| one.pointer(&pointer))?;
        let as_said = row.value.as_ref().is_none_or(|value| set == value.as_str());
        as_said.then(|| self.clone())
    }

    fn without(&self, key: &str) -> Self {
        let mut without = self.clone();
        take(&mut without.document, key);
        let environments = without.document["environments"].as_object_mut();
        for (_, section) in environments.into_iter().flatten() {
            take(section, key);
        }
        if let Some((_, instead)) = INSTEAD.iter().find(|(known, _)| *known == key) {
            put(
                &mut without.document,
                key,
                serde_json::from_str(instead).expect("JSON"),
            );
        }
        without
    }

    fn proves(&self, row: &Row) -> bool {
        let with = self.rendered();
        let without = self.without(&row.key).rendered();
        let Some(with) = with else { return false };
        let has = |kind: &String| with.contains(&format!("\nkind: {kind}\n"));
        row.kinds().iter().all(has) && without.is_none_or(|without| without != with)
    }

    /// The manifests; `None` where it is refused.
    fn rendered(&self) -> Option<String> {
        let place = Workplace::new();
        place.write("infer.yaml", self.document.to_string());
        if let Ok(lock) = fs::read(self.folder.join("infer.lock")) {
            place.write("infer.lock", lock);
        }
        let environment = self.environment.iter();
        let environment = environment.flat_map(|name| ["--env", name]);
        let ran = place.run(["render"].into_iter().chain(environment));
        (ran.code() == 0).then(|| ran.stdout())
    }
}

impl Row {
    /// The kinds of objects that the row names.
    fn kinds(&self) -> Vec<String> {
        let words = self.objects.split(|c: char| !c.is_alphanumeric());
        words
            .filter(|word| KINDS.iter().any(|row| row.kind.kind == *word))
            .map(str::to_owned)
            .collect()
    }
}

/// `/a/b` for `a.b`.
fn pointer(key: &str) -> String {
    format!("/{}", key.replace('.', "/"))
}

fn put(document: &mut Value, key: &str, value: Value) {
    let mut at = document;
    for part in key.split('.') {
        at = &mut at[part];
    }
    *at = value;
}

fn take(document: &mut Value, key: &str) {
    let (parent, last) = key.rsplit_once('.').unwrap_or(("", key));
    let parent = if parent.is_empty() {
        String::new()
    } else {
        pointer(parent)
    };
    if let Some(section) = document.pointer_mut(&parent).and_then(Value::as_object_mut) {
        section.remove(last);
    }
}

fn sources_below(folders: &[&str]) -> Vec<String> {
    let files = folders.iter().flat_map(|folder| files_below(folder));
    files
        .map(|path| fs::read_to_string(path).expect("a source"))
        .collect()
}
