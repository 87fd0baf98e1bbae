//! `infer schema`: of infer.yaml, and of what verbs answer.

use serde_json::Value;

use crate::support::infer::Workplace;

#[test]
fn the_schema_of_the_file_is_json_alone() {
    let ran = Workplace::new().run(["schema"]).expect_code(0);
    let schema: Value = serde_json::from_str(&ran.stdout()).unwrap();
    assert_eq!(schema["title"], "infer.yaml");
    assert_eq!(schema["additionalProperties"], false);
    assert!(ran.stderr().is_empty());
}

#[test]
fn results_are_described_by_verb() {
    let ran = Workplace::new().run(["schema", "results"]).expect_code(0);
    let schemas: Value = serde_json::from_str(&ran.stdout()).unwrap();
    for verb in ["pack", "deploy", "status", "history", "load"] {
        assert_eq!(
            schemas[verb]["properties"]["verb"]["const"], verb,
            "{schemas:#}"
        );
    }
}

#[test]
fn in_a_stream_the_schema_is_one_event() {
    let ran = Workplace::new()
        .run(["schema", "--output", "json"])
        .expect_code(0);
    assert_eq!(ran.result()["schema"]["title"], "infer.yaml");
}
