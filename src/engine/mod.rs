//! The engines that `infer` knows: one file and one row of [`ENGINES`] each (pure).
//!
//! A row holds everything that is particular to an engine: its command line, the flags that
//! `infer` sets, probes, drain, environment, metric names, how it is found on PATH and
//! recognised over HTTP, how one replica spans several machines. `spec` reads it for checks and
//! defaults, `render` for containers, `release` for processes of this machine, `load` and
//! `canary` for metric names.

mod argv;
mod drain;
mod llama_cpp;
mod metrics;
mod sglang;
mod sim;
mod version;
mod vllm;

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use self::{
    argv::{ArgumentError, Process, argv, flags},
    drain::{Drain, DrainFlag, MARGIN_S, PRE_STOP_S, drain},
    metrics::{Figure, MetricNames, names},
    version::Version,
};

/// Where engines may write in a container: home and compile caches.
pub const CACHE_PATH: &str = "/cache";

/// The kubelet's own default of 1 s takes a busy vLLM out of traffic
/// (llm-d-benchmark#1734).
const PROBE_TIMEOUT_S: u64 = 5;

/// Large models load for long, and a probe that gives up early loops for ever
/// (kserve#5062).
const STARTUP_GPU_S: u64 = 30 * 60;

/// The container runtime's own size of /dev/shm; enough for engines of one process.
const SHM_DEFAULT: &str = "64Mi";

/// NCCL needs more than the runtime's own size, and more with every GPU.
fn shm_for_nccl(gpus: u32) -> &'static str {
    match gpus {
        0 => SHM_DEFAULT,
        1 => "2Gi",
        _ => "8Gi",
    }
}

/// Everything that is particular to one engine.
#[derive(Debug, Clone, Copy)]
pub struct Engine {
    /// As written in `infer.yaml`.
    pub name: &'static str,
    pub weights: Weights,
    /// GPUs per replica, if `hardware.gpus` does not say.
    pub gpus: u32,
    /// Size of /dev/shm for that many GPUs, if `hardware.shm` does not say.
    pub shm: fn(gpus: u32) -> &'static str,

    /// Container image whose tag is made from the version.
    pub image: Option<ImageRule>,
    /// The program, as found on PATH or in the image.
    pub binary: &'static str,
    /// Whether that program being on PATH tells that the engine is installed.
    pub binary_is_its_own: bool,
    /// How to get it.
    pub install: &'static str,

    /// What follows the program on its command line, up to `--host`.
    pub arguments: fn(&Process<'_>) -> Result<Vec<String>, ArgumentError>,
    /// Words of the command line that are the container's `command`; the rest are `args`.
    pub command_words: usize,
    /// Flags that `infer` sets, which `engine.args` may not repeat.
    pub reserved_flags: &'static [&'static str],
    /// Flags for a slice of a GPU with that many bytes of memory.
    pub slice_flags: fn(memory_bytes: u128) -> Vec<Flag>,
    /// How one replica spans several machines; `None` where `infer` does not know.
    pub spanning: Option<Spanning>,

    /// Port inside a container.
    pub port: u16,
    /// Answers 200 once the model is loaded.
    pub health_path: &'static str,
    pub metrics_path: &'static str,
    /// How long a busy server may take to answer a readiness probe.
    pub probe_timeout_s: u64,
    /// Time from start to ready, if `rollout.startup` does not say.
    pub startup_s: u64,
    /// The flag that makes it wait for requests in flight after SIGTERM.
    pub drain_flag: Option<DrainFlag>,

    /// What it needs to run in a container as any user, offline, below one writable folder.
    pub environment: &'static [(&'static str, &'static str)],
    /// A variable that follows from the container's memory limit, in bytes.
    pub memory_variable: fn(memory_bytes: u128) -> Option<(&'static str, String)>,

    pub metrics: MetricNames,
    /// Whether it understands `ignore_eos` in a request.
    pub knows_ignore_eos: bool,
    /// `owned_by` of its entries in `/v1/models`.
    pub owned_by: &'static [&'static str],
    /// Part of its `server` response header.
    pub server: Option<&'static str>,
}

/// What an engine loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// A folder as Hugging Face lays it out.
    Folder,
    /// One GGUF file, or the first of its shards.
    GgufFile,
    /// Nothing: it simulates, and no model is run.
    NotRead,
}

