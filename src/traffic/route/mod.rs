//! The kinds of objects that can hold a release's traffic split on a cluster (pure).
//!
//! A [`Route`] is one row of [`ROUTES`]: it reads an object and answers with a [`Split`], a JSON
//! Patch or an [`Acceptance`]. It sends nothing; [`super::ClusterRouter`] does. Which row a
//! release has is written in its record under [`Route::name`].
//!
//! Nothing outside this folder names one of these kinds.

pub mod annotations;
mod http_route;
mod owner;
mod rules;
#[cfg(test)]
mod rules_tests;
mod service;
mod virtual_service;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Change, Split, transition};
use crate::{
    header_match::HeaderMatch,
    name::{ReleaseName, VersionId},
    object::{Kind, Object},
};

/// Names the version that answered, and pins one when a request carries it.
pub const VERSION_HEADER: &str = "x-infer-version";

/// Names the weight that an unpinned request was sent by, while there is a candidate: no status
/// of a route tells which write its proxies follow, an answer does.
pub const WEIGHT_HEADER: &str = "x-infer-weight";

/// Whether the route adds [`VERSION_HEADER`] and [`WEIGHT_HEADER`] to responses. A header set for
/// each backend is a feature that Gateway API leaves to the implementation; a controller without
/// it rejects the route ([`super::ClusterRouter::try_version_header`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VersionHeader {
    #[default]
    Set,
    Omit,
}

/// What a kind of route can express.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent features, each asked for by name"
)]
pub struct Capabilities {
    /// Any share for a candidate; without it all traffic moves as a whole.
    pub weights: bool,
    /// Requests with a header go to the candidate whatever its weight.
    pub header_match: bool,
    /// A request may ask for a version by [`VERSION_HEADER`].
    pub pins: bool,
    /// Copies of requests to a version whose answers are dropped.
    pub mirror: bool,
    /// Responses name the version that they come from.
    pub names_version: bool,
    /// Its status says whether the gateway's controller accepts it.
    pub has_status: bool,
    /// Requests from outside the cluster come through it.
    pub gateway: bool,
}

/// What the controllers of a route's gateways say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acceptance {
    /// Every parent has accepted this generation and resolved its backends.
    /// No condition says that the data plane has it: that is measured.
    Accepted,
    /// Some parent has not looked at this generation yet.
    Pending { parent: String },
    /// A parent rejects this generation, or a part of it.
    Rejected { parent: String, reason: String },
    /// This kind of route has no status.
    Unknown,
}

/// How a client reaches the release through its gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// `http://203.0.113.7:80`, without a path.
    pub url: String,
    /// What to send as `Host`, where the route asks for a name.
    pub host: Option<String>,
}

/// A gateway that a route is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    pub kind: &'static Kind,
    /// `None`: the route's own.
    pub namespace: Option<String>,
    pub name: String,
}

/// Why no split can be read from an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SplitError {
    NothingLive,
    /// Several backends, and no record of which one is live.
    Unrecorded {
        backends: usize,
    },
    /// It sends traffic to a version that its record does not name.
    Stranger {
        version: VersionId,
        writer: String,
    },
}

/// Why no patch can be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("no rule of it sends traffic to a version of the release")]
    NoRule,
    #[error("one of its rules asks for the header {0} already")]
    HeaderInUse(String),
    #[error("with the match it would have {rules} rules, and {max} is the most it can have")]
    TooManyRules { rules: usize, max: usize },
    #[error("a Service has no weights; a split needs `traffic.gateway`")]
    NoWeights,
    #[error("the object has no {0}")]
    Incomplete(&'static str),
}

/// One kind of object that can hold a split.
pub trait Route: Sync + fmt::Debug {
    fn kind(&self) -> &'static Kind;

