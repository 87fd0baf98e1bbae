//! Log lines of engines that tell for certain why one ended.

use super::{Code, Finding};

/// A pattern of one log line, and what it means. The first pattern that matches a line wins,
/// so the specific come before the general.
struct LogPattern {
    /// All of them must be in one line; compared without case.
    parts: &'static [&'static str],
    code: Code,
    cause: &'static str,
    fix: &'static [&'static str],
}

/// What an engine concludes itself. It counts before every other line, since the error that
/// the conclusion is drawn from is often logged first.
const CONCLUSIONS: &[LogPattern] = &[
    LogPattern {
        parts: &["no available memory for the cache blocks"],
        code: Code::KvCacheTooSmall,
        cause: "the weights leave no GPU memory for the KV cache",
        fix: &[
            "raise engine.args.gpu_memory_utilization, or lower engine.args.max_model_len",
            "or hardware.gpus with engine.args.tensor_parallel_size, or a larger product",
        ],
    },
    LogPattern {
        parts: &["max seq len", "larger than the maximum number of tokens"],
        code: Code::KvCacheTooSmall,
        cause: "the KV cache is too small for one request of the model's longest context",
        fix: &[
            "lower engine.args.max_model_len to the number in the log, or raise engine.args.gpu_memory_utilization",
        ],
    },
    LogPattern {
        parts: &["kv cache is needed", "larger than the available"],
        code: Code::KvCacheTooSmall,
        cause: "the KV cache is too small for one request of the model's longest context",
        fix: &[
            "lower engine.args.max_model_len to the number in the log, or raise engine.args.gpu_memory_utilization",
        ],
    },
    LogPattern {
        parts: &["not enough memory. please try to increase --mem-fraction-static"],
        code: Code::KvCacheTooSmall,
        cause: "the weights leave no GPU memory for the KV cache",
        fix: &["raise engine.args.mem_fraction_static, or choose a larger product"],
    },
    LogPattern {
        parts: &[
            "free memory on device",
            "is less than desired gpu memory utilization",
        ],
        code: Code::CudaOutOfMemory,
        cause: "another process holds a part of the GPU's memory",
        fix: &["lower engine.args.gpu_memory_utilization, or free the card of the other process"],
    },
];

