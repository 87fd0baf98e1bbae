//! The one write that changes a split: a JSON Patch that holds only for what was read.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::rules::{Identify, Own, Wanted, rewrite};
use crate::{header_match::HeaderMatch, name::ReleaseName, traffic::Change};

/// The run that owns the route's split; empty where none does.
pub const RUN: &str = "infer.dev/run";

/// The canary's journal, as JSON.
pub const JOURNAL: &str = "infer.dev/canary";

/// Which versions the backends are, and which requests are the candidate's whatever its
/// weight: `{"live": …, "candidate": …, "match": "header:x-beta=1"}`, the last where there is one.
pub const SPLIT: &str = "infer.dev/split";

/// Rules of an `HTTPRoute` (Gateway API v1, `HTTPRouteSpec.rules`).
const RULES_MAX: usize = 16;

/// What of a route a change depends on. Two reads with the same of it are the
/// same to us, whatever else moved.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Basis {
    pub(super) rules: Vec<Value>,
    pub(super) run: Option<String>,
    pub(super) split: Option<String>,
}

impl Basis {
    pub(super) fn of(route: &Value) -> Self {
        let rules = route.pointer("/spec/rules").and_then(Value::as_array);
        Self {
            rules: rules.cloned().unwrap_or_default(),
            run: annotation(route, RUN),
            split: annotation(route, SPLIT),
        }
    }

    /// What the route's record says under `field`.
    pub(super) fn recorded<T: DeserializeOwned>(&self, field: &str) -> Option<T> {
        let record: Value = serde_json::from_str(self.split.as_deref()?).ok()?;
        serde_json::from_value(record.get(field)?.clone()).ok()
    }

    /// The requests that the rules send to the candidate whatever its weight.
    pub(super) fn matches(&self) -> Option<HeaderMatch> {
        self.recorded("match")
    }
}

pub(super) fn annotation(object: &Value, name: &str) -> Option<String> {
    let value = object.get("metadata")?.get("annotations")?.get(name)?;
    value.as_str().map(ToOwned::to_owned)
}

/// Why no patch could be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unpatchable {
    #[error("no rule of it sends traffic to a version of the release")]
    NoRule,
    #[error("a rule of it asks for the header {0} already")]
    Taken(String),
    #[error("with the match it would have {0} rules, an HTTPRoute has {RULES_MAX} at most")]
    TooManyRules(usize),
    #[error("the object has no {0}")]
    Incomplete(&'static str),
}

/// The patch that turns `route`, as it was read, into what `change` asks for.
pub(super) fn build(
    route: &Value,
    release: &ReleaseName,
    change: &Change,
    identify: Identify,
) -> Result<Value, Unpatchable> {
    let basis = Basis::of(route);
    let wanted = Wanted {
        live: &change.live,
        candidate: change.candidate.as_ref(),
        weight: change.weight,
        matches: change.matches.as_ref(),
        identify,
    };
    let written = basis.matches();
    let own = Own {
        release,
        matches: written.as_ref(),
    };
    if let Some(wanted) = &change.matches {
        admit(&basis.rules, &own, wanted)?;
    }
    let rules = rewrite(&basis.rules, &own, &wanted).ok_or(Unpatchable::NoRule)?;
    let mut operations = tests(route, &basis)?;
    operations.push(json!({"op": "replace", "path": "/spec/rules", "value": rules}));
    operations.extend(annotations(route, change));
    Ok(Value::Array(operations))
}

/// Whether `route` has room for a match.
pub(super) fn admits(
    route: &Value,
    release: &ReleaseName,
    wanted: &HeaderMatch,
) -> Result<(), Unpatchable> {
    let basis = Basis::of(route);
    let written = basis.matches();
    let own = Own {
        release,
        matches: written.as_ref(),
    };
    admit(&basis.rules, &own, wanted)
}

fn admit(rules: &[Value], own: &Own<'_>, wanted: &HeaderMatch) -> Result<(), Unpatchable> {
    if own.is_taken(rules, wanted) {
        return Err(Unpatchable::Taken(wanted.name().to_owned()));
    }
    match own.count_matched(rules) {
        0..=RULES_MAX => Ok(()),
        too_many => Err(Unpatchable::TooManyRules(too_many)),
    }
}

