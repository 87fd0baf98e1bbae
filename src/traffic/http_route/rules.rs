//! The rules of a route for a split: a pure rewrite of what is there.
//!
//! A *default* rule sends traffic to versions of the release; a *pin* rule is a
//! copy of one that also asks for the version header and knows one version only.
//! Rules that send traffic elsewhere are left as they are.

use serde_json::{Value, json};

use crate::{
    name::{ReleaseName, VersionId},
    weight::Weight,
};

/// Says which version answered, and pins one when a request carries it.
pub const VERSION_HEADER: &str = "x-infer-version";

/// Says by which weight an unpinned request was sent, while there is a candidate: no status
/// of a route tells which write its proxies follow, an answer does.
pub const WEIGHT_HEADER: &str = "x-infer-weight";

/// Whether responses say which version they come from; not every controller
/// knows filters on a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Identify {
    #[default]
    ByHeader,
    No,
}

/// The split that rules are to express.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted<'a> {
    pub(super) live: &'a VersionId,
    pub(super) candidate: Option<&'a VersionId>,
    pub(super) weight: Weight,
    pub(super) identify: Identify,
}

/// The Service of one version.
pub fn service_name(release: &ReleaseName, version: &VersionId) -> String {
    format!("{release}-{version}")
}

/// The version whose Service a backend names.
pub(super) fn version_of(release: &ReleaseName, backend: &Value) -> Option<VersionId> {
    let kind = backend
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or("Service");
    let name = backend.get("name")?.as_str()?;
    let version = name.strip_prefix(release.as_str())?.strip_prefix('-')?;
    (kind == "Service").then(|| version.parse().ok()).flatten()
}

