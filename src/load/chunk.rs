//! What one JSON payload of an OpenAI-compatible server means (pure).
//!
//! Reads the few fields that matter and skips the rest without building values:
//! a token costs no allocation. Serves stream chunks and whole bodies alike.

#[macro_use]
mod value;

use serde::{
    Deserialize,
    de::{MapAccess, SeqAccess, Visitor},
};

use self::value::{Filled, FinishReason, IsError, Length, drain};

/// Longest server message kept with an error.
const MESSAGE_CHARS_MAX: usize = 400;

/// Token counts as the server gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    pub prompt_tokens: u64,
    pub output_tokens: u64,
}

/// Why the server stopped, in its own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// `stop`, `length`, `tool_calls` and whatever else is a normal end.
    Normal,
    Aborted,
    Failed,
}

/// One payload, reduced to what a client measures by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunk {
    /// It carries text other than reasoning, or a tool call.
    pub output: bool,
    /// It carries reasoning.
    pub reasoning: bool,
    pub finish: Option<Finish>,
    pub usage: Option<Usage>,
    /// The server's message, where the payload is an error.
    pub error: Option<String>,
    /// Vectors of an embeddings answer.
    pub embeddings: usize,
}

impl Chunk {
    /// Whether it is a token event: role, usage and finish chunks are not.
    pub fn is_token(&self) -> bool {
        self.output || self.reasoning
    }

    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        let wire: Wire = serde_json::from_slice(json)?;
        let old_style_error = wire.object.0;
        Ok(Self {
            output: wire.choices.output,
            reasoning: wire.choices.reasoning,
            finish: wire.choices.finish,
            usage: wire.usage.map(|usage| Usage {
                prompt_tokens: usage.prompt_tokens.unwrap_or(0),
                output_tokens: usage.completion_tokens.unwrap_or(0),
            }),
            error: match wire.error {
                Some(error) => Some(message(&error)),
                None if old_style_error => Some(match wire.message {
                    Some(value) => message(&value),
                    None => "the server gave no message".to_owned(),
                }),
                None => None,
            },
            embeddings: wire.data.0,
        })
    }
}

/// The readable part of an `error` field, whatever its shape.
fn message(error: &serde_json::Value) -> String {
    let text = match error {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Object(fields) => match fields.get("message") {
            Some(serde_json::Value::String(text)) => text.clone(),
            _ => error.to_string(),
        },
        other => other.to_string(),
    };
    shorten(&text)
}

/// One line of at most 400 characters.
pub(super) fn shorten(text: &str) -> String {
    let mut line = String::new();
    for character in text.trim().chars().take(MESSAGE_CHARS_MAX) {
        line.push(if character.is_control() {
            ' '
        } else {
            character
        });
    }
    line
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    choices: Choices,
    #[serde(default)]
    usage: Option<WireUsage>,
    #[serde(default)]
    error: Option<serde_json::Value>,
    #[serde(default)]
    object: IsError,
    #[serde(default)]
    message: Option<serde_json::Value>,
    #[serde(default)]
    data: Length,
}

#[derive(Deserialize)]
struct WireUsage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

#[derive(Default)]
struct Choices {
    output: bool,
    reasoning: bool,
    finish: Option<Finish>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    text: Filled,
    #[serde(default, alias = "message")]
    delta: Option<Delta>,
    #[serde(default)]
    finish_reason: FinishReason,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    content: Filled,
    #[serde(default)]
    reasoning: Filled,
    #[serde(default)]
    reasoning_content: Filled,
    #[serde(default)]
    tool_calls: Filled,
    #[serde(default)]
    function_call: Filled,
}

any_value!(Choices, ChoicesVisitor);
struct ChoicesVisitor;
impl<'de> Visitor<'de> for ChoicesVisitor {
    type Value = Choices;
    scalars_are_default!();

