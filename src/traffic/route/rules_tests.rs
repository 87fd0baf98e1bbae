//! Splits as the rules of each kind of route: the same behaviour in two grammars.

use serde_json::{Value, json};

use super::{
    Refused, Route, SplitError, VersionHeader,
    annotations::{JOURNAL, RUN, SPLIT},
    find,
};
use crate::{
    header_match::HeaderMatch,
    name::ReleaseName,
    object::Object,
    traffic::{Change, Split},
    weight::Weight,
};

const LIVE: &str = "v3c1f2a90b";
const CANDIDATE: &str = "v7aa01c44e";

fn chat() -> ReleaseName {
    "chat".parse().unwrap()
}

fn beta() -> HeaderMatch {
    "header:x-beta=1".parse().unwrap()
}

fn http_route() -> &'static dyn Route {
    find("HTTPRoute").unwrap()
}

fn virtual_service() -> &'static dyn Route {
    find("VirtualService").unwrap()
}

fn object(spec: &Value) -> Object {
    json!({
        "metadata": {"name": "chat", "namespace": "team-a", "generation": 4, "resourceVersion": "811"},
        "spec": spec,
    })
    .into()
}

/// As `render` writes it, and a rule of another team beside it.
fn gateway_api() -> Object {
    object(&json!({"rules": [
        {"name": "v1", "matches": [{"path": {"type": "PathPrefix", "value": "/v1"}}], "timeouts": {"request": "0s"},
         "backendRefs": [{"group": "", "kind": "Service", "name": "chat-v3c1f2a90b", "port": 8000, "weight": 100}]},
        {"matches": [{"path": {"type": "PathPrefix", "value": "/docs"}}],
         "backendRefs": [{"kind": "Service", "name": "docs", "port": 80}]},
    ]}))
}

/// The same in Istio's words; the other rule comes first, because the first that matches is followed.
fn istio() -> Object {
    object(
        &json!({"hosts": ["chat.example.com"], "gateways": ["gateways/edge"], "http": [
            {"match": [{"uri": {"prefix": "/docs"}}],
             "route": [{"destination": {"host": "docs", "port": {"number": 80}}}]},
            {"name": "v1", "match": [{"uri": {"prefix": "/v1"}}], "route": [{"destination":
                {"host": "chat-v3c1f2a90b.team-a.svc.cluster.local", "port": {"number": 8000}}}]},
        ]}),
    )
}

