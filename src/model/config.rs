//! `config.json` of a Hugging Face model: architecture, context, quantization.

use serde_json::Value;

use super::Fault;

/// Real ones are a few kilobytes; the largest with label maps stay below 2 MB.
pub(super) const CONFIG_BYTES_MAX: u64 = 8 << 20;

/// What of `config.json` is of use; everything may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    pub architecture: Option<String>,
    pub model_type: Option<String>,
    pub context_length: Option<u64>,
    pub quantization: Option<String>,
    pub quantization_bits: Option<u64>,
    pub layers: Option<u64>,
    pub key_value_heads: Option<u64>,
    pub head_width: Option<u64>,
}

impl Config {
    /// Reads the JSON text; unknown shapes give `None`, only broken JSON is a fault.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let config: Value = serde_json::from_str(text).map_err(Fault::Json)?;
        // Multi-modal models keep the language model's figures one level down.
        let inner = ["text_config", "llm_config", "language_config"]
            .iter()
            .find_map(|key| config.get(key))
            .unwrap_or(&config);
        let number = |key: &str| {
            let found = inner.get(key).or_else(|| config.get(key));
            found.and_then(Value::as_u64)
        };
        let quantization = config
            .get("quantization_config")
            .or_else(|| inner.get("quantization_config"));
        let heads = number("num_attention_heads").or_else(|| number("n_head"));
        let width = number("hidden_size").or_else(|| number("n_embd"));
        Ok(Self {
            architecture: config
                .pointer("/architectures/0")
                .and_then(Value::as_str)
                .map(str::to_owned),
            model_type: config
                .get("model_type")
                .and_then(Value::as_str)
                .map(str::to_owned),
            context_length: [
                "max_position_embeddings",
                "n_positions",
                "max_seq_len",
                "seq_length",
            ]
            .iter()
            .find_map(|key| number(key)),
            quantization: quantization
                .and_then(|found| found.get("quant_method"))
                .and_then(Value::as_str)
                .map(str::to_owned),
            quantization_bits: quantization
                .and_then(|found| found.get("bits").or_else(|| found.get("w_bit")))
                .and_then(Value::as_u64)
                .filter(|bits| (1..=16).contains(bits)),
            layers: number("num_hidden_layers").or_else(|| number("n_layer")),
            key_value_heads: number("num_key_value_heads").or(heads),
            head_width: number("head_dim").or_else(|| {
                let heads = heads.filter(|heads| *heads > 0)?;
                Some(width? / heads)
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_model_gives_its_figures() {
        let config = Config::parse(
            r#"{"architectures":["Qwen3ForCausalLM"],"model_type":"qwen3","max_position_embeddings":40960,
               "num_hidden_layers":36,"num_attention_heads":32,"num_key_value_heads":8,"hidden_size":4096,"head_dim":128}"#,
        )
        .unwrap();
        assert_eq!(config.architecture.as_deref(), Some("Qwen3ForCausalLM"));
        assert_eq!(config.context_length, Some(40960));
        assert_eq!(config.key_value_heads, Some(8));
        assert_eq!(config.head_width, Some(128));
    }

    #[test]
    fn a_multi_modal_model_keeps_them_one_level_down() {
        let config = Config::parse(
            r#"{"architectures":["LlavaForConditionalGeneration"],"text_config":{"max_position_embeddings":4096,"num_hidden_layers":32}}"#,
        )
        .unwrap();
        assert_eq!(config.context_length, Some(4096));
        assert_eq!(config.layers, Some(32));
    }

    #[test]
    fn odd_types_are_left_out_and_broken_json_is_a_fault() {
        let odd = r#"{"architectures":"x","max_position_embeddings":"many","num_attention_heads":0,"hidden_size":4}"#;
        let config = Config::parse(odd).unwrap();
        assert_eq!(config.architecture, None);
        assert_eq!(config.head_width, None);
        assert!(Config::parse("{").is_err());
        assert_eq!(Config::parse("[1]").unwrap(), Config::default());
    }
}
