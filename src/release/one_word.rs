//! The request that proves that a version works: one word is enough.

use serde_json::Value;

use crate::load::{Api, Body, Entry, Prompt, Shape};

/// Enough to prove that tokens come; more would only cost time.
const OUTPUT_TOKENS: u32 = 4;

/// As `load` sends it, to [`Api::Chat`].
pub(super) fn body(model: &str) -> Body {
    let shape = Shape {
        api: Api::Chat,
        model: model.to_owned(),
        stream: true,
        output_tokens: Some(OUTPUT_TOKENS),
        ignore_eos: false,
    };
    shape.body(&Entry {
        prompt: Prompt::Text("Say one word.".to_owned()),
        output_tokens: None,
    })
}

/// The same, for the way through the API server.
pub(super) fn json(model: &str) -> Value {
    serde_json::from_slice(&body(model).bytes).unwrap_or(Value::Null)
}
