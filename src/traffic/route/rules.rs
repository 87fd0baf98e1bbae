//! A split as rules of a route: read, rewritten and patched in the same way whatever the route's
//! own grammar is, which is a [`Grammar`].
//!
//! A *default* rule sends traffic to versions of the release; a *pin* rule is a copy of one that
//! also asks for the version header and sends to one version only; a *matched* rule is a copy
//! that asks for the header of a match and sends to the candidate only. Rules that send traffic
//! elsewhere are left as they are.
//!
//! The rules of a route are one atomic list, so a weight is never server-side-applied: every
//! change is one JSON Patch that holds only for the generation, the backends and the run it was
//! built from.

use std::marker::PhantomData;

use serde_json::{Value, json};

use super::{
    Refused, SplitError, VERSION_HEADER, VersionHeader, WEIGHT_HEADER, annotations, owner,
    service_name,
};
use crate::{
    header_match::HeaderMatch,
    name::{ReleaseName, VersionId},
    object::Object,
    traffic::{Change, Split},
    weight::Weight,
};

/// How one kind of route writes rules.
pub(super) trait Grammar {
    /// The rules, within `spec`.
    const RULES: &'static str;
    /// The backends, within a rule.
    const BACKENDS: &'static str;
    /// The name of a backend's Service, as a JSON Pointer within the backend.
    const SERVICE: &'static str;
    /// The conditions of which one must hold, within a rule.
    const MATCHES: &'static str;
    const RULES_MAX: usize;
    /// Whether the first rule that matches is followed, rather than the one that asks for most.
    const FIRST_MATCH_WINS: bool;

    /// The Service of `namespace` that a backend sends to.
    fn service<'a>(backend: &'a Value, namespace: Option<&str>) -> Option<&'a str>;
    /// A backend's share of its rule, in whatever unit.
    fn share(backend: &Value, is_alone: bool) -> u64;
    /// A backend like `like`, but of another Service, with these response headers of ours.
    fn backend(like: &Value, service: &str, share: u64, headers: &[(&str, String)]) -> Value;
    /// Whether a condition asks for the header; without a value, for whatever value.
    fn asks_for(condition: &Value, name: &str, value: Option<&str>) -> bool;
    /// Makes a condition ask for the header too.
    fn ask(condition: &mut Value, name: &str, value: &str);
    /// A condition that every request meets.
    fn every_request() -> Value;
    /// Adds what each rule of a release must have for answers that stream for minutes.
    fn keep_streams(_rule: &mut Value) {}
}

/// The rules of a release, and how those that infer has written are told from those it found.
#[derive(Debug, Clone, Copy)]
struct OwnedRules<'a, G> {
    release: &'a ReleaseName,
    namespace: Option<&'a str>,
    rules: &'a [Value],
    /// The match that is written, by the route's record.
    matches: Option<&'a HeaderMatch>,
    grammar: PhantomData<G>,
}

impl<'a, G: Grammar> OwnedRules<'a, G> {
    fn of(object: &'a Object, release: &'a ReleaseName, matches: Option<&'a HeaderMatch>) -> Self {
        Self {
            release,
            namespace: object.namespace(),
            rules: rules::<G>(object),
            matches,
            grammar: PhantomData,
        }
    }

    /// The version whose Service a backend names.
    fn version_of(&self, backend: &Value) -> Option<VersionId> {
        let service = G::service(backend, self.namespace)?;
        let version = service.strip_prefix(self.release.as_str())?;
        version.strip_prefix('-')?.parse().ok()
    }

    fn sends_to_release(&self, rule: &Value) -> bool {
        let mut backends = backends::<G>(rule).iter();
        backends.any(|backend| self.version_of(backend).is_some())
    }

    fn is_default(&self, rule: &Value) -> bool {
        self.sends_to_release(rule) && !self.is_generated(rule)
    }

