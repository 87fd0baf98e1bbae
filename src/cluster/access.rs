//! What the caller may do: one `SelfSubjectAccessReview` a verb.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::Method;
use serde_json::{Value, json};

use super::{
    Cluster, Error,
    request::{JSON, Repeat, Request},
};
use crate::object::{
    KINDS, Kind,
    kind::ACCESS_REVIEW,
    kinds::{Presence, Reach, Right},
};

/// Reviews under way at once.
const REVIEWS_MAX: usize = 8;

/// One right of the table of kinds, and what of it the caller lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RightReview {
    pub kind: &'static Kind,
    pub right: &'static Right,
    /// Verbs that the caller may not.
    pub denied: Vec<&'static str>,
}

impl RightReview {
    /// `pods/log`
    pub fn resource(&self) -> String {
        self.right.resource(self.kind)
    }
}

/// All rights that `infer` uses on a cluster that serves what `is_served` tells of.
pub fn rights(is_served: impl Fn(&Kind) -> bool) -> Vec<(&'static Kind, &'static Right)> {
    let there = |presence, kind: &Kind| presence == Presence::Core || is_served(kind);
    KINDS
        .iter()
        .filter(|row| there(row.presence, &row.kind))
        .flat_map(|row| row.rights.iter().map(|right| (&row.kind, right)))
        .collect()
}

/// Asks for every verb of the rights, in the order they were given.
pub async fn review(
    cluster: &Cluster,
    rights: Vec<(&'static Kind, &'static Right)>,
) -> Result<Vec<RightReview>, Error> {
    let verbs: Vec<_> = rights
        .iter()
        .flat_map(|(kind, right)| right.verbs.iter().map(|verb| (*kind, *right, *verb)))
        .collect();
    let answers: Vec<bool> = stream::iter(&verbs)
        .map(|(kind, right, verb)| allowed(cluster, kind, right, verb))
        .buffered(REVIEWS_MAX)
        .try_collect()
        .await?;
    let mut answers = answers.into_iter();
    Ok(rights
        .into_iter()
        .map(|(kind, right)| {
            let verbs = right.verbs.iter().zip(&mut answers);
            let denied = verbs.filter(|(_, allowed)| !allowed).map(|(verb, _)| *verb);
            RightReview {
                kind,
                right,
                denied: denied.collect(),
            }
        })
        .collect())
}

async fn allowed(cluster: &Cluster, kind: &Kind, right: &Right, verb: &str) -> Result<bool, Error> {
    let request = Request::send(
        format!("ask for the right to {verb} {}", right.resource(kind)),
        Method::POST,
        ACCESS_REVIEW.collection(&cluster.namespace),
        JSON,
        &body(kind, right, verb, &cluster.namespace),
    );
    // A review changes nothing.
    let request = Request {
        repeat: Repeat::Safe,
        ..request
    };
    let answer = cluster.call(&request).await?;
    Ok(answer.pointer("/status/allowed").and_then(Value::as_bool) == Some(true))
}

fn body(kind: &Kind, right: &Right, verb: &str, namespace: &str) -> Value {
    // Without a namespace the right is asked for in all of them.
    let namespace = match right.reach {
        Reach::Namespace => namespace,
        Reach::Cluster => "",
    };
    json!({
        "apiVersion": ACCESS_REVIEW.api_version(), "kind": ACCESS_REVIEW.kind,
        "spec": {"resourceAttributes": {
            "namespace": namespace, "verb": verb, "group": kind.group,
            "resource": kind.plural, "subresource": right.subresource,
        }},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subresource_is_asked_for_as_one_and_nodes_without_a_namespace() {
        let asked = |resource: &str| {
            let rights = rights(|_| true);
            let (kind, right) = rights
                .iter()
                .find(|(kind, right)| right.resource(kind) == resource)
                .unwrap();
            body(kind, right, right.verbs[0], "team-a")["spec"]["resourceAttributes"].clone()
        };
        let log = asked("pods/log");
        assert_eq!(
            (&log["resource"], &log["subresource"], &log["namespace"]),
            (&json!("pods"), &json!("log"), &json!("team-a"))
        );
        assert_eq!(asked("nodes")["namespace"], "");
    }

    #[test]
    fn rights_on_what_is_not_installed_are_not_asked_for() {
        let has = |found: &[(&Kind, &Right)], plural: &str| {
            found.iter().any(|(kind, _)| kind.plural == plural)
        };
        let bare = rights(|_| false);
        assert!(has(&bare, "deployments") && !has(&bare, "leaderworkersets"));
        let with = rights(|kind| kind.group == "leaderworkerset.x-k8s.io");
        assert!(has(&with, "leaderworkersets") && !has(&with, "httproutes"));
    }
}