fn both() -> [(&'static dyn Route, Object); 2] {
    [(http_route(), gateway_api()), (virtual_service(), istio())]
}

fn change(candidate: Option<&str>, percent: u8) -> Change {
    Change {
        candidate: candidate.map(|version| version.parse().unwrap()),
        weight: Weight::try_from(percent).unwrap(),
        ..Change::all_to(&LIVE.parse().unwrap(), "r-1")
    }
}

fn matched(percent: u8) -> Change {
    Change {
        matches: Some(beta()),
        ..change(Some(CANDIDATE), percent)
    }
}

fn apply(object: &Object, patch: &Value) -> Object {
    let mut written = object.clone();
    let patch: json_patch::Patch = serde_json::from_value(patch.clone()).unwrap();
    json_patch::patch(&mut written, &patch).unwrap();
    let generation = written.generation() + 1;
    written["metadata"]["generation"] = json!(generation);
    written
}

fn write_as(route: &dyn Route, object: &Object, change: &Change, header: VersionHeader) -> Object {
    let patch = route.patch(object, &chat(), change, header).unwrap();
    apply(object, &patch)
}

fn write(route: &dyn Route, object: &Object, change: &Change) -> Object {
    write_as(route, object, change, VersionHeader::Set)
}

fn rules(route: &dyn Route, object: &Object) -> Vec<Value> {
    let fields = format!("/{}", route.split_fields().join("/"));
    object.pointer(&fields).unwrap().as_array().unwrap().clone()
}

fn split(route: &dyn Route, object: &Object) -> Split {
    route.split(object, &chat()).unwrap()
}

#[test]
fn every_split_reads_back_as_it_was_written_and_goes_without_a_trace() {
    for (route, found) in both() {
        let first = write(route, &found, &change(None, 0));
        let journal = Change {
            journal: Some(json!({"run_id": "r-1"})),
            ..matched(10)
        };
        let changes = [
            change(Some(CANDIDATE), 0),
            change(Some(CANDIDATE), 10),
            change(Some(CANDIDATE), 100),
            matched(0),
            journal,
            change(None, 0),
        ];
        let mut object = first.clone();
        for change in &changes {
            object = write(route, &object, change);
            let split = split(route, &object);
            assert!(
                split.is_made_by(change),
                "{}: {change:?} is {split:?}",
                route.name()
            );
            assert_eq!(split.token, object.generation().to_string());
        }
        assert_eq!(rules(route, &object), rules(route, &first));
        assert_eq!(object.annotation(JOURNAL), None);
        assert_eq!(object.annotation(RUN), Some(""));
    }
}

#[test]
fn a_canary_is_a_second_backend_and_a_pin_for_each_version() {
    let written = rules(
        http_route(),
        &write(http_route(), &gateway_api(), &change(Some(CANDIDATE), 10)),
    );
    assert_eq!(written.len(), 4);
    let pin = |at: usize| &written[at]["matches"][0];
    assert_eq!(pin(0)["headers"][0]["value"], LIVE);
    assert_eq!(pin(1)["headers"][0]["value"], CANDIDATE);
    assert_eq!(pin(1)["path"]["value"], "/v1");
    assert_eq!(written[1]["backendRefs"][0]["name"], "chat-v7aa01c44e");
    assert_eq!(written[1].get("name"), None);
    assert_eq!(written[2]["name"], "v1");
    assert_eq!(written[2]["timeouts"]["request"], "0s");
    let backends = written[2]["backendRefs"].as_array().unwrap();
    for (backend, (version, weight)) in backends.iter().zip([(LIVE, 90), (CANDIDATE, 10)]) {
        assert_eq!(
            *backend,
            json!({"group": "", "kind": "Service", "name": format!("chat-{version}"), "port": 8000, "weight": weight,
                "filters": [{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [
                    {"name": "x-infer-version", "value": version}, {"name": "x-infer-weight", "value": "10"}]}}]})
        );
    }
    assert_eq!(written[3], rules(http_route(), &gateway_api())[1]);
}

#[test]
fn a_canary_in_a_mesh_is_two_destinations_with_the_pins_before_them() {
    let route = virtual_service();
    let written = rules(route, &write(route, &istio(), &change(Some(CANDIDATE), 10)));
    assert_eq!(written.len(), 4);
    assert_eq!(written[0], rules(route, &istio())[0]);
    assert_eq!(
        written[2],
        json!({
            "match": [{"uri": {"prefix": "/v1"}, "headers": {"x-infer-version": {"exact": CANDIDATE}}}],
            "route": [{
                "destination": {"host": "chat-v7aa01c44e.team-a.svc.cluster.local", "port": {"number": 8000}},
                "weight": 100, "headers": {"response": {"set": {"x-infer-version": CANDIDATE}}}}],
            "retries": {"attempts": 0},
        })
    );
    let default = &written[3];
    assert_eq!(default["name"], "v1");
    let weights: Vec<_> = default["route"]
        .as_array()
        .unwrap()
        .iter()
        .map(|to| &to["weight"])
        .collect();
    assert_eq!(weights, [90, 10]);
    assert_eq!(
        default["route"][1]["headers"]["response"]["set"],
        json!({"x-infer-version": CANDIDATE, "x-infer-weight": "10"})
    );
    assert_eq!(
        (&default["retries"]["attempts"], &default["timeout"]),
        (&json!(0), &Value::Null)
    );
}

