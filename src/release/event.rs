//! What a release reports while it works, and what its verbs answer.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    cluster::diff::ObjectDiff,
    duration::{self, as_seconds},
    name::{ReleaseName, VersionId},
    pack,
};

/// The steps from "wanted" to "serves", in order; each has its own budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// A place is found: a node, or a process on this machine.
    Schedule,
    /// The model reaches that place.
    Pull,
    /// The engine reads the weights and becomes Ready.
    Load,
    /// A request is answered with its first token.
    FirstToken,
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Pull => "pull",
            Self::Load => "load",
            Self::FirstToken => "first token",
        }
    }
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// What will happen, before it does.
    Planned {
        release: ReleaseName,
        target: String,
        live: Option<VersionId>,
        version: VersionId,
        what: String,
    },
    /// What the cluster's objects become, before they do; none where nothing changes.
    Changes {
        objects: Vec<ObjectDiff>,
    },
    PhaseStarted {
        phase: Phase,
        detail: String,
    },
    PhaseDone {
        phase: Phase,
        #[serde(rename = "seconds", serialize_with = "as_seconds")]
        #[schemars(with = "f64")]
        took: Duration,
        detail: String,
    },
    /// All traffic goes to `version` from here on.
    Moved {
        version: VersionId,
        from: Option<VersionId>,
    },
    /// `version` has `new` replicas in the place of live's, which has `old` left.
    HandingOver {
        version: VersionId,
        new: u32,
        live: VersionId,
        old: u32,
    },
    Draining {
        version: VersionId,
        in_flight: u64,
    },
    /// The old version is down.
    Drained {
        version: VersionId,
        #[serde(rename = "seconds", serialize_with = "as_seconds")]
        #[schemars(with = "f64")]
        took: Duration,
    },
    /// The new version did not make it and is gone again.
    Withdrawn {
        version: VersionId,
        live: Option<VersionId>,
    },
    /// Something a person should know that changes nothing.
    Noticed {
        message: String,
    },
    /// How far the model is unpacked; the line is packing's own.
    #[serde(untagged)]
    Unpack(pack::Event),
}

/// Says for how long nothing served, and answers it in seconds.
pub(super) fn downtime(took: Duration, on_event: &(dyn Fn(Event) + Send + Sync)) -> f64 {
    let seconds = duration::seconds(took);
    let message = format!("nothing served for {seconds:.1} s");
    on_event(Event::Noticed { message });
    seconds
}

/// Seconds each phase took; `null` where it was not needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
pub struct PhaseSeconds {
    pub schedule: Option<f64>,
    pub pull: Option<f64>,
    pub load: Option<f64>,
    pub first_token: Option<f64>,
}

impl PhaseSeconds {
    /// Takes over what `other` has measured.
    pub fn merge(&mut self, other: Self) {
        let pairs = [
            (&mut self.schedule, other.schedule),
            (&mut self.pull, other.pull),
            (&mut self.load, other.load),
            (&mut self.first_token, other.first_token),
        ];
        for (slot, measured) in pairs {
            *slot = measured.or(*slot);
        }
    }

    pub fn set(&mut self, phase: Phase, took: Duration) {
        let slot = match phase {
            Phase::Schedule => &mut self.schedule,
            Phase::Pull => &mut self.pull,
            Phase::Load => &mut self.load,
            Phase::FirstToken => &mut self.first_token,
        };
        *slot = Some(duration::seconds(took));
    }
}

/// The result of `deploy` and of `rollback`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Deployed {
    pub release: String,
    pub version: String,
    pub target: String,
    /// False where the wanted version was live already.
    pub changed: bool,
    /// True where no model is run.
    pub simulated: bool,
    pub phases_s: PhaseSeconds,
    /// How long nothing served, where live had to end first; `null` where it did not.
    pub downtime_s: Option<f64>,
    pub endpoint: String,
}