    fn is_generated(&self, rule: &Value) -> bool {
        let asks = |name: &str, value: Option<&str>| {
            let conditions = conditions::<G>(rule);
            let mut all = conditions.iter();
            !conditions.is_empty() && all.all(|condition| G::asks_for(condition, name, value))
        };
        let matched = |written: &HeaderMatch| asks(written.name(), Some(written.value()));
        self.sends_to_release(rule)
            && (asks(VERSION_HEADER, None) || self.matches.is_some_and(matched))
    }

    /// Whether a rule that was found here asks for the header already, with whatever value: of
    /// two matches on one header a gateway follows the first alone (Gateway API, `HTTPRouteMatch`).
    fn header_in_use(&self, name: &str) -> bool {
        let asks = |rule: &Value| {
            let mut conditions = conditions::<G>(rule).iter();
            conditions.any(|condition| G::asks_for(condition, name, None))
        };
        let mut rules = self.rules.iter();
        rules.any(|rule| !self.is_generated(rule) && asks(rule))
    }

    /// How many rules there are while there are two versions and a match.
    fn count_with_match(&self) -> usize {
        let found = self.rules.iter().filter(|rule| !self.is_generated(rule));
        let defaults = found.clone().filter(|rule| self.is_default(rule));
        found.count() + 3 * defaults.count()
    }

    fn admits(&self, wanted: &HeaderMatch) -> Result<(), Refused> {
        if self.header_in_use(wanted.name()) {
            return Err(Refused::HeaderInUse(wanted.name().to_owned()));
        }
        match self.count_with_match() {
            rules if rules > G::RULES_MAX => Err(Refused::TooManyRules {
                rules,
                max: G::RULES_MAX,
            }),
            _ => Ok(()),
        }
    }

    /// Versions and shares of the first default rule, as written.
    fn shares(&self) -> Vec<(VersionId, u64)> {
        let mut defaults = self.rules.iter().filter(|rule| self.is_default(rule));
        let backends = defaults.next().map(backends::<G>).unwrap_or_default();
        let all = backends.iter();
        all.filter_map(|backend| {
            let share = G::share(backend, backends.len() == 1);
            Some((self.version_of(backend)?, share))
        })
        .collect()
    }

    /// The rules that express `change`; `None` where no rule sends traffic to the release.
    fn rewrite(&self, change: &Change, header: VersionHeader) -> Option<Vec<Value>> {
        let (mut rewritten, mut last) = (Vec::new(), Vec::new());
        let mut found = false;
        for rule in self.rules {
            if self.is_default(rule) {
                found = true;
                let rewrite = Rewrite {
                    owned: self,
                    rule,
                    change,
                    header,
                };
                rewritten.extend(rewrite.pins());
                if G::FIRST_MATCH_WINS {
                    rewritten.extend(rewrite.matched());
                } else {
                    last.extend(rewrite.matched());
                }
                rewritten.push(rewrite.default());
            } else if !self.sends_to_release(rule) {
                rewritten.push(rule.clone());
            }
            // Generated rules are not carried over: they are generated anew.
        }
        // Of two rules that ask for equally much the first one is followed. The matched rules
        // come last, so that they never take precedence over a rule that was found here.
        rewritten.extend(last);
        found.then_some(rewritten)
    }
}

/// One default rule on its way to `change`.
struct Rewrite<'a, G> {
    owned: &'a OwnedRules<'a, G>,
    rule: &'a Value,
    change: &'a Change,
    header: VersionHeader,
}

