//! The verbs that need neither a server nor a release, as people read them.

use crate::{
    assert_ran,
    support::{infer::Workplace, weights::tiny_model},
};

fn cluster() -> Workplace {
    let place = Workplace::new();
    place.write(
        "infer.yaml",
        "version: 1\nname: chat\nengine: {kind: sim, image: 'example.com/infer:1'}\ntarget: kubernetes\n",
    );
    place
}

#[test]
fn init_asks_nobody_without_a_terminal_and_says_what_is_missing() {
    let place = Workplace::new();
    tiny_model(&place.join("weights"));
    let run = |line: &str| place.run(line.split(' '));
    assert_ran!(run("init chat --model weights --target kubernetes"), @r#"
    exit 2
    --- stderr
    error: nothing says where to pack the model
    hint: nodes pull it: add --image REGISTRY/REPOSITORY
    "#);
    assert_ran!(run("init Chat"), @r#"
    exit 2
    --- stderr
    error: invalid value 'Chat' for '[NAME]': "Chat" is not a valid release name: use 1 to 40 of a-z, 0-9 and -, starting with a letter and not ending with -

    For more information, try '--help'.
    "#);
    assert_ran!(run("init chat --model none"), @r#"
    exit 2
    --- stderr
    error: none does not exist
    "#);
    assert_ran!(run("init chat --model weights --engine vlm"), @r#"
    exit 2
    --- stderr
    error: invalid value 'vlm' for '--engine <KIND>': "vlm" is not a valid engine: use vllm, sglang, llama.cpp, sim

    For more information, try '--help'.
    "#);
    assert!(!place.join("infer.yaml").exists());
    assert_ran!(run("init chat --engine sim"), @r#"
    exit 0
    --- stdout
    infer.yaml
    --- stderr
    [TIME] Next: say what to serve with `model: {source: DIR}`, then `infer pack`.
    "#);
    assert_ran!(run("init chat --engine sim"), @r#"
    exit 2
    --- stderr
    error: infer.yaml is there already
    hint: change it, or replace it: add --force
    "#);
}

#[test]
fn the_folders_name_is_the_releases_where_none_is_given() {
    let place = Workplace::new();
    place.write("My_Chat-2/keep", "");
    let mut command = place.command(["init", "--engine", "sim"]);
    let output = command.current_dir(place.join("My_Chat-2")).output();
    assert!(output.expect("infer starts").status.success());
    assert!(
        place
            .read("My_Chat-2/infer.yaml")
            .contains("name: my-chat-2\n")
    );
}

#[test]
fn render_writes_manifests_or_says_why_not() {
    let place = cluster();
    let run = |line: &str| place.run(line.split(' '));
    assert_ran!(run("render --into manifests"), @r#"
    exit 0
    --- stdout
    manifests/serviceaccount-chat.yaml
    manifests/deployment-chat-v6822be5cc.yaml
    manifests/service-chat-v6822be5cc.yaml
    manifests/service-chat.yaml
    "#);
    place.write("theirs/service-chat.yaml", "mine: true\n");
    assert_ran!(run("render --into theirs"), @r#"
    exit 1
    --- stderr
    error: cannot write theirs/service-chat.yaml
    caused by: it is there and was not rendered by infer
    hint: move it away, or choose another place
    "#);
    assert_eq!(place.read("theirs/service-chat.yaml"), "mine: true\n");
    assert_ran!(run("render --set target=local"), @r#"
    exit 2
    --- stderr
    error: the target is `local`, which has no manifests
    hint: render for a cluster with `--set target=kubernetes`
    "#);
    assert_ran!(run("render --image oci:./image"), @r#"
    exit 2
    --- stderr
    error: nodes cannot pull from a folder of this machine: oci:./image
    hint: pack to a registry: `infer pack --to REGISTRY/REPOSITORY`
    "#);
    assert_ran!(run("render --image example.com/models/chat"), @r#"
    exit 2
    --- stderr
    error: example.com/models/chat is not in infer.lock, so its digest is not known
    hint: run `infer pack`
    "#);
    assert_ran!(run("render --set engine.kind=vllm"), @r#"
    exit 2
    --- stderr
    error: infer.yaml: it has no `model`
    hint: add `model: {source: DIR, image: REGISTRY/REPOSITORY}`
    "#);
    assert_ran!(run("render --file none.yaml"), @r#"
    exit 2
    --- stderr
    error: cannot read none.yaml
    caused by: No such file or directory (os error 2)
    hint: write one with `infer init`, or name it with --file
    "#);
}

#[test]
fn templates_are_listed_copied_and_compared() {
    let place = cluster();
    let run = |line: &str| place.run(line.split(' '));
    assert_ran!(run("template list"), @r#"
    exit 0
    --- stdout
    TEMPLATE                           ORIGIN    BLOCKS
    service-account.yaml.j2            built-in  annotations
    deployment.yaml.j2                 built-in  annotations replicas strategy
    leader-worker-set.yaml.j2          built-in  annotations replicas strategy
    service-version.yaml.j2            built-in  annotations spec
    pod-disruption-budget.yaml.j2      built-in  annotations budget
    horizontal-pod-autoscaler.yaml.j2  built-in  annotations metrics behavior
    service.yaml.j2                    built-in  annotations spec
    http-route.yaml.j2                 built-in  annotations parents timeouts
    virtual-service.yaml.j2            built-in  annotations timeouts retries
    _pod.yaml.j2                       built-in  security scheduling init_containers
                                                 env resources probes lifecycle
                                                 volume_mounts containers volumes
    "#);
    assert_ran!(run("template eject service.yaml.j2 --set templates=mine"), @r#"
    exit 0
    --- stdout
    mine/service.yaml.j2
    "#);
    assert_ran!(run("template eject service.yaml.j2 --set templates=mine"), @r#"
    exit 2
    --- stderr
    error: mine/service.yaml.j2 is there already
    hint: compare it: `infer template diff`
    hint: or replace it: add --force
    "#);
    assert_ran!(run("template eject none.yaml.j2"), @r#"
    exit 2
    --- stderr
    error: "none.yaml.j2" is not a built-in template
    hint: `infer template list` shows them
    "#);
    assert_ran!(run("template diff --exit-code --set templates=mine"), @r#"exit 0"#);
    let text = place.read("mine/service.yaml.j2");
    place.write(
        "mine/service.yaml.j2",
        text.replace("kind: Service", "kind: Service # mine"),
    );
    let changed = run("template diff --exit-code --set templates=mine").expect_code(3);
    assert!(
        changed.stdout().contains("\n+kind: Service # mine"),
        "{}",
        changed.stdout()
    );
    assert_ran!(run("template list --set templates=none"), @r#"
    exit 2
    --- stderr
    error: cannot read templates in none
    caused by: No such file or directory (os error 2)
    hint: make the folder with `infer template eject`, or take `templates` out of infer.yaml
    "#);
}

#[test]
fn doctor_says_what_is_there_and_what_is_missing() {
    let place = Workplace::new().env("PATH", "/nowhere");
    place.write(
        "infer.yaml",
        "version: 1\nname: chat\nengine: {kind: sim}\n",
    );
    assert_ran!(place.run(["doctor"]), @r#"
    exit 0
    --- stdout
    This machine
      ✓ Engine           simulated by infer itself: no model is run
      ✓ Port             127.0.0.1:[PORT] is free
      ✓ Disk             [BYTES] free for models in [DIR]/.infer/cache
      ✓ Registry logins  none: open registries and OCI layouts only
    ready for target local
    "#);
    assert_ran!(place.run(["doctor", "--file", "none.yaml"]), @r#"
    exit 0
    --- stdout
    This machine
      ✓ Engine           no engine on PATH
      ✓ Port             127.0.0.1:[PORT] is free
      ✓ Disk             [BYTES] free for models in [DIR]/.infer/cache
      ✓ Registry logins  none: open registries and OCI layouts only
    Cluster
      ✓ API server       no cluster is configured, and none is needed
    nothing in the way; there is no infer.yaml to say what is needed
    "#);
    assert_ran!(place.run(["doctor", "--set", "engine.kind=llama.cpp", "--set", "model.source=weights"]), @r#"
    exit 3
    --- stdout
    This machine
      ✗ Engine           llama-server is not on PATH
                         fix: get llama-server from https://github.com/ggml-org/llama.cpp/releases
      ✓ Port             127.0.0.1:[PORT] is free
      ✓ Disk             [BYTES] free for models in [DIR]/.infer/cache
      ✓ Registry logins  none: open registries and OCI layouts only
    1 thing is missing
    "#);
}

#[test]
fn two_load_tests_are_compared_in_a_table() {
    let place = Workplace::new();
    let line = |ttft: u32, at: u32| {
        format!(
            "{{\"event\":\"request\",\"intended_s\":{at},\"ttft_ms\":{ttft},\"tpot_ms\":10,\"e2e_ms\":500,\"error\":null}}\n"
        )
    };
    let run = |add: u32| {
        (0..400)
            .map(|at| line(100 + add + at * 7 % 20, at))
            .collect::<String>()
    };
    place.write("a.ndjson", run(0));
    place.write("slow.ndjson", run(40));
    place.write("few.ndjson", line(100, 0));
    place.write("text.ndjson", "no JSON\n");
    let compare = |a: &str, b: &str| place.run(["load", "compare", a, b]);
    assert_ran!(compare("a.ndjson", "a.ndjson"), @r#"
    exit 0
    --- stdout
                         A         B    change   95% interval
    ttft.p50           109       109     +0.0%   +0.0% … +0.0%   not worse
    ttft.p95           118       118     +0.0%   +0.0% … +0.0%   not worse
    tpot.p50          10.0      10.0     +0.0%   +0.0% … +0.0%   not worse
    tpot.p95          10.0      10.0     +0.0%   +0.0% … +0.0%   not worse
    e2e.p50            500       500     +0.0%   +0.0% … +0.0%   not worse
    error_rate        0.0%      0.0%     +0.0%   +0.0% … +0.0%   not worse
    B is not worse (margin 5.0%, 400 and 400 requests)
    "#);
    assert_ran!(compare("a.ndjson", "slow.ndjson"), @r#"
    exit 3
    --- stdout
                         A         B    change   95% interval
    ttft.p50           109       149    +36.7%   +36.7% … +36.7%   worse
    ttft.p95           118       158    +33.9%   +33.9% … +33.9%   worse
    tpot.p50          10.0      10.0     +0.0%   +0.0% … +0.0%   not worse
    tpot.p95          10.0      10.0     +0.0%   +0.0% … +0.0%   not worse
    e2e.p50            500       500     +0.0%   +0.0% … +0.0%   not worse
    error_rate        0.0%      0.0%     +0.0%   +0.0% … +0.0%   not worse
    B is worse (margin 5.0%, 400 and 400 requests)
    "#);
    assert_ran!(compare("a.ndjson", "few.ndjson"), @r#"
    exit 4
    --- stdout
                         A         B    change   95% interval
    ttft.p50           109         –         –   too few values   undecided
    ttft.p95           118         –         –   too few values   undecided
    tpot.p50          10.0         –         –   too few values   undecided
    tpot.p95          10.0         –         –   too few values   undecided
    e2e.p50            500         –         –   too few values   undecided
    error_rate        0.0%      0.0%     +0.0%   +0.0% … +0.0%   not worse
    B is undecided: longer runs would tell (margin 5.0%, 400 and 1 requests)
    "#);
    assert_ran!(compare("a.ndjson", "none.ndjson"), @r#"
    exit 2
    --- stderr
    error: cannot read none.ndjson
    caused by: No such file or directory (os error 2)
    "#);
    assert_ran!(compare("a.ndjson", "text.ndjson"), @r#"
    exit 2
    --- stderr
    error: text.ndjson does not hold the requests of a load test: line 1: expected ident at line 1 column 2
    hint: write one with `infer load … --output json > run.ndjson`
    "#);
    assert_ran!(place.run(["load", "compare", "a.ndjson", "a.ndjson", "--margin", "lots"]), @r#"
    exit 2
    --- stderr
    error: invalid value 'lots' for '--margin <MARGIN>': "lots" is not a valid margin: use a share such as 5%, from 0% to 1000%

    For more information, try '--help'.
    "#);
}

#[test]
fn scripts_and_pages_say_what_they_cannot_be() {
    let place = Workplace::new();
    let run = |line: &str| place.run(line.split(' '));
    assert_ran!(run("man --into man1"), @r#"
    exit 0
    --- stderr
    [TIME] Wrote 30 pages to man1.
    "#);
    assert_ran!(run("completions csh"), @r#"
    exit 2
    --- stderr
    error: invalid value 'csh' for '<SHELL>'
      [possible values: bash, elvish, fish, powershell, zsh]

      tip: a similar value exists: 'zsh'

    For more information, try '--help'.
    "#);
    assert_ran!(run("schema answers"), @r#"
    exit 2
    --- stderr
    error: invalid value 'answers' for '[OF]'
      [possible values: file, results]

    For more information, try '--help'.
    "#);
    assert_ran!(run("schema results --quiet --output yaml"), @r#"
    exit 2
    --- stderr
    error: invalid value 'yaml' for '--output <OUTPUT>'
      [possible values: human, json]

    For more information, try '--help'.
    "#);
}

/// Only the answer: nothing on stderr where all went well.
#[test]
fn quiet_is_quiet_and_no_colour_has_no_colour() {
    let place = cluster().env("NO_COLOR", "1");
    tiny_model(&place.join("weights"));
    for line in [
        "init other --engine sim --file other.yaml",
        "pack weights --to oci:./image",
        "inspect oci:./image",
        "verify oci:./image",
        "unpack oci:./image --into model",
        "render",
        "template list",
        "man --into man1",
        "schema",
        "doctor --file other.yaml",
        "status --file none.yaml",
    ] {
        let mut words: Vec<_> = line.split(' ').collect();
        words.push("--quiet");
        let ran = place.run(words).expect_code(0);
        assert!(ran.stderr().is_empty(), "{line}: {}", ran.stderr());
        assert!(!ran.stdout().contains('\u{1b}'), "{line}");
    }
}
