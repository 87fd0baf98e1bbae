//! The state of a release as `status` shows it, the same for both targets.

use schemars::JsonSchema;
use serde::Serialize;

/// One release.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Status {
    pub release: String,
    /// `local` or `kubernetes`.
    pub target: String,
    /// Whether anything answers for it; a local release whose `infer serve` is gone does not.
    pub running: bool,
    pub endpoint: Option<String>,
    pub live: Option<String>,
    pub candidate: Option<String>,
    /// The candidate's share, in percent.
    pub weight: u8,
    pub canary: Option<CanaryStatus>,
    /// Who is changing it now.
    pub held_by: Option<String>,
    pub versions: Vec<VersionStatus>,
    /// True where no model is run.
    pub simulated: bool,
}

/// A canary that has not ended.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CanaryStatus {
    pub run: String,
    /// Its process is gone and nobody has taken over; when it last wrote, RFC 3339.
    pub abandoned_since: Option<String>,
}

/// One version of a release.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct VersionStatus {
    pub version: String,
    /// `live`, `candidate` or `old`.
    pub role: String,
    /// `starting`, `ready`, `unready`, `draining`, `stopped`, `back-off`, `failed`.
    pub phase: String,
    /// Why, where the phase needs a reason.
    pub reason: Option<String>,
    pub engine: String,
    pub replicas: u32,
    pub ready: u32,
    pub restarts: u32,
    pub in_flight: Option<u64>,
    pub simulated: bool,
}

impl Status {
    /// Whether a canary was left behind, which `status` answers with exit code 4.
    pub fn abandoned(&self) -> bool {
        self.canary
            .as_ref()
            .is_some_and(|canary| canary.abandoned_since.is_some())
    }
}

/// All releases of a place.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StatusList {
    pub releases: Vec<Status>,
}
