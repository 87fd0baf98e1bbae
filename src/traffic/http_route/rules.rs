//! The rules of a route for a split: a pure rewrite of what is there.
//!
//! A *default* rule sends traffic to versions of the release; a *pin* rule is a
//! copy of one that also asks for the version header and knows one version only; a
//! *matched* rule is one that asks for the header of a match and knows the candidate only.
//! Rules that send traffic elsewhere are left as they are.

use serde_json::{Value, json};

use crate::{
    header_match::HeaderMatch,
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
    pub(super) matches: Option<&'a HeaderMatch>,
    pub(super) identify: Identify,
}

/// How the rules that infer has written are told from those it found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own<'a> {
    pub(super) release: &'a ReleaseName,
    /// The match that is written, by the route's record.
    pub(super) matches: Option<&'a HeaderMatch>,
}

impl Own<'_> {
    fn is_default(&self, rule: &Value) -> bool {
        sends_to_release(rule, self.release) && !self.is_made(rule)
    }

    fn is_made(&self, rule: &Value) -> bool {
        let written = self.matches;
        let matched =
            |written: &HeaderMatch| asks_always(rule, written.name(), Some(written.value()));
        sends_to_release(rule, self.release)
            && (asks_always(rule, VERSION_HEADER, None) || written.is_some_and(matched))
    }

    /// Whether a rule that was found here asks for the header already, with whatever value: of
    /// two matches on one header a gateway follows the first alone (Gateway API, `HTTPRouteMatch`).
    pub(super) fn is_taken(&self, rules: &[Value], wanted: &HeaderMatch) -> bool {
        let asks = |rule: &Value| matches(rule).any(|one| asks_for(one, wanted.name(), None));
        rules.iter().any(|rule| !self.is_made(rule) && asks(rule))
    }

    /// How many rules there are while there are two versions and a match.
    pub(super) fn count_matched(&self, rules: &[Value]) -> usize {
        let found = rules.iter().filter(|rule| !self.is_made(rule));
        let own = found.clone().filter(|rule| self.is_default(rule));
        found.count() + 3 * own.count()
    }
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

fn matches(rule: &Value) -> impl Iterator<Item = &Value> {
    let matches = rule.get("matches").and_then(Value::as_array);
    matches.into_iter().flatten()
}

/// Whether every match of the rule asks for the header; `None`: whatever its value.
fn asks_always(rule: &Value, name: &str, value: Option<&str>) -> bool {
    matches(rule).next().is_some() && matches(rule).all(|one| asks_for(one, name, value))
}

fn asks_for(one: &Value, name: &str, value: Option<&str>) -> bool {
    let headers = one.get("headers").and_then(Value::as_array);
    headers.into_iter().flatten().any(|header| {
        let says = |field: &str| header.get(field).and_then(Value::as_str);
        let named = says("name").unwrap_or_default();
        named.eq_ignore_ascii_case(name) && value.is_none_or(|value| says("value") == Some(value))
    })
}

/// Versions and weights of the first default rule, as written.
pub(super) fn shares(rules: &[Value], own: &Own<'_>) -> Vec<(VersionId, u64)> {
    let default = rules.iter().find(|rule| own.is_default(rule));
    default
        .map(backends)
        .unwrap_or_default()
        .iter()
        .filter_map(|backend| {
            let weight = backend.get("weight").and_then(Value::as_u64).unwrap_or(1);
            Some((version_of(own.release, backend)?, weight))
        })
        .collect()
}

/// The rules that express `wanted`; `None` where no rule sends traffic to the release.
pub(super) fn rewrite(rules: &[Value], own: &Own<'_>, wanted: &Wanted<'_>) -> Option<Vec<Value>> {
    let release = own.release;
    let (mut rewritten, mut last) = (Vec::new(), Vec::new());
    let mut found = false;
    for rule in rules {
        if !sends_to_release(rule, release) {
            rewritten.push(rule.clone());
        } else if own.is_default(rule) {
            found = true;
            rewritten.extend(pins(rule, release, wanted));
            rewritten.push(default(rule, release, wanted));
            last.extend(matched(rule, release, wanted));
        }
        // Rules of before that ask for a header are not carried over: they are made anew.
    }
    // Of rules that ask for as much the first is followed: everybody else's go before.
    rewritten.extend(last);
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
    [wanted.live, candidate]
        .map(|version| {
            let backend = backend(rule, release, version, wanted.identify, None);
            asking(rule, VERSION_HEADER, version.as_str(), backend)
        })
        .into()
}

/// The rule that sends what the match asks for to the candidate.
fn matched(rule: &Value, release: &ReleaseName, wanted: &Wanted<'_>) -> Option<Value> {
    let (header, candidate) = wanted.matches.zip(wanted.candidate)?;
    let by = Some(Weight::ALL);
    let backend = backend(rule, release, candidate, wanted.identify, by);
    Some(asking(rule, header.name(), header.value(), backend))
}

/// A copy of the rule that also asks for the header, and sends to one backend.
fn asking(rule: &Value, name: &str, value: &str, mut backend: Value) -> Value {
    let mut asking = rule.clone();
    // Names of rules are unique within a route.
    if let Some(fields) = asking.as_object_mut() {
        fields.remove("name");
    }
    let mut matches = match rule.get("matches").and_then(Value::as_array) {
        Some(matches) if !matches.is_empty() => matches.clone(),
        _ => vec![json!({"path": {"type": "PathPrefix", "value": "/"}})],
    };
    for one in &mut matches {
        let header = json!({"type": "Exact", "name": name, "value": value});
        match one.get_mut("headers").and_then(Value::as_array_mut) {
            Some(headers) => headers.push(header),
            None => one["headers"] = json!([header]),
        }
    }
    asking["matches"] = Value::Array(matches);
    backend["weight"] = json!(100);
    asking["backendRefs"] = json!([backend]);
    asking
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
