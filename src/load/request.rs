//! Requests as they go over the wire (pure).

use std::{fmt, str::FromStr};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{
    prompt::{Entry, Prompt},
    timing::Expected,
};

/// Which of a server's doors is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Api {
    #[default]
    Chat,
    Completions,
    Embeddings,
}

impl Api {
    pub const ALL: [Self; 3] = [Self::Chat, Self::Completions, Self::Embeddings];

    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
        }
    }

    /// Below the server's base address.
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "v1/chat/completions",
            Self::Completions => "v1/completions",
            Self::Embeddings => "v1/embeddings",
        }
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Api {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|api| api.name() == text);
        found.ok_or_else(|| "use chat, completions or embeddings".to_owned())
    }
}

/// What every request of a run has in common.
#[derive(Debug, Clone)]
pub struct Shape {
    pub api: Api,
    pub model: String,
    pub stream: bool,
    /// Longest answer; the server's own limit where `None`.
    pub output_tokens: Option<u32>,
    /// Whether the engine is told to go on past its end-of-sequence token.
    pub ignore_eos: bool,
}

/// One body, and what its answer must hold to.
#[derive(Debug, Clone)]
pub struct Body {
    pub bytes: Bytes,
    pub streamed: bool,
    pub expected: Expected,
}

impl Shape {
    pub fn body(&self, entry: &Entry) -> Body {
        let mut fields = Map::new();
        fields.insert("model".to_owned(), json!(self.model));
        let (field, value) = match (self.api, &entry.prompt) {
            (Api::Chat, Prompt::Messages(messages)) => ("messages", messages.clone()),
            (Api::Chat, Prompt::Text(text)) => {
                ("messages", json!([{"role": "user", "content": text}]))
            }
            (Api::Completions, prompt) => ("prompt", json!(plain(prompt))),
            (Api::Embeddings, prompt) => ("input", json!(plain(prompt))),
        };
        fields.insert(field.to_owned(), value);
        let streamed = self.stream && self.api != Api::Embeddings;
        let mut expected = Expected::default();
        if self.api != Api::Embeddings {
            let limit = entry.output_tokens.or(self.output_tokens);
            if let Some(tokens) = limit {
                fields.insert("max_tokens".to_owned(), json!(tokens));
            }
            if self.ignore_eos && limit.is_some() {
                fields.insert("ignore_eos".to_owned(), json!(true));
                expected.output_tokens_min = limit.map(u64::from);
            }
            fields.insert("stream".to_owned(), json!(streamed));
            if streamed {
                fields.insert("stream_options".to_owned(), json!({"include_usage": true}));
            }
        }
        Body {
            bytes: Value::Object(fields).to_string().into(),
            streamed,
            expected,
        }
    }
}

/// Messages where the API takes text only: their contents, a line each.
fn plain(prompt: &Prompt) -> String {
    match prompt {
        Prompt::Text(text) => text.clone(),
        Prompt::Messages(messages) => {
            let messages = messages.as_array().map_or(&[][..], Vec::as_slice);
            let contents = messages
                .iter()
                .filter_map(|message| message["content"].as_str());
            contents.collect::<Vec<_>>().join("\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(api: Api) -> Shape {
        Shape {
            api,
            model: "m".to_owned(),
            stream: true,
            output_tokens: Some(9),
            ignore_eos: true,
        }
    }

    fn body(shape: &Shape, prompt: Prompt) -> (Value, Body) {
        let body = shape.body(&Entry {
            prompt,
            output_tokens: None,
        });
        (serde_json::from_slice(&body.bytes).unwrap(), body)
    }

    fn text() -> Prompt {
        Prompt::Text("say \"a\"\n".to_owned())
    }

    #[test]
    fn a_chat_request_streams_and_asks_for_usage() {
        let (json, body) = body(&shape(Api::Chat), text());
        assert_eq!(
            json,
            json!({"model": "m", "messages": [{"role": "user", "content": "say \"a\"\n"}],
                "max_tokens": 9, "ignore_eos": true, "stream": true,
                "stream_options": {"include_usage": true}})
        );
        assert!(body.streamed);
        assert_eq!(body.expected.output_tokens_min, Some(9));
    }

    #[test]
    fn ignore_eos_is_sent_only_where_the_engine_knows_it() {
        let unknown = Shape {
            ignore_eos: false,
            ..shape(Api::Completions)
        };
        let (json, body) = body(&unknown, text());
        assert_eq!(json.get("ignore_eos"), None);
        assert_eq!(json["prompt"], "say \"a\"\n");
        assert_eq!(body.expected.output_tokens_min, None);
    }

    #[test]
    fn without_streaming_no_stream_options_are_sent() {
        let whole = Shape {
            stream: false,
            ..shape(Api::Chat)
        };
        let (json, body) = body(&whole, text());
        assert_eq!(json["stream"], false);
        assert_eq!(json.get("stream_options"), None);
        assert!(!body.streamed);
    }

    #[test]
    fn embeddings_take_input_and_nothing_about_output() {
        let (json, body) = body(&shape(Api::Embeddings), text());
        assert_eq!(json, json!({"model": "m", "input": "say \"a\"\n"}));
        assert!(!body.streamed);
    }

    #[test]
    fn messages_become_text_for_the_plain_apis() {
        let messages =
            json!([{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]);
        let (json, _) = body(&shape(Api::Completions), Prompt::Messages(messages));
        assert_eq!(json["prompt"], "a\nb");
    }
}
