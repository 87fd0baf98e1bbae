//! A version that takes live's place, for want of room for two.

use super::Release;
use crate::assert_ran;

#[test]
fn live_ends_first_only_where_downtime_is_allowed() {
    let release = Release::deployed();
    let in_place = "deploy --set rollout.surge=none --set engine.env.REVISION=2";
    assert_ran!(release.run(in_place), @r#"
    exit 1
    --- stderr
    error: there is no room for chat v76d1b7227 beside the live version: rollout.surge is none, and what is free beside it cannot be seen
    hint: accept downtime: `infer deploy --allow-downtime` stops the live version first
    hint: or free GPUs for both versions and remove rollout.surge: `infer doctor` shows what is taken
    "#);
    let status = release.run("status").expect_code(0).stdout();
    assert!(status.contains("live      vbbc89639b  ready"), "{status}");

    assert_ran!(release.run(&format!("{in_place} --allow-downtime")), @r#"
    exit 0
    --- stdout
    http://127.0.0.1:[PORT]
    --- stderr
    [TIME] chat on local   live vbbc89639b → v76d1b7227: stop live, start it in live's place, see its first token; nothing serves meanwhile
    [TIME] ✓ drained [SECONDS]   vbbc89639b is down, kept for rollback
    [TIME] ✓ load [SECONDS]   port [PORT]
    [TIME] ✓ first token [SECONDS]   through the gateway
    [TIME] ✓ moved        v76d1b7227 serves 100%, before vbbc89639b
    [TIME] nothing served for [SECONDS]
    "#);
    assert_ran!(release.run("rollback --allow-downtime"), @r#"
    exit 0
    --- stdout
    http://127.0.0.1:[PORT]
    --- stderr
    [TIME] chat on local   live v76d1b7227 → vbbc89639b: stop live, start it in live's place, see its first token; nothing serves meanwhile
    [TIME] ✓ drained [SECONDS]   v76d1b7227 is down, kept for rollback
    [TIME] ✓ load [SECONDS]   port [PORT]
    [TIME] ✓ first token [SECONDS]   through the gateway
    [TIME] ✓ moved        vbbc89639b serves 100%, before v76d1b7227
    [TIME] nothing served for [SECONDS]
    "#);
}

#[test]
fn live_comes_back_where_what_took_its_place_does_not_start() {
    let release = Release::deployed();
    let ran = release
        .run("deploy --allow-downtime --set rollout.surge=none --set engine.env.INFER_SIM_FAIL_START=true")
        .expect_code(1);
    let said = ran.stderr();
    for part in [
        "vbbc89639b is down",
        "is withdrawn\n",
        "vbbc89639b serves again",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(
        !said.contains("was not touched") && !said.contains("still serves"),
        "{said}"
    );
    let status = release.run("status").expect_code(0).stdout();
    assert!(status.contains("live      vbbc89639b  ready"), "{status}");
    release
        .run("load --requests 3 --warmup 0 --quiet")
        .expect_one_of(&[0, 4]);
}
