//! A model small enough to pack in a test: one tensor, a real safetensors header.

use std::path::Path;

use serde_json::json;

/// Writes `model.safetensors` (one 4×4 f32 tensor) and `config.json` into `folder`.
pub fn tiny_safetensors(folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    let header = json!({"weight": {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]}});
    let header = header.to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend((0..16_u8).flat_map(|n| f32::from(n).to_le_bytes()));
    std::fs::write(folder.join("model.safetensors"), bytes).expect("weights");
    let config = json!({"architectures": ["LlamaForCausalLM"], "model_type": "llama"});
    std::fs::write(folder.join("config.json"), config.to_string()).expect("a config");
}
