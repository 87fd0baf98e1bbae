//! Without a gateway: the stable Service sends everything to one version.
//!
//! A Service cannot split by weight, so only a move of all traffic is possible;
//! a candidate is recorded beside it and compared by probes.

use serde_json::{Value, json};

use super::{
    Capabilities, Endpoint, Refused, Route, SplitError, VersionHeader,
    annotations::{self, pointer_segment},
};
use crate::{
    header_match::HeaderMatch,
    name::ReleaseName,
    object::{Kind, Object, kind, label::VERSION},
    traffic::{Change, Split},
    weight::Weight,
};

static KIND: Kind = kind::SERVICE;

/// The Service `<name>` of a release.
#[derive(Debug)]
pub(super) struct StableService;

impl Route for StableService {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn can(&self) -> Capabilities {
        Capabilities {
            weights: false,
            header_match: false,
            pins: false,
            mirror: false,
            names_version: false,
            has_status: false,
            gateway: false,
        }
    }

    fn split(&self, object: &Object, _release: &ReleaseName) -> Result<Split, SplitError> {
        let selector = object.pointer("/spec/selector");
        let live = selector.and_then(|selector| selector.get(VERSION)?.as_str()?.parse().ok());
        Ok(Split {
            live: live.ok_or(SplitError::NothingLive)?,
            candidate: annotations::recorded(object, "candidate"),
            weight: Weight::ZERO,
            matches: None,
            token: object.resource_version().unwrap_or_default().to_owned(),
            journal: annotations::journal(object),
            writer: None,
        })
    }

    fn patch(
        &self,
        object: &Object,
        _release: &ReleaseName,
        change: &Change,
        _header: VersionHeader,
    ) -> Result<Value, Refused> {
        if change.weight != Weight::ZERO || change.matches.is_some() {
            return Err(Refused::NoWeights);
        }
        // A Service has no generation to test.
        let mut operations = vec![annotations::test_revision(object)?];
        let selector = format!("/spec/selector/{}", pointer_segment(VERSION));
        operations.push(json!({"op": "add", "path": selector, "value": change.live}));
        operations.extend(annotations::write(object, change));
        Ok(Value::Array(operations))
    }

    fn restore(&self, written: &Object, before: &Object) -> Result<Value, Refused> {
        let selector = before.pointer("/spec/selector");
        let selector = selector.ok_or(Refused::Incomplete("spec.selector"))?;
        let mut operations = vec![annotations::test_revision(written)?];
        operations.push(json!({"op": "add", "path": "/spec/selector", "value": selector}));
        operations.extend(annotations::restore(written, before));
        Ok(Value::Array(operations))
    }

    /// The selector moves as a whole: there are no shares to pass through.
    fn transition(&self, _read: &Split, change: &Change) -> Vec<Change> {
        vec![change.clone()]
    }

    /// The name inside the cluster; from outside, requests go through `pods/proxy`.
    fn endpoint(&self, object: &Object, _gateways: &[Object], namespace: &str) -> Option<Endpoint> {
        let port = object.pointer("/spec/ports/0/port").and_then(Value::as_u64);
        let (name, port) = (object.name(), port.unwrap_or(80));
        Some(Endpoint {
            url: format!("http://{name}.{namespace}.svc:{port}"),
            host: None,
        })
    }

    fn host(&self, _object: &Object, _gateways: &[Object]) -> Option<String> {
        None
    }

    fn without_split(&self, object: &Object) -> Object {
        super::rules::without(object, "selector")
    }

    fn admits(
        &self,
        _object: &Object,
        _release: &ReleaseName,
        _matches: &HeaderMatch,
    ) -> Result<(), Refused> {
        Err(Refused::NoWeights)
    }

    fn split_fields(&self) -> &'static [&'static str] {
        &["spec", "selector"]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::route::annotations::JOURNAL;

    fn patch(object: &Value, change: &Change) -> Result<Value, Refused> {
        let object = Object::from(object.clone());
        StableService.patch(
            &object,
            &"chat".parse().unwrap(),
            change,
            VersionHeader::Set,
        )
    }

    #[test]
    fn a_move_is_one_write_on_the_object_that_was_read() {
        let service = json!({"metadata": {"resourceVersion": "7", "annotations": {JOURNAL: "{}"}}});
        let mut change = Change::all_to(&"v7aa01c44e".parse().unwrap(), "r-1");
        let written = patch(&service, &change).unwrap();
        assert_eq!(
            written[0],
            json!({"op": "test", "path": "/metadata/resourceVersion", "value": "7"})
        );
        assert_eq!(
            written[1],
            json!({"op": "add", "path": "/spec/selector/infer.dev~1version", "value": "v7aa01c44e"})
        );
        let written = written.as_array().unwrap();
        let journal = json!({"op": "remove", "path": "/metadata/annotations/infer.dev~1canary"});
        assert!(written.contains(&journal));
        change.weight = Weight::try_from(10).unwrap();
        assert_eq!(patch(&service, &change), Err(Refused::NoWeights));
    }

    #[test]
    fn the_endpoint_is_the_name_inside_the_cluster() {
        let service = json!({"metadata": {"name": "chat"}, "spec": {"ports": [{"port": 8000}]}});
        let endpoint = StableService
            .endpoint(&service.into(), &[], "team-a")
            .unwrap();
        assert_eq!(endpoint.url, "http://chat.team-a.svc:8000");
    }
}
