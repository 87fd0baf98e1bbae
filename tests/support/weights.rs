//! Tiny models: real headers, a few bytes of tensors.

use std::{
    fs::{self, File},
    path::Path,
};

use serde_json::json;

/// A safetensors file with these tensors of `u8`, `(name, begin, end)`, and `data_bytes` of data.
pub fn safetensors(tensors: &[(&str, u64, u64)], data_bytes: usize) -> Vec<u8> {
    let entries: Vec<_> = tensors
        .iter()
        .map(|(name, begin, end)| {
            let length = end - begin;
            format!(
                r#""{name}":{{"dtype":"U8","shape":[{length}],"data_offsets":[{begin},{end}]}}"#
            )
        })
        .collect();
    let header = format!("{{{}}}", entries.join(","));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend((0..data_bytes).map(|at| u8::try_from(at % 251).expect("below 251")));
    bytes
}

/// Three files: weights, config, tokenizer.
pub fn tiny_model(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    let weights = safetensors(&[("a", 0, 600), ("b", 600, 1000)], 1000);
    fs::write(folder.join("model.safetensors"), weights).expect("weights");
    let config = r#"{"architectures":["TinyModel"],"max_position_embeddings":512}"#;
    fs::write(folder.join("config.json"), config).expect("config");
    fs::write(folder.join("tokenizer.json"), "{}").expect("tokenizer");
}

/// A model whose one weights file has `data_bytes` of zeros that take no room on disk.
pub fn sparse_model(folder: &Path, data_bytes: u64) {
    tiny_model(folder);
    let path = folder.join("model.safetensors");
    let header = safetensors(&[("zeros", 0, data_bytes)], 0);
    fs::write(&path, &header).expect("a header");
    let file = File::options().write(true).open(&path).expect("the file");
    file.set_len(header.len() as u64 + data_bytes)
        .expect("a longer file");
}

/// Writes `model.safetensors` (one 4×4 f32 tensor) and `config.json` into `folder`.
pub fn tiny_safetensors(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    let header = json!({"weight": {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]}});
    let header = header.to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend((0..16_u8).flat_map(|n| f32::from(n).to_le_bytes()));
    fs::write(folder.join("model.safetensors"), bytes).expect("weights");
    let config = json!({"architectures": ["LlamaForCausalLM"], "model_type": "llama"});
    fs::write(folder.join("config.json"), config.to_string()).expect("a config");
}
