//! What owns the replicas of a workload: the seam between `infer` and autoscalers (pure, but
//! for [`floor`]).
//!
//! While a canary is open, the autoscalers of both versions keep at least the replicas that
//! were there when it began: a version that is measured must not shrink because half of its
//! traffic has moved.

mod floor;
mod hpa;

use std::fmt;

use serde_json::{Value, json};

pub use self::floor::{floor_at, floored, list, unfloor};
use crate::object::{Kind, Object};

/// Every kind that can own replicas.
pub static SCALERS: &[&dyn Scaler] = &[&hpa::Hpa];

/// The floor before a canary opened and the one set for it: `1/3`.
pub const FLOOR: &str = "infer.dev/floor";

/// One kind of object that sets the replicas of a workload.
pub trait Scaler: Sync {
    fn kind(&self) -> &'static Kind;

    /// Replicas that it never goes below.
    fn floor(&self, object: &Object) -> u32;

    /// Replicas that it never goes above, where it has such a limit.
    fn ceiling(&self, object: &Object) -> Option<u32>;

    /// The merge patch that sets the floor.
    fn with_floor(&self, floor: u32) -> Value;
}

impl fmt::Debug for dyn Scaler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scaler({})", self.kind())
    }
}

/// The row of the object's kind; `None` where the object is not a scaler.
pub fn find(object: &Object) -> Option<&'static dyn Scaler> {
    let row = SCALERS.iter().find(|row| {
        row.kind().kind == object.kind() && row.kind().api_version() == object.api_version()
    });
    row.copied()
}

/// Between which numbers a version's replicas are its autoscaler's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub floor: u32,
    /// `u32::MAX` where it has none.
    pub ceiling: u32,
}

/// The limits of the scaler among the objects of a version; `None` where its replicas are
/// nobody's but `infer`'s.
pub fn limits(objects: &[Object]) -> Option<Limits> {
    let mut scalers = objects
        .iter()
        .filter_map(|object| Some((find(object)?, object)));
    let (scaler, object) = scalers.next()?;
    Some(Limits {
        floor: scaler.floor(object),
        ceiling: scaler.ceiling(object).unwrap_or(u32::MAX),
    })
}

/// The patch that keeps at least `replicas`, the original floor noted in [`FLOOR`]; `None`
/// where that is so already. Raised again, the original stays the first one.
fn raised(scaler: &dyn Scaler, object: &Object, replicas: u32) -> Option<Value> {
    let now = scaler.floor(object);
    let original = match noted(object) {
        Some((original, set)) if set == now => original,
        // A floor that was changed since it was noted is an original of its own.
        _ => now,
    };
    let most = scaler.ceiling(object).unwrap_or(u32::MAX);
    let floor = replicas.min(most).max(original);
    (floor != now).then(|| {
        let mut patch = scaler.with_floor(floor);
        patch["metadata"]["annotations"][FLOOR] = json!(format!("{original}/{floor}"));
        patch
    })
}

/// The patch that sets the noted floor again; `None` where none is noted. A floor that was
/// changed since then stays.
fn restored(scaler: &dyn Scaler, object: &Object) -> Option<Value> {
    object.annotation(FLOOR)?;
    let mut patch = match noted(object) {
        Some((original, set)) if set == scaler.floor(object) => scaler.with_floor(original),
        _ => json!({}),
    };
    patch["metadata"]["annotations"][FLOOR] = Value::Null;
    Some(patch)
}

fn noted(object: &Object) -> Option<(u32, u32)> {
    let (original, set) = object.annotation(FLOOR)?.split_once('/')?;
    Some((original.parse().ok()?, set.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hpa(floor: u32) -> Object {
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "chat-v1"}, "spec": {"minReplicas": floor, "maxReplicas": 4}})
        .into()
    }

    /// The object after the patch, as the server merges it.
    fn patched(object: &Object, patch: &Value) -> Object {
        let mut object = object.clone();
        json_patch::merge(&mut object, patch);
        object
    }

    fn floor(object: &Object) -> u32 {
        find(object).unwrap().floor(object)
    }

    #[test]
    fn limits_are_those_of_the_scaler_among_the_objects() {
        let service = Object::from(json!({"apiVersion": "v1", "kind": "Service"}));
        assert_eq!(limits(std::slice::from_ref(&service)), None);
        let limits = limits(&[service, hpa(2)]).unwrap();
        assert_eq!((limits.floor, limits.ceiling), (2, 4));
    }

    #[test]
    fn a_floor_that_is_raised_and_restored_is_what_it_was() {
        let before = hpa(1);
        let scaler = find(&before).unwrap();
        let raised_once = patched(&before, &raised(scaler, &before, 3).unwrap());
        assert_eq!(floor(&raised_once), 3);
        assert_eq!(raised(scaler, &raised_once, 3), None);
        let again = patched(&raised_once, &raised(scaler, &raised_once, 2).unwrap());
        assert_eq!(floor(&again), 2);
        let after = patched(&again, &restored(scaler, &again).unwrap());
        assert_eq!(floor(&after), 1);
        assert_eq!(after.annotation(FLOOR), None);
        assert_eq!(restored(scaler, &after), None);
    }

    #[test]
    fn a_floor_is_never_lowered_and_never_above_the_ceiling() {
        let two = hpa(2);
        let scaler = find(&two).unwrap();
        assert_eq!(raised(scaler, &two, 1), None);
        let most = patched(&two, &raised(scaler, &two, 9).unwrap());
        assert_eq!(floor(&most), 4);
    }

    #[test]
    fn a_floor_that_was_changed_meanwhile_is_kept() {
        let before = hpa(1);
        let scaler = find(&before).unwrap();
        let mut changed = patched(&before, &raised(scaler, &before, 3).unwrap());
        changed["spec"]["minReplicas"] = json!(2);
        let kept = patched(&changed, &restored(scaler, &changed).unwrap());
        assert_eq!((floor(&kept), kept.annotation(FLOOR)), (2, None));
        let again = patched(&changed, &raised(scaler, &changed, 3).unwrap());
        let after = patched(&again, &restored(scaler, &again).unwrap());
        assert_eq!(floor(&after), 2, "the changed one is the new original");
    }
}
