//! `infer template`: list, eject, diff, and the warning for stale copies.

use crate::support::infer::Workplace;

fn workplace() -> Workplace {
    let place = Workplace::new();
    place.write(
        "infer.yaml",
        "name: sim\nengine: {kind: sim, image: 'tools/infer:1'}\ntarget: kubernetes\ntemplates: own\n",
    );
    place
}

#[test]
fn the_list_shows_origin_and_blocks() {
    let place = workplace();
    place.write(
        "own/service.yaml.j2",
        "{% extends \"builtin/service.yaml.j2\" %}\n",
    );
    place.write("own/extra.yaml.j2", "");
    let listed = place.run(["template", "list"]).expect_code(0).stdout();
    for (file, origin) in [
        ("deployment.yaml.j2", "built-in"),
        ("service.yaml.j2", "extended"),
        ("extra.yaml.j2", "added"),
    ] {
        let line = listed.lines().find(|line| line.starts_with(file));
        assert!(line.is_some_and(|line| line.contains(origin)), "{listed}");
    }
    assert!(listed.contains("probes lifecycle"), "{listed}");
}

#[test]
fn a_copy_is_ejected_once_and_changes_nothing() {
    let place = workplace();
    std::fs::create_dir(place.join("own")).unwrap();
    let before = place.run(["render"]).expect_code(0).stdout();
    let ejected = place
        .run(["template", "eject", "deployment.yaml.j2"])
        .expect_code(0);
    assert_eq!(ejected.stdout(), "own/deployment.yaml.j2\n");
    assert_eq!(place.run(["render"]).expect_code(0).stdout(), before);
    let again = place
        .run(["template", "eject", "deployment.yaml.j2"])
        .expect_code(2);
    assert!(again.stderr().contains("--force"), "{}", again.stderr());
    place
        .run(["template", "eject", "nope.yaml.j2"])
        .expect_code(2);
}

#[test]
fn a_difference_is_shown_and_counts_where_asked() {
    let place = workplace();
    std::fs::create_dir(place.join("own")).unwrap();
    place.run(["template", "eject"]).expect_code(0);
    place
        .run(["template", "diff", "--exit-code"])
        .expect_code(0);
    let own = place
        .read("own/service.yaml.j2")
        .replace("ClusterIP", "NodePort");
    place.write("own/service.yaml.j2", own);
    let shown = place
        .run(["template", "diff", "--exit-code"])
        .expect_code(3)
        .stdout();
    assert!(
        shown.contains("-  type: ClusterIP\n+  type: NodePort"),
        "{shown}"
    );
    place.run(["template", "diff"]).expect_code(0);
}

#[test]
fn a_stale_copy_is_warned_about() {
    let place = workplace();
    std::fs::create_dir(place.join("own")).unwrap();
    place
        .run(["template", "eject", "service.yaml.j2"])
        .expect_code(0);
    let own = place.read("own/service.yaml.j2");
    let (_, rest) = own.split_once('\n').unwrap();
    let old = format!("{{# Ejected from infer 0.0.9 sha256:000000000000 #}}\n{rest}");
    place.write("own/service.yaml.j2", old);
    let ran = place.run(["render"]).expect_code(0);
    assert!(
        ran.stderr().contains("template diff service.yaml.j2"),
        "{}",
        ran.stderr()
    );
}