impl<G: Grammar> Rewrite<'_, G> {
    fn default(&self) -> Value {
        let change = self.change;
        let percent = u64::from(change.weight.percent());
        let shares = match &change.candidate {
            None => vec![(&change.live, 100)],
            // A share of 0 is left out: some gateways still send to weight 0.
            Some(candidate) => [(&change.live, 100 - percent), (candidate, percent)]
                .into_iter()
                .filter(|(_, share)| *share > 0)
                .collect(),
        };
        let sent_by = change.candidate.as_ref().map(|_| change.weight);
        let backends = shares
            .into_iter()
            .map(|(version, share)| self.backend(version, share, sent_by))
            .collect();
        let mut rule = self.rule.clone();
        rule[G::BACKENDS] = Value::Array(backends);
        G::keep_streams(&mut rule);
        rule
    }

    /// One rule for each version while there are two, so that probes can ask for either.
    fn pins(&self) -> Vec<Value> {
        let Some(candidate) = &self.change.candidate else {
            return Vec::new();
        };
        [&self.change.live, candidate]
            .map(|version| self.asking(VERSION_HEADER, version.as_str(), version, None))
            .into()
    }

    /// The rule that sends what the match asks for to the candidate.
    fn matched(&self) -> Option<Value> {
        let matches = self.change.matches.as_ref()?;
        let candidate = self.change.candidate.as_ref()?;
        let sent_by = Some(Weight::ALL);
        Some(self.asking(matches.name(), matches.value(), candidate, sent_by))
    }

    /// A copy of the rule that also asks for the header, and sends to one version.
    fn asking(
        &self,
        name: &str,
        value: &str,
        version: &VersionId,
        sent_by: Option<Weight>,
    ) -> Value {
        let mut asking = self.rule.clone();
        // Names of rules are unique within a route.
        if let Some(fields) = asking.as_object_mut() {
            fields.remove("name");
        }
        let mut conditions = conditions::<G>(self.rule).to_vec();
        if conditions.is_empty() {
            conditions.push(G::every_request());
        }
        for condition in &mut conditions {
            G::ask(condition, name, value);
        }
        asking[G::MATCHES] = Value::Array(conditions);
        asking[G::BACKENDS] = json!([self.backend(version, 100, sent_by)]);
        G::keep_streams(&mut asking);
        asking
    }

    /// A backend like those of the rule, but of `version`; other people's fields are kept.
    fn backend(&self, version: &VersionId, share: u64, sent_by: Option<Weight>) -> Value {
        let mut backends = backends::<G>(self.rule).iter();
        let like = backends.find(|backend| self.owned.version_of(backend).is_some());
        let mut headers = Vec::new();
        if self.header == VersionHeader::Set {
            headers.push((VERSION_HEADER, version.to_string()));
            headers.extend(sent_by.map(|weight| (WEIGHT_HEADER, weight.percent().to_string())));
        }
        let service = service_name(self.owned.release, version);
        G::backend(like.unwrap_or(&Value::Null), &service, share, &headers)
    }
}

fn rules<G: Grammar>(object: &Object) -> &[Value] {
    list(object.get("spec"), G::RULES)
}

fn backends<G: Grammar>(rule: &Value) -> &[Value] {
    list(Some(rule), G::BACKENDS)
}

fn conditions<G: Grammar>(rule: &Value) -> &[Value] {
    list(Some(rule), G::MATCHES)
}

fn list<'a>(within: Option<&'a Value>, field: &str) -> &'a [Value] {
    let list = within.and_then(|within| within.get(field)?.as_array());
    list.map_or(&[], Vec::as_slice)
}

/// [`super::Route::split`].
pub(super) fn split<G: Grammar>(
    object: &Object,
    release: &ReleaseName,
) -> Result<Split, SplitError> {
    let matches: Option<HeaderMatch> = annotations::recorded(object, "match");
    let shares = OwnedRules::<G>::of(object, release, matches.as_ref()).shares();
    let writer = owner::last_writer(object, &["spec", G::RULES]);
    let recorded: Option<VersionId> = annotations::recorded(object, "live");
    let (live, candidate) = match (recorded, shares.as_slice()) {
        (Some(live), _) => (live, annotations::recorded(object, "candidate")),
        (None, [(only, _)]) => (only.clone(), None),
        (None, []) => return Err(SplitError::NothingLive),
        (None, _) => {
            return Err(SplitError::Unrecorded {
                backends: shares.len(),
            });
        }
    };
    let is_known = |version: &VersionId| *version == live || Some(version) == candidate.as_ref();
    if let Some((stranger, _)) = shares.iter().find(|(version, _)| !is_known(version)) {
        return Err(SplitError::Stranger {
            version: stranger.clone(),
            writer,
        });
    }
    Ok(Split {
        weight: weight(&shares, candidate.as_ref()),
        live,
        candidate,
        matches,
        token: object.generation().to_string(),
        journal: annotations::journal(object),
        writer: Some(writer),
    })
}

