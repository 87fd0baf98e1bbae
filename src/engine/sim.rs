//! The simulated engine, `infer sim`: no model is run.

use super::{CACHE_PATH, DrainFlag, Engine, PROBE_TIMEOUT_S, Spanning, Weights, vllm};

pub(super) const ENGINE: Engine = Engine {
    name: "sim",
    weights: Weights::NotRead,
    gpus: 0,
    shm: |_| super::SHM_DEFAULT,
    image: None,
    binary: "infer",
    binary_is_its_own: false,
    install: "infer itself",
    arguments: |process| {
        let mut words = vec!["sim", "--served-model-name", process.served_name];
        // It is not read, but a model that was not unpacked shows.
        words.extend(process.model.iter().flat_map(|model| ["--model", *model]));
        Ok(words.into_iter().map(str::to_owned).collect())
    },
    command_words: 2,
    reserved_flags: &[
        "--model",
        "--host",
        "--port",
        "--served-model-name",
        "--drain",
    ],
    slice_flags: |_| Vec::new(),
    // A worker runs a simulator of its own, to which no Service sends.
    spanning: Some(Spanning {
        flags: |_| Vec::new(),
        rendezvous_port: None,
    }),
    port: 8000,
    health_path: "/health",
    metrics_path: "/metrics",
    probe_timeout_s: PROBE_TIMEOUT_S,
    startup_s: 60,
    drain_flag: Some(DrainFlag {
        flag: "--drain",
        unit: "s",
        since: None,
    }),
    environment: &[("HOME", CACHE_PATH)],
    memory_variable: |_| None,
    metrics: vllm::METRICS,
    knows_ignore_eos: true,
    owned_by: &["infer-sim"],
    server: None,
};
