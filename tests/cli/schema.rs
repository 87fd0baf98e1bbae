//! `infer schema`: of infer.yaml, and of what verbs answer.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{
    infer::{Ran, Workplace},
    process::Process,
    serve::end_engines,
    weights::tiny_model,
};

#[test]
fn the_schema_of_the_file_is_json_alone() {
    let ran = Workplace::new().run(["schema"]).expect_code(0);
    let schema: Value = serde_json::from_str(&ran.stdout()).unwrap();
    assert_eq!(schema["title"], "infer.yaml");
    assert_eq!(schema["additionalProperties"], false);
    assert!(ran.stderr().is_empty());
}

#[test]
fn in_a_stream_the_schema_is_one_event() {
    let ran = Workplace::new()
        .run(["schema", "--output", "json"])
        .expect_code(0);
    assert_eq!(ran.result()["schema"]["title"], "infer.yaml");
}

fn schemas() -> Value {
    let ran = Workplace::new().run(["schema", "results"]).expect_code(0);
    serde_json::from_str(&ran.stdout()).expect("JSON")
}

#[test]
fn each_verb_has_the_schema_of_its_result() {
    let schemas = schemas();
    let mut described: BTreeSet<_> = schemas.as_object().unwrap().keys().cloned().collect();
    described.remove("events");
    let mut verbs: BTreeSet<String> = infer::for_tests::cli::command()
        .get_subcommands()
        .map(|verb| verb.get_name().to_owned())
        .collect();
    verbs.extend(["load compare", "canary status"].map(str::to_owned));
    assert_eq!(described, verbs);
    for (verb, schema) in schemas.as_object().unwrap() {
        if verb == "events" {
            continue;
        }
        assert_eq!(&schema["properties"]["verb"]["const"], verb);
    }
}

/// `load` of `load compare …`.
fn verb_of(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

/// Holds the last line of real runs against the schema of its verb, and against the verb that
/// the first line names.
struct Checker {
    schemas: Value,
    place: Workplace,
    checked: BTreeSet<String>,
    /// The events that were held against a schema.
    events: BTreeSet<String>,
}

impl Checker {
    fn run(&mut self, line: &str) -> Value {
        let words = ["--output", "json"].into_iter().chain(line.split(' '));
        let ran: Ran = self.place.run(words);
        assert_eq!(ran.events()[0]["event"], "start", "{line}");
        assert!(ran.stderr().is_empty(), "{line}: {}", ran.stderr());
        self.check_events(verb_of(line), &ran.events());
        self.check(line, ran.result())
    }

    /// Holds each line before the result against the schema of the verb's events.
    fn check_events(&mut self, verb: &str, events: &[Value]) {
        let of = |name: &str| {
            let schema = self.schemas["events"].get(name)?;
            Some(jsonschema::validator_for(schema).expect("a schema"))
        };
        let (any, own) = (of("any").expect("lines of any verb"), of(verb));
        for event in events {
            // Those of a canary have no schema yet.
            if event["event"] == "result" || verb == "canary" {
                continue;
            }
            let own = own.as_ref().is_some_and(|own| own.is_valid(event));
            assert!(own || any.is_valid(event), "{verb}: {event}");
            self.events
                .insert(event["event"].as_str().expect("a name").to_owned());
        }
    }

    fn check(&mut self, line: &str, result: Value) -> Value {
        assert_eq!(result["event"], "result", "{line}: {result}");
        let verb = result["verb"].as_str().expect("a verb").to_owned();
        let schema = &self.schemas[&verb];
        assert!(schema.is_object(), "{line}: no schema of {verb}");
        let validator = jsonschema::validator_for(schema).expect("a schema");
        let wrong: Vec<_> = validator
            .iter_errors(&result)
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{line}: {wrong:#?}\n{result:#}");
        // Every field that is written is described.
        let bare = serde_json::json!({"event": "result", "verb": verb});
        assert!(!validator.is_valid(&bare), "{verb} describes nothing");
        self.checked.insert(verb);
        result
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        self.place.run(["delete", "chat", "--yes", "--drain", "0"]);
        end_engines(&self.place);
    }
}

/// Runs of every verb that ends by itself, in this order.
const LINES: [&str; 28] = [
    "init chat --model weights --image oci:./image --engine sim --target local",
    "init bare --engine sim --file bare.yaml",
    "pack --dry-run",
    "pack --also modelpack",
    "inspect --files",
    "verify",
    "unpack --into model",
    "render --file cluster.yaml",
    "render --file cluster.yaml --into manifests",
    "template list",
    "template eject service.yaml.j2",
    "template diff --set templates=templates",
    "schema",
    "schema results",
    "completions fish",
    "man",
    "man --into man1",
    "doctor",
    "deploy",
    "deploy",
    "status",
    "status --file none.yaml",
    "logs --tail 1",
    "deploy --set engine.env.REVISION=2",
    "rollback",
    "history",
    "load -n 3 --output-tokens 2 --input-tokens 4 --slo ttft.p50<9s",
    "canary --weight 50 --for 5s --probe-rate 0 --set engine.env.REVISION=3",
];

#[test]
fn what_verbs_answer_is_what_their_schemas_say() {
    let place = Workplace::new();
    tiny_model(&place.join("weights"));
    place.write(
        "cluster.yaml",
        "version: 1\nname: chat\nengine: {kind: sim, image: 'example.com/infer:1'}\ntarget: kubernetes\n",
    );
    let mut checker = Checker {
        schemas: schemas(),
        place,
        checked: BTreeSet::new(),
        events: BTreeSet::new(),
    };
    for line in LINES {
        checker.run(line);
    }
    let run = "{\"event\":\"request\",\"intended_s\":1,\"ttft_ms\":9,\"tpot_ms\":1,\"e2e_ms\":20,\"error\":null}\n";
    checker.place.write("run.ndjson", run.repeat(9));
    checker.run("load compare run.ndjson run.ndjson");

    let line = "--output json canary --weight 10 --set engine.env.REVISION=4";
    let mut canary = Process::start(&mut checker.place.command(line.split(' ')));
    canary.event("weight-set");
    canary.kill();
    checker.run("canary status");
    checker.run("status");
    checker.run("canary abort");
    checker.run("delete --yes");

    for (line, first) in [("sim --port 0", "listening"), ("serve chat", "serving")] {
        let words = ["--output", "json"].into_iter().chain(line.split(' '));
        let mut process = Process::start(&mut checker.place.command(words));
        let event = process.event(first);
        let verb = verb_of(line);
        checker.check_events(verb, &[event]);
        process.interrupt();
        let result = process.event("result");
        checker.check(line, result);
    }
    let mut described: BTreeSet<_> = checker
        .schemas
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    described.remove("events");
    assert_eq!(checker.checked, described);
    for event in [
        "start",
        "model",
        "layer",
        "planned",
        "phase-done",
        "moved",
        "target",
        "request",
    ] {
        assert!(
            checker.events.contains(event),
            "no {event}: {:?}",
            checker.events
        );
    }
}
