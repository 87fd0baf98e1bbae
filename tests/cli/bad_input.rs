//! What no one means to hand over: every verb says what is wrong and how to go on, exits 1 or 2,
//! and leaves nothing half-written behind.

mod disks;

use std::{
    ffi::{OsStr, OsString},
    fs,
    net::TcpListener,
    os::unix::ffi::OsStrExt as _,
    thread,
};

use crate::{
    assert_ran,
    support::{
        infer::{Ran, Workplace},
        weights::tiny_model,
    },
};

const LOCAL: &str = "version: 1\nname: chat\nmodel: {source: weights, image: oci:./image}\n\
                     engine: {kind: sim}\ntarget: local\n";
const CLUSTER: &str = "version: 1\nname: chat\nengine: {kind: sim, image: 'example.com/infer:1'}\n\
                       target: kubernetes\n";

/// Weights, a packed image, and the files of two releases.
fn workplace() -> Workplace {
    let place = Workplace::new();
    tiny_model(&place.join("weights"));
    place.write("infer.yaml", LOCAL);
    place.write("cluster.yaml", CLUSTER);
    place.run(["pack", "--quiet"]).expect_code(0);
    place
}

/// A failure that a person can act on.
#[track_caller]
fn assert_clear(ran: &Ran, line: &str) {
    let said = ran.stderr();
    assert!(
        [1, 2].contains(&ran.code()),
        "{line}: {}\n{said}",
        ran.code()
    );
    assert!(said.contains("error: "), "{line}: {said}");
    assert!(said.contains("hint: "), "{line}: {said}");
    assert!(!said.contains("panicked"), "{line}: {said}");
    assert!(ran.stdout().is_empty(), "{line}: {}", ran.stdout());
}

