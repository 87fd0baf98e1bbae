//! [`super::rules`] as the routes of releases meet it.

use serde_json::{Value, json};

use super::rules::*;
use crate::{
    header_match::HeaderMatch,
    name::{ReleaseName, VersionId},
    weight::Weight,
};

const LIVE: &str = "v3c1f2a90b";
const CANDIDATE: &str = "v7aa01c44e";

fn chat() -> ReleaseName {
    "chat".parse().unwrap()
}

/// As `render` writes it, and a rule of somebody else's beside it.
fn rules() -> Vec<Value> {
    vec![
        json!({"name": "v1", "matches": [{"path": {"type": "PathPrefix", "value": "/v1"}}], "timeouts": {"request": "0s"},
               "backendRefs": [{"group": "", "kind": "Service", "name": "chat-v3c1f2a90b", "port": 8000}]}),
        json!({"matches": [{"path": {"type": "PathPrefix", "value": "/docs"}}],
               "backendRefs": [{"kind": "Service", "name": "docs", "port": 80}]}),
    ]
}

fn own(release: &ReleaseName) -> Own<'_> {
    Own {
        release,
        matches: None,
    }
}

fn write(rules: &[Value], candidate: Option<&str>, percent: u8) -> Vec<Value> {
    write_matched(rules, candidate, percent, [None, None])
}

/// `matches`: the one written in `rules` by infer, and the one to write.
fn write_matched(
    rules: &[Value],
    candidate: Option<&str>,
    percent: u8,
    matches: [Option<&HeaderMatch>; 2],
) -> Vec<Value> {
    let live = LIVE.parse().unwrap();
    let candidate = candidate.map(|version| version.parse().unwrap());
    let wanted = Wanted {
        live: &live,
        candidate: candidate.as_ref(),
        weight: Weight::try_from(percent).unwrap(),
        matches: matches[1],
        identify: Identify::ByHeader,
    };
    let release = chat();
    let own = Own {
        release: &release,
        matches: matches[0],
    };
    rewrite(rules, &own, &wanted).unwrap()
}

fn named(shares: &[(VersionId, u64)]) -> Vec<(&str, u64)> {
    shares
        .iter()
        .map(|(version, share)| (version.as_str(), *share))
        .collect()
}

#[test]
fn a_canary_adds_the_second_backend_and_a_pin_for_each_version() {
    let written = write(&rules(), Some(CANDIDATE), 10);
    assert_eq!(written.len(), 4);
    assert_eq!(
        named(&shares(&written, &own(&chat()))),
        [(LIVE, 90), (CANDIDATE, 10)]
    );
    assert_eq!(written[0]["matches"][0]["headers"][0]["value"], LIVE);
    assert_eq!(written[1]["matches"][0]["headers"][0]["value"], CANDIDATE);
    assert_eq!(written[1]["matches"][0]["path"]["value"], "/v1");
    assert_eq!(written[1]["backendRefs"][0]["name"], "chat-v7aa01c44e");
    assert_eq!(written[1].get("name"), None);
    assert_eq!(written[2]["name"], "v1");
    assert_eq!(written[2]["timeouts"]["request"], "0s");
    assert_eq!(written[3], rules()[1]);
}

#[test]
fn every_backend_says_which_version_it_is() {
    for backend in write(&rules(), Some(CANDIDATE), 10)[2]["backendRefs"]
        .as_array()
        .unwrap()
    {
        let value = &backend["filters"][0]["responseHeaderModifier"]["set"][0]["value"];
        assert!(
            backend["name"]
                .as_str()
                .unwrap()
                .ends_with(value.as_str().unwrap())
        );
        assert_eq!(backend["port"], 8000);
    }
}

#[test]
fn an_unpinned_answer_says_by_which_weight_it_was_sent_while_there_is_a_candidate() {
    let header = |rule: &Value| {
        let set = &rule["backendRefs"][0]["filters"][0]["responseHeaderModifier"]["set"];
        set[1]["value"].as_str().map(ToOwned::to_owned)
    };
    let split = write(&rules(), Some(CANDIDATE), 10);
    assert_eq!(header(&split[2]).as_deref(), Some("10"));
    assert_eq!(header(&split[0]), None);
    assert_eq!(header(&write(&split, None, 0)[0]), None);
}

