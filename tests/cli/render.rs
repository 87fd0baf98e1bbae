//! `infer render`: manifests on stdout or in a folder, and what stops it.

use crate::support::infer::Workplace;

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn workplace() -> Workplace {
    let place = Workplace::new();
    place.write(
        "infer.yaml",
        format!(
            "name: chat\nmodel: {{image: 'registry.example.com/models/chat@{DIGEST}'}}\n\
             engine: {{kind: vllm, version: 0.18.0}}\ntarget: kubernetes\n\
             environments: {{prod: {{scale: {{replicas: 3}}}}}}\n"
        ),
    );
    place
}

#[test]
fn manifests_are_printed_alone_and_the_same_each_time() {
    let place = workplace();
    let first = place.run(["render"]).expect_code(0);
    assert!(first.stdout().starts_with("---\napiVersion: v1\n"));
    assert!(first.stdout().contains("kind: Deployment"));
    assert!(first.stderr().is_empty(), "{}", first.stderr());
    assert_eq!(place.run(["render"]).stdout(), first.stdout());
}

#[test]
fn the_result_is_one_json_object_with_the_objects_in_it() {
    let ran = workplace()
        .run(["render", "--output", "json"])
        .expect_code(0);
    let result = ran.result();
    assert_eq!(result["event"], "result");
    assert_eq!(result["release"], "chat");
    assert_eq!(result["objects"][1]["kind"], "Deployment");
    let name = format!("chat-{}", result["version"].as_str().unwrap());
    assert_eq!(result["objects"][1]["metadata"]["name"], name.as_str());
}

#[test]
fn a_folder_holds_one_file_an_object_and_no_stale_ones() {
    let place = workplace();
    place.write("out/notes.yaml", "mine: true\n");
    let first = place
        .run(["render", "--env", "prod", "--into", "out"])
        .expect_code(0);
    assert_eq!(first.stdout().lines().count(), 5, "{}", first.stdout());
    let second = place.run(["render", "--into", "out"]).expect_code(0);
    assert!(
        second
            .stdout()
            .contains("removed out/poddisruptionbudget-chat-")
    );
    assert!(place.join("out/notes.yaml").exists());
    assert_eq!(std::fs::read_dir(place.join("out")).unwrap().count(), 5);
}

#[test]
fn somebody_elses_file_is_never_replaced() {
    let place = workplace();
    place.write("out/serviceaccount-chat.yaml", "mine: true\n");
    let ran = place.run(["render", "--into", "out"]).expect_code(1);
    assert!(
        ran.stderr().contains("not rendered by infer"),
        "{}",
        ran.stderr()
    );
    assert_eq!(place.read("out/serviceaccount-chat.yaml"), "mine: true\n");
}

#[test]
fn a_folder_that_cannot_be_written_is_a_failure() {
    let place = workplace();
    place.write("file", "x");
    let ran = place.run(["render", "--into", "file/deep"]).expect_code(1);
    assert!(ran.stderr().contains("cannot write"), "{}", ran.stderr());
}

#[test]
fn a_misspelt_key_is_shown_with_its_line_and_the_nearest_key() {
    let place = Workplace::new();
    place.write(
        "infer.yaml",
        "name: chat\nengine:\n  kind: vllm\n  verison: 1\n",
    );
    let ran = place.run(["render"]).expect_code(2);
    for part in [
        "infer.yaml",
        "line 4",
        "verison",
        "hint: did you mean `version`?",
    ] {
        assert!(ran.stderr().contains(part), "{part}: {}", ran.stderr());
    }
    assert!(ran.stdout().is_empty());
}

#[test]
fn without_a_file_the_way_out_is_init() {
    let ran = Workplace::new().run(["render"]).expect_code(2);
    assert!(
        ran.stderr().contains("cannot read infer.yaml"),
        "{}",
        ran.stderr()
    );
    assert!(ran.stderr().contains("infer init"), "{}", ran.stderr());
}

#[test]
fn a_layout_cannot_be_pulled_by_nodes() {
    let place = workplace();
    let ran = place
        .run(["render", "--set", "model.image=oci:./image"])
        .expect_code(2);
    assert!(ran.stderr().contains("infer pack --to"), "{}", ran.stderr());
}

#[test]
fn a_local_target_has_no_manifests() {
    let ran = workplace()
        .run(["render", "--set", "target=local"])
        .expect_code(2);
    assert!(
        ran.stderr().contains("--set target=kubernetes"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn errors_are_one_json_object_too() {
    let ran = workplace()
        .run(["render", "--output", "json", "--set", "scale.vertical=off"])
        .expect_code(2);
    let error = ran.result();
    assert_eq!(error["event"], "error");
    assert_eq!(error["kind"], "usage");
    assert_eq!(error["message"], "`scale.vertical` is not supported yet");
}

#[test]
fn help_starts_with_what_it_does_and_ends_with_examples() {
    let help = workplace()
        .run(["render", "--help"])
        .expect_code(0)
        .stdout();
    assert!(help.starts_with("Print the Kubernetes manifests"), "{help}");
    assert!(help.contains("infer render | kubectl apply"), "{help}");
}

#[test]
fn the_digest_comes_from_the_lock_and_its_lack_is_a_usage_error() {
    let place = Workplace::new();
    place.write(
        "infer.yaml",
        "name: chat\nmodel: {image: 'registry.example.com/models/chat:3'}\n\
         engine: {kind: vllm, version: 0.18.0}\ntarget: kubernetes\n",
    );
    let ran = place.run(["render"]).expect_code(2);
    assert!(
        ran.stderr().contains("run `infer pack`"),
        "{}",
        ran.stderr()
    );
    place.write(
        "infer.lock",
        format!(
            r#"{{"version": 1, "models": {{"registry.example.com/models/chat": {{
                "digest": "{DIGEST}", "layers": [], "source": {{"kind": "directory"}}}}}}}}"#
        ),
    );
    let ran = place.run(["render"]).expect_code(0);
    let pinned = format!("reference: registry.example.com/models/chat@{DIGEST}");
    assert!(ran.stdout().contains(&pinned), "{}", ran.stdout());
}