#[test]
fn what_a_rule_of_a_mesh_says_itself_is_kept() {
    let route = virtual_service();
    let mut found = istio();
    found["spec"]["http"][1]["timeout"] = json!("60s");
    found["spec"]["http"][1]["retries"] = json!({"attempts": 1});
    found["spec"]["http"][1]["route"][0]["destination"]["host"] = json!("chat-v3c1f2a90b");
    found["spec"]["http"][1]["route"][0]["headers"] =
        json!({"request": {"set": {"a": "b"}}, "response": {"set": {"c": "d"}}});
    let written = rules(route, &write(route, &found, &change(Some(CANDIDATE), 10)));
    let default = &written[3];
    assert_eq!(
        (&default["timeout"], &default["retries"]["attempts"]),
        (&json!("60s"), &json!(1))
    );
    let candidate = &default["route"][1];
    assert_eq!(candidate["destination"]["host"], "chat-v7aa01c44e");
    assert_eq!(candidate["headers"]["request"], json!({"set": {"a": "b"}}));
    assert_eq!(candidate["headers"]["response"]["set"]["c"], "d");
}

#[test]
fn destinations_of_other_namespaces_and_subsets_are_not_versions_of_the_release() {
    let route = virtual_service();
    let to = |destination: Value| {
        let mut found = istio();
        found["spec"]["http"][1]["route"][0]["destination"] = destination;
        route
            .split(&found, &chat())
            .map(|split| split.live.to_string())
    };
    assert_eq!(
        to(json!({"host": "chat-v3c1f2a90b.team-a"})),
        Ok(LIVE.to_owned())
    );
    let nothing = Err(SplitError::NothingLive);
    assert_eq!(
        to(json!({"host": "chat-v3c1f2a90b.team-b.svc.cluster.local"})),
        nothing
    );
    assert_eq!(
        to(json!({"host": "chat-v3c1f2a90b", "subset": "x"})),
        nothing
    );
    assert_eq!(to(json!({"host": "chat-web"})), nothing);
    let mut elsewhere = gateway_api();
    elsewhere["spec"]["rules"][0]["backendRefs"][0]["namespace"] = json!("team-b");
    let read = http_route().split(&elsewhere, &chat());
    assert_eq!(read, Err(SplitError::NothingLive));
}

#[test]
fn without_the_version_header_nothing_of_it_is_left_and_other_headers_stay() {
    for (route, found) in both() {
        let named = write(route, &found, &matched(10));
        let mut other = named.clone();
        assert!(
            other.to_string().contains("responseHeaderModifier")
                || route.name() == "VirtualService"
        );
        let omitted = write_as(route, &named, &matched(10), VersionHeader::Omit);
        let text = json!(rules(route, &omitted)).to_string();
        assert!(!text.contains("x-infer-weight"), "{text}");
        assert!(
            !text.contains("filters") && !text.contains("response"),
            "{text}"
        );
        assert!(split(route, &omitted).is_made_by(&matched(10)));
        // Pins ask for the header; they set nothing.
        assert_eq!(text.matches("x-infer-version").count(), 2, "{text}");
        assert_eq!(
            rules(route, &write(route, &omitted, &matched(10))),
            rules(route, &named)
        );

        let first = write(route, &found, &change(None, 0));
        other = first.clone();
        let (set, added) = match route.name() {
            "HTTPRoute" => (
                "/spec/rules/0/backendRefs/0/filters/0/responseHeaderModifier/set",
                json!({"name": "x-team", "value": "a"}),
            ),
            _ => ("/spec/http/1/route/0/headers/response/set", json!("a")),
        };
        match other.pointer_mut(set).unwrap() {
            Value::Array(set) => set.push(added),
            set => set["x-team"] = added,
        }
        let omitted = write_as(route, &other, &change(None, 0), VersionHeader::Omit);
        let kept = omitted.pointer(set).unwrap().to_string();
        assert!(
            kept.contains("x-team") && !kept.contains("x-infer"),
            "{kept}"
        );
        let again = write(route, &omitted, &change(None, 0));
        let text = again.pointer(set).unwrap().to_string();
        assert!(
            text.contains("x-team") && text.contains("x-infer-version"),
            "{text}"
        );
    }
}

#[test]
fn an_answer_names_its_weight_only_where_it_was_sent_by_one() {
    for (route, found) in both() {
        let with_weight = |change: &Change| -> Vec<bool> {
            let written = rules(route, &write(route, &found, change));
            written
                .iter()
                .map(|rule| rule.to_string().contains("x-infer-weight"))
                .collect()
        };
        assert!(!with_weight(&change(None, 0)).contains(&true));
        let counted = with_weight(&matched(10))
            .into_iter()
            .filter(|has| *has)
            .count();
        assert_eq!(
            counted,
            2,
            "{}: the default rule and the matched one",
            route.name()
        );
    }
}

