//! Why a version does not start: one typed finding with cause, evidence and fix.
//!
//! Pure: everything is read from objects, events and log lines that others fetched.

mod container;
mod creation;
pub(super) mod log;
mod pod;
mod scheduling;

use std::time::Duration;

use serde::Serialize;

pub use self::{
    creation::diagnose_creation,
    pod::{Observation, diagnose},
};

/// What is wrong, as pipelines tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Hash, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    GpuInsufficient,
    GpuNotOffered,
    CpuInsufficient,
    MemoryInsufficient,
    TaintNotTolerated,
    NodeNotMatched,
    VolumeUnbound,
    Unschedulable,
    WaitingForNode,
    QuotaExceeded,
    AdmissionDenied,
    ImageNotFound,
    ImageUnauthorized,
    ImageUnreachable,
    ImagePlatform,
    ImageNameInvalid,
    ImageVolumeUnsupported,
    ConfigMissing,
    StartRefused,
    OutOfMemory,
    CudaOutOfMemory,
    KvCacheTooSmall,
    SharedMemoryTooSmall,
    GpuArchitecture,
    DriverTooOld,
    GatedRepository,
    ModelMissing,
    ModelUnreadable,
    ArgumentUnknown,
    PortTaken,
    ServiceLinks,
    HomeNotWritable,
    Crashed,
    ProbeFailed,
    LivenessKilled,
    Evicted,
    NodeLost,
}

impl Code {
    /// How long it must last before it ends a rollout; `None` where it never does
    /// by itself and the phase's own budget decides.
    pub fn patience(self) -> Option<Duration> {
        let seconds = match self {
            // A cluster autoscaler needs up to a minute to report whether it adds a node.
            Self::GpuInsufficient
            | Self::CpuInsufficient
            | Self::MemoryInsufficient
            | Self::TaintNotTolerated
            | Self::NodeNotMatched
            | Self::Unschedulable
            | Self::VolumeUnbound => 90,
            // No node has such a card, and no autoscaler has announced one.
            Self::GpuNotOffered => 60,
            // Quota frees up when another pod ends; webhooks restart.
            // A command that does not start may meet a node just made ready.
            Self::QuotaExceeded | Self::AdmissionDenied | Self::StartRefused => 20,
            // The registry has refused: asking again changes nothing.
            Self::ImageNotFound
            | Self::ImageUnauthorized
            | Self::ImagePlatform
            | Self::ImageNameInvalid => 5,
            Self::ImageUnreachable => 180,
            Self::ConfigMissing | Self::ImageVolumeUnsupported => 15,
            // Known for certain from the engine's log or the kernel's exit reason.
            Self::OutOfMemory
            | Self::CudaOutOfMemory
            | Self::KvCacheTooSmall
            | Self::SharedMemoryTooSmall
            | Self::GpuArchitecture
            | Self::DriverTooOld
            | Self::GatedRepository
            | Self::ModelMissing
            | Self::ModelUnreadable
            | Self::ArgumentUnknown
            | Self::PortTaken
            | Self::ServiceLinks
            | Self::HomeNotWritable => 0,
            // A crash may be a lost race at the start; the second one is not.
            Self::Crashed | Self::LivenessKilled => 30,
            // The workload makes another pod; only a run of them is an end.
            Self::Evicted | Self::NodeLost => 120,
            Self::WaitingForNode | Self::ProbeFailed => return None,
        };
        Some(Duration::from_secs(seconds))
    }
}

/// One diagnosed cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub code: Code,
    /// One clause: `CUDA out of memory while loading weights`.
    pub cause: String,
    pub pod: Option<String>,
    pub container: Option<String>,
    pub node: Option<String>,
    /// Messages of the cluster or lines of the engine's log, as they were written.
    pub evidence: Vec<String>,
    /// Edits and commands that lead out of it.
    pub fix: Vec<String>,
}

impl Finding {
    fn new(code: Code, cause: impl Into<String>) -> Self {
        Self {
            code,
            cause: cause.into(),
            pod: None,
            container: None,
            node: None,
            evidence: Vec::new(),
            fix: Vec::new(),
        }
    }

    #[must_use]
    pub fn evidence(mut self, message: impl Into<String>) -> Self {
        /// Longer lines are cut: a message of the scheduler lists every node.
        const LENGTH_MAX: usize = 400;
        let message: String = message.into();
        let message = message.trim();
        if !message.is_empty() {
            let mut shown: String = message.chars().take(LENGTH_MAX).collect();
            if shown.len() < message.len() {
                shown.push('…');
            }
            self.evidence.push(shown);
        }
        self
    }

    fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix.push(fix.into());
        self
    }
}