#[test]
fn an_empty_folder_is_named_as_such() {
    let place = workplace();
    fs::create_dir(place.join("empty")).expect("a folder");
    for line in [
        "pack empty --to oci:./new",
        "init other --model empty --file other.yaml",
        "inspect oci:empty",
        "verify oci:empty",
        "unpack oci:empty --into new",
        "render --file cluster.yaml --set templates=none",
        "deploy --file empty",
        "status --file empty",
        "sim --model none",
    ] {
        assert_clear(&place.run(line.split(' ')), line);
    }
    for name in ["new", "other.yaml"] {
        assert!(!place.join(name).exists(), "{name}");
    }
    assert_ran!(place.run(["load", "compare", "empty", "empty"]), @r#"
    exit 2
    --- stderr
    error: cannot read empty
    caused by: Is a directory (os error 21)
    "#);
}

#[test]
fn values_of_a_wrong_type_are_told_by_key_and_line() {
    let place = workplace();
    for (text, told) in [
        ("engine: sim\n", "`engine` takes keys of its own"),
        (
            "scale: {replicas: many}\n",
            "`scale.replicas` takes a whole number",
        ),
        (
            "scale: {replicas: -1}\n",
            "`scale.replicas` takes a whole number",
        ),
        ("scale: 3\n", "`scale` takes keys of its own"),
        ("gates: {slo: ttft.p99<1s}\n", "`gates.slo` takes a list"),
        (
            "traffic: {port: 99999}\n",
            "`traffic.port` takes a whole number from 0 to 65535",
        ),
        (
            "engine: {env: [A]}\n",
            "`engine.env` takes keys with values",
        ),
    ] {
        place.write("bad.yaml", format!("version: 1\nname: chat\n{text}"));
        for verb in [
            "deploy", "render", "status", "doctor", "serve", "canary", "pack", "load",
        ] {
            let ran = place.run([verb, "--file", "bad.yaml"]);
            assert_clear(&ran, text);
            assert!(
                ran.stderr().contains(" --> bad.yaml:3:"),
                "{}",
                ran.stderr()
            );
            assert!(ran.stderr().contains(told), "{verb}: {}", ran.stderr());
        }
    }
}

#[test]
fn what_is_no_yaml_or_no_text_at_all_is_told() {
    let place = workplace();
    place.write("bad.yaml", "name: [a\n");
    assert_ran!(place.run(["deploy", "--file", "bad.yaml"]), @r#"
    exit 2
    --- stderr
    error: bad.yaml is not valid: line 1 column 7: expected text
     --> bad.yaml:1:7
      |
    1 | name: [a
      |       ^ expected text
    "#);
    place.write("bad.yaml", "- a\n- b\n");
    assert_ran!(place.run(["deploy", "--file", "bad.yaml"]), @r#"
    exit 2
    --- stderr
    error: bad.yaml is not valid: line 1 column 1: expected keys with values, such as `key: value`
     --> bad.yaml:1:1
      |
    1 | - a
      | ^ expected keys with values, such as `key: value`
    2 | - b
      |
    hint: the file takes keys with values, not a list
    "#);
    place.write("bad.yaml", "name: a\nname: b\n");
    assert_ran!(place.run(["deploy", "--file", "bad.yaml"]), @r#"
    exit 2
    --- stderr
    error: bad.yaml is not valid: line 2 column 1: duplicate mapping key: name
     --> bad.yaml:2:1
      |
    1 | name: a
    2 | name: b
      | ^ duplicate mapping key: name
    "#);
    place.write("bad.yaml", b"name: \xff\xfe\n");
    assert_ran!(place.run(["deploy", "--file", "bad.yaml"]), @r#"
    exit 2
    --- stderr
    error: cannot read bad.yaml
    caused by: stream did not contain valid UTF-8
    hint: save it as UTF-8 text, or write one anew with `infer init`
    "#);
    place.write("bad.yaml", "");
    assert_ran!(place.run(["deploy", "--file", "bad.yaml"]), @r#"
    exit 2
    --- stderr
    error: bad.yaml: it has no `name`
    hint: add one, as in `name: chat`
    "#);
    place.write("bad.yaml", "version: 9\nname: chat\nengine: {kind: sim}\n");
    assert_ran!(place.run(["deploy", "--file", "bad.yaml"]), @r#"
    exit 2
    --- stderr
    error: bad.yaml: `version: 9` is a format that this infer does not know
    hint: use `version: 1`, or a newer infer
    "#);
    place.write(
        "bad.yaml",
        "version: 1\nname: chat\nengine: {kind: sim}\nscale: {replcas: 1}\n",
    );
    assert_ran!(place.run(["deploy", "--file", "bad.yaml"]), @r#"
    exit 2
    --- stderr
    error: bad.yaml is not valid: line 4 column 9: unknown field `replcas`, expected one of replicas, horizontal
     --> bad.yaml:4:9
      |
    2 | name: chat
    3 | engine: {kind: sim}
    4 | scale: {replcas: 1}
      |         ^ unknown field `replcas`, expected one of replicas, horizontal
    hint: did you mean `replicas`?
    "#);
}

#[test]
fn names_that_are_no_text_work_or_are_refused_and_never_crash() {
    let place = workplace();
    let odd = |start: &str| {
        let mut name = OsString::from(start);
        name.push(OsStr::from_bytes(b"\xff"));
        name
    };
    let run = |words: &[&str], name: &OsStr| {
        let words = words.iter().map(OsStr::new);
        place.run(words.chain([name]))
    };
    // Folders and files of such names are written to, and told as far as they can be shown.
    for (words, start) in [
        (["--output", "json", "unpack", "--into"].as_slice(), "model"),
        (
            &[
                "--output",
                "json",
                "render",
                "--file",
                "cluster.yaml",
                "--into",
            ],
            "manifests",
        ),
        (&["--output", "json", "man", "--into"], "man"),
        (
            &[
                "--output", "json", "init", "other", "--engine", "sim", "--file",
            ],
            "file",
        ),
        (&["--output", "json", "pack", "--lock"], "lock"),
    ] {
        let ran = run(words, &odd(start)).expect_code(0);
        assert_eq!(ran.result()["event"], "result", "{words:?}");
        assert!(place.join(odd(start)).exists(), "{words:?}");
    }
    let unpacked = run(&["--output", "json", "unpack", "--into"], &odd("again"));
    assert_eq!(unpacked.result()["path"], "again\u{fffd}");
    // What would have to stand in a file of text, or be a name for others, is refused.
    fs::rename(place.join("weights"), place.join(odd("weights"))).expect("renamed");
    let ran = run(
        &["init", "other", "--file", "other.yaml", "--model"],
        &odd("weights"),
    );
    assert_clear(&ran, "init");
    assert!(!place.join("other.yaml").exists());
    for words in [["status"].as_slice(), &["inspect"], &["completions"], &[]] {
        run(words, &odd("a")).expect_code(2);
    }
    let model = place.join(odd("weights"));
    fs::write(model.join(odd("notes")), "text").expect("a file");
    let ran = run(&["pack", "--to", "oci:./new"], model.as_os_str());
    assert_clear(&ran, "pack");
    assert!(!place.join("new").exists());
}

#[test]
fn an_explicit_port_in_use_is_an_error() {
    let place = workplace();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    for line in [
        format!("sim --port {port}"),
        format!("deploy --set traffic.port={port}"),
        format!("serve chat --port {port}"),
    ] {
        let ran = place.run(line.split(' '));
        assert_clear(&ran, &line);
        assert!(
            ran.stderr().contains(&port.to_string()),
            "{line}: {}",
            ran.stderr()
        );
    }
    assert!(
        place
            .run(["status", "--file", "none.yaml"])
            .stdout()
            .contains("no release")
    );
}

#[test]
fn a_server_that_never_answers_is_given_up_on() {
    // The kernel takes the connections; nobody ever reads from them.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    let place = workplace();
    let kubeconfig = place.write(
        "kubeconfig",
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: mute\nusers: [{{name: me, user: {{}}}}]\n\
             clusters: [{{name: mute, cluster: {{server: 'http://{address}'}}}}]\n\
             contexts: [{{name: mute, context: {{cluster: mute, user: me}}}}]\n"
        ),
    );
    let place = place.env("KUBECONFIG", &kubeconfig.display().to_string());
    thread::scope(|all| {
        for line in [
            format!("load http://{address} -n 1"),
            format!("pack --to {address}/models/chat:1 --lock new.lock"),
            format!("inspect {address}/models/chat:1"),
            format!("verify {address}/models/chat:1"),
            format!("unpack {address}/models/chat:1 --into new"),
            "status other".to_owned(),
            "logs other".to_owned(),
            "history other".to_owned(),
            "rollback other".to_owned(),
            "delete other --yes".to_owned(),
        ] {
            let place = &place;
            all.spawn(move || {
                let ran = place.run(line.split(' '));
                let said = ran.stderr();
                assert_eq!(ran.code(), 1, "{line}: {said}");
                assert!(
                    ["no answer", "did not answer for"]
                        .iter()
                        .any(|text| said.contains(text)),
                    "{line}: {said}"
                );
                assert!(said.contains("hint: "), "{line}: {said}");
            });
        }
        all.spawn(|| {
            let doctor = place.run(["doctor", "--context", "mute"]).expect_code(3);
            assert!(doctor.stdout().contains("no answer"), "{}", doctor.stdout());
        });
    });
    for name in ["new", "new.lock"] {
        assert!(!place.join(name).exists(), "{name}");
    }
    drop(silent);
}

#[test]
fn a_usage_error_is_an_event_where_json_is_asked_for() {
    let place = Workplace::new();
    for line in [
        "--output json bogus",
        "--output=json status --bogus",
        "load --rate fast --output json",
    ] {
        let ran = place.run(line.split(' ')).expect_code(2);
        let result = ran.result();
        assert_eq!(
            (&result["event"], &result["kind"]),
            (&"error".into(), &"usage".into())
        );
        assert!(ran.stderr().is_empty(), "{line}: {}", ran.stderr());
    }
    let place = place.env("INFER_OUTPUT", "json");
    assert_ran!(place.run(["stauts"]), @r#"
    exit 2
    --- stdout
    {"causes":[],"event":"error","hints":["see what there is with --help"],"kind":"usage","message":"unrecognized subcommand 'stauts'\n\n  tip: a similar subcommand exists: 'status'"}
    "#);
}