const LOG_PATTERNS: &[LogPattern] = &[
    LogPattern {
        parts: &["cuda out of memory"],
        code: Code::CudaOutOfMemory,
        cause: "CUDA out of memory",
        fix: &[
            "lower engine.args.max_model_len, or raise hardware.gpus with engine.args.tensor_parallel_size",
            "or choose a card with more memory: hardware.products",
        ],
    },
    LogPattern {
        parts: &["outofmemoryerror"],
        code: Code::CudaOutOfMemory,
        cause: "CUDA out of memory",
        fix: &[
            "lower engine.args.max_model_len, or choose a card with more memory: hardware.products",
        ],
    },
    LogPattern {
        parts: &["cudamalloc failed: out of memory"],
        code: Code::CudaOutOfMemory,
        cause: "CUDA out of memory",
        fix: &[
            "lower engine.args.ctx_size or engine.args.n_gpu_layers, or choose a card with more memory",
        ],
    },
    LogPattern {
        parts: &["hip out of memory"],
        code: Code::CudaOutOfMemory,
        cause: "the GPU is out of memory",
        fix: &[
            "lower engine.args.max_model_len, or choose a card with more memory: hardware.products",
        ],
    },
    LogPattern {
        parts: &["no space left on device", "shm"],
        code: Code::SharedMemoryTooSmall,
        cause: "/dev/shm is too small for NCCL",
        fix: &["raise hardware.shm in infer.yaml"],
    },
    LogPattern {
        parts: &["error while creating shared memory segment"],
        code: Code::SharedMemoryTooSmall,
        cause: "/dev/shm is too small for NCCL",
        fix: &["raise hardware.shm in infer.yaml"],
    },
    LogPattern {
        parts: &["unable to open shared memory object"],
        code: Code::SharedMemoryTooSmall,
        cause: "/dev/shm is too small for the engine's workers",
        fix: &["raise hardware.shm in infer.yaml"],
    },
    LogPattern {
        parts: &["bus error", "shared memory"],
        code: Code::SharedMemoryTooSmall,
        cause: "/dev/shm is too small for the engine's workers",
        fix: &["raise hardware.shm in infer.yaml"],
    },
    LogPattern {
        parts: &["no kernel image is available for execution on the device"],
        code: Code::GpuArchitecture,
        cause: "the engine's image has no code for this GPU's architecture",
        fix: &[
            "choose an engine image built for the card (engine.image), or another product (hardware.products)",
        ],
    },
    LogPattern {
        parts: &["requires device with capability"],
        code: Code::GpuArchitecture,
        cause: "this GPU is too old for the precision or kernel the model needs",
        fix: &[
            "choose a newer product: hardware.products, or another precision: engine.args.dtype",
        ],
    },
    LogPattern {
        parts: &["bfloat16 is only supported on gpus with compute capability"],
        code: Code::GpuArchitecture,
        cause: "this GPU does not know bfloat16",
        fix: &["engine.args.dtype: half, or a newer product: hardware.products"],
    },
    LogPattern {
        parts: &["cuda driver version is insufficient for cuda runtime version"],
        code: Code::DriverTooOld,
        cause: "the node's GPU driver is older than the engine's CUDA",
        fix: &[
            "update the node's driver, or choose an engine image of an older CUDA (engine.image)",
        ],
    },
    LogPattern {
        parts: &["the nvidia driver on your system is too old"],
        code: Code::DriverTooOld,
        cause: "the node's GPU driver is older than the engine's CUDA",
        fix: &[
            "update the node's driver, or choose an engine image of an older CUDA (engine.image)",
        ],
    },
    LogPattern {
        parts: &["found no nvidia driver on your system"],
        code: Code::DriverTooOld,
        cause: "the container sees no GPU driver",
        fix: &["ask for a GPU (hardware.gpus), and check the node's device plugin: `infer doctor`"],
    },
    LogPattern {
        parts: &["gatedrepoerror"],
        code: Code::GatedRepository,
        cause: "the model's repository is gated and the engine has no token for it",
        fix: &["pack the weights (`infer pack`), so that no pod asks for them"],
    },
    LogPattern {
        parts: &["cannot access gated repo"],
        code: Code::GatedRepository,
        cause: "the model's repository is gated and the engine has no token for it",
        fix: &["pack the weights (`infer pack`), so that no pod asks for them"],
    },
    LogPattern {
        parts: &["outgoing traffic has been disabled"],
        code: Code::ModelMissing,
        cause: "the engine looked for the model on the network, which is closed to it",
        fix: &[
            "let the engine's model argument name /models",
            "see the command with `infer render`",
        ],
    },
    LogPattern {
        parts: &["no such file or directory", "/models"],
        code: Code::ModelMissing,
        cause: "the model is not where the engine looks for it",
        fix: &["see what is in the image: `infer inspect`, and the command: `infer render`"],
    },
    LogPattern {
        parts: &["safetensors_rust.safetensorerror"],
        code: Code::ModelUnreadable,
        cause: "a weights file is not sound",
        fix: &["check the packed model: `infer verify`"],
    },
    LogPattern {
        parts: &["error loading model:"],
        code: Code::ModelUnreadable,
        cause: "the engine cannot read the model",
        fix: &[
            "check the packed model: `infer verify`, and that the engine knows its architecture",
        ],
    },
    LogPattern {
        parts: &["are not supported for now"],
        code: Code::ModelUnreadable,
        cause: "the engine does not know the model's architecture",
        fix: &["choose a newer engine: engine.version"],
    },
    LogPattern {
        parts: &["error: unrecognized arguments"],
        code: Code::ArgumentUnknown,
        cause: "the engine does not know one of its arguments",
        fix: &["correct engine.args in infer.yaml, or engine.version"],
    },
    LogPattern {
        parts: &["error: invalid argument:"],
        code: Code::ArgumentUnknown,
        cause: "the engine does not know one of its arguments",
        fix: &["correct engine.args in infer.yaml, or engine.version"],
    },
    LogPattern {
        parts: &["address already in use"],
        code: Code::PortTaken,
        cause: "the engine's port is taken inside its pod",
        fix: &["give the sidecar another port with `patches`"],
    },
    LogPattern {
        parts: &["vllm_port", "appears to be a uri"],
        code: Code::ServiceLinks,
        cause: "a Service named vllm put VLLM_PORT into the pod's environment",
        fix: &["keep enableServiceLinks: false in the pod (infer's own template has it)"],
    },
    LogPattern {
        parts: &["getpwuid(): uid not found"],
        code: Code::HomeNotWritable,
        cause: "the image has no user of the pod's user id",
        fix: &[
            "engine.env HOME and TORCHINDUCTOR_CACHE_DIR to a writable folder, or the image's own runAsUser",
        ],
    },
];

/// Bytes of a log that are looked at, from its end.
pub(in crate::cluster) const TAIL_BYTES_MAX: usize = 64 << 10;

