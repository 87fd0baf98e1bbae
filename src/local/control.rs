//! What goes over the control socket: one JSON object each way.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /v1/state` | | [`State`] |
//! | `POST /v1/versions` | [`Engine`] | [`VersionState`]; again for a running version is no change |
//! | `DELETE /v1/versions/V?drain_s=N` | | [`VersionState`], at once; the drain goes on |
//! | `POST /v1/split` | [`SplitChange`] | [`Split`], on disk before it is answered |
//! | `POST /v1/session` | [`SessionKey`] | [`SessionKey`] |
//! | `GET /v1/observations?after=SEQ` | | [`Observations`] |
//! | `POST /v1/shutdown?drain_s=N` | | [`State`], at once |
//!
//! Every refusal is a [`Refusal`]: 400 for a wrong request, 404 for an unknown
//! version, 409 where a precondition does not hold.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    header_match::HeaderMatch,
    name::{ReleaseName, VersionId},
    weight::Weight,
};

/// What must be in `argv` and `env` values where the engine's port goes.
pub const PORT_PLACEHOLDER: &str = "{port}";

/// One version's engine: all it takes to start it again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    pub version: VersionId,
    /// Whether no model is run.
    pub simulated: bool,
    /// `vllm`, `llama.cpp`, `sim`, …
    pub kind: String,
    /// Program and arguments; `{port}` stands for the loopback port it must listen on.
    pub argv: Vec<String>,
    /// Added to the environment of `infer serve`; `{port}` as in `argv`.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// As `env`, but kept in memory only: never written to disk, never sent back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secret_env: BTreeMap<String, String>,
    /// Where it runs; `None` is the release's own state folder.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// Answers 200 once requests can be served, `/health`.
    pub health_path: String,
    /// How long it may take until `health_path` answers 200 for the first time.
    pub startup_s: u64,
    /// How long requests in flight may take to end before it is terminated.
    pub drain_s: u64,
    /// The model name that requests carry.
    pub served_model: String,
    pub model_digest: Option<String>,
}

impl Engine {
    /// The engine as it may be written down and shown: the values of its secrets gone.
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        Self {
            secret_env: BTreeMap::new(),
            ..self.clone()
        }
    }
}

impl fmt::Debug for Engine {
    /// Names of secrets only: an engine may end up in a panic message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("version", &self.version)
            .field("argv", &self.argv)
            .field("env", &self.env)
            .field("secret_env", &self.secret_env.keys())
            .finish_non_exhaustive()
    }
}

/// Where a version is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "phase")]
pub enum Phase {
    /// The process runs; its health path has not answered 200 yet.
    Starting,
    /// It may get requests.
    Ready,
    /// It runs and has been ready, but its health path does not answer 200 now.
    Unready,
    /// It gets no new requests; those in flight may end.
    Draining,
    /// Stopped on demand.
    Stopped,
    /// It ended by itself and is started again at `until_ms` (Unix time).
    BackOff { until_ms: u64, reason: String },
    /// It cannot run until the user fixes `reason`.
    Failed { reason: String },
}

/// One version as the supervisor knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionState {
    pub version: VersionId,
    #[serde(flatten)]
    pub phase: Phase,
    pub pid: Option<u32>,
    /// The loopback port of this run of the engine.
    pub port: Option<u16>,
    /// Times it was started again after it ended by itself.
    pub restarts: u32,
    /// Requests that have been sent to it and have not ended.
    pub in_flight: u64,
    /// How its last run ended, `exit status 1 after 0.2 s: <last line of its log>`.
    pub last_exit: Option<String>,
    pub simulated: bool,
    /// Without the values of its secrets.
    pub engine: Engine,
    /// Names of the environment variables whose values are in memory only.
    #[serde(default)]
    pub secret_names: Vec<String>,
    /// What it writes to stdout and stderr.
    pub log: PathBuf,
    /// Start of this run of the process, Unix time.
    pub started_ms: Option<u64>,
    /// When this run first answered its health path with 200, Unix time.
    pub ready_ms: Option<u64>,
}

/// Which version gets which share, and the canary run that set it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// Grows by one with each change; what a change is conditional on.
    pub generation: u64,
    pub live: Option<VersionId>,
    pub candidate: Option<VersionId>,
    /// The candidate's share.
    pub weight: Weight,
    /// The requests that go to the candidate whatever its share.
    #[serde(rename = "match", default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<HeaderMatch>,
    /// The canary's own record, kept as it is given; only its `run_id` is read.
    pub journal: Option<serde_json::Value>,
}

impl Split {
    /// Nothing is live.
    pub fn empty() -> Self {
        Self {
            generation: 0,
            live: None,
            candidate: None,
            weight: Weight::ZERO,
            matches: None,
            journal: None,
        }
    }