#[test]
fn a_version_without_a_share_is_not_a_backend_of_the_default_rule() {
    for (route, found) in both() {
        for (percent, expected) in [(0, "chat-v3c1f2a90b"), (100, "chat-v7aa01c44e")] {
            let written = rules(
                route,
                &write(route, &found, &change(Some(CANDIDATE), percent)),
            );
            let default = written
                .iter()
                .find(|rule| rule["name"] == "v1")
                .unwrap()
                .to_string();
            assert_eq!(default.matches("chat-v").count(), 1, "{default}");
            assert!(default.contains(expected), "{default}");
            assert!(!json!(written).to_string().contains("\"weight\":0"));
        }
    }
}

#[test]
fn a_rule_that_matches_everything_is_pinned_too() {
    let bare =
        object(&json!({"rules": [{"backendRefs": [{"name": "chat-v3c1f2a90b", "port": 8000}]}]}));
    let written = rules(
        http_route(),
        &write(http_route(), &bare, &change(Some(CANDIDATE), 10)),
    );
    assert_eq!(written[0]["matches"][0]["path"]["value"], "/");
    assert_eq!(written[2].get("matches"), None);
    let bare =
        object(&json!({"http": [{"route": [{"destination": {"host": "chat-v3c1f2a90b"}}]}]}));
    let written = rules(
        virtual_service(),
        &write(virtual_service(), &bare, &change(Some(CANDIDATE), 10)),
    );
    assert_eq!(
        written[0]["match"],
        json!([{"headers": {"x-infer-version": {"exact": LIVE}}}])
    );
    assert_eq!(written[2].get("match"), None);
}

#[test]
fn a_match_takes_precedence_over_the_default_rule_and_over_no_other() {
    let written = rules(
        http_route(),
        &write(http_route(), &gateway_api(), &matched(0)),
    );
    assert_eq!(written.len(), 5);
    assert_eq!(written[3], rules(http_route(), &gateway_api())[1]);
    assert_eq!(
        written[4]["matches"][0],
        json!({"path": {"type": "PathPrefix", "value": "/v1"},
               "headers": [{"type": "Exact", "name": "x-beta", "value": "1"}]})
    );
    let backends = written[4]["backendRefs"].as_array().unwrap();
    assert_eq!(
        (backends.len(), &backends[0]["name"]),
        (1, &json!("chat-v7aa01c44e"))
    );
    let set = &backends[0]["filters"][0]["responseHeaderModifier"]["set"];
    assert_eq!(set[1], json!({"name": "x-infer-weight", "value": "100"}));

    let written = rules(
        virtual_service(),
        &write(virtual_service(), &istio(), &matched(0)),
    );
    assert_eq!(written.len(), 5);
    assert_eq!(written[0], rules(virtual_service(), &istio())[0]);
    let asks = &written[3]["match"][0]["headers"];
    assert_eq!(*asks, json!({"x-beta": {"exact": "1"}}), "after the pins");
    assert_eq!(written[4]["name"], "v1");
}