/// The patch that puts `before` back over what `written` became, and nothing else.
pub(super) fn restore(written: &Value, before: &Value) -> Result<Value, Unpatchable> {
    let mut operations = tests(written, &Basis::of(written))?;
    let rules = before
        .pointer("/spec/rules")
        .ok_or(Unpatchable::Incomplete("spec.rules"))?;
    operations.push(json!({"op": "replace", "path": "/spec/rules", "value": rules}));
    for name in [RUN, JOURNAL, SPLIT] {
        operations.extend(set(written, name, annotation(before, name)));
    }
    Ok(Value::Array(operations))
}

/// Preconditions: the spec's generation, each backend's name, and who runs a
/// canary. The generation covers the spec but no annotation, so the run is tested
/// too; where there is none yet to test, the whole object must be as it was read.
fn tests(route: &Value, basis: &Basis) -> Result<Vec<Value>, Unpatchable> {
    let metadata = route
        .get("metadata")
        .ok_or(Unpatchable::Incomplete("metadata"))?;
    let generation = metadata
        .get("generation")
        .ok_or(Unpatchable::Incomplete("metadata.generation"))?;
    let test = |path: String, value: &Value| json!({"op": "test", "path": path, "value": value});
    let mut operations = vec![test("/metadata/generation".to_owned(), generation)];
    for (rule, value) in basis.rules.iter().enumerate() {
        let backends = value.get("backendRefs").and_then(Value::as_array);
        for (at, backend) in backends.into_iter().flatten().enumerate() {
            if let Some(name) = backend.get("name") {
                operations.push(test(
                    format!("/spec/rules/{rule}/backendRefs/{at}/name"),
                    name,
                ));
            }
        }
    }
    if let Some(run) = &basis.run {
        operations.push(test(annotation_path(RUN), &json!(run)));
    } else {
        let revision = metadata.get("resourceVersion");
        let revision = revision.ok_or(Unpatchable::Incomplete("metadata.resourceVersion"))?;
        operations.push(test("/metadata/resourceVersion".to_owned(), revision));
    }
    Ok(operations)
}

fn annotations(route: &Value, change: &Change) -> Vec<Value> {
    let mut operations = Vec::new();
    if route.pointer("/metadata/annotations").is_none() {
        operations.push(json!({"op": "add", "path": "/metadata/annotations", "value": Map::new()}));
    }
    // Without a journal nobody owns the split any more.
    let run = if change.journal.is_some() {
        change.run.as_str()
    } else {
        ""
    };
    operations.extend(set(route, RUN, Some(run.to_owned())));
    operations.extend(set(
        route,
        JOURNAL,
        change.journal.as_ref().map(Value::to_string),
    ));
    operations.extend(set(route, SPLIT, Some(record(change))));
    operations
}

/// [`SPLIT`] as `change` makes it.
pub fn record(change: &Change) -> String {
    let mut record = json!({"live": change.live, "candidate": change.candidate});
    if let Some(matches) = &change.matches {
        record["match"] = json!(matches);
    }
    record.to_string()
}

/// `add` replaces what is there; `remove` needs it to be there.
fn set(route: &Value, name: &str, value: Option<String>) -> Option<Value> {
    match value {
        Some(value) => Some(json!({"op": "add", "path": annotation_path(name), "value": value})),
        None if annotation(route, name).is_some() => {
            Some(json!({"op": "remove", "path": annotation_path(name)}))
        }
        None => None,
    }
}