    fn visit_str<E>(self, _: &str) -> Result<Choices, E> {
        Ok(Choices::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Choices, A::Error> {
        let mut choices = Choices::default();
        while let Some(choice) = items.next_element::<Choice>()? {
            choices.output |= choice.text.0;
            if let Some(delta) = choice.delta {
                choices.output |= delta.content.0 | delta.tool_calls.0 | delta.function_call.0;
                choices.reasoning |= delta.reasoning.0 | delta.reasoning_content.0;
            }
            choices.finish = choice.finish_reason.0.or(choices.finish);
        }
        Ok(choices)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Choices, A::Error> {
        drain(map).map(|_| Choices::default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chunk(json: &str) -> Chunk {
        Chunk::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn text_reasoning_and_tool_calls_are_tokens() {
        for json in [
            r#"{"choices":[{"delta":{"content":"a"}}]}"#,
            r#"{"choices":[{"delta":{"content":"\n"}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#,
            r#"{"choices":[{"text":" the"}]}"#,
            r#"{"choices":[{"message":{"role":"assistant","content":"a"}}]}"#,
        ] {
            assert!(chunk(json).output, "{json}");
        }
        for json in [
            r#"{"choices":[{"delta":{"reasoning":"a"}}]}"#,
            r#"{"choices":[{"delta":{"content":null,"reasoning_content":"a"}}]}"#,
        ] {
            assert!(chunk(json).reasoning && !chunk(json).output, "{json}");
        }
    }

    #[test]
    fn role_usage_and_finish_chunks_are_no_tokens() {
        for json in [
            r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
            r#"{"choices":[{"delta":{"role":"assistant","content":null,"tool_calls":[]}}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
            r#"{"choices":null}"#,
            r"{}",
        ] {
            assert!(!chunk(json).is_token(), "{json}");
        }
    }

    #[test]
    fn finish_reasons_are_told_apart() {
        let finish = |reason: &str| {
            chunk(&format!(r#"{{"choices":[{{"finish_reason":{reason}}}]}}"#)).finish
        };
        assert_eq!(finish("null"), None);
        assert_eq!(finish("\"\""), None);
        assert_eq!(finish("\"length\""), Some(Finish::Normal));
        assert_eq!(finish("\"abort\""), Some(Finish::Aborted));
        assert_eq!(finish("\"error\""), Some(Finish::Failed));
    }

    #[test]
    fn errors_are_found_in_every_shape() {
        for json in [
            r#"{"error":{"message":"out of memory","code":500}}"#,
            r#"{"error":"out of memory"}"#,
            r#"{"object":"error","message":"out of memory"}"#,
        ] {
            assert_eq!(
                chunk(json).error.as_deref(),
                Some("out of memory"),
                "{json}"
            );
        }
        assert_eq!(
            chunk(r#"{"error":null,"object":"chat.completion.chunk"}"#).error,
            None
        );
    }

    #[test]
    fn usage_may_come_in_part_or_not_at_all() {
        let usage = chunk(r#"{"usage":{"prompt_tokens":9,"completion_tokens":null}}"#).usage;
        assert_eq!(
            usage,
            Some(Usage {
                prompt_tokens: 9,
                output_tokens: 0
            })
        );
        assert_eq!(chunk(r#"{"usage":null}"#).usage, None);
    }

    #[test]
    fn embeddings_are_counted() {
        let json = r#"{"object":"list","data":[{"embedding":[0.1]},{"embedding":[0.2]}]}"#;
        assert_eq!(chunk(json).embeddings, 2);
    }

    #[test]
    fn a_server_message_is_one_short_line() {
        let long = format!(r#"{{"error":"a\nb{}"}}"#, "x".repeat(10_000));
        let message = chunk(&long).error.unwrap();
        assert!(message.starts_with("a b") && message.len() <= MESSAGE_CHARS_MAX);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(Chunk::parse(&bytes));
        }

        #[test]
        fn wrong_types_never_panic(
            value in prop_oneof![
                Just("null"), Just("1"), Just("-1"), Just("1.5"), Just("true"), Just("\"x\""),
                Just("[]"), Just("[1]"), Just("{}"), Just("{\"a\":1}"),
            ],
            field in prop_oneof![
                Just("choices"), Just("usage"), Just("error"), Just("object"), Just("data"),
            ],
        ) {
            drop(Chunk::parse(format!("{{\"{field}\":{value}}}").as_bytes()));
            drop(Chunk::parse(
                format!("{{\"choices\":[{{\"delta\":{{\"content\":{value}}},\"finish_reason\":{value}}}]}}").as_bytes(),
            ));
        }
    }
}