    /// As the release's record names it.
    fn name(&self) -> &'static str {
        &self.kind().kind
    }

    fn can(&self) -> Capabilities;

    /// The split that the object expresses. Which version is which comes from the object's
    /// record; only a single backend speaks for itself.
    fn split(&self, object: &Object, release: &ReleaseName) -> Result<Split, SplitError>;

    /// The JSON Patch that makes `change` of `object`; its `test` operations hold for nothing
    /// but what was read.
    fn patch(
        &self,
        object: &Object,
        release: &ReleaseName,
        change: &Change,
        header: VersionHeader,
    ) -> Result<Value, Refused>;

    /// The JSON Patch that puts the split of `before` back over what `written` became.
    fn restore(&self, written: &Object, before: &Object) -> Result<Value, Refused>;

    /// The writes that make `change` of `read`, in order; the last one is `change` itself.
    fn transition(&self, read: &Split, change: &Change) -> Vec<Change> {
        transition::transition(read, change)
    }

    fn acceptance(&self, _object: &Object) -> Acceptance {
        Acceptance::Unknown
    }

    /// The gateways whose objects [`Self::endpoint`] and [`Self::host`] take, in the same order;
    /// one that is not there is an empty object.
    fn parents(&self, _object: &Object) -> Vec<Parent> {
        Vec::new()
    }

    /// Where the release is reached; `None` where its gateway has no address (yet).
    /// `namespace` is the route's own.
    fn endpoint(&self, object: &Object, gateways: &[Object], namespace: &str) -> Option<Endpoint>;

    /// The `Host` that requests need, where the route asks for a name.
    fn host(&self, object: &Object, gateways: &[Object]) -> Option<String>;

    /// The object without the fields that hold the split: what `deploy` may apply again without
    /// touching it.
    fn without_split(&self, object: &Object) -> Object;

    /// Whether its rules have room for a match.
    fn admits(
        &self,
        object: &Object,
        release: &ReleaseName,
        matches: &HeaderMatch,
    ) -> Result<(), Refused>;

    /// The fields that hold the split, as a path.
    fn split_fields(&self) -> &'static [&'static str];

    /// The tool that keeps the split as its repository says and would undo a write, with how that
    /// shows.
    fn managed_by(&self, object: &Object) -> Option<String> {
        owner::managed_by(object, self.split_fields())
    }

    /// The last client that wrote the split.
    fn last_writer(&self, object: &Object) -> String {
        owner::last_writer(object, self.split_fields())
    }
}

/// Every kind of route; where a release's record does not say which one it has, the first that is
/// there holds its split.
pub static ROUTES: &[&dyn Route] = &[
    &http_route::HttpRoute,
    &virtual_service::VirtualService,
    SERVICE,
];

/// The stable Service `<name>`: what holds the split without a gateway, and what follows it
/// behind one.
pub(super) static SERVICE: &dyn Route = &service::StableService;

/// The row that a release's record names.
pub fn find(name_in_record: &str) -> Option<&'static dyn Route> {
    let mut routes = ROUTES.iter().copied();
    routes.find(|route| route.name() == name_in_record)
}

/// The row by which `object` holds the split of `release`; `None` where it holds none.
pub fn of_object(object: &Object, release: &ReleaseName) -> Option<&'static dyn Route> {
    let mut routes = ROUTES.iter().copied();
    routes.find(|route| {
        let kind = route.kind();
        object.name() == release.as_str()
            && object.kind() == kind.kind
            && object.api_version() == kind.api_version()
    })
}

/// The Service of one version.
pub fn service_name(release: &ReleaseName, version: &VersionId) -> String {
    format!("{release}-{version}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_row_is_found_by_its_name_in_the_record_and_by_its_object() {
        let names: Vec<_> = ROUTES.iter().map(|route| route.name()).collect();
        assert_eq!(names, ["HTTPRoute", "VirtualService", "Service"]);
        let chat = "chat".parse().unwrap();
        for route in ROUTES {
            assert_eq!(find(route.name()).unwrap().kind(), route.kind());
            let object = |name: &str| {
                let kind = route.kind();
                Object::from(
                    json!({"apiVersion": kind.api_version(), "kind": kind.kind, "metadata": {"name": name}}),
                )
            };
            let found = of_object(&object("chat"), &chat).unwrap();
            assert_eq!(found.kind(), route.kind());
            assert!(of_object(&object("chat-v3c1f2a90b"), &chat).is_none());
            assert!(route.kind().api_version() == "v1" || object("chat").row().is_some());
        }
        assert!(find("Ingress").is_none());
    }

    #[test]
    fn an_object_that_is_applied_again_says_nothing_about_the_split() {
        for route in ROUTES {
            let split = *route.split_fields().last().unwrap();
            let object =
                Object::from(json!({"metadata": {"name": "chat"}, "spec": {split: [], "kept": 1}}));
            let applied = route.without_split(&object);
            assert_eq!(applied["spec"], json!({"kept": 1}), "{}", route.name());
        }
    }

    #[test]
    fn the_record_says_set_or_omit() {
        let texts = [VersionHeader::Set, VersionHeader::Omit]
            .map(|header| serde_json::to_value(header).unwrap());
        assert_eq!(texts, [json!("set"), json!("omit")]);
    }
}