fn backends(rule: &Value) -> &[Value] {
    rule.get("backendRefs")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn sends_to_release(rule: &Value, release: &ReleaseName) -> bool {
    backends(rule)
        .iter()
        .any(|backend| version_of(release, backend).is_some())
}

/// Whether every match of the rule asks for the version header.
fn is_pin(rule: &Value) -> bool {
    let matches = rule.get("matches").and_then(Value::as_array);
    matches.is_some_and(|matches| !matches.is_empty() && matches.iter().all(asks_for_version))
}

fn asks_for_version(one: &Value) -> bool {
    let headers = one.get("headers").and_then(Value::as_array);
    headers.into_iter().flatten().any(|header| {
        let name = header
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        name.eq_ignore_ascii_case(VERSION_HEADER)
    })
}

/// Versions and weights of the first default rule, as written.
pub(super) fn shares(rules: &[Value], release: &ReleaseName) -> Vec<(VersionId, u64)> {
    let default = rules
        .iter()
        .find(|rule| !is_pin(rule) && sends_to_release(rule, release));
    default
        .map(backends)
        .unwrap_or_default()
        .iter()
        .filter_map(|backend| {
            let weight = backend.get("weight").and_then(Value::as_u64).unwrap_or(1);
            Some((version_of(release, backend)?, weight))
        })
        .collect()
}

/// The rules that express `wanted`; `None` where no rule sends traffic to the release.
pub(super) fn rewrite(
    rules: &[Value],
    release: &ReleaseName,
    wanted: &Wanted<'_>,
) -> Option<Vec<Value>> {
    let mut rewritten = Vec::new();
    let mut found = false;
    for rule in rules {
        if !sends_to_release(rule, release) {
            rewritten.push(rule.clone());
        } else if !is_pin(rule) {
            found = true;
            rewritten.extend(pins(rule, release, wanted));
            rewritten.push(default(rule, release, wanted));
        }
        // Pins of before are not carried over: they are made anew.
    }
    found.then_some(rewritten)
}

fn default(rule: &Value, release: &ReleaseName, wanted: &Wanted<'_>) -> Value {
    let percent = u64::from(wanted.weight.percent());
    let shares: Vec<_> = match wanted.candidate {
        None => vec![(wanted.live, 100)],
        // A share of 0 is no backend: some gateways still send to weight 0.
        Some(candidate) => [(wanted.live, 100 - percent), (candidate, percent)]
            .into_iter()
            .filter(|(_, share)| *share > 0)
            .collect(),
    };
    let refs: Vec<_> = shares
        .iter()
        .map(|(version, share)| {
            let split_by = wanted.candidate.map(|_| wanted.weight);
            let mut backend = backend(rule, release, version, wanted.identify, split_by);
            backend["weight"] = json!(share);
            backend
        })
        .collect();
    let mut rule = rule.clone();
    rule["backendRefs"] = Value::Array(refs);
    rule
}

/// One rule a version while there are two, so that probes can ask for either.
fn pins(rule: &Value, release: &ReleaseName, wanted: &Wanted<'_>) -> Vec<Value> {
    let Some(candidate) = wanted.candidate else {
        return Vec::new();
    };
    let pin = |version: &VersionId| {
        let mut pinned = rule.clone();
        // Names of rules are unique within a route.
        if let Some(fields) = pinned.as_object_mut() {
            fields.remove("name");
        }
        let mut matches = match rule.get("matches").and_then(Value::as_array) {
            Some(matches) if !matches.is_empty() => matches.clone(),
            _ => vec![json!({"path": {"type": "PathPrefix", "value": "/"}})],
        };
        for one in &mut matches {
            let header = json!({"type": "Exact", "name": VERSION_HEADER, "value": version});
            match one.get_mut("headers").and_then(Value::as_array_mut) {
                Some(headers) => headers.push(header),
                None => one["headers"] = json!([header]),
            }
        }
        pinned["matches"] = Value::Array(matches);
        let mut backend = backend(rule, release, version, wanted.identify, None);
        backend["weight"] = json!(100);
        pinned["backendRefs"] = json!([backend]);
        pinned
    };
    vec![pin(wanted.live), pin(candidate)]
}

/// A backend like those of the rule, but of `version`; filters of others are kept.
fn backend(
    rule: &Value,
    release: &ReleaseName,
    version: &VersionId,
    identify: Identify,
    split_by: Option<Weight>,
) -> Value {
    let own = backends(rule)
        .iter()
        .find(|backend| version_of(release, backend).is_some());
    let mut backend = own.cloned().unwrap_or_else(|| json!({}));
    backend["name"] = json!(service_name(release, version));
    let mut filters = backend
        .get("filters")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    filters.retain(|filter| !says_version(filter));
    if identify == Identify::ByHeader {
        let mut set = vec![json!({"name": VERSION_HEADER, "value": version})];
        if let Some(weight) = split_by {
            let percent = weight.percent().to_string();
            set.push(json!({"name": WEIGHT_HEADER, "value": percent}));
        }
        filters.push(json!({
            "type": "ResponseHeaderModifier",
            "responseHeaderModifier": {"set": set},
        }));
    }
    if filters.is_empty() {
        if let Some(fields) = backend.as_object_mut() {
            fields.remove("filters");
        }
    } else {
        backend["filters"] = Value::Array(filters);
    }
    backend
}

fn says_version(filter: &Value) -> bool {
    let set = filter
        .pointer("/responseHeaderModifier/set")
        .and_then(Value::as_array);
    set.is_some_and(|set| {
        set.iter()
            .any(|header| header.get("name").and_then(Value::as_str) == Some(VERSION_HEADER))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn write(rules: &[Value], candidate: Option<&str>, percent: u8) -> Vec<Value> {
        let live = LIVE.parse().unwrap();
        let candidate = candidate.map(|version| version.parse().unwrap());
        let wanted = Wanted {
            live: &live,
            candidate: candidate.as_ref(),
            weight: Weight::try_from(percent).unwrap(),
            identify: Identify::ByHeader,
        };
        rewrite(rules, &chat(), &wanted).unwrap()
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
            named(&shares(&written, &chat())),
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
        assert_eq!(named(&shares(&all, &chat())), [(CANDIDATE, 100)]);
        let none = write(&rules(), Some(CANDIDATE), 0);
        assert_eq!(named(&shares(&none, &chat())), [(LIVE, 100)]);
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
        assert_eq!(named(&shares(&back, &chat())), [(LIVE, 100)]);
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
            identify: Identify::No,
        };
        assert_eq!(rewrite(&rules()[1..], &chat(), &wanted), None);
        assert_eq!(
            version_of(&chat(), &json!({"name": "chat-web", "port": 1})),
            None
        );
    }
}
