//! vLLM.

use super::{
    CACHE_PATH, DrainFlag, Engine, Flag, Group, ImageRule, MetricNames, PROBE_TIMEOUT_S, Rank,
    STARTUP_GPU_S, Spanning, Weights, argv::model,
};

/// Where the processes of one replica meet: vLLM's own default, set so that probes know it.
const MASTER_PORT: u16 = 29501;

/// Below this memory, vLLM's own defaults for small GPUs.
const SMALL_SLICE_BYTES: u128 = 20_000_000_000;

pub(super) const METRICS: MetricNames = MetricNames {
    running: &["vllm:num_requests_running"],
    waiting: &["vllm:num_requests_waiting"],
    kv_cache_usage: &["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"],
    ttft_seconds: &["vllm:time_to_first_token_seconds"],
    tpot_seconds: &["vllm:request_time_per_output_token_seconds"],
    token_gap_seconds: &[
        "vllm:inter_token_latency_seconds",
        "vllm:time_per_output_token_seconds",
    ],
    output_tokens: &["vllm:generation_tokens_total"],
    responses: &["http_requests_total"],
};

pub(super) const ENGINE: Engine = Engine {
    name: "vllm",
    weights: Weights::Folder,
    gpus: 1,
    shm: super::shm_for_nccl,
    image: Some(ImageRule {
        repository: "vllm/vllm-openai",
        tag_prefix: "v",
    }),
    binary: "vllm",
    binary_is_its_own: true,
    install: "pip install vllm",
    arguments: |process| {
        let words = [
            "serve",
            model(process)?,
            "--served-model-name",
            process.served_name,
        ];
        Ok(words.map(str::to_owned).into())
    },
    command_words: 2,
    reserved_flags: &[
        "--model",
        "--host",
        "--port",
        "--served-model-name",
        "--shutdown-timeout",
        "--nnodes",
        "--node-rank",
        "--master-addr",
        "--master-port",
        "--headless",
    ],
    slice_flags,
    spanning: Some(Spanning {
        flags: spanning_flags,
        rendezvous_port: Some(MASTER_PORT),
    }),
    port: 8000,
    health_path: "/health",
    metrics_path: "/metrics",
    probe_timeout_s: PROBE_TIMEOUT_S,
    startup_s: STARTUP_GPU_S,
    // vllm#36666; its default of 0 ends requests at once.
    drain_flag: Some(DrainFlag {
        flag: "--shutdown-timeout",
        unit: "",
        since: Some((0, 18)),
    }),
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
    metrics: METRICS,
    knows_ignore_eos: true,
    owned_by: &["vllm"],
    server: None,
};

/// On a slice vLLM sizes its scheduler by the whole card, whose memory NVML shows, and then
/// allocates more than the slice has (vllm#41776, vllm#39874).
fn slice_flags(memory_bytes: u128) -> Vec<Flag> {
    let tokens = match memory_bytes {
        ..SMALL_SLICE_BYTES => "2048",
        _ => "8192",
    };
    vec![
        Flag::value(&["--max-num-seqs"], "256"),
        Flag::value(&["--max-num-batched-tokens"], tokens),
    ]
}

/// Tensor parallel within a host, pipeline parallel between hosts, without Ray.
fn spanning_flags(group: &Group<'_>) -> Vec<Flag> {
    let rank = match group.rank {
        Rank::Leader => "0",
        Rank::Worker => group.worker_index,
    };
    let mut flags = vec![
        Flag::value(
            &["--tensor-parallel-size", "-tp"],
            group.gpus.max(1).to_string(),
        ),
        Flag::value(
            &["--pipeline-parallel-size", "-pp"],
            group.hosts.to_string(),
        ),
        Flag::value(&["--nnodes"], group.size),
        Flag::value(&["--node-rank"], rank),
        Flag::value(&["--master-addr"], group.leader_address),
        Flag::value(&["--master-port"], MASTER_PORT.to_string()),
    ];
    if group.rank == Rank::Worker {
        flags.push(Flag::switch(&["--headless"]));
    }
    flags
}
