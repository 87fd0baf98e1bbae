//! The objects of a release, one file each.

pub(super) mod deployment;
pub(super) mod disruption_budget;
pub(super) mod horizontal_autoscaler;
pub(super) mod http_route;
pub(super) mod leader_worker_set;
pub(super) mod pod;
pub(super) mod service;
pub(super) mod service_account;
pub(super) mod virtual_service;
pub(super) mod workload;