/// A JSON Pointer: `/` within a name is `~1`.
fn annotation_path(name: &str) -> String {
    format!(
        "/metadata/annotations/{}",
        name.replace('~', "~0").replace('/', "~1")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weight::Weight;

    fn route(annotations: &Value) -> Value {
        json!({
            "metadata": {"name": "chat", "generation": 4, "resourceVersion": "811", "annotations": annotations},
            "spec": {"rules": [{"backendRefs": [{"kind": "Service", "name": "chat-v3c1f2a90b", "port": 8000}]}]},
        })
    }

    fn change(journal: Option<Value>) -> Change {
        Change {
            live: "v3c1f2a90b".parse().unwrap(),
            candidate: Some("v7aa01c44e".parse().unwrap()),
            weight: Weight::try_from(10).unwrap(),
            matches: None,
            journal,
            run: "r-1".to_owned(),
        }
    }

    fn patch(route: &Value, change: &Change) -> Vec<Value> {
        let patch = build(route, &"chat".parse().unwrap(), change, Identify::ByHeader).unwrap();
        patch.as_array().unwrap().clone()
    }

    fn operations<'a>(patch: &'a [Value], op: &str) -> Vec<&'a str> {
        let of = patch.iter().filter(|operation| operation["op"] == op);
        of.map(|operation| operation["path"].as_str().unwrap())
            .collect()
    }

    #[test]
    fn every_precondition_comes_before_the_first_write() {
        let patch = patch(
            &route(&json!({RUN: ""})),
            &change(Some(json!({"run_id": "r-1"}))),
        );
        assert_eq!(
            operations(&patch, "test"),
            [
                "/metadata/generation",
                "/spec/rules/0/backendRefs/0/name",
                "/metadata/annotations/infer.dev~1run"
            ]
        );
        let first = patch
            .iter()
            .position(|operation| operation["op"] != "test")
            .unwrap();
        assert!(
            patch[first..]
                .iter()
                .all(|operation| operation["op"] != "test")
        );
        assert_eq!(patch[0]["value"], 4);
    }

    #[test]
    fn a_route_that_no_run_has_touched_must_be_exactly_as_read() {
        let mut bare = route(&json!({}));
        bare["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("annotations");
        let patch = patch(&bare, &change(None));
        assert!(operations(&patch, "test").contains(&"/metadata/resourceVersion"));
        assert_eq!(operations(&patch, "add")[0], "/metadata/annotations");
    }

    #[test]
    fn run_and_journal_come_and_go_together() {
        let open = patch(
            &route(&json!({RUN: ""})),
            &change(Some(json!({"run_id": "r-1"}))),
        );
        let run = open
            .iter()
            .find(|op| op["path"] == "/metadata/annotations/infer.dev~1run" && op["op"] == "add");
        assert_eq!(run.unwrap()["value"], "r-1");
        let closed = patch(&route(&json!({RUN: "r-1", JOURNAL: "{}"})), &change(None));
        assert_eq!(
            operations(&closed, "remove"),
            ["/metadata/annotations/infer.dev~1canary"]
        );
        let run = closed
            .iter()
            .find(|op| op["path"] == "/metadata/annotations/infer.dev~1run" && op["op"] == "add");
        assert_eq!(run.unwrap()["value"], "");
    }

    #[test]
    fn a_restore_puts_rules_and_annotations_back() {
        let before = route(&json!({RUN: ""}));
        let mut written = route(&json!({RUN: "r-1", JOURNAL: "{}", SPLIT: "{}"}));
        written["metadata"]["generation"] = json!(5);
        let patch = restore(&written, &before).unwrap();
        let patch = patch.as_array().unwrap();
        assert_eq!(patch[0]["value"], 5);
        assert_eq!(
            operations(patch, "remove"),
            [
                "/metadata/annotations/infer.dev~1canary",
                "/metadata/annotations/infer.dev~1split"
            ]
        );
        let rules = patch.iter().find(|op| op["path"] == "/spec/rules").unwrap();
        assert_eq!(rules["value"], before["spec"]["rules"]);
    }

    #[test]
    fn what_does_not_matter_to_the_split_is_not_in_its_basis() {
        let mut moved = route(&json!({RUN: ""}));
        moved["metadata"]["generation"] = json!(9);
        moved["metadata"]["labels"] = json!({"team": "a"});
        moved["spec"]["hostnames"] = json!(["chat.example.com"]);
        assert_eq!(Basis::of(&moved), Basis::of(&route(&json!({RUN: ""}))));
    }

    #[test]
    fn a_match_is_refused_where_a_rule_asks_for_its_header_or_rules_run_out() {
        let (chat, beta) = ("chat".parse().unwrap(), "header:x-beta=1".parse().unwrap());
        let mut found = route(&json!({}));
        assert_eq!(admits(&found, &chat, &beta), Ok(()));
        let own = found["spec"]["rules"][0].clone();
        let mut asking = own.clone();
        asking["matches"] = json!([{"headers": [{"name": "X-Beta", "value": "2"}]}]);
        found["spec"]["rules"] = json!([own, asking]);
        let taken = Err(Unpatchable::Taken("x-beta".to_owned()));
        assert_eq!(admits(&found, &chat, &beta), taken);
        // A match that is replaced by one whose header a rule asks for.
        found["metadata"]["annotations"] = json!({SPLIT: r#"{"match": "header:x-old=1"}"#});
        assert_eq!(admits(&found, &chat, &beta), taken);
        found["spec"]["rules"] = json!([own, own, own, own, own]);
        assert_eq!(
            admits(&found, &chat, &beta),
            Err(Unpatchable::TooManyRules(20))
        );
    }
}
