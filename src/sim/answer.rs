//! The bytes of an answer: JSON bodies and SSE events, as vLLM writes them.

use serde_json::{Value, json};

use super::openai::{Api, Request};

/// The text of every answer, word by word, over and over.
const TEXT: [&str; 8] = [
    "No",
    " model",
    " is",
    " run:",
    " this",
    " answer",
    " is",
    " simulated. ",
];

/// How many different words there are.
pub(super) const WORDS: usize = TEXT.len();

/// The text of output token `index`, counted from 0.
pub(super) fn token(index: u32) -> &'static str {
    TEXT[index as usize % WORDS]
}

/// Writes one request's answer.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    pub(super) api: Api,
    pub(super) id: String,
    pub(super) created: u64,
    pub(super) model: String,
    pub(super) prompt_tokens: u32,
    /// Tokens that come as reasoning before the content.
    pub(super) reasoning_tokens: u32,
}

impl Writer {
    /// The first event of a chat: the role, no token. Completions have none.
    pub(super) fn role(&self) -> Option<String> {
        match self.api {
            Api::Chat => {
                let delta = json!({"role": "assistant", "content": ""});
                Some(self.event(&json!({"index": 0, "delta": delta, "finish_reason": null})))
            }
            Api::Completions | Api::Embeddings => None,
        }
    }

    pub(super) fn token(&self, index: u32) -> String {
        let text = token(index);
        self.event(&match self.api {
            Api::Chat if index < self.reasoning_tokens => {
                json!({"index": 0, "delta": {"reasoning": text}, "finish_reason": null})
            }
            Api::Chat => json!({"index": 0, "delta": {"content": text}, "finish_reason": null}),
            Api::Completions | Api::Embeddings => {
                json!({"index": 0, "text": text, "finish_reason": null})
            }
        })
    }

    pub(super) fn finish(&self, reason: &str) -> String {
        self.event(&match self.api {
            Api::Chat => json!({"index": 0, "delta": {}, "finish_reason": reason}),
            Api::Completions | Api::Embeddings => {
                json!({"index": 0, "text": "", "finish_reason": reason})
            }
        })
    }

    pub(super) fn usage_event(&self, output_tokens: u32) -> String {
        let mut chunk = self.chunk(&json!([]));
        chunk["usage"] = self.usage(output_tokens);
        format!("data: {chunk}\n\n")
    }

    /// The whole answer at once.
    pub(super) fn whole(&self, output_tokens: u32, reason: &str) -> Value {
        let text = |from, to| (from..to).map(token).collect::<String>();
        let reasoned = self.reasoning_tokens.min(output_tokens);
        let choice = match self.api {
            Api::Chat => {
                let mut message =
                    json!({"role": "assistant", "content": text(reasoned, output_tokens)});
                if reasoned > 0 {
                    message["reasoning"] = text(0, reasoned).into();
                }
                json!({"index": 0, "message": message, "finish_reason": reason})
            }
            Api::Completions | Api::Embeddings => {
                json!({"index": 0, "text": text(0, output_tokens), "finish_reason": reason})
            }
        };
        json!({
            "id": self.id, "object": self.object(""), "created": self.created,
            "model": self.model, "choices": [choice], "usage": self.usage(output_tokens),
        })
    }

    fn object(&self, suffix: &str) -> String {
        match self.api {
            Api::Chat => format!("chat.completion{suffix}"),
            Api::Completions | Api::Embeddings => "text_completion".to_owned(),
        }
    }

    fn usage(&self, output_tokens: u32) -> Value {
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": output_tokens,
            "total_tokens": self.prompt_tokens + output_tokens,
        })
    }

    fn event(&self, choice: &Value) -> String {
        format!("data: {}\n\n", self.chunk(&json!([choice])))
    }

    fn chunk(&self, choices: &Value) -> Value {
        json!({
            "id": self.id, "object": self.object(".chunk"), "created": self.created,
            "model": self.model, "choices": choices,
        })
    }
}