/// The candidate's share of all, as written.
fn weight(shares: &[(VersionId, u64)], candidate: Option<&VersionId>) -> Weight {
    let all: u64 = shares.iter().map(|(_, share)| share).sum();
    let own: u64 = shares
        .iter()
        .filter(|(version, _)| Some(version) == candidate)
        .map(|(_, share)| share)
        .sum();
    let percent = own.saturating_mul(100).checked_div(all).unwrap_or(0);
    u8::try_from(percent)
        .ok()
        .and_then(|percent| Weight::try_from(percent).ok())
        .unwrap_or(Weight::ALL)
}

/// [`super::Route::patch`].
pub(super) fn patch<G: Grammar>(
    object: &Object,
    release: &ReleaseName,
    change: &Change,
    header: VersionHeader,
) -> Result<Value, Refused> {
    let written: Option<HeaderMatch> = annotations::recorded(object, "match");
    let owned = OwnedRules::<G>::of(object, release, written.as_ref());
    if let Some(wanted) = &change.matches {
        owned.admits(wanted)?;
    }
    let rules = owned.rewrite(change, header).ok_or(Refused::NoRule)?;
    let mut operations = tests::<G>(object)?;
    operations.push(replace::<G>(&Value::Array(rules)));
    operations.extend(annotations::write(object, change));
    Ok(Value::Array(operations))
}

/// [`super::Route::restore`].
pub(super) fn restore<G: Grammar>(written: &Object, before: &Object) -> Result<Value, Refused> {
    let rules = before.get("spec").and_then(|spec| spec.get(G::RULES));
    let rules = rules.ok_or(Refused::Incomplete("rules"))?;
    let mut operations = tests::<G>(written)?;
    operations.push(replace::<G>(rules));
    operations.extend(annotations::restore(written, before));
    Ok(Value::Array(operations))
}

/// [`super::Route::admits`].
pub(super) fn admits<G: Grammar>(
    object: &Object,
    release: &ReleaseName,
    wanted: &HeaderMatch,
) -> Result<(), Refused> {
    let written: Option<HeaderMatch> = annotations::recorded(object, "match");
    OwnedRules::<G>::of(object, release, written.as_ref()).admits(wanted)
}

/// The object without a field of its spec.
pub(super) fn without(object: &Object, field: &str) -> Object {
    let mut object = object.clone();
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove(field);
    }
    object
}

fn replace<G: Grammar>(rules: &Value) -> Value {
    json!({"op": "replace", "path": format!("/spec/{}", G::RULES), "value": rules})
}

/// Preconditions: the spec's generation, each backend's name, and the run that owns the split.
/// The generation covers the spec but no annotation, so the run is tested too.
fn tests<G: Grammar>(object: &Object) -> Result<Vec<Value>, Refused> {
    let generation = object.pointer("/metadata/generation");
    let generation = generation.ok_or(Refused::Incomplete("metadata.generation"))?;
    let mut operations = vec![annotations::test("/metadata/generation", generation)];
    for (at, rule) in rules::<G>(object).iter().enumerate() {
        for (backend_at, backend) in backends::<G>(rule).iter().enumerate() {
            if let Some(service) = backend.pointer(G::SERVICE) {
                let (rules, backends, service_path) = (G::RULES, G::BACKENDS, G::SERVICE);
                let path = format!("/spec/{rules}/{at}/{backends}/{backend_at}{service_path}");
                operations.push(annotations::test(&path, service));
            }
        }
    }
    operations.push(annotations::test_run(object)?);
    Ok(operations)
}
