//! A release's whole life on this machine, each verb's words as people read them.

mod in_place;
mod refusals;

use crate::{
    assert_ran,
    support::{
        infer::{Ran, Workplace},
        process::Process,
        serve::end_engines,
        weights::tiny_model,
    },
};

/// A packed model and the file of a release that serves it, simulated.
pub(super) struct Release {
    pub(super) place: Workplace,
}

impl Release {
    pub(super) fn packed() -> Self {
        let place = Workplace::new();
        tiny_model(&place.join("weights"));
        place.write(
            "infer.yaml",
            "version: 1\nname: chat\nmodel: {source: weights, image: oci:./image}\n\
             engine: {kind: sim}\ntarget: local\n",
        );
        place.run(["pack", "--quiet"]).expect_code(0);
        Self { place }
    }

    fn deployed() -> Self {
        let release = Self::packed();
        release.run("deploy --quiet").expect_code(0);
        release
    }

    pub(super) fn run(&self, line: &str) -> Ran {
        self.place.run(line.split(' '))
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        self.run("delete chat --yes --drain 0");
        end_engines(&self.place);
    }
}

#[test]
fn from_weights_to_an_image_and_back() {
    let place = Workplace::new();
    tiny_model(&place.join("weights"));
    let run = |line: &str| place.run(line.split(' '));
    assert_ran!(run("init chat --model weights --image oci:./image --engine sim --target local"), @r#"
    exit 0
    --- stdout
    infer.yaml
    --- stderr
    [TIME] Next: `infer pack`.
    "#);
    assert_ran!(run("pack"), @r#"
    exit 0
    --- stdout
    oci:./image@sha256:05e6ac4d2e015274347f8518874e32e9beb44059a754ad3956790bce33bfdcef
    --- stderr
    [TIME] weights · 1 K parameters · u8 · TinyModel · safetensors · 1.19 kB
    [TIME] ✓ checked   3 files, header sound
    [TIME]   3 files   5.63 kB   written
    [TIME] ✓ packed    image (amd64, arm64), 5.63 kB new in 1 layer · oci:./image:sha-05e6ac4d2e01 · [SECONDS]
    "#);
    assert_ran!(run("pack"), @r#"
    exit 0
    --- stdout
    oci:./image@sha256:05e6ac4d2e015274347f8518874e32e9beb44059a754ad3956790bce33bfdcef
    --- stderr
    [TIME] weights · 1 K parameters · u8 · TinyModel · safetensors · 1.19 kB
    [TIME] ✓ checked   3 files, header sound
    [TIME]   3 files   5.63 kB   already there
    [TIME] ✓ reused    5.63 kB already in oci:./image (1 layer)
    [TIME] ✓ packed    image (amd64, arm64), nothing new · oci:./image:sha-05e6ac4d2e01 · [SECONDS]
    "#);
    assert_ran!(run("inspect"), @r#"
    exit 0
    --- stdout
    oci:./image@sha256:05e6ac4d2e015274347f8518874e32e9beb44059a754ad3956790bce33bfdcef
    model      1 K parameters · u8 · TinyModel · safetensors · context 512 · needs 1.00 kB for weights
    platforms  linux/amd64, linux/arm64
    size       5.63 kB in 1 layer
    sha256:3d94a8f6a5c0    5.63 kB  3 files
    "#);
    assert_ran!(run("inspect oci:./image --files"), @r#"
    exit 0
    --- stdout
    oci:./image@sha256:05e6ac4d2e015274347f8518874e32e9beb44059a754ad3956790bce33bfdcef
    model      1 K parameters · u8 · TinyModel · safetensors · context 512 · needs 1.00 kB for weights
    platforms  linux/amd64, linux/arm64
    size       5.63 kB in 1 layer
    sha256:3d94a8f6a5c0    5.63 kB  3 files
           61 B  798b5a30d3e5  config.json
        1.12 kB  1c4695c65a3d  model.safetensors
            2 B  44136fa355b3  tokenizer.json
    "#);
    assert_ran!(run("verify"), @r#"
    exit 0
    --- stdout
    ✓ oci:./image@sha256:05e6ac4d2e015274347f8518874e32e9beb44059a754ad3956790bce33bfdcef is whole: 1 layer and 3 documents, 6.55 kB · [SECONDS]
    "#);
    assert_ran!(run("unpack --into model"), @r#"
    exit 0
    --- stdout
    model
    "#);
    assert_ran!(run("unpack --into model"), @r#"
    exit 2
    --- stderr
    error: model already exists
    hint: name a folder that does not exist yet
    "#);
}

#[test]
fn an_image_that_is_not_there_is_told_with_what_is() {
    let release = Release::packed();
    let run = |line: &str| release.run(line);
    assert_ran!(run("inspect oci:./image:v9"), @r#"
    exit 1
    --- stderr
    error: ./image has no tag v9
    hint: it has sha-05e6ac4d2e01
    "#);
    assert_ran!(run("unpack oci:./nowhere --into other"), @r#"
    exit 2
    --- stderr
    error: ./nowhere is not an OCI image layout
    caused by: No such file or directory (os error 2)
    hint: `infer pack MODEL --to oci:./nowhere` makes one
    "#);
    assert_ran!(run("verify oci:./nowhere"), @r#"
    exit 2
    --- stderr
    error: ./nowhere is not an OCI image layout
    caused by: No such file or directory (os error 2)
    hint: `infer pack MODEL --to oci:./nowhere` makes one
    "#);
    assert!(!release.place.join("other").exists());
}

#[test]
fn a_release_comes_up_changes_and_goes_back() {
    let release = Release::packed();
    assert_ran!(release.run("deploy"), @r#"
    exit 0
    --- stdout
    http://127.0.0.1:[PORT]
    --- stderr
    [TIME] chat on local   → vbbc89639b: start it, see its first token, give it all traffic
    [TIME] ✓ pull [SECONDS]   oci:./image@sha256:05e6ac4d2e015274347f8518874e32e9beb44059a754ad3956790bce33bfdcef
    [TIME] ✓ load [SECONDS]   port [PORT]
    [TIME] ✓ first token [SECONDS]   through the gateway
    [TIME] ✓ moved        vbbc89639b serves 100%
    "#);
    assert_ran!(release.run("deploy"), @r#"
    exit 0
    --- stdout
    http://127.0.0.1:[PORT]
    --- stderr
    [TIME] chat on local   live vbbc89639b: unchanged
    "#);
    assert_ran!(release.run("status"), @r#"
    exit 0
    --- stdout
    chat   local   http://127.0.0.1:[PORT]   simulated: no model is run
      live      vbbc89639b  ready  sim  1/1 ready
    "#);
    assert_ran!(release.run("logs"), @r#"
    exit 0
    --- stdout
    vbbc89639b [TIME] chat listens on http://127.0.0.1:[PORT] · simulated, no model is run
    vbbc89639b [TIME] first token 40 ms + 0.1 ms a prompt token, then 10 ms a token, noise 5%, 64 slots
    "#);
    assert_ran!(release.run("history"), @r#"
    exit 0
    --- stdout
     rev  version     state       deployed              image
       1  vbbc89639b  live        [DATE]  oci:./image@sha256:05e6ac4d2e015274347f8518874e32e9beb44059a754ad3956790bce33bfdcef
    "#);
    assert_ran!(release.run("deploy --set engine.env.REVISION=2"), @r#"
    exit 0
    --- stdout
    http://127.0.0.1:[PORT]
    --- stderr
    [TIME] chat on local   live vbbc89639b → v76d1b7227: start it beside live, see its first token, move all traffic, drain live
    [TIME] ✓ load [SECONDS]   port [PORT]
    [TIME] ✓ first token [SECONDS]   through the gateway
    [TIME] ✓ moved        v76d1b7227 serves 100%, before vbbc89639b
    [TIME] ✓ drained [SECONDS]   vbbc89639b is down, kept for rollback
    "#);
    assert_ran!(release.run("history chat"), @r#"
    exit 0
    --- stdout
     rev  version     state       deployed              image
       1  vbbc89639b  superseded  [DATE]  oci:./image@sha256:05e6ac4d2e015274347f8518874e32e9beb44059a754ad3956790bce33bfdcef
       2  v76d1b7227  live        [DATE]  oci:./image@sha256:05e6ac4d2e015274347f8518874e32e9beb44059a754ad3956790bce33bfdcef
    "#);
    assert_ran!(release.run("rollback"), @r#"
    exit 0
    --- stdout
    http://127.0.0.1:[PORT]
    --- stderr
    [TIME] chat on local   live v76d1b7227 → vbbc89639b: start it beside live, see its first token, move all traffic, drain live
    [TIME] ✓ load [SECONDS]   port [PORT]
    [TIME] ✓ first token [SECONDS]   through the gateway
    [TIME] ✓ moved        vbbc89639b serves 100%, before v76d1b7227
    [TIME] ✓ drained [SECONDS]   v76d1b7227 is down, kept for rollback
    "#);
}

#[test]
fn a_candidate_waits_without_traffic_and_all_of_it_ends() {
    let release = Release::deployed();
    assert_ran!(release.run("deploy --no-traffic --set engine.env.REVISION=3"), @r#"
    exit 0
    --- stdout
    http://127.0.0.1:[PORT]
    --- stderr
    [TIME] chat on local   live vbbc89639b → vdfd600448: start it beside live, see its first token, no traffic yet
    [TIME] ✓ load [SECONDS]   port [PORT]
    [TIME] ✓ first token [SECONDS]   through the gateway
    [TIME] vdfd600448 waits as candidate without traffic
    "#);
    assert_ran!(release.run("status"), @r#"
    exit 0
    --- stdout
    chat   local   http://127.0.0.1:[PORT]   simulated: no model is run
      live      vbbc89639b  ready  sim  1/1 ready
      candidate vdfd600448  ready  sim  1/1 ready
    "#);
    assert_ran!(release.run("delete chat --yes"), @r#"
    exit 0
    --- stderr
    [TIME] chat is deleted
    "#);
    assert_ran!(release.run("delete chat --yes"), @r#"
    exit 1
    --- stderr
    error: chat has no release on this machine
    hint: bring it up with `infer deploy`
    "#);
}

#[test]
fn a_canary_without_enough_requests_is_undecided_and_the_weight_goes_back() {
    let release = Release::deployed();
    let ran = release.run("canary --weight 10 --for 5s --probe-rate 1 --set engine.env.REVISION=2");
    let (stdout, stderr) = (ran.stdout(), ran.stderr());
    assert_eq!(ran.code(), 4, "{stdout}{stderr}");
    assert!(stdout.starts_with("undecided: chat v"), "{stdout}");
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    let status = release.run("status").expect_code(0).stdout();
    assert!(!status.contains("canary"), "{status}");
}

#[test]
fn an_open_canary_is_shown_holds_others_off_and_can_be_ended() {
    let release = Release::deployed();
    let line = "--output json canary --weight 10 --for 10m --set engine.env.REVISION=2";
    let mut canary = Process::start(&mut release.place.command(line.split(' ')));
    canary.event("weight-set");
    let status = release.run("canary status").expect_code(0);
    assert!(status.stdout().contains("driven by"), "{}", status.stdout());
    for verb in ["deploy", "rollback", "canary", "canary abort"] {
        let ran = release.run(verb).expect_code(5);
        assert!(
            ran.stderr().contains("chat is held by infer canary"),
            "{}",
            ran.stderr()
        );
    }
    canary.kill();
    let status = release.run("status").expect_code(4);
    assert!(
        status.stdout().contains("abandoned since"),
        "{}",
        status.stdout()
    );
    release.run("canary status").expect_code(4);
    let deploy = release.run("deploy").expect_code(5);
    assert!(
        deploy.stderr().contains("infer canary abort"),
        "{}",
        deploy.stderr()
    );
    let aborted = release.run("canary abort").expect_code(0);
    assert!(
        aborted.stdout().starts_with("aborted: chat v"),
        "{}",
        aborted.stdout()
    );
    release.run("status").expect_code(0);
}