/// Ends every stream that ends well.
pub(super) const DONE: &str = "data: [DONE]\n\n";

/// Unit vectors, different for each input, the same on every run.
#[expect(clippy::cast_precision_loss, reason = "any number in range will do")]
pub(super) fn embeddings(request: &Request, model: &str) -> Value {
    let length = request.dimensions as f64;
    let data: Vec<Value> = request
        .inputs
        .iter()
        .enumerate()
        .map(|(index, tokens)| {
            // No two small inputs share a phase: the step is not a whole number.
            let phase = f64::from(*tokens) + index as f64 * 0.731;
            let raw: Vec<f64> = (0..request.dimensions)
                .map(|at| libm::sin(phase + at as f64 + 1.0) / libm::sqrt(length))
                .collect();
            let norm = libm::sqrt(raw.iter().map(|x| x * x).sum());
            let unit: Vec<f64> = raw.iter().map(|x| x / norm).collect();
            json!({"object": "embedding", "index": index, "embedding": unit})
        })
        .collect();
    json!({
        "object": "list", "data": data, "model": model,
        "usage": {"prompt_tokens": request.prompt_tokens, "total_tokens": request.prompt_tokens},
    })
}

/// An error as vLLM writes it.
pub(super) fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        400 => "BadRequestError",
        404 => "NotFoundError",
        429 => "RateLimitError",
        503 => "ServiceUnavailableError",
        _ => "InternalServerError",
    };
    json!({"error": {"message": message, "type": kind, "param": null, "code": status}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(api: Api) -> Writer {
        Writer {
            api,
            id: "sim-1".to_owned(),
            created: 7,
            model: "m".to_owned(),
            prompt_tokens: 3,
            reasoning_tokens: 1,
        }
    }

    fn data(event: &str) -> Value {
        let line = event.strip_prefix("data: ").unwrap();
        serde_json::from_str(line.strip_suffix("\n\n").unwrap()).unwrap()
    }

    #[test]
    fn a_chat_stream_goes_from_role_to_reasoning_to_content_to_usage() {
        let chat = writer(Api::Chat);
        let role = data(&chat.role().unwrap());
        assert_eq!(role["object"], "chat.completion.chunk");
        assert_eq!(
            role["choices"][0]["delta"],
            json!({"role": "assistant", "content": ""})
        );
        assert_eq!(
            data(&chat.token(0))["choices"][0]["delta"],
            json!({"reasoning": "No"})
        );
        assert_eq!(
            data(&chat.token(1))["choices"][0]["delta"],
            json!({"content": " model"})
        );
        assert_eq!(
            data(&chat.finish("stop"))["choices"][0]["finish_reason"],
            "stop"
        );
        let usage = data(&chat.usage_event(2));
        assert_eq!(usage["choices"], json!([]));
        assert_eq!(usage["usage"]["total_tokens"], 5);
    }

    #[test]
    fn a_whole_answer_has_the_same_text_as_its_stream() {
        let completion = writer(Api::Completions);
        assert!(completion.role().is_none());
        let whole = completion.whole(9, "length");
        let streamed: String = (0..9)
            .map(|index| {
                data(&completion.token(index))["choices"][0]["text"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        assert_eq!(whole["choices"][0]["text"], streamed);
        assert_eq!(streamed, "No model is run: this answer is simulated. No");
    }

    #[test]
    fn embeddings_have_length_one_and_differ() {
        let request = Request {
            api: Api::Embeddings,
            prompt_tokens: 3,
            output_tokens: 0,
            limited: false,
            stream: false,
            include_usage: false,
            inputs: vec![2, 1],
            dimensions: 8,
        };
        let answer = embeddings(&request, "m");
        let vector = |index: usize| -> Vec<f64> {
            serde_json::from_value(answer["data"][index]["embedding"].clone()).unwrap()
        };
        let norm: f64 = vector(0).iter().map(|x| x * x).sum();
        assert!((norm - 1.0).abs() < 1e-9);
        assert_ne!(vector(0), vector(1));
    }
}