#[test]
fn a_match_is_refused_where_a_rule_asks_for_its_header_or_rules_run_out() {
    let in_use = Err(Refused::HeaderInUse("x-beta".to_owned()));
    for (route, found) in both() {
        assert_eq!(route.admits(&found, &chat(), &beta()), Ok(()));
        let written = write(route, &found, &matched(0));
        assert_eq!(
            route.admits(&written, &chat(), &beta()),
            Ok(()),
            "its own rule"
        );
        for rule in [0, 1] {
            for value in ["1", "2"] {
                let mut asking = found.clone();
                match route.name() {
                    "HTTPRoute" => {
                        asking["spec"]["rules"][rule]["matches"][0]["headers"] =
                            json!([{"name": "X-Beta", "value": value}]);
                    }
                    _ => {
                        asking["spec"]["http"][rule]["match"][0]["headers"]["X-Beta"] =
                            json!({"exact": value});
                    }
                }
                assert_eq!(route.admits(&asking, &chat(), &beta()), in_use);
                // Also where it replaces a match that is written on another header.
                asking["metadata"]["annotations"] =
                    json!({SPLIT: r#"{"match": "header:x-old=1"}"#});
                assert_eq!(route.admits(&asking, &chat(), &beta()), in_use);
            }
        }
    }
    let mut full = gateway_api();
    let own = full["spec"]["rules"][0].clone();
    full["spec"]["rules"] = json!([own, own, own, own, own]);
    let refused = http_route().admits(&full, &chat(), &beta());
    assert_eq!(refused, Err(Refused::TooManyRules { rules: 20, max: 16 }));
}

#[test]
fn every_precondition_comes_before_the_first_write() {
    for (route, found) in both() {
        let mut found = found;
        found["metadata"]["annotations"] = json!({RUN: ""});
        let patch = route
            .patch(&found, &chat(), &change(None, 0), VersionHeader::Set)
            .unwrap();
        let patch = patch.as_array().unwrap();
        let tests = patch
            .iter()
            .take_while(|operation| operation["op"] == "test");
        let paths: Vec<_> = tests.map(|test| test["path"].as_str().unwrap()).collect();
        let backends = match route.name() {
            "HTTPRoute" => [
                "/spec/rules/0/backendRefs/0/name",
                "/spec/rules/1/backendRefs/0/name",
            ],
            _ => [
                "/spec/http/0/route/0/destination/host",
                "/spec/http/1/route/0/destination/host",
            ],
        };
        let expected = [
            "/metadata/generation",
            backends[0],
            backends[1],
            "/metadata/annotations/infer.dev~1run",
        ];
        assert_eq!(paths, expected);
        assert!(
            patch[paths.len()..]
                .iter()
                .all(|operation| operation["op"] != "test")
        );
        assert_eq!(patch[0]["value"], 4);
    }
}

#[test]
fn an_object_that_no_run_has_touched_must_be_exactly_as_read() {
    for (route, found) in both() {
        let patch = route
            .patch(&found, &chat(), &change(None, 0), VersionHeader::Set)
            .unwrap();
        let revision = json!({"op": "test", "path": "/metadata/resourceVersion", "value": "811"});
        assert!(patch.as_array().unwrap().contains(&revision));
    }
}

#[test]
fn a_restore_puts_rules_and_annotations_back() {
    for (route, found) in both() {
        let before = write(route, &found, &change(None, 0));
        let journal = Change {
            journal: Some(json!({"run_id": "r-1"})),
            ..matched(10)
        };
        let written = write(route, &before, &journal);
        let restored = apply(&written, &route.restore(&written, &before).unwrap());
        assert_eq!(restored["spec"], before["spec"]);
        assert_eq!(
            restored["metadata"]["annotations"],
            before["metadata"]["annotations"]
        );
        assert!(split(route, &restored).is_made_by(&change(None, 0)));
    }
}

#[test]
fn a_route_without_a_version_or_with_an_unknown_one_has_no_split() {
    for (route, found) in both() {
        let mut empty = found.clone();
        let field = *route.split_fields().last().unwrap();
        empty["spec"][field] = json!([]);
        assert_eq!(route.split(&empty, &chat()), Err(SplitError::NothingLive));
        let patch = route.patch(&empty, &chat(), &change(None, 0), VersionHeader::Omit);
        assert_eq!(patch, Err(Refused::NoRule));

        let mut written = write(route, &found, &change(Some(CANDIDATE), 50));
        written["metadata"]["annotations"][SPLIT] = json!(json!({"live": LIVE}).to_string());
        let stranger = route.split(&written, &chat());
        assert!(
            matches!(stranger, Err(SplitError::Stranger { version, .. }) if version.as_str() == CANDIDATE)
        );
        written["metadata"]["annotations"] = json!({});
        let unrecorded = route.split(&written, &chat());
        assert_eq!(unrecorded, Err(SplitError::Unrecorded { backends: 2 }));
    }
}
