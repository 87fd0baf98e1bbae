//! SGLang.

use super::{
    CACHE_PATH, Engine, Flag, Group, ImageRule, MetricNames, STARTUP_GPU_S, Spanning, Weights,
    argv::model,
};

/// Where the processes of one replica meet.
const INIT_PORT: u16 = 20000;

pub(super) const ENGINE: Engine = Engine {
    name: "sglang",
    weights: Weights::Folder,
    gpus: 1,
    shm: super::shm_for_nccl,
    image: Some(ImageRule {
        repository: "lmsysorg/sglang",
        tag_prefix: "v",
    }),
    binary: "python3",
    binary_is_its_own: false,
    install: "pip install sglang",
    arguments: |process| {
        let words = [
            "-m",
            "sglang.launch_server",
            "--model-path",
            model(process)?,
            "--served-model-name",
            process.served_name,
            "--enable-metrics",
        ];
        Ok(words.map(str::to_owned).into())
    },
    command_words: 3,
    reserved_flags: &[
        "--model-path",
        "--model",
        "--host",
        "--port",
        "--served-model-name",
        "--enable-metrics",
        "--dist-init-addr",
        "--nnodes",
        "--node-rank",
    ],
    slice_flags: |_| Vec::new(),
    spanning: Some(Spanning {
        flags: spanning_flags,
        rendezvous_port: Some(INIT_PORT),
    }),
    port: 30000,
    health_path: "/health",
    metrics_path: "/metrics",
    // Its health check may run a generation (sglang#12743).
    probe_timeout_s: 20,
    startup_s: STARTUP_GPU_S,
    drain_flag: None,
    environment: &[
        ("HOME", CACHE_PATH),
        // getpass asks for USER before it looks up a user id that the image may not know
        // (dynamo#12457).
        ("USER", "infer"),
        ("VLLM_CACHE_ROOT", "/cache/vllm"),
        ("TORCHINDUCTOR_CACHE_DIR", "/cache/torchinductor"),
        ("TRITON_CACHE_DIR", "/cache/triton"),
        ("HF_HUB_OFFLINE", "1"),
    ],
    memory_variable: |_| None,
    metrics: MetricNames {
        running: &["sglang:num_running_reqs"],
        waiting: &["sglang:num_queue_reqs"],
        kv_cache_usage: &["sglang:token_usage"],
        ttft_seconds: &["sglang:time_to_first_token_seconds"],
        tpot_seconds: &[],
        token_gap_seconds: &[
            "sglang:inter_token_latency_seconds",
            "sglang:time_per_output_token_seconds",
        ],
        output_tokens: &["sglang:generation_tokens_total"],
        responses: &["http_requests_total"],
    },
    knows_ignore_eos: true,
    owned_by: &["sglang"],
    server: None,
};

/// Every process takes the same line; tensor parallel over all of them.
fn spanning_flags(group: &Group<'_>) -> Vec<Flag> {
    let address = format!("{}:{INIT_PORT}", group.leader_address);
    let gpus = group.hosts * group.gpus.max(1);
    vec![
        Flag::value(
            &["--tp-size", "--tp", "--tensor-parallel-size"],
            gpus.to_string(),
        ),
        Flag::value(&["--dist-init-addr"], address),
        Flag::value(&["--nnodes"], group.size),
        Flag::value(&["--node-rank"], group.worker_index),
    ]
}
