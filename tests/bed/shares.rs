//! What users are sent to, watched while `infer` works.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use serde_json::{Value, json};

use super::simulated::RELEASE;
use crate::support::bed::{Bed, Namespace, join};

/// Looks again and again that each version with a part of the traffic has a Ready replica.
pub(crate) struct Shares {
    over: Arc<AtomicBool>,
    watch: Option<JoinHandle<Vec<String>>>,
}

impl Shares {
    /// `route` holds the split between workloads of kind `workload`.
    pub(crate) fn watch(namespace: &Namespace, route: &str, workload: &str) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (bed, name) = (namespace.bed, namespace.name.clone());
        let (route, workload) = (route.to_owned(), workload.to_owned());
        let stop = Arc::clone(&over);
        let watch = thread::spawn(move || {
            // A thread begins in the network of the process.
            join();
            let mut wrong = Vec::new();
            let mut looks = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                if let Some(found) = look(bed, &name, &route, &workload) {
                    looks += 1;
                    wrong.extend(found);
                }
            }
            if looks == 0 {
                wrong.push(format!("nothing was seen of {route}"));
            }
            wrong
        });
        Self {
            over,
            watch: Some(watch),
        }
    }

    /// Fails where users were sent to what was not Ready.
    #[track_caller]
    pub(crate) fn end(mut self) {
        self.over.store(true, Ordering::Relaxed);
        let watch = self.watch.take().expect("a watch");
        let wrong = watch.join().expect("a watch that went well");
        assert_eq!(wrong, Vec::<String>::new());
    }
}

impl Drop for Shares {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(watch) = self.watch.take() {
            // The test fails already.
            drop(watch.join());
        }
    }
}

/// Versions with traffic and without a Ready replica; `None` while there is no route.
fn look(bed: &Bed, namespace: &str, route: &str, workload: &str) -> Option<Vec<String>> {
    let list = |kind: &str| {
        let text = bed.asked(&["-n", namespace, "get", kind, "-o", "json"])?;
        serde_json::from_str::<Value>(&text).ok()
    };
    // The route first: what it sends to must have been Ready before.
    let routes = list(route)?;
    let workloads = list(workload)?;
    let route = routes["items"].as_array()?.first()?;
    let workloads = workloads["items"].as_array()?;
    Some(unready(route, workloads))
}

fn unready(route: &Value, workloads: &[Value]) -> Vec<String> {
    let ready = |name: &str| {
        let mut all = workloads.iter();
        let one = all.find(|one| one["metadata"]["name"] == name);
        one.is_some_and(|one| one["status"]["readyReplicas"].as_u64() > Some(0))
    };
    let with_traffic = targets(route).into_iter();
    let unready = with_traffic.filter(|name| !ready(name));
    unready
        .map(|name| format!("{name} is not Ready: {route}"))
        .collect()
}

/// Services that the rule for all users sends a part to.
fn targets(route: &Value) -> Vec<String> {
    let rules = route["spec"]["http"].as_array();
    let rules = rules.or(route["spec"]["rules"].as_array());
    let Some(rule) = rules.and_then(|rules| rules.last()) else {
        return Vec::new();
    };
    let backends = rule["route"].as_array();
    let backends = backends.or(rule["backendRefs"].as_array());
    let backends = backends.cloned().unwrap_or_default();
    let with_part = backends.iter().filter(|backend| {
        let weight = backend["weight"].as_u64();
        backends.len() == 1 || weight.is_none_or(|weight| weight > 0)
    });
    with_part
        .filter_map(|backend| {
            let host = backend["destination"]["host"].as_str();
            let name = host.or(backend["name"].as_str())?;
            name.starts_with(RELEASE).then(|| name.to_owned())
        })
        .collect()
}

#[test]
fn a_part_for_what_is_not_ready_is_seen() {
    let workload = |name: &str, ready: u32| json!({"metadata": {"name": name}, "status": {"readyReplicas": ready}});
    let workloads = [workload("chat-v1", 1), workload("chat-v2", 0)];
    let route = |weight: u32| {
        let backend = |name: &str, weight: u32| json!({"name": name, "weight": weight});
        let backends = [backend("chat-v1", 100 - weight), backend("chat-v2", weight)];
        json!({"spec": {"rules": [{"backendRefs": [backend("chat-v3", 1)]}, {"backendRefs": backends}]}})
    };
    assert_eq!(unready(&route(0), &workloads), Vec::<String>::new());
    assert_eq!(unready(&route(10), &workloads).len(), 1);
    let mesh = json!({"spec": {"http": [{"route": [{"destination": {"host": "chat-v2"}}]}]}});
    assert_eq!(unready(&mesh, &workloads).len(), 1);
    assert_eq!(unready(&mesh, &[]).len(), 1, "what is gone is not Ready");
}