/// The finding in a log's tail: of the first line that matches, since what follows it are
/// usually the consequences.
pub(super) fn read(tail: &str) -> Option<Finding> {
    let lines: Vec<_> = tail
        .lines()
        .map(|line| (line, line.to_lowercase()))
        .collect();
    [CONCLUSIONS, LOG_PATTERNS]
        .into_iter()
        .find_map(|patterns| {
            let mut lines = lines.iter();
            lines.find_map(|(line, lower)| {
                let pattern = patterns
                    .iter()
                    .find(|pattern| pattern.parts.iter().all(|part| lower.contains(part)))?;
                let mut finding = Finding::new(pattern.code, pattern.cause).evidence(*line);
                finding.fix = pattern.fix.iter().map(ToString::to_string).collect();
                Some(finding)
            })
        })
}

/// The line that looks most like the reason, where no pattern matched.
pub(super) fn last_words(tail: &str) -> Option<&str> {
    const LOUD: [&str; 5] = ["error", "fatal", "panic", "exception", "traceback"];
    let lines = || tail.lines().map(str::trim).filter(|line| !line.is_empty());
    let loud = lines().rev().find(|line| {
        let lower = line.to_lowercase();
        LOUD.iter().any(|word| lower.contains(word))
    });
    loud.or_else(|| lines().next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_last_words_become_codes() {
        let table = [
            (
                "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.02 GiB.",
                Code::CudaOutOfMemory,
            ),
            (
                "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.",
                Code::KvCacheTooSmall,
            ),
            (
                "ValueError: The model's max seq len (131072) is larger than the maximum number of tokens that can be stored in KV cache (23456).",
                Code::KvCacheTooSmall,
            ),
            (
                "ValueError: To serve at least one request with the models's max seq len (131072), 16.00 GiB KV cache is needed, which is larger than the available KV cache memory (4.1 GiB).",
                Code::KvCacheTooSmall,
            ),
            (
                "NCCL WARN Error while creating shared memory segment /dev/shm/nccl-a (size 9637888), error: No space left on device (28)",
                Code::SharedMemoryTooSmall,
            ),
            (
                "RuntimeError: CUDA error: no kernel image is available for execution on the device",
                Code::GpuArchitecture,
            ),
            (
                "RuntimeError: CUDA driver version is insufficient for CUDA runtime version",
                Code::DriverTooOld,
            ),
            (
                "huggingface_hub.errors.GatedRepoError: 401 Client Error.",
                Code::GatedRepository,
            ),
            (
                "vllm: error: unrecognized arguments: --max-modle-len 10",
                Code::ArgumentUnknown,
            ),
            (
                "OSError: [Errno 98] Address already in use",
                Code::PortTaken,
            ),
            (
                "ValueError: VLLM_PORT 'tcp://10.0.0.1:8000' appears to be a URI.",
                Code::ServiceLinks,
            ),
            (
                "KeyError: 'getpwuid(): uid not found: 1000'",
                Code::HomeNotWritable,
            ),
            (
                "llama_model_load: error loading model: unknown model architecture: 'x'",
                Code::ModelUnreadable,
            ),
            (
                "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 9000.00 MiB on device 0: cudaMalloc failed: out of memory",
                Code::CudaOutOfMemory,
            ),
        ];
        for (line, code) in table {
            let found = read(&format!("INFO start\n{line}\nTraceback ends")).unwrap();
            assert_eq!(found.code, code, "{line}");
            assert_eq!(found.evidence, [line]);
            assert!(!found.fix.is_empty(), "{line}");
        }
        assert_eq!(read("INFO all is well\nGET /health 200"), None);
    }

    #[test]
    fn the_first_cause_counts_and_not_what_follows_it() {
        let tail = "RuntimeError: CUDA error: no kernel image is available for execution on the device\nOSError: Address already in use";
        assert_eq!(read(tail).unwrap().code, Code::GpuArchitecture);
    }

    #[test]
    fn an_engines_own_conclusion_counts_before_the_error_it_comes_from() {
        let tail = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.02 GiB.\nValueError: No available memory for the cache blocks.";
        assert_eq!(read(tail).unwrap().code, Code::KvCacheTooSmall);
    }

    #[test]
    fn unknown_endings_still_quote_the_loudest_line() {
        assert_eq!(last_words("a\nValueError: b\nc\n\n"), Some("ValueError: b"));
        assert_eq!(last_words("a\nb\n"), Some("b"));
        assert_eq!(last_words("\n"), None);
    }
}
