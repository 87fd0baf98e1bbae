//! Why a version that was up does not answer: one look, after a rollout's watches have ended.

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::runtime::watcher;

use super::{Cluster, diagnosis::Finding, observed::Observed, typed, workload::Workload};
use crate::object::kind::{EVENT, POD};

/// The most certain cause among the version's pods; `None` where nothing is wrong with them,
/// or nothing can be read.
pub async fn explain(
    cluster: &Cluster,
    workload: &'static dyn Workload,
    name: &str,
    selector: &str,
) -> Option<Finding> {
    let mut observed = Observed::new(workload, name);
    let pods = cluster.list(&POD, selector).await.ok()?;
    for pod in pods.iter().filter_map(|pod| typed::read::<Pod>(pod)) {
        observed.pod(watcher::Event::Apply(pod));
    }
    // Without events some causes stay unknown, and the others are still found.
    let events = cluster.list(&EVENT, "").await.unwrap_or_default();
    for event in events
        .iter()
        .filter_map(|event| typed::read::<Event>(event))
    {
        observed.event(watcher::Event::Apply(event));
    }
    observed.complete(cluster).await;
    observed.findings().into_iter().next()
}
