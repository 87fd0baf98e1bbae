//! The figures people ask of a model, gathered from its headers.

use serde::Serialize;

use super::{Config, Source, TensorFile, gguf, tensor};

/// How the weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Safetensors,
    Gguf,
    /// Weights without a header that is understood: ONNX, `PyTorch`, `TensorRT`.
    Other,
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Gguf => "gguf",
            Self::Other => "other",
        }
    }
}

/// What the weights say; a figure they do not give is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Facts {
    pub name: String,
    pub format: Format,
    pub architecture: Option<String>,
    pub parameters: Option<u64>,
    /// Element types that hold at least 1% of the weights, largest share first.
    pub precisions: Vec<String>,
    pub quantization: Option<String>,
    pub context_length: Option<u64>,
    /// Files with tensors.
    pub shards: u64,
    pub tensors: u64,
    /// Bytes of all tensors: what the GPU must hold before the first request.
    pub weight_bytes: u64,
    /// KV cache of one token at 16 bits.
    pub kv_bytes_per_token: Option<u64>,
}

/// GPU memory by what needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    pub weight_bytes: u64,
    pub kv_bytes: u64,
}

impl Facts {
    /// Memory for the weights and for `tokens` of context over all requests.
    pub fn memory(&self, tokens: u64) -> Option<Memory> {
        Some(Memory {
            weight_bytes: self.weight_bytes,
            kv_bytes: self.kv_bytes_per_token?.saturating_mul(tokens),
        })
    }

    pub(super) fn gather(
        source: &Source,
        config: &Config,
        header: &gguf::Header,
        files: &[TensorFile],
    ) -> Self {
        let by_dtype = tensor::bytes_by_dtype(files);
        let weight_bytes = by_dtype
            .iter()
            .fold(0, |all: u64, (_, n)| all.saturating_add(*n));
        let of = |kind| {
            files
                .iter()
                .any(|file| tensor::Kind::of(&file.path) == Some(kind))
        };
        let format = if of(tensor::Kind::Safetensors) {
            Format::Safetensors
        } else if of(tensor::Kind::Gguf) {
            Format::Gguf
        } else {
            Format::Other
        };
        let tensors: usize = files.iter().map(|file| file.tensors.len()).sum();
        Self {
            name: source.name.clone(),
            format,
            architecture: config
                .architecture
                .clone()
                .or_else(|| header.architecture().map(str::to_owned))
                .or_else(|| config.model_type.clone()),
            parameters: parameters(files, config),
            precisions: by_dtype
                .iter()
                .filter(|(_, bytes)| bytes.saturating_mul(100) >= weight_bytes && *bytes > 0)
                .map(|(dtype, _)| dtype.clone())
                .collect(),
            quantization: config
                .quantization
                .clone()
                .or_else(|| header.quantization().map(str::to_owned)),
            context_length: config
                .context_length
                .or_else(|| header.of_architecture("context_length")),
            shards: files.len() as u64,
            tensors: tensors as u64,
            weight_bytes,
            kv_bytes_per_token: kv_bytes_per_token(config, header),
        }
    }
}

/// Elements of all tensors; packed 4-bit weights count as what they stand for.
fn parameters(files: &[TensorFile], config: &Config) -> Option<u64> {
    const PACKED: [&str; 2] = [".qweight", ".weight_packed"];
    const HELPERS: [&str; 7] = [
        ".scales",
        ".qzeros",
        ".g_idx",
        ".weight_scale",
        ".weight_zero_point",
        ".weight_shape",
        ".input_scale",
    ];
    let mut sum = 0_u64;
    for tensor in files.iter().flat_map(|file| &file.tensors) {
        let ends_with = |ends: &[&str]| ends.iter().any(|end| tensor.name.ends_with(end));
        let count = match config.quantization_bits {
            Some(bits) if ends_with(&PACKED) => tensor.bytes.saturating_mul(8) / bits,
            _ if ends_with(&HELPERS) => 0,
            _ => tensor.elements(),
        };
        sum = sum.saturating_add(count);
    }
    (sum > 0).then_some(sum)
}

/// 2 (key and value) × layers × heads × width × 2 bytes.
fn kv_bytes_per_token(config: &Config, header: &gguf::Header) -> Option<u64> {
    let layers = config
        .layers
        .or_else(|| header.of_architecture("block_count"))?;
    let heads = config
        .key_value_heads
        .or_else(|| header.of_architecture("attention.head_count_kv"))
        .or_else(|| header.of_architecture("attention.head_count"))?;
    let width = config
        .head_width
        .or_else(|| header.of_architecture("attention.key_length"))
        .or_else(|| {
            let all = header.of_architecture("embedding_length")?;
            all.checked_div(header.of_architecture("attention.head_count")?)
        })?;
    4_u64
        .checked_mul(layers)?
        .checked_mul(heads)?
        .checked_mul(width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{File, Kind, Tensor};

    fn source() -> Source {
        Source {
            kind: Kind::Directory,
            name: "tiny".to_owned(),
            files: vec![File::named("model.safetensors", 100)],
            left_out: Vec::new(),
        }
    }

    fn tensor(name: &str, dtype: &str, shape: &[u64], bytes: u64) -> Tensor {
        Tensor {
            name: name.to_owned(),
            dtype: dtype.to_owned(),
            shape: shape.to_vec(),
            offset: 0,
            bytes,
        }
    }

    fn facts(config: &Config, tensors: Vec<Tensor>) -> Facts {
        let file = TensorFile {
            path: "model.safetensors".to_owned(),
            tensors,
        };
        Facts::gather(&source(), config, &gguf::Header::default(), &[file])
    }

    #[test]
    fn parameters_and_precisions_come_from_the_tensors() {
        let tensors = vec![
            tensor("w", "bf16", &[100, 10], 2000),
            tensor("norm", "f32", &[10], 40),
            tensor("flag", "u8", &[1], 1),
        ];
        let facts = facts(&Config::default(), tensors);
        assert_eq!(facts.parameters, Some(1011));
        assert_eq!(facts.precisions, ["bf16", "f32"]);
        assert_eq!(facts.weight_bytes, 2041);
        assert_eq!(facts.memory(10), None);
    }

    #[test]
    fn packed_weights_count_as_what_they_stand_for() {
        let config = Config {
            quantization: Some("gptq".to_owned()),
            quantization_bits: Some(4),
            ..Config::default()
        };
        let tensors = vec![
            tensor("a.qweight", "i32", &[8, 16], 512),
            tensor("a.scales", "f16", &[16], 32),
            tensor("embed.weight", "f16", &[10], 20),
        ];
        assert_eq!(facts(&config, tensors).parameters, Some(1034));
    }

    #[test]
    fn the_kv_cache_follows_from_the_config() {
        let config = Config {
            layers: Some(36),
            key_value_heads: Some(8),
            head_width: Some(128),
            ..Config::default()
        };
        let facts = facts(&config, Vec::new());
        assert_eq!(facts.kv_bytes_per_token, Some(147_456));
        assert_eq!(facts.memory(1000).unwrap().kv_bytes, 147_456_000);
    }
}
