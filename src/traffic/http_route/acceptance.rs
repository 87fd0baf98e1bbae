//! Whether every gateway has taken a route over as it stands.

use serde_json::Value;

/// A route's standing with its gateways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acceptance {
    /// Every parent has accepted this generation and resolved its backends.
    /// No condition says that the data plane has it: that is measured.
    Accepted,
    /// Some parent has not looked at this generation yet.
    Pending { parent: String },
    /// A parent says no.
    Rejected { parent: String, reason: String },
}

/// Reads the status for the generation of the route's own spec.
pub fn acceptance(route: &Value) -> Acceptance {
    let generation = route
        .pointer("/metadata/generation")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    let wanted = route.pointer("/spec/parentRefs").and_then(Value::as_array);
    let statuses = route.pointer("/status/parents").and_then(Value::as_array);
    let statuses = statuses.map_or(&[][..], Vec::as_slice);
    let mut pending = None;
    for parent in wanted.into_iter().flatten() {
        let name = parent_name(parent);
        let of_parent: Vec<_> = statuses
            .iter()
            .filter(|status| {
                status
                    .get("parentRef")
                    .is_some_and(|other| same(other, parent))
            })
            .collect();
        if of_parent.is_empty() {
            pending.get_or_insert(name.clone());
        }
        for status in of_parent {
            match one(status, generation) {
                One::Accepted => {}
                One::Pending => {
                    pending.get_or_insert(name.clone());
                }
                One::Rejected(reason) => {
                    return Acceptance::Rejected {
                        parent: name,
                        reason,
                    };
                }
            }
        }
    }
    pending.map_or(Acceptance::Accepted, |parent| Acceptance::Pending {
        parent,
    })
}

enum One {
    Accepted,
    Pending,
    Rejected(String),
}

fn one(status: &Value, generation: i64) -> One {
    let conditions = status.get("conditions").and_then(Value::as_array);
    let conditions = conditions.map_or(&[][..], Vec::as_slice);
    let find = |name: &str| {
        conditions.iter().find(|condition| {
            condition.get("type").and_then(Value::as_str) == Some(name)
                && condition
                    .get("observedGeneration")
                    .and_then(Value::as_i64)
                    .unwrap_or(0)
                    >= generation
        })
    };
    let text = |condition: &Value, field: &str| {
        condition
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let why = |condition: &Value| {
        format!(
            "{}: {}",
            text(condition, "reason"),
            text(condition, "message")
        )
    };
    if let Some(partial) = find("PartiallyInvalid").filter(|found| text(found, "status") == "True")
    {
        return One::Rejected(why(partial));
    }
    for name in ["Accepted", "ResolvedRefs"] {
        match find(name) {
            None => return One::Pending,
            Some(condition) if text(condition, "status") != "True" => {
                return One::Rejected(why(condition));
            }
            Some(_) => {}
        }
    }
    One::Accepted
}

fn parent_name(parent: &Value) -> String {
    let text = |field: &str| parent.get(field).and_then(Value::as_str);
    let name = text("name").unwrap_or_default();
    match text("namespace") {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    }
}

/// Whether a status speaks of the parent; fields the route leaves out match any.
fn same(status: &Value, parent: &Value) -> bool {
    ["name", "namespace", "sectionName", "port", "kind", "group"]
        .iter()
        .all(|field| match (status.get(*field), parent.get(*field)) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn route(parents: &[&str], conditions: &[(&str, &str, &str, i64)]) -> Value {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|(name, parent, status, generation)| {
                json!({"parentRef": {"name": parent, "kind": "Gateway"}, "conditions": [
                    {"type": name, "status": status, "observedGeneration": generation, "reason": "R", "message": "m"},
                    {"type": "ResolvedRefs", "status": "True", "observedGeneration": generation},
                ]})
            })
            .collect();
        let parents: Vec<_> = parents.iter().map(|name| json!({"name": name})).collect();
        json!({"metadata": {"generation": 4}, "spec": {"parentRefs": parents}, "status": {"parents": conditions}})
    }

    #[test]
    fn every_parent_must_have_seen_this_generation() {
        let both = route(
            &["a", "b"],
            &[("Accepted", "a", "True", 4), ("Accepted", "b", "True", 5)],
        );
        assert_eq!(acceptance(&both), Acceptance::Accepted);
        let late = route(
            &["a", "b"],
            &[("Accepted", "a", "True", 4), ("Accepted", "b", "True", 3)],
        );
        assert_eq!(
            acceptance(&late),
            Acceptance::Pending {
                parent: "b".to_owned()
            }
        );
        let silent = route(&["a", "b"], &[("Accepted", "a", "True", 4)]);
        assert_eq!(
            acceptance(&silent),
            Acceptance::Pending {
                parent: "b".to_owned()
            }
        );
    }

    #[test]
    fn a_no_of_this_generation_is_final_and_an_older_one_is_not() {
        let refused = route(&["a"], &[("Accepted", "a", "False", 4)]);
        assert_eq!(
            acceptance(&refused),
            Acceptance::Rejected {
                parent: "a".to_owned(),
                reason: "R: m".to_owned()
            }
        );
        let old = route(&["a"], &[("Accepted", "a", "False", 3)]);
        assert!(matches!(acceptance(&old), Acceptance::Pending { .. }));
    }

    #[test]
    fn a_route_taken_in_part_is_rejected() {
        let mut partly = route(&["a"], &[("Accepted", "a", "True", 4)]);
        let conditions = partly["status"]["parents"][0]["conditions"]
            .as_array_mut()
            .unwrap();
        conditions.push(json!({"type": "PartiallyInvalid", "status": "True", "observedGeneration": 4, "reason": "UnsupportedValue"}));
        assert!(matches!(acceptance(&partly), Acceptance::Rejected { .. }));
    }
}