#[test]
fn a_version_without_a_share_is_no_backend() {
    let all = write(&rules(), Some(CANDIDATE), 100);
    assert_eq!(named(&shares(&all, &own(&chat()))), [(CANDIDATE, 100)]);
    let none = write(&rules(), Some(CANDIDATE), 0);
    assert_eq!(named(&shares(&none, &own(&chat()))), [(LIVE, 100)]);
    assert!(
        !serde_json::to_string(&[all, none])
            .unwrap()
            .contains("\"weight\":0")
    );
}

#[test]
fn rewriting_again_piles_nothing_up() {
    let once = write(&rules(), Some(CANDIDATE), 10);
    let twice = write(&once, Some(CANDIDATE), 50);
    assert_eq!(twice.len(), once.len());
    assert_eq!(
        twice[2]["backendRefs"][0]["filters"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let back = write(&twice, None, 0);
    assert_eq!(back.len(), 2);
    assert_eq!(named(&shares(&back, &own(&chat()))), [(LIVE, 100)]);
}

#[test]
fn a_rule_that_matches_everything_is_pinned_too() {
    let bare = [json!({"backendRefs": [{"name": "chat-v3c1f2a90b", "port": 8000}]})];
    let written = write(&bare, Some(CANDIDATE), 10);
    assert_eq!(written[0]["matches"][0]["path"]["value"], "/");
    assert_eq!(written[2].get("matches"), None);
}

#[test]
fn a_route_that_sends_nothing_to_the_release_is_refused() {
    let live = LIVE.parse().unwrap();
    let wanted = Wanted {
        live: &live,
        candidate: None,
        weight: Weight::ZERO,
        matches: None,
        identify: Identify::No,
    };
    assert_eq!(rewrite(&rules()[1..], &own(&chat()), &wanted), None);
    assert_eq!(
        version_of(&chat(), &json!({"name": "chat-web", "port": 1})),
        None
    );
}

#[test]
fn a_match_is_the_last_rule_and_goes_without_a_trace() {
    let beta: HeaderMatch = "header:x-beta=1".parse().unwrap();
    let written = write_matched(&rules(), Some(CANDIDATE), 0, [None, Some(&beta)]);
    assert_eq!(written.len(), 5);
    assert_eq!(written[3], rules()[1]);
    let matched = &written[4];
    assert_eq!(
        matched["matches"][0],
        json!({"path": {"type": "PathPrefix", "value": "/v1"},
               "headers": [{"type": "Exact", "name": "x-beta", "value": "1"}]})
    );
    let backends = matched["backendRefs"].as_array().unwrap();
    assert_eq!(backends.len(), 1);
    assert_eq!(backends[0]["name"], "chat-v7aa01c44e");
    let said = &backends[0]["filters"][0]["responseHeaderModifier"]["set"][1];
    assert_eq!(*said, json!({"name": "x-infer-weight", "value": "100"}));
    let release = chat();
    let own = Own {
        release: &release,
        matches: Some(&beta),
    };
    assert_eq!(named(&shares(&written, &own)), [(LIVE, 100)]);

    let again = write_matched(&written, Some(CANDIDATE), 0, [Some(&beta), Some(&beta)]);
    assert_eq!(again, written);
    let waiting = write_matched(&written, Some(CANDIDATE), 0, [Some(&beta), None]);
    assert_eq!(waiting, write(&rules(), Some(CANDIDATE), 0));
    let back = write_matched(&written, None, 0, [Some(&beta), None]);
    assert_eq!(back, write(&rules(), None, 0));
}

#[test]
fn a_rule_that_asks_for_the_same_header_is_seen_whatever_its_value_and_whoever_it_is_for() {
    let beta: HeaderMatch = "header:X-Beta=1".parse().unwrap();
    let mut found = rules();
    assert!(!own(&chat()).is_taken(&found, &beta));
    found[0]["matches"][0]["headers"] = json!([{"name": "X-BETA", "value": "1"}]);
    assert!(own(&chat()).is_taken(&found, &beta));
    found[0]["matches"][0]["headers"][0]["value"] = json!("2");
    assert!(own(&chat()).is_taken(&found, &beta));
    let mut elsewhere = rules();
    elsewhere[1]["matches"][0]["headers"] = json!([{"name": "x-beta", "value": "1"}]);
    assert!(own(&chat()).is_taken(&elsewhere, &beta));
    let written = write_matched(&rules(), Some(CANDIDATE), 0, [None, Some(&beta)]);
    let release = chat();
    let own = Own {
        release: &release,
        matches: Some(&beta),
    };
    assert!(!own.is_taken(&written, &beta), "its own is not");
    assert_eq!(own.count_matched(&written), written.len());
}