/// Repository and what stands before the version in its tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageRule {
    pub repository: &'static str,
    pub tag_prefix: &'static str,
}

/// A flag that `infer` adds unless `engine.args` has it under one of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The name that is written, then its other names.
    pub names: &'static [&'static str],
    /// `None` for a switch.
    pub value: Option<String>,
}

/// How one replica of an engine spans several machines.
#[derive(Debug, Clone, Copy)]
pub struct Spanning {
    /// Flags of one of its processes.
    pub flags: fn(&Group<'_>) -> Vec<Flag>,
    /// Port of the leader where the processes meet; a worker that cannot reach it is restarted.
    pub rendezvous_port: Option<u16>,
}

/// The processes of a replica that spans several machines, seen from one of them. The texts are
/// filled in where the process starts: `$(LWS_LEADER_ADDRESS)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group<'a> {
    pub hosts: u32,
    /// GPUs of each host.
    pub gpus: u32,
    pub rank: Rank,
    pub size: &'a str,
    pub leader_address: &'a str,
    pub worker_index: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// Answers requests.
    Leader,
    Worker,
}

/// Makes the enum of engines and the table from one list.
macro_rules! engines {
    ($($(#[$about:meta])* $kind:ident = $module:ident,)*) => {
        /// A program that serves a model.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind { $($(#[$about])* $kind,)* }

        /// The rows, in the order in which they are suggested.
        pub static ENGINES: &[Engine] = &[$($module::ENGINE,)*];

        const NAMES: &[&str] = &[$($module::ENGINE.name,)*];

        impl Kind {
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            pub fn row(self) -> &'static Engine {
                &ENGINES[self as usize]
            }
        }
    };
}

engines! {
    Vllm = vllm,
    Sglang = sglang,
    LlamaCpp = llama_cpp,
    /// Simulated: `infer sim`; no model is run.
    Sim = sim,
}

impl Kind {
    /// As written in `infer.yaml`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether no model is run.
    pub fn is_simulated(self) -> bool {
        self.row().weights == Weights::NotRead
    }

    /// The first engine that loads such weights.
    pub fn that_loads(weights: Weights) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|kind| kind.row().weights == weights)
    }

    /// The engine that names itself so over HTTP: in `/v1/models`, else in its `server` header.
    pub fn detect(owned_by: &str, server: &str) -> Option<Self> {
        let server = server.to_ascii_lowercase();
        let owns = |kind: &&Self| kind.row().owned_by.contains(&owned_by);
        let is_named = |kind: &&Self| kind.row().server.is_some_and(|part| server.contains(part));
        let all = || Self::ALL.iter();
        all().find(owns).or_else(|| all().find(is_named)).copied()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Self, KindError> {
        let mut all = Self::ALL.iter().copied();
        all.find(|kind| kind.name() == text)
            .ok_or_else(|| KindError(text.to_owned()))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid engine: use {names}", names = NAMES.join(", "))]
pub struct KindError(String);

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|_| de::Error::unknown_variant(&text, NAMES))
    }
}

impl JsonSchema for Kind {
    fn schema_name() -> Cow<'static, str> {
        "EngineKind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "enum": NAMES,
            "description": "A program that serves a model; sim runs none.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_is_read_by_its_own_name() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(*kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            assert_eq!(Kind::detect(kind.row().owned_by[0], ""), Some(*kind));
        }
        assert!("tgi".parse::<Kind>().is_err());
        assert_eq!(Kind::detect("me", "llama.cpp"), Some(Kind::LlamaCpp));
        assert_eq!(Kind::detect("openai", "envoy"), None);
    }

    #[test]
    fn weights_choose_the_engine() {
        assert_eq!(Kind::that_loads(Weights::Folder), Some(Kind::Vllm));
        assert_eq!(Kind::that_loads(Weights::GgufFile), Some(Kind::LlamaCpp));
        assert_eq!(Kind::that_loads(Weights::NotRead), Some(Kind::Sim));
    }

    /// A flag that `infer` sets itself cannot be set again.
    #[test]
    fn every_flag_of_ours_is_reserved() {
        for engine in ENGINES {
            let drain = engine.drain_flag.map(|drain| drain.flag);
            for flag in ["--host", "--port"].into_iter().chain(drain) {
                assert!(
                    engine.reserved_flags.contains(&flag),
                    "{}: {flag}",
                    engine.name
                );
            }
        }
    }
}
