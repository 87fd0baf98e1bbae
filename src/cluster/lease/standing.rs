//! How a Lease is read and written (pure).

use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use super::DURATION;
use crate::{
    cluster::inventory::{MANAGED_BY, MANAGER, RELEASE},
    name::ReleaseName,
};

/// Whether a lock can be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It has no holder.
    Free,
    /// Its holder has not renewed it for longer than it promised.
    Expired {
        holder: String,
    },
    Held {
        holder: String,
        since: String,
    },
}

/// Reads a Lease at `now`.
pub fn standing(lease: &Value, now: Timestamp) -> Standing {
    let text = |field: &str| {
        let value = lease.get("spec").and_then(|spec| spec.get(field));
        value.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let holder = text("holderIdentity");
    if holder.is_empty() {
        return Standing::Free;
    }
    let seconds = lease
        .pointer("/spec/leaseDurationSeconds")
        .and_then(Value::as_i64);
    let seconds = seconds.unwrap_or(30).clamp(1, 3600);
    let renewed: Option<Timestamp> = text("renewTime").parse().ok();
    let alive = renewed
        .and_then(|renewed| renewed.checked_add(seconds.seconds()).ok())
        .is_some_and(|end| end > now);
    if alive {
        Standing::Held {
            holder,
            since: text("acquireTime"),
        }
    } else {
        Standing::Expired { holder }
    }
}

/// The Lease as its new holder writes it; `found` is the one that was read.
pub fn taken(
    name: &str,
    release: &ReleaseName,
    holder: &str,
    found: Option<&Value>,
    now: Timestamp,
) -> Value {
    let transitions = found
        .and_then(|lease| lease.pointer("/spec/leaseTransitions"))
        .and_then(Value::as_i64)
        .map_or(0, |before| before + 1);
    let mut metadata = json!({
        "name": name,
        "labels": {MANAGED_BY: MANAGER, RELEASE: release},
    });
    if let Some(revision) = found.and_then(|lease| lease.pointer("/metadata/resourceVersion")) {
        metadata["resourceVersion"] = revision.clone();
    }
    let now = micro_time(now);
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata,
        "spec": {
            "holderIdentity": holder, "leaseDurationSeconds": DURATION.as_secs(),
            "acquireTime": now, "renewTime": now, "leaseTransitions": transitions,
        },
    })
}

/// `MicroTime`: the server refuses fewer than six digits.
pub(super) fn micro_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str, renewed: &str) -> Value {
        json!({"metadata": {"resourceVersion": "7"}, "spec": {
            "holderIdentity": holder, "leaseDurationSeconds": 30, "leaseTransitions": 2,
            "acquireTime": "2026-11-24T03:00:00.000000Z", "renewTime": renewed,
        }})
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_lease_is_held_until_thirty_seconds_after_its_renewal() {
        let held = lease("ann@build/r-1", "2026-11-24T03:10:00.000000Z");
        assert_eq!(
            standing(&held, at("2026-11-24T03:10:29Z")),
            Standing::Held {
                holder: "ann@build/r-1".to_owned(),
                since: "2026-11-24T03:00:00.000000Z".to_owned()
            }
        );
        assert_eq!(
            standing(&held, at("2026-11-24T03:10:31Z")),
            Standing::Expired {
                holder: "ann@build/r-1".to_owned()
            }
        );
        assert_eq!(
            standing(&lease("", "x"), at("2026-11-24T03:10:00Z")),
            Standing::Free
        );
    }

    #[test]
    fn taking_a_lease_keeps_its_revision_and_counts_the_change() {
        let chat = "chat".parse().unwrap();
        let found = lease("ann@build/r-1", "2026-11-24T03:10:00.000000Z");
        let now = at("2026-11-24T04:00:00.5Z");
        let written = taken("infer-chat", &chat, "bob@laptop/r-2", Some(&found), now);
        assert_eq!(written["metadata"]["resourceVersion"], "7");
        assert_eq!(written["spec"]["leaseTransitions"], 3);
        assert_eq!(written["spec"]["renewTime"], "2026-11-24T04:00:00.500000Z");
        let first = taken("infer-chat", &chat, "bob@laptop/r-2", None, now);
        assert_eq!(first["metadata"].get("resourceVersion"), None);
        assert_eq!(first["spec"]["leaseTransitions"], 0);
    }

    #[test]
    fn a_lease_with_an_unreadable_time_has_expired() {
        let broken = lease("ann@build/r-1", "yesterday");
        assert!(matches!(
            standing(&broken, at("2026-11-24T03:10:00Z")),
            Standing::Expired { .. }
        ));
    }
}
