//! The table of kinds. Ordering, inventory, pruning, discovery, doctor's rights,
//! `examples/rbac.yaml` and the offline checks all come from it.

use super::kind::{
    AUTOSCALER, CONFIG_MAP, DEPLOYMENT, DISRUPTION_BUDGET, GATEWAY, HTTP_ROUTE, Kind,
    LEADER_WORKER_SET, LEASE, NETWORK_POLICY, SERVICE, SERVICE_ACCOUNT, VIRTUAL_SERVICE,
};

/// When an object is applied: what others refer to comes first, what sends traffic comes last,
/// so that nothing is ever reachable before it can answer. Deleted in the opposite order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Tenancy,
    Identity,
    Config,
    Workload,
    Scale,
    Observe,
    Route,
}

/// What a 404 for all objects of a kind means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Every cluster serves it, so a 404 is an error.
    Core,
    /// It is not installed.
    Extension,
}

/// One kind that a release can be made of.
#[derive(Debug)]
pub struct KindRow {
    pub kind: Kind,
    pub presence: Presence,
    pub stage: Stage,
}

const fn core(kind: Kind, stage: Stage) -> KindRow {
    KindRow {
        kind,
        presence: Presence::Core,
        stage,
    }
}

const fn extension(kind: Kind, stage: Stage) -> KindRow {
    KindRow {
        kind,
        presence: Presence::Extension,
        stage,
    }
}

/// In the order to apply them.
pub static KINDS: &[KindRow] = &[
    core(NETWORK_POLICY, Stage::Tenancy),
    core(SERVICE_ACCOUNT, Stage::Identity),
    core(CONFIG_MAP, Stage::Config),
    core(LEASE, Stage::Config),
    core(SERVICE, Stage::Config),
    core(DEPLOYMENT, Stage::Workload),
    extension(LEADER_WORKER_SET, Stage::Workload),
    core(DISRUPTION_BUDGET, Stage::Scale),
    core(AUTOSCALER, Stage::Scale),
    extension(HTTP_ROUTE, Stage::Route),
    extension(VIRTUAL_SERVICE, Stage::Route),
    extension(GATEWAY, Stage::Route),
];

impl KindRow {
    pub fn find(api_version: &str, kind: &str) -> Option<&'static Self> {
        KINDS
            .iter()
            .find(|row| row.kind.kind == kind && row.kind.api_version() == api_version)
    }
}
