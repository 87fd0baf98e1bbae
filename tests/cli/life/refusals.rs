//! What a release's verbs refuse, and how they say so.

use super::Release;
use crate::assert_ran;

#[test]
fn without_a_release_each_verb_says_how_to_get_one() {
    let release = Release::packed();
    for verb in [
        "status",
        "logs",
        "history",
        "rollback",
        "delete --yes",
        "canary",
        "canary status",
        "canary resume",
        "canary promote",
        "canary abort",
        "load",
    ] {
        let ran = release.run(verb).expect_code(1);
        assert_eq!(
            ran.stderr(),
            "error: chat has no release on this machine\nhint: bring it up with `infer deploy`\n",
            "{verb}"
        );
    }
    // A question about a release starts nothing.
    assert_ran!(release.place.run(["status", "--file", "none.yaml"]), @r#"
    exit 0
    --- stdout
    no release on this machine
    "#);
    assert_ran!(release.run("status nope"), @r#"
    exit 1
    --- stderr
    error: nope has no release on this machine
    hint: there is none; bring one up with `infer deploy`
    hint: no cluster is configured to look in: set KUBECONFIG
    "#);
    assert_ran!(release.run("logs --file none.yaml"), @r#"
    exit 2
    --- stderr
    error: no release is named, and there is no none.yaml
    hint: name one: `infer status` lists them
    hint: or make a file: `infer init`
    "#);
    assert_ran!(release.run("load --file none.yaml"), @r#"
    exit 2
    --- stderr
    error: load needs the address of a server, or the none.yaml of a release
    hint: infer load http://HOST:PORT; try it on `infer sim`
    "#);
}

#[test]
fn a_name_that_is_not_here_is_told_with_those_that_are() {
    let release = Release::deployed();
    assert_ran!(release.run("history caht"), @r#"
    exit 1
    --- stderr
    error: caht has no release on this machine
    hint: there is chat
    hint: no cluster is configured to look in: set KUBECONFIG
    "#);
}

#[test]
fn a_live_release_refuses_what_it_cannot_do() {
    let release = Release::deployed();
    assert_ran!(release.run("rollback"), @r#"
    exit 1
    --- stderr
    error: chat has no earlier version to go back to
    hint: see the versions that it has served: `infer history chat`
    "#);
    assert_ran!(release.run("rollback --to v123456789"), @r#"
    exit 2
    --- stderr
    error: chat never served v123456789
    hint: see the versions that it has served: `infer history chat`
    "#);
    assert_ran!(release.run("rollback --to latest"), @r#"
    exit 2
    --- stderr
    error: invalid value 'latest' for '--to <VERSION>': "latest" is not a valid version: a version is v and 9 hex digits, like v3c1f2a90b

    For more information, try '--help'.
    "#);
    assert_ran!(release.run("logs --version v123456789"), @r#"
    exit 2
    --- stderr
    error: chat never served v123456789
    hint: see the versions that it has served: `infer history chat`
    "#);
    assert_ran!(release.run("canary"), @r#"
    exit 2
    --- stderr
    error: nothing to canary: vbbc89639b is the live version
    hint: change infer.yaml or run `infer pack`, or name another with --version
    "#);
    assert_ran!(release.run("canary status"), @r#"
    exit 2
    --- stderr
    error: no canary of chat is open
    hint: infer canary chat --weight 10
    "#);
    assert_ran!(release.run("canary --version v123456789"), @r#"
    exit 2
    --- stderr
    error: v123456789 of chat is not up
    hint: bring it up with `infer deploy --no-traffic`
    "#);
    assert_ran!(release.run("canary --weight 101"), @r#"
    exit 2
    --- stderr
    error: invalid value '101' for '--weight <PERCENT>': a weight is a whole percent from 0 to 100, not 101

    For more information, try '--help'.
    "#);
    assert_ran!(release.run("delete"), @r#"
    exit 2
    --- stderr
    error: Delete chat and end its traffic? needs an answer, and there is no terminal to ask on
    hint: add --yes
    "#);
    assert_ran!(release.run("serve"), @r#"
    exit 5
    --- stderr
    error: chat is served already, by process [PID]
    hint: infer status    shows what it serves
    "#);
    assert_ran!(release.run("deploy --set traffic.port=7000"), @r#"
    exit 0
    --- stdout
    http://127.0.0.1:[PORT]
    --- stderr
    [TIME] chat keeps http://127.0.0.1:[PORT], which its clients know; to move it to port [PORT], delete it first
    [TIME] chat on local   live vbbc89639b: unchanged
    "#);
    assert_ran!(release.run("status"), @r#"
    exit 0
    --- stdout
    chat   local   http://127.0.0.1:[PORT]   simulated: no model is run
      live      vbbc89639b  ready  sim  1/1 ready
    "#);
}

#[test]
fn a_deploy_that_cannot_be_says_why_and_live_goes_on() {
    let release = Release::deployed();
    // How often it was tried again, and so its log, depends on the machine.
    let ran = release
        .run("deploy --set engine.env.INFER_SIM_FAIL_START=true")
        .expect_code(1);
    for part in [
        "is withdrawn; live vbbc89639b was not touched",
        "did not start: exit status: 1",
        "caused by: log: error: the simulated engine failed to start, as asked for",
        "hint: the whole log is ",
        "hint: live vbbc89639b still serves 100%",
    ] {
        assert!(ran.stderr().contains(part), "{part}: {}", ran.stderr());
    }
    assert_ran!(release.run("deploy --image oci:./other"), @r#"
    exit 2
    --- stderr
    error: oci:./other is not in infer.lock, so its digest is not known
    hint: run `infer pack`
    "#);
    assert_ran!(release.run("deploy --lock none.lock"), @r#"
    exit 2
    --- stderr
    error: there is no lock file none.lock
    hint: run `infer pack`, which writes infer.lock, or name another with --lock
    "#);
    assert_ran!(release.run("deploy --env prod"), @r#"
    exit 2
    --- stderr
    error: infer.yaml has no environment "prod"
    hint: the file has no `environments`
    "#);
    assert_ran!(release.run("deploy --set scale.replicas=many"), @r#"
    exit 2
    --- stderr
    error: `--set scale.replicas=many` cannot be used: `scale.replicas` takes a whole number, 0 or more, not string "many"
    "#);
    assert_ran!(release.run("deploy --file none.yaml"), @r#"
    exit 2
    --- stderr
    error: cannot read none.yaml
    caused by: No such file or directory (os error 2)
    hint: write one with `infer init`, or name it with --file
    "#);
    assert_ran!(release.run("deploy --set engine.kind=vllm"), @r#"
    exit 1
    --- stderr
    [TIME] chat on local   live vbbc89639b → vd76317d07: start it beside live, see its first token, move all traffic, drain live
    [TIME] ! vd76317d07 is withdrawn; live vbbc89639b was not touched
    error: vllm is not on PATH
    hint: pip install vllm
    "#);
    release.place.write("infer.lock", "{");
    assert_ran!(release.run("deploy"), @r#"
    exit 1
    --- stderr
    error: infer.lock is not a valid lock file
    caused by: EOF while parsing an object at line 1 column 1
    hint: take it from version control, or remove infer.lock and run `infer pack`
    "#);
    let status = release.run("status").expect_code(0).stdout();
    assert!(status.contains("live      vbbc89639b  ready"), "{status}");
}
