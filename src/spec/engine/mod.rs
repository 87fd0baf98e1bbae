//! The engines that `infer` knows: one table of facts, and the command lines made from it.
//!
//! Pure. `render` uses it for containers, `release` for processes of this machine.

mod argv;
mod drain;
mod version;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use self::argv::flags;
pub use self::{
    argv::{ArgumentError, Process, argv, binary, reserved_flags},
    drain::{Drain, MARGIN_S, PRE_STOP_S, drain},
    version::Version,
};

/// A program that serves a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    #[serde(rename = "vllm")]
    Vllm,
    #[serde(rename = "sglang")]
    Sglang,
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
    /// Simulated: `infer sim`; no model is run.
    #[serde(rename = "sim")]
    Sim,
}

/// What is true of an engine whatever it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Port inside a container.
    pub port: u16,
    /// Answers 200 once the model is loaded.
    pub health_path: &'static str,
    pub metrics_path: &'static str,
    pub metrics: MetricNames,
    /// How long a busy server may take to answer a readiness probe.
    pub probe_timeout_s: u64,
    /// Time from start to ready, if `rollout.startup` does not say.
    pub startup_s: u64,
    /// GPUs per replica, if `hardware.gpus` does not say.
    pub gpus: u32,
    /// Image whose tag is made from the version.
    pub image: Option<ImageRule>,
    /// What is on PATH when it is installed on a machine.
    pub binary: &'static str,
    /// How to get that.
    pub install: &'static str,
    /// Whether it understands `ignore_eos` in a request.
    pub knows_ignore_eos: bool,
}

/// Repository and what stands before the version in its tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageRule {
    pub repository: &'static str,
    pub tag_prefix: &'static str,
}

/// Prometheus names; `None` where the engine exports no such thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricNames {
    pub running: Option<&'static str>,
    pub waiting: Option<&'static str>,
    pub kv_cache_usage: Option<&'static str>,
    /// Histogram in seconds, without `_bucket`.
    pub ttft_seconds: Option<&'static str>,
    /// Histogram in seconds, without `_bucket`.
    pub tpot_seconds: Option<&'static str>,
    pub output_tokens: Option<&'static str>,
}

const VLLM_METRICS: MetricNames = MetricNames {
    running: Some("vllm:num_requests_running"),
    waiting: Some("vllm:num_requests_waiting"),
    kv_cache_usage: Some("vllm:kv_cache_usage_perc"),
    ttft_seconds: Some("vllm:time_to_first_token_seconds"),
    tpot_seconds: Some("vllm:request_time_per_output_token_seconds"),
    output_tokens: Some("vllm:generation_tokens_total"),
};

/// Large models load for long, and a probe that gives up early loops for ever
/// (kserve#5062).
const STARTUP_GPU_S: u64 = 30 * 60;

/// The kubelet's own default of 1 s takes a busy vLLM out of traffic
/// (llm-d-benchmark#1734).
const PROBE_TIMEOUT_S: u64 = 5;

const VLLM: Facts = Facts {
    port: 8000,
    health_path: "/health",
    metrics_path: "/metrics",
    metrics: VLLM_METRICS,
    probe_timeout_s: PROBE_TIMEOUT_S,
    startup_s: STARTUP_GPU_S,
    gpus: 1,
    image: Some(ImageRule {
        repository: "vllm/vllm-openai",
        tag_prefix: "v",
    }),
    binary: "vllm",
    install: "pip install vllm",
    knows_ignore_eos: true,
};

const SGLANG: Facts = Facts {
    port: 30000,
    health_path: "/health",
    metrics_path: "/metrics",
    metrics: MetricNames {
        running: Some("sglang:num_running_reqs"),
        waiting: Some("sglang:num_queue_reqs"),
        kv_cache_usage: Some("sglang:token_usage"),
        ttft_seconds: Some("sglang:time_to_first_token_seconds"),
        tpot_seconds: Some("sglang:time_per_output_token_seconds"),
        output_tokens: Some("sglang:generation_tokens_total"),
    },
    // Its health check may run a generation (sglang#12743).
    probe_timeout_s: 20,
    startup_s: STARTUP_GPU_S,
    gpus: 1,
    image: Some(ImageRule {
        repository: "lmsysorg/sglang",
        tag_prefix: "v",
    }),
    binary: "python3",
    install: "pip install sglang",
    knows_ignore_eos: true,
};

const LLAMA_CPP: Facts = Facts {
    port: 8080,
    health_path: "/health",
    metrics_path: "/metrics",
    metrics: MetricNames {
        running: Some("llamacpp:requests_processing"),
        waiting: Some("llamacpp:requests_deferred"),
        // Not exported any more (LLMKube#1386).
        kv_cache_usage: None,
        ttft_seconds: None,
        tpot_seconds: None,
        output_tokens: Some("llamacpp:tokens_predicted_total"),
    },
    probe_timeout_s: PROBE_TIMEOUT_S,
    startup_s: 10 * 60,
    gpus: 0,
    image: Some(ImageRule {
        repository: "ghcr.io/ggml-org/llama.cpp",
        tag_prefix: "server-b",
    }),
    binary: "llama-server",
    install: "get llama-server from https://github.com/ggml-org/llama.cpp/releases",
    knows_ignore_eos: true,
};

const SIM: Facts = Facts {
    port: 8000,
    health_path: "/health",
    metrics_path: "/metrics",
    metrics: VLLM_METRICS,
    probe_timeout_s: PROBE_TIMEOUT_S,
    startup_s: 60,
    gpus: 0,
    image: None,
    binary: "infer",
    install: "infer itself",
    knows_ignore_eos: true,
};

impl Kind {
    pub const ALL: [Self; 4] = [Self::Vllm, Self::Sglang, Self::LlamaCpp, Self::Sim];

    /// As written in `infer.yaml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::LlamaCpp => "llama.cpp",
            Self::Sim => "sim",
        }
    }

    pub fn facts(self) -> &'static Facts {
        match self {
            Self::Vllm => &VLLM,
            Self::Sglang => &SGLANG,
            Self::LlamaCpp => &LLAMA_CPP,
            Self::Sim => &SIM,
        }
    }

    /// Whether no model is run.
    pub fn is_simulated(self) -> bool {
        self == Self::Sim
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Kind {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Self, KindError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| KindError(text.to_owned()))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no engine: use vllm, sglang, llama.cpp or sim")]
pub struct KindError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_is_read_by_its_own_name() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert!("tgi".parse::<Kind>().is_err());
    }
}