    /// The run that owns the split: `run_id` of the journal.
    pub fn run(&self) -> Option<&str> {
        self.journal.as_ref()?.get("run_id")?.as_str()
    }
}

/// A new split, and what must still hold for it to be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitChange {
    /// [`Split::generation`] as it was read.
    pub expect_generation: u64,
    /// Where given, [`Split::run`] must equal it.
    pub expect_run: Option<String>,
    pub live: Option<VersionId>,
    pub candidate: Option<VersionId>,
    pub weight: Weight,
    // Left out where there is none: an older `infer serve` does not know it.
    #[serde(rename = "match", default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<HeaderMatch>,
    pub journal: Option<serde_json::Value>,
}

/// What keeps the requests of one user on one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionKey {
    Header(String),
    Cookie(String),
}

impl Default for SessionKey {
    fn default() -> Self {
        Self::Header("x-session-id".to_owned())
    }
}

/// The whole local release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub release: ReleaseName,
    /// Of `infer serve`.
    pub pid: u32,
    /// `http://127.0.0.1:8080`.
    pub endpoint: String,
    pub split: Split,
    pub versions: Vec<VersionState>,
    pub session: SessionKey,
    /// Whether any version that is running is simulated.
    pub simulated: bool,
    /// Whether it runs without a terminal, started by another verb.
    pub detached: bool,
    /// Since when this process serves, Unix time.
    pub since_ms: u64,
}

impl State {
    pub fn version(&self, version: &VersionId) -> Option<&VersionState> {
        self.versions.iter().find(|known| known.version == *version)
    }
}

/// One request that went through the gateway, and what its sender saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Grows by one with each request; never used twice by one `infer serve`.
    pub seq: u64,
    /// When the request arrived, Unix time.
    pub at_ms: u64,
    /// The version that answered.
    pub version: VersionId,
    /// Whether the request named its version.
    pub pinned: bool,
    /// Whether the version chosen for it was not ready, so that the other one got it.
    pub diverted: bool,
    /// 499 where the sender went away first, 502 and up where the gateway answered.
    pub status: u16,
    /// `None` for a success, else the error type by its name in `infer load`.
    pub failed: Option<String>,
    pub ttft_ms: Option<f64>,
    pub tpot_ms: Option<f64>,
    pub e2e_ms: f64,
    pub output_tokens: Option<u32>,
    pub streamed: bool,
    /// Path of the request without its query, shortened; inference is what POSTs.
    pub path: String,
}

/// Observations in order; ask for more with `after` = `next`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observations {
    pub observations: Vec<Observation>,
    /// How many since `after` were overwritten before they were asked for.
    pub lost: u64,
    /// Whether `after` was handed out by an earlier `infer serve`: what that one had in
    /// memory and was not yet read is lost, and this page starts at the new one's first.
    pub restarted: bool,
    /// The last `seq` handed out here, or `after` where there was none.
    pub next: u64,
}

/// Why a request on the control socket was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub message: String,
    /// 409: the run that owns the split.
    #[serde(default)]
    pub run: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn engine() -> Engine {
        Engine {
            version: "v012345678".parse().unwrap(),
            simulated: false,
            kind: "vllm".to_owned(),
            argv: vec!["vllm".to_owned(), "serve".to_owned()],
            env: BTreeMap::new(),
            secret_env: BTreeMap::from([("HF_TOKEN".to_owned(), "hunter2".to_owned())]),
            folder: None,
            health_path: "/health".to_owned(),
            startup_s: 600,
            drain_s: 30,
            served_model: "m".to_owned(),
            model_digest: None,
        }
    }

    #[test]
    fn a_secret_is_neither_written_nor_shown() {
        let engine = engine();
        assert!(!format!("{engine:?}").contains("hunter2"));
        let written = serde_json::to_string(&engine.without_secrets()).unwrap();
        assert!(!written.contains("hunter2") && !written.contains("secret_env"));
    }

    #[test]
    fn a_phase_is_a_word_beside_what_belongs_to_it() {
        let phase = Phase::BackOff {
            until_ms: 5,
            reason: "exit status 1".to_owned(),
        };
        let written = serde_json::to_value(&phase).unwrap();
        assert_eq!(
            written,
            serde_json::json!({"phase": "back-off", "until_ms": 5, "reason": "exit status 1"})
        );
        assert_eq!(serde_json::from_value::<Phase>(written).unwrap(), phase);
    }

    #[test]
    fn the_run_of_a_split_is_that_of_its_journal() {
        let mut split = Split::empty();
        assert_eq!(split.run(), None);
        split.journal = Some(serde_json::json!({"run_id": "r1"}));
        assert_eq!(split.run(), Some("r1"));
    }
}
